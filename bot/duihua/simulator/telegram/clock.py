"""The fake's own time: everything that lasts is measured by it, so that a test can turn it on."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Calls it off."""
        ...


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds since 1970; never goes back."""
        ...

    def later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Calls after that many seconds."""
        ...


class RealClock:
    """The machine's time, without its jumps."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._start + time.monotonic()

    def later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Calls after that many seconds."""
        return asyncio.get_running_loop().call_later(seconds, call)


@dataclass(slots=True)
class _Due:
    call: Callable[[], object] | None

    def cancel(self) -> None:
        self.call = None


class ManualClock:
    """Time that stands still until `advance`."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._due: list[tuple[float, int, _Due]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._now

    def later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Calls when `advance` has come that far."""
        due = _Due(call)
        heapq.heappush(self._due, (self._now + seconds, next(self._order), due))
        return due

    def advance(self, seconds: float) -> None:
        """Lets time pass, and calls what is due, in order."""
        end = self._now + seconds
        while self._due and self._due[0][0] <= end:
            self._now, _, due = heapq.heappop(self._due)
            if due.call is not None:
                due.call()
        self._now = end


async def sleep(clock: Clock, seconds: float) -> None:
    """Waits on that clock."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = clock.later(seconds, lambda: done.done() or done.set_result(None))
    try:
        await done
    finally:
        timer.cancel()
