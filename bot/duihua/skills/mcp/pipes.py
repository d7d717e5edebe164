"""The wires to MCP servers, bounded: what one message may weigh is ours to say, not the server's.

The SDK's own wire to a child process holds a line of any length, and its HTTP client a JSON body of any
length; here whoever sends more than `LARGEST` loses the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from duihua.skills.mcp.servers import Server

if TYPE_CHECKING:
    import httpx2
    from mcp.client._transport import TransportStreams

log = logging.getLogger(__name__)

LARGEST = 8 << 20
"""Bytes of one message, at most."""

_LINE = 100  # what a stray line counts besides its bytes: to look at it costs, too
_TAIL = 2_000  # bytes of a child's last words on stderr
_GRACE = 1.0  # seconds a child has to end by itself, and again after SIGTERM
_POLL = 0.01


class Lost(Exception):
    """The connection is over; the text says why."""


@asynccontextmanager
async def open_pipe(server: Server, ended: Callable[[str], None]) -> AsyncGenerator[TransportStreams]:
    """The messages from and to a server; `ended` is told why when nothing more will come.

    Raises:
        OSError: its program cannot be started.
    """
    pipe = _http(server) if server.url else _child(server, ended)
    async with pipe as streams:
        yield streams


# ---------------------------------------------------------------- child processes


@asynccontextmanager
async def _child(server: Server, ended: Callable[[str], None]) -> AsyncGenerator[TransportStreams]:
    import anyio
    from mcp.client.stdio import get_default_environment
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    environment = {**get_default_environment(), **server.env}
    process = await asyncio.create_subprocess_exec(
        shutil.which(server.command, path=environment.get("PATH")) or server.command,
        *server.args,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=server.cwd,
        limit=LARGEST,
        start_new_session=os.name == "posix",  # its own children end with it
    )
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None
    inward, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, outward = anyio.create_memory_object_stream[SessionMessage](0)
    tail = bytearray()

    async def read() -> None:
        stray = 0
        try:
            while line := await stdout.readline():
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:  # a print that went astray is no message
                    log.debug("MCP server %s wrote a line that is no message", server.name)
                    if (stray := stray + len(line) + _LINE) > LARGEST:
                        _signal(process, "SIGKILL")
                        ended("it floods its stdout with what is no message")
                        return
                    continue
                stray = 0
                await inward.send(SessionMessage(message))
            ended(await _farewell(process, tail))
        except ValueError:
            _signal(process, "SIGKILL")  # it would wait for ever to write the rest
            ended(f"it sent a message of more than {LARGEST >> 20} MB")
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError):
            return
        finally:
            inward.close()  # whoever waits for an answer is told

    async def write() -> None:
        with contextlib.suppress(ConnectionError, anyio.ClosedResourceError):
            async for message in outward:
                line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(line.encode() + b"\n")
                await stdin.drain()

    async def listen() -> None:
        while piece := await stderr.read(65_536):
            tail.extend(piece)
            del tail[:-_TAIL]

    tasks = [asyncio.create_task(work()) for work in (read, write, listen)]
    try:
        yield read_stream, write_stream
    finally:
        for task in tasks[:2]:
            task.cancel()
        try:
            await _stop(process)
        finally:
            _signal(process, "SIGKILL")
            tasks[2].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            transport: Any = getattr(process, "_transport", None)
            if transport is not None:  # a grandchild may hold the pipes open
                transport.close()
            for stream in (inward, read_stream, write_stream, outward):
                stream.close()


async def _farewell(process: asyncio.subprocess.Process, tail: bytearray) -> str:
    """Why a child's stdout came to its end, with the last line of its stderr."""
    await _exited(process, _GRACE)
    code = "" if process.returncode is None else f", exit code {process.returncode}"
    lines = tail.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"it ended{code}" + f": {last[:300]}" * bool(last)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Closes its stdin and waits; then asks it to end."""
    assert process.stdin is not None
    process.stdin.close()
    if not await _exited(process, _GRACE):
        _signal(process, "SIGTERM")
        await _exited(process, _GRACE)


async def _exited(process: asyncio.subprocess.Process, seconds: float) -> bool:
    # Not `process.wait()`: that waits for the pipes too, which a grandchild may keep open.
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while process.returncode is None and loop.time() < until:  # noqa: ASYNC110 (nothing else tells)
        await asyncio.sleep(_POLL)
    return process.returncode is not None


def _signal(process: asyncio.subprocess.Process, name: str) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            if process.returncode is None:
                os.killpg(process.pid, getattr(signal, name))
        elif process.returncode is None:
            process.kill()


# ---------------------------------------------------------------- HTTP


@asynccontextmanager
async def _http(server: Server) -> AsyncGenerator[TransportStreams]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    client = httpx2.AsyncClient(
        headers={**server.headers, "accept-encoding": "identity"},
        timeout=httpx2.Timeout(10.0, read=300.0),
        event_hooks={"response": [_bounded]},
    )
    async with (
        client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=LARGEST) as streams,
    ):
        yield streams


async def _bounded(response: httpx2.Response) -> None:
    """Ends a request whose body of JSON grows too large; streams of events are the SDK's to bound."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.RemoteProtocolError("an encoded body was sent that was not asked for")
    if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        return
    inner: Any = response.stream

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in inner:
                size += len(piece)
                if size > LARGEST:
                    raise httpx2.RemoteProtocolError(f"a message of more than {LARGEST >> 20} MB")
                yield piece

        async def aclose(self) -> None:
            await inner.aclose()

    response.stream = Bounded()
