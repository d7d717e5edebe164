from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import SecretStr

from duihua import ChatEngine
from duihua.simulator.telegram import NO_LIMITS, FakeTelegram, User
from duihua.telegram.intake import Patience
from duihua.telegram.running import Plan, Running
from duihua.testing.engines import scripted_engine
from tests.telegram.plain import PlainFront

QUICK = Patience(pause=0.01, longest=0.02, conflict=0.05)
ADA = 42


@dataclass
class Life:
    """A running program and what a test looks at."""

    engine: ChatEngine
    running: Running
    front: PlainFront
    task: asyncio.Task[None]
    stop: asyncio.Event


Start = Callable[..., Awaitable[Life]]


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(limits=NO_LIMITS, seed=1) as fake:
        yield fake


@pytest.fixture
def ada(fake: FakeTelegram) -> User:
    """The owner of the bots, who reads English."""
    return fake.user(ADA, "Ada", language_code="en")


@asynccontextmanager
async def living(fake: FakeTelegram, script: Any = (), **given: Any) -> AsyncIterator[Life]:
    """The program on a script; fields of `Plan` and settings of the engine, as they are given."""
    fields = {name: given.pop(name) for name in tuple(given) if name in Plan.__dataclass_fields__}
    fields.setdefault("owners", frozenset({ADA}))
    fields.setdefault("patience", QUICK)
    tokens = fields.setdefault("tokens", [SecretStr(fake.token)])
    running, stop = Running(replace(Plan(tokens, fake.url), **fields)), asyncio.Event()
    front = PlainFront(fake.url, *(token.get_secret_value() for token in tokens))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(front.aclose)
        await stack.enter_async_context(running.served())
        await running.meet()
        engine = await stack.enter_async_context(scripted_engine(script, **given))
        task = asyncio.create_task(running.run(engine, front, front.voice, stop))
        try:
            yield Life(engine, running, front, task, stop)
        finally:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def start(fake: FakeTelegram) -> AsyncIterator[Start]:
    """`await start(script, **fields)`: the program, until the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(script: Any = (), **given: Any) -> Life:
            return await stack.enter_async_context(living(fake, script, **given))

        yield begin
