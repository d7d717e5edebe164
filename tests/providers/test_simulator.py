"""Both wires against the simulator, with conversations packed as the engine packs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from duihua.config import Settings
from duihua.errors import ProviderError
from duihua.messages import Call, Step, Text, Turn, TurnRef
from duihua.ports import CallDelta, Delta, Finish, Flagged, Provider, Request, ToolSpec
from duihua.providers import registry
from duihua.providers.http import Transport
from duihua.providers.limiter import RateLimiter
from duihua.providers.retry import Retry
from duihua.simulator import Simulator
from tests.providers.conftest import Clock, collect, text, until_error

WEATHER = ToolSpec(
    "weather",
    "Tells the weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
MODELS = ["qianfan/ernie-3.5-8k", "qianfan-v2/ernie-4.0-turbo-8k"]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


def connect(simulator: Simulator, transport: Transport, model: str, retry: Retry, **keys: Any) -> Provider:
    known = simulator.keys
    ways = {
        "oauth": {"qianfan_api_key": known.api_key, "qianfan_secret_key": known.secret_key},
        "pair": {
            "qianfan_access_key_id": known.access_key_id,
            "qianfan_access_key_secret": known.access_key_secret,
        },
        "bearer": {"qianfan_bearer_token": known.bearer_token},
    }
    way = keys.pop("way", "oauth" if model.startswith("qianfan/") else "bearer")
    urls = {"qianfan_base_url": simulator.qianfan_url, "qianfan_v2_base_url": simulator.qianfan_v2_url}
    settings = Settings.load(None, **urls, **{**ways[way], **keys})
    return registry.create(model, settings, RateLimiter(), transport=transport, retry=retry)


def turn(number: int, question: str, *steps: Step) -> Turn:
    return Turn(TurnRef(1, number), number - 1, input=(Text(question),), steps=steps)


def said(answer: str) -> Step:
    return Step((Text(answer),))


def request(
    provider: Provider,
    model: str,
    *turns: Turn,
    tools: tuple[ToolSpec, ...] = (),
    stream: bool = True,
    seconds: float = 20,
) -> Request:
    name = registry.split(model)[1]
    packed = provider.dialect(name).pack("你是助手。", turns, tools)
    deadline = asyncio.get_running_loop().time() + seconds
    return Request(name, packed, tools, {} if stream else {"stream": False}, deadline, "user-1")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["stream", "whole"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def provider(simulator: Simulator, transport: Transport, model: str, retry: Retry) -> Provider:
    return connect(simulator, transport, model, retry)


async def test_memory_is_shown(provider: Provider, model: str, stream: bool) -> None:
    turns = turn(1, "我叫小明", said("你好,小明。")), turn(2, "我叫什么名字?")
    deltas = await collect(provider.stream(request(provider, model, *turns, stream=stream)))
    assert "小明" in text(deltas)
    finish = deltas[-1]
    assert isinstance(finish, Finish)
    assert (finish.reason, bool(finish.request_id)) == ("stop", True)
    assert finish.usage.input > 0
    assert finish.usage.output > 0


async def test_a_call_and_its_result(provider: Provider, model: str, stream: bool) -> None:
    question = "北京今天天气怎么样?"
    first = await collect(
        provider.stream(request(provider, model, turn(1, question), tools=(WEATHER,), stream=stream))
    )
    pieces = [d for d in first if isinstance(d, CallDelta)]
    assert isinstance(first[-1], Finish)
    assert (first[-1].reason, "".join(p.name for p in pieces)) == ("calls", "weather")
    arguments = "".join(p.arguments for p in pieces)
    assert "北京" in arguments
    call = Call("1.1.1.0", "weather", arguments, "done", '{"city":"北京","temperature":21}')
    steps = (Step((), (call,)),)
    second = await collect(
        provider.stream(request(provider, model, turn(1, question, *steps), tools=(WEATHER,), stream=stream))
    )
    assert "21" in text(second)


@pytest.mark.parametrize("fault", ["!ratelimit", "!overload 2", "!cut"])
async def test_faults_that_pass_are_got_over(
    provider: Provider, model: str, fault: str, stream: bool
) -> None:
    deltas = await until_end(provider, request(provider, model, turn(1, f"你好 {fault}"), stream=stream))
    assert text(deltas)


@pytest.mark.parametrize(("model", "way"), [(MODELS[0], "oauth"), (MODELS[1], "pair")])
async def test_a_token_that_expires_is_replaced(
    simulator: Simulator, transport: Transport, retry: Retry, clock: Clock, model: str, way: str
) -> None:
    provider = connect(simulator, transport, model, retry, way=way)
    assert text(await collect(provider.stream(request(provider, model, turn(1, "你好 !expire")))))
    assert clock.slept == []


async def until_end(provider: Provider, asked: Request) -> list[Delta]:
    """The answer; one that is cut after some text was given is asked for again, as a turn would."""
    try:
        return await collect(provider.stream(asked))
    except ProviderError as e:
        if e.category not in ("network", "truncated"):
            raise
        return await collect(provider.stream(asked))


@pytest.mark.parametrize("fault", ["!down", "!malformed", "!overload 9"])
async def test_faults_that_stay_are_told(provider: Provider, model: str, fault: str) -> None:
    _, error = await until_error(provider.stream(request(provider, model, turn(1, f"你好 {fault}"))))
    assert error.category in ("server", "overloaded", "rate_limited", "truncated")
    assert error.provider == provider.name


async def test_a_silent_platform_is_given_up_at_the_deadline(provider: Provider, model: str) -> None:
    _, error = await until_error(provider.stream(request(provider, model, turn(1, "!timeout"), seconds=0.3)))
    assert error.category == "timeout"


@pytest.mark.parametrize("fault", ["!flag", "!flag-output"])
async def test_flags(provider: Provider, model: str, fault: str, stream: bool) -> None:
    asked = request(provider, model, turn(1, f"讲一个很长的故事 {fault}"), stream=stream)
    deltas = await collect(provider.stream(asked))
    flags = [d for d in deltas if isinstance(d, Flagged)]
    assert len(flags) == 1
    assert flags[0].stop
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "flagged"


async def test_poisoned_history_is_told_as_history(provider: Provider, model: str) -> None:
    turns = turn(1, "你好 !poison", said("你好。")), turn(2, "再见")
    deltas = await collect(provider.stream(request(provider, model, *turns)))
    assert [(d.side, d.round) for d in deltas if isinstance(d, Flagged)] == [("history", 0)]


@pytest.mark.parametrize(("model", "way"), [(MODELS[0], "pair"), (MODELS[1], "pair")])
async def test_keys_sign_or_mint(
    simulator: Simulator, transport: Transport, retry: Retry, model: str, way: str
) -> None:
    provider = connect(simulator, transport, model, retry, way=way)
    assert text(await collect(provider.stream(request(provider, model, turn(1, "你好")))))


@pytest.mark.parametrize(
    ("model", "way", "setting", "named"),
    [
        (MODELS[0], "oauth", "qianfan_api_key", "QIANFAN_API_KEY"),
        (MODELS[0], "oauth", "qianfan_secret_key", "QIANFAN_SECRET_KEY"),
        (MODELS[0], "pair", "qianfan_access_key_id", "QIANFAN_ACCESS_KEY_ID"),
        (MODELS[0], "pair", "qianfan_access_key_secret", "QIANFAN_ACCESS_KEY_SECRET"),
        (MODELS[1], "pair", "qianfan_access_key_secret", "QIANFAN_ACCESS_KEY_SECRET"),
        (MODELS[1], "bearer", "qianfan_bearer_token", "QIANFAN_BEARER_TOKEN"),
    ],
)
async def test_wrong_keys_are_told(
    simulator: Simulator, transport: Transport, retry: Retry, model: str, way: str, setting: str, named: str
) -> None:
    provider = connect(simulator, transport, model, retry, way=way, **{setting: "wrong-key-value"})
    _, error = await until_error(provider.stream(request(provider, model, turn(1, "你好"))))
    assert error.category == "auth"
    assert named in error.message
    assert "wrong-key-value" not in str(error)


async def test_an_unknown_model_names_the_list(provider: Provider, model: str) -> None:
    unknown = registry.split(model)[0] + "/no-such-model"
    _, error = await until_error(provider.stream(request(provider, unknown, turn(1, "你好"))))
    assert error.category == "not_found"
    assert "duihua models" in error.message


async def test_a_model_that_takes_no_system_beside_functions(transport: Transport, retry: Retry) -> None:
    async with Simulator(system_with_functions=False) as simulator:
        provider = connect(simulator, transport, MODELS[0], retry)
        asked = request(provider, MODELS[0], turn(1, "北京今天天气怎么样?"), tools=(WEATHER,))
        deltas = await collect(provider.stream(asked))
        assert [d.name for d in deltas if isinstance(d, CallDelta)] == ["weather"]


async def test_a_limit_that_the_platform_tells_is_kept(transport: Transport, retry: Retry) -> None:
    async with Simulator(requests_per_minute=5) as simulator:
        provider = connect(simulator, transport, MODELS[0], retry)
        asked = [request(provider, MODELS[0], turn(1, "你好"), seconds=5) for _ in range(5)]
        for each in asked[:4]:
            assert text(await collect(provider.stream(each)))
        _, error = await until_error(provider.stream(asked[4]))
        assert (error.category, error.http_status) == ("rate_limited", 0)
