from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.simulator import Simulator, cities
from duihua.simulator.forecast import day_at

BEIJING = {"latitude": "39.9075", "longitude": "116.39723"}
DAILY = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_probability_max"


async def get(
    simulator: Simulator, http: aiohttp.ClientSession, path: str, **query: str
) -> tuple[int, dict[str, Any]]:
    async with http.get(simulator.url + path, params=query) as r:
        return r.status, await r.json()


@pytest.mark.parametrize(
    ("name", "language", "found", "country"),
    [
        ("北京", "zh", "北京", "中国"),
        ("北京市", "zh", "北京", "中国"),
        ("Beijing", "en", "Beijing", "China"),
        ("beijing", "zh", "北京", "中国"),
        ("北京", "en", "Beijing", "China"),
        ("Paris", "en", "Paris", "France"),
        ("new york", "en", "New York", "United States"),
        ("Xian", "en", "Xi'an", "China"),
    ],
)
async def test_finds_cities_in_both_languages(
    simulator: Simulator, http: aiohttp.ClientSession, name: str, language: str, found: str, country: str
) -> None:
    status, body = await get(simulator, http, "/v1/search", name=name, language=language, count="1")
    place = body["results"][0]
    assert (status, place["name"], place["country"]) == (200, found, country)
    assert {"latitude", "longitude", "timezone", "country_code", "population", "id"} <= place.keys()


@pytest.mark.parametrize("name", ["阿特兰蒂斯", "Atlantis", "", "B", "x" * 500, "!"])
async def test_an_unknown_city_is_an_answer_without_results(
    simulator: Simulator, http: aiohttp.ClientSession, name: str
) -> None:
    status, body = await get(simulator, http, "/v1/search", name=name)
    assert (status, list(body)) == (200, ["generationtime_ms"])


@pytest.mark.parametrize("query", [{}, {"name": "Paris", "count": "0"}, {"name": "Paris", "count": "x"}])
async def test_the_geocoder_refuses(
    simulator: Simulator, http: aiohttp.ClientSession, query: dict[str, str]
) -> None:
    status, body = await get(simulator, http, "/v1/search", **query)
    assert (status, body["error"]) == (400, True)
    assert body["reason"]


async def test_finds_by_the_beginning_and_country(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    _, body = await get(simulator, http, "/v1/search", name="San", count="10")
    assert [p["name"] for p in body["results"]] == ["Sanya", "San Francisco"]
    _, body = await get(simulator, http, "/v1/search", name="San", countryCode="US")
    assert [p["name"] for p in body["results"]] == ["San Francisco"]


async def test_tomorrow_is_the_second_day(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    _, body = await get(
        simulator, http, "/v1/forecast", **BEIJING, daily=DAILY, timezone="auto", forecast_days="3"
    )
    assert body["daily"]["time"] == ["2026-03-10", "2026-03-11", "2026-03-12"]
    assert (body["timezone"], body["utc_offset_seconds"]) == ("Asia/Shanghai", 28_800)
    assert set(body["daily"]) == {"time", *DAILY.split(",")}
    assert body["daily_units"]["temperature_2m_max"] == "°C"
    _, one = await get(
        simulator,
        http,
        "/v1/forecast",
        **BEIJING,
        daily=DAILY,
        start_date="2026-03-11",
        end_date="2026-03-11",
    )
    assert one["daily"]["temperature_2m_max"] == body["daily"]["temperature_2m_max"][1:2]


async def test_today_is_the_place_s_own(http: aiohttp.ClientSession) -> None:
    late = datetime(2026, 3, 10, 20, tzinfo=UTC)
    async with Simulator(clock=lambda: late) as simulator:
        _, there = await get(
            simulator, http, "/v1/forecast", **BEIJING, daily=DAILY, timezone="auto", forecast_days="1"
        )
        _, here = await get(simulator, http, "/v1/forecast", **BEIJING, daily=DAILY, forecast_days="1")
    assert (there["daily"]["time"], here["daily"]["time"]) == (["2026-03-11"], ["2026-03-10"])


async def test_the_same_question_has_the_same_answer(http: aiohttp.ClientSession) -> None:
    answers: list[Any] = []
    for hour in (1, 9):
        async with Simulator(clock=lambda: datetime(2026, 3, 10, hour, tzinfo=UTC)) as simulator:  # noqa: B023
            answers.append((await get(simulator, http, "/v1/forecast", **BEIJING, daily=DAILY))[1]["daily"])
    assert answers[0] == answers[1]


async def test_current_and_hourly(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    _, body = await get(
        simulator,
        http,
        "/v1/forecast",
        **BEIJING,
        timezone="auto",
        current="temperature_2m,weather_code",
        hourly="temperature_2m",
        current_weather="true",
        forecast_days="2",
    )
    assert body["current"]["time"] == "2026-03-10T20:00"
    assert len(body["hourly"]["time"]) == len(body["hourly"]["temperature_2m"]) == 48
    assert body["hourly"]["temperature_2m"][20] == body["current"]["temperature_2m"]
    assert body["current_weather"]["temperature"] == body["current"]["temperature_2m"]


async def test_units(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    query = {**BEIJING, "daily": "temperature_2m_max,windspeed_10m_max"}
    _, celsius = await get(simulator, http, "/v1/forecast", **query)
    _, other = await get(
        simulator, http, "/v1/forecast", **query, temperature_unit="fahrenheit", wind_speed_unit="ms"
    )
    assert other["daily_units"] == {"time": "iso8601", "temperature_2m_max": "°F", "windspeed_10m_max": "m/s"}
    warm = celsius["daily"]["temperature_2m_max"][0]
    assert other["daily"]["temperature_2m_max"][0] == pytest.approx(warm * 1.8 + 32, abs=0.06)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"latitude": "1"}, "longitude"),
        ({**BEIJING, "latitude": "91"}, "range"),
        ({**BEIJING, "latitude": "nan"}, "range"),
        ({**BEIJING, "latitude": "x"}, "latitude"),
        ({**BEIJING, "forecast_days": "17"}, "0 to 16"),
        ({**BEIJING, "forecast_days": "x"}, "forecast_days"),
        ({**BEIJING, "daily": "nonsense"}, "nonsense"),
        ({**BEIJING, "timezone": "Mars/Base"}, "timezone"),
        ({**BEIJING, "timezone": "../etc/passwd"}, "timezone"),
        ({**BEIJING, "start_date": "2026-03-11"}, "end_date"),
        ({**BEIJING, "start_date": "soon", "end_date": "2026-03-11"}, "YYYY-MM-DD"),
        ({**BEIJING, "start_date": "2027-01-01", "end_date": "2027-01-02"}, "out of allowed range"),
        ({**BEIJING, "start_date": "2026-03-12", "end_date": "2026-03-11"}, "larger or equal"),
        (
            {**BEIJING, "start_date": "2026-03-11", "end_date": "2026-03-11", "forecast_days": "1"},
            "exclusive",
        ),
        ({**BEIJING, "temperature_unit": "kelvin"}, "kelvin"),
    ],
)
async def test_the_forecast_refuses(
    simulator: Simulator, http: aiohttp.ClientSession, query: dict[str, str], reason: str
) -> None:
    status, body = await get(simulator, http, "/v1/forecast", **query)
    assert (status, body["error"], reason in body["reason"]) == (400, True, True)


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.dates(date(2020, 1, 1), date(2040, 1, 1)),
)
def test_weather_is_sane_everywhere(latitude: float, longitude: float, day: date) -> None:
    weather = day_at(latitude, longitude, day)
    assert weather == day_at(latitude, longitude, day)
    assert -70 < weather.low < weather.high < 60
    assert 0 <= weather.chance <= 100
    assert 0 <= weather.humidity <= 100
    assert weather.high >= 2 or weather.code not in (51, 61, 63, 80, 95), "rain in the frost"
    assert 0 <= weather.sunrise <= weather.sunset <= 24
    assert weather.low <= weather.temperature(9) <= weather.high + 0.1


def test_places_and_days_differ() -> None:
    days = [day_at(39.9, 116.4, date(2026, 3, 10) + timedelta(n)) for n in range(16)]
    assert len(set(days)) == 16
    assert day_at(31.2, 121.5, date(2026, 3, 10)) != days[0]


def test_the_table_is_whole() -> None:
    assert len(cities.CITIES) >= 60
    assert all(c.country in cities.COUNTRIES for c in cities.CITIES)
    for city in cities.CITIES:
        assert cities.named(city.zh)[0] is city
        assert cities.named(city.en)[0] is city
        assert cities.mentioned(f"明天{city.zh}天气") == (city.zh, city)
        assert cities.mentioned(f"weather in {city.en} please") == (city.en, city)
