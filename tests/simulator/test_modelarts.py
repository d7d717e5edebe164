from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator
from duihua.simulator.modelarts import BASE, SERVICE

from .conftest import FUNCTIONS, users

TOOLS = [{"type": "function", "function": f} for f in FUNCTIONS]
U = {"role": "user", "content": "你好"}
OWN = f"{BASE}/infers/{SERVICE}/v1"
V3 = {"model": "DeepSeek-V3", "messages": [U]}
QWEN = {"model": "qwen3-32b", "messages": [U]}
MINE = {"model": "Qwen2.5-7B", "messages": [U]}
PNG = "data:image/png;base64,iVBORw0KGgo="


class Maas:
    """Raw requests."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator, self.http = simulator, http
        self.headers = {"Authorization": f"Bearer {simulator.keys.modelarts}"}

    async def send(self, body: Any, path: str = "/chat/completions", base: str = BASE) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(
            self.simulator.url + base + path, headers=self.headers, data=BytesIO(data)
        ) as r:
            return r.status, await r.json()

    async def stream(self, **body: Any) -> list[dict[str, Any]]:
        body = {"stream": True, "stream_options": {"include_usage": True}, **body}
        url = f"{self.simulator.url}{BASE}/chat/completions"
        async with self.http.post(url, headers=self.headers, json=body) as r:
            assert r.status == 200
            lines = (await r.text()).strip().split("\n\n")
        assert lines[-1] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@pytest.fixture
def maas(simulator: Simulator, http: aiohttp.ClientSession) -> Maas:
    return Maas(simulator, http)


GATEWAY: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{", 400, "ModelArts.81001"),
    "not an object": ([], 400, "ModelArts.81001"),
    "no model": ({"messages": [U]}, 400, "ModelArts.81001"),
    "unknown model": ({**V3, "model": "no-such"}, 404, "ModelArts.81009"),
    "another spelling": ({**V3, "model": "deepseek-V3"}, 404, "ModelArts.81009"),
    "flagged": ({**V3, "messages": users("!flag")}, 403, "ModelArts.81011"),
    "flagged output, whole": ({**V3, "messages": users("!flag-output")}, 403, "ModelArts.81011"),
    "flagged, streamed": ({**V3, "messages": users("!flag"), "stream": True}, 403, "ModelArts.81011"),
    "too many": ({**V3, "messages": users("!ratelimit")}, 429, "ModelArts.81101"),
    "too late": ({**V3, "messages": users("!overload")}, 504, "APIG.0203"),
}


@pytest.mark.parametrize("name", GATEWAY)
async def test_the_gateway_refuses(maas: Maas, name: str) -> None:
    body, status, code = GATEWAY[name]
    got, answer = await maas.send(body)
    assert (got, answer["error_code"]) == (status, code)
    assert answer["error_msg"]
    assert set(answer) - {"error_code", "error_msg"} == ({"request_id"} if code.startswith("APIG") else set())


SERVER: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({"model": "DeepSeek-V3"}, "'type': 'missing', 'loc': ('body', 'messages')"),
    "unknown field": ({**V3, "test": 15}, "'type': 'extra_forbidden', 'loc': ('body', 'test')"),
    "another wire's field": ({**V3, "enable_thinking": True}, "extra_forbidden"),
    "a user": ({**V3, "user": "u1"}, "extra_forbidden"),
    "temperature": ({**V3, "temperature": 2.1}, "temperature"),
    "max_tokens": ({**V3, "max_tokens": 0}, "max_tokens"),
    "top_k": ({**V3, "top_k": 0}, "top_k"),
    "stop": ({**V3, "stop": [1]}, "stop"),
    "too long": ({**V3, "messages": users("字" * 140_000)}, "maximum context length is 65536 tokens"),
    "no room for the answer": ({**V3, "max_tokens": 65_536}, "requested"),
    "n": ({**QWEN, "n": 11, "top_k": 5}, "n should be"),
    "n greedy": ({**QWEN, "n": 2, "top_k": 5, "temperature": 0}, "greedy"),
    "n without top_k": ({**QWEN, "n": 2}, "greedy"),
    "n of one answer": ({**V3, "n": 2, "top_k": 5}, "neither"),
    "beams of one": ({**QWEN, "use_beam_search": True, "temperature": 0}, "beam search needs"),
    "warm beams": ({**QWEN, "use_beam_search": True, "n": 2}, "beam search needs"),
    "penalty without beams": ({**QWEN, "length_penalty": 1.1}, "length_penalty needs"),
    "tools of Qwen": ({**QWEN, "tools": TOOLS}, "tools is not supported"),
    "tools and thoughts": (
        {
            **V3,
            "model": "deepseek-v3.1",
            "tools": TOOLS,
            "chat_template_kwargs": {"thinking": True},
        },
        "cannot think and call",
    ),
    "choice without tools": ({**V3, "tool_choice": "auto"}, "`tools` must be set"),
    "no such switch": ({**V3, "chat_template_kwargs": {"thinking": True}}, "no switch thinking"),
    "options of no stream": ({**V3, "stream_options": {"include_usage": True}}, "stream_options"),
    "image of the blind": (
        {**V3, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        "does not accept images",
    ),
    "large image": (
        {
            "model": "qwen2.5-vl-7b",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": PNG + "A" * (10 << 20)}}],
                }
            ],
        },
        "larger than 10 MB",
    ),
}


@pytest.mark.parametrize("name", SERVER)
async def test_the_inference_server_refuses(maas: Maas, name: str) -> None:
    body, words = SERVER[name]
    status, answer = await maas.send(body)
    assert status == 400
    assert words in answer["message"]
    del answer["message"]
    assert answer == {"object": "error", "type": "BadRequestError", "param": None, "code": 400}


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        ("", 400, "ModelArts.81002"),
        ("Basic x", 400, "ModelArts.81002"),
        ("Bearer ", 400, "ModelArts.81002"),
        ("Bearer wrong", 401, "ModelArts.81003"),
    ],
)
async def test_no_key_is_another_error_than_a_wrong_one(
    maas: Maas, authorization: str, status: int, code: str
) -> None:
    maas.headers["Authorization"] = authorization
    for path in ("/chat/completions", "/embeddings"):
        got, answer = await maas.send(V3, path)
        assert (got, answer["error_code"]) == (status, code)


@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/embeddings", "/images/generations"])
async def test_other_methods_are_refused_by_the_framework(maas: Maas, path: str) -> None:
    async with maas.http.get(f"{maas.simulator.url}{BASE}{path}", headers=maas.headers) as r:
        assert (r.status, await r.json()) == (405, {"detail": "Method Not Allowed"})
    assert await maas.send({}, "/models") == (405, {"detail": "Method Not Allowed"})


@pytest.mark.parametrize(
    "path",
    ["/modelarts/v1/v1/chat/completions", "/modelarts/v2/models", f"{BASE}/infers/other/v1/chat/completions"],
)
async def test_there_is_nothing_at_other_addresses(maas: Maas, path: str) -> None:
    status, answer = await maas.send(V3, path, "")
    assert (status, answer["error_code"]) == (404, "APIG.0101")
    assert answer["request_id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (MINE, 200, None),
        (V3, 404, "NotFoundError"),
        ({"messages": [U]}, 400, "BadRequestError"),
        (b"{", 400, "BadRequestError"),
        ({**MINE, "messages": users("!flag")}, 403, "ModelArts.4910"),
        ({**MINE, "messages": users("!ratelimit")}, 429, "APIG.0308"),
    ],
)
async def test_a_service_of_ones_own_has_other_errors(
    maas: Maas, body: Any, status: int, code: str | None
) -> None:
    got, answer = await maas.send(body, base=OWN)
    assert (got, answer.get("type") or answer.get("error_code")) == (status, code)


async def test_answers_in_the_servers_form(maas: Maas) -> None:
    _, answer = await maas.send(V3)
    assert (answer["object"], answer["prompt_logprobs"]) == ("chat.completion", None)
    first = answer["choices"][0]
    assert (first["finish_reason"], first["stop_reason"], first["logprobs"]) == ("stop", None, None)
    assert first["message"]["tool_calls"] == []
    _, unfinished = await maas.send(QWEN)
    assert "finish_reason" not in unfinished["choices"][0]
    _, cut = await maas.send({**QWEN, "max_tokens": 1})
    assert cut["choices"][0]["finish_reason"] == "length"


async def test_chunks_bear_the_name_of_whole_answers_and_usage_comes_last(maas: Maas) -> None:
    chunks = await maas.stream(**V3)
    assert {c["object"] for c in chunks} == {"chat.completion"}
    assert chunks[-1]["choices"] == []
    assert [c["usage"] for c in chunks[:-1]] == [None] * (len(chunks) - 1)


async def test_one_model_counts_on_every_chunk(maas: Maas) -> None:
    chunks = await maas.stream(model="deepseek-v3.1", messages=[U])
    counts = [c["usage"]["completion_tokens"] for c in chunks]
    assert counts[:-1] == sorted(counts[:-1])
    assert len(set(counts)) > 3
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("model", "field", "template"),
    [
        ("DeepSeek-R1", "reasoning_content", {}),
        ("deepseek-v3.2-exp", "reasoning", {"thinking": True}),
        ("deepseek-v3.1", None, {}),
        ("qwen3-30b-a3b", "reasoning_content", {}),
        ("qwen3-30b-a3b", None, {"enable_thinking": False}),
    ],
)
async def test_thoughts_bear_each_models_name_for_them(
    maas: Maas, model: str, field: str | None, template: dict[str, bool]
) -> None:
    body = {"model": model, "messages": [U], **({"chat_template_kwargs": template} if template else {})}
    _, answer = await maas.send(body)
    named = {"reasoning_content", "reasoning"} & set(answer["choices"][0]["message"])
    deltas = [c["choices"][0]["delta"] for c in await maas.stream(**body) if c["choices"]]
    streamed = {name for d in deltas for name in d if name.startswith("reasoning")}
    assert named == streamed == ({field} if field else set())


async def test_flagged_output_of_a_stream_ends_without_a_delta(maas: Maas) -> None:
    chunks = await maas.stream(**{**V3, "messages": users("讲一个故事 !flag-output")})
    assert chunks[-1] == {"choices": [{"finish_reason": "content_filter", "index": 0}]}
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1])


async def test_tools_are_called_in_pieces(maas: Maas) -> None:
    chunks = await maas.stream(model="DeepSeek-R1", messages=users("北京今天天气怎么样?"), tools=TOOLS)
    pieces = [p for c in chunks if c["choices"] for p in c["choices"][0]["delta"].get("tool_calls", [])]
    assert pieces[0]["function"]["name"] == "weather"
    assert json.loads("".join(p["function"]["arguments"] for p in pieces))["city"] == "北京"


async def test_lists_models(maas: Maas) -> None:
    for base, row in (
        (BASE, {"id": "DeepSeek-V3", "object": "model", "created": 0, "owned_by": ""}),
        (OWN, {"id": "Qwen2.5-7B", "description": ""}),
    ):
        async with maas.http.get(f"{maas.simulator.url}{base}/models", headers=maas.headers) as r:
            assert row in (await r.json())["data"]


async def test_a_completion_is_short_unless_asked_otherwise(maas: Maas) -> None:
    body = {"model": "DeepSeek-V3", "prompt": "one two three four " * 9}
    _, short = await maas.send(body, "/completions")
    assert short["choices"][0]["finish_reason"] == "length"
    _, whole = await maas.send({**body, "max_tokens": 500}, "/completions")
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["choices"][0]["text"].startswith(short["choices"][0]["text"])


PICTURE = {"model": "qwen-image", "prompt": "猫", "size": "512x512"}
OTHERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "completion without a prompt": ("/completions", {"model": "DeepSeek-V3"}, 400),
    "completion with messages": ("/completions", {**V3, "prompt": "a"}, 400),
    "completion flagged": ("/completions", {"model": "DeepSeek-V3", "prompt": "!flag"}, 403),
    "vectors of another model": ("/embeddings", {"model": "bge", "input": "a"}, 404),
    "vectors of nothing": ("/embeddings", {"model": "bge-m3", "input": []}, 400),
    "vectors of too much": ("/embeddings", {"model": "bge-m3", "input": ["字" * 20_000]}, 400),
    "vectors of a user": ("/embeddings", {"model": "bge-m3", "input": "a", "user": "u"}, 400),
    "image without a size": ("/images/generations", {"model": "qwen-image", "prompt": "猫"}, 400),
    "small image": ("/images/generations", {**PICTURE, "size": "256x512"}, 400),
    "two images": ("/images/generations", {**PICTURE, "n": 2}, 400),
    "image by address": ("/images/generations", {**PICTURE, "response_format": "url"}, 400),
    "nothing to change": ("/images/generations", {**PICTURE, "model": "qwen_image_edit"}, 400),
    "image flagged": ("/images/generations", {**PICTURE, "prompt": "!flag"}, 403),
    "image too often": ("/images/generations", {**PICTURE, "prompt": "猫 !ratelimit"}, 429),
}


@pytest.mark.parametrize("name", OTHERS)
async def test_the_other_services_are_as_strict(maas: Maas, name: str) -> None:
    path, body, status = OTHERS[name]
    assert (await maas.send(body, path))[0] == status


async def test_an_image_comes_as_a_data_url_without_an_error(maas: Maas) -> None:
    status, answer = await maas.send(PICTURE, "/images/generations")
    assert (status, answer["error"], answer["data"][0]["url"]) == (200, None, None)
    assert answer["data"][0]["b64_json"].startswith("data:image/png;base64,iVBOR")
