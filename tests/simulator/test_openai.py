from __future__ import annotations

import base64
import json
import struct
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator

from .conftest import FUNCTIONS, users

U = {"role": "user", "content": "你好"}
A = {"role": "assistant", "content": "你好"}
M = {"model": "gpt-4.1-mini"}
TOOLS = [{"type": "function", "function": f} for f in FUNCTIONS]
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
SEEN = {
    "role": "user",
    "content": [{"type": "text", "text": "看"}, {"type": "image_url", "image_url": {"url": PNG}}],
}


class Api:
    """Raw requests."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.url, self.http = f"{simulator.url}/openai/v1", http
        self.headers = {"Authorization": f"Bearer {simulator.keys.openai}"}

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any, Any]:
        data = body if isinstance(body, bytes | aiohttp.FormData) else json.dumps(body).encode()
        async with self.http.post(self.url + path, data=data, headers={**self.headers, **headers}) as r:
            return r.status, json.loads(await r.read()), r.headers

    async def chat(self, **body: Any) -> tuple[int, Any, Any]:
        return await self.post("/chat/completions", {**M, "messages": [U], **body})

    async def stream(self, **body: Any) -> list[Any]:
        body = {**M, "messages": [U], **body, "stream": True}
        async with self.http.post(f"{self.url}/chat/completions", json=body, headers=self.headers) as r:
            lines = [line for line in (await r.read()).decode().split("\n\n") if line]
        assert lines[-1] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@pytest.fixture
def api(simulator: Simulator, http: aiohttp.ClientSession) -> Api:
    return Api(simulator, http)


REFUSED: dict[str, tuple[dict[str, Any], int, str | None, str | None]] = {
    "unknown model": ({"model": "none"}, 404, "model_not_found", None),
    "unknown field": ({"enable_thinking": True}, 400, "unknown_parameter", "enable_thinking"),
    "temperature": ({"temperature": 3}, 400, "invalid_value", "temperature"),
    "reasoning's temperature": (
        {"model": "gpt-5-mini", "temperature": 1},
        400,
        "unsupported_parameter",
        "temperature",
    ),
    "the old limit": ({"model": "gpt-5-mini", "max_tokens": 1}, 400, "unsupported_parameter", "max_tokens"),
    "stream_options alone": ({"stream_options": {"include_usage": True}}, 400, None, "stream_options"),
    "tool_choice alone": ({"tool_choice": "auto"}, 400, None, "tool_choice"),
    "empty tools": ({"tools": []}, 400, None, "tools"),
    "no functions": ({"model": "gemma-2-9b-it", "tools": TOOLS}, 400, None, None),
    "no system": (
        {"model": "gemma-2-9b-it", "messages": [{"role": "system", "content": "x"}, U]},
        400,
        None,
        None,
    ),
    "no messages": ({"messages": []}, 400, None, "messages"),
    "open call": ({"messages": [U, CALL]}, 400, None, "messages"),
    "call without its result": ({"messages": [U, CALL, U]}, 400, None, "messages"),
    "unseen image": ({"model": "qwq-32b", "messages": [SEEN]}, 400, None, "messages"),
    "too long": (
        {"model": "gemma-2-9b-it", "messages": [{"role": "user", "content": "word " * 9_000}]},
        400,
        "context_length_exceeded",
        "messages",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(api: Api, name: str) -> None:
    body, status, code, param = REFUSED[name]
    got, answer, headers = await api.chat(**body)
    assert (got, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)
    assert answer["error"]["type"] == "invalid_request_error"
    assert headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [U, U]},
        {"messages": [U, A]},
        {"messages": [{"role": "developer", "content": "be kind"}, U]},
        {"messages": [SEEN]},
        {"temperature": 2, "top_p": 0, "n": 2, "seed": -1, "stop": "x", "user": "u", "store": False},
        {"temperature": None, "stop": None},
        {"model": "gpt-5-mini", "max_completion_tokens": 5, "reasoning_effort": "low"},
    ],
)
async def test_what_is_taken(api: Api, body: dict[str, Any]) -> None:
    status, answer, headers = await api.chat(**body)
    assert status == 200, answer
    assert headers["x-ratelimit-reset-requests"] == "1s"
    assert int(headers["x-ratelimit-remaining-requests"]) < int(headers["x-ratelimit-limit-requests"])


async def test_flagged_input_is_refused_and_flagged_output_cut(api: Api) -> None:
    status, answer, _ = await api.chat(messages=users("讲故事 !flag"))
    assert (status, answer["error"]["code"]) == (400, "content_policy_violation")
    status, answer, _ = await api.chat(messages=users("x !poison", "你好"))
    assert (status, answer["error"]["code"]) == (400, "content_policy_violation")
    chunks = await api.stream(messages=users("讲故事 !flag-output"))
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"


async def test_reasoning_stands_apart_or_in_the_text(api: Api) -> None:
    _, apart, _ = await api.chat(model="deepseek-reasoner")
    message = apart["choices"][0]["message"]
    assert message["reasoning_content"]
    _, tagged, _ = await api.chat(model="qwq-32b")
    said = tagged["choices"][0]["message"]["content"]
    assert said == f"<think>\n{message['reasoning_content']}\n</think>\n\n{message['content']}"


async def test_a_stream_counts_when_asked_and_one_model_always(api: Api) -> None:
    plain = await api.stream()
    assert not any("usage" in chunk for chunk in plain)
    counted = await api.stream(stream_options={"include_usage": True})
    assert (counted[-1]["choices"], counted[-1]["usage"]["prompt_tokens"] > 0) == ([], True)
    unasked = await api.stream(model="mistral-7b")
    assert unasked[-1]["choices"][0]["finish_reason"] == "stop"
    assert unasked[-1]["usage"]["completion_tokens"] > 0


async def test_calls_have_no_content(api: Api) -> None:
    _, answer, _ = await api.chat(messages=users("北京今天天气怎么样?"), tools=TOOLS)
    choice = answer["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/embeddings", {"model": "text-embedding-3-small", "input": []}, None),
        ("/embeddings", {"model": "text-embedding-3-small", "input": "a", "dimensions": 9_999}, None),
        ("/embeddings", {"model": "text-embedding-3-small", "text_type": "x"}, "unknown_parameter"),
        ("/embeddings", {"model": "gpt-4.1-mini", "input": "a"}, "model_not_found"),
        ("/images/generations", {"model": "gpt-image-2", "prompt": ""}, None),
        ("/images/generations", {"model": "gpt-image-2", "response_format": "url"}, "unknown_parameter"),
        ("/images/generations", {"model": "gpt-image-2", "prompt": "a !flag"}, "moderation_blocked"),
        ("/moderations", {"model": "omni-moderation-latest", "input": []}, None),
        ("/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": 5}, "invalid_type"),
        ("/audio/transcriptions", {"model": "whisper-1"}, None),
    ],
)  # fmt: skip
async def test_other_calls_are_as_strict(api: Api, path: str, body: Any, code: str | None) -> None:
    status, answer, _ = await api.post(path, body, **{"Content-Type": "application/json"})
    assert status in (400, 404)
    assert answer["error"]["code"] == code


async def test_vectors_come_as_numbers_or_packed(api: Api) -> None:
    fields = {"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 4}
    _, plain, _ = await api.post("/embeddings", fields)
    _, packed, _ = await api.post("/embeddings", {**fields, "encoding_format": "base64"})
    for a, b in zip(plain["data"], packed["data"], strict=True):
        assert sum(n * n for n in a["embedding"]) == pytest.approx(1)
        assert struct.unpack("<4f", base64.b64decode(b["embedding"])) == pytest.approx(
            a["embedding"], abs=1e-6
        )


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("a.wav", {"model": "whisper-1", "response_format": "verbose_json"}, 200),
        ("a.wav", {"model": "gpt-transcribe", "response_format": "verbose_json"}, 400),
        ("a.txt", {"model": "whisper-1"}, 400),
        ("a.wav", {"model": "whisper-1", "speed": "2"}, 400),
    ],
)
async def test_recordings(api: Api, name: str, fields: dict[str, str], status: int) -> None:
    form = aiohttp.FormData(fields)
    form.add_field("file", b"RIFF" + bytes(60), filename=name, content_type="audio/wav")
    got, answer, _ = await api.post("/audio/transcriptions", form)
    assert got == status
    if status == 200:
        assert (answer["text"], answer["task"]) == ("[a.wav, 64 bytes]", "transcribe")


async def test_a_key_is_needed_everywhere(api: Api) -> None:
    api.headers = {"Authorization": "Bearer wrong"}
    paths = (
        "/chat/completions",
        "/embeddings",
        "/images/generations",
        "/moderations",
        "/audio/transcriptions",
    )
    for path in (*paths, "/completions"):
        status, answer, _ = await api.post(path, {})
        assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
    async with api.http.get(f"{api.url}/models", headers=api.headers) as r:
        assert r.status == 401
