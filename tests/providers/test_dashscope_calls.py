from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from duihua.abilities import (
    Completes,
    CountsTokens,
    Draws,
    Embeds,
    ListsModels,
    Measures,
    Starts,
    StartsDrawings,
)
from duihua.errors import ProviderError
from duihua.providers.auth import BearerKey
from duihua.providers.dashscope import DashScope
from duihua.providers.dashscope_compatible import DashScopeCompatible
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.retry import Retry
from duihua.simulator import Simulator
from tests.providers.conftest import Clock, Wire, says


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def native(simulator: Simulator, transport: Transport, retry: Retry) -> DashScope:
    key = BearerKey(SecretStr(simulator.keys.dashscope))
    return DashScope(transport, key, base_url=f"{simulator.url}/dashscope/api/v1", line=Line(retry=retry))


@pytest.fixture
def compatible(simulator: Simulator, transport: Transport, retry: Retry) -> DashScopeCompatible:
    key = BearerKey(SecretStr(simulator.keys.dashscope))
    url = f"{simulator.url}/dashscope/compatible-mode/v1"
    return DashScopeCompatible(transport, key, base_url=url, line=Line(retry=retry))


@pytest.fixture
def faked(wire: Wire, transport: Transport, retry: Retry) -> DashScope:
    return DashScope(transport, BearerKey(SecretStr("sk-1")), base_url=wire.base, line=Line(retry=retry))


def deadline() -> float:
    return asyncio.get_running_loop().time() + 60


def paths(simulator: Simulator) -> list[str]:
    return [r.path.removeprefix("/dashscope/api/v1") for r in simulator.requests]


async def test_what_each_wire_can_do(native: DashScope, compatible: DashScopeCompatible) -> None:
    can = (Completes, Draws, StartsDrawings, Embeds, CountsTokens, ListsModels, Measures)
    assert all(isinstance(native, ability) for ability in can)
    assert not isinstance(native, Starts)
    assert [a for a in can if isinstance(compatible, a)] == [Embeds, ListsModels]


async def test_a_prompt_is_completed(native: DashScope) -> None:
    done = await native.complete("qwen-turbo", "你好", options={"top_k": 3}, deadline=deadline())
    assert "你好" in done.text
    assert (done.finish, done.model) == ("stop", "qwen-turbo")
    assert done.usage.input > 0
    assert done.request_id


# ---------------------------------------------------------------- images


async def test_a_task_is_waited_for(native: DashScope, simulator: Simulator, clock: Clock) -> None:
    options = {"size": "1024x768", "n": 2, "negative_prompt": "狗"}
    drawing = await native.draw("wanx2.1-t2i-turbo", "一只猫", options=options, deadline=deadline())
    assert [p.prompt for p in drawing.pictures] == ["一只猫", "一只猫"]
    asked = simulator.requests[0]
    assert asked.body["parameters"] == {"size": "1024*768", "n": 2}
    assert asked.body["input"] == {"prompt": "一只猫", "negative_prompt": "狗"}
    assert [p.rpartition("/")[0] for p in paths(simulator)[1:]] == ["/tasks", "/tasks"]
    assert len(clock.slept) == 2
    async with httpx.AsyncClient() as client:
        got = [(await client.get(p.url)).content for p in drawing.pictures]
    assert got[0].startswith(b"\x89PNG")
    assert got[0] != got[1]


async def test_images_that_were_not_made_are_told(native: DashScope) -> None:
    drawing = await native.draw(
        "wan2.2-t2i-flash", "一只猫 !flag-output", options={"n": 3}, deadline=deadline()
    )
    assert len(drawing.pictures) == 2
    assert drawing.failures == ("DataInspectionFailed: Output data may contain inappropriate content.",)


@pytest.mark.parametrize(
    ("word", "category"), [("!flag", "moderation_input"), ("!flag-output", "moderation_output")]
)
async def test_a_task_may_fail_though_its_status_is_200(native: DashScope, word: str, category: str) -> None:
    with pytest.raises(ProviderError) as raised:
        await native.draw("wanx-v1", f"一只猫 {word}", options={}, deadline=deadline())
    assert (raised.value.category, raised.value.retryable) == (category, False)


async def test_some_models_draw_at_once(native: DashScope, simulator: Simulator) -> None:
    drawing = await native.draw("qwen-image", "一只猫", options={"n": 2}, deadline=deadline())
    assert len(drawing.pictures) == 2
    assert paths(simulator) == ["/services/aigc/multimodal-generation/generation"]


@pytest.mark.parametrize("model", ["wanx-v1", "qwen-image"])
async def test_a_drawing_is_started_and_asked_for(native: DashScope, model: str) -> None:
    started = await native.start_drawing(model, "一只猫", options={}, deadline=deadline())
    assert started.state == "running"
    states = [await native.job(started.id, deadline=deadline()) for _ in range(2)]
    assert [s.state for s in states] == ["running", "done"]
    assert states[1].drawing is not None
    assert states[1].drawing.pictures[0].url.endswith(".png")


async def test_a_task_that_is_not_known_has_failed(native: DashScope) -> None:
    job = await native.job("../models?x=1", deadline=deadline())
    assert job.state == "failed"
    assert job.error is not None
    assert (job.error.category, job.error.retryable) == ("not_found", False)


@pytest.mark.parametrize(
    ("output", "state", "category"),
    [
        ({"task_status": "SUSPENDED"}, "running", None),
        ({"task_status": "CANCELED"}, "failed", "bad_request"),
        ({"task_status": "FAILED", "code": "Throttling", "message": "x"}, "failed", "rate_limited"),
        ({"task_status": "FAILED"}, "failed", "server"),
        (
            {"task_status": "SUCCEEDED", "results": [{"code": "InternalError", "message": "x"}]},
            "failed",
            "server",
        ),
        ({"task_status": "SUCCEEDED", "results": []}, "failed", "server"),
        ({"task_status": "SUCCEEDED", "results": [7, {"url": "http://a/b"}]}, "done", None),
    ],
)
async def test_how_a_task_may_stand(
    faked: DashScope, wire: Wire, output: dict[str, Any], state: str, category: str | None
) -> None:
    wire.then(says({"output": {"task_id": "t", **output}, "request_id": "r"}))
    job = await faked.job("t", deadline=deadline())
    assert (job.state, job.error and job.error.category) == (state, category)


async def test_a_drawing_is_not_handed_in_twice(faked: DashScope, wire: Wire) -> None:
    wire.then(says({"code": "InternalError", "message": "?"}, 500))
    with pytest.raises(ProviderError):
        await faked.start_drawing("wanx-v1", "一只猫", options={}, deadline=deadline())
    assert len(wire.seen) == 1


# ---------------------------------------------------------------- the rest


async def test_texts_get_vectors_in_their_order(native: DashScope, simulator: Simulator) -> None:
    texts = [f"第{n}段" for n in range(12)]
    got = await native.embed("text-embedding-v4", texts, deadline=deadline(), query=True)
    assert [len(r.body["input"]["texts"]) for r in simulator.requests] == [10, 2]
    assert simulator.requests[0].body["parameters"] == {"text_type": "query"}
    alone = await native.embed("text-embedding-v4", texts[7:8], deadline=deadline())
    assert (len(got.vectors), got.vectors[7]) == (12, alone.vectors[0])
    assert got.usage.input > alone.usage.input > 0


async def test_vectors_that_are_missing_are_an_error(faked: DashScope, wire: Wire) -> None:
    wire.then(says({"output": {"embeddings": [{"text_index": 1, "embedding": [1.0]}]}}))
    with pytest.raises(ProviderError, match="vectors"):
        await faked.embed("text-embedding-v4", ["a", "b"], deadline=deadline())


async def test_tokens_are_counted_for_models_with_a_tokenizer(native: DashScope) -> None:
    short, long = [
        await native.count_tokens("qwen-plus", t, deadline=deadline()) for t in ("你好", "你好" * 20)
    ]
    assert 0 < short < long
    with pytest.raises(ProviderError, match="qwen-plus") as raised:
        await native.count_tokens("qwen3-max", "你好", deadline=deadline())
    assert raised.value.category == "not_found"


async def test_all_pages_of_the_models_are_read(faked: DashScope, wire: Wire) -> None:
    pages = [["a", "b"], ["c", ""]]
    for names in pages:
        rows = [{"model": name, "model_info": {"context_window": 9}} for name in names]
        wire.then(says({"success": True, "output": {"total": 3, "models": rows}}))
    listed = await faked.list_models(deadline=deadline())
    assert [(m.name, m.context) for m in listed] == [("a", 9), ("b", 9), ("c", 9)]
    assert [s.target for s in wire.seen] == [f"/models?page_no={n}&page_size=100" for n in (1, 2)]


async def test_a_list_that_repeats_itself_ends(faked: DashScope, wire: Wire) -> None:
    wire.then(says({"output": {"total": 10**9, "models": [{"name": "a"}]}}))
    assert [m.name for m in await faked.list_models(deadline=deadline())] == ["a"]
    assert len(wire.seen) == 2


async def test_the_context_length_is_in_the_list(native: DashScope) -> None:
    assert await native.context_length("qwen-plus", deadline=deadline()) == 129_024
    assert await native.context_length("nobody", deadline=deadline()) is None


async def test_both_wires_list_models(native: DashScope, compatible: DashScopeCompatible) -> None:
    for client in (native, compatible):
        assert "qwen-plus" in [m.name for m in await client.list_models(deadline=deadline())]


async def test_the_compatible_mode_embeds(native: DashScope, compatible: DashScopeCompatible) -> None:
    texts = [str(n) for n in range(11)]
    one, other = [
        await c.embed("text-embedding-v3", texts, deadline=deadline()) for c in (native, compatible)
    ]
    assert one.vectors == other.vectors
