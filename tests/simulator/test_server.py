from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duihua.errors import ConfigError
from duihua.simulator import Simulator
from duihua.simulator.ask import cut, estimate

from .conftest import CALCULATOR, CLOCK, V1, V2, WEATHER, connect, users

SERVE = "import sys; from duihua.simulator import run; sys.exit(run(int(sys.argv[1])))"


async def test_remembers_requests_without_their_secrets(
    simulator: Simulator, http: aiohttp.ClientSession, v1: V1, v2: V2
) -> None:
    await v1.say("早")
    await v2.say("晚")
    async with http.get(f"{simulator.url}/_simulator/requests") as r:
        seen = await r.json()
    token, first, second = seen
    assert token["path"] == "/oauth/2.0/token"
    assert (first["model"], first["body"]["messages"], first["outcome"]) == ("completions", users("早"), "ok")
    assert second["model"] == "ernie-3.5-8k"
    text = json.dumps(seen)
    keys = simulator.keys
    assert not any(secret in text for secret in (v1.token, keys.bearer_token, keys.secret_key, keys.api_key))


async def test_counts_by_platform_and_path(simulator: Simulator, http: aiohttp.ClientSession, v1: V1) -> None:
    await v1.say("早")
    await v1.say("晚")
    async with http.get(f"{simulator.url}/_simulator/counts") as r:
        counts = await r.json()
    assert counts["all"] == counts["qianfan"] == 3
    assert counts["qianfan /rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions"] == 2
    assert simulator.counts == counts


async def test_reset_forgets_all_but_tokens(
    simulator: Simulator, http: aiohttp.ClientSession, v1: V1
) -> None:
    assert "error_code" in await v1.say("!ratelimit")
    async with http.post(f"{simulator.url}/_simulator/reset") as r:
        assert r.status == 200
    assert (simulator.requests, simulator.counts) == ([], {})
    assert (await v1.say("!ratelimit"))["error_code"] == 18


async def test_tells_its_cpu_time(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{simulator.url}/_simulator/cpu") as r:
        assert (await r.json())["cpu_ms"] > 0


async def test_listens_on_loopback_alone(simulator: Simulator) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", simulator.url)


async def test_a_taken_port_is_a_clear_error(simulator: Simulator) -> None:
    with pytest.raises(ConfigError, match=f"{simulator.port}.*choose another port"):
        async with Simulator(simulator.port):
            pass


async def test_settings_point_here(simulator: Simulator) -> None:
    assert simulator.settings()["QIANFAN_BASE_URL"] == simulator.url
    assert simulator.settings()["QIANFAN_V2_BASE_URL"] == f"{simulator.url}/v2"
    assert "QIANFAN_ACCESS_KEY_ID" not in simulator.settings()
    signing = simulator.signing_settings()
    assert signing["QIANFAN_ACCESS_KEY_SECRET"] == simulator.keys.access_key_secret
    assert "QIANFAN_API_KEY" not in signing


async def test_needs_to_run_first() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = Simulator().requests


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
async def test_runs_as_a_program_until_a_signal(end: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        "0",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    assert process.stdout is not None
    printed: dict[str, str] = {}
    while "DUIHUA_SKILL_WEATHER_GEOCODING_URL" not in printed:
        line = (await process.stdout.readline()).decode().strip()
        assert line
        if not line.startswith("#"):
            name, _, value = line.partition("=")
            printed[name] = value
    async with (
        aiohttp.ClientSession() as http,
        http.get(printed["QIANFAN_BASE_URL"] + "/_simulator/counts") as r,
    ):
        assert await r.json() == {}
    process.send_signal(end)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


# ---------------------------------------------------------------- speed mode


async def test_speed_mode_answers_streams_and_calls(http: aiohttp.ClientSession) -> None:
    async with Simulator(speed=True) as simulator:
        v1, v2 = await connect(simulator, http), V2(simulator, http, simulator.keys.bearer_token)
        whole = await v1.say("早")
        events = await v1.stream("早")
        assert len(events) == 4
        assert "".join(e["result"] for e in events) == whole["result"]
        chunks = await v2.stream("早", stream_options={"include_usage": True})
        assert chunks[-1]["usage"]["total_tokens"] > 0
        assert (await v2.say("早"))["message"]["content"] == whole["result"]
        assert simulator.counts["qianfan-v2"] == 2


@pytest.mark.parametrize("functions_first", [True, False])
async def test_speed_mode_calls_once(http: aiohttp.ClientSession, functions_first: bool) -> None:
    async with Simulator(speed=True) as simulator:
        v1 = await connect(simulator, http)
        messages: list[Any] = users("说说天气", "上海天气怎么样?")
        offered = {"functions": [WEATHER, CALCULATOR, CLOCK]}
        body = {**offered, "messages": messages} if functions_first else {"messages": messages, **offered}
        call = (await v1.send(body))["function_call"]
        assert (call["name"], json.loads(call["arguments"])["city"]) == ("weather", "上海")
        messages += [
            {"role": "assistant", "content": None, "function_call": call},
            {"role": "function", "name": "weather", "content": "天气: 晴"},
        ]
        assert "function_call" not in await v1.send(body)
        tools = [{"type": "function", "function": f} for f in offered["functions"]]
        v2 = V2(simulator, http, simulator.keys.bearer_token)
        choice = await v2.say("What's the weather in Paris?", tools=tools)
        assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])["city"] == "Paris"


async def test_speed_mode_streams_as_many_pieces_as_wanted(http: aiohttp.ClientSession) -> None:
    async with Simulator(speed=True, pieces=500) as simulator:
        events = await (await connect(simulator, http)).stream("!long 2000")
        assert len(events) == 501
        assert len("".join(e["result"] for e in events)) == 2000


async def test_speed_mode_still_wants_a_request(http: aiohttp.ClientSession) -> None:
    async with Simulator(speed=True) as simulator:
        v1 = await connect(simulator, http)
        assert (await v1.send(b"{}"))["error_code"] == 336002
        async with http.post(v1.url(), json={"messages": users("早")}) as r:
            assert (await r.json())["error_code"] == 100
        async with http.post(f"{simulator.qianfan_v2_url}/chat/completions", json={}) as r:
            assert r.status == 401


# ---------------------------------------------------------------- hostile input

JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *(
            "messages",
            "model",
            "stream",
            "functions",
            "tools",
            "tool_choice",
            "system",
            "stop",
            "temperature",
        ),
        *(
            "max_output_tokens",
            "max_tokens",
            "response_format",
            "stream_options",
            "user_id",
            "user",
            "metadata",
        ),
    ]
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "function", "tool", "system"])},
    optional={
        "content": st.text(max_size=30)
        | st.sampled_from(["!badargs", "!twocalls", "!flag", "北京天气?", "1+2=?"])
        | JSONS,
        "name": JSONS,
        "function_call": JSONS
        | st.fixed_dictionaries({"name": st.text(max_size=4), "arguments": st.text(max_size=9)}),
        "tool_calls": JSONS,
        "tool_call_id": JSONS,
    },
)
FUNCTION = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["weather", "clock", "f"]),
        "description": st.text(min_size=1, max_size=9),
        "parameters": st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from(["city", "day", "x"]), JSONS),
            },
            optional={"required": JSONS, "$defs": JSONS},
        ),
    }
)
BODY = st.one_of(
    st.binary(max_size=60),
    JSONS.map(lambda v: json.dumps(v).encode()),
    st.dictionaries(FIELDS, JSONS, max_size=5).map(lambda v: json.dumps(v).encode()),
    st.builds(
        lambda messages, functions, model, stream: json.dumps(
            {
                "messages": messages,
                "stream": stream,
                **(
                    {
                        "model": "ernie-3.5-8k",
                        "tools": [{"type": "function", "function": f} for f in functions],
                    }
                    if model
                    else {"functions": functions}
                ),
            }
        ).encode(),
        st.lists(MESSAGE, max_size=3),
        st.lists(FUNCTION, min_size=1, max_size=2),
        st.booleans(),
        st.booleans(),
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODY, min_size=1, max_size=6))
def test_garbage_is_refused_in_the_platform_s_words(bodies: list[bytes]) -> None:
    async def send() -> None:
        for speed in (False, True):
            async with Simulator(speed=speed) as simulator, aiohttp.ClientSession() as http:
                v1 = await connect(simulator, http)
                v2 = V2(simulator, http, simulator.keys.bearer_token)
                for body in bodies:
                    async with http.post(v1.url(), params={"access_token": v1.token}, data=body) as r:
                        assert r.status == 200
                        await r.read()
                    async with http.post(v2.url, headers=v2.headers, data=body) as r:
                        assert r.status in (200, 400, 401)
                        await r.read()
                async with http.get(f"{simulator.url}/_simulator/requests") as r:
                    assert r.status == 200

    asyncio.run(send())


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/rpc/2.0/other",
        "/v1/forecast?latitude=%00&longitude=1",
        "/v1/search?name=%ff%fe",
        "/v1/BCE-BEARER/token?expireInSeconds=²",
        "/oauth/2.0/token",
        "/v2/models",
        "/_simulator/reset",
    ],
)
async def test_strange_paths_are_no_crash(
    simulator: Simulator, http: aiohttp.ClientSession, path: str
) -> None:
    for method in ("GET", "POST", "DELETE"):
        headers = {
            "Authorization": "bce-auth-v1/a/b/c/d/e",
            "Content-Type": "application/x-www-form-urlencoded; charset=x",
        }
        async with http.request(method, simulator.url + path, headers=headers, data=b"\xff=%zz") as r:
            assert r.status < 500


@given(st.text(max_size=300), st.none() | st.integers(1, 400))
def test_pieces_make_the_text_again(text: str, count: int | None) -> None:
    pieces = cut(text, count)
    assert "".join(pieces) == text
    if text:
        assert all(pieces)
        assert count is None or len(pieces) == min(count, len(text))


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_estimate_grows_with_the_text(one: str, two: str) -> None:
    assert 0 <= estimate(one) <= estimate(one + " " + two)
