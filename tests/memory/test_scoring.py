"""The order in which turns answer, and what their scores mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memories import Found, Matches
from duihua.memory.questions import Question
from duihua.memory.scoring import AROUND, lexical, rank
from tests.memory.plain_index import held

WORDS = ("red", "green", "blue")


def asked(words: int = 3, **fields: str) -> Question:
    return Question("", WORDS[:words], words, **fields)  # pyright: ignore[reportArgumentType]


def matches(found: dict[tuple[int, int], dict[int, int]], lengths: int = 10, documents: int = 100) -> Matches:
    holding = [sum(i in counts for counts in found.values()) for i in range(3)]
    places = {place: held(1, lengths, counts) for place, counts in found.items()}
    return Matches(documents, documents * 10, holding, places)


def test_a_turn_with_more_of_the_words_comes_first() -> None:
    ranked = rank(asked(), matches({(1, 10): {0: 1}, (2, 20): {0: 1, 1: 1}, (3, 30): {0: 3}}))
    assert [place for place, _ in ranked[:3]] == [(2, 20), (3, 30), (1, 10)]


def test_a_rare_word_says_more_than_a_common_one() -> None:
    found = {(1, n * 10): {0: 1} for n in range(1, 9)} | {(2, 10): {1: 1}}
    assert rank(asked(), matches(found))[0][0] == (2, 10)


def test_neighbours_speak_for_a_turn() -> None:
    scores = lexical(matches({(1, 10): {0: 1}, (1, 12): {1: 1}, (2, 10): {0: 1}, (2, 15): {1: 1}}))
    assert scores[1, 10] > scores[2, 10]
    assert 0 < scores[1, 11] < scores[2, 10]  # it says none of the words itself


def test_all_words_once_with_neighbours_that_say_them_too_is_one() -> None:
    everything = {0: 1, 1: 1, 2: 1}  # much is asked for here, and all of it is said
    scores = lexical(matches({(1, 1): everything, (1, 2): everything}))
    assert abs(scores[1, 1] - 1) < 1e-9
    alone = lexical(matches({(1, 1): everything}))
    assert abs(alone[1, 1] - 1 / (1 + AROUND)) < 1e-9


def test_who_asks_for_next_to_nothing_gets_little() -> None:
    common = Matches(100, 1_000, [60], {(1, n * 10): Found(1, 10, 1) for n in range(1, 61)})
    rare = Matches(100, 1_000, [1], {(1, 10): Found(1, 10, 1)})
    assert lexical(common, 1)[1, 10] < 0.1 < 0.5 < lexical(rare, 1)[1, 10]


def test_what_no_turn_says_lowers_the_score() -> None:
    held = {(1, 1): {0: 1}}
    few = Matches(100, 1_000, [1], {(1, 1): Found(1, 10, 1)})
    assert lexical(matches(held))[1, 1] < lexical(few)[1, 1]


def test_a_day_that_was_asked_for_goes_before_other_days() -> None:
    found = matches({(1, 10): {0: 1, 1: 1}, (2, 10): {0: 1, 2: 1}})
    day = {(2, 10): Found(1, 10), (2, 20): Found(1, 10)}
    assert [place for place, _ in rank(asked(), found, day)][:2] == [(2, 10), (1, 10)]
    assert (2, 20) in dict(rank(asked(), found, day))


def test_of_a_day_alone_the_turns_in_which_most_was_said_come_first() -> None:
    day = {(1, 1): Found(1, 3), (1, 2): Found(1, 30), (1, 3): Found(1, 20)}
    ranked = rank(asked(0), Matches(0, 0, (), {}), day)
    assert [place for place, _ in ranked] == [(1, 2), (1, 3), (1, 1)]


def test_the_first_or_the_last_of_those_that_answer() -> None:
    found = matches({(1, 10): {0: 1}, (2, 10): {0: 1}, (3, 10): {0: 1}})
    assert rank(asked(order="oldest"), found)[0][0] == (1, 10)
    assert rank(asked(order="newest"), found)[0][0] == (3, 10)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 3), st.integers(1, 12)),
        st.dictionaries(st.integers(0, 2), st.integers(1, 50), min_size=1),
        max_size=20,
    ),
    st.integers(1, 500),
)
def test_every_turn_found_has_a_score_and_ties_have_an_order(
    found: dict[tuple[int, int], dict[int, int]], length: int
) -> None:
    ranked = rank(asked(), matches(found, length))
    assert all(0 < score < 3 for _, score in ranked)
    assert set(found) <= {place for place, _ in ranked}
    turned = rank(asked(), matches(dict(reversed(found.items())), length))
    assert [place for place, _ in turned] == [place for place, _ in ranked]


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 2), st.integers(1, 12)),
        st.dictionaries(st.integers(0, 2), st.integers(1, 3), min_size=1),
        min_size=6,
        max_size=20,
    ),
    st.integers(1, 6),
    st.floats(0.2, 1),
    st.none() | st.tuples(st.integers(1, 3), st.integers(1, 12)),
)
def test_what_is_not_wanted_changes_nothing_of_the_rest(
    found: dict[tuple[int, int], dict[int, int]],
    top: int,
    least: float,
    before: tuple[int, int] | None,
) -> None:
    everything = rank(asked(), matches(found))
    kept = [
        (place, score)
        for place, score in everything
        if score >= least and (before is None or place[0] != before[0] or place[1] < before[1])
    ]
    few = rank(asked(), matches(found), least=least, top=top, before=before)
    assert [place for place, _ in few[:top]] == [place for place, _ in kept[:top]]
    assert [score for _, score in few[:top]] == pytest.approx([score for _, score in kept[:top]])
    assert all(score >= least for _, score in few)
