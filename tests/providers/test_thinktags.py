from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.ports import Delta, Finish, TextDelta, ThinkingDelta
from duihua.providers import genstudio, modelarts, openai_compatible, zhipu
from duihua.providers.openai_wire import ChatAnswer
from duihua.providers.thinktags import THINK, ThinkTags
from tests.providers.conftest import event

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


@pytest.mark.parametrize(
    "answer",
    [
        zhipu.ZhipuAnswer(zhipu.FAULTS, "glm-z1-air"),
        modelarts.ModelArtsAnswer(modelarts.FAULTS, "my-own"),
        genstudio.GenStudioAnswer(genstudio.GENSTUDIO, "qwq-32b"),
        openai_compatible.Tagged(openai_compatible.FAULTS, "r1"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_wires_whose_servers_leave_reasoning_in_the_text_tell_it_apart(answer: ChatAnswer) -> None:
    deltas: list[Delta] = []
    for content, finish in (("<thi", None), ("nk>想</think>\n\n", None), ("好", "stop")):
        choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
        deltas += answer.feed(event(choices=[choice]))
    deltas += answer.close()
    assert [d for d in deltas if not isinstance(d, Finish)] == [ThinkingDelta("想"), TextDelta("好")]
