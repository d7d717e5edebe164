"""Date words: the days they name, on a Sunday in Shanghai."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memory.dates import mentioned, when

ZONE = timezone(timedelta(hours=8))
NOW = int(datetime(2023, 5, 7, 15, tzinfo=ZONE).timestamp() * 1000)


def days(text: str) -> list[str]:
    """Spans as `first..last` in local days."""

    def day(ms: int) -> date:
        return datetime.fromtimestamp(ms / 1000, ZONE).date()

    return [
        f"{day(start)}..{day(end - 1)}" if end - start > 86_400_000 else f"{day(start)}"
        for start, end in when(text, NOW, ZONE).spans
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("在5月2号我看了什么", ["2023-05-02"]),
        ("五月二十七号", ["2022-05-27"]),  # it has not come yet this year
        ("2023年4月27日", ["2023-04-27"]),
        ("5月1号和5月3日", ["2023-05-01", "2023-05-03"]),
        ("去年十二月", ["2022-12-01..2022-12-31"]),
        ("12月", ["2022-12-01..2022-12-31"]),
        ("2022年", ["2022-01-01..2022-12-31"]),
        ("27号", ["2023-04-27"]),
        ("昨天", ["2023-05-06"]),
        ("大前天", ["2023-05-04"]),
        ("前天晚上", ["2023-05-05"]),
        ("三天前", ["2023-05-04"]),
        ("上周三", ["2023-04-26"]),
        ("周五", ["2023-05-05"]),
        ("上周", ["2023-04-24..2023-04-30"]),
        ("上上周末", ["2023-04-22..2023-04-23"]),
        ("上个月5号", ["2023-04-05"]),
        ("上个月", ["2023-04-01..2023-04-30"]),
        ("最近三天", ["2023-05-04..2023-05-07"]),
        ("on may 2nd", ["2023-05-02"]),
        ("7 may, 2022", ["2022-05-07"]),
        ("december 24", ["2022-12-24"]),
        ("2023-05-02", ["2023-05-02"]),
        ("10/20/2022", ["2022-10-20"]),
        ("in may 2022", ["2022-05-01..2022-05-31"]),
        ("yesterday", ["2023-05-06"]),
        ("the day before yesterday", ["2023-05-05"]),
        ("last friday", ["2023-05-05"]),
        ("last weekend", ["2023-04-29..2023-04-30"]),
        ("two weeks ago", ["2023-04-20..2023-04-26"]),
        ("a month ago", ["2023-04-01..2023-04-30"]),
        ("in the last two weeks", ["2023-04-23..2023-05-07"]),
        ("in 2021", ["2021-01-01..2021-12-31"]),
        # no dates
        ("3号线怎么走", []),
        ("四周一片安静", []),
        ("2月30日", ["2023-02-01..2023-02-28"]),
        ("2/30/2023", []),
        ("may i march in", []),
        ("三个月大的猫", []),
        ("99999999天前", []),
    ],
)
def test_the_days_that_words_name(text: str, expected: list[str]) -> None:
    assert days(text) == expected


def test_what_is_left_has_no_date_words() -> None:
    assert when("我昨天在图书馆看书", NOW, ZONE).rest.split() == ["我", "在图书馆看书"]
    assert when("did i eat on may 2nd?", NOW, ZONE).rest.split() == ["did", "i", "eat", "on", "?"]


def test_a_bare_weekday_may_mean_any_of_them() -> None:
    assert when("我周末做什么", NOW, ZONE).rest == "我周末做什么"
    assert "周末" not in when("我上周末做什么", NOW, ZONE).rest


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("我第一次去北京", "oldest"),
        ("our first conversation", "oldest"),
        ("最近一次体检", "newest"),
        ("the last time i ran", "newest"),
        ("my first name", ""),
    ],
)
def test_the_first_or_the_last_time(text: str, order: str) -> None:
    assert when(text, NOW, ZONE).order == order


def test_what_is_said_of_a_day_has_it_as_a_term() -> None:
    assert mentioned("昨天去了公园", NOW, ZONE) == ["@05-06", "@2023-05"]
    assert mentioned("we meet on may 20", NOW, ZONE) == [
        "@05-20",
        "@2023-05",
    ]  # the nearest one, not the past
    assert mentioned("last month", NOW, ZONE) == ["@2023-04"]
    assert mentioned("去年", NOW, ZONE) == ["@2022"]
    assert mentioned("今天很好", NOW, ZONE) == []
    assert when("5月6号", NOW, ZONE).terms == ("@05-06",)


@settings(max_examples=50)
@given(
    st.integers(0, 36_000).map(lambda n: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=n, hours=n % 24)),
    st.integers(0, 3_000),
    st.sampled_from([UTC, ZONE, ZoneInfo("America/New_York")]),
)
def test_a_written_day_of_the_past_is_read_back(now: datetime, ago: int, zone: timezone) -> None:
    at = now.replace(tzinfo=zone)
    day = at.date() - timedelta(days=ago)
    forms = [f"{day.year}年{day.month}月{day.day}日", f"{day:%Y-%m-%d}", f"{day:%d %B %Y}".lower()]
    if ago < 365 and (day.month, day.day) != (2, 29):
        forms += [f"{day.month}月{day.day}号", f"{day:%B %d}".lower()]
    if ago < 100:
        forms += [f"{ago}天前", f"{ago} days ago"]
    start = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
    for form in forms:
        ((first, after),) = when(f"a {form} b", int(at.timestamp() * 1000), zone).spans
        assert first == start, form
        assert 22 <= (after - first) / 3_600_000 <= 26


_WORDS = [
    "去年",
    "月",
    "号",
    "5",
    "二十",
    "上",
    "周",
    "三",
    "前",
    "天",
    "last ",
    "may ",
    "friday ",
    " ago",
    "2023",
    "-",
]


@settings(max_examples=50)
@given(
    st.one_of(st.lists(st.sampled_from(_WORDS), max_size=12).map("".join), st.text(max_size=40)),
    st.integers(-(2**62), 2**62),
)
def test_any_text_at_any_time_gives_spans_or_nothing(text: str, now: int) -> None:
    found = when(text, now, ZONE)
    assert all(start < end for start, end in found.spans)
    assert len(found.rest) <= len(text) + 1
    assert all(term.startswith("@") for term in mentioned(text, now, ZONE))
