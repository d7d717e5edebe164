from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from duihua.abilities import Completion, Job
from duihua.errors import ProviderError
from duihua.providers.polling import poll
from tests.providers.conftest import Clock

RUNNING = Job("1", "running")
DONE = Job("1", "done", "glm-4.7", Completion("hi"))


def telling(*told: Job | ProviderError) -> Callable[[], Awaitable[Job]]:
    """Tells one after the other, the last again and again."""
    left = list(told)

    async def ask() -> Job:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, ProviderError):
            raise now
        return now

    return ask


@pytest.mark.parametrize("end", [DONE, Job("1", "failed")])
async def test_asks_until_the_end(clock: Clock, end: Job) -> None:
    ask = telling(*[RUNNING] * 6, end)
    assert await poll(ask, deadline=clock.now + 100, sleep=clock.sleep, clock=clock) == end
    assert clock.slept == [2.0, 3.0, 4.5, 6.75, 10.0, 10.0, 10.0]


async def test_the_deadline_is_for_all_questions(clock: Clock) -> None:
    began = clock.now
    with pytest.raises(ProviderError, match="deadline") as caught:
        await poll(telling(RUNNING), deadline=began + 20, sleep=clock.sleep, clock=clock)
    assert (caught.value.category, caught.value.retryable) == ("timeout", False)
    assert clock.now < began + 20


async def test_what_the_platform_does_not_know_is_not_asked_for_again(clock: Clock) -> None:
    gone = ProviderError("no such task", category="not_found")
    with pytest.raises(ProviderError, match="no such task"):
        await poll(telling(gone, DONE), deadline=clock.now + 100, sleep=clock.sleep, clock=clock)
    assert clock.slept == [2.0]


async def test_a_question_that_was_lost_is_asked_again(clock: Clock) -> None:
    lost = ProviderError("no connection", category="network")
    ask = telling(lost, lost, DONE)
    assert await poll(ask, deadline=clock.now + 100, sleep=clock.sleep, clock=clock) == DONE
    with pytest.raises(ProviderError, match="no connection"):
        await poll(telling(lost), deadline=clock.now + 100, sleep=clock.sleep, clock=clock)
