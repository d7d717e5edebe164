"""Asking after work that a platform does in the background, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from duihua.abilities import Job
from duihua.errors import ProviderError
from duihua.providers.retry import loop_time

GROWTH = 1.5
"""Each wait is so many times the one before."""


async def poll(
    ask: Callable[[], Awaitable[Job]],
    *,
    deadline: float,
    first: float = 2.0,
    most: float = 10.0,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = loop_time,
) -> Job:
    """The job when it is done or has failed.

    A question that got no answer does not end the work: it is asked again, like one that was answered with
    "still running". So does a state that is not known, which platforms' readers call running.

    Args:
        ask: tells where the job stands.
        deadline: loop time, for all questions together.
        first: seconds before the first question.
        most: no wait is longer (seconds).
        sleep: waits.
        clock: loop time.

    Raises:
        ProviderError: the platform does not know the job or refuses to tell of it, or the deadline comes.
    """
    wait = first
    last: ProviderError | None = None
    while True:
        if clock() + wait >= deadline:
            raise last or ProviderError(
                "the work was not done before the deadline", category="timeout", retryable=False
            )
        await sleep(wait)
        try:
            job = await ask()
        except ProviderError as e:
            if not e.retryable:
                raise
            last = e
        else:
            if job.state != "running":
                return job
            last = None
        wait = min(most, wait * GROWTH)
