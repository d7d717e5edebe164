"""Skills within a turn: journal, results, consent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from duihua import AskUser, ChatEngine, NotFound, SkillError, skill
from duihua.events import ApprovalRequested, Notice, SkillFinished, SkillProgress
from duihua.messages import Address
from duihua.ports import CallDelta
from duihua.skills.contract import Context
from duihua.testing.scripted import STRICT
from tests.engine.conftest import Make, collect, kinds


def call(name: str, arguments: str = "{}", index: int = 0) -> CallDelta:
    return CallDelta(index, "", name, arguments)


@skill(effect="read")
def stock(product: str) -> int:
    """Pieces in stock."""
    return 12 if product == "tea" else 0


async def test_a_call_goes_to_the_skill_and_its_result_to_the_model(make: Make) -> None:
    engine, model = await make([call("stock", '{"product": "tea"}'), "12 pieces"], skills=[stock])
    events = await collect(engine.session("a").say("tea?"))
    assert kinds(events) == [
        "turn_started",
        "skill_started",
        "skill_finished",
        "text_delta",
        "turn_finished",
    ]
    assert model.requests[0].tools[0].name == "stock"
    assert [m["role"] for m in model.sent[1]] == ["user", "assistant", "function"]
    assert "12" in str(model.sent[1][2]["content"])


async def test_the_reply_names_its_calls(make: Make) -> None:
    engine, _ = await make([call("stock", '{"product": "tea"}'), "12"], skills=[stock])
    reply = await engine.ask("a", "tea?")
    assert [(c.name, c.state, c.result) for c in reply.calls] == [("stock", "done", "12")]
    assert reply.usage.input == 20


async def test_wrong_arguments_go_back_to_the_model(make: Make) -> None:
    engine, model = await make(
        [call("stock", '{"produkt": 1}'), call("stock", '{"product": "tea"}'), "12"], skills=[stock]
    )
    reply = await engine.ask("a", "tea?")
    assert [c.state for c in reply.calls] == ["failed", "done"]
    assert "product" in str(model.sent[1][2]["content"])


async def test_an_unknown_skill_gets_an_error_result(make: Make) -> None:
    engine, model = await make([call("stocks"), "sorry"], skills=[stock])
    assert (await engine.ask("a", "tea?")).text == "sorry"
    assert "stock" in str(model.sent[1][2]["content"])


async def test_a_failing_skill_costs_a_sentence(make: Make) -> None:
    @skill(effect="read")
    def broken() -> str:
        """Breaks."""
        raise ValueError("internal detail")

    @skill(effect="read")
    def refusing() -> str:
        """Refuses."""
        raise SkillError("closed on Sundays")

    engine, model = await make(
        [[call("broken"), call("refusing", index=1)], "sorry"], skills=[broken, refusing]
    )
    assert (await engine.ask("a", "go")).text == "sorry"
    sent = str(model.sent[1])
    assert "closed on Sundays" in sent
    assert "internal detail" not in sent


async def test_parallel_calls_run_side_by_side(make: Make) -> None:
    met = asyncio.Barrier(2)

    @skill(effect="read")
    async def meet(name: str) -> str:
        """Waits for the other."""
        await met.wait()
        return name

    engine, model = await make(
        [[call("meet", '{"name": "x"}'), call("meet", '{"name": "y"}', 1)], "done"], skills=[meet]
    )
    reply = await engine.ask("a", "go")
    assert [c.result for c in reply.calls] == ["x", "y"]
    assert [m["role"] for m in model.sent[1]] == ["user", "assistant", "function", "assistant", "function"]


async def test_a_skill_runs_after_its_call_is_journaled(make: Make) -> None:
    seen: list[tuple[str, str]] = []
    engines: list[ChatEngine] = []

    @skill(effect="write")
    async def note(context: Context) -> str:
        """Notes."""
        stored = await engines[0].store.stored_call(context.idempotency_key)
        assert stored is not None
        seen.append((stored.call.name, stored.call.state))
        return "noted"

    engine, _ = await make([call("note"), "ok"], skills=[note])
    engines.append(engine)
    await engine.ask("a", "go")
    assert seen == [("note", "running")]


async def test_the_last_step_is_asked_without_skills(make: Make) -> None:
    engine, model = await make(
        lambda r: call("stock", '{"product": "tea"}') if r.tools else "enough", skills=[stock], max_steps=3
    )
    assert (await engine.ask("a", "go")).text == "enough"
    assert [len(r.tools) for r in model.requests] == [1, 1, 0]


async def test_progress_reaches_readers(make: Make) -> None:
    @skill(effect="read")
    def slow(context: Context) -> str:
        """Reports."""
        context.progress("half way")
        return "done"

    engine, _ = await make([call("slow"), "ok"], skills=[slow])
    events = await collect(engine.session("a").say("go"))
    assert [e.text for e in events if isinstance(e, SkillProgress)] == ["half way"]


async def test_stopping_ends_a_running_skill(make: Make) -> None:
    started = asyncio.Event()

    @skill(effect="write", timeout=3600)
    async def hang() -> str:
        """Hangs."""
        started.set()
        await asyncio.Event().wait()
        return ""

    engine, model = await make([call("hang"), "next"], skills=[hang])
    session = engine.session("a")
    ticket = await session.submit("go")
    await started.wait()
    await session.stop()
    assert (await collect(session.events(ticket)))[-1].finish == "stopped"
    await session.ask("more")
    assert [m["role"] for m in model.sent[1]][:3] == ["user", "assistant", "function"]


# ---------------------------------------------------------------- consent


def pay(ran: list[str]) -> Any:
    @skill(effect="write", confirm=lambda arguments: arguments["amount"] > 10)
    def pay(amount: int, context: Context) -> str:
        """Pays."""
        ran.append(context.idempotency_key)
        return f"paid {amount}"

    return pay


async def held(make: Make, ran: list[str], *script: Any) -> tuple[Any, Any, str]:
    engine, model = await make([call("pay", '{"amount": 50}'), *script], skills=[pay(ran)])
    session = engine.session("a")
    events = await collect(session.say("pay 50"))
    assert events[-1].finish == "approval"
    asked = [e for e in events if isinstance(e, ApprovalRequested)]
    assert len(asked) == 1
    assert not ran
    return session, model, asked[0].call


async def test_a_call_without_need_of_consent_runs(make: Make) -> None:
    ran: list[str] = []
    engine, _ = await make([call("pay", '{"amount": 5}'), "ok"], skills=[pay(ran)])
    assert (await engine.ask("a", "pay 5")).finish == "stop"
    assert len(ran) == 1


async def test_an_approved_call_runs_once(make: Make) -> None:
    ran: list[str] = []
    session, model, name = await held(make, ran, "paid")
    assert [h.call.id for h in await session.held()] == [name]
    ticket = await session.decide(name, True)
    assert (await collect(session.events(ticket)))[-1].text == "paid"
    again = await session.decide(name, True)
    assert not again.new
    assert ran == [name]
    assert [m["role"] for m in model.sent[1]] == ["user", "assistant", "function"]
    assert "paid 50" in str(model.sent[1][2]["content"])
    assert await session.held() == []


async def test_a_refused_call_never_runs_and_the_model_knows(make: Make) -> None:
    ran: list[str] = []
    session, model, name = await held(make, ran, "as you wish")
    events = await collect(session.events(await session.decide(name, False)))
    assert events[-1].text == "as you wish"
    assert [e.state for e in events if isinstance(e, SkillFinished)] == ["refused"]
    assert not ran
    assert [m["role"] for m in model.sent[1]] == ["user", "assistant", "function"]


async def test_a_consent_holds_for_no_other_skill_of_the_name(make: Make) -> None:
    ran: list[str] = []
    session, _, name = await held(make, ran)

    @skill(name="pay", effect="write", confirm="always")
    def other(amount: int) -> str:
        """Pays."""
        ran.append("other")
        return "paid to somebody else"

    await session._place.home.aclose()
    engine, model = await make(["I ask anew"], skills=[other])
    session = engine.session("a")
    events = await collect(session.events(await session.decide(name, True)))
    assert [e.code for e in events if isinstance(e, Notice)] == ["another_skill"]
    assert "asked anew" in str(model.sent[0][2]["content"])
    assert not ran


async def test_a_consent_outlives_the_process_that_asked(make: Make) -> None:
    ran: list[str] = []
    session, _, name = await held(make, ran)
    await session._place.home.aclose()
    engine, _ = await make(["paid"], skills=[pay(ran)])
    session = engine.session("a")
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "paid"
    assert ran == [name]


async def test_the_lane_is_free_while_a_call_is_held(make: Make) -> None:
    ran: list[str] = []
    session, model, name = await held(make, ran, "the weather is fine", "paid after all")
    assert (await session.ask("weather?")).text == "the weather is fine"
    end = (await collect(session.events(await session.decide(name, True))))[-1]
    assert end.text == "paid after all"
    assert ran == [name]
    assert "paid 50" in str(model.sent[2])


async def test_only_a_call_of_this_session_can_be_decided(make: Make) -> None:
    ran: list[str] = []
    session, _, name = await held(make, ran)
    with pytest.raises(NotFound):
        await session.decide("1.99.0.0", True)
    other = session._place.home.session("b")
    with pytest.raises(NotFound):
        await other.decide(name, True)
    assert not ran


async def test_only_who_asked_can_decide(make: Make) -> None:
    ran: list[str] = []
    engine, _ = await make([call("pay", '{"amount": 50}')], skills=[pay(ran)])
    group = Address("group", "g")
    ann, bob = (engine.session(group, name=n, external=n) for n in ("ann", "bob"))
    events = await collect(ann.say("pay 50"))
    name = next(e.call for e in events if isinstance(e, ApprovalRequested))
    assert (await collect(bob.events(await bob.decide(name, True))))[-1].error == "not_asker"
    assert not ran


async def test_a_late_approval_is_a_refusal(make: Make) -> None:
    ran: list[str] = []
    engine, _ = await make(
        [call("pay", '{"amount": 50}'), "too late"], skills=[pay(ran)], approval_timeout=0.000_001
    )
    session = engine.session("a")
    events = await collect(session.say("pay 50"))
    name = next(e.call for e in events if isinstance(e, ApprovalRequested))
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "too late"
    assert not ran


async def test_a_skill_may_ask_before_it_acts(make: Make) -> None:
    @skill(effect="write")
    def careful(context: Context) -> str:
        """Asks first."""
        if not context.approved:
            raise AskUser("really?")
        return "did it"

    engine, model = await make([call("careful"), "done"], skills=[careful])
    session = engine.session("a")
    events = await collect(session.say("go"))
    name = next(e.call for e in events if isinstance(e, ApprovalRequested))
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "done"
    assert "did it" in str(model.sent[1])


# ---------------------------------------------------------------- limits and interruptions


async def test_a_write_that_was_stopped_midway_may_have_happened(make: Make) -> None:
    started = asyncio.Event()

    @skill(effect="write", timeout=3600)
    async def pay() -> str:
        """Pays."""
        started.set()
        await asyncio.Event().wait()
        return ""

    engine, model = await make([call("pay"), "next", "again"], skills=[pay])
    session = engine.session("a")
    ticket = await session.submit("go")
    await started.wait()
    await session.stop()
    await collect(session.events(ticket))
    await session.ask("more")
    engine.history.drop((await session.history())[0].ref)
    await session.ask("and more")
    for sent in model.sent[1:]:
        assert "may have taken effect" in str(sent[2])


async def test_no_skill_runs_when_the_last_step_asks_for_one_all_the_same(make: Make) -> None:
    ran: list[str] = []

    @skill(effect="write")
    def pay() -> str:
        """Pays."""
        ran.append("paid")
        return "paid"

    engine, _ = await make([call("pay"), call("pay")], skills=[pay], max_steps=2)
    assert (await collect(engine.session("a").say("go")))[-1].error == "no_steps"
    assert ran == ["paid"]
    engine, _ = await make([call("pay"), ["never mind", call("pay")]], skills=[pay], max_steps=2)
    assert (await engine.ask("b", "go")).text == "never mind"


async def test_a_model_that_asks_for_too_much_at_once_is_told_so(make: Make) -> None:
    many = [call("stock", '{"product": "tea"}', n) for n in range(20)]
    engine, model = await make([many, "ok"], skills=[stock])
    reply = await engine.ask("a", "go")
    assert [c.state for c in reply.calls] == ["done"] * 16 + ["failed"]
    assert "16" in str(model.sent[1][-1])


async def test_lines_of_text_calls_are_never_shown_even_in_the_last_step(make: Make) -> None:
    action = 'Let me see.\nAction: stock\nAction Input: {"product": "tea"}'
    engine, model = await make(
        [action, action], skills=[stock], dialect=replace(STRICT, functions="text"), max_steps=2
    )
    events = await collect(engine.session("a").say("tea?"))
    assert "Action" not in str(events)
    assert "Let me see." in events[-1].text
    assert "12" in str(model.sent[1])
