"""Runs `parsing` in a process of its own: bounded, without our environment, ended whatever happens."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

import orjson

AT_ONCE = 2
"""Files that are read at the same time; each may take all the memory it is allowed."""

CODES = frozenset({"encrypted", "no_reader", "no_text", "not_text", "too_complex", "broken"})
"""Why nothing was read."""

Kind = Literal["pdf", "office"]
_PROGRAM = Path(__file__).with_name("parsing.py")
_PASSED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")  # where libraries are; no secret
_ESCAPED = 6  # bytes of a character in JSON, at most
_BESIDE = 4_096
_room: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class Failed(Exception):
    """Nothing was read; the text is the code that says why."""


async def parse(
    kind: Kind, data: bytes, *, pages: int, characters: int, seconds: float, memory: int
) -> tuple[str, int, bool]:
    """Text, pages that were read, and whether that is less than all.

    Raises:
        Failed: with one of `CODES`.
    """
    room = _room.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    given = (kind, pages, characters, max(1, int(seconds)), memory)
    async with room:
        try:
            async with asyncio.timeout(seconds):
                answer = await _run(data, [str(value) for value in given], characters * _ESCAPED + _BESIDE)
        except TimeoutError:
            raise Failed("too_complex") from None
    try:
        told: Any = orjson.loads(answer)
    except orjson.JSONDecodeError:  # killed by a limit, or it crashed
        raise Failed("too_complex") from None
    match told:
        case {"text": str(text), "pages": int(count), "cut": bool(cut)}:
            return text[:characters], count, cut
        case {"error": str(code)} if code in CODES:
            raise Failed(code)
        case _:
            raise Failed("broken")


async def _run(data: bytes, given: list[str], most: int) -> bytes:
    """What it answers, empty if it dies."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_PROGRAM),
        *given,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED if name in os.environ},
    )
    feeding = asyncio.create_task(_feed(cast("asyncio.StreamWriter", process.stdin), data))
    try:
        reader, answer = cast("asyncio.StreamReader", process.stdout), bytearray()
        while len(answer) <= most and (piece := await reader.read(1 << 16)):
            answer += piece
        if len(answer) > most:
            return b""
        await process.wait()
        return bytes(answer)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        feeding.cancel()
        await asyncio.gather(feeding, process.wait(), return_exceptions=True)


async def _feed(pipe: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(OSError):  # it may end before it has read all
        pipe.write(data)
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()
