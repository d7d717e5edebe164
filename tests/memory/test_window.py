"""Where the window starts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memory.window import HIGH, LOW, Size, advance, fits
from duihua.ports import Limits

sizes = st.builds(Size, st.integers(0, 300), st.integers(0, 1_000))
limits = st.builds(
    Limits, st.one_of(st.none(), st.integers(1, 3_000)), st.one_of(st.none(), st.integers(1, 900))
)
costs = st.lists(sizes, min_size=1, max_size=30)


def total(costs: list[Size], fixed: Size) -> Size:
    return Size(
        fixed.tokens + sum(c.tokens for c in costs), fixed.characters + sum(c.characters for c in costs)
    )


def test_it_stays_at_nine_tenths() -> None:
    assert advance([Size(30, 0)] * 3, Limits(None, 100)) == 0


def test_above_nine_tenths_it_goes_down_to_a_half() -> None:
    assert advance([Size(20, 0)] * 4 + [Size(11, 0)], Limits(None, 100)) == 3


def test_characters_count_too() -> None:
    assert advance([Size(1, 20)] * 5, Limits(100, 1_000)) == 3


def test_the_current_turn_stays_however_large() -> None:
    assert advance([Size(5, 5), Size(10_000, 10_000)], Limits(10, 10)) == 1


def test_without_limits_nothing_leaves() -> None:
    assert advance([Size(10**9, 10**9)] * 5, Limits(None, None)) == 0


@settings(deadline=None)
@given(costs, limits, st.integers(0, 29), sizes)
def test_it_moves_only_when_it_must_and_as_far_as_it_may(
    costs: list[Size], budget: Limits, start: int, fixed: Size
) -> None:
    start = min(start, len(costs) - 1)
    moved = advance(costs, budget, start, fixed)
    assert start <= moved < len(costs)
    if fits(total(costs[start:], fixed), budget, HIGH):
        assert moved == start
    elif moved < len(costs) - 1:
        assert fits(total(costs[moved:], fixed), budget, LOW)
    if moved > start:
        assert not fits(total(costs[start:], fixed), budget, HIGH)
        assert not fits(total(costs[moved - 1 :], fixed), budget, LOW)
    assert advance(costs, budget, moved, fixed) == moved
