"""What an engine can do beyond chat: who is asked, with what, and who could."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from duihua import (
    ChatEngine,
    InvalidOptions,
    NoSuchAbility,
    NotFound,
    ProviderError,
    Settings,
    Text,
    UnsupportedInput,
    image,
)
from duihua import abilities as protocols
from duihua.abilities import METHODS, Completion, Drawing, Job, Picture, Task, can
from duihua.contexts import fitted
from duihua.options import ModelOptions
from duihua.ports import Limits, Store
from duihua.providers import registry
from duihua.simulator import Simulator
from duihua_storage import open_store
from tests.able_platforms import PNG, Doer, Talker, use

Open = Callable[..., Any]
PROTOCOLS = {
    "complete": protocols.Completes,
    "start": protocols.Starts,
    "start_drawing": protocols.StartsDrawings,
    "moderate": protocols.Moderates,
    "embed": protocols.Embeds,
    "draw": protocols.Draws,
    "transcribe": protocols.Transcribes,
    "count_tokens": protocols.CountsTokens,
    "list_models": protocols.ListsModels,
    "measure": protocols.Measures,
}


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Open]:
    """`await start(provider, ...)` -> an engine whose own platform is the first, over the test's database."""
    async with AsyncExitStack() as stack:

        async def build(*providers: Talker, model: str = "", **settings: Any) -> ChatEngine:
            engine = ChatEngine(
                model or f"{providers[0].name}/thinker",
                skills=(),
                settings=Settings.load(None, database_url=database_url, lang="en", **settings),
                store=open_store(database_url, upgrade=True),
                provider={provider.name: provider for provider in providers},
            )
            return await stack.enter_async_context(engine)

        yield build


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite: what is asked of the database here is tried on both kinds in tests/storage."""
    return f"sqlite+aiosqlite:///{tmp_path}/duihua.db"


# ---------------------------------------------------------------- who can


@pytest.mark.parametrize("ability", METHODS)
def test_an_ability_is_the_methods_of_its_protocol(ability: protocols.Ability) -> None:
    members = {name for name in vars(PROTOCOLS[ability]) if not name.startswith("_")}
    assert members == set(METHODS[ability])
    assert can(Doer, ability)
    assert can(Doer(), ability)
    assert not can(Talker, ability)
    assert isinstance(Doer(), PROTOCOLS[ability])


async def test_every_platform_names_the_class_of_its_client() -> None:
    async with Simulator() as simulator:
        settings = Settings.load(None).replaced(simulator.settings())
    for name, platform in registry.PLATFORMS.items():
        client = registry.create(name, settings)
        assert type(client) is platform.client, f"{name}: Platform(..., client={type(client).__name__})"
        await client.aclose()


async def test_the_engines_own_platform_comes_first(start: Open) -> None:
    own, other = Doer(), Doer()
    other.name = "other"
    engine = await start(own, other)
    assert (await engine.complete("Once")).text == "Once ..."
    assert (own.calls, other.calls) == ([("complete", "writer", "Once", {})], [])


async def test_a_platform_that_can_is_found_behind_one_that_cannot(start: Open) -> None:
    own, other = Talker(), Doer()
    engine = await start(own, other)
    found = await engine.embed(["a", "bcd"])
    assert found.vectors == ((1.0, 0.5), (3.0, 0.5))
    assert other.calls == [("embed", "embedder", ["a", "bcd"], False)]


async def test_a_platform_with_a_key_is_made_when_it_is_needed(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = use(monkeypatch, Doer)
    engine = await start(Talker(), zhipu_api_key="x.y")
    assert made == {}
    await engine.moderate("hello")
    assert made["doer"].calls == [("moderate", "", "hello")]
    await engine.aclose()
    assert made["doer"].closed


async def test_a_named_model_decides(start: Open) -> None:
    own, other = Doer(), Doer()
    other.name = "other"
    engine = await start(own, other)
    await engine.draw("a cat", model="other/brush", n=2, size="512x512", options={"style": "oil"})
    assert own.calls == []
    assert other.calls == [("draw", "brush", "a cat", {"style": "oil", "n": 2, "size": "512x512"})]


async def test_who_could_is_named_when_nobody_can(start: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Doer)
    engine = await start(Talker())
    with pytest.raises(NoSuchAbility, match=r"doer \(set ZHIPU_API_KEY\)") as raised:
        await engine.transcribe(b"...")
    assert raised.value.could["doer"] == ("ZHIPU_API_KEY",)
    assert "talker" not in raised.value.could


async def test_who_could_is_named_when_the_named_one_cannot(start: Open) -> None:
    engine = await start(Talker(), Doer())
    with pytest.raises(NoSuchAbility, match=r"talker cannot draw; these can: .*doer") as raised:
        await engine.draw("a cat", model="talker/any")
    assert raised.value.platform == "talker"


async def test_a_platform_without_a_usual_model_wants_one_named(start: Open) -> None:
    bare = Doer()
    bare.usual = {}  # type: ignore[misc]
    engine = await start(bare)
    with pytest.raises(NoSuchAbility, match=r"doer \(name a model: doer/MODEL\)"):
        await engine.embed("a")
    assert (await engine.complete("a")).model == "thinker"  # a chat model goes on with texts


async def test_a_closed_engine_does_nothing(start: Open) -> None:
    doer = Doer()
    engine = await start(doer)
    await engine.aclose()
    for use_it in (engine.complete("a"), engine.count_tokens("a"), engine.tasks(), engine.result(1)):
        with pytest.raises(Exception, match="engine is closed"):
            await use_it
    assert doer.calls == []


# ---------------------------------------------------------------- what is asked


async def test_all_the_rest_is_handed_through(start: Open) -> None:
    doer = Doer()
    engine = await start(doer)
    assert (await engine.moderate("bad")).labels == ("politics",)
    assert (await engine.embed("one", query=True)).vectors == ((3.0, 0.5),)
    assert (await engine.transcribe(b"RIFF", name="a.mp3", mime="audio/mpeg", language="zh")).seconds == 1.5
    assert (await engine.draw("a cat")).pictures[0].data == PNG
    assert doer.calls == [
        ("moderate", "", "bad"),
        ("embed", "embedder", ["one"], True),
        ("transcribe", "listener", b"RIFF", "a.mp3", "audio/mpeg", "zh"),
        ("draw", "painter", "a cat", {}),
    ]


async def test_half_a_character_does_not_reach_a_platform(start: Open) -> None:
    doer = Doer()
    engine = await start(doer)
    await engine.complete("a\ud83d")
    await engine.embed(["\ud83d"])
    assert doer.calls == [("complete", "writer", "a\ufffd", {}), ("embed", "embedder", ["\ufffd"], False)]


async def test_a_count_is_exact_only_if_the_platform_has_counted(start: Open) -> None:
    engine = await start(Doer(), Talker())
    assert await engine.count_tokens("你好") == protocols.Count(42, True, "doer/thinker")
    guess = await engine.count_tokens("你好", model="talker/any")
    assert (guess.exact, guess.model) == (False, "talker/any")
    assert 0 < guess.tokens < 42


@pytest.mark.parametrize(("category", "guessed"), [("not_found", True), ("auth", False), ("network", False)])
async def test_a_model_that_cannot_be_counted_is_estimated_a_failure_told(
    start: Open, category: Any, guessed: bool
) -> None:
    doer = Doer()
    doer.fails = ProviderError("no", category=category)
    engine = await start(doer)
    if guessed:
        assert not (await engine.count_tokens("你好")).exact
    else:
        with pytest.raises(ProviderError):
            await engine.count_tokens("你好")


async def test_models_are_those_known_and_live_those_listed(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = use(monkeypatch, Doer, known=False)
    engine = await start(Talker(), zhipu_api_key="x.y")
    assert [info.name for info in await engine.models()] == ["doer/thinker", "doer/painter"]
    assert made == {}
    live = {info.name: info for info in await engine.models(live=True)}
    assert live["doer/thinker"].hard.tokens == 64_000
    assert live["doer/thinker"].abilities == {"chat", "thinking"}
    assert live["doer/painter"].hard.tokens == 6_000
    assert live["doer/newcomer@ascend"].chip == "ascend"
    assert live["doer/newcomer@nvidia"].hard.tokens == 9_000
    with pytest.raises(NoSuchAbility):
        await engine.models("talker", live=True)


# ---------------------------------------------------------------- tasks

ANSWER = Completion("the answer", "stop", protocols.Usage(1, 2), "thinker-plus", "r-1")


async def test_a_task_runs_until_its_platform_is_done(start: Open) -> None:
    doer = Doer()
    doer.jobs = [Job("v-1", "running"), Job("v-1", "done", "thinker-max", ANSWER)]
    engine = await start(doer)
    task: Task = await engine.start("think", system="deep", options=ModelOptions())
    assert (task.state, task.model, task.echoed) == ("running", "doer/thinker", "thinker-plus")
    assert [orjson.loads(m)["content"] for m in doer.requests[0].packed.messages] == ["deep", "think"]
    assert (await engine.result(task)).state == "running"
    done = await engine.result(task.id)
    assert (done.state, done.echoed, done.completion) == ("done", "thinker-max", ANSWER)
    assert done.ended >= done.created > 0


async def test_a_result_is_asked_for_once(start: Open) -> None:
    doer = Doer()
    doer.jobs = [Job("v-1", "done", completion=ANSWER)]
    engine = await start(doer)
    task = await engine.start("think")
    assert await engine.result(task) == await engine.result(task)
    assert doer.calls.count(("job", "v-1")) == 1


async def test_waiting_asks_until_it_has_ended(start: Open) -> None:
    doer = Doer()
    doer.jobs = [Job("v-1", "running"), Job("v-1", "running"), Job("v-1", "done", completion=ANSWER)]
    engine = await start(doer)
    done = await engine.result(await engine.start("think"), wait=True, every=0)
    assert done.completion == ANSWER
    assert doer.calls.count(("job", "v-1")) == 3


async def test_waiting_ends_when_a_turn_would(start: Open) -> None:
    doer = Doer()
    doer.jobs = [Job("v-1", "running")]
    engine = await start(doer, turn_timeout=1)
    assert (await engine.result(await engine.start("think"), wait=True, every=1)).state == "running"
    assert doer.calls.count(("job", "v-1")) == 1


async def test_a_task_goes_on_after_a_restart(start: Open) -> None:
    first, second = Doer(), Doer()
    drawn = Drawing((Picture(PNG, "", "image/png"), Picture(url="https://x/y.png")), ("one failed",))
    second.jobs = [Job("v-2", "done", drawing=drawn)]
    engine = await start(first)
    task = await engine.start_drawing("a cat", n=2)
    assert first.calls == [("start_drawing", "painter", "a cat", {"n": 2})]
    await engine.aclose()
    engine = await start(second)
    assert [t.id for t in await engine.tasks()] == [task.id]
    assert (await engine.result(task.id, wait=True)).drawing == drawn
    assert second.calls == [("job", "v-2")]


@pytest.mark.parametrize(
    ("category", "state"),
    [("auth", "failed"), ("rate_limited", "failed"), ("network", "unknown"), ("server", "unknown")],
)
async def test_a_start_that_fails_is_told_and_kept(start: Open, category: Any, state: str) -> None:
    doer = Doer()
    doer.fails = ProviderError("no", provider="doer", category=category, vendor_code="7", reported=True)
    engine = await start(doer)
    with pytest.raises(ProviderError):
        await engine.start("think")
    [task] = await engine.tasks()
    assert task.state == state
    assert (task.error.category, task.error.vendor_code, task.error.reported) == (category, "7", True)
    assert task.error.retryable is doer.fails.retryable


async def test_a_task_that_was_cut_in_its_start_is_unknown_afterwards(start: Open) -> None:
    """As after a crash: the row is there, and nobody knows what the platform did."""
    doer = Doer()
    engine = await start(doer)
    await engine.store.new_task("main", 0, "chat", "doer", "thinker")
    [task] = await engine.tasks()
    assert task.state == "unknown"
    assert (await engine.result(task, wait=True)).state == "unknown"
    assert doer.calls == []


async def test_a_caller_who_leaves_does_not_lose_the_task(start: Open) -> None:
    doer = Doer()
    engine = await start(doer)
    doer.accepted.clear()
    starting = asyncio.create_task(engine.start("think"))
    await doer.asked.wait()
    assert [t.state for t in await engine.tasks()] == ["starting"]
    starting.cancel()
    await asyncio.sleep(0)
    doer.accepted.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert [t.state for t in await engine.tasks()] == ["running"]


async def test_a_caller_who_leaves_does_not_wait_for_ever(
    start: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.tasking.GRACE", 0)
    doer = Doer()
    engine = await start(doer)
    doer.accepted.clear()
    starting = asyncio.create_task(engine.start("think"))
    await doer.asked.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert [t.state for t in await engine.tasks()] == ["unknown"]


async def test_a_task_that_fails_says_why(start: Open) -> None:
    doer = Doer()
    doer.jobs = [Job("v-1", "failed", error=ProviderError("flagged", category="moderation_output"))]
    engine = await start(doer)
    failed = await engine.result(await engine.start("think"))
    assert (failed.state, failed.error.category) == ("failed", "moderation_output")
    doer.jobs = [Job("v-1", "failed")]
    failed = await engine.result(await engine.start("think"))
    assert "no reason" in failed.error.message


async def test_a_platform_that_does_not_tell_leaves_the_task_as_it_is(start: Open) -> None:
    doer = Doer()
    engine = await start(doer)
    task = await engine.start("think")
    doer.fails = ProviderError("gone", category="not_found")
    with pytest.raises(ProviderError):
        await engine.result(task)
    assert [t.state for t in await engine.tasks()] == ["running"]


@pytest.mark.parametrize("category", ["moderation_output", "not_found"])
async def test_a_platform_that_will_never_tell_ends_the_task(start: Open, category: Any) -> None:
    doer = Doer()
    engine = await start(doer)
    task = await engine.start("think")
    doer.fails = ProviderError("held back", category=category, reported=True)
    ended = await engine.result(task)
    assert (ended.state, ended.error.category) == ("failed", category)
    assert [t.state for t in await engine.tasks()] == ["failed"]


async def test_tasks_are_forgotten_alone_and_with_their_owner(start: Open) -> None:
    engine = await start(Doer())
    await engine.ask("a", "hello")
    user = await engine.store.user("main", "embed", "a")
    alone, owned = await engine.start("x"), await engine.start("y", owner=user)
    assert await engine.forget_task(alone)
    assert not await engine.forget_task(alone)
    with pytest.raises(NotFound):
        await engine.result(alone)
    await engine.forget_user("embed", "a")
    assert await engine.tasks() == []
    assert owned.state == "running"


async def test_a_task_may_hold_an_image(start: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    doer = Doer()
    engine = await start(doer)
    with pytest.raises(UnsupportedInput):
        await engine.start([image(PNG), Text("what is it?")])
    blind = Doer.dialect
    monkeypatch.setattr(Doer, "dialect", lambda self, model: replace(blind(self, model), images="url"))
    engine = await start(doer)
    await engine.start([image(PNG), Text("what is it?")])
    [message] = doer.requests[0].packed.messages
    assert orjson.loads(message)["content"][0]["type"] == "image_url"


async def test_a_task_is_checked_like_a_turn(start: Open) -> None:
    doer = Doer()
    engine = await start(doer)
    with pytest.raises(InvalidOptions):
        await engine.start("x", options=ModelOptions(temperature=0.5))
    with pytest.raises(Exception, match="too long"):
        await engine.start("字" * 20_000)
    assert await engine.tasks() == []


# ---------------------------------------------------------------- context lengths


async def kept(store: Store, name: str = "doer/thinker") -> Any:
    return orjson.loads(await store.get_state(f"context/{name}") or b"null")


async def measured(engine: ChatEngine) -> None:
    """When turns are over and nothing is being found out."""
    await asyncio.gather(*(lane.task for lane in engine.lanes._lanes.values() if lane.task))
    await asyncio.gather(*engine.contexts.tasks)


def limits(engine: ChatEngine) -> tuple[int | None, int | None]:
    dialect = engine.resolve("doer/thinker")[2]
    return dialect.soft.tokens, dialect.hard.tokens


async def test_a_measured_context_is_what_pack_uses_and_is_kept(start: Open) -> None:
    engine = await start(Doer())
    assert limits(engine) == (5_000, 6_000)
    await engine.ask("a", "hello")
    await measured(engine)
    assert limits(engine) == (87_500, 100_000)
    assert (await engine.session("a").context("more")).limit == 87_500
    stored = await kept(engine.store)
    assert stored["tokens"] == 100_000
    assert abs(stored["at"] - time.time() * 1000) < 60_000
    long = "字" * 20_000  # refused by the documented limits
    assert (await engine.ask("a", long)).text == "hello"


async def test_no_turn_waits_for_a_measurement(start: Open) -> None:
    doer = Doer()
    doer.accepted.clear()
    engine = await start(doer)
    for _ in range(2):
        assert (await engine.ask("a", "hello")).text == "hello"
    await asyncio.wait_for(doer.measuring.wait(), 5)  # it begins when the turn has ended
    assert doer.calls.count(("context_length", "thinker")) == 1
    assert limits(engine) == (5_000, 6_000)
    await engine.aclose()  # nor does the end


async def put(start: Open, doer: Doer, tokens: int | None, age: float) -> ChatEngine:
    engine = await start(doer)
    value = {"tokens": tokens, "at": int((time.time() - age) * 1000)}
    await engine.store.put_state("context/doer/thinker", orjson.dumps(value))
    await engine.aclose()
    return cast(ChatEngine, await start(doer))


async def test_what_is_known_holds_from_the_start_and_for_a_day(start: Open) -> None:
    doer = Doer()
    engine = await put(start, doer, 50_000, 80_000)
    assert limits(engine) == (43_750, 50_000)
    await engine.ask("a", "hello")
    await measured(engine)
    assert ("context_length", "thinker") not in doer.calls


async def test_what_is_older_than_a_day_is_asked_anew_once(start: Open) -> None:
    doer = Doer()
    engine = await put(start, doer, 50_000, 90_000)
    assert limits(engine) == (43_750, 50_000)
    for _ in range(2):
        await engine.ask("a", "hello")
        await measured(engine)
    assert doer.calls.count(("context_length", "thinker")) == 1
    assert limits(engine) == (87_500, 100_000)


async def test_a_platform_that_does_not_tell_is_asked_once_a_day_too(start: Open) -> None:
    doer = Doer()
    doer.context = None
    engine = await start(doer)
    await engine.ask("a", "hello")
    await measured(engine)
    assert (await kept(engine.store))["tokens"] is None
    await engine.aclose()
    engine = await start(doer)
    await engine.ask("a", "hello")
    await measured(engine)
    assert doer.calls.count(("context_length", "thinker")) == 1


async def test_a_failing_measurement_is_no_trouble(start: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "duihua")
    doer = Doer()
    doer.fails = ProviderError("down", category="server")
    engine = await start(doer)
    for _ in range(2):
        assert (await engine.ask("a", "hello")).text == "hello"
        await measured(engine)
    assert doer.calls.count(("context_length", "thinker")) == 1
    assert limits(engine) == (5_000, 6_000)
    told = [record for record in caplog.records if "context length" in record.getMessage()]
    assert {record.levelname for record in told} == {"INFO"}


class Lister(Talker):
    """A platform that tells lengths only in its list."""

    name = "lister"
    list_models = Doer.list_models
    _note = Doer._note
    fails = None


async def test_a_list_of_models_will_do(start: Open) -> None:
    engine = await start(Lister())
    await engine.ask("a", "hello")
    await measured(engine)
    assert engine.resolve("lister/thinker")[2].hard.tokens == 64_000


async def test_models_that_are_not_used_are_not_asked_about(start: Open) -> None:
    own, other = Talker(), Doer()
    engine = await start(own, other)
    await engine.ask("a", "hello")
    await measured(engine)
    assert other.calls == []
    session = engine.session("b")
    await session.configure(model="doer/writer")
    await session.ask("hello")
    await measured(engine)
    assert other.calls == [("context_length", "writer")]


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b'{"tokens": "9", "at": 1}', b'{"tokens": 9}'])
async def test_a_damaged_record_counts_for_nothing(start: Open, stored: bytes) -> None:
    engine = await start(Doer())
    await engine.store.put_state("context/doer/thinker", stored)
    await engine.aclose()
    assert limits(await start(Doer())) == (5_000, 6_000)


@pytest.mark.parametrize("told", [1, -5, 1 << 40, True])
async def test_a_length_that_cannot_be_is_not_believed(start: Open, told: int) -> None:
    doer = Doer()
    doer.context = told
    engine = await start(doer)
    await engine.ask("a", "hello")
    await measured(engine)
    assert limits(engine) == (5_000, 6_000)


@pytest.mark.parametrize(
    ("context", "soft"), [(600, 300), (2_048, 1_024), (8_192, 7_168), (131_072, 114_688)]
)
def test_a_part_of_the_context_is_left_for_the_answer(context: int, soft: int) -> None:
    dialect = fitted(Talker().dialect("any"), context)
    assert (dialect.soft, dialect.hard) == (Limits(None, soft), Limits(None, context))
