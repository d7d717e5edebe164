"""What only Zhipu has, through the engine."""

from __future__ import annotations

from typing import Any

import pytest

from duihua.events import HistoryCleared, ThinkingDelta, TurnFinished
from duihua.options import ModelOptions
from duihua.simulator import Simulator
from tests.engine.conftest import collect
from tests.platforms.conftest import Start


def thoughts(simulator: Simulator) -> list[list[str]]:
    """The reasoning in the messages of each request."""
    return [
        [m["reasoning_content"] for m in r.body["messages"] if "reasoning_content" in m]
        for r in simulator.requests
        if r.model
    ]


async def test_reasoning_goes_back_until_the_turn_ends(start: Start) -> None:
    engine, simulator = await start("zhipu/glm-4.7")
    session = engine.session("a")
    events = await collect(session.say("北京今天天气怎么样?"))
    await session.ask("你好")
    first, loop, later = thoughts(simulator)
    assert (first, later) == ([], [])
    [thought] = loop
    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)).startswith(thought)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_flagged_question_costs_no_second_request(start: Start, stream: bool) -> None:
    engine, simulator = await start("zhipu/glm-4.7", settings={"moderation": "drop_turn", "stream": stream})
    session = engine.session("a")
    await session.ask("我叫小明")
    events = await collect(session.say("讲一个故事 !flag"))
    assert [e.side for e in events if isinstance(e, HistoryCleared)] == ["input"]
    assert len(simulator.requests) == 2
    assert "小明" in (await session.ask("我叫什么名字?")).text


@pytest.mark.parametrize(("auth", "kind"), [("jwt", "turn_finished"), ("bearer", "turn_failed")])
async def test_only_a_signed_token_can_be_renewed(start: Start, auth: str, kind: str) -> None:
    engine, _ = await start("zhipu/glm-4.7", settings={"zhipu_auth": auth})
    assert (await collect(engine.session("a").say("你好 !expire")))[-1].kind == kind


async def test_a_search_is_asked_for_beside_the_skills(start: Start) -> None:
    engine, simulator = await start("zhipu/glm-4.7")
    search: dict[str, Any] = {"search_engine": "search_std", "search_result": True}
    options = ModelOptions(temperature=0, extra={"web_search": search})
    events = await collect(engine.session("a").say("北京今天天气怎么样?", options=options))
    assert isinstance(events[-1], TurnFinished)
    for request in simulator.requests:
        if request.model:
            assert request.body["tools"][-1]["web_search"] == {"enable": True, **search}
            assert request.body["do_sample"] is False
