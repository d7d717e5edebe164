from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)  # a Tuesday

WEATHER = {
    "name": "weather",
    "description": "Tells the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "day": {"type": "string", "default": "today"}},
        "required": ["city"],
    },
}
CALCULATOR = {
    "name": "calculator",
    "description": "Computes an arithmetic expression.",
    "parameters": {
        "type": "object",
        "properties": {"expression": {"type": "string"}},
        "required": ["expression"],
    },
}
CLOCK = {
    "name": "clock",
    "description": "Tells the current time.",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string", "description": "zone or city"}},
    },
}
FUNCTIONS = [WEATHER, CALCULATOR, CLOCK]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(clock=lambda: NOON) as simulator:
        yield simulator


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def v1(simulator: Simulator, http: aiohttp.ClientSession) -> V1:
    return await connect(simulator, http)


@pytest.fixture
def v2(simulator: Simulator, http: aiohttp.ClientSession) -> V2:
    return V2(simulator, http, simulator.keys.bearer_token)


async def connect(simulator: Simulator, http: aiohttp.ClientSession) -> V1:
    """A client of v1 that holds a token."""
    keys = simulator.keys
    query = {"grant_type": "client_credentials", "client_id": keys.api_key, "client_secret": keys.secret_key}
    async with http.post(f"{simulator.url}/oauth/2.0/token", params=query) as r:
        return V1(simulator, http, (await r.json())["access_token"])


def users(*texts: str) -> list[dict[str, Any]]:
    """A list of messages in which every user text but the last was answered."""
    messages: list[dict[str, Any]] = []
    for text in texts:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "好的。"}]
    return messages[:-1]


class V1:
    """Raw requests to Qianfan v1."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession, token: str) -> None:
        self.simulator, self.http, self.token = simulator, http, token

    def url(self, model: str = "completions") -> str:
        return f"{self.simulator.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/{model}"

    async def send(self, body: Any, model: str = "completions", **params: str) -> dict[str, Any]:
        params.setdefault("access_token", self.token)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url(model), params=params, data=data) as r:
            assert r.status == 200
            return await r.json()

    async def say(self, *texts: str, model: str = "completions", **body: Any) -> dict[str, Any]:
        return await self.send({"messages": users(*texts), **body}, model)

    async def stream(self, *texts: str, model: str = "completions", **body: Any) -> list[dict[str, Any]]:
        body = {"messages": users(*texts), "stream": True, **body}
        async with self.http.post(self.url(model), params={"access_token": self.token}, json=body) as r:
            assert r.headers["Content-Type"].startswith("text/event-stream")
            raw = (await r.read()).decode()
        return [json.loads(line.removeprefix("data: ")) for line in raw.split("\n\n") if line]


class V2:
    """Raw requests to Qianfan v2."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession, bearer: str) -> None:
        self.simulator, self.http = simulator, http
        self.headers = {"Authorization": f"Bearer {bearer}"}
        self.url = f"{simulator.qianfan_v2_url}/chat/completions"

    async def send(self, body: Any) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url, headers=self.headers, data=data) as r:
            return r.status, await r.json()

    async def say(self, *texts: str, **body: Any) -> dict[str, Any]:
        status, answer = await self.send({"model": "ernie-3.5-8k", "messages": users(*texts), **body})
        assert status == 200, answer
        return answer["choices"][0]

    async def stream(self, *texts: str, **body: Any) -> list[dict[str, Any]]:
        body = {"model": "ernie-3.5-8k", "messages": users(*texts), "stream": True, **body}
        async with self.http.post(self.url, headers=self.headers, json=body) as r:
            assert r.status == 200
            lines = [line for line in (await r.read()).decode().split("\n\n") if line]
        assert lines[-1] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
