"""A small server on loopback whose answers each test lays out, and a clock that waits for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from duihua.errors import ProviderError
from duihua.ports import Delta, Packed, Request, TextDelta, ToolSpec
from duihua.providers.http import Transport
from duihua.providers.retry import Retry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Wire:
    """Answers each request with the next handler; the last one answers all that follow."""

    base: str = ""
    handlers: list[Handler] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def then(self, *handlers: Handler) -> None:
        self.handlers.extend(handlers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        self.arrived.set()
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return await handler(request)


def says(
    body: Any, status: int = 200, *, headers: dict[str, str] | None = None, type: str = "application/json"
) -> Handler:
    """A whole answer."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=data, status=status, headers={"Content-Type": type, **(headers or {})})

    return handler


def streams(*pieces: bytes, headers: dict[str, str] | None = None, cut: bool = False) -> Handler:
    """A streamed answer, piece by piece; `cut` breaks the connection behind the last one."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **(headers or {})})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if cut:
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write_eof()
        return response

    return handler


def event(**fields: Any) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", wire.answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    wire.base = f"http://127.0.0.1:{server.port}"
    yield wire
    await server.close()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def retry(clock: Clock) -> Retry:
    return Retry(sleep=clock.sleep)


WEATHER = ToolSpec(
    "weather", "The weather of a place.", {"type": "object", "properties": {"place": {"type": "string"}}}
)


def ask(
    model: str = "ernie-3.5-8k",
    *messages: bytes,
    system: bytes = b"",
    tools: tuple[ToolSpec, ...] = (),
    options: dict[str, Any] | None = None,
    user: str = "",
    seconds: float = 60.0,
) -> Request:
    """A request as the engine makes it."""
    messages = messages or (b'{"role":"user","content":"hi"}',)
    deadline = asyncio.get_running_loop().time() + seconds
    packed = Packed(system, messages, (None,) * len(messages), 10, 20)
    return Request(model, packed, tools, options or {}, deadline, user)


async def collect(stream: AsyncIterator[Delta]) -> list[Delta]:
    return [delta async for delta in stream]


def text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas if isinstance(d, TextDelta))


async def until_error(stream: AsyncIterator[Delta]) -> tuple[list[Delta], ProviderError]:
    """What came before the error that ends the answer, and the error."""
    deltas: list[Delta] = []
    try:
        async for delta in stream:
            deltas.append(delta)
    except ProviderError as e:
        return deltas, e
    raise AssertionError("the answer ended without an error")


async def arrived(wire: Wire) -> None:
    """Waits until a request has arrived."""
    async with asyncio.timeout(5):
        await wire.arrived.wait()
