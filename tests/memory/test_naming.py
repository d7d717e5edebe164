from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from duihua.memory.naming import holding, means_span, quoted, span

DAY = 1_440


@pytest.mark.parametrize(
    ("words", "text", "there"),
    [
        ("ann", "I am planning a trip to the cannery", False),
        ("ann", "Ann's mother", True),
        ("ann", "ann_smith.txt", True),
        ("ann leeds", "in Leeds lives Ann.", True),
        ("ann leeds", "in Leeds lives Anna.", False),
        ("clementine", "Clementines are fruit", True),
        ("анна", "Жанна пришла", False),
        ("анна", "Это Анна.", True),
        ("12", "room 312", False),
        ("12", "我住12号", True),
        ("é", "cafe\u0301", False),
        ("café", "un cafe\u0301 noir", True),
        ("c++", "I write C++.", True),
        ("花生", "我对花生过敏", True),
        ("Amy", "叫我Amy就好", True),
        ("りんご", "私はりんごが好き", True),
        ("서울", "서울에 살아요", True),
        ("กาแฟ", "ฉันชอบกาแฟ", True),
    ],
)
def test_words_stand_as_words_where_a_script_has_spaces(words: str, text: str, there: bool) -> None:
    assert holding(words)(text) is there


NOW = datetime(2026, 11, 22, 6, 0, tzinfo=timezone(timedelta(hours=8)))  # a Sunday


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("last 10m", 10), ("last 3 hours", 180), ("the last week", 7 * DAY), ("Last 5 weeks", 35 * DAY),
        ("the last month", 30 * DAY), ("past 2 months", 60 * DAY), ("最近10分钟", 10), ("最近 3 个小时", 180),
        ("最近一周", 7 * DAY), ("过去两个星期", 14 * DAY), ("最近三个月", 90 * DAY), ("最近半小时", 30),
        ("過去一個月", 30 * DAY), ("最近 5 周内", 35 * DAY), ("past week", 7 * DAY), ("last day", DAY),
    ],
)  # fmt: skip
def test_a_span_is_counted_until_now(text: str, minutes: float) -> None:
    assert span(text, NOW) == (NOW - timedelta(minutes=minutes), NOW)


def test_a_span_does_not_reach_beyond_all_time() -> None:
    assert span("last 9999 years", NOW) == (datetime(1970, 1, 1, tzinfo=UTC), NOW)


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("Last week", "2026-11-09", "2026-11-16"), ("上周", "2026-11-09", "2026-11-16"),
        ("上一个星期", "2026-11-09", "2026-11-16"), ("这一周", "2026-11-16", "2026-11-23"),
        ("本一个月", "2026-11-01", "2026-12-01"), ("上上周", "2026-11-02", "2026-11-09"),
        ("this week", "2026-11-16", "2026-11-23"), ("本周", "2026-11-16", "2026-11-23"),
        ("上周五", "2026-11-13", "2026-11-14"), ("last friday", "2026-11-20", "2026-11-21"),
        ("last month", "2026-10-01", "2026-11-01"), ("上个月", "2026-10-01", "2026-11-01"),
        ("这个月", "2026-11-01", "2026-12-01"), ("今天", "2026-11-22", "2026-11-23"),
        ("昨天", "2026-11-21", "2026-11-22"), ("yesterday", "2026-11-21", "2026-11-22"),
        ("前天", "2026-11-20", "2026-11-21"), ("day before yesterday", "2026-11-20", "2026-11-21"),
        ("去年", "2025-01-01", "2026-01-01"), ("last year", "2025-01-01", "2026-01-01"),
    ],
)  # fmt: skip
def test_a_span_of_the_calendar_is_in_the_zone_of_now(text: str, first: str, after: str) -> None:
    days = tuple(datetime.fromisoformat(day).replace(tzinfo=NOW.tzinfo) for day in (first, after))
    assert span(text, NOW) == days


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("last few weeks", True), ("last", True), ("最近几天", True), ("过去的事", True),
        ("last 99999 days", True), ("LastPass", False), ("上海", False), ("lasting", False),
        ("昨天的会议", False),
    ],
)  # fmt: skip
def test_what_is_meant_as_a_span_is_never_words(text: str, meant: bool) -> None:
    assert (span(text, NOW), means_span(text)) == (None, meant)


@pytest.mark.parametrize(
    ("text", "there"),
    [("Well,  I like\nTEA.", True), ("I like teas", False), ("tea is what I like", False)],
)
def test_a_text_stands_in_another_word_for_word(text: str, there: bool) -> None:
    assert quoted(["I like tea", ""])(text) == there


def test_characters_that_nobody_sees_neither_hide_a_word_nor_are_one() -> None:
    assert holding("secret")("The code is Sec\u200bret.")
    assert quoted(["my se\u2060cret"])("That is my secret.")
    assert not holding("\u200b")("The code is Sec\u200bret.")
