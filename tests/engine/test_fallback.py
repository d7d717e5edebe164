"""Another model answers where the first one cannot, and never where it would hide what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duihua import (
    ChatEngine,
    ConfigError,
    Cost,
    MissingKey,
    ModelOptions,
    ProviderError,
    Settings,
    TurnError,
    skill,
)
from duihua.dialect import ChatDialect
from duihua.events import AnyEvent, ApprovalRequested, Notice, SkillFinished, TurnFinished
from duihua.messages import Address
from duihua.ports import CallDelta, Flagged, Limits, Provider, Quota, Skill
from duihua.providers.fallback import FAILURES, PAUSE, STATE, load
from duihua.providers.limiter import RateLimiter
from duihua.providers.retry import Retry
from duihua.ranges import Range
from duihua.shown import sentence
from duihua.simulator import Simulator
from duihua.skills import load_bundled
from duihua.testing import ScriptedModel
from duihua.testing.scripted import STRICT
from duihua.turn import LESSONS
from duihua_prompts import Catalogue
from duihua_storage import open_store
from tests.engine.conftest import collect, kinds

V1, V2 = "qianfan/ernie-3.5-8k", "qianfan-v2/ernie-4.0-turbo-8k"
Build = Callable[..., Any]


def model(name: str, script: Any = (), dialect: ChatDialect = STRICT) -> ScriptedModel:
    """A scripted model of the platform `name`."""
    out = ScriptedModel(script, replace(dialect, name=f"{name}/any"))
    out.name = name
    return out


def failing(category: str = "overloaded", status: int = 503) -> ProviderError:
    return ProviderError("no", provider="one", category=category, http_status=status)  # type: ignore[arg-type]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """`await build("a,b", [providers], ...)` -> engine over an SQLite file of the test's own."""
    async with AsyncExitStack() as stack:

        async def make(
            models: str,
            providers: Sequence[Provider] = (),
            *,
            skills: Sequence[Skill] = (),
            limiter: RateLimiter | None = None,
            simulator: Simulator | None = None,
            **settings: Any,
        ) -> ChatEngine:
            url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
            wanted = Settings.load(None, database_url=url, lang="en", shutdown_timeout=0)
            engine = ChatEngine(
                models,
                skills=skills,
                settings=wanted.replaced({**(simulator.settings() if simulator else {}), **settings}),
                store=open_store(url, upgrade=True),
                provider={provider.name: provider for provider in providers},
                limiter=limiter,
            )
            return await stack.enter_async_context(engine)

        yield make


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries happen at once: how long they wait is tested elsewhere."""

    async def at_once(seconds: float) -> None:
        pass

    original: Any = Retry.__init__

    def init(self: Retry, *args: Any, **more: Any) -> None:
        original(self, *args, **{**more, "sleep": at_once})

    monkeypatch.setattr(Retry, "__init__", init)
    monkeypatch.setattr(RateLimiter, "exhausted", lambda self, *args: None)


def sent(simulator: Simulator) -> list[str]:
    """The models that were asked, request by request."""
    return [f"{r.platform}:{r.outcome}" for r in simulator.requests if r.model]


def notices(events: Sequence[AnyEvent]) -> list[tuple[str, dict[str, Any]]]:
    return [(e.code, dict(e.values)) for e in events if isinstance(e, Notice)]


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(
    "category", ["rate_limited", "overloaded", "server", "network", "timeout", "truncated"]
)
async def test_what_passes_is_answered_by_the_next(build: Build, category: str) -> None:
    one, two = model("one", [failing(category)]), model("two", ["hello"])
    engine = await build("one/any, two/any", [one, two])
    events = await collect(engine.session("a").say("hi"))
    assert kinds(events) == ["turn_started", "notice", "text_delta", "turn_finished"]
    assert notices(events) == [("fallback", {"from": "one/any", "to": "two/any", "reason": category})]
    assert isinstance(events[-1], TurnFinished)
    assert (events[-1].text, events[-1].model) == ("hello", "two/any")
    assert (len(one.requests), len(two.requests)) == (1, 1)


@pytest.mark.parametrize(
    "category", ["auth", "permission", "quota_exhausted", "bad_request", "not_found", "context_too_long"]
)
async def test_what_stays_is_told_and_nobody_else_is_asked(build: Build, category: str) -> None:
    tries = 2 if category == "context_too_long" else 1  # it is shortened once
    one, two = model("one", [failing(category)] * tries), model("two")
    engine = await build("one/any,two/any", [one, two])
    with pytest.raises(TurnError) as caught:
        await engine.ask("a", "hi")
    assert caught.value.code == f"provider.{category}"
    assert two.requests == []


@pytest.mark.parametrize("side", ["input", "output"])
async def test_flagged_content_goes_to_nobody_else(build: Build, side: str) -> None:
    one, two = model("one", [failing(f"moderation_{side}", 400)]), model("two")
    engine = await build("one/any,two/any", [one, two])
    assert (await engine.ask("a", "hi")).finish == "flagged"
    assert two.requests == []


@pytest.mark.parametrize("begun", ["Hel", CallDelta(0, name="weather")], ids=["text", "call"])
@pytest.mark.parametrize("functions", ["native", "text"])
async def test_an_answer_that_has_begun_is_not_given_to_another(
    build: Build, begun: Any, functions: Any
) -> None:
    one = model("one", [[begun, failing("network")]], replace(STRICT, functions=functions))
    two = model("two")
    engine = await build("one/any,two/any", [one, two])
    with pytest.raises(TurnError):
        await engine.ask("a", "hi")
    assert two.requests == []


async def test_the_list_is_gone_through_in_order_and_its_last_error_told(build: Build) -> None:
    one, two = model("one", [failing(), failing()]), model("two", [failing(), failing("server")])
    three = model("three", ["hello", failing("network")])
    engine = await build("one/any,two/any,three/any,one/any", [one, two, three])
    reply = await engine.ask("a", "hi")
    assert (reply.text, reply.model) == ("hello", "three/any")
    with pytest.raises(TurnError) as caught:
        await engine.ask("a", "again")
    assert caught.value.code == "provider.network"
    assert caught.value.values["model"] == "three/any"


async def test_one_model_alone_is_not_hurried(build: Build) -> None:
    one, two = model("one", ["a", failing()]), model("two", ["b"])
    engine = await build("one/any,two/any", [one, two])
    await engine.session("b").configure(model="one/any")
    await engine.ask("b", "hi")
    await engine.ask("a", "hi")
    assert [r.hurried for r in (*one.requests, *two.requests)] == [False, True, False]


async def test_a_sessions_own_models_are_a_list_too(build: Build) -> None:
    one, two = model("one", [failing()]), model("two", ["hello"])
    engine = await build("two/any", [one, two])
    session = engine.session("a")
    await session.configure(model="one/any,two/any")
    assert (await session.ask("hi")).model == "two/any"
    with pytest.raises(ConfigError, match="nowhere"):
        await session.configure(model="one/any,nowhere/x")


async def test_the_key_of_every_model_is_wanted_from_the_start() -> None:
    settings = Settings.load(None, qianfan_api_key="a", qianfan_secret_key="b")
    with pytest.raises(MissingKey, match=r"qianfan-v2 .*QIANFAN_BEARER_TOKEN"):
        ChatEngine(f"{V1},{V2}", settings=settings)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("code", ["fallback", "circuit_open"])
def test_the_change_is_told_in_words(lang: str, code: str) -> None:
    notice = Notice(
        session="a",
        turn=1,
        code=code,
        values={"from": "x/1", "to": "y/2", "reason": "overloaded", "provider": "x"},
    )
    words = Catalogue(lang)
    line = sentence(notice, words)
    assert "x/1" in line
    assert "y/2" in line
    assert (words.t("reason.overloaded") in line) == (code == "fallback")


# ---------------------------------------------------------------- what the next one gets


async def test_what_the_next_one_does_not_take_is_left_out(build: Build) -> None:
    narrow = replace(
        STRICT,
        ranges={"top_p": Range("top_p", 0, 1), "temperature": Range("heat", 0, 0.3)},
        extra=frozenset(),
    )
    one, two = model("one", [failing()]), model("two", ["hello"], narrow)
    engine = await build("one/any,two/any", [one, two])
    options = ModelOptions(temperature=0.5, top_p=0.4, extra={"search": True})
    await engine.ask("a", "hi", options=options)
    assert one.requests[0].options == {"temperature": 0.5, "top_p": 0.4, "search": True}
    assert two.requests[0].options == {"top_p": 0.4}


async def test_fields_of_one_platform_do_not_go_to_another(build: Build) -> None:
    one, two = model("one", [failing()]), model("two", ["hello"])
    engine = await build("one/any,two/any", [one, two])
    await engine.ask("a", "hi", options=ModelOptions(extra={"search": True}))
    assert two.requests[0].options == {}


async def test_a_model_that_cannot_take_the_input_is_passed_over(build: Build) -> None:
    tiny = replace(STRICT, soft=Limits(300, 100), hard=Limits(300, 100))
    one, two, three = model("one", [failing()]), model("two", (), tiny), model("three", ["hello"])
    engine = await build("one/any,two/any,three/any", [one, two, three])
    assert (await engine.ask("a", "long " * 200)).model == "three/any"


async def test_a_smaller_window_shortens_the_conversation_for_nobody(build: Build) -> None:
    small = replace(STRICT, soft=Limits(2_600, 1_500))
    one, two = (
        model("one", lambda r: failing() if len(one.requests) == 9 else "x" * 200),
        model("two", ["hi"]),
    )
    two._dialect = replace(small, name="two/any")  # pyright: ignore[reportPrivateUsage]
    engine = await build("one/any,two/any", [one, two])
    for number in range(8):
        await engine.ask("a", f"question {number} " + "y" * 100)
    assert (await engine.ask("a", "question 8")).model == "two/any"
    assert len(two.sent[0]) < 17
    info = await engine.store.session(Address("embed", "a"))
    assert info.window_from <= 1
    await engine.ask("a", "question 9")
    assert len(one.sent[-1]) == 19


async def test_after_a_skill_ran_the_next_one_goes_on_over_its_own_wire(
    build: Build, simulator: Simulator
) -> None:
    call = CallDelta(0, name="weather", arguments='{"city": "北京"}')
    one = model("one", [call, failing()])
    engine = await build(f"one/any,{V2}", [one], skills=load_bundled(("weather",)), simulator=simulator)
    reply = await engine.ask("a", "北京今天天气怎么样?")
    assert "北京" in reply.text
    assert (reply.model, len(reply.calls), reply.calls[0].state) == (V2, 1, "done")
    assert sent(simulator) == ["qianfan-v2:ok"]
    asked = [r for r in simulator.requests if r.model]  # the list of models is asked for beside the turns
    roles = [m["role"] for m in asked[-1].body["messages"]]
    assert roles[-3:] == ["user", "assistant", "tool"]
    (turn,) = await engine.session("a").history()
    assert [step.model for step in turn.steps] == ["one/any", V2]
    used = {name: (turns, usage.output) for name, turns, usage, _ in await engine.session("a").usage()}
    assert used["one/any"] == (0, 5)
    assert used[V2][0] == 1
    assert used[V2][1] == reply.usage.output - 5


async def test_each_model_costs_its_own_price(build: Build, tmp_path: Path) -> None:
    @skill(effect="read")
    def dice() -> int:
        """Rolls a die."""
        return 4

    (tmp_path / "p.toml").write_text(
        """
        "one/any" = { currency = "USD", input = 1, output = 2 }
        "two/any" = { currency = "CNY", input = 3, output = 4 }
        """
    )
    one = model("one", [CallDelta(0, name="dice", arguments="{}"), failing()])
    engine = await build(
        "one/any,two/any", [one, model("two", ["4"])], skills=[dice], DUIHUA_PRICES=str(tmp_path / "p.toml")
    )
    reply = await engine.ask("a", "roll")
    assert reply.cost == (Cost(50, "CNY"), Cost(20, "USD"))
    assert [cost for *_, cost in await engine.session("a").usage()] == [Cost(20, "USD"), Cost(50, "CNY")]


async def test_a_model_that_calls_by_text_is_offered_skills_its_way(build: Build) -> None:
    @skill(effect="read")
    def dice() -> int:
        """Rolls a die."""
        return 4

    speaks = replace(STRICT, functions="text")
    one = model("one", [failing()])
    two = model("two", ["Action: dice\nAction Input: {}", "It is 4."], speaks)
    engine = await build("one/any,two/any", [one, two], skills=[dice])
    reply = await engine.ask("a", "roll a die")
    assert (reply.text, [c.result for c in reply.calls]) == ("It is 4.", ["4"])
    assert one.requests[0].tools
    assert not two.requests[0].tools
    assert len(one.requests) == 1  # the turn stays with the one that took it over


@pytest.mark.parametrize(("first", "second"), [("none", "native"), ("native", "none")])
async def test_each_model_is_offered_what_it_can_call(build: Build, first: Any, second: Any) -> None:
    @skill(effect="read")
    def dice() -> int:
        """Rolls a die."""
        return 4

    one = model("one", [failing()], replace(STRICT, functions=first))
    two = model("two", ["hello"], replace(STRICT, functions=second))
    engine = await build("one/any,two/any", [one, two], skills=[dice])
    await engine.ask("a", "hi")
    assert [len(r.tools) for r in (*one.requests, *two.requests)] == [first == "native", second == "native"]


# ---------------------------------------------------------------- how soon


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    ("fault", "first", "second"),
    [
        ("overload 2", ["overload"] * 2, ["overload"] * 2),
        ("ratelimit 2", ["ratelimit"] * 2, ["ratelimit"] * 2),
        ("down 2", ["down"] * 2, ["down"] * 2),
        ("overload 1", ["overload", "ok"], []),
    ],
)
async def test_with_a_model_behind_it_two_attempts_are_made_without_one_three(
    build: Build, simulator: Simulator, fault: str, first: list[str], second: list[str]
) -> None:
    engine = await build(f"{V1},{V2}", simulator=simulator)
    reply = await engine.ask("a", f"你好 !{fault}")
    assert reply.model == (V2 if second else V1)
    outcomes = [name.partition(":")[::2] for name in sent(simulator)]
    got = {p: [o for platform, o in outcomes if platform == p] for p in ("qianfan", "qianfan-v2")}
    assert len(got["qianfan"]) == len(first)
    assert len(got["qianfan-v2"]) == (len(second) + 1 if second else 0)
    assert outcomes[-1][1] == "ok"


async def test_one_who_was_silent_is_not_asked_twice(build: Build, simulator: Simulator) -> None:
    engine = await build(
        f"{V1},two/any", [model("two", ["hello"])], simulator=simulator, QIANFAN_TIMEOUT="0.2"
    )
    assert (await engine.ask("a", "你好 !timeout 9")).text == "hello"
    assert sent(simulator) == ["qianfan:timeout"]


async def test_a_limit_is_not_waited_for_long(build: Build, simulator: Simulator) -> None:
    rates = RateLimiter()
    rates.preset(V1, [Quota("requests", 1, 60)])
    engine = await build(f"{V1},two/any", [model("two", ["hello"])], simulator=simulator, limiter=rates)
    await engine.ask("a", "你好")
    async with asyncio.timeout(5):
        assert (await engine.ask("a", "还在吗")).model == "two/any"
    assert sent(simulator) == ["qianfan:ok"]


@pytest.mark.usefixtures("_at_once")
async def test_a_platform_out_of_reach_is_replaced(build: Build, simulator: Simulator) -> None:
    engine = await build(
        f"{V1},{V2}", simulator=simulator, QIANFAN_BASE_URL="http://127.0.0.1:9", QIANFAN_CONNECT_TIMEOUT="1"
    )
    session = engine.session("a")
    events = await collect(session.say("我叫小明"))
    assert [values["reason"] for _, values in notices(events)] == ["network"]
    assert "小明" in (await session.ask("我叫什么名字?")).text


# ---------------------------------------------------------------- the circuit breaker


def at(engine: ChatEngine, seconds: float) -> None:
    """Sets the clock of the engine's circuit breakers."""
    engine.platforms.circuits._clock = lambda: seconds  # pyright: ignore[reportPrivateUsage]


async def test_a_platform_that_fails_all_the_time_is_passed_over_until_a_probe_succeeds(build: Build) -> None:
    broken = True
    one = model("one", lambda r: failing() if broken else "back")
    two = model("two", lambda r: "hello")
    engine = await build("one/any,two/any", [one, two])
    session = engine.session("a")
    at(engine, 1000)
    for _ in range(FAILURES):
        assert [code for code, _ in notices(await collect(session.say("hi")))] == ["fallback"]
    events = await collect(session.say("hi"))
    assert notices(events) == [("circuit_open", {"from": "one/any", "to": "two/any", "provider": "one"})]
    assert len(one.requests) == FAILURES
    assert [(h.provider, h.state, h.failures) for h in engine.health()] == [
        ("one", "open", FAILURES),
        ("two", "closed", 0),
    ]
    at(engine, 1000 + PAUSE)
    broken = False
    assert (await session.ask("hi")).model == "one/any"
    assert [h.state for h in engine.health()] == ["closed", "closed"]
    assert notices(await collect(session.say("hi"))) == []


async def test_the_only_model_is_asked_however_often_it_failed(build: Build) -> None:
    one = model("one", lambda r: failing() if len(one.requests) <= 5 else "back")
    engine = await build("one/any", [one])
    for _ in range(5):
        with pytest.raises(TurnError):
            await engine.ask("a", "hi")
    assert (await engine.ask("a", "hi")).text == "back"
    assert len(one.requests) == 6


async def test_when_all_fail_the_last_one_is_asked_all_the_same(build: Build) -> None:
    one, two = model("one", lambda r: failing()), model("two", lambda r: failing())
    engine = await build("one/any,two/any", [one, two])
    for _ in range(FAILURES + 2):
        with pytest.raises(TurnError):
            await engine.ask("a", "hi")
    assert (len(one.requests), len(two.requests)) == (FAILURES, FAILURES + 2)


async def test_other_processes_can_read_what_is_open(build: Build) -> None:
    one, two = model("one", [failing()] * 3 + ["back"]), model("two", lambda r: "hello")
    engine = await build("one/any,two/any", [one, two])
    at(engine, 1000)
    for _ in range(2):
        await engine.ask("a", "hi")
    assert await engine.store.get_state(STATE) is None
    await engine.ask("a", "hi")
    await asyncio.gather(*engine.platforms._keeping)  # pyright: ignore[reportPrivateUsage]
    kept = await engine.store.get_state(STATE)
    assert load(kept) == [engine.health()[0]]
    assert load(kept)[0].state == "open"
    at(engine, 1000 + PAUSE)
    await engine.ask("a", "hi")
    await asyncio.gather(*engine.platforms._keeping)  # pyright: ignore[reportPrivateUsage]
    assert [h.state for h in load(await engine.store.get_state(STATE))] == ["closed"]


async def test_what_was_flagged_is_tried_alone_by_the_same_model_only(build: Build) -> None:
    """Another platform's yes says nothing of what the first one flags, and must not erase the history."""
    one = model("one", ["fine", Flagged("input", None), failing()])
    two = model("two")
    engine = await build("one/any,two/any", [one, two], DUIHUA_MODERATION="drop_turn")
    await engine.ask("a", "first")
    with pytest.raises(TurnError) as caught:
        await engine.ask("a", "second")
    assert caught.value.code == "provider.overloaded"
    assert two.requests == []
    assert "fine" in [turn.text for turn in await engine.session("a").history()]


async def test_a_consented_call_runs_whoever_answers_then(build: Build) -> None:
    @skill(effect="write", confirm=lambda arguments: True)
    def pay() -> str:
        """Pays."""
        return "paid 5"

    one = model("one", [CallDelta(0, name="pay", arguments="{}")])
    two = model("two", ["done"], replace(STRICT, functions="none"))
    engine = await build("one/any", [one, two], skills=[pay])
    session = engine.session("a")
    events = await collect(session.say("pay"))
    (call,) = [e.call for e in events if isinstance(e, ApprovalRequested)]
    await session.configure(model="two/any")
    events = await collect(session.events(await session.decide(call, True)))
    assert [e.result for e in events if isinstance(e, SkillFinished)] == ["paid 5"]
    assert events[-1].text == "done"


async def test_a_client_that_never_knows_its_model_is_not_asked_for_ever(build: Build) -> None:
    one = model("one", lambda r: failing("bad_request", 400))
    one.dialect = lambda model: replace(STRICT, name=f"one/{len(one.requests)}")  # type: ignore[method-assign]
    engine = await build("one/any", [one])
    with pytest.raises(TurnError) as caught:
        await engine.ask("a", "hi")
    assert caught.value.code == "provider.bad_request"
    assert len(one.requests) == 1 + LESSONS


async def test_what_the_next_ones_client_learnt_counts_from_the_next_turn_on(build: Build) -> None:
    one, two = model("one", lambda r: failing()), model("two", lambda r: "hello")
    engine = await build("one/any,two/any", [one, two])
    await engine.ask("a", "hi")
    learnt = replace(STRICT, name="two/any", functions="text")
    two.dialect = lambda model: learnt  # type: ignore[method-assign]
    brief = engine.briefs.of({})
    assert brief.others[0].dialect.functions == "text"
