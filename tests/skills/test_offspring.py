import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest

from duihua import skill
from duihua.testing import SkillHarness


async def leaves() -> None:
    await asyncio.sleep(0)
    sys.exit(5)


async def interrupts() -> None:
    raise KeyboardInterrupt


async def grouped() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(leaves())


WAYS: dict[str, Callable[[], Awaitable[object]]] = {
    "under a time limit": lambda: asyncio.wait_for(leaves(), 5),
    "gathered": lambda: asyncio.gather(leaves(), interrupts()),
    "in a group": grouped,
    "as a task": lambda: asyncio.create_task(interrupts()),
    "in a task of a task": lambda: asyncio.create_task(grouped()),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_task_of_a_skill_cannot_end_the_program(way: Callable[[], Awaitable[object]]) -> None:
    @skill
    async def starts() -> str:
        """Starts a task."""
        await way()
        return "unreachable"

    call = await SkillHarness(starts).call()
    assert call.state == "failed"


async def test_tasks_of_others_are_left_as_they_are() -> None:
    @skill
    async def quick() -> str:
        """Is quick."""
        never = asyncio.create_task(leaves(), name="never begun")
        never.cancel()
        return "done"

    assert (await SkillHarness(quick).call()).state == "done"
    task = asyncio.create_task(asyncio.sleep(0, "as ever"))
    assert asyncio.iscoroutine(task.get_coro())
    assert type(task.get_coro()).__name__ == "coroutine"
    assert await task == "as ever"
