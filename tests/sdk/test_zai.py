"""Zhipu's own SDK against the simulator, with both ways to prove who asks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from duihua.simulator import Simulator
from duihua.simulator.drawing import png

pytestmark = pytest.mark.filterwarnings("ignore:The HMAC key is")  # the platform's own keys are as short

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
Use = Callable[[Callable[[Any], Any]], Any]


def zai() -> Any:
    """The SDK, which takes up to a second to import: not of everybody who collects tests."""
    import zai

    return zai


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture(params=["bearer", "jwt"])
def use(simulator: Simulator, request: pytest.FixtureRequest) -> Use:
    """`await use(work)`: what `work(client)` returns; it may block, so it runs beside the simulator."""
    settings = simulator.settings()

    def run(work: Callable[[Any], Any]) -> Any:
        with zai().ZhipuAiClient(
            api_key=settings["ZHIPU_API_KEY"],
            base_url=settings["ZHIPU_BASE_URL"],
            disable_token_cache=request.param == "bearer",
            max_retries=0,
        ) as client:
            return work(client)

    return lambda work: asyncio.to_thread(run, work)


def users(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def test_chat(use: Use, simulator: Simulator) -> None:
    answer = await use(
        lambda c: c.chat.completions.create(
            model="glm-4.7", messages=users("你好"), temperature=0, top_p=1, user_id="user-1", request_id="r1"
        )
    )
    assert "你好" in answer.choices[0].message.content
    assert answer.choices[0].message.reasoning_content
    assert (answer.choices[0].finish_reason, answer.request_id, answer.model) == ("stop", "r1", "glm-4.7")
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert simulator.requests[-1].body["do_sample"] is False


async def test_a_stream(use: Use) -> None:
    chunks = await use(
        lambda c: list(c.chat.completions.create(model="glm-4.7", messages=users("你好"), stream=True))
    )
    deltas = [c.choices[0].delta for c in chunks]
    assert "你好" in "".join(d.content or "" for d in deltas)
    assert "".join(d.reasoning_content or "" for d in deltas)
    assert {d.role for d in deltas} == {"assistant"}
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert [c.usage is not None for c in chunks] == [False] * (len(chunks) - 1) + [True]


@pytest.mark.parametrize("pieces", [False, True])
async def test_functions_in_a_stream(use: Use, pieces: bool) -> None:
    asked = users("北京今天天气怎么样?")
    chunks = await use(
        lambda c: list(
            c.chat.completions.create(
                model="glm-4.7", messages=asked, tools=TOOLS, stream=True, tool_stream=pieces
            )
        )
    )
    found = [call for c in chunks for call in c.choices[0].delta.tool_calls or []]
    assert (len(found) > 1) == pieces
    assert (found[0].id[:6], found[0].index, found[0].function.name) == ("call_-", 0, "weather")
    arguments = "".join(call.function.arguments for call in found)
    assert json.loads(arguments)["city"] == "北京"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_functions_and_their_results(use: Use) -> None:
    def talk(c: Any) -> Any:
        asked = users("北京今天天气怎么样?")
        first = c.chat.completions.create(model="glm-4.7", messages=asked, tools=TOOLS, tool_choice="auto")
        message = first.choices[0].message
        asked.append(message.model_dump())
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "17 度"}
        return first, c.chat.completions.create(model="glm-4.7", messages=[*asked, result], tools=TOOLS)

    first, second = await use(talk)
    assert first.choices[0].finish_reason == "tool_calls"
    assert "17 度" in second.choices[0].message.content


async def test_an_image_is_seen(use: Use) -> None:
    data = "data:image/png;base64," + base64.b64encode(png("x")).decode()
    parts = [{"type": "image_url", "image_url": {"url": data}}, {"type": "text", "text": "?"}]
    answer = await use(
        lambda c: c.chat.completions.create(model="glm-4.6v", messages=[{"role": "user", "content": parts}])
    )
    assert "[image png" in answer.choices[0].message.content


async def test_a_search_is_told_of(use: Use) -> None:
    search = {"type": "web_search", "web_search": {"enable": True, "search_result": True}}
    answer = await use(
        lambda c: c.chat.completions.create(model="glm-4.7", messages=users("你好"), tools=[search])
    )
    assert answer.model_extra["web_search"][0]["link"]


async def test_an_answer_in_the_background(use: Use) -> None:
    def wait(c: Any) -> list[Any]:
        states = [c.chat.asyncCompletions.create(model="glm-4.6", messages=users("你好"))]
        while len(states) < 5 and states[-1].task_status == "PROCESSING":
            states.append(c.chat.asyncCompletions.retrieve_completion_result(id=states[0].id))
        return states

    states = await use(wait)
    assert [s.task_status for s in states] == ["PROCESSING", "PROCESSING", "SUCCESS"]
    assert [s.model for s in states] == ["glm-4.6", "glm-4.6", "glm-4.7"]
    assert "你好" in states[-1].choices[0].message.content


async def test_images(use: Use) -> None:
    def draw(c: Any) -> Any:
        at_once = c.images.generations(model="cogview-4", prompt="一只猫", size="1024x1024")
        begun = c.images.async_generations(model="glm-image", prompt="一只猫", size="1280x1280")
        later = [c.images.retrieve_images_result(begun.id) for _ in range(2)]
        return at_once, later

    at_once, later = await use(draw)
    assert at_once.data[0].url.endswith(".png")
    assert [s.task_status for s in later] == ["PROCESSING", "SUCCESS"]
    assert later[-1].image_result[0].url.endswith(".png")


async def test_embeddings(use: Use) -> None:
    found = await use(
        lambda c: c.embeddings.create(model="embedding-3", input=["一只猫", "两只猫"], dimensions=256)
    )
    assert [(row.index, len(row.embedding)) for row in found.data] == [(0, 256), (1, 256)]
    assert found.usage.total_tokens > 0


async def test_moderation(use: Use) -> None:
    judged = await use(lambda c: c.moderations.create(model="moderation", input=["你好", "!flag"]))
    assert [row["risk_level"] for row in judged.model_extra["result_list"]] == ["PASS", "REJECT"]


async def test_errors(use: Use) -> None:
    def fail(c: Any) -> Any:
        with pytest.raises(zai().core.APIRequestFailedError) as caught:
            c.chat.completions.create(model="glm-4.7", messages=users("!flag"))
        return caught.value.response.json()

    body = await use(fail)
    assert (body["error"]["code"], body["contentFilter"]) == ("1301", [{"level": 1, "role": "user"}])


async def test_flagged_content_in_a_stream(use: Use) -> None:
    chunks = await use(
        lambda c: list(c.chat.completions.create(model="glm-4.7", messages=users("!flag"), stream=True))
    )
    assert [(c.choices[0].finish_reason, c.choices[0].delta.role) for c in chunks] == [("sensitive", "user")]
    assert chunks[0].model_extra["content_filter"] == [{"role": "user", "level": 1}]


async def test_a_key_of_another_is_refused(simulator: Simulator) -> None:
    def fail() -> Any:
        base = simulator.settings()["ZHIPU_BASE_URL"]
        for cached in (True, False):
            with (
                zai().ZhipuAiClient(
                    api_key="other.key", base_url=base, disable_token_cache=cached, max_retries=0
                ) as c,
                pytest.raises(zai().core.APIAuthenticationError),
            ):
                c.chat.completions.create(model="glm-4.7", messages=users("你好"))

    await asyncio.to_thread(fail)
