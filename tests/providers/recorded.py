"""What each wire answers in the simulator, byte by byte, and how such answers are read.

A platform adds one entry to `KINDS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from duihua.errors import ProviderError
from duihua.ports import CallDelta, Delta, Finish, Flagged, TextDelta, ThinkingDelta
from duihua.providers import dashscope_faults
from duihua.providers.dashscope_wire import DashScopeAnswer
from duihua.providers.exchange import Answer
from duihua.providers.genstudio import GenStudioAnswer
from duihua.providers.genstudio_faults import GENSTUDIO
from duihua.providers.modelarts import FAULTS as MODELARTS
from duihua.providers.modelarts import ModelArtsAnswer
from duihua.providers.openai_compatible import FAULTS as OPENAI
from duihua.providers.openai_compatible import Tagged
from duihua.providers.openai_wire import ChatAnswer
from duihua.providers.qianfan_faults import V2
from duihua.providers.qianfan_v2 import QianfanV2Answer
from duihua.providers.qianfan_wire import QianfanAnswer
from duihua.providers.zhipu import ZhipuAnswer
from duihua.providers.zhipu_faults import FAULTS as ZHIPU
from duihua.simulator import Simulator

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""The simulator's time: the same question has the same answer, byte by byte."""
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "d", "parameters": TOOL}
TOOLS = [{"type": "function", "function": FUNCTION}]
ASKED = (
    "我叫小明 😀",
    "北京今天天气怎么样?",
    "讲一个故事 !flag",
    "讲一个故事 !flag-output",
    "你好 !overload",
)


@dataclass(frozen=True)
class Post:
    """One request: where it goes, its body, what its headers prove."""

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Ask = Callable[[Simulator, httpx.AsyncClient, str, bool], Awaitable[Sequence[Post]]]
"""The requests that ask a question in the simulator, as streams or not: one for each model that differs."""


@dataclass(frozen=True)
class Kind:
    """One wire. `make`: a reader for one answer; `failures` stand in answers that are errors.

    `pieces`: into how many a streamed answer is cut.
    """

    make: Callable[[], Answer]
    ask: Ask
    failures: tuple[bytes, ...] = (b'"error',)
    pieces: int = 8


def like_openai(path: str, key: str, *models: Mapping[str, Any], usage: bool = True) -> Ask:
    """Asks on a wire like OpenAI's.

    Args:
        path: behind the simulator's address, for example `/v2`.
        key: its name among the simulator's keys.
        models: `{"model": ...}` and further fields of the request.
        usage: streams are asked for the count of tokens; it comes with the first model only.
    """

    async def ask(simulator: Simulator, client: httpx.AsyncClient, text: str, stream: bool) -> Sequence[Post]:
        headers = {"Authorization": f"Bearer {getattr(simulator.keys, key)}"}
        messages = [{"role": "user", "content": text}]
        posts: list[Post] = []
        for fields in models:
            body = {"messages": messages, "stream": stream, **fields}
            if stream and usage and fields is models[0]:
                body["stream_options"] = {"include_usage": True}
            posts.append(Post(f"{simulator.url}{path}/chat/completions", body, headers))
        return posts

    return ask


def qianfan_v1(path: str, **fields: Any) -> Ask:
    """Asks on Qianfan's first wire."""

    async def ask(simulator: Simulator, client: httpx.AsyncClient, text: str, stream: bool) -> Sequence[Post]:
        keys = simulator.keys
        who = {"client_id": keys.api_key, "client_secret": keys.secret_key}
        query = {"grant_type": "client_credentials", **who}
        got = await client.post(f"{simulator.url}/oauth/2.0/token", params=query)
        service = f"{simulator.url}/rpc/2.0/ai_custom/v1/wenxinworkshop"
        body = {"messages": [{"role": "user", "content": text}], "stream": stream, **fields}
        return [Post(f"{service}{path}?access_token={got.json()['access_token']}", body)]

    return ask


async def on_chips(
    simulator: Simulator, client: httpx.AsyncClient, text: str, stream: bool
) -> Sequence[Post]:
    """Asks a model of GenStudio's on a chip that streams events, and on one that streams bare lines."""
    model = "llama-2-7b-chat"
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    headers = {"Authorization": f"Bearer {simulator.keys.genstudio}"}
    base = f"{simulator.url}/genstudio/maas/{model}"
    return [Post(f"{base}/{chip}/chat/completions", body, headers) for chip in ("nvidia", "biren")]


async def dashscope(
    simulator: Simulator, client: httpx.AsyncClient, text: str, stream: bool
) -> Sequence[Post]:
    """Asks on DashScope's own wire, in either format of answers."""
    url = f"{simulator.url}/dashscope/api/v1/services/aigc/text-generation/generation"
    headers = {"Authorization": f"Bearer {simulator.keys.dashscope}"}
    headers |= {"X-DashScope-SSE": "enable"} if stream else {}
    ways: list[dict[str, Any]] = [
        {"result_format": "message", "tools": TOOLS, "parallel_tool_calls": True},
        {"result_format": "text", "enable_thinking": True},
    ]
    input_ = {"messages": [{"role": "user", "content": text}]}
    return [
        Post(
            url,
            {"model": "qwen-plus", "input": input_, "parameters": {**way, "incremental_output": True}},
            headers,
        )
        for way in ways
    ]


KINDS: dict[str, Kind] = {
    "v1": Kind(lambda: QianfanAnswer("m"), qianfan_v1("/chat/completions", functions=[FUNCTION])),
    "v1 plugins": Kind(
        lambda: QianfanAnswer("m"), qianfan_v1("/erniebot/plugin", plugins=["eChart"]), pieces=4
    ),
    "v2": Kind(
        lambda: QianfanV2Answer(V2, "m"),
        like_openai(
            "/v2", "bearer_token", {"model": "ernie-3.5-8k", "tools": TOOLS}, {"model": "deepseek-r1"}
        ),
    ),
    "modelarts": Kind(
        lambda: ModelArtsAnswer(MODELARTS, "m"),
        like_openai(
            "/modelarts/v1",
            "modelarts",
            {"model": "deepseek-v3.1", "tools": TOOLS},
            {"model": "DeepSeek-R1"},
        ),
    ),
    "genstudio": Kind(lambda: GenStudioAnswer(GENSTUDIO, "m"), on_chips),
    "openai": Kind(
        lambda: Tagged(OPENAI, "m"),
        like_openai(
            "/openai/v1", "openai", {"model": "gpt-4.1-mini", "tools": TOOLS}, {"model": "deepseek-reasoner"}
        ),
    ),
    "dashscope": Kind(
        lambda: DashScopeAnswer(dashscope_faults.NATIVE, "m"),
        dashscope,
        failures=(b'"error', b'"code":"'),
        pieces=2,
    ),
    "dashscope-compatible": Kind(
        lambda: ChatAnswer(dashscope_faults.COMPATIBLE, "m"),
        like_openai(
            "/dashscope/compatible-mode/v1",
            "dashscope",
            {"model": "qwen-plus", "tools": TOOLS},
            {"model": "deepseek-r1"},
        ),
    ),
    "zhipu": Kind(
        lambda: ZhipuAnswer(ZHIPU, "m"),
        like_openai("/zhipu/api/paas/v4", "zhipu", {"model": "glm-4.7", "tools": TOOLS}, usage=False),
    ),
}


async def recorded(kind: str, *, stream: bool) -> list[bytes]:
    """What the platform answers to each of `ASKED`."""
    pieces = KINDS[kind].pieces
    async with Simulator(pieces=pieces, clock=lambda: NOON) as simulator, httpx.AsyncClient() as client:
        asked = [await KINDS[kind].ask(simulator, client, text, stream) for text in ASKED]
        out: list[bytes] = []
        for post in (post for posts in zip(*asked, strict=True) for post in posts):
            answer = await client.post(post.url, content=orjson.dumps(post.body), headers=dict(post.headers))
            out.append(answer.content)
        return out


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
