from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Keys, Simulator

from .conftest import CALCULATOR, FUNCTIONS, NOON, V1, WEATHER, connect, users

U = {"role": "user", "content": "你好"}
A = {"role": "assistant", "content": "你好"}
CALL = {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}}
RESULT = {"role": "function", "name": "weather", "content": '{"result":"晴"}'}

REFUSED: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{", 336002, "Invalid JSON"),
    "no JSON at all": (b"", 336002, "Invalid JSON"),
    "not an object": ([], 336001, "JSON object"),
    "no messages": ({}, 336001, "messages is required"),
    "empty list": ({"messages": []}, 336006, "empty"),
    "messages of another type": ({"messages": "hi"}, 336006, "empty"),
    "even count": ({"messages": [U, A]}, 336006, "odd number"),
    "assistant first": ({"messages": [A]}, 336006, "even index"),
    "users beside each other": ({"messages": [U, U, U]}, 336006, "odd index"),
    "system role": ({"messages": [{"role": "system", "content": "x"}, A, U]}, 336006, "even index"),
    "empty content": ({"messages": [U, A, {"role": "user", "content": ""}]}, 336006, "content"),
    "blank content": ({"messages": [{"role": "user", "content": " \n"}]}, 336006, "content"),
    "blank answer": ({"messages": [U, {"role": "assistant", "content": ""}, U]}, 336006, "content"),
    "content of another type": ({"messages": [{"role": "user", "content": 5}]}, 336006, "content"),
    "message of another type": ({"messages": ["hi"]}, 336006, "object"),
    "unknown message field": ({"messages": [{**U, "tool_calls": []}]}, 336003, "tool_calls"),
    "unknown field": ({"messages": [U], "max_tokens": 5}, 336003, "max_tokens"),
    "stream of another type": ({"messages": [U], "stream": 1}, 336003, "stream"),
    "temperature 0": ({"messages": [U], "temperature": 0}, 336003, "temperature"),
    "temperature 1.1": ({"messages": [U], "temperature": 1.1}, 336003, "temperature"),
    "temperature true": ({"messages": [U], "temperature": True}, 336003, "temperature"),
    "top_p -0.1": ({"messages": [U], "top_p": -0.1}, 336003, "top_p"),
    "top_p 1.1": ({"messages": [U], "top_p": 1.1}, 336003, "top_p"),
    "penalty_score 0.9": ({"messages": [U], "penalty_score": 0.9}, 336003, "penalty_score"),
    "penalty_score 2.1": ({"messages": [U], "penalty_score": 2.1}, 336003, "penalty_score"),
    "five stops": ({"messages": [U], "stop": list("abcde")}, 336003, "stop"),
    "long stop": ({"messages": [U], "stop": ["x" * 21]}, 336003, "stop"),
    "plain stop": ({"messages": [U], "stop": "x"}, 336003, "stop"),
    "one output token": ({"messages": [U], "max_output_tokens": 1}, 336003, "max_output_tokens"),
    "too many output tokens": ({"messages": [U], "max_output_tokens": 2049}, 336003, "max_output_tokens"),
    "system of another type": ({"messages": [U], "system": {}}, 336003, "system"),
    "user_id of another type": ({"messages": [U], "user_id": 5}, 336003, "user_id"),
    "response_format": ({"messages": [U], "response_format": {"type": "text"}}, 336003, "response_format"),
    "no functions in the list": ({"messages": [U], "functions": []}, 336003, "functions"),
    "function without a name": ({"messages": [U], "functions": [{**WEATHER, "name": ""}]}, 336003, "name"),
    "function twice": ({"messages": [U], "functions": [WEATHER, WEATHER]}, 336003, "unique"),
    "function without words": (
        {"messages": [U], "functions": [{**WEATHER, "description": ""}]},
        336003,
        "description",
    ),
    "parameters without properties": (
        {"messages": [U], "functions": [{**WEATHER, "parameters": {"type": "object"}}]},
        336003,
        "properties",
    ),
    "parameters empty": (
        {"messages": [U], "functions": [{**WEATHER, "parameters": {}}]},
        336003,
        "properties",
    ),
    "unknown function field": (
        {"messages": [U], "functions": [{**WEATHER, "strict": True}]},
        336003,
        "strict",
    ),
    "tool_choice auto": (
        {"messages": [U], "functions": FUNCTIONS, "tool_choice": "auto"},
        336003,
        "tool_choice",
    ),
    "choice not offered": (
        {
            "messages": [U],
            "functions": FUNCTIONS,
            "tool_choice": {"type": "function", "function": {"name": "other"}},
        },
        336003,
        "not offered",
    ),
    "result first": ({"messages": [RESULT]}, 336006, "follow a function_call"),
    "result of nothing": ({"messages": [U, A, RESULT]}, 336006, "follow a function_call"),
    "result of another": ({"messages": [U, CALL, {**RESULT, "name": "clock"}]}, 336006, "name"),
    "call without a result": ({"messages": [U, CALL, U]}, 336006, "function"),
    "call without a name": (
        {"messages": [U, {**CALL, "function_call": {"name": "", "arguments": "{}"}}, RESULT]},
        336003,
        "can't be blank",
    ),
    "arguments as an object": (
        {"messages": [U, {**CALL, "function_call": {"name": "weather", "arguments": {}}}, RESULT]},
        336003,
        "string",
    ),
    "call of a user": ({"messages": [{**U, "function_call": CALL["function_call"]}]}, 336003, "assistant"),
    "too many characters": ({"messages": [{"role": "user", "content": "x" * 20_001}]}, 336007, "20000"),
    "characters with system": ({"messages": [U], "system": "x" * 20_000}, 336007, "20000"),
    "too many tokens": (
        {"messages": [{"role": "user", "content": "字" * 11_000}]},
        336103,
        "tokens too long",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(v1: V1, name: str) -> None:
    body, code, text = REFUSED[name]
    answer = await v1.send(body)
    assert answer["error_code"] == code
    assert text in answer["error_msg"]
    assert answer["id"].startswith("as-")
    assert "result" not in answer
    assert v1.simulator.requests[-1].outcome == str(code)


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("ernie_speed", {"functions": FUNCTIONS}),
        ("ernie-lite-8k", {"functions": FUNCTIONS}),
        ("ernie_speed", {"response_format": "json_object"}),
        ("completions", {"frequency_penalty": 0.5}),
        ("completions_pro", {"tool_choice": {}}),
        ("llama_2_7b", {"system": "x"}),
    ],
)
async def test_refuses_what_the_model_does_not_take(v1: V1, model: str, more: dict[str, Any]) -> None:
    assert (await v1.say("你好", model=model, **more))["error_code"] == 336003


async def test_refuses_function_messages_on_a_model_without_them(v1: V1) -> None:
    assert (await v1.send({"messages": [U, CALL, RESULT]}, "ernie_speed"))["error_code"] == 336003
    assert (await v1.send({"messages": [U, A, RESULT]}, "ernie_speed"))["error_code"] == 336006


async def test_long_models_give_longer_answers(v1: V1) -> None:
    assert "result" in await v1.say("你好", model="ernie-3.5-128k", max_output_tokens=4096)


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.01, "top_p": 0, "penalty_score": 2, "stop": ["a", "b", "c", "d"]},
        {"system": "你是助手", "user_id": "u", "max_output_tokens": 2, "response_format": "text"},
        {"functions": FUNCTIONS, "system": "你是助手"},
        {"disable_search": True, "enable_citation": False, "stream": False},
    ],
)
async def test_takes_what_the_platform_takes(v1: V1, more: dict[str, Any]) -> None:
    assert "error_code" not in await v1.say("你好", **more)


async def test_takes_function_messages_without_offering_functions(v1: V1) -> None:
    assert "晴" in (await v1.send({"messages": [U, CALL, RESULT]}))["result"]


async def test_system_beside_functions_may_be_refused(http: aiohttp.ClientSession) -> None:
    async with Simulator(system_with_functions=False) as simulator:
        v1 = await connect(simulator, http)
        assert (await v1.say("你好", system="x", functions=FUNCTIONS))["error_code"] == 336003
        assert "result" in await v1.say("你好", functions=FUNCTIONS)


async def test_an_unknown_model_is_an_unsupported_method(v1: V1) -> None:
    answer = await v1.say("你好", model="no-such-model")
    assert (answer["error_code"], answer["error_msg"]) == (3, "Unsupported openapi method")


async def test_only_post(v1: V1, http: aiohttp.ClientSession) -> None:
    async with http.get(v1.url(), params={"access_token": v1.token}) as r:
        assert (await r.json())["error_code"] == 336101


# ---------------------------------------------------------------- answers


async def test_answers_whole(v1: V1) -> None:
    answer = await v1.say("我叫小明", "我叫什么名字?")
    assert "小明" in answer["result"]
    assert (answer["finish_reason"], answer["is_truncated"], answer["need_clear_history"]) == (
        "normal",
        False,
        False,
    )
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_streams_many_pieces_that_end_once(v1: V1) -> None:
    events = await v1.stream("你好")
    assert len(events) > 5
    assert [e["is_end"] for e in events] == [False] * (len(events) - 1) + [True]
    assert [e["sentence_id"] for e in events] == list(range(len(events)))
    assert "".join(e["result"] for e in events) == (await v1.say("你好"))["result"]
    used = [e["usage"]["completion_tokens"] for e in events]
    assert used == sorted(used)


async def test_cuts_into_as_many_pieces_as_wanted(http: aiohttp.ClientSession) -> None:
    async with Simulator(pieces=4) as simulator:
        assert len(await (await connect(simulator, http)).stream("!long 1000")) == 5


async def test_a_failing_stream_is_a_plain_error(v1: V1) -> None:
    assert (await v1.send({"messages": [U, A], "stream": True}))["error_code"] == 336006


async def test_stops_at_a_stop_word_and_at_the_limit(v1: V1) -> None:
    assert (await v1.say("一二三", stop=["二"]))["result"].endswith("一")
    cut = await v1.say("!long 500", max_output_tokens=20)
    assert (cut["finish_reason"], cut["is_truncated"]) == ("length", True)
    assert cut["usage"]["completion_tokens"] <= 20


async def test_answers_as_json(v1: V1) -> None:
    assert json.loads((await v1.say("你好", response_format="json_object"))["result"])["answer"]


async def test_calls_a_function_and_says_its_result(v1: V1) -> None:
    asked = users("北京今天天气怎么样?")
    answer = await v1.send({"messages": asked, "functions": FUNCTIONS})
    call = answer["function_call"]
    assert answer["result"] == ""
    assert (call["name"], json.loads(call["arguments"])["city"]) == ("weather", "北京")
    asked += [
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "weather", "content": '{"max_c": 17}'},
    ]
    answer = await v1.send({"messages": asked, "functions": FUNCTIONS})
    assert "17" in answer["result"]
    assert "function_call" not in answer


async def test_streams_a_call_in_one_event(v1: V1) -> None:
    events = await v1.stream("12*7等于多少?", functions=[CALCULATOR])
    calls = [e["function_call"] for e in events if "function_call" in e]
    assert [json.loads(c["arguments"]) for c in calls] == [{"expression": "12*7"}]


async def test_tool_choice_forces_a_function(v1: V1) -> None:
    choice = {"type": "function", "function": {"name": "clock"}}
    answer = await v1.say("你好", functions=FUNCTIONS, tool_choice=choice)
    assert answer["function_call"]["name"] == "clock"


async def test_two_calls_come_one_after_the_other(v1: V1) -> None:
    answer = await v1.say("!twocalls", functions=FUNCTIONS)
    first = answer["function_call"]
    more = [
        {"role": "assistant", "content": None, "function_call": first},
        {"role": "function", "name": first["name"], "content": "{}"},
    ]
    answer = await v1.send({"messages": [*users("!twocalls"), *more], "functions": FUNCTIONS})
    assert answer["function_call"]["name"] != first["name"]


async def test_bad_arguments_are_broken_json(v1: V1) -> None:
    answer = await v1.say("!badargs 北京天气?", functions=FUNCTIONS)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer["function_call"]["arguments"])


async def test_counts_tokens(v1: V1, http: aiohttp.ClientSession) -> None:
    url = f"{v1.simulator.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/tokenizer/erniebot"
    async with http.post(
        url, params={"access_token": v1.token}, json={"prompt": "你好世界", "model": "x"}
    ) as r:
        assert (await r.json())["usage"]["total_tokens"] == 2


# ---------------------------------------------------------------- moderation and faults


async def test_flags_the_input(v1: V1) -> None:
    answer = await v1.say("早", "!flag")
    assert (answer["need_clear_history"], answer["ban_round"]) == (True, -1)
    assert answer["result"]
    [only] = await v1.stream("!flag")
    assert (only["need_clear_history"], only["ban_round"], only["is_end"]) == (True, -1, True)
    assert only["result"] == (await v1.say("!flag"))["result"]


async def test_flags_the_output_after_some_text(v1: V1) -> None:
    events = await v1.stream("!flag-output")
    assert "".join(e["result"] for e in events[:-1])
    assert [e["need_clear_history"] for e in events] == [False] * (len(events) - 1) + [True]


@pytest.mark.parametrize("base", [0, 1])
async def test_poison_names_its_round(http: aiohttp.ClientSession, base: int) -> None:
    async with Simulator(ban_base=base) as simulator:
        v1 = await connect(simulator, http)
        assert (await v1.say("早", "!poison 秘密"))["need_clear_history"] is False
        answer = await v1.say("早", "!poison 秘密", "晚")
        assert (answer["need_clear_history"], answer["ban_round"]) == (True, 1 + base)
        assert (await v1.say("早", "晚"))["need_clear_history"] is False


@pytest.mark.parametrize(("fault", "code"), [("ratelimit", 18), ("overload", 336100)])
async def test_fails_so_many_times_then_answers(v1: V1, fault: str, code: int) -> None:
    answers = [await v1.say(f"!{fault} 2") for _ in range(3)]
    assert [a.get("error_code") for a in answers] == [code, code, None]


async def test_an_expired_token_stays_expired(v1: V1, http: aiohttp.ClientSession) -> None:
    assert (await v1.say("!expire"))["error_code"] == 111
    assert (await v1.say("!expire"))["error_code"] == 111
    again = await connect(v1.simulator, http)
    assert "result" in await again.say("!expire")


async def test_cuts_a_stream_in_the_middle(v1: V1, http: aiohttp.ClientSession) -> None:
    body = {"messages": users("!cut"), "stream": True}
    async with http.post(v1.url(), params={"access_token": v1.token}, json=body) as r:
        got = await r.content.readuntil(b"\n\n")
        with pytest.raises(aiohttp.ClientPayloadError):
            await r.read()
    assert b'"result"' in got
    assert (await v1.stream("!cut"))[-1]["is_end"] is True


async def test_cuts_a_whole_answer(v1: V1, http: aiohttp.ClientSession) -> None:
    async with http.post(v1.url(), params={"access_token": v1.token}, json={"messages": users("!cut")}) as r:
        with pytest.raises(aiohttp.ClientPayloadError):
            await r.read()


async def hangs(simulator: Simulator) -> None:
    while not any(s.outcome == "timeout" for s in simulator.requests):  # noqa: ASYNC110 - in one loop
        await asyncio.sleep(0)


async def test_gives_no_answer_until_the_client_leaves(v1: V1, http: aiohttp.ClientSession) -> None:
    request = asyncio.ensure_future(v1.say("!timeout"))
    await hangs(v1.simulator)
    assert "result" in await v1.say("早")
    assert not request.done()
    request.cancel()
    await asyncio.wait([request])
    assert "result" in await v1.say("!timeout")


async def test_closing_does_not_wait_for_what_hangs(http: aiohttp.ClientSession) -> None:
    async with Simulator() as simulator:
        v1 = await connect(simulator, http)
        request = asyncio.ensure_future(v1.say("!timeout 9"))
        await hangs(simulator)
    with pytest.raises(aiohttp.ClientError):
        await request


async def test_down_is_a_gateway_page(v1: V1, http: aiohttp.ClientSession) -> None:
    for _ in range(2):
        async with http.post(
            v1.url(), params={"access_token": v1.token}, json={"messages": users("!down")}
        ) as r:
            assert (r.status, r.content_type) == (503, "text/html")


async def test_slow_and_long(v1: V1) -> None:
    assert (await v1.stream("!slow 1 你好"))[-1]["is_end"] is True
    events = await v1.stream("!long 3000")
    assert len("".join(e["result"] for e in events)) == 3000


async def test_malformed_is_broken_on_the_wire(v1: V1, http: aiohttp.ClientSession) -> None:
    for stream in (False, True):
        body = {"messages": users("!malformed"), "stream": stream}
        async with http.post(v1.url(), params={"access_token": v1.token}, json=body) as r:
            raw = (await r.text()).strip()
        with pytest.raises(json.JSONDecodeError):
            json.loads(raw.split("\n\n")[-1].removeprefix("data: "))


async def test_only_the_last_user_message_is_read_for_faults(v1: V1) -> None:
    assert "result" in await v1.say("!down", "你好")


async def test_rate_headers_count_down(v1: V1, http: aiohttp.ClientSession) -> None:
    left: list[int] = []
    for _ in range(2):
        async with http.post(v1.url(), params={"access_token": v1.token}, json={"messages": [U]}) as r:
            left.append(int(r.headers["X-Ratelimit-Remaining-Requests"]))
            assert int(r.headers["X-Ratelimit-Limit-Requests"]) == 60_000
            assert "X-Ratelimit-Remaining-Tokens" in r.headers
    assert left[0] - left[1] == 1


@pytest.mark.parametrize(
    ("limits", "code"), [({"requests_per_minute": 1}, 336501), ({"tokens_per_minute": 2}, 336502)]
)
async def test_limits_per_minute(http: aiohttp.ClientSession, limits: dict[str, int], code: int) -> None:
    now = [NOON]
    async with Simulator(clock=lambda: now[0], **limits) as simulator:  # type: ignore[arg-type]
        v1 = await connect(simulator, http)
        assert "result" in await v1.say("早早")
        assert (await v1.say("早早早早早"))["error_code"] == code
        now[0] += timedelta(minutes=1)
        assert "result" in await v1.say("早早")


# ---------------------------------------------------------------- access


async def test_gives_a_token(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    fields = {"grant_type": "client_credentials", "client_id": simulator.keys.api_key}
    fields["client_secret"] = simulator.keys.secret_key
    for given in ({"params": fields}, {"data": fields}):
        async with http.post(f"{simulator.url}/oauth/2.0/token", **given) as r:  # type: ignore[arg-type]
            body = await r.json()
            assert body["expires_in"] == 2_592_000
            assert body["access_token"].startswith("24.")


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"client_id": "wrong"}, "invalid_client", "unknown client id"),
        ({"client_secret": "wrong"}, "invalid_client", "Client authentication failed"),
        ({"grant_type": "password"}, "unsupported_grant_type", "grant type"),
    ],
)
async def test_refuses_a_token(
    simulator: Simulator, http: aiohttp.ClientSession, fields: dict[str, str], error: str, text: str
) -> None:
    keys = simulator.keys
    good = {"grant_type": "client_credentials", "client_id": keys.api_key, "client_secret": keys.secret_key}
    async with http.post(f"{simulator.url}/oauth/2.0/token", params={**good, **fields}) as r:
        body = await r.json()
        assert (body["error"], text in body["error_description"]) == (error, True)


@pytest.mark.parametrize(("token", "code"), [("", 100), ("24.unknown.1.2.3", 110)])
async def test_refuses_wrong_tokens(v1: V1, token: str, code: int) -> None:
    assert (await v1.send({"messages": [U]}, access_token=token))["error_code"] == code


async def test_refuses_a_missing_token(v1: V1, http: aiohttp.ClientSession) -> None:
    async with http.post(v1.url(), json={"messages": [U]}) as r:
        assert (await r.json())["error_code"] == 100


async def test_a_token_lives_so_long(http: aiohttp.ClientSession) -> None:
    now = [NOON]
    async with Simulator(token_lifetime=60, clock=lambda: now[0]) as simulator:
        v1 = await connect(simulator, http)
        assert "result" in await v1.say("早")
        now[0] += timedelta(seconds=61)
        assert (await v1.say("早"))["error_code"] == 111


async def test_all_tokens_can_be_expired(v1: V1) -> None:
    v1.simulator.expire_tokens()
    assert (await v1.say("早"))["error_code"] == 111


async def test_keys_may_be_chosen(http: aiohttp.ClientSession) -> None:
    async with Simulator(keys=Keys(api_key="mine")) as simulator:
        assert "result" in await (await connect(simulator, http)).say("早")
