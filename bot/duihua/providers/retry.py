"""When a request to a platform is sent again, and how long to wait before: the one place that does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf

from duihua.errors import ProviderError
from duihua.ports import Request

HURRIED_ATTEMPTS = 2
HURRIED_PATIENCE = 10.0
"""Attempts, and seconds of any one wait, where another model stands behind the one that is asked."""


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
        patience: an error that asks for a longer wait is not waited for, nor is a limit; nor is anything that
            was silent asked again, if there is a bound at all (seconds).
        sleep: waits; tests put their own in.
    """

    attempts: int = 3
    initial: float = 1.0
    jitter: float = 1.0
    cap: float = 120.0
    patience: float = inf
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = loop_time

    def for_request(self, request: Request) -> Retry:
        """The same, or with another model behind the one asked (`hurried`): two attempts, 10 s a wait."""
        if not request.hurried:
            return self
        attempts = min(self.attempts, HURRIED_ATTEMPTS)
        return replace(self, attempts=attempts, patience=min(self.patience, HURRIED_PATIENCE))

    def until(self, deadline: float) -> float:
        """Loop time up to which a wait for the platform's limits is worth it."""
        return deadline if self.patience == inf else min(deadline, self.clock() + self.patience)

    async def pause(self, attempt: int, error: ProviderError, deadline: float) -> None:
        """Waits until the next attempt may start.

        Args:
            attempt: the number of the attempt that failed, from 1.
            error: why it failed.
            deadline: loop time after which no attempt starts.

        Raises:
            ProviderError: `error` itself, when it may not or cannot be tried again in time.
        """
        silent = error.category == "timeout" and self.patience < inf
        if not error.retryable or attempt >= self.attempts or silent:
            raise error
        wait = self.initial * 2 ** (attempt - 1) + random.random() * self.jitter
        if error.retry_after is not None:
            wait = error.retry_after
        if self.clock() + wait >= deadline or wait > self.patience:
            raise error
        await self.sleep(min(self.cap, wait))
