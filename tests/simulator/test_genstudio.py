from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator
from duihua.simulator.genstudio_models import BARE, ROWS

from .conftest import FUNCTIONS, users

TOOLS = [{"type": "function", "function": f} for f in FUNCTIONS]
U = {"role": "user", "content": "你好"}
LLAMA, LINES, EVENTS = "llama-2-7b-chat", "llama-2-7b-chat/biren", "llama-2-7b-chat/nvidia"


class Maas:
    """Raw requests to GenStudio."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator, self.http = simulator, http
        self.headers = {"Authorization": f"Bearer {simulator.keys.genstudio}"}
        self.base = simulator.settings()["GENSTUDIO_BASE_URL"]

    async def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(f"{self.base}/{path}", headers=self.headers, data=data) as r:
            return r.status, await r.json()

    async def get(self, url: str) -> tuple[int, dict[str, Any]]:
        async with self.http.get(url, headers=self.headers) as r:
            return r.status, await r.json()

    async def chat(self, place: str, *texts: str, **body: Any) -> tuple[int, dict[str, Any]]:
        body = {"model": place.partition("/")[0], "messages": users(*texts), **body}
        return await self.post(f"{place}/chat/completions", body)

    async def stream(self, place: str, *texts: str, **body: Any) -> tuple[str, str]:
        """Content type and bytes."""
        body = {"model": place.partition("/")[0], "messages": users(*texts), "stream": True, **body}
        async with self.http.post(
            f"{self.base}/{place}/chat/completions", headers=self.headers, json=body
        ) as r:
            assert r.status == 200
            return r.content_type, (await r.read()).decode()


@pytest.fixture
def maas(simulator: Simulator, http: aiohttp.ClientSession) -> Maas:
    return Maas(simulator, http)


REFUSED: dict[str, tuple[str, Any, int]] = {
    "tools on a chip": (EVENTS, {"tools": TOOLS}, 400),
    "tools on a chip of lines": (LINES, {"tools": TOOLS}, 400),
    "no tools in the list": (EVENTS, {"tools": []}, 400),
    "stream_options on a chip": (EVENTS, {"stream": True, "stream_options": {"include_usage": True}}, 400),
    "seed on a chip": (EVENTS, {"seed": 1}, 400),
    "thinking on a chip": (EVENTS, {"enable_thinking": True}, 400),
    "an unknown field": (EVENTS, {"max_output_tokens": 1}, 400),
    "temperature": (EVENTS, {"temperature": 3}, 400),
    "another model than the path's": (EVENTS, {"model": "qwen-7b-chat"}, 400),
    "model with its chip": (EVENTS, {"model": "llama-2-7b-chat@nvidia"}, 400),
    "no model": (EVENTS, {"model": None}, 400),
    "a chip that the model does not run on": (f"{LLAMA}/enflame", {}, 404),
    "an unknown model": ("no-such/nvidia", {}, 404),
    "another deployment": ("deployment/mif-other", {"model": "mif-other"}, 404),
    "calls on a chip": (
        EVENTS,
        {
            "messages": [
                U,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "x"},
            ]
        },
        400,
    ),
    "too long": (EVENTS, {"messages": [{"role": "user", "content": "字" * 9_000}]}, 400),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_chip_refuses(maas: Maas, name: str) -> None:
    place, body, status = REFUSED[name]
    got, answer = await maas.chat(place, "你好", **body)
    assert (got, answer["object"], answer["code"]) == (status, "error", status)
    assert answer["message"]
    assert maas.simulator.requests[-1].outcome == str(status)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "qwen3-14b", "enable_thinking": False},
        {"model": "qwen-7b-chat", "enable_thinking": True},
        {"model": "qwen3-8b", "enable_thinking": "yes"},
        {"model": "qwen3-8b", "tools": TOOLS},
        {"model": "qwen3-8b", "top_k": 5},
        {"model": "qwen3-8b", "stream_options": {}},
        {"model": "qwen3-8b", "seed": 1.5},
        {"model": "qwen3-8b", "response_format": "text"},
    ],
)
async def test_the_service_refuses(maas: Maas, body: dict[str, Any]) -> None:
    got, answer = await maas.chat("v1", "你好", **body)
    assert got == 400
    assert answer["error"]["message"]


async def test_wrong_keys_and_methods_on_both(maas: Maas, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{maas.base}/{EVENTS}/chat/completions", headers=maas.headers) as r:
        assert (r.status, await r.json()) == (405, {"detail": "Method Not Allowed"})
    assert (await maas.post(f"{EVENTS}/chat/completions", b"{"))[0] == 400
    maas.headers = {"Authorization": "Bearer wrong"}
    assert (await maas.chat(EVENTS, "你好"))[1]["type"] == "AuthenticationError"
    status, answer = await maas.chat("v1", "你好", model="qwen3-8b")
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
    for path in (f"{EVENTS}/token_count", f"{EVENTS}/get_model_details", "v1/embeddings"):
        assert (await maas.post(path, {}))[0] == 401
    for url in (f"{maas.base}/v1/models", maas.base.replace("/maas", "/api/maas") + "/user/v2/model/list"):
        assert (await maas.get(url))[0] == 401


async def test_some_chips_stream_lines(maas: Maas) -> None:
    type, raw = await maas.stream(LINES, "你好")
    assert type == "application/json"
    chunks = [json.loads(line) for line in raw.splitlines()]
    assert "data:" not in raw
    assert len(chunks) > 3
    assert all(set(c) == {"id", "model", "choices"} for c in chunks[:-1])
    assert (chunks[-1]["object"], chunks[-1]["model"]) == ("chat.completion.chunk", LLAMA)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] > 0


async def test_the_others_stream_events(maas: Maas) -> None:
    type, raw = await maas.stream(EVENTS, "你好")
    assert type == "text/event-stream"
    *events, done = raw.strip().split("\n\n")
    assert done == "data: [DONE]"
    last = json.loads(events[-1].removeprefix("data: "))
    assert (last["choices"][0]["finish_reason"], last["model"]) == ("stop", LLAMA)
    assert last["usage"]["total_tokens"] > 0


async def test_every_chip_answers_the_same(maas: Maas) -> None:
    assert {"nvidia", "amd"}.isdisjoint(BARE)
    said = [
        (await maas.chat(f"{LLAMA}/{chip}", "你好"))[1]["choices"][0]["message"]["content"]
        for chip in ROWS[LLAMA].chips
    ]
    assert len(set(said)) == 1


@pytest.mark.parametrize("fault", ["!flag", "!flag-output"])
async def test_blocked_stands_in_another_place_on_each_wire(maas: Maas, fault: str) -> None:
    _, raw = await maas.stream("v1", fault, model="qwen3-8b")
    last = json.loads(raw.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["choices"][0]["blocked"] is True
    _, raw = await maas.stream(EVENTS, fault)
    last = json.loads(raw.strip().split("\n\n")[-1].removeprefix("data: "))
    assert (last["blocked"], last["choices"]) == (True, [])
    _, raw = await maas.stream(LINES, fault)
    choice = json.loads(raw.splitlines()[-1])["choices"][0]
    assert (choice["delta"], choice["finish_reason"]) == ({"blocked": True}, None)
    said = "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in raw.splitlines())
    assert bool(said) == (fault == "!flag-output")


async def test_blocked_in_whole_answers_and_absent_where_nothing_is(maas: Maas) -> None:
    whole = [await maas.chat(place, "!flag", model=m) for place, m in (("v1", "qwen3-8b"), (EVENTS, LLAMA))]
    whole.append(await maas.chat(LINES, "!flag"))
    choices = [body["choices"][0] for _, body in whole]
    assert [c["message"]["content"] for c in choices] == ["", "", ""]
    assert (choices[0]["blocked"], whole[1][1]["blocked"], choices[2]["message"]["blocked"]) == (True,) * 3
    for place in ("v1", EVENTS, LINES):
        assert "blocked" not in json.dumps(await maas.chat(place, "你好", model=LLAMA))


@pytest.mark.parametrize(
    ("model", "given", "thinks"),
    [
        ("qwen3-8b", {}, False),
        ("qwen3-8b", {"enable_thinking": True}, True),
        ("glm-4.5", {}, True),
        ("glm-4.5", {"enable_thinking": False}, False),
        ("qwq-32b", {}, True),
        ("deepseek-v3", {}, False),
    ],
)
async def test_thinking(maas: Maas, model: str, given: dict[str, Any], thinks: bool) -> None:
    _, answer = await maas.chat("v1", "你好", model=model, **given)
    assert ("reasoning_content" in answer["choices"][0]["message"]) == thinks


async def test_qwq_calls_tools(maas: Maas) -> None:
    _, answer = await maas.chat("v1", "北京今天天气怎么样?", model="qwq-32b", tools=TOOLS)
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"


async def test_a_deployment_answers_under_its_id(maas: Maas) -> None:
    status, answer = await maas.chat("deployment/mif-simulator", "你好", model="mif-simulator")
    assert (status, answer["model"]) == (200, "mif-simulator")


async def test_counts_and_details_take_exactly_their_fields(maas: Maas) -> None:
    count = {"model": LLAMA, "chip": "biren", "prompt": "hello world"}
    assert (await maas.post(f"{LINES}/token_count", count))[1]["token_count"] == 2
    details = {"model": LLAMA, "chiptype": "biren"}
    assert (await maas.post(f"{LINES}/get_model_details", details))[1]["context_length"] == 4_096
    for path, body in (
        ("token_count", {"model": LLAMA, "chiptype": "biren", "prompt": "x"}),
        ("token_count", {**count, "chip": "nvidia"}),
        ("token_count", {**count, "prompt": 5}),
        ("token_count", []),
        ("get_model_details", {"model": LLAMA, "chip": "biren"}),
        ("get_model_details", {**details, "model": "qwen-7b-chat"}),
        ("get_model_details", {**details, "chip": "biren"}),
    ):
        assert (await maas.post(f"{LINES}/{path}", body))[0] == 400, body


async def test_the_console_names_chips_in_tags(maas: Maas) -> None:
    console = maas.base.replace("/maas", "/api/maas") + "/user/v2/model/list"
    rows = (await maas.get(console))[1]["data"]["model_list"]
    tags = [t for row in rows if row["name"] == LLAMA for t in row["tag_list"] if t["tag_type"] == "gpu"]
    assert [json.loads(t["tag_extend_info"])["chipType"] for t in tags] == list(ROWS[LLAMA].chips)
    assert "qwq-32b" in [row["id"] for row in (await maas.get(f"{maas.base}/v1/models"))[1]["data"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "bge-m3", "input": "a"}, 200),
        ({"model": "bge-m3", "input": ["a", "b"]}, 200),
        ({"model": "bge-m3", "input": []}, 400),
        ({"model": "bge-m3", "input": [""]}, 400),
        ({"model": "bge-m3", "input": "a", "dimensions": 5}, 400),
        ({"model": "qwq-32b", "input": "a"}, 404),
        ({"model": [], "input": "a"}, 404),
    ],
)
async def test_embeddings(maas: Maas, body: dict[str, Any], status: int) -> None:
    got, answer = await maas.post("v1/embeddings", body)
    assert got == status
    assert ("data" in answer) == (status == 200)


async def test_all_models_share_one_limit() -> None:
    async with Simulator(requests_per_minute=2) as simulator, aiohttp.ClientSession() as http:
        maas = Maas(simulator, http)
        assert simulator.settings()["GENSTUDIO_REQUESTS_PER_MINUTE"] == "2"
        assert (await maas.chat(EVENTS, "你好"))[0] == 200
        assert (await maas.chat("v1", "你好", model="qwen3-8b"))[0] == 200
        status, answer = await maas.chat("chatglm3/nvidia", "你好")
        assert (status, answer["type"]) == (429, "RateLimitError")
