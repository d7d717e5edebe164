"""Texts as terms: what matches what, and what costs nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memory.terms import LONGEST, READ, document_terms, query_terms, terms
from duihua.messages import Author, Call, Quote, Step, Text, Thinking, Turn, TurnRef


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "Chinese falls into pairs": ("科幻电影", ["科幻", "幻电", "电影"]),
        "a single character": ("茶", ["茶"]),
        "particles and pronouns part": ("我的猫很可爱了", ["猫很", "很可", "可爱", "猫"]),
        "nouns of one character": ("我爸爸说", ["爸爸", "爸说", "爸"]),
        "mixed text": ("买了iPhone 15手机", ["iphon", "15", "手机", "买"]),
        "stems": ("painting paints painted", ["paint"] * 3),
        "forms that change within": ("children bought mice", ["child", "buy", "mous"]),
        "no function words": ("I am in the museum", ["museum"]),
        "full width": ("ＡＢＣ１２３", ["abc123"]),
        "possessive": ("Caroline's café", ["carolin", "café"]),
        "a typographer's apostrophe": ("don’t mention Luigi’s", ["mention", "luigi"]),
        "Japanese": ("すし", ["すし"]),
        "Korean": ("김치", ["김치"]),
        "Russian": ("Привет, мир", ["привет", "мир"]),
        "lone surrogates": ("\ud800 茶", ["茶"]),
    }.values(),
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("你还记得我曾经看过什么科幻电影吗？", ["科幻", "幻电", "电影", "看"]),
        ("我们聊了什么话题？", []),
        ("What did we talk about?", []),
        ("Which museum did Caroline go to?", ["museum", "carolin", "go"]),
    ],
)
def test_a_question_is_asked_without_the_words_that_make_it_one(question: str, expected: list[str]) -> None:
    assert query_terms(question) == expected


def test_a_document_is_what_was_said_with_the_name_of_who_said_it() -> None:
    call = Call("1.1.0.0", "weather", '{"city": "secretcity"}', "done", "secretresult")
    turn = Turn(
        TurnRef(1, 1),
        author=Author(3, "王峰"),
        input=(Quote("quotedtext"), Text("今天跑步")),
        steps=(Step((Thinking("hiddenthought"), Text("jogging")), (call,)), Step((Text("water"),))),
    )
    assert set(document_terms(turn)) == {"今天", "天跑", "跑步", "jog", "water", "王峰"}


def test_what_is_huge_is_read_to_a_bound() -> None:
    assert len(terms("a" * 10**6)[0]) == LONGEST
    assert len(terms("茶" * 10**6)) < READ
    assert len(terms("猫狗" * 10**6)) == READ


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80))
def test_terms_can_be_stored_and_are_found_by_themselves(text: str) -> None:
    found = terms(text)
    for term in found:
        assert term
        term.encode()  # no lone surrogates
    assert terms(text) == found
