from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator
from duihua.simulator.chat_rules import Refused
from duihua.simulator.qianfan_v2_models import MODELS
from duihua.simulator.qianfan_v2_rules import QianfanV2Rules

from .conftest import FUNCTIONS, V1, V2, connect, users

TOOLS = [{"type": "function", "function": f} for f in FUNCTIONS]
U = {"role": "user", "content": "你好"}
A = {"role": "assistant", "content": "你好"}
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}
TWO_CALLS = {**CALL, "tool_calls": [*CALL["tool_calls"], {**CALL["tool_calls"][0], "id": "c2"}]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "晴"}
M = {"model": "ernie-3.5-8k"}
PNG = "data:image/png;base64,iVBORw0KGgo="


def seeing(url: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


REFUSED: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{", 400, "malformed_json"),
    "not an object": ([], 400, "malformed_json"),
    "no model": ({"messages": [U]}, 400, "invalid_model"),
    "unknown model": ({"model": "no-such", "messages": [U]}, 401, "invalid_model"),
    "no messages": (M, 400, "invalid_messages"),
    "empty list": ({**M, "messages": []}, 400, "invalid_messages"),
    "assistant first": ({**M, "messages": [A, U]}, 400, "invalid_messages"),
    "assistant last": ({**M, "messages": [U, A]}, 400, "invalid_messages"),
    "system alone": ({**M, "messages": [{"role": "system", "content": "x"}]}, 400, "invalid_messages"),
    "users beside each other": ({**M, "messages": [U, U]}, 400, "invalid_messages"),
    "unknown role": ({**M, "messages": [{"role": "function", "content": "x"}]}, 400, "invalid_messages"),
    "empty content": ({**M, "messages": [{"role": "user", "content": ""}]}, 400, "invalid_messages"),
    "no content": ({**M, "messages": [{"role": "user"}]}, 400, "invalid_messages"),
    "blank answer": (
        {**M, "messages": [U, {"role": "assistant", "content": ""}, U]},
        400,
        "invalid_messages",
    ),
    "unread part": (
        {**M, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        400,
        "invalid_messages",
    ),
    "image of the blind": ({**M, "messages": [seeing(PNG)]}, 400, "invalid_messages"),
    "broken image": (
        {"model": "ernie-4.5-turbo-vl-32k", "messages": [seeing(PNG[:-1])]},
        400,
        "invalid_image_url",
    ),
    "unknown field": ({**M, "messages": [U], "max_output_tokens": 5}, 400, "invalid_argument"),
    "temperature": ({**M, "messages": [U], "temperature": 2.1}, 400, "invalid_argument"),
    "top_p": ({**M, "messages": [U], "top_p": 2}, 400, "invalid_argument"),
    "penalty_score": ({**M, "messages": [U], "penalty_score": 3}, 400, "invalid_argument"),
    "penalty_score of deepseek": (
        {"model": "deepseek-v3", "messages": [U], "penalty_score": 1.5},
        400,
        "invalid_argument",
    ),
    "stop of X1": ({"model": "ernie-x1-turbo-32k", "messages": [U], "stop": ["x"]}, 400, "invalid_argument"),
    "seed": ({**M, "messages": [U], "seed": 0}, 400, "invalid_argument"),
    "max_tokens": ({**M, "messages": [U], "max_tokens": 0}, 400, "invalid_argument"),
    "stop": ({**M, "messages": [U], "stop": ["x" * 21]}, 400, "invalid_argument"),
    "stream_options without stream": (
        {**M, "messages": [U], "stream_options": {"include_usage": True}},
        400,
        "invalid_argument",
    ),
    "metadata": ({**M, "messages": [U], "metadata": {"a": 1}}, 400, "invalid_argument"),
    "response_format": ({**M, "messages": [U], "response_format": "text"}, 400, "invalid_argument"),
    "thinking_budget": ({**M, "messages": [U], "thinking_budget": 5}, 400, "invalid_argument"),
    "tools on a model without": (
        {"model": "ernie-4.0-8k", "messages": [U], "tools": TOOLS},
        400,
        "invalid_argument",
    ),
    "no tools in the list": ({**M, "messages": [U], "tools": []}, 400, "invalid_argument"),
    "tool of another type": ({**M, "messages": [U], "tools": [{"type": "x"}]}, 400, "invalid_argument"),
    "tool twice": ({**M, "messages": [U], "tools": [TOOLS[0], TOOLS[0]]}, 400, "invalid_argument"),
    "choice not offered": (
        {**M, "messages": [U], "tools": TOOLS, "tool_choice": "weather"},
        400,
        "invalid_argument",
    ),
    "result of nothing": ({**M, "messages": [U, A, RESULT]}, 400, "invalid_messages"),
    "result of another": (
        {**M, "messages": [U, CALL, {**RESULT, "tool_call_id": "c2"}]},
        400,
        "invalid_messages",
    ),
    "call without a result": ({**M, "messages": [U, CALL, U]}, 400, "invalid_messages"),
    "one of two results": ({**M, "messages": [U, TWO_CALLS, RESULT, A, U]}, 400, "invalid_messages"),
    "call last": ({**M, "messages": [U, CALL]}, 400, "invalid_messages"),
    "question after a result": ({**M, "messages": [U, CALL, RESULT, U]}, 400, "invalid_messages"),
    "call without an id": (
        {**M, "messages": [U, {**CALL, "tool_calls": [{"function": {"name": "x", "arguments": ""}}]}]},
        400,
        "invalid_messages",
    ),
    "too many characters": (
        {**M, "messages": [{"role": "user", "content": "x" * 20_001}]},
        400,
        "characters_too_long",
    ),
    "too many tokens": (
        {**M, "messages": [{"role": "user", "content": "字" * 11_000}]},
        400,
        "tokens_too_long",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(v2: V2, name: str) -> None:
    body, status, code = REFUSED[name]
    got, answer = await v2.send(body)
    assert (got, answer["error"]["code"]) == (status, code)
    assert answer["error"]["message"]
    assert answer["id"].startswith("as-")
    assert v2.simulator.requests[-1].outcome == code


def test_a_large_image_is_refused() -> None:
    large = PNG[:-1] + "A" * ((10 << 20) + 1)
    with pytest.raises(Refused, match="larger than 10 MB"):
        QianfanV2Rules().image(large, MODELS["ernie-4.5-turbo-vl-32k"])


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic x", "Bearer"])
async def test_refuses_other_keys(v2: V2, authorization: str) -> None:
    v2.headers["Authorization"] = authorization
    assert await v2.send({**M, "messages": [U]}) == (401, (await v2.send(b""))[1] | {"id": "as-0000000001"})


async def test_refuses_a_token_of_v1(simulator: Simulator, http: aiohttp.ClientSession, v1: V1) -> None:
    status, body = await V2(simulator, http, v1.token).send({**M, "messages": [U]})
    assert (status, body["error"]["code"]) == (401, "invalid_iam_token")


async def test_only_post(v2: V2, http: aiohttp.ClientSession) -> None:
    async with http.get(v2.url, headers=v2.headers) as r:
        assert (r.status, (await r.json())["error"]["code"]) == (405, "method_not_supported")


async def test_answers_whole(v2: V2) -> None:
    choice = await v2.say("我叫小明", "我叫什么名字?")
    assert "小明" in choice["message"]["content"]
    assert (choice["finish_reason"], choice["flag"]) == ("stop", 0)


async def test_takes_a_system_message_first(v2: V2) -> None:
    status, _ = await v2.send({**M, "messages": [{"role": "system", "content": "你是助手"}, U]})
    assert status == 200


async def test_streams_until_done(v2: V2) -> None:
    chunks = await v2.stream("你好")
    deltas = [c["choices"][0]["delta"] for c in chunks]
    assert deltas[0]["role"] == "assistant"
    assert len(deltas) > 5
    assert "".join(d.get("content", "") for d in deltas) == (await v2.say("你好"))["message"]["content"]
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert not any("usage" in c or "flag" in c["choices"][0] for c in chunks)


async def test_usage_only_when_asked_for_and_last(v2: V2) -> None:
    chunks = await v2.stream("你好", stream_options={"include_usage": True})
    assert [c["usage"] for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0


async def test_reasoning_comes_first(v2: V2) -> None:
    chunks = await v2.stream("你好", model="deepseek-r1", stream_options={"include_usage": True})
    kinds = ["t" if "reasoning_content" in c["choices"][0]["delta"] else "c" for c in chunks[1:-2]]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"t", "c"}
    assert chunks[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert (await v2.say("你好", model="deepseek-r1"))["message"]["reasoning_content"]
    assert (
        "reasoning_content"
        not in (await v2.say("你好", model="deepseek-r1", enable_thinking=False))["message"]
    )


async def test_calls_a_tool_and_says_its_result(v2: V2) -> None:
    asked = users("北京今天天气怎么样?")
    choice = await v2.say("北京今天天气怎么样?", tools=TOOLS)
    assert choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"])["city"] == "北京"
    asked += [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "17 度"}]
    _, answer = await v2.send({**M, "messages": asked, "tools": TOOLS})
    assert "17 度" in answer["choices"][0]["message"]["content"]


async def test_streams_two_calls_in_pieces(v2: V2) -> None:
    chunks = await v2.stream("!twocalls", tools=TOOLS)
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for piece in chunk["choices"][0]["delta"].get("tool_calls", []):
            call = calls.setdefault(piece["index"], {"id": piece.get("id", ""), "name": "", "arguments": ""})
            call["name"] += piece["function"].get("name", "")
            call["arguments"] += piece["function"]["arguments"]
    assert sorted(calls) == [0, 1]
    assert calls[0]["id"] != calls[1]["id"]
    assert [c["name"] for c in calls.values()] == ["weather", "clock"]
    assert all(isinstance(json.loads(c["arguments"]), dict) for c in calls.values())
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_parallel_calls_can_be_forbidden(v2: V2) -> None:
    choice = await v2.say("!twocalls", tools=TOOLS, parallel_tool_calls=False)
    assert len(choice["message"]["tool_calls"]) == 1


@pytest.mark.parametrize(
    ("choice", "name"),
    [("required", "weather"), ({"type": "function", "function": {"name": "clock"}}, "clock"), ("none", None)],
)
async def test_tool_choice(v2: V2, choice: Any, name: str | None) -> None:
    message = (await v2.say("你好", tools=TOOLS, tool_choice=choice))["message"]
    assert [c["function"]["name"] for c in message.get("tool_calls", [])] == ([name] if name else [])


async def test_flags_the_input(v2: V2) -> None:
    choice = await v2.say("早", "!flag")
    assert (choice["flag"], choice["ban_round"], choice["finish_reason"]) == (2, -1, "content_filter")


async def test_flags_the_output_after_some_text(v2: V2) -> None:
    choices = [c["choices"][0] for c in await v2.stream("!flag-output")]
    assert "".join(c["delta"].get("content", "") for c in choices)
    assert [c.get("flag") for c in choices] == [None] * (len(choices) - 1) + [4]


async def test_poison_names_its_round(v2: V2) -> None:
    assert (await v2.say("早", "!poison"))["flag"] == 0
    choice = await v2.say("早", "!poison", "晚")
    assert (choice["flag"], choice["ban_round"]) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("ratelimit", 429, "rpm_rate_limit_exceeded"),
        ("overload", 500, "dispatch_internal_error"),
        ("expire", 401, "invalid_iam_token"),
    ],
)
async def test_fails_once_then_answers(v2: V2, fault: str, status: int, code: str) -> None:
    body = {**M, "messages": users(f"!{fault}")}
    got, answer = await v2.send(body)
    assert (got, answer["error"]["code"]) == (status, code)
    assert (await v2.send(body))[0] == 200


async def test_cuts_a_stream(v2: V2, http: aiohttp.ClientSession) -> None:
    body = {**M, "messages": users("!cut"), "stream": True}
    async with http.post(v2.url, headers=v2.headers, json=body) as r:
        with pytest.raises(aiohttp.ClientPayloadError):
            await r.read()
    assert await v2.stream("!cut")


async def test_down_and_malformed(v2: V2, http: aiohttp.ClientSession) -> None:
    async with http.post(v2.url, headers=v2.headers, json={**M, "messages": users("!down")}) as r:
        assert r.status == 503
    async with http.post(
        v2.url, headers=v2.headers, json={**M, "messages": users("!malformed"), "stream": True}
    ) as r:
        text = (await r.text()).strip()
        assert "[DONE]" not in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.split("\n\n")[-1].removeprefix("data: "))


async def test_lists_models(v2: V2, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{v2.simulator.qianfan_v2_url}/models", headers=v2.headers) as r:
        assert "ernie-4.0-turbo-8k" in [m["id"] for m in (await r.json())["data"]]
    async with http.get(f"{v2.simulator.qianfan_v2_url}/models") as r:
        assert r.status == 401


async def test_tells_its_limits_in_headers(v2: V2, http: aiohttp.ClientSession) -> None:
    async with http.post(v2.url, headers=v2.headers, json={**M, "messages": [U]}) as r:
        for name in ("Limit-Requests", "Limit-Input-Tokens", "Limit-Output-Tokens", "Remaining-Input-Tokens"):
            assert int(r.headers[f"X-Ratelimit-{name}"]) > 0


async def test_the_versions_share_one_simulator(
    simulator: Simulator, http: aiohttp.ClientSession, v2: V2
) -> None:
    v1 = await connect(simulator, http)
    await v1.say("早")
    await v2.say("早")
    assert [s.platform for s in simulator.requests] == ["qianfan", "qianfan", "qianfan-v2"]
