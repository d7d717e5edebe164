"""Faults by rule: what goes wrong with which call."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from duihua.escapes import one_line
from duihua.simulator.telegram.refusals import Refusal, too_many

Kind = Literal["limit", "error", "cut", "lost", "slow", "garbage"]
"""`limit` 429; `error` 5xx; `cut` the connection ends before the call is carried out; `lost` after it was:
the answer never comes; `slow` the answer comes late; `garbage` it was carried out, the answer is no JSON."""

KINDS: tuple[str, ...] = get_args(Kind)
BEFORE = frozenset({"limit", "error", "cut"})
"""Kinds after which the call was not carried out."""


@dataclass(slots=True)
class Rule:
    """Which calls fail, and how.

    Attributes:
        kind: what happens.
        method: the method's name; empty for any but `getUpdates`, which has to be named.
        chat: only calls about this chat.
        nth: only from the nth matching call on.
        times: so many times, 0 for ever.
        probability: of a fault, for each call that matches.
        retry_after: seconds, of `limit`.
        status: of `error`.
        seconds: of `slow`, on the fake's clock.
        matched: calls that matched so far.
        hit: faults that were given so far.
    """

    kind: Kind
    method: str = ""
    chat: int | None = None
    nth: int = 1
    times: int = 1
    probability: float = 1.0
    retry_after: int = 5
    status: int = 502
    seconds: float = 1.0
    matched: int = 0
    hit: int = 0

    def refusal(self) -> Refusal:
        """The answer of `limit` and `error`."""
        if self.kind == "limit":
            return too_many(self.retry_after)
        names = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}
        if 400 <= self.status < 500:
            return Refusal(self.status, "Bad Request: a fault was asked for")
        return Refusal(self.status, names.get(self.status, "Gateway Timeout"))


class Faults:
    """The rules; the first that fits decides.

    Args:
        seed: of the rules with a probability; None draws one. It is shown as `seed`, to repeat a run.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.randrange(2**32) if seed is None else seed
        self.rules: list[Rule] = []
        self._random = random.Random(self.seed)

    def add(
        self,
        kind: Kind,
        *,
        method: str = "",
        chat: int | None = None,
        nth: int = 1,
        times: int = 1,
        probability: float = 1.0,
        retry_after: int = 5,
        status: int = 502,
        seconds: float = 1.0,
    ) -> Rule:
        """Adds a rule; see `Rule`. Raises ValueError if it could not be followed."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no fault; there are {', '.join(KINDS)}")
        _check((nth, times, retry_after, status) if chat is None else (nth, times, retry_after, status, chat))
        _check((probability, seconds), whole=False)
        if not isinstance(cast("object", method), str):
            raise ValueError("method: a name is wanted")
        if not 400 <= status <= 599:
            raise ValueError("status: 400 to 599 are errors")
        rule = Rule(kind, method.lower(), chat, nth, times, probability, retry_after, status, seconds)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Ends all faults."""
        self.rules.clear()

    def take(self, method: str, chat: int | None) -> Rule | None:
        """The fault of this call."""
        for rule in self.rules:
            if rule.method != method and (rule.method or method == "getupdates"):
                continue
            if rule.chat is not None and rule.chat != chat:
                continue
            if rule.times and rule.hit >= rule.times:
                continue
            rule.matched += 1
            if rule.matched < rule.nth:
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            rule.hit += 1
            return rule
        return None


def _check(numbers: Sequence[object], *, whole: bool = True) -> None:
    """What comes from outside is of any type. Raises ValueError."""
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int if whole else int | float):
            raise ValueError(f"{one_line(repr(number), 40)} is no {'whole ' if whole else ''}number")
