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
from duihua.providers.exchange import Answer
from duihua.providers.genstudio import GenStudioAnswer
from duihua.providers.genstudio_faults import GENSTUDIO
from duihua.providers.modelarts import FAULTS as MODELARTS
from duihua.providers.modelarts import ModelArtsAnswer
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
Make = Callable[[], Answer]
KINDS: dict[str, Make] = {
    "v1": lambda: QianfanAnswer("m"),
    "v2": lambda: QianfanV2Answer(V2, "m"),
    "modelarts": lambda: ModelArtsAnswer(MODELARTS, "m"),
    "genstudio": lambda: GenStudioAnswer(GENSTUDIO, "m"),
}


async def recorded(kind: str, *, stream: bool) -> list[bytes]:
    """What the platform answers to each of `ASKED`."""
    pieces = 8 if kind == "genstudio" else None  # as a chip's chunks are long, fewer do
    async with Simulator(pieces=pieces) as simulator, httpx.AsyncClient() as client:
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
        elif kind == "genstudio":
            url, headers = "", {"Authorization": f"Bearer {keys.genstudio}"}
            base = f"{simulator.url}/genstudio/maas"
            more = [
                {"url": f"{base}/llama-2-7b-chat/nvidia", "model": "llama-2-7b-chat"},
                {"url": f"{base}/llama-2-7b-chat/biren", "model": "llama-2-7b-chat"},
            ]
        else:
            url, headers = (
                f"{simulator.qianfan_v2_url}/chat/completions",
                {"Authorization": f"Bearer {keys.bearer_token}"},
            )
            names = "ernie-3.5-8k", "deepseek-r1"
            if kind == "modelarts":
                url = f"{simulator.url}/modelarts/v1/chat/completions"
                headers = {"Authorization": f"Bearer {keys.modelarts}"}
                names = "deepseek-v3.1", "DeepSeek-R1"
            tool = {
                "type": "function",
                "function": {"name": "weather", "description": "d", "parameters": TOOL},
            }
            more = [
                {"model": names[0], "tools": [tool], "stream_options": {"include_usage": True}},
                {"model": names[1]},
            ]
            if not stream:
                more[0].pop("stream_options")
        out: list[bytes] = []
        for fields in more:
            place = fields.pop("url", "")
            for text in ASKED:
                body = {"messages": [{"role": "user", "content": text}], "stream": stream, **fields}
                answer = await client.post(
                    f"{place}/chat/completions" if place else url, content=orjson.dumps(body), headers=headers
                )
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
        assert (error is not None) == (b'"error' in data)
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
