"""How often somebody may write: token buckets over a clock, and what is said only now and then. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from duihua.ports import Rate

REMEMBERED = 10_000
"""Keys that are known at a time: of more, those that were used longest ago begin anew."""


def rate_of(setting: str) -> Rate | None:
    """The rate of a setting such as `20/60`; None for `off`."""
    calls, slash, seconds = setting.partition("/")
    return Rate(int(calls), float(seconds)) if slash else None


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float
    told: bool = False


class Buckets:
    """One bucket for each key: `rate.calls` at once, and as many again within `rate.seconds`.

    Args:
        rate: None: nothing is limited.
        clock: seconds; where it goes back, nothing is gained or lost.
    """

    def __init__(self, rate: Rate | None, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def wait(self, key: Hashable) -> float:
        """Seconds until one more is free; 0: it is."""
        if self._rate is None:
            return 0.0
        missing = 1 - self._filled(key, self._rate).left
        return missing * self._rate.seconds / self._rate.calls if missing > 1e-9 else 0.0

    def take(self, key: Hashable) -> None:
        """One is used."""
        if self._rate is not None:
            self._filled(key, self._rate).left -= 1

    def complain(self, key: Hashable) -> bool:
        """Whether a refusal is to be told: the first one since the bucket was full."""
        if self._rate is None:
            return False
        bucket = self._filled(key, self._rate)
        first, bucket.told = not bucket.told, True
        return first

    def _filled(self, key: Hashable, rate: Rate) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(rate.calls, now))
        self._buckets.move_to_end(key)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        gained = max(0.0, now - bucket.at) * rate.calls / rate.seconds
        bucket.left, bucket.at = min(rate.calls, bucket.left + gained), now
        bucket.told = bucket.told and bucket.left < rate.calls
        return bucket


class Seldom:
    """What is said to the same one at most once in `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._said: OrderedDict[Hashable, float] = OrderedDict()

    def due(self, key: Hashable) -> bool:
        """Whether it may be said again."""
        last = self._said.get(key)
        return last is None or not 0 <= self._clock() - last < self._seconds

    def said(self, key: Hashable) -> None:
        """It has been said now."""
        self._said[key] = self._clock()
        self._said.move_to_end(key)
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
