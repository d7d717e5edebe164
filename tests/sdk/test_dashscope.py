"""The platform's own SDK, and OpenAI's for the compatible mode, against the simulator: it speaks the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest

from duihua.simulator import Simulator

T = TypeVar("T")
MESSAGES = [{"role": "user", "content": "北京今天天气怎么样?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def dashscope() -> Any:
    """The SDK, which takes up to a second to import: not of everybody who collects tests."""
    import dashscope

    return dashscope


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        monkeypatch.setattr(dashscope(), "base_http_api_url", f"{simulator.url}/dashscope/api/v1")
        monkeypatch.setattr(dashscope(), "api_key", simulator.keys.dashscope)
        yield simulator
        dashscope().api_entities.http_request.close_shared_sync_session()


async def run(work: Callable[[], T]) -> T:
    """The SDK blocks: it works in a thread, while the simulator answers in this one."""
    return await asyncio.to_thread(work)


async def test_a_whole_answer_in_either_form(simulator: Simulator) -> None:
    got: Any = await run(lambda: dashscope().Generation.call("qwen-plus", prompt="我叫小明"))
    assert got.status_code == 200
    assert "小明" in got.output.text
    got = await run(
        lambda: dashscope().Generation.call("qwen-plus", messages=MESSAGES, result_format="message")
    )
    assert got.output.choices[0].finish_reason == "stop"
    assert got.usage.input_tokens > 0


@pytest.mark.parametrize("pieces", [True, False])
async def test_a_stream(simulator: Simulator, pieces: bool) -> None:
    def work() -> list[Any]:
        return list(
            dashscope().Generation.call(
                "qwen-plus", messages=[{"role": "user", "content": "我叫小明"}], result_format="message",
                stream=True, incremental_output=pieces,
            )
        )  # fmt: skip

    got = await run(work)
    texts = [g.output.choices[0].message.content for g in got]
    assert "小明" in ("".join(texts) if pieces else texts[-1])
    assert got[-1].output.choices[0].finish_reason == "stop"
    assert [g.status_code for g in got] == [200] * len(got)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_and_its_result(simulator: Simulator, stream: bool) -> None:
    def work(messages: list[Any]) -> Any:
        got: Any = dashscope().Generation.call(
            "qwen-plus", messages=messages, tools=[TOOL], result_format="message", stream=stream
        )
        return list(got)[-1] if stream else got

    # A stream of the SDK that is not asked for pieces repeats everything.
    asked = (await run(lambda: work(MESSAGES))).output.choices[0]
    assert asked.finish_reason == "tool_calls"
    call = asked.message.tool_calls[0]
    assert (call["function"]["name"], "北京" in call["function"]["arguments"]) == ("weather", True)
    result = {"role": "tool", "content": '{"weather": "晴", "city": "北京"}', "tool_call_id": call["id"]}
    said = {"role": "assistant", "content": "", "tool_calls": [call]}
    told = await run(lambda: work([*MESSAGES, said, result]))
    assert "晴" in told.output.choices[0].message.content


async def test_errors_of_both_kinds(simulator: Simulator) -> None:
    flagged = [{"role": "user", "content": "你好 !flag"}]
    got: Any = await run(lambda: dashscope().Generation.call("qwen-plus", messages=flagged))
    assert (got.status_code, got.code) == (400, "DataInspectionFailed")
    got = await run(lambda: list(dashscope().Generation.call("qwen-plus", messages=flagged, stream=True))[-1])
    assert got.code == "DataInspectionFailed"


async def test_a_model_that_sees(simulator: Simulator) -> None:
    content = [{"image": "data:image/png;base64,iVBORw0KGgo="}, {"text": "这是什么?"}]
    messages: Any = [{"role": "user", "content": content}]
    got: Any = await run(
        lambda: dashscope().MultiModalConversation.call(model="qwen-vl-max", messages=messages)
    )
    assert "image png 8" in got.output.choices[0].message.content[0]["text"]


async def test_embeddings_tokens_and_models(simulator: Simulator) -> None:
    got: Any = await run(
        lambda: dashscope().TextEmbedding.call("text-embedding-v4", ["一", "二"], dimension=64)
    )
    assert sorted(row["text_index"] for row in got.output["embeddings"]) == [0, 1]
    assert len(got.output["embeddings"][0]["embedding"]) == 64
    got = await run(lambda: dashscope().Tokenization.call("qwen-turbo", prompt="你好，世界"))
    assert got.usage["input_tokens"] == len(got.output["token_ids"])
    got = await run(lambda: dashscope().Models.list(page=2, page_size=5))
    assert len(got.output["models"]) == 5
    got = await run(lambda: dashscope().Models.get("qwen-plus"))
    assert got.output["model"] == "qwen-plus"


async def test_an_image_is_waited_for(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashscope.client.base_api.time.sleep", lambda seconds: None)
    got: Any = await run(
        lambda: dashscope().ImageSynthesis.call(
            "wanx2.1-t2i-turbo", "一只猫 !flag-output", n=2, size="1024*1024"
        )
    )
    assert got.output.task_status == "SUCCEEDED"
    assert got.output.task_metrics["FAILED"] == 1
    assert got.output.results[0].url.endswith(".png")
    got = await run(lambda: dashscope().ImageSynthesis.fetch("gone"))
    assert got.output.task_status == "UNKNOWN"


async def test_openais_sdk_in_the_compatible_mode(simulator: Simulator) -> None:
    url = f"{simulator.url}/dashscope/compatible-mode/v1"
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key=simulator.keys.dashscope, base_url=url, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="qwen-plus", messages=MESSAGES, tools=[TOOL], stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
        pieces = [c for chunk in chunks if chunk.choices for c in chunk.choices[0].delta.tool_calls or []]
        assert "北京" in "".join(p.function.arguments or "" for p in pieces)
        assert chunks[-1].usage.total_tokens > 0
        vectors = await client.embeddings.create(model="text-embedding-v4", input=["一", "二"])
        assert len(vectors.data) == 2
        assert "qwen-plus" in [m.id async for m in client.models.list()]
