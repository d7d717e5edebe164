"""Where the working window starts: it stays for many turns, then moves far at once.

A start that crept forward turn by turn would change the prefix of every request, which platforms cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from duihua.ports import Limits

HIGH = 0.9
"""Above this share of the budget the window moves."""
LOW = 0.5
"""It moves until it fills at most this share."""
LEFT = 0.25
"""Where much is fixed, turns keep this share of the budget all the same: else there would be no window."""


class Size(NamedTuple):
    """What something takes of a request."""

    tokens: float
    characters: int


NOTHING = Size(0, 0)


def fits(size: Size, budget: Limits, share: float = 1.0) -> bool:
    """Whether `size` is at most `share` of the budget, in tokens and in characters."""
    if budget.tokens is not None and size.tokens > budget.tokens * share:
        return False
    return budget.characters is None or size.characters <= budget.characters * share


def _low(budget: int | None, fixed: float, left: float) -> int | None:
    if budget is None:
        return None
    return int(min(max(budget * LOW, fixed + budget * left), budget * HIGH))


def advance(
    costs: Sequence[Size], budget: Limits, start: int = 0, fixed: Size = NOTHING, left: float = 0.0
) -> int:
    """The index at which the window starts now.

    Args:
        costs: of the turns, oldest first; the last one is the current turn and always stays.
        budget: of the whole request; None in it is no limit.
        start: the index at which the window started the last time.
        fixed: what is sent besides the turns (system text, skills).
        left: share of the budget that turns keep, however much is fixed.

    Returns:
        `start`, or a later index when the window was over `HIGH`. Advancing again from there changes nothing.
    """
    tokens = fixed.tokens + sum(cost.tokens for cost in costs[start:])
    characters = fixed.characters + sum(cost.characters for cost in costs[start:])
    if fits(Size(tokens, characters), budget, HIGH):
        return start
    low = Limits(_low(budget.characters, fixed.characters, left), _low(budget.tokens, fixed.tokens, left))
    while start < len(costs) - 1 and not fits(Size(tokens, characters), low):
        tokens -= costs[start].tokens
        characters -= costs[start].characters
        start += 1
    return start
