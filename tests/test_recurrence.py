# ruff: noqa: DTZ001 - wall times have no zone
"""Recurrence: against another implementation of the RFC, and where clocks and calendars have gaps."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from duihua.recurrence import after, instant, occurrences, parse

NEW_YORK, SHANGHAI = ZoneInfo("America/New_York"), ZoneInfo("Asia/Shanghai")
START = datetime(2025, 1, 31, 9, 30)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3;COUNT=5",
        "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
        "FREQ=WEEKLY;BYDAY=SU;UNTIL=20250301T000000",
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYMONTHDAY=15,31;INTERVAL=2",
        "FREQ=MONTHLY;BYDAY=2TU,-1FR",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;BYMONTH=5;BYDAY=2SU",
        "FREQ=YEARLY;INTERVAL=3;BYMONTHDAY=1",
    ],
)
def test_rules_mean_what_the_rfc_says(rule: str) -> None:
    expected = list(islice(rrulestr(rule, dtstart=START), 24))
    found = [one.replace(tzinfo=None) for one in islice(occurrences(START, parse(rule), SHANGHAI), 24)]
    assert found == expected
    assert found


def test_a_time_that_the_clock_skips_or_shows_twice_comes_once_and_the_next_day_at_its_own_time() -> None:
    spring = occurrences(datetime(2025, 3, 8, 2, 30), parse("FREQ=DAILY"), NEW_YORK)
    assert [f"{one:%d %H:%M %z}" for one in islice(spring, 3)] == [
        "08 02:30 -0500",
        "09 03:30 -0400",  # there is no 02:30
        "10 02:30 -0400",
    ]
    autumn = occurrences(datetime(2025, 11, 1, 1, 30), parse("FREQ=DAILY"), NEW_YORK)
    assert [f"{one:%d %H:%M %z}" for one in islice(autumn, 3)] == [
        "01 01:30 -0400",
        "02 01:30 -0400",
        "03 01:30 -0500",
    ]


def test_until_may_be_utc_and_a_date_is_meant_to_its_end() -> None:
    for until in ("20250202T013000Z", "20250202", "2025-02-02"):
        rule = parse(f"FREQ=DAILY;UNTIL={until}")
        assert [one.day for one in occurrences(START, rule, SHANGHAI)] == [31, 1, 2]
    assert [one.day for one in occurrences(START, parse("FREQ=DAILY;UNTIL=20250202T012959Z"), SHANGHAI)] == [
        31,
        1,
    ]


def test_what_comes_after_a_moment() -> None:
    end = datetime(2025, 2, 1, 1, 30, tzinfo=UTC)
    later = instant(datetime(2025, 2, 2, 9, 30), SHANGHAI)
    assert after(START, "FREQ=DAILY;COUNT=3", SHANGHAI, end) == later
    assert after(START, "FREQ=DAILY;COUNT=2", SHANGHAI, end) is None
    assert after(START, "FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2", SHANGHAI, end) is None  # there is no such day


@pytest.mark.parametrize(
    ("rule", "about"),
    [
        ("", "no part"),
        ("every day", "no part"),
        ("FREQ=HOURLY", "DAILY, WEEKLY"),
        ("FREQ=DAILY;BYHOUR=8", "time of day"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0"),
        ("FREQ=DAILY;INTERVAL=99999999999", "INTERVAL"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "not both"),
        ("FREQ=WEEKLY;BYDAY=1MO", "number before"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "no weekday"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYDAY=MO", "needs BYMONTH"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1", "BYSETPOS"),
        ("FREQ=DAILY;UNTIL=soon", "no date"),
        ("FREQ=DAILY;" * 100, "too long"),
    ],
)
def test_a_rule_that_is_none_is_told_so(rule: str, about: str) -> None:
    with pytest.raises(ValueError, match=about):
        parse(rule)
