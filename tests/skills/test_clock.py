from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from duihua.testing import Clock, SkillHarness
from duihua_skills import clock as module
from duihua_skills.clock import clock

MOMENT = datetime(2025, 3, 7, 18, 30, 5, tzinfo=UTC)  # a Friday, in Asia a Saturday already


async def tell(place: str = "", locale: str = "zh", timezone: tzinfo | None = None) -> dict[str, Any]:
    harness = SkillHarness(clock, locale=locale, timezone=timezone, clock=Clock(MOMENT))
    call = await harness.call(place=place)
    assert call.state == "done", call.result
    return orjson.loads(call.result)


async def test_it_is_the_user_s_time() -> None:
    assert await tell(timezone=ZoneInfo("Asia/Shanghai")) == {
        "date": "2025-03-08",
        "time": "02:30:05",
        "weekday": "星期六",
        "zone": "Asia/Shanghai",
        "utc_offset": "+08:00",
    }


async def test_without_a_zone_it_is_the_machine_s_time() -> None:
    here = MOMENT.astimezone()
    assert (await tell())["time"] == here.strftime("%H:%M:%S")


async def test_the_weekday_is_in_the_user_s_language() -> None:
    assert (await tell("utc", "en"))["weekday"] == "Friday"


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("东京", "Asia/Tokyo"),
        ("北京市", "Asia/Shanghai"),
        ("Beijing", "Asia/Shanghai"),
        ("new york", "America/New_York"),
        ("New_York", "America/New_York"),
        ("Paris, France", "Europe/Paris"),
        ("St. John's", "America/St_Johns"),
        ("Port of Spain", "America/Port_of_Spain"),
        ("UTC+8", "UTC+08:00"),
        ("gmt-03:30", "UTC-03:30"),
    ],
)
async def test_places_and_zones(place: str, zone: str) -> None:
    assert (await tell(place, timezone=ZoneInfo("Europe/Berlin")))["zone"] == zone


def test_every_city_of_the_table_has_a_zone() -> None:
    cities = [word.replace("_", " ") for word in module._ZONES]
    assert [city for city in cities if not str(module.zone(city))] == []


@pytest.mark.parametrize(
    "place", ["Nowhere", "../../etc/passwd", "/etc/passwd", "Asia", "\x00", "UTC+99", "x" * 5_000, ".", ","]
)
async def test_an_unknown_place_says_what_to_give(place: str) -> None:
    harness = SkillHarness(clock)
    call = await harness.call(place=place)
    assert call.state == "failed"
    assert "give an IANA zone" in call.result
    assert len(call.result) < 300
    assert harness.errors == []
