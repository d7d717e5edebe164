"""A turn that was cut goes on: leases, take-over, other processes (here: other engines on one database)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from duihua import skill
from duihua.events import SkillFinished, TurnFinished
from duihua.messages import Address, Call, Step, Text, Usage, call_id
from duihua.ports import Fence, Input, Outcome, Store
from duihua.skills.contract import Context
from duihua_storage import open_store
from tests.engine.conftest import Make, collect, kinds

HERE = Address("embed", "a")


async def cut(url: str, *calls: Call, states: tuple[str, ...] = ()) -> Fence:
    """A turn that another process began, journaled and left, with a lease that has run out."""
    store: Store = open_store(url, upgrade=True)
    await store.open()
    accepted = await store.accept(
        Input("t", "1", HERE, parts=(Text("go"),)), token="elsewhere:1:x/1", lease=1
    )
    assert accepted.work is not None
    fence = accepted.work.fence
    if calls:
        numbered = tuple(
            Call(call_id(fence.ref, 0, i), c.name, c.arguments, c.state, c.result, c.effect)
            for i, c in enumerate(calls)
        )
        await store.step(fence, 0, Step((), numbered), usage=Usage())
        for c, state in zip(numbered, states, strict=False):
            await store.call(fence, c.id, state, "stored" if state == "done" else "")  # type: ignore[arg-type]
    await store.aclose()
    return fence


async def finish(session: Any) -> list[Any]:
    tickets = await session.waiting()
    return await collect(session.events(tickets[0]))


async def test_a_cut_turn_is_answered_by_the_next_engine(make: Make, database_url: str) -> None:
    await cut(database_url)
    engine, _ = await make(["hello again"])
    events = await finish(engine.session("a"))
    assert events[-1].attempt == 2
    assert events[-1].text == "hello again"


async def test_stored_results_are_not_made_again(make: Make, database_url: str) -> None:
    ran: list[str] = []

    @skill(effect="read")
    def look(context: Context) -> str:
        """Looks."""
        ran.append(context.idempotency_key)
        return "fresh"

    await cut(
        database_url,
        Call("", "look", "{}", effect="read"),
        Call("", "look", "{}", effect="read"),
        states=("done",),
    )
    engine, model = await make(["ok"], skills=[look])
    assert (await finish(engine.session("a")))[-1].text == "ok"
    assert len(ran) == 1
    assert "stored" in str(model.sent[0][2])
    assert "fresh" in str(model.sent[0][4])


async def test_a_write_that_may_have_run_is_unknown(make: Make, database_url: str) -> None:
    ran: list[str] = []

    @skill(effect="write")
    def pay(context: Context) -> str:
        """Pays."""
        ran.append(context.idempotency_key)
        return "paid"

    await cut(database_url, Call("", "pay", "{}", effect="write"), states=("running",))
    engine, model = await make(["let me check"], skills=[pay])
    events = await finish(engine.session("a"))
    assert [e.state for e in events if isinstance(e, SkillFinished)] == ["unknown"]
    assert "notice" in kinds(events)
    assert not ran
    assert [m["role"] for m in model.sent[0]] == ["user", "assistant", "function"]


async def test_a_write_that_had_not_begun_runs(make: Make, database_url: str) -> None:
    ran: list[str] = []

    @skill(effect="write")
    def pay(context: Context) -> str:
        """Pays."""
        ran.append(context.idempotency_key)
        return "paid"

    await cut(database_url, Call("", "pay", "{}", effect="write"))
    engine, _ = await make(["done"], skills=[pay])
    await finish(engine.session("a"))
    assert len(ran) == 1


async def test_a_call_of_a_skill_that_was_unknown_then_is_judged_by_the_one_there_is(
    make: Make, database_url: str
) -> None:
    ran: list[str] = []

    @skill(effect="write", confirm=True)
    def pay(context: Context) -> str:
        """Pays."""
        ran.append(context.idempotency_key)
        return "paid"

    await cut(database_url, Call("", "pay", "{}", effect="read"))
    engine, _ = await make(["done"], skills=[pay])
    session = engine.session("a")
    assert (await finish(session))[-1].finish == "approval"
    [waiting] = await session.held()
    assert (waiting.call.effect, ran) == ("write", [])
    await collect(session.events(await session.decide(waiting.call.id, True)))
    assert ran == [waiting.call.id]


async def test_a_turn_that_is_cut_again_and_again_is_given_up(make: Make, database_url: str) -> None:
    await cut(database_url)
    for number in (2, 3):
        store = open_store(database_url)
        await store.open()
        info = await store.session(HERE)
        assert info is not None
        assert await store.claim(info.id, f"elsewhere:1:x/{number}", lease=1)
        await store.aclose()
    engine, model = await make()
    end = (await finish(engine.session("a")))[-1]
    assert end.error == "attempts"
    assert not model.requests


async def test_a_superseded_turn_writes_nothing_and_its_reader_gets_the_others_answer(
    make: Make, database_url: str
) -> None:
    gate = asyncio.Event()
    engine, _ = await make([[gate, "mine"]])
    session = engine.session("a")
    events = session.say("go")
    await anext(events)
    other = open_store(database_url)
    await other.open()
    info = await other.session(HERE)
    assert info is not None
    for _, token in await other.leases():
        await other.release(info.id, token)
    work = await other.claim(info.id, "elsewhere:1:x/9", lease=60_000)
    assert work is not None
    gate.set()
    done = Outcome("done", "stop", 0, Step((Text("theirs"),)))
    await other.finish(work.fence, done, lease=60_000)
    await other.aclose()
    end = (await collect(events))[-1]
    assert isinstance(end, TurnFinished)
    assert end.text == "theirs"
    assert [t.text for t in await session.history()] == ["theirs"]


async def test_two_engines_talk_in_one_session(make: Make) -> None:
    gate = asyncio.Event()
    first, model = await make([[gate, "one"], "two"])
    second, idle = await make()
    ticket = await first.session("a").submit("first")
    waiting = await second.session("a").submit("second")
    gate.set()
    assert (await collect(second.session("a").events(waiting)))[-1].text == "two"
    assert (await collect(first.session("a").events(ticket)))[-1].text == "one"
    assert not idle.requests
    assert [m["content"] for m in model.sent[1]] == ["first", "one", "second"]


async def test_a_turn_of_another_engine_can_be_stopped(make: Make) -> None:
    first, _ = await make([["Hel", asyncio.Event()]], lease=1)
    second, _ = await make([])
    events = first.session("a").say("go")
    while (await anext(events)).kind != "text_delta":
        pass
    assert await second.session("a").stop()
    assert (await collect(events))[-1].finish == "stopped"


async def test_closing_hands_running_turns_over(make: Make) -> None:
    first, _ = await make([["Hel", asyncio.Event()]], shutdown_timeout=0)
    ticket = await first.session("a").submit("go")
    said = aiter(first.session("a").events(ticket))
    while (await anext(said)).kind != "text_delta":
        pass
    await first.aclose()
    second, _ = await make(["Hello"])
    end = (await collect(second.session("a").events(ticket)))[-1]
    assert end.text == "Hello"
    assert end.attempt == 2


async def test_leases_are_renewed_while_an_engine_closes(make: Make) -> None:
    """Or another process would take a turn over that is about to end."""
    gate, renewed = asyncio.Event(), asyncio.Event()
    engine, _ = await make([[gate, "Hello"]], lease=1, shutdown_timeout=30)
    ticket = await engine.session("a").submit("go")
    renew = engine.store.renew

    async def watched(*args: Any, **kw: Any) -> Any:
        held = await renew(*args, **kw)
        if engine.lanes._closing:
            renewed.set()
        return held

    engine.store.renew = watched
    closing = asyncio.create_task(engine.aclose())
    async with asyncio.timeout(10):
        await renewed.wait()
    gate.set()
    await closing
    other, _ = await make([])
    end = (await collect(other.session("a").events(ticket)))[-1]
    assert (end.text, end.attempt) == ("Hello", 1)


async def test_one_session_that_cannot_be_taken_up_holds_up_no_other(make: Make, database_url: str) -> None:
    await cut(database_url)
    engine, _ = await make(["hello again"])
    due, claim = engine.store.due, engine.store.claim

    async def with_a_broken_one() -> Any:
        return [-1, *await due()]

    async def breaking(session: int, *args: Any, **kw: Any) -> Any:
        if session == -1:
            raise ValueError("not what was written")
        return await claim(session, *args, **kw)

    engine.store.due, engine.store.claim = with_a_broken_one, breaking
    assert (await finish(engine.session("a")))[-1].text == "hello again"


async def test_an_end_that_is_stored_is_told_even_if_the_lane_is_cut(make: Make) -> None:
    engine, _ = await make(["Hello"], shutdown_timeout=0)
    stored, go_on = asyncio.Event(), asyncio.Event()
    inner = engine.store.finish

    async def slow(*args: Any, **kw: Any) -> Any:
        following = await inner(*args, **kw)
        stored.set()
        await go_on.wait()
        return following

    engine.store.finish = slow
    async with engine.subscribe() as events:
        ticket = await engine.session("a").submit("go")
        await stored.wait()
        abandoning = asyncio.create_task(engine.lanes.abandon(ticket.session))
        await asyncio.sleep(0)
        go_on.set()
        await abandoning
        async for event in events:
            if event.kind == "turn_finished":
                break


async def test_a_stop_that_comes_late_does_not_stop_the_next_turn(make: Make) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    engine, _ = await make([[gates[0], "1"], [gates[1], "2"]], lease=1)
    session, inner = engine.session("a"), engine.store.renew
    renewals = [asyncio.Event(), asyncio.Event()]
    waiting = iter(renewals)

    async def late(claims: Any, **kw: Any) -> Any:
        held = await inner(claims, **kw)
        event = next(waiting, None)
        if event is not None:
            event.set()
        if event is not renewals[0]:
            return held
        await gates[2].wait()
        return [replace(h, stop=True) for h in held]

    engine.store.renew = late
    tickets = [await session.submit("a"), await session.submit("b")]
    await renewals[0].wait()
    gates[0].set()
    assert (await collect(session.events(tickets[0])))[-1].text == "1"
    second = session.events(tickets[1])
    await anext(second)
    gates[2].set()
    await renewals[1].wait()
    gates[1].set()
    assert (await collect(second))[-1].text == "2"
