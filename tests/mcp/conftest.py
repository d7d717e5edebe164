"""Hubs over servers of the bench: a child process, or HTTP on loopback in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from duihua.messages import Address, Call
from duihua.ports import Skill
from duihua.skills.gate import Gate
from duihua.skills.mcp import Hub, Server, serving
from duihua.skills.mcp.ledger import Ledger
from duihua.testing import SkillHarness
from duihua_storage import open_store
from tests.mcp.server import Bench

PROGRAM = str(Path(__file__).with_name("server.py"))
TOKEN = "tok-d41d8cd98f"


def child(*arguments: str, name: str = "bench", **options: Any) -> Server:
    """The bench as a program of its own."""
    secrets = frozenset({TOKEN})
    return Server(
        name, sys.executable, (PROGRAM, *arguments), {"BENCH_TOKEN": TOKEN}, secrets=secrets, **options
    )


class Skills:
    """What a hub offers now."""

    def __init__(self) -> None:
        self.all: dict[str, Skill] = {}
        self.changed = asyncio.Event()

    def use(self, skills: Sequence[Skill]) -> None:
        self.all = {skill.name: skill for skill in skills}
        self.changed.set()

    async def until(self, name: str) -> None:
        """Waits until there is a skill of this name."""
        while name not in self.all:
            self.changed.clear()
            await self.changed.wait()

    async def call(self, name: str, **arguments: Any) -> Call:
        """One call by the real runner, with consent."""
        return await SkillHarness(self.all[name], approved=True).call(**arguments)


Start = Callable[..., Awaitable[Skills]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`await start(server, ...)` -> the skills of a hub of these servers."""
    async with AsyncExitStack() as stack:

        async def begin(*servers: Server, taken: Sequence[str] = ()) -> Skills:
            skills = Skills()
            hub = Hub(servers, skills.use, lambda: taken)
            await hub.open()
            stack.push_async_callback(hub.aclose)
            await hub.settled(30)
            return skills

        yield begin


async def nobody(address: Address, user: int) -> bool:
    return False


@asynccontextmanager
async def ledger() -> AsyncIterator[Ledger]:
    """Where the calls of clients are counted and written down."""
    store = open_store("sqlite+aiosqlite://", upgrade=True)
    await store.open()
    try:
        yield Ledger(store, Gate(nobody))
    finally:
        await store.aclose()


@asynccontextmanager
async def listening(
    server: Any, key: str = "", port: int = 0, hosts: Sequence[str] = ()
) -> AsyncIterator[str]:
    """An SDK server on loopback; gives its address."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serving.serve_http(server, "127.0.0.1", port, key, ready.set_result, hosts))
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield ready.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def bench() -> AsyncIterator[tuple[Bench, str]]:
    """The bench over HTTP with a key, and its address."""
    bench = Bench()
    async with listening(bench.server, TOKEN) as url:
        yield bench, url


def remote(url: str, name: str = "bench", **options: Any) -> Server:
    """The bench over HTTP."""
    return Server(name, url=url, headers={"Authorization": f"Bearer {TOKEN}"}, **options)
