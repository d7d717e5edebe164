import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.telegram.governor import Governor, Kind, Limits


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer: nothing waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def play(run: Callable[[Governor, Loop], Coroutine[Any, Any, None]], limits: Limits | None = None) -> None:
    loop = Loop()
    try:
        loop.run_until_complete(run(Governor(limits, loop.time), loop))
    finally:
        loop.close()


def most(times: list[float], span: float) -> int:
    """How many came within any `span` seconds."""
    times = sorted(times)
    return max((sum(1 for t in times if at <= t < at + span - 1e-6) for at in times), default=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.4, 2.0]))
def test_no_limit_is_ever_passed_however_long_calls_take(seed: int, delay: float) -> None:
    r = random.Random(seed)
    counted: list[tuple[float, int]] = []

    async def run(governor: Governor, loop: Loop) -> None:
        async def send(chat: int) -> None:
            await asyncio.sleep(r.uniform(0, 5))
            async with governor.slot(chat, r.choice(["final", "frame"])):
                on_its_way = r.uniform(0, delay)
                await asyncio.sleep(on_its_way)
                counted.append((loop.time(), chat))  # when Telegram counts it
                await asyncio.sleep(delay - on_its_way)

        async with asyncio.TaskGroup() as group:
            for _ in range(150):
                group.create_task(send(r.choice([1, 2, 3, 4, 5, -1, -2])))

    play(run)
    assert len(counted) == 150
    assert most([t for t, _ in counted], 1.0) <= 30
    for chat in {chat for _, chat in counted}:
        times = [t for t, c in counted if c == chat]
        assert most(times, 3.0) <= 3
        assert chat > 0 or most(times, 60.0) <= 20


def test_what_must_arrive_comes_before_frames() -> None:
    order: list[str] = []

    async def run(governor: Governor, loop: Loop) -> None:
        async def send(kind: str, number: int) -> None:
            async with governor.slot(number, "final" if kind == "final" else "frame"):
                order.append(kind)

        async with asyncio.TaskGroup() as group:
            for n in range(40):
                group.create_task(send("frame", n + 1))
            await asyncio.sleep(0)
            for n in range(10):
                group.create_task(send("final", n + 100))

    play(run)
    assert order[:26] == ["frame"] * 26  # four slots are left to others
    assert order[26:30] == ["final"] * 4
    assert order[30:36] == ["final"] * 6


def test_what_must_arrive_takes_the_next_slot_of_a_chat_that_frames_have_filled() -> None:
    order: list[tuple[str, float]] = []

    async def run(governor: Governor, loop: Loop) -> None:
        async def send(kind: Kind) -> None:
            async with governor.slot(1, kind):
                order.append((kind, loop.time()))

        for _ in range(3):
            await send("frame")
        async with asyncio.TaskGroup() as group:
            group.create_task(send("frame"))
            await asyncio.sleep(0)
            group.create_task(send("final"))

    play(run)
    assert order == [*[("frame", 0)] * 3, ("final", 3), ("frame", 3)]


def test_frames_come_evenly_whatever_else_is_sent_to_their_group() -> None:
    times: list[float] = []

    async def run(governor: Governor, loop: Loop) -> None:
        for number in range(60):
            for _ in range({0: 4, 25: 2}.get(number, 0)):
                async with governor.slot(-1):
                    pass
            async with governor.slot(-1, "frame"):
                times.append(begun := loop.time())
                await asyncio.sleep(0.1)
            await asyncio.sleep(begun + governor.pace(-1, loop.time() - begun) - loop.time())

    play(run)
    assert max(b - a for a, b in itertools.pairwise(times)) < 4


def test_a_chat_is_left_alone_as_long_as_told_and_all_if_many_were() -> None:
    async def run(governor: Governor, loop: Loop) -> None:
        governor.learn(1, 7)
        assert governor.shut(1) == 7
        assert not governor.shut(2)
        async with governor.slot(2):
            assert loop.time() == 0
        async with governor.slot(1):
            assert loop.time() == 7
        for chat in (3, 4, 5):
            governor.learn(chat, 9)
        async with governor.slot(6):
            assert loop.time() == 16

    play(run)


def test_who_gives_up_holds_nothing() -> None:
    async def run(governor: Governor, loop: Loop) -> None:
        async def hold(chat: int) -> None:
            async with governor.slot(chat):
                await asyncio.sleep(1_000)

        held = [asyncio.ensure_future(hold(1)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        await asyncio.sleep(3)
        async with governor.slot(1):
            assert loop.time() == 3
        assert not governor._waiting  # pyright: ignore[reportPrivateUsage]

    play(run)


def test_one_chat_does_not_hold_up_another() -> None:
    async def run(governor: Governor, loop: Loop) -> None:
        async def send(chat: int) -> float:
            async with governor.slot(chat):
                return loop.time()

        busy = [asyncio.ensure_future(send(-1)) for _ in range(25)]
        await asyncio.sleep(0)
        assert await send(2) == 0
        assert await asyncio.wait_for(busy[-1], 200) >= 60
        await asyncio.gather(*busy)

    play(run)


def test_memory_of_chats_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duihua.telegram.governor.KEPT", 50)

    async def run(governor: Governor, loop: Loop) -> None:
        for chat in range(1, 400):
            async with governor.slot(chat):
                pass
            await asyncio.sleep(1)
        assert len(governor._chats) <= 60  # pyright: ignore[reportPrivateUsage]

    play(run)
