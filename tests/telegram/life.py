"""The whole program in this process, on the fake Bot API and a script."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiogram.client.telegram import TelegramAPIServer
from pydantic import SecretStr

from duihua import ChatEngine
from duihua.simulator.telegram import FakeTelegram
from duihua.telegram.composing import Connections, fronted
from duihua.telegram.frontend import Richness, Streaming
from duihua.telegram.governor import Limits
from duihua.telegram.intake import Patience
from duihua.telegram.running import Plan, Running
from duihua.testing.engines import scripted_engine

QUICK = Patience(pause=0.01, longest=0.02, conflict=0.05)
ADA = 42
MANY = (10_000, 0.001)
UNLIMITED = Limits(MANY, MANY, MANY)
_CONNECTIONS = Connections("http://127.0.0.1")  # each new one loads all certificates, a tenth of a second


@dataclass
class Life:
    """A running program and what a test looks at."""

    engine: ChatEngine
    running: Running
    task: asyncio.Task[None]
    stop: asyncio.Event


@asynccontextmanager
async def living(
    fake: FakeTelegram,
    script: Any = (),
    *,
    engine: ChatEngine | None = None,
    streaming: Streaming = "final",
    rich: Richness = "auto",
    **given: Any,
) -> AsyncIterator[Life]:
    """The program on a script, unless an engine is given; fields of `Plan` and settings of the engine."""
    fields = {name: given.pop(name) for name in tuple(given) if name in Plan.__dataclass_fields__}
    given.setdefault("owners", (f"telegram/{ADA}",))
    fields.setdefault("patience", QUICK)
    tokens = fields.setdefault("tokens", [SecretStr(fake.token)])
    running, stop = Running(replace(Plan(tokens, fake.url), **fields)), asyncio.Event()
    connections = copy.copy(_CONNECTIONS)
    connections.api = TelegramAPIServer.from_base(fake.url)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running.served())
        bots = await running.meet()
        engine = engine or scripted_engine(script, **given)
        front = fronted(
            engine,
            bots,
            running.plan,
            connections=connections,
            limits=UNLIMITED,
            streaming=streaming,
            rich=rich,
        )
        parts = await stack.enter_async_context(front)
        await stack.enter_async_context(engine)
        task = asyncio.create_task(running.run(engine, *parts, stop))
        try:
            yield Life(engine, running, task, stop)
        finally:
            stop.set()
            await asyncio.gather(task, return_exceptions=True)
