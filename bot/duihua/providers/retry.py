"""When a request to a platform is sent again, and how long to wait before: the one place that does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from duihua.errors import ProviderError


def loop_time() -> float:
    """The running event loop's time, in which deadlines are given (seconds)."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential waits with jitter; a platform's `Retry-After` goes first, up to the same cap.

    Attributes:
        attempts: how often a request is sent in all.
        initial: seconds before the second attempt; doubled for each further one.
        jitter: up to so many seconds more, so that many clients do not come back together.
        cap: no wait is longer, whatever the platform asks for (seconds).
        sleep: waits; tests put their own in.
    """

    attempts: int = 3
    initial: float = 1.0
    jitter: float = 1.0
    cap: float = 120.0
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = loop_time

    async def pause(self, attempt: int, error: ProviderError, deadline: float) -> None:
        """Waits until the next attempt may start.

        Args:
            attempt: the number of the attempt that failed, from 1.
            error: why it failed.
            deadline: loop time after which no attempt starts.

        Raises:
            ProviderError: `error` itself, when it may not or cannot be tried again in time.
        """
        if not error.retryable or attempt >= self.attempts:
            raise error
        wait = self.initial * 2 ** (attempt - 1) + random.random() * self.jitter
        if error.retry_after is not None:
            wait = error.retry_after
        wait = min(self.cap, wait)
        if self.clock() + wait >= deadline:
            raise error
        await self.sleep(wait)
