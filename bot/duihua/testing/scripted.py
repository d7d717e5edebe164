"""A model that says what a test wants it to say: a `Provider` without any network."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, cast

import orjson

from duihua.dialect import ChatDialect
from duihua.messages import Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, Limits, Request, TextDelta, ThinkingDelta
from duihua.ranges import Range
from duihua.skills.complaint import clipped

Answer = str | ThinkingDelta | Exception | Flagged | asyncio.Event | CallDelta | Finish
Entry = Answer | Sequence[Answer]
SHOWN = 300
"""Characters of an entry or a message in an error."""
Script = Sequence[Entry] | Callable[[Request], Entry]

STRICT = ChatDialect(
    "scripted/any",
    Limits(20_000, 5_120),
    Limits(24_000, 6_144),
    alternating=True,
    system="field",
    calls="function_call",
    ranges={"temperature": Range("temperature", 0, 1, open_low=True), "top_p": Range("top_p", 0, 1)},
)
"""The strictest wire there is: an odd number of messages, strictly alternating, small limits."""


class ScriptError(AssertionError):
    """A script and the requests that came do not go together."""


class ScriptedModel:
    """Answers requests from a script, one entry per request, neither more nor fewer.

    An entry is a text, a thought (`ports.ThinkingDelta`), a call (`CallDelta`), a `Flagged`, an exception to
    raise, an event to wait for, an end of its own (`Finish`), or a sequence of these. A function instead of a
    list is asked with each request.

    A request beyond the script fails the turn, and closing the model (its engine does) raises `ScriptError`,
    also when an entry was never asked for; a test that has failed already keeps its own error.

    Attributes:
        requests: all requests so far.
        sent: per request its messages as plain data.
    """

    name = "scripted"

    def __init__(self, script: Script, dialect: ChatDialect = STRICT) -> None:
        self._script, self._dialect = script, dialect
        self.requests: list[Request] = []
        self.sent: list[list[dict[str, Any]]] = []

    def dialect(self, model: str) -> ChatDialect:
        """The dialect given at construction, for every model."""
        return self._dialect

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """The next entry of the script."""
        number = len(self.requests)
        self.requests.append(request)
        self.sent.append([orjson.loads(m) for m in request.packed.messages])
        entry = self._entry(number, request)
        pieces = entry if isinstance(entry, (list, tuple)) else (entry,)
        called = False
        for piece in cast("Sequence[Answer]", pieces):
            match piece:
                case str():
                    yield TextDelta(piece)
                case asyncio.Event():
                    await piece.wait()
                case Exception():
                    raise piece
                case CallDelta() | Flagged() | ThinkingDelta():
                    called = called or isinstance(piece, CallDelta)
                    yield piece
                case Finish():
                    yield piece
                    return
        yield Finish("calls" if called else "stop", Usage(10, 5), request.model)

    def check(self) -> None:
        """Raises ScriptError unless every entry was asked for, and nothing more."""
        if callable(self._script):
            return
        asked, there = len(self.requests), len(self._script)
        if asked > there:
            last = clipped(orjson.dumps(self.sent[there][-1]).decode(), SHOWN)
            raise ScriptError(f"the script has {there} entries, but request {there + 1} came: {last}")
        if asked < there:
            entry = clipped(repr(self._script[asked]), SHOWN)
            raise ScriptError(f"the script has {there} entries, but {asked} requests came; left: {entry}")

    async def aclose(self) -> None:
        """The end of the script: `check`, unless an error is on its way already."""
        if sys.exception() is None:
            self.check()

    def _entry(self, number: int, request: Request) -> Entry:
        if callable(self._script):
            return self._script(request)
        if number >= len(self._script):
            self.check()
        return self._script[number]
