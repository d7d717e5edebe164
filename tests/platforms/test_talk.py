"""What every platform must do, through the engine and over its simulated wire, streamed and whole."""

from __future__ import annotations

from typing import Any

import pytest

from duihua import ModelOptions
from duihua.events import HistoryCleared, Retracted, SkillFinished, TextDelta, ThinkingDelta, TurnFinished
from duihua.simulator import Simulator
from tests.engine.conftest import collect, kinds
from tests.platforms.cases import CASES, Case
from tests.platforms.conftest import Start

cases = pytest.mark.parametrize("case", CASES, ids=str)
ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def outcomes(simulator: Simulator) -> list[str]:
    """What became of each chat request."""
    return [r.outcome for r in simulator.requests if r.model]


@cases
@ways
async def test_a_skill_is_called_and_its_result_told(start: Start, case: Case, stream: bool) -> None:
    engine, simulator = await start(case, settings={"stream": stream})
    session = engine.session("a")
    events = await collect(session.say("北京今天天气怎么样?"))
    assert [(e.name, e.state) for e in events if isinstance(e, SkillFinished)] == [("weather", "done")]
    assert isinstance(events[-1], TurnFinished)
    assert "北京" in events[-1].text
    assert events[-1].usage.input > 0
    assert events[-1].usage.output > 0
    deltas = [e for e in events if isinstance(e, TextDelta)]
    assert deltas if stream else len(deltas) == 1
    assert any(isinstance(e, ThinkingDelta) for e in events) == case.thinks
    assert not [e for e in events if "Action Input" in str(e.as_dict())]
    assert outcomes(simulator) == ["ok", "ok"]
    await session.ask("我叫小明")
    assert "小明" in (await session.ask("我叫什么名字?")).text


@cases
async def test_words_come_as_they_are_said(start: Start, case: Case) -> None:
    engine, _ = await start(case, pieces=8)
    events = await collect(engine.session("a").say("你好 !slow 15"))
    assert len([e for e in events if isinstance(e, TextDelta)]) > 1


@cases
@ways
async def test_two_calls_are_both_answered(start: Start, case: Case, stream: bool) -> None:
    engine, simulator = await start(case, settings={"stream": stream})
    events = await collect(engine.session("a").say("北京今天天气怎么样? 现在几点? !twocalls"))
    assert [e.state for e in events if isinstance(e, SkillFinished)] == ["done", "done"]
    assert events[-1].finish == "stop"
    assert len(outcomes(simulator)) == (2 if case.parallel else 3)


@cases
@ways
@pytest.mark.parametrize("fault", ["!flag", "!flag-output"])
async def test_flagged_content_is_cleared_and_taken_back(
    start: Start, case: Case, stream: bool, fault: str
) -> None:
    engine, _ = await start(case, settings={"stream": stream})
    session = engine.session("a")
    await session.ask("我叫小明")
    events = await collect(session.say(f"讲一个关于霸王龙的故事 {fault}"))
    assert isinstance(events[-1], TurnFinished)
    assert (events[-1].finish, events[-1].text) == ("flagged", "")
    said = case.output_side if stream else case.whole_side or case.output_side
    side = case.input_side if fault == "!flag" else said
    assert [e.side for e in events if isinstance(e, HistoryCleared)] == [side]
    shown = any(isinstance(e, TextDelta) for e in events)
    if fault == "!flag-output" and shown and case.retracts:
        assert any(isinstance(e, Retracted) for e in events)
    assert "小明" not in (await session.ask("我叫什么名字?")).text


@cases
@pytest.mark.parametrize("policy", ["clear", "drop_turn"])
async def test_poison_does_not_stay(start: Start, case: Case, policy: str) -> None:
    engine, simulator = await start(case, settings={"moderation": policy})
    session = engine.session("a")
    for text in ("我叫小明", "霸王龙是什么? !poison"):
        assert (await collect(session.say(text)))[-1].finish == "stop"
    before = len(outcomes(simulator))
    events = await collect(session.say("我叫什么名字?"))
    assert "history_cleared" in kinds(events)
    assert len(outcomes(simulator)) <= before + 2  # never more than one extra request
    if policy == "drop_turn":
        assert events[-1].finish == "stop"
    following = await collect(session.say("你好"))
    assert following[-1].finish == "stop"
    assert "history_cleared" not in kinds(following)


ERRORS = {
    "!ratelimit 9": ("rate_limited",),
    "!overload 9": ("overloaded", "server"),
    "!malformed": ("server",),
    "!cut 9": ("truncated",),
    "!down": ("overloaded",),
}


@cases
@pytest.mark.parametrize("fault", ERRORS)
async def test_errors_end_the_turn_and_nothing_else(
    start: Start, case: Case, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _impatient(monkeypatch)
    engine, simulator = await start(case)
    session = engine.session("a")
    await session.ask("我叫小明")
    events = await collect(session.say(f"你好 {fault}"))
    assert events[-1].kind == "turn_failed"
    shown = any(isinstance(e, (TextDelta, ThinkingDelta)) for e in events)
    assert len(outcomes(simulator)) == 1 + (1 if shown else 3)  # three attempts, none after the first delta
    assert events[-1].error.removeprefix("provider.") in ERRORS[fault]
    assert events[-1].values["provider"] == case.model.partition("/")[0]
    assert "小明" in (await session.ask("我叫什么名字?")).text


@pytest.mark.parametrize("case", CASES[::5], ids=str)
async def test_a_whole_answer_that_breaks_off_is_told_so(
    start: Start, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    _impatient(monkeypatch)
    engine, _ = await start(case, settings={"stream": False})
    failed = (await collect(engine.session("a").say("你好 !cut 9")))[-1]
    assert failed.error == "provider.truncated"
    assert "Error" not in failed.values["message"]


async def test_a_probe_that_passes_tells_of_the_history(start: Start) -> None:
    engine, _ = await start("openai/gpt-4.1-mini", settings={"moderation": "drop_turn"})
    session = engine.session("a")
    for text in ("我叫小明", "霸王龙是什么? !poison"):
        await session.ask(text)
    events = await collect(session.say("你好"))
    assert [e.side for e in events if isinstance(e, HistoryCleared)] == ["history"]


@cases
@pytest.mark.parametrize("fault", ["!ratelimit", "!overload"])
async def test_what_passes_is_got_over_without_a_word(
    start: Start, case: Case, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _impatient(monkeypatch)
    engine, simulator = await start(case)
    events = await collect(engine.session("a").say(f"你好 {fault}"))
    assert isinstance(events[-1], TurnFinished)
    assert len(outcomes(simulator)) == 2


CHOOSING = (
    "qianfan/ernie-3.5-8k",
    "qianfan-v2/ernie-4.0-turbo-8k",
    "modelarts/DeepSeek-R1",
    "openai/gpt-4.1-mini",
    "dashscope/qwen-plus",
)


@pytest.mark.parametrize("model", CHOOSING)
async def test_a_choice_of_skills_does_not_outlast_their_offer(start: Start, model: str) -> None:
    named = {"type": "function", "function": {"name": "weather"}}
    engine, _ = await start(Case(model), settings={"max_steps": 1})
    options = ModelOptions(extra={"tool_choice": named})
    events = await collect(engine.session("a").say("你好", options=options))
    assert events[-1].kind == "turn_finished", events[-1]


@cases
async def test_a_wrong_key_is_told_at_once(start: Start, case: Case) -> None:
    from dataclasses import replace

    from duihua.simulator.wire import Keys

    keys = {name: f"another-{name}.x" for name in ("zhipu", "dashscope", "modelarts", "genstudio", "openai")}
    other = replace(Keys(), bearer_token="another", api_key="another", **keys)
    engine, simulator = await start(case)
    simulator.desk.settings = replace(simulator.desk.settings, keys=other)
    failed = (await collect(engine.session("a").say("你好")))[-1]
    assert failed.error == "provider.auth"


def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries happen at once: how long they wait is tested elsewhere."""
    from duihua.providers.limiter import RateLimiter
    from duihua.providers.retry import Retry

    async def at_once(seconds: float) -> None:
        pass

    original: Any = Retry.__init__

    def init(self: Retry, *args: Any, **more: Any) -> None:
        original(self, *args, **{**more, "sleep": at_once})

    monkeypatch.setattr(Retry, "__init__", init)
    monkeypatch.setattr(RateLimiter, "exhausted", lambda self, *args: None)
