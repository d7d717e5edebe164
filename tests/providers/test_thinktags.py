from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.providers.thinktags import THINK, ThinkTags

WORDS = ["<think>", "</think>", "<thi", "</", "<", "nk>", "\n", " ", "想", "a", "好 b"]


def split(*pieces: str, tags: tuple[tuple[str, str], ...] = THINK) -> tuple[str, str]:
    tags_ = ThinkTags(tags)
    parts = [tags_.feed(piece) for piece in pieces] + [tags_.close()]
    return "".join(thought for thought, _ in parts), "".join(text for _, text in parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>想</think>好", ("想", "好")),
        ("\n <think>想</think>\n\n好", ("想", "\n\n好")),
        ("<think>想", ("想", "")),
        ("<think>想</thi", ("想</thi", "")),
        ("<think></think>好", ("", "好")),
        ("<think>a<think>b</think>c</think>", ("a<think>b", "c</think>")),
        ("好 <think>想</think>", ("", "好 <think>想</think>")),
        ("<thinker>", ("", "<thinker>")),
        ("<thi", ("", "<thi")),
        ("  ", ("", "  ")),
        ("", ("", "")),
    ],
)
def test_a_tag_that_opens_the_answer_parts_it(text: str, parts: tuple[str, str]) -> None:
    assert split(text) == parts
    assert split(*text) == parts


def test_the_tag_that_is_there_counts() -> None:
    tags = (*THINK, ("<reasoning>", "</reasoning>"))
    assert split("<reason", "ing>a</think></reasoning>b", tags=tags) == ("a</think>", "b")


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_it_says_the_same_however_it_is_cut(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    assert split(*(text[a:b] for a, b in pairwise(places))) == split(text)
