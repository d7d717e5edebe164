"""A platform whose answers tell which question they answer, and where they begin and end."""

from __future__ import annotations

import asyncio
import random
import re

import orjson
from aiohttp import web

TOKEN = re.compile(r"T(\d+)x(\d+)")
_WORDS = ["云", "山", "river", "月亮", "**重点**", "`code`", "你好", "answer", "风", "-", "列表", "😀"]


def text_of(token: str, seed: int) -> str:
    """The whole answer to a question: the same every time it is asked."""
    r = random.Random(f"{seed}/{token}")
    size = r.choices((120, 900, 2_500, 6_000), (70, 20, 6, 4))[0]
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) < size:
        paragraphs.append(" ".join(r.choice(_WORDS) for _ in range(r.randint(5, 60))))
    return f"A{token} " + "\n\n".join(paragraphs) + f" Z{token}"


def plain(markdown: str) -> list[str]:
    """The words of an answer as they are shown."""
    return [word for word in markdown.replace("**", "").replace("`", "").split() if word != "-"]


class Model:
    """An OpenAI-compatible server on loopback.

    Args:
        seconds: how long an answer takes at least and at most.
    """

    def __init__(self, seed: int, seconds: tuple[float, float]) -> None:
        self.seed, self.seconds = seed, seconds
        self.asked = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Model:
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        body = await request.json()
        question = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        said = question if isinstance(question, str) else orjson.dumps(question).decode()
        token = [m[0] for m in TOKEN.finditer(said)][-1]  # what is recalled stands before the question
        text = text_of(token, self.seed)
        pieces = 12
        size = -(-len(text) // pieces)
        pause = random.uniform(*self.seconds) / pieces
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for start in range(0, len(text), size):
            await asyncio.sleep(pause)
            await response.write(_event({"content": text[start : start + size]}))
        await response.write(_event({}, "stop") + b"data: [DONE]\n\n")
        return response


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    if finish:
        chunk["usage"] = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
