from __future__ import annotations

import pytest

from duihua.memory.naming import holding, means_span, span

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


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("last 10m", 10), ("last 3 hours", 180), ("Last week", 7 * DAY), ("last 5 weeks", 35 * DAY),
        ("the last month", 30 * DAY), ("past 2 months", 60 * DAY), ("最近10分钟", 10), ("最近 3 个小时", 180),
        ("最近一周", 7 * DAY), ("过去两个星期", 14 * DAY), ("最近三个月", 90 * DAY), ("最近半小时", 30),
        ("過去一個月", 30 * DAY), ("最近 5 周内", 35 * DAY),
    ],
)  # fmt: skip
def test_a_span_is_counted_until_now(text: str, minutes: float) -> None:
    assert span(text) == minutes


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("last few weeks", True), ("last", True), ("最近几天", True), ("过去的事", True), ("上周", True),
        ("上个月", True), ("last 99999 days", True), ("LastPass", False), ("上海", False), ("lasting", False),
    ],
)  # fmt: skip
def test_what_is_meant_as_a_span_is_never_words(text: str, meant: bool) -> None:
    assert (span(text), means_span(text)) == (None, meant)
