"""Consent at its edges: who decides, what was never asked, calls that share a step."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from duihua import AskUser, skill
from duihua.errors import NotFound
from duihua.events import ApprovalRequested, SkillFinished
from duihua.messages import Address, Text, TurnRef
from duihua.ports import CallDelta, Input, Limits, Rate
from duihua.session import Ticket
from duihua.skills.contract import Context
from duihua.testing.scripted import STRICT
from tests.engine.conftest import Make, collect


def ask(amount: int, index: int = 0) -> CallDelta:
    return CallDelta(index, "", "pay", f'{{"amount": {amount}}}')


def paying(ran: list[int]) -> Any:
    @skill(effect="write", confirm=lambda arguments: True)
    def pay(amount: int) -> str:
        """Pays."""
        ran.append(amount)
        return f"paid {amount}"

    return pay


def asked(events: list[Any]) -> list[str]:
    return [e.call for e in events if isinstance(e, ApprovalRequested)]


async def test_who_may_not_decide_does_not_use_up_the_decision(make: Make) -> None:
    ran: list[int] = []
    engine, _ = await make([ask(50), "paid"], skills=[paying(ran)])
    group = Address("group", "g")
    ann, bob = (engine.session(group, name=n, external=n) for n in ("ann", "bob"))
    [name] = asked(await collect(ann.say("pay 50")))
    assert (await collect(bob.events(await bob.decide(name, False))))[-1].error == "not_asker"
    assert (await collect(ann.events(await ann.decide(name, True))))[-1].text == "paid"
    assert ran == [50]


async def test_a_call_that_nobody_was_asked_about_cannot_be_decided(make: Make) -> None:
    started, ran = asyncio.Event(), list[str]()

    @skill(effect="read")
    async def hang() -> str:
        """Hangs."""
        started.set()
        ran.append("hang")
        await asyncio.Event().wait()
        return ""

    engine, _ = await make([CallDelta(0, "", "hang", "{}")], skills=[hang])
    session = engine.session("a")
    ticket = await session.submit("go")
    await started.wait()
    await session.stop()
    await collect(session.events(ticket))
    name = (await session.history())[0].steps[0].calls[0].id
    for approve in (False, True):
        key = "" if approve else "x"
        other = engine.session("a", external=key)
        end = (await collect(other.events(await other.decide(name, approve))))[-1]
        assert end.error in ("no_call", "not_asker")
    assert ran == ["hang"]


async def test_two_held_calls_of_a_step_are_decided_one_by_one(make: Make) -> None:
    ran: list[int] = []
    engine, model = await make([[ask(50), ask(60, 1)], "both done"], skills=[paying(ran)])
    session = engine.session("a")
    first, second = asked(await collect(session.say("pay both")))
    end = (await collect(session.events(await session.decide(second, True))))[-1]
    assert (end.finish, len(model.requests)) == ("approval", 1)
    end = (await collect(session.events(await session.decide(first, False))))[-1]
    assert (end.text, ran) == ("both done", [60])
    assert [m["role"] for m in model.sent[1]] == ["user", "assistant", "function", "assistant", "function"]


async def test_an_old_call_that_still_waits_does_not_hold_up_a_new_one(make: Make) -> None:
    ran: list[int] = []
    engine, _ = await make([ask(50), ask(60), "paid 60"], skills=[paying(ran)])
    session = engine.session("a")
    await collect(session.say("pay 50"))
    [new] = asked(await collect(session.say("no, pay 60")))
    assert (await collect(session.events(await session.decide(new, True))))[-1].text == "paid 60"
    assert ran == [60]


async def test_a_skill_that_asks_again_after_consent_has_failed(make: Make) -> None:
    @skill(effect="write")
    def doubtful() -> str:
        """Asks for ever."""
        raise AskUser("really?")

    engine, _ = await make([CallDelta(0, "", "doubtful", "{}"), "sorry"], skills=[doubtful])
    session = engine.session("a")
    [name] = asked(await collect(session.say("go")))
    events = await collect(session.events(await session.decide(name, True)))
    assert events[-1].text == "sorry"
    assert [e.state for e in events if isinstance(e, SkillFinished)] == ["failed"]
    assert await session.held() == []


async def test_one_of_two_parallel_calls_may_ask(make: Make) -> None:
    @skill(effect="read")
    def look() -> str:
        """Looks."""
        return "seen"

    @skill(effect="write")
    def careful(context: Context) -> str:
        """Asks first."""
        if not context.approved:
            raise AskUser("really?")
        return "did it"

    calls = [CallDelta(0, "", "look", "{}"), CallDelta(1, "", "careful", "{}")]
    engine, model = await make([calls, "done"], skills=[look, careful])
    session = engine.session("a")
    [name] = asked(await collect(session.say("go")))
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "done"
    assert "seen" in str(model.sent[1])
    assert "did it" in str(model.sent[1])


async def test_a_decision_whose_turn_was_stopped_too_early_can_be_made_again(make: Make) -> None:
    ran: list[int] = []
    engine, _ = await make([ask(50), "paid"], skills=[paying(ran)])
    session = engine.session("a")
    [name] = asked(await collect(session.say("pay 50")))
    reached, inner = asyncio.Event(), engine.store.path

    async def stuck(*args: Any, **kw: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    engine.history.drop(TurnRef((await session.held())[0].ref.session, 0))
    engine.store.path = stuck
    ticket = await session.decide(name, True)
    await reached.wait()
    engine.store.path = inner
    await session.stop()
    assert (await collect(session.events(ticket)))[-1].finish == "stopped"
    assert not ran
    again = await session.decide(name, True)
    assert (await collect(session.events(again)))[-1].text == "paid"
    assert not (await session.decide(name, True)).new
    assert ran == [50]


async def test_a_skills_own_question_runs_out_too(make: Make) -> None:
    ran: list[str] = []

    @skill(effect="write")
    def careful(context: Context) -> str:
        """Asks first."""
        if not context.approved:
            raise AskUser("really?")
        ran.append("did it")
        return "did it"

    engine, _ = await make(
        [CallDelta(0, "", "careful", "{}"), "too late"], skills=[careful], approval_timeout=0.000_001
    )
    session = engine.session("a")
    [name] = asked(await collect(session.say("go")))
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "too late"
    assert not ran


async def test_what_was_taken_back_or_asked_anew_cannot_be_approved(make: Make) -> None:
    ran: list[int] = []
    engine, _ = await make([ask(50), ask(60), ask(70)], skills=[paying(ran)])
    session = engine.session("a")
    [undone] = asked(await collect(session.say("pay")))
    await session.undo()
    [first] = asked(await collect(session.say("pay after all")))
    [again] = asked(await collect(session.retry()))
    assert [held.call.id for held in await session.held()] == [again]
    for name in (undone, first):
        assert (await collect(session.events(await session.decide(name, True))))[-1].error == "no_call"
    await session.new()
    assert await session.held() == []
    assert (await collect(session.events(await session.decide(again, True))))[-1].error == "no_call"
    assert ran == []


async def test_a_skills_own_question_is_bounded_and_survives_a_restart(make: Make) -> None:
    @skill(effect="write")
    def careful(context: Context) -> str:
        """Asks first."""
        if not context.approved:
            raise AskUser("Really? " + "x" * 5_000)
        return "did it"

    first, _ = await make([CallDelta(0, "", "careful", "{}")], skills=[careful])
    events = await collect(first.session("a").say("go"))
    [question] = [e.question for e in events if isinstance(e, ApprovalRequested)]
    assert question.startswith("Really? x")
    assert len(question) == 2_000
    await first.aclose()
    second, model = await make(["as you wish"], skills=[careful])
    session = second.session("a")
    [held] = await session.held()
    assert held.call.result == question
    await collect(session.events(await session.decide(held.call.id, False)))
    assert "did not consent" in str(model.sent[0][-1])


async def test_what_is_asked_is_what_runs(make: Make) -> None:
    ran: list[int] = []
    twice = CallDelta(0, "", "pay", '{"amount": 1, "\\u0061mount": 99}')
    engine, _ = await make([twice, "paid"], skills=[paying(ran)])
    session = engine.session("a")
    events = await collect(session.say("pay"))
    assert [e.arguments for e in events if isinstance(e, ApprovalRequested)] == ['{"amount": 99}']
    await collect(session.events(await session.decide(asked(events)[0], True)))
    assert ran == [99]


async def test_nobody_is_asked_about_more_than_can_be_shown(make: Make) -> None:
    @skill(effect="write", confirm=True)
    def pay(to: list[str]) -> str:
        """Pays."""
        raise AssertionError("never run")

    many = CallDelta(0, "", "pay", json.dumps({"to": [f"friend {n}" for n in range(500)]}))
    engine, _ = await make([many, "I see"], skills=[pay])
    reply = await engine.ask("a", "pay")
    assert (reply.text, [c.state for c in reply.calls]) == ("I see", ["failed"])


async def test_nobody_is_asked_about_what_comes_too_often(make: Make) -> None:
    ran: list[str] = []

    @skill(effect="write", confirm=True, rate=Rate(1, 3600))
    def reset() -> str:
        """Resets."""
        ran.append("reset")
        return "reset done"

    call = CallDelta(0, "", "reset", "{}")
    engine, model = await make([call, call, "later", "done"], skills=[reset])
    session = engine.session("a")
    [name] = asked(await collect(session.say("reset")))
    assert (await session.ask("reset")).text == "later"
    assert "again in" in str(model.sent[2])
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "done"
    assert ran == ["reset"]


@pytest.mark.parametrize("functions", ["native", "text"])
@pytest.mark.parametrize("between", [1, 12], ids=["in the window", "out of it"])
async def test_a_late_result_comes_as_a_result(make: Make, between: int, functions: Any) -> None:
    ran: list[int] = []
    action = 'Action: pay\nAction Input: {"amount": 50}' if functions == "text" else ask(50)
    talk = ["a" * 1_500] * between
    dialect = replace(STRICT, functions=functions, soft=Limits(6_000, 3_000))
    engine, model = await make([action, *talk, "paid", "yes"], skills=[paying(ran)], dialect=dialect)
    session = engine.session("a")
    [name] = asked(await collect(session.say("pay 50")))
    for _ in talk:
        await session.ask("b" * 1_500)
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "paid"
    *_, question, call, result = model.sent[-1]
    assert "paid 50" not in str(question)
    assert "pay" in str(call)
    assert call["role"] == "assistant"
    assert "paid 50" in result["content"]
    assert result["role"] == "function" or result["content"].startswith("Observation:")
    engine.history.drop((await session.history())[0].ref)
    await session.ask("did you?")
    assert model.sent[-1][-3] == result  # it stays so, whatever is read again
    assert ran == [50]


async def test_a_second_yes_to_the_same_call_of_another_answer_says_that_it_is_done(make: Make) -> None:
    ran: list[int] = []
    script = [ask(50), ask(50), "what else?", "paid", "and then?", "it was paid", ask(50), "paid once more"]
    engine, model = await make(script, skills=[paying(ran)])
    session = engine.session("a")
    events = await collect(session.say("pay 50"))
    [first], old = asked(events), events[0].turn
    events = await collect(session.retry())
    [again], new = asked(events), events[0].turn

    async def approve(name: str) -> list[Any]:
        return await collect(session.events(await session.decide(name, True)))

    await session.ask("wait", reply_to=new)
    assert (await approve(again))[-1].text == "paid"
    await session.ask("hm", reply_to=old)
    events = await approve(first)
    [told] = [e for e in events if isinstance(e, SkillFinished)]
    assert told.state == "done"
    assert "not done again" in told.result
    assert "paid 50" in told.result
    assert "not done again" in str(model.sent[5])
    assert ran == [50]
    [third] = asked(await collect(session.say("pay another 50")))  # a wish of its own
    assert (await approve(third))[-1].text == "paid once more"
    assert ran == [50, 50]


async def test_a_held_call_survives_a_restart_and_other_talk(make: Make) -> None:
    ran: list[int] = []
    first, _ = await make([ask(50), "fine"], skills=[paying(ran)])
    [name] = asked(await collect(first.session("a").say("pay 50")))
    await first.ask("a", "how are you?")
    await first.aclose()
    second, _ = await make(["paid"], skills=[paying(ran)])
    session = second.session("a")
    assert [held.call.id for held in await session.held()] == [name]
    assert (await collect(session.events(await session.decide(name, True))))[-1].text == "paid"
    assert (ran, await session.held()) == ([50], [])


async def edited(engine: Any, session: Any, text: str, turn: int) -> list[Any]:
    """The events of a turn whose input takes the place of another one's."""
    said = Input("test", text, session.address, kind="edit", parts=(Text(text),), reply_to=turn)
    accepted = await engine.accept(said)
    return await collect(session.events(Ticket(accepted.session, accepted.inbox, accepted.new, False)))


async def test_what_was_approved_is_neither_asked_nor_done_again_by_an_edit(make: Make) -> None:
    ran: list[int] = []
    spelt = CallDelta(0, "", "pay", '{ "amount": "50" }')
    engine, model = await make([ask(50), "paid", spelt, "paid before"], skills=[paying(ran)])
    session = engine.session("a")
    [name] = asked(await collect(session.say("pay 50")))
    await collect(session.events(await session.decide(name, True)))
    events = await edited(engine, session, "please pay 50", 1)
    assert (asked(events), events[-1].text, ran) == ([], "paid before", [50])
    assert "paid 50" in str(model.sent[-1])


async def test_a_consent_does_not_hold_for_a_changed_call(make: Make) -> None:
    ran: list[int] = []
    engine, _ = await make([ask(50), "paid", ask(51), ask(52)], skills=[paying(ran)])
    session = engine.session("a")
    [name] = asked(await collect(session.say("pay 50")))
    await collect(session.events(await session.decide(name, True)))
    [changed] = asked(await edited(engine, session, "pay 51", 1))
    [again] = asked(await collect(session.retry()))
    assert ran == [50]
    for old in (name, changed):  # a consent given before, and one to what is asked no more
        await collect(session.events(await session.decide(old, True)))
    assert ran == [50]
    assert [held.call.id for held in await session.held()] == [again]


async def test_a_retry_of_the_consent_does_nothing_again(make: Make) -> None:
    ran: list[int] = []
    engine, model = await make([ask(50), "paid", ask(50), "still paid"], skills=[paying(ran)])
    session = engine.session("a")
    [name] = asked(await collect(session.say("pay 50")))
    await collect(session.events(await session.decide(name, True)))
    [more] = asked(await collect(session.retry()))  # to pay once more is a call of its own
    assert (await collect(session.events(await session.decide(more, False))))[-1].text == "still paid"
    assert ran == [50]
    assert "did not consent" in str(model.sent[-1])


async def test_a_fork_takes_no_question_along_and_repeats_nothing(make: Make) -> None:
    ran: list[int] = []
    engine, _ = await make([ask(50), ask(60), "paid 60", ask(60), "paid before"], skills=[paying(ran)])
    session = engine.session("a")
    [old] = asked(await collect(session.say("pay 50")))
    early = await session.fork("early")
    assert await early.held() == []
    with pytest.raises(NotFound):
        await early.decide(old, True)
    [name] = asked(await collect(session.say("no, 60")))
    await collect(session.events(await session.decide(name, True)))
    late = await session.fork("late")
    events = await edited(engine, late, "60 please", 2)
    assert (asked(events), events[-1].text, ran) == ([], "paid before", [60])
