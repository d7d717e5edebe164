from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from duihua import SkillError
from duihua.reminders import Reminder
from duihua.skills.contract import Context
from duihua_skills.reminders import reminders

NOW = datetime(2025, 3, 7, 18, 30, 5, tzinfo=UTC)  # a Friday; in Shanghai Saturday, 02:30


class Kept:
    """`Reminds` that only keeps."""

    def __init__(self) -> None:
        self.kept: list[Reminder] = []

    async def add(self, text: str, due: datetime, rule: str = "") -> Reminder:
        self.kept.append(Reminder(len(self.kept) + 1, text, due, rule))
        return self.kept[-1]

    async def all(self) -> Sequence[Reminder]:
        return self.kept

    async def cancel(self, id_: int) -> bool:
        before, self.kept = len(self.kept), [one for one in self.kept if one.id != id_]
        return len(self.kept) < before


async def remind(kept: Kept | None = None, **arguments: Any) -> Any:
    context = Context(
        timezone=ZoneInfo("Asia/Shanghai"), reminders=kept or Kept(), clock=lambda: NOW.timestamp()
    )
    return await reminders.run({"text": "call Ann", **arguments}, context)


@pytest.mark.parametrize(
    ("at", "zone", "due"),
    [
        ("2025-03-08T08:00", "", "2025-03-08T08:00+08:00"),
        ("2025-03-08 08:00:00", "", "2025-03-08T08:00+08:00"),
        ("2025-03-08T08:00", "New York", "2025-03-08T08:00-05:00"),
        ("2025-03-08T08:00Z", "", "2025-03-08T16:00+08:00"),
        ("2025-03-08T08:00-05:00", "东京", "2025-03-08T22:00+09:00"),
        ("PT20M", "", "2025-03-08T02:50:05+08:00"),
        ("20m", "", "2025-03-08T02:50:05+08:00"),
        ("P1DT2H", "", "2025-03-09T04:30:05+08:00"),
        ("P2D", "America/New_York", "2025-03-09T14:30:05-04:00"),  # the clocks change in between
    ],
)
async def test_times_are_local_or_from_now(at: str, zone: str, due: str) -> None:
    assert (await remind(at=at, zone=zone))["armed"]["due"] == due


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        ({}, "2025-03-08T02:30:05+08:00, Saturday"),  # without a time it tells what time it is
        ({"at": "tomorrow at 8"}, "is no time"),
        ({"at": "2025-03-09"}, "no time of day"),
        ({"at": "2025-03-08T02:00"}, "has passed"),
        ({"at": "2025-02-30T08:00"}, "is no time"),
        ({"at": "9999-12-31T23:59", "zone": "New York"}, "too far"),
        ({"at": "2020-03-08T08:00", "rule": "FREQ=DAILY"}, "has passed"),
        ({"at": "2025-03-09T08:00", "zone": "Atlantis"}, "no time zone"),
        ({"action": "cancel", "id": 7}, "no reminder 7; armed are: none"),
    ],
)
async def test_what_is_wrong_is_told(arguments: dict[str, Any], about: str) -> None:
    with pytest.raises(SkillError, match=about.replace("+", r"\+")):
        await remind(**arguments)


async def test_a_rule_tells_when_it_is_due_next() -> None:
    told = await remind(at="2025-03-10T09:00", rule="FREQ=WEEKLY;BYDAY=MO")
    assert told["armed"]["next"] == [f"2025-03-{day}T09:00+08:00" for day in (10, 17, 24)]
    assert told["armed"]["day"] == "Monday"


async def test_they_are_listed_and_cancelled() -> None:
    kept = Kept()
    await remind(kept, at="PT1H")
    assert [one["id"] for one in (await remind(kept, action="list"))["reminders"]] == [1]
    assert (await remind(kept, action="cancel", id=1))["cancelled"]["text"] == "call Ann"
    assert not kept.kept


async def test_without_a_front_end_there_are_none() -> None:
    with pytest.raises(SkillError, match="deliver"):
        await reminders.run({"text": "x", "at": "PT1H"}, Context())
