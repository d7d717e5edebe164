"""A model that says what a test wants it to say: a `Provider` without any network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import orjson

from duihua.dialect import ChatDialect
from duihua.messages import Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, Request, TextDelta
from duihua.providers import qianfan

Answer = str | Exception | Flagged | asyncio.Event | CallDelta
Script = Sequence[Answer | Sequence[Answer]] | Callable[[Request], Answer | Sequence[Answer]]


class ScriptedModel:
    """Answers requests from a script, one entry per request.

    An entry is a text, a call (`CallDelta`), a `Flagged`, an exception to raise, an event to wait for, or a
    sequence of these. A function instead of a list is asked with each request.

    Attributes:
        requests: all requests so far.
        sent: per request its messages as plain data.
    """

    name = "scripted"

    def __init__(self, script: Script, dialect: ChatDialect | None = None) -> None:
        self._script, self._dialect = script, dialect or qianfan.dialect("ernie-3.5-8k")
        self.requests: list[Request] = []
        self.sent: list[list[dict[str, object]]] = []

    def dialect(self, model: str) -> ChatDialect:
        """The dialect given at construction, for every model."""
        return self._dialect

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """The next entry of the script."""
        number = len(self.requests)
        self.requests.append(request)
        self.sent.append([orjson.loads(m) for m in request.packed.messages])
        entry = self._script(request) if callable(self._script) else self._script[number]
        called = False
        for piece in entry if isinstance(entry, (list, tuple)) else (entry,):
            match piece:
                case str():
                    yield TextDelta(piece)
                case asyncio.Event():
                    await piece.wait()
                case Exception():
                    raise piece
                case CallDelta():
                    called = True
                    yield piece
                case _:
                    yield piece  # pyright: ignore[reportReturnType]
        yield Finish("calls" if called else "stop", Usage(10, 5), request.model)

    async def aclose(self) -> None:
        """Nothing to close."""
