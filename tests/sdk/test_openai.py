"""The official SDK against the simulator: it speaks the real wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from duihua.simulator import Simulator

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
ASKED: Any = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "北京今天天气怎么样?"}]
MODEL = "gpt-4.1-mini"


def openai() -> Any:
    """The SDK, which takes up to a second to import: not of everybody who collects tests."""
    import openai

    return openai


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[AsyncOpenAI]:
    base = f"{simulator.url}/openai/v1"
    async with openai().AsyncOpenAI(api_key=simulator.keys.openai, base_url=base, max_retries=0) as client:
        yield client


async def test_chat(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "我叫小明"}], temperature=0.5
    )
    assert "小明" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_stream(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "我叫小明"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "小明" in "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert len(chunks) > 4
    assert not chunks[-1].choices
    assert chunks[-1].usage is not None


async def test_functions(client: AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model=MODEL, messages=ASKED, tools=[TOOL])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    call: Any = message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)["city"]) == ("weather", "北京")
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": '{"weather": "晴"}'}
    told: Any = message.model_dump(exclude_none=True)
    second = await client.chat.completions.create(model=MODEL, messages=[*ASKED, told, result], tools=[TOOL])
    assert "晴" in (second.choices[0].message.content or "")


async def test_functions_in_a_stream(client: AsyncOpenAI) -> None:
    """The SDK's own reader puts the pieces together."""
    async with client.chat.completions.stream(model=MODEL, messages=ASKED, tools=[TOOL]) as stream:
        answer = await stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert json.loads(calls[0].function.arguments)["city"] == "北京"


async def test_embeddings(client: AsyncOpenAI) -> None:
    """As numbers, and as base64, which the SDK asks for by itself."""
    texts = ["天气", "weather"]
    packed = await client.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=8)
    plain = await client.embeddings.create(
        model="text-embedding-3-small", input=texts, dimensions=8, encoding_format="float"
    )
    for a, b in zip(packed.data, plain.data, strict=True):
        assert len(a.embedding) == 8
        assert a.embedding == pytest.approx(b.embedding, abs=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding


async def test_images(client: AsyncOpenAI) -> None:
    drawn = await client.images.generate(model="gpt-image-2", prompt="a cat", n=2)
    assert drawn.data
    assert len(drawn.data) == 2
    assert all((image.b64_json or "").startswith("iVBORw0KGgo") for image in drawn.data)


async def test_models(client: AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert MODEL in names
    assert (await client.models.retrieve(MODEL)).id == MODEL


async def test_recordings(client: AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(
        model="gpt-transcribe", file=("a.wav", b"RIFF" + bytes(60), "audio/wav"), language="zh"
    )
    assert heard.text == "[a.wav, 64 bytes]"


async def test_moderation(client: AsyncOpenAI) -> None:
    judged = await client.moderations.create(model="omni-moderation-latest", input=["hi", "bad !flag"])
    assert [result.flagged for result in judged.results] == [False, True]
    assert judged.results[1].categories.violence


async def test_completions(client: AsyncOpenAI) -> None:
    done = await client.completions.create(model="gpt-3.5-turbo-instruct", prompt="我叫小明")
    assert "小明" in done.choices[0].text


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"model": "none"}, "NotFoundError", "model_not_found"),
        ({"extra_body": {"nonsense": 1}}, "BadRequestError", "unknown_parameter"),
        (
            {"messages": [{"role": "user", "content": "x !flag"}]},
            "BadRequestError",
            "content_policy_violation",
        ),
        (
            {"messages": [{"role": "user", "content": "x !ratelimit"}]},
            "RateLimitError",
            "rate_limit_exceeded",
        ),
        ({"messages": [{"role": "user", "content": "x !down"}]}, "InternalServerError", None),
    ],
)
async def test_errors(client: AsyncOpenAI, body: dict[str, Any], kind: str, code: str | None) -> None:
    fields: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], **body}
    with pytest.raises(getattr(openai(), kind)) as caught:
        await client.chat.completions.create(**fields)
    assert caught.value.code == code


async def test_a_wrong_key(client: AsyncOpenAI) -> None:
    with pytest.raises(openai().AuthenticationError):
        await client.with_options(api_key="wrong").models.list()
