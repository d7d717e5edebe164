from __future__ import annotations

import math

import pytest

from duihua.simulator.vectors import nearness, vector


@pytest.mark.parametrize("text", ["北京今天天气怎么样?", "the weather in Beijing", "a", "", " "])
def test_a_vector_has_the_length_one(text: str) -> None:
    assert math.isclose(math.hypot(*vector(text)), 1, abs_tol=1e-6)
    assert len(vector(text, 1024)) == 1024


def test_equal_texts_are_equal_whatever_their_case_and_spaces() -> None:
    assert vector("Big  Cats") == vector("big cats")


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("北京今天的天气", "北京明天的天气", "怎么做红烧肉"),
        ("the weather in Beijing", "Beijing weather", "how to cook a duck"),
    ],
)
def test_texts_that_share_words_are_nearer(text: str, near: str, far: str) -> None:
    assert nearness(vector(text), vector(near)) > nearness(vector(text), vector(far)) + 0.2
