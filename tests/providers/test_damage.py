"""Answers as the simulator streams them, cut at every byte and damaged at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from duihua.errors import ProviderError
from duihua.ports import CallDelta, Delta, Finish, Flagged, TextDelta, ThinkingDelta
from duihua.providers import dashscope_faults
from duihua.providers.dashscope_wire import DashScopeAnswer
from duihua.providers.exchange import Answer
from duihua.providers.qianfan_faults import V2
from duihua.providers.qianfan_v2 import QianfanV2Answer
from duihua.providers.qianfan_wire import QianfanAnswer
from duihua.simulator import Simulator
from tests.providers.damage import damage, held, made_of

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
ASKED = (
    "我叫小明 😀",
    "北京今天天气怎么样?",
    "讲一个故事 !flag",
    "讲一个故事 !flag-output",
    "你好 !overload",
)
FAILURES = (b'"error', b'"code":"')
Make = Callable[[], Answer]
KINDS: dict[str, Make] = {
    "v1": lambda: QianfanAnswer("m"),
    "v2": lambda: QianfanV2Answer(V2, "m"),
    "dashscope": lambda: DashScopeAnswer(dashscope_faults.NATIVE, "m"),
}


async def recorded_dashscope(*, stream: bool) -> list[bytes]:
    """What DashScope answers to each of `ASKED` on its own wire, in either format."""
    tool = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": TOOL}}
    more: list[dict[str, Any]] = [
        {"result_format": "message", "tools": [tool], "parallel_tool_calls": True},
        {"result_format": "text", "enable_thinking": True},
    ]
    async with Simulator(pieces=2) as simulator, httpx.AsyncClient() as client:
        url = f"{simulator.url}/dashscope/api/v1/services/aigc/text-generation/generation"
        headers = {"Authorization": f"Bearer {simulator.keys.dashscope}"}
        headers |= {"X-DashScope-SSE": "enable"} if stream else {}
        out: list[bytes] = []
        for fields in more:
            for text in ASKED:
                body = {
                    "model": "qwen-plus",
                    "input": {"messages": [{"role": "user", "content": text}]},
                    "parameters": {**fields, "incremental_output": True},
                }
                out.append((await client.post(url, json=body, headers=headers)).content)
        return out


async def recorded(kind: str, *, stream: bool) -> list[bytes]:
    """What the platform answers to each of `ASKED`."""
    if kind == "dashscope":
        return await recorded_dashscope(stream=stream)
    async with Simulator() as simulator, httpx.AsyncClient() as client:
        keys = simulator.keys
        if kind == "v1":
            where = {"client_id": keys.api_key, "client_secret": keys.secret_key}
            got = await client.post(
                f"{simulator.url}/oauth/2.0/token", params={"grant_type": "client_credentials", **where}
            )
            service = f"{simulator.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions"
            url, headers = f"{service}?access_token={got.json()['access_token']}", {}
            more: list[dict[str, Any]] = [
                {"functions": [{"name": "weather", "description": "d", "parameters": TOOL}]}
            ]
        else:
            url, headers = (
                f"{simulator.qianfan_v2_url}/chat/completions",
                {"Authorization": f"Bearer {keys.bearer_token}"},
            )
            tool = {
                "type": "function",
                "function": {"name": "weather", "description": "d", "parameters": TOOL},
            }
            more = [
                {"model": "ernie-3.5-8k", "tools": [tool], "stream_options": {"include_usage": True}},
                {"model": "deepseek-r1"},
            ]
            if not stream:
                more[0].pop("stream_options")
        out: list[bytes] = []
        for fields in more:
            for text in ASKED:
                body = {"messages": [{"role": "user", "content": text}], "stream": stream, **fields}
                answer = await client.post(url, content=orjson.dumps(body), headers=headers)
                out.append(answer.content)
        return out


@pytest.fixture(params=KINDS)
async def platform(request: pytest.FixtureRequest) -> tuple[Make, list[bytes]]:
    kind = str(request.param)
    return KINDS[kind], await recorded(kind, stream=True) + await recorded(kind, stream=False)


def read(answer: Answer, *pieces: bytes) -> tuple[list[Delta], ProviderError | None]:
    """What comes out, read as a client reads it: nothing is fed behind an end or an error."""
    out: list[Delta] = []
    for piece in pieces:
        if not (answer.done or answer.error):
            out += answer.feed(piece)
    if not answer.error:
        out += answer.close()
    return out, answer.error


def sense(deltas: list[Delta]) -> list[object]:
    """What the deltas say, however they are cut."""
    texts = "".join(d.text for d in deltas if isinstance(d, TextDelta))
    thoughts = "".join(d.text for d in deltas if isinstance(d, ThinkingDelta))
    calls: dict[int, list[str]] = {}
    for d in deltas:
        if isinstance(d, CallDelta):
            call = calls.setdefault(d.index, ["", ""])
            call[0], call[1] = call[0] + d.name, call[1] + d.arguments
    return [texts, thoughts, calls, *(d for d in deltas if isinstance(d, Flagged | Finish))]


async def test_an_answer_cut_at_any_byte_says_the_same(platform: tuple[Make, list[bytes]]) -> None:
    make, streams = platform
    said = ""
    for data in streams:
        whole, error = read(make(), data)
        assert (error is not None) == any(mark in data for mark in FAILURES)
        said += "".join(d.text for d in whole if isinstance(d, TextDelta))
        for at in range(1, len(data)):
            deltas, problem = read(make(), data[:at], data[at:])
            assert sense(deltas) == sense(whole)
            assert str(problem) == str(error)
    assert "小明" in said


async def test_an_answer_that_ends_at_any_byte_is_no_whole_one(platform: tuple[Make, list[bytes]]) -> None:
    make, streams = platform
    for data in streams:
        whole, _ = read(make(), data)
        for at in range(len(data)):
            deltas, error = read(make(), data[:at])
            assert error is not None or isinstance(deltas[-1], Finish)
            text, full = sense(deltas)[0], sense(whole)[0]
            assert isinstance(full, str)
            assert full.startswith(str(text))


async def test_damage_raises_nothing_and_invents_nothing(platform: tuple[Make, list[bytes]]) -> None:
    make, streams = platform
    seed = 20261121
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(10_000):
        data = damage(rng, streams)
        cut = rng.randrange(len(data) + 1)
        deltas, error = read(make(), data[:cut], data[cut:])
        assert error is not None or isinstance(deltas[-1], Finish)
        texts = [d.text for d in deltas if isinstance(d, TextDelta)]
        known = held(data) if texts else set[str]()
        assert all(made_of(text, known) for text in texts), data
