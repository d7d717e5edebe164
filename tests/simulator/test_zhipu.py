from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator
from duihua.simulator.drawing import png

from .conftest import FUNCTIONS, NOON, users

TOOLS = [{"type": "function", "function": f} for f in FUNCTIONS]
M = {"model": "glm-4.7"}
U = {"role": "user", "content": "你好"}
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": "",
    "reasoning_content": "hm",
    "tool_calls": [{"id": "call_-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "call_-1", "content": "晴"}


class Glm:
    """Raw requests to the platform."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator, self.http = simulator, http
        self.url = f"{simulator.url}/zhipu/api/paas/v4"
        self.headers = {"Authorization": f"Bearer {simulator.keys.zhipu}"}

    async def send(self, body: Any, path: str = "/chat/completions") -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url + path, headers=self.headers, data=data) as r:
            return r.status, await r.json()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.http.get(self.url + path, headers=self.headers) as r:
            return r.status, await r.json()

    async def say(self, *texts: str, **body: Any) -> dict[str, Any]:
        status, answer = await self.send({**M, "messages": users(*texts), **body})
        assert status == 200, answer
        return answer

    async def stream(self, *texts: str, **body: Any) -> list[dict[str, Any]]:
        sent = {**M, "messages": users(*texts), "stream": True, **body}
        async with self.http.post(f"{self.url}/chat/completions", headers=self.headers, json=sent) as r:
            assert r.status == 200
            lines = [line for line in (await r.read()).decode().split("\n\n") if line]
        assert lines[-1] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


@pytest.fixture
def glm(simulator: Simulator, http: aiohttp.ClientSession) -> Glm:
    return Glm(simulator, http)


def tool(**function: Any) -> dict[str, Any]:
    return {**M, "messages": [U], "tools": [{"type": "function", "function": function}]}


def image(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


DATA_URL = "data:image/png;base64," + base64.b64encode(png("")).decode()
SCHEMA = {"type": "object", "properties": {}}
REFUSED: dict[str, tuple[Any, str]] = {
    "not JSON": (b"{", "1210"),
    "not an object": ([], "1210"),
    "no model": ({"messages": [U]}, "1211"),
    "unknown model": ({"model": "no-such", "messages": [U]}, "1211"),
    "no messages": (M, "1214"),
    "system alone": ({**M, "messages": [{"role": "system", "content": "x"}]}, "1214"),
    "assistant last": ({**M, "messages": [U, {"role": "assistant", "content": "x"}]}, "1214"),
    "call without a result": ({**M, "messages": [U, CALL, U]}, "1214"),
    "temperature": ({**M, "messages": [U], "temperature": 1.1}, "1210"),
    "top_p": ({**M, "messages": [U], "top_p": 0}, "1210"),
    "max_tokens": ({**M, "messages": [U], "max_tokens": 131_073}, "1210"),
    "max_tokens of the model": ({"model": "glm-4.5", "messages": [U], "max_tokens": 98_305}, "1210"),
    "parts for the blind": (
        {**M, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        "1214",
    ),
    "two stops": ({**M, "messages": [U], "stop": ["a", "b"]}, "1210"),
    "user_id": ({**M, "messages": [U], "user_id": "u1"}, "1210"),
    "tool_choice": ({**M, "messages": [U], "tools": TOOLS, "tool_choice": "required"}, "1210"),
    "json_schema": ({**M, "messages": [U], "response_format": {"type": "json_schema"}}, "1210"),
    "thinking": ({**M, "messages": [U], "thinking": True}, "1210"),
    "thinking of a model without": (
        {"model": "glm-4-plus", "messages": [U], "thinking": {"type": "enabled"}},
        "1210",
    ),
    "thinking off where it cannot be": (
        {"model": "glm-5.3", "messages": [U], "thinking": {"type": "disabled"}},
        "1210",
    ),
    "tool_stream without stream": ({**M, "messages": [U], "tool_stream": True}, "1210"),
    "frequency_penalty": ({**M, "messages": [U], "frequency_penalty": 1}, "1210"),
    "n": ({**M, "messages": [U], "n": 2}, "1210"),
    "tools of a model without": ({"model": "charglm-4", "messages": [U], "tools": TOOLS}, "1214"),
    "129 tools": ({**M, "messages": [U], "tools": TOOLS * 43}, "1214"),
    "no description": (tool(name="f", parameters=SCHEMA), "1214"),
    "no parameters": (tool(name="f", description="d"), "1214"),
    "bad name": (tool(name="a b", description="d", parameters=SCHEMA), "1214"),
    "search without enable": (
        {**M, "messages": [U], "tools": [{"type": "web_search", "web_search": {}}]},
        "1214",
    ),
    "image for the blind": ({**M, "messages": image("x")}, "1214"),
    "data URL": (
        {
            "model": "glm-4.6v",
            "messages": image(DATA_URL),
        },
        "1214",
    ),
    "too long": ({"model": "charglm-4", "messages": [{"role": "user", "content": "字" * 17_000}]}, "1261"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(glm: Glm, name: str) -> None:
    body, code = REFUSED[name]
    status, answer = await glm.send(body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({**M, "messages": [U], "stream": True}, "/async/chat/completions"),
        ({"model": "cogview-4", "prompt": "x"}, "/async/images/generations"),
        ({"model": "cogview-4", "prompt": " "}, "/images/generations"),
        ({"model": "cogview-4", "prompt": "x" * 1_001}, "/images/generations"),
        ({"model": "cogview-4", "prompt": "x", "size": "1000x1000"}, "/images/generations"),
        ({"model": "cogview-4", "prompt": "x", "size": "2048x2048"}, "/images/generations"),
        ({"model": "glm-image", "prompt": "x", "size": "512x512"}, "/images/generations"),
        ({"model": "cogview-4", "prompt": "x", "n": 2}, "/images/generations"),
        ({"model": "cogview-4", "prompt": "x", "seed": 1}, "/images/generations"),
        ({"model": "embedding-3", "input": []}, "/embeddings"),
        ({"model": "embedding-3", "input": ["x"] * 65}, "/embeddings"),
        ({"model": "embedding-3", "input": "字" * 6_200}, "/embeddings"),
        ({"model": "embedding-3", "input": ["字" * 6_000] * 3}, "/embeddings"),
        ({"model": "embedding-3", "input": "x", "dimensions": 300}, "/embeddings"),
        ({"model": "embedding-2", "input": "x", "dimensions": 2048}, "/embeddings"),
        ({"model": "moderation", "input": "x" * 2_001}, "/moderations"),
        ({"model": "moderation", "input": {"type": "smell"}}, "/moderations"),
        ({"model": "moderation", "input": []}, "/moderations"),
        ({"model": "glm-4.7", "messages": [U]}, "/tokenizer"),
    ],
)
async def test_the_services_refuse(glm: Glm, body: dict[str, Any], path: str) -> None:
    status, answer = await glm.send(body, path)
    assert (status, set(answer["error"])) == (400, {"code", "message"})


def token(secret: str = "simulatorsecret", *, ms: float = 60_000, head: Any = None, **payload: Any) -> str:
    now = int(NOON.timestamp() * 1000)
    fields = {"api_key": "simulatorid", "timestamp": now, "exp": int(now + ms), **payload}
    parts = [json.dumps(p).encode() for p in (head or {"alg": "HS256", "sign_type": "SIGN"}, fields)]
    text = b".".join(base64.urlsafe_b64encode(p).rstrip(b"=") for p in parts)
    signature = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (f"Bearer {token()}", "ok"),
        (token(), "ok"),
        ("", "1001"),
        ("Bearer ", "1001"),
        ("Bearer other.key", "1000"),
        (f"Bearer {token('othersecret')}", "1000"),
        (f"Bearer {token(api_key='otherid')}", "1000"),
        (f"Bearer {token(head={'alg': 'none', 'sign_type': 'SIGN'})}", "1000"),
        (f"Bearer {token(head={'alg': 'HS256'})}", "1000"),
        (f"Bearer {token(timestamp=None)}", "1000"),
        (f"Bearer {token(ms=-1)}", "1003"),
        (f"Bearer {token(exp=int(NOON.timestamp()) + 60)}", "1003"),  # seconds
        ("Bearer a.b.c", "1002"),
    ],
)
async def test_takes_the_key_or_a_token_signed_with_it(glm: Glm, authorization: str, code: str) -> None:
    glm.headers["Authorization"] = authorization
    status, answer = await glm.send({**M, "messages": [U]})
    assert (status, answer["error"]["code"] if code != "ok" else "ok") == (200 if code == "ok" else 401, code)


async def test_the_role_is_on_every_chunk_and_the_finish_only_on_the_last(glm: Glm) -> None:
    chunks = await glm.stream("你好")
    choices = [c["choices"][0] for c in chunks]
    assert {c["delta"]["role"] for c in choices} == {"assistant"}
    assert ["finish_reason" in c for c in choices] == [False] * (len(choices) - 1) + [True]
    assert ["usage" in c for c in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_a_call_comes_whole_unless_pieces_are_wanted(glm: Glm) -> None:
    for more, whole in (({}, True), ({"tool_stream": True}, False)):
        chunks = await glm.stream("!twocalls", tools=TOOLS, **more)
        found = [call for c in chunks for call in c["choices"][0]["delta"].get("tool_calls", [])]
        assert (len(found) == 2) == whole
        assert {call["index"] for call in found} == {0, 1}
        named = [call for call in found if "id" in call]
        assert all(call["id"].startswith("call_-") for call in named)
        assert [c["function"]["name"] for c in named] == ["weather", "clock"]


async def test_thinking_can_be_switched_off_and_goes_back_between_calls(glm: Glm) -> None:
    assert (await glm.say("你好"))["choices"][0]["message"]["reasoning_content"]
    off = await glm.say("你好", thinking={"type": "disabled"})
    assert "reasoning_content" not in off["choices"][0]["message"]
    status, _ = await glm.send({**M, "messages": [U, CALL, RESULT], "tools": TOOLS})
    assert status == 200


async def test_null_is_absent(glm: Glm) -> None:
    await glm.say("你好", thinking=None, response_format=None, tools=None)


async def test_flagged_content_is_told_in_its_way(glm: Glm) -> None:
    def flagged(*texts: str) -> dict[str, Any]:
        return {**M, "messages": users(*texts)}

    for texts, role in (
        (("!flag",), "user"),
        (("!flag-output",), "assistant"),
        (("!poison", "早"), "history"),
    ):
        status, answer = await glm.send(flagged(*texts))
        assert (status, answer["error"]["code"]) == (400, "1301")
        assert answer["contentFilter"] == [{"level": 1, "role": role}]
    [chunk] = await glm.stream("!flag")
    assert chunk["choices"] == [
        {"index": 0, "delta": {"content": "", "role": "user"}, "finish_reason": "sensitive"}
    ]
    assert chunk["content_filter"] == [{"role": "user", "level": 1}]
    chunks = await glm.stream("!flag-output")
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    assert chunks[-1]["content_filter"] == [{"role": "assistant", "level": 1}]
    status, answer = await glm.send({**flagged("!poison", "早"), "stream": True})
    assert (status, answer["contentFilter"][0]["role"]) == (400, "history")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("ratelimit", 429, "1302"), ("overload", 429, "1305"), ("expire", 401, "1003")],
)
async def test_fails_once_then_answers(glm: Glm, fault: str, status: int, code: str) -> None:
    for path, body in (
        ("/chat/completions", {**M, "messages": users(f"!{fault}")}),
        ("/images/generations", {"model": "cogview-4", "prompt": f"x !{fault}"}),
    ):
        got, answer = await glm.send(body, path)
        assert (got, answer["error"]["code"]) == (status, code)
        assert (await glm.send(body, path))[0] == 200


async def test_a_request_id_is_taken_once(glm: Glm) -> None:
    assert (await glm.say("早", request_id="r-1"))["request_id"] == "r-1"
    status, answer = await glm.send(
        {"model": "cogview-4", "prompt": "x", "request_id": "r-1"}, "/images/generations"
    )
    assert (status, answer["error"]["code"]) == (400, "1231")


async def test_work_in_the_background_takes_two_questions(glm: Glm) -> None:
    body = {"messages": users("你好")}
    for model, served, state in (
        ("glm-4.7", "glm-4.7", "SUCCESS"),
        ("glm-4.6", "glm-4.7", "SUCCESS"),
        ("glm-4.5-airx", "glm-4.5-airx", "FAIL"),
    ):
        _, task = await glm.send({**body, "model": model}, "/async/chat/completions")
        assert set(task) == {"id", "request_id", "model", "task_status"}
        assert (await glm.get(f"/async-result/{task['id']}"))[1] == task
        _, done = await glm.get(f"/async-result/{task['id']}")
        assert (done["task_status"], done["model"]) == (state, served)
        assert ("choices" in done) == (state == "SUCCESS")
    assert (await glm.get("/async-result/none"))[0] == 404


async def test_a_flagged_question_is_no_work(glm: Glm) -> None:
    status, answer = await glm.send({**M, "messages": users("!flag")}, "/async/chat/completions")
    assert (status, answer["error"]["code"]) == (400, "1301")


async def test_settings_point_here(glm: Glm) -> None:
    assert glm.simulator.settings()["ZHIPU_BASE_URL"] == glm.url
    assert glm.simulator.settings()["ZHIPU_API_KEY"] == glm.simulator.keys.zhipu
