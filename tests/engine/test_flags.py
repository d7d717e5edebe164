"""Flagged content: what goes, what stays, what is asked again."""

from __future__ import annotations

from duihua import skill
from duihua.events import HistoryCleared, Retracted, TurnFinished
from duihua.ports import CallDelta, Flagged
from tests.engine.conftest import Make, collect, kinds
from tests.leftovers import leftovers


async def test_a_flag_clears_the_session_to_the_last_byte(make: Make, database_url: str) -> None:
    engine, model = await make(["noted xyzzy", Flagged("input", -1), "who knows"])
    session = engine.session("a")
    await session.ask("my secret is plugh")
    events = await collect(session.say("bad words frotz"))
    assert kinds(events) == ["turn_started", "history_cleared", "turn_finished"]
    assert isinstance(events[-1], TurnFinished)
    assert (events[-1].finish, events[-1].text) == ("flagged", "")
    assert await session.history() == []
    for word in ("xyzzy", "plugh", "frotz"):
        assert leftovers(database_url, word) == []
    assert (await session.ask("still there?")).text == "who knows"
    assert len(model.sent[2]) == 1


async def test_shown_text_is_retracted_when_asked(make: Make, database_url: str) -> None:
    engine, _ = await make([["some xyzzy", Flagged("output", None, retract=True)]])
    events = await collect(engine.session("a").say("hi"))
    assert kinds(events) == ["turn_started", "text_delta", "retracted", "history_cleared", "turn_finished"]
    assert isinstance(events[2], Retracted)
    assert leftovers(database_url, "xyzzy") == []


async def test_low_risk_goes_on(make: Make) -> None:
    engine, _ = await make([["fine", Flagged("output", None, stop=False), " indeed"]])
    assert (await engine.ask("a", "hi")).text == "fine indeed"


async def test_waiting_inputs_survive_a_clear(make: Make) -> None:
    engine, _ = await make([Flagged("input", -1), "ok"])
    session = engine.session("a")
    tickets = [await session.submit("bad"), await session.submit("good")]
    assert (await collect(session.events(tickets[0])))[-1].finish == "flagged"
    assert (await collect(session.events(tickets[1])))[-1].text == "ok"


async def test_a_cleared_input_stays_a_duplicate(make: Make) -> None:
    engine, model = await make([Flagged("input", -1)])
    session = engine.session("a")
    await collect(session.events(await session.submit("bad", key=("t", "1"))))
    again = await session.submit("bad", key=("t", "1"))
    assert not again.new
    assert (await collect(session.events(again)))[-1].finish == "flagged"
    assert len(model.requests) == 1


async def test_drop_turn_keeps_what_came_before(make: Make, database_url: str) -> None:
    engine, model = await make(["one", Flagged("input", -1), "three"], moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    events = await collect(session.say("bad frotz"))
    assert events[-1].finish == "flagged"
    await session.ask("third")
    assert [m["content"] for m in model.sent[2]] == ["first", "one", "third"]
    assert leftovers(database_url, "frotz") == []


async def test_drop_turn_removes_the_rounds_of_history_and_asks_again(make: Make, database_url: str) -> None:
    script = ["one", "two frotz", "three", Flagged("history", 1), "answer"]
    engine, model = await make(script, moderation="drop_turn")
    session = engine.session("a")
    for text in ("first", "second plugh", "third"):
        await session.ask(text)
    events = await collect(session.say("fourth"))
    assert events[-1].text == "answer"
    assert [e.turns for e in events if isinstance(e, HistoryCleared)] == [2]
    assert [m["content"] for m in model.sent[4]] == ["third", "three", "fourth"]
    assert leftovers(database_url, "plugh") == []
    assert [t.text for t in await session.history()] == ["three", "answer"]


async def test_drop_turn_asks_alone_when_nothing_is_named(make: Make) -> None:
    engine, model = await make(["one", Flagged("input", None), "answer", "next"], moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    events = await collect(session.say("second"))
    assert events[-1].text == "answer"
    assert len(model.sent[2]) == 1
    await session.ask("third")
    assert [m["content"] for m in model.sent[3]] == ["second", "answer", "third"]


async def test_drop_turn_refused_alone_drops_the_input(make: Make) -> None:
    script = ["one", Flagged("input", None), Flagged("input", None), "next"]
    engine, model = await make(script, moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    assert (await collect(session.say("second")))[-1].finish == "flagged"
    assert len(model.requests) == 3
    await session.ask("third")
    assert [m["content"] for m in model.sent[3]] == ["first", "one", "third"]


async def test_a_flag_after_a_skill_keeps_what_was_said_before_it(make: Make) -> None:
    @skill(effect="read")
    def look() -> str:
        """Looks."""
        return "seen"

    script = [
        "one",
        ["Let me look.", CallDelta(0, "", "look", "{}")],
        ["Well", Flagged("history", 0, retract=True)],
        "Fine.",
    ]
    engine, _ = await make(script, skills=[look], moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    events = await collect(session.say("second"))
    shown = ""
    for event in events:
        if event.kind in ("turn_restarted", "retracted"):
            shown = ""
        shown += event.text if event.kind == "text_delta" else ""
    assert shown == events[-1].text == "Let me look.\nFine."
    assert [e.position for e in events if e.kind == "text_delta"][-1] == "1.1.0"
