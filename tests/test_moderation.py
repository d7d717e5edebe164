"""What a flag means for the stored conversation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.messages import Step, Text, Turn, TurnRef
from duihua.moderation import Verdict, after_probe, judge
from duihua.ports import Flagged, Packed
from tests.dialects import ALL, V1, V2
from tests.strategies import conversations


def turn(seq: int, said: str = "ok") -> Turn:
    steps = (Step((Text(said),)),) if said else ()
    return Turn(TurnRef(7, seq), input=(Text(f"question {seq}"),), steps=steps)


HISTORY = (turn(3), turn(5), turn(8), turn(9, ""))
CURRENT = TurnRef(7, 9)
PACKED = V1.pack("system", HISTORY)
WITH_SYSTEM = V2.pack("system", HISTORY)
ALONE = V1.pack("system", HISTORY[-1:])
JOINED = V1.pack("", (turn(3), turn(5, ""), turn(8), turn(9, "")))
JOINED_NOW = V1.pack("", (turn(3), turn(8, ""), turn(9, "")))


def test_clear_takes_the_session() -> None:
    flag = Flagged("history", 1, retract=True)
    assert judge(flag, PACKED, CURRENT, "clear") == Verdict("session", drop_current=True, retract=True)


@pytest.mark.parametrize("policy", ["clear", "drop_turn"])
def test_low_risk_goes_on(policy: str) -> None:
    assert judge(Flagged("output", stop=False), PACKED, CURRENT, policy) == Verdict()  # pyright: ignore


@pytest.mark.parametrize("flag", [Flagged("output"), Flagged("input", -1), Flagged("output", 1)])
def test_a_named_question_or_answer_goes(flag: Flagged) -> None:
    assert judge(flag, PACKED, CURRENT, "drop_turn") == Verdict((9,), drop_current=True)


@pytest.mark.parametrize("packed", [PACKED, WITH_SYSTEM])
@pytest.mark.parametrize(("number", "turns"), [(0, (3,)), (1, (3, 5)), (2, (5, 8)), (3, (8,)), (4, (9,))])
def test_a_round_stands_for_both_turns_it_may_mean(
    packed: Packed, number: int, turns: tuple[int, ...]
) -> None:
    verdict = judge(Flagged("input", number), packed, CURRENT, "drop_turn")
    if turns == (9,):  # counted from 1, it is the current question
        assert verdict == Verdict((9,), drop_current=True)
    else:
        assert verdict == Verdict(turns, retry=True)


@pytest.mark.parametrize("flag", [Flagged("input"), Flagged("input", 99)])
def test_a_flag_that_names_nothing_asks_once_alone(flag: Flagged) -> None:
    assert judge(flag, PACKED, CURRENT, "drop_turn") == Verdict(probe=True)


def test_nothing_is_asked_alone_that_was_alone() -> None:
    assert judge(Flagged("input"), ALONE, CURRENT, "drop_turn") == Verdict((9,), drop_current=True)


def test_a_flag_on_what_was_never_sent_takes_the_turn() -> None:
    assert judge(Flagged("input"), None, CURRENT, "drop_turn") == Verdict((9,), drop_current=True)


def test_the_history_as_a_whole_goes_once() -> None:
    assert judge(Flagged("history"), PACKED, CURRENT, "drop_turn") == Verdict((3, 5, 8), retry=True)


@pytest.mark.parametrize(
    ("flag", "turns"),
    [(Flagged("input"), (9,)), (Flagged("history", 1), (3, 5, 9)), (Flagged("output"), (9,))],
)
def test_the_extra_request_is_the_last(flag: Flagged, turns: tuple[int, ...]) -> None:
    verdict = judge(flag, PACKED, CURRENT, "drop_turn", already_retried=True)
    assert verdict == Verdict(turns, drop_current=True)


def test_a_round_takes_the_inputs_that_were_joined_into_it() -> None:
    assert judge(Flagged("input", 0), JOINED, CURRENT, "drop_turn").erase == (3,)
    assert judge(Flagged("input", 1), JOINED, CURRENT, "drop_turn").erase == (3, 5, 8)


def test_the_question_takes_the_inputs_that_were_joined_into_it() -> None:
    assert judge(Flagged("input", -1), JOINED_NOW, CURRENT, "drop_turn") == Verdict((8, 9), drop_current=True)


def test_a_probe_that_passes_means_the_history() -> None:
    assert after_probe(PACKED, CURRENT, accepted=True) == Verdict((3, 5, 8))


def test_a_probe_that_fails_means_the_question() -> None:
    assert after_probe(PACKED, CURRENT, accepted=False) == Verdict((9,), drop_current=True)


flags = st.builds(
    Flagged,
    st.sampled_from(("input", "output", "history")),
    st.one_of(st.none(), st.integers(-2, 12)),
    st.booleans(),
    st.just(True),
)


@given(conversations(), flags, st.booleans(), st.sampled_from(ALL))
def test_there_is_always_one_clear_way_on(turns: tuple[Turn, ...], flag: Flagged, again: bool, kind) -> None:  # type: ignore[no-untyped-def]
    current = turns[-1].ref
    packed = kind[0].pack("", turns)
    verdict = judge(flag, packed, current, "drop_turn", already_retried=again)
    assert [verdict.drop_current, verdict.retry, verdict.probe].count(True) == 1
    assert verdict.drop_current or not again
    assert verdict.drop_current == (current.seq in verdict.erase)
    sent = {ref.seq for ref in packed.rounds if ref} | {ref.seq for _, ref in packed.joined}
    assert set(verdict.erase) <= sent | {current.seq}
    assert bool(verdict.erase) != verdict.probe
