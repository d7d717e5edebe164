from __future__ import annotations

from typing import Any

import orjson
import pytest

from duihua.messages import Call
from duihua.testing import SkillHarness
from duihua_skills.weather import weather
from tests.skills.conftest import WeatherService


async def ask(service: WeatherService, locale: str = "zh", **arguments: Any) -> Call:
    harness = SkillHarness(weather, settings=service.settings, locale=locale)
    call = await harness.call(**arguments)
    assert harness.errors == []
    return call


async def report(service: WeatherService, locale: str = "zh", **arguments: Any) -> dict[str, Any]:
    call = await ask(service, locale, **arguments)
    assert call.state == "done", call.result
    return orjson.loads(call.result)


async def test_today_in_a_chinese_city(service: WeatherService) -> None:
    assert await report(service, city="北京") == {
        "city": "北京",
        "country": "中国",
        "date": "2025-03-07",
        "weekday": "星期五",
        "weather": "小雨",
        "min_c": -2.5,
        "max_c": 39.9,
        "rain_percent": 0,
    }
    search, forecast = service.requests
    assert (search["name"], search["language"]) == ("北京", "zh")
    assert (forecast["timezone"], forecast["forecast_days"]) == ("auto", "7")


async def test_in_english(service: WeatherService) -> None:
    found = await report(service, "en", city="Paris", day="tomorrow")
    assert (found["city"], found["date"], found["weekday"]) == ("Paris", "2025-03-08", "Saturday")
    assert found["weather"] == "rain"
    assert service.requests[0]["language"] == "en"


async def test_among_cities_of_one_name_the_largest_is_meant(service: WeatherService) -> None:
    assert (await report(service, city="Paris"))["max_c"] == 48.85


@pytest.mark.parametrize("city", ["Paris, Texas", "Paris，United States", "Paris,texas"])
async def test_a_region_says_which_one_is_meant(service: WeatherService, city: str) -> None:
    assert (await report(service, city=city))["max_c"] == 33.66


async def test_the_kind_of_place_may_be_added_in_chinese(service: WeatherService) -> None:
    assert (await report(service, city="北京市"))["city"] == "北京"
    assert [request["name"] for request in service.requests[:2]] == ["北京市", "北京"]


@pytest.mark.parametrize(
    ("day", "date"),
    [
        ("", "07"), ("today", "07"), ("今天", "07"), ("Tonight", "07"), ("周五", "07"), ("Friday", "07"),
        ("明天", "08"), ("tomorrow", "08"), ("2025-03-08", "08"), ("2025年3月8日", "08"), ("3月8号", "08"),
        ("8号", "08"), ("星期六", "08"), ("on Saturday", "08"), ("sat", "08"), ("in 1 day", "08"),
        ("后天", "09"), ("day after tomorrow", "09"), ("day_after_tomorrow", "09"),
        ("周日", "09"), ("礼拜天", "09"), ("2天后", "09"),
        ("大后天", "10"), ("3 days later", "10"), ("2025/3/13", "13"), ("这周四", "13"),
    ],
)  # fmt: skip
async def test_days_are_those_of_the_city(service: WeatherService, day: str, date: str) -> None:
    assert (await report(service, city="北京", day=day))["date"] == f"2025-03-{date}"


@pytest.mark.parametrize(
    "day", ["2025-03-06", "2025-03-14", "2024-03-08", "昨天", "in 7 days", "sunny", "s", "32号"]
)
async def test_another_day_is_refused_with_the_days_there_are(service: WeatherService, day: str) -> None:
    call = await ask(service, city="北京", day=day)
    assert call.state == "failed"
    assert "2025-03-07 ... 2025-03-13" in call.result


async def test_several_days(service: WeatherService) -> None:
    found = await report(service, city="北京", day="明天", days=3)
    assert found["city"] == "北京"
    assert [day["date"] for day in found["days"]] == ["2025-03-08", "2025-03-09", "2025-03-10"]
    assert [day["weather"] for day in found["days"]] == ["中雨", "大雨", "小雨"]


async def test_the_forecast_ends_after_seven_days(service: WeatherService) -> None:
    days = (await report(service, city="北京", day="2025-03-12", days=7))["days"]
    assert [day["date"] for day in days] == ["2025-03-12", "2025-03-13"]
    assert days[-1]["rain_percent"] is None


async def test_more_than_seven_days_are_wrong_arguments(service: WeatherService) -> None:
    call = await ask(service, city="北京", days=8)
    assert (call.state, service.requests) == ("failed", [])


@pytest.mark.parametrize("city", ["不存在的城市", "Nowhereville", "", "  ", ",", "x" * 5_000])
async def test_an_unknown_city_is_said_to_be_unknown(service: WeatherService, city: str) -> None:
    zh, en = await ask(service, "zh", city=city), await ask(service, "en", city=city)
    assert (zh.state, en.state) == ("failed", "failed")
    assert "找不到城市" in zh.result
    assert "No city named" in en.result
    assert len(zh.result) < 200


async def test_no_network_is_a_plain_sentence() -> None:
    nobody = {"forecast_url": "http://127.0.0.1:9", "geocoding_url": "http://127.0.0.1:9"}
    call = await SkillHarness(weather, settings=nobody, locale="en").call(city="Paris")
    assert (call.state, call.result) == ("failed", "The weather service cannot be reached; try later.")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (429, b"", "太忙"),
        (500, b"<html>", "无法使用"),
        (302, b"", "无法使用"),
        (200, b"", "无法使用"),
        (200, b"[]", "无法使用"),
        (200, b'{"results": 1}', "无法使用"),
        (200, b'{"results": [{"name": "x"}]}', "无法使用"),
        (200, b"\xff\xfe", "无法使用"),
        (200, b'{"results": [' + b" " * 600_000 + b"]}", "无法使用"),
    ],
)
async def test_a_bad_answer_is_a_plain_sentence(
    service: WeatherService, status: int, body: bytes, said: str
) -> None:
    service.status, service.body = status, body
    call = await ask(service, city="北京")
    assert call.state == "failed"
    assert said in call.result
