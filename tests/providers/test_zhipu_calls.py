"""What Zhipu does besides chat, over answers laid out by hand and over the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from duihua import abilities
from duihua.abilities import Job
from duihua.config import Settings
from duihua.errors import ProviderError
from duihua.messages import Usage
from duihua.providers import registry
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.polling import poll
from duihua.providers.retry import Retry, loop_time
from duihua.providers.zhipu import Zhipu
from duihua.simulator import Simulator
from duihua.simulator.zhipu_models import COUNTED, DRAWING, EMBEDDING, MODELS
from tests.providers.conftest import WEATHER, Clock, Wire, ask, says

SHELL = {"id": "t/1", "request_id": "r", "model": "glm-4.6"}
MESSAGE = {"role": "assistant", "content": "hi", "reasoning_content": "hm"}
DONE = {
    **SHELL,
    "model": "glm-4.7",
    "task_status": "SUCCESS",
    "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def chat(simulator: Simulator, transport: Transport, retry: Retry) -> Zhipu:
    settings = Settings.load(None).replaced(simulator.settings())
    provider = registry.create("zhipu", settings, transport=transport, retry=retry)
    assert isinstance(provider, Zhipu)
    return provider


@pytest.fixture
def bare(wire: Wire, transport: Transport, retry: Retry) -> Zhipu:
    return Zhipu(transport, BearerKey(SecretStr("k")), base_url=wire.base, line=Line(retry=retry))


def soon() -> float:
    return loop_time() + 60


async def finished(chat: Zhipu, job: Job, clock: Clock) -> Job:
    """The job at its end, and that it took a while."""
    assert job.state == "running"
    done = await poll(
        lambda: chat.job(job.id, deadline=soon()), deadline=clock.now + 60, sleep=clock.sleep, clock=clock
    )
    assert len(clock.slept) > 1
    return done


# ---------------------------------------------------------------- work in the background


async def test_an_answer_in_the_background_tells_who_gave_it(chat: Zhipu, clock: Clock) -> None:
    job = await chat.start(ask("glm-4.6", b'{"role":"user","content":"\xe4\xbd\xa0\xe5\xa5\xbd"}', user="u1"))
    assert job.model == "glm-4.6"
    done = await finished(chat, job, clock)
    assert (done.state, done.model) == ("done", "glm-4.7")
    assert done.completion is not None
    assert "你好" in done.completion.text
    assert (done.completion.model, done.completion.finish) == ("glm-4.7", "stop")
    assert done.completion.usage.output > 0


async def test_work_may_fail(chat: Zhipu, clock: Clock) -> None:
    done = await finished(chat, await chat.start(ask("glm-4.5-airx")), clock)
    assert done.state == "failed"
    assert done.error is not None
    assert not done.error.retryable


async def test_nothing_is_streamed_in_the_background(bare: Zhipu, wire: Wire) -> None:
    wire.then(says({**SHELL, "task_status": "PROCESSING"}))
    options = {"stream": True, "tool_stream": True, "temperature": 0.5, "web_search": True}
    assert await bare.start(ask("glm-4.6", tools=(WEATHER,), options=options)) == Job(
        "t/1", "running", "glm-4.6"
    )
    body = wire.seen[0].json
    assert wire.seen[0].target == "/async/chat/completions"
    assert not {"stream", "tool_stream", "stream_options"} & set(body)
    assert ([t["type"] for t in body["tools"]], body["temperature"]) == (["function", "web_search"], 0.5)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PROCESSING", "running"),
        ("processing", "running"),
        ("QUEUED", "running"),
        (None, "running"),
        (3, "running"),
        ("SUCCESS", "done"),
        ("success", "done"),
        ("FAIL", "failed"),
        ("FAILED", "failed"),
        ("failed", "failed"),
    ],
)
async def test_states_are_read_whatever_they_are_called(
    bare: Zhipu, wire: Wire, status: Any, state: str
) -> None:
    wire.then(says({**DONE, "task_status": status}))
    job = await bare.job("t/1", deadline=soon())
    assert (job.id, job.state, job.model) == ("t/1", state, "glm-4.7")
    assert wire.seen[0].target == "/async-result/t%2F1"
    if state == "done":
        assert job.completion is not None
        assert (job.completion.text, job.completion.usage) == ("hi", Usage(3, 2))


async def test_an_answer_that_was_held_back_is_a_failure(bare: Zhipu, wire: Wire) -> None:
    choice = {"index": 0, "finish_reason": "sensitive", "message": {"content": ""}}
    filters = [{"role": "assistant", "level": 0}]
    wire.then(says({**DONE, "choices": [choice], "content_filter": filters}))
    job = await bare.job("t", deadline=soon())
    assert job.error is not None
    assert (job.state, job.error.category, job.error.flagged) == ("failed", "moderation_output", "output")


@pytest.mark.parametrize(
    "missing", [{"choices": []}, {"choices": None}, {"choices": [{}]}, {"image_result": []}]
)
async def test_a_success_that_holds_nothing_is_a_failure(
    bare: Zhipu, wire: Wire, missing: dict[str, Any]
) -> None:
    wire.then(says({**DONE, **missing}))
    assert (await bare.job("t", deadline=soon())).state == "failed"


async def test_work_that_is_not_known_is_an_error(chat: Zhipu) -> None:
    with pytest.raises(ProviderError) as caught:
        await chat.job("../nothing", deadline=soon())
    assert caught.value.category == "not_found"


async def test_work_is_not_handed_in_twice_when_its_receipt_was_lost(bare: Zhipu, wire: Wire) -> None:
    wire.then(says({"error": {"message": "oh"}}, 500))
    with pytest.raises(ProviderError):
        await bare.start(ask("glm-4.6"))
    assert len(wire.seen) == 1


# ---------------------------------------------------------------- images


@pytest.mark.parametrize("model", sorted(DRAWING))
async def test_an_image_is_drawn_at_once(chat: Zhipu, model: str) -> None:
    drawing = await chat.draw(model, "一只猫", options={"quality": "hd"}, deadline=soon())
    async with httpx.AsyncClient() as http:
        data = (await http.get(drawing.pictures[0].url)).content
    assert data.startswith(b"\x89PNG")


async def test_an_image_is_drawn_in_the_background(chat: Zhipu, clock: Clock) -> None:
    job = await chat.start_drawing("glm-image", "一只猫", options={"size": "1280x1024"}, deadline=soon())
    done = await finished(chat, job, clock)
    assert done.drawing is not None
    assert done.drawing.pictures[0].url.endswith(".png")
    assert (done.model, done.completion) == ("glm-image", None)


async def test_a_flagged_prompt_is_not_drawn(chat: Zhipu) -> None:
    with pytest.raises(ProviderError) as caught:
        await chat.draw("cogview-4", "something bad !flag", options={}, deadline=soon())
    assert (caught.value.category, caught.value.flagged) == ("moderation_input", "input")


# ---------------------------------------------------------------- vectors, judgements, counts, models


async def test_texts_are_embedded_within_the_limits_of_a_request(chat: Zhipu, simulator: Simulator) -> None:
    texts = [f"text {n}" for n in range(70)] + ["字" * 5_000] * 3
    found = await chat.embed("embedding-3", texts, deadline=soon())
    assert [len(v) for v in found.vectors] == [2048] * 73
    assert found.vectors[70] == found.vectors[72] != found.vectors[0]
    assert found.usage.input > 0
    assert [len(r.body["input"]) for r in simulator.requests] == [64, 8, 1]
    assert {r.outcome for r in simulator.requests} == {"ok"}


@pytest.mark.parametrize(
    ("said", "level", "labels"),
    [
        ("你好", "pass", ()),
        ("buy this !poison", "review", ("ad",)),
        ("!flag", "reject", ("abuse",)),
        ("a" * 1_990 + " !flag" + " " * 5, "reject", ("abuse",)),
        ("a " * 4_000 + "!poison", "review", ("ad",)),
        ("a " * 4_000, "pass", ()),
    ],
)
async def test_a_text_is_judged_as_a_whole(
    chat: Zhipu, said: str, level: str, labels: tuple[str, ...]
) -> None:
    judgement = await chat.moderate("moderation", said, deadline=soon())
    assert (judgement.level, judgement.labels, bool(judgement.request_id)) == (level, labels, True)


@pytest.mark.parametrize(
    ("results", "level"),
    [
        ([{"risk_level": "PASS"}, {"risk_level": "REJECT"}], "reject"),
        ([{"risk_level": "pass", "risk_type": None}], "pass"),
        ([{"risk_level": "NEW"}], "review"),
        ([{"risk_level": None}, 3], "review"),
    ],
)
async def test_a_level_that_is_not_known_is_for_people_to_look_at(
    bare: Zhipu, wire: Wire, results: list[Any], level: str
) -> None:
    wire.then(says({"result_list": results}))
    assert (await bare.moderate("moderation", "x", deadline=soon())).level == level


async def test_no_judgement_is_no_pass(bare: Zhipu, wire: Wire) -> None:
    wire.then(says({"model": "moderation", "input": "x"}))
    with pytest.raises(ProviderError, match="no judgement"):
        await bare.moderate("moderation", "x", deadline=soon())


async def test_tokens_are_counted(chat: Zhipu, simulator: Simulator) -> None:
    short = await chat.count_tokens("glm-4.6", "你好", deadline=soon())
    assert 0 < short < await chat.count_tokens("glm-5", "你好" * 50, deadline=soon())
    assert [r.body["model"] for r in simulator.requests] == ["glm-4.6", "glm-4.6"]


@pytest.mark.parametrize("usage", [{"total_tokens": 7}, {"prompt_tokens": 7, "total_tokens": 9}])
async def test_either_count_will_do(bare: Zhipu, wire: Wire, usage: dict[str, int]) -> None:
    wire.then(says({"usage": usage}))
    assert await bare.count_tokens("glm-4.6", "x", deadline=soon()) == 7


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": True}, {"total_tokens": "7"}])
async def test_no_count_is_an_error(bare: Zhipu, wire: Wire, usage: Any) -> None:
    wire.then(says({"usage": usage}))
    with pytest.raises(ProviderError, match="no count"):
        await bare.count_tokens("glm-4.6", "x", deadline=soon())


async def test_the_known_models_are_listed_where_the_platform_has_no_list(chat: Zhipu) -> None:
    listed = {m.name: m for m in await chat.list_models(deadline=soon())}
    assert listed["glm-4.7"].context == 200_000
    assert set(listed) == {*MODELS, *DRAWING, *EMBEDDING, "moderation"}
    assert {m.family for m in listed.values()} >= {"glm", "cogview", "embedding"}


async def test_a_list_of_the_platform_goes_first(bare: Zhipu, wire: Wire) -> None:
    wire.then(says({"object": "list", "data": [{"id": "glm-4.7"}, {"id": "glm-6"}]}))
    assert [(m.name, m.context) for m in await bare.list_models(deadline=soon())] == [
        ("glm-4.7", 200_000),
        ("glm-6", None),
    ]


async def test_a_wrong_key_is_no_missing_list(bare: Zhipu, wire: Wire) -> None:
    wire.then(says({"error": {"code": "1000", "message": "who?"}}, 401))
    with pytest.raises(ProviderError, match="who"):
        await bare.list_models(deadline=soon())


# ---------------------------------------------------------------- what is known


def test_the_abilities_are_there(bare: Zhipu) -> None:
    kinds = {n: kind for n, kind in vars(abilities).items() if getattr(kind, "_is_runtime_protocol", False)}
    assert {name for name, kind in kinds.items() if isinstance(bare, kind)} == {
        *("CountsTokens", "Draws", "Embeds", "ListsModels", "Moderates", "Starts", "StartsDrawings"),
    }


def test_the_catalogue_says_what_the_simulator_serves() -> None:
    infos = {m.name.removeprefix("zhipu/"): m for m in registry.models(Settings.load(None))}
    for name, model in MODELS.items():
        info = infos[name]
        assert (info.functions == "native") == model.tools
        assert info.hard.tokens == model.tokens
        assert ("thinking" in info.abilities, "images" in info.abilities) == (model.thinks, model.sees)
        assert ("count_tokens" in info.abilities) == (name in COUNTED)
    assert {n for n, i in infos.items() if "draw" in i.abilities and n in DRAWING} == set(DRAWING)
    assert all("embed" in infos[name].abilities for name in EMBEDDING)
    assert all(usual in infos for usual in Zhipu.usual.values())
