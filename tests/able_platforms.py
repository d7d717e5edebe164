"""A platform that can do everything and one that only chats; `use()` puts them into the registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import httpx
import pytest

from duihua.abilities import (
    Ability,
    Completion,
    Drawing,
    Embeddings,
    Job,
    Judgement,
    Listed,
    Picture,
    Transcription,
)
from duihua.config import Settings
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.messages import Usage
from duihua.ports import Delta, Finish, Limits, Request, TextDelta
from duihua.providers import registry
from duihua.providers.exchange import Line
from duihua.providers.platform import ModelInfo, Platform

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


class Talker:
    """A platform that only chats."""

    name = "talker"

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.requests: list[Request] = []
        self.closed = False

    def dialect(self, model: str) -> ChatDialect:
        return ChatDialect(f"{self.name}/{model}", Limits(None, 5_000), Limits(None, 6_000))

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        self.requests.append(request)
        yield TextDelta("hello")
        yield Finish("stop", Usage(3, 1), request.model)

    async def aclose(self) -> None:
        self.closed = True


class Doer(Talker):
    """A platform with every ability. `jobs` are what it says of a job, one after the other."""

    name = "doer"
    usual: ClassVar[Mapping[Ability, str]] = {
        "complete": "writer",
        "start": "thinker",
        "embed": "embedder",
        "draw": "painter",
        "transcribe": "listener",
    }

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self.accepted = asyncio.Event()  # cleared by a test: `start` waits for it
        self.accepted.set()
        self.measuring = asyncio.Event()  # `context_length` was asked
        self.asked = asyncio.Event()
        self.fails: ProviderError | None = None
        self.context: int | None = 100_000
        self.pictures = (Picture(PNG, "", "image/png"),)

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fails is not None:
            raise self.fails

    async def complete(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Completion:
        self._note("complete", model, prompt, dict(options))
        return Completion(f"{prompt} ...", "stop", Usage(2, 3), model)

    async def moderate(self, model: str, text: str, *, deadline: float) -> Judgement:
        self._note("moderate", model, text)
        return Judgement("reject", ("politics",)) if "bad" in text else Judgement("pass")

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        self._note("embed", model, list(texts), query)
        return Embeddings(tuple((float(len(t)), 0.5) for t in texts), Usage(len(texts)), model)

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        self._note("draw", model, prompt, dict(options))
        return Drawing(self.pictures, (), Usage(), model)

    async def transcribe(
        self, model: str, audio: bytes, *, name: str, mime: str, language: str = "", deadline: float
    ) -> Transcription:
        self._note("transcribe", model, audio, name, mime, language)
        return Transcription("what was said", language, 1.5)

    async def count_tokens(self, model: str, text: str, *, deadline: float) -> int:
        self._note("count_tokens", model, text)
        return 42

    async def list_models(self, *, deadline: float) -> Sequence[Listed]:
        self._note("list_models")
        return (
            Listed("thinker", 64_000, family="deep"),
            Listed("newcomer", 9_000, chips=("nvidia", "ascend")),
        )

    async def context_length(self, model: str, *, deadline: float) -> int | None:
        self.calls.append(("context_length", model))
        self.measuring.set()
        await self.accepted.wait()
        if self.fails is not None:
            raise self.fails
        return self.context

    async def start(self, request: Request) -> Job:
        self.requests.append(request)
        self._note("start", request.model)
        self.asked.set()
        await self.accepted.wait()
        return Job("v-1", "running", "thinker-plus")

    async def start_drawing(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Job:
        self._note("start_drawing", model, prompt, dict(options))
        return Job("v-2", "running")

    async def job(self, id: str, *, deadline: float) -> Job:
        self._note("job", id)
        return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]


def use(monkeypatch: pytest.MonkeyPatch, *clients: type[Talker], known: bool = True) -> dict[str, Talker]:
    """Registers platforms of these clients, whose key is ZHIPU_API_KEY; returns the clients as they are made.

    `known`: beside the real platforms.
    """
    made: dict[str, Talker] = {}

    def platform(client: type[Talker]) -> Platform:
        def make(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Any:
            if not settings.zhipu_api_key:
                raise new[client.name].missing(settings)
            made[client.name] = client()
            return made[client.name]

        def models(settings: Settings) -> list[ModelInfo]:
            limits = Limits(None, 5_000), Limits(None, 6_000)
            return [
                ModelInfo(
                    f"{client.name}/thinker",
                    "native",
                    *limits,
                    family="deep",
                    abilities=frozenset({"chat", "thinking"}),
                ),
                ModelInfo(
                    f"{client.name}/painter", "none", *limits, family="paint", abilities=frozenset({"draw"})
                ),
            ]

        return Platform(client.name, "ZHIPU", (("ZHIPU_API_KEY",),), make, models, client=client)

    new: dict[str, Platform] = {client.name: platform(client) for client in clients}
    others = {
        name: p for name, p in registry.PLATFORMS.items() if p.prefix != "ZHIPU"
    }  # its key is used here
    monkeypatch.setattr(registry, "PLATFORMS", {**(others if known else {}), **new})
    return made
