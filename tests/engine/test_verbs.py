"""Moving along the path: retry, undo, new, fork, continue, forget, settings."""

from __future__ import annotations

import asyncio

import pytest

from duihua import NotFound, SessionBusy, TurnFailed, skill
from duihua.messages import Address
from duihua.ports import CallDelta
from tests.engine.conftest import Make, collect
from tests.leftovers import leftovers


def texts(sent: list[dict[str, object]]) -> list[object]:
    return [m["content"] for m in sent]


async def test_retry_answers_anew_beside_the_first_answer(make: Make) -> None:
    engine, model = await make(["one", "bad", "good", "end"])
    session = engine.session("a")
    await session.ask("first")
    await session.ask("second")
    assert (await collect(session.retry()))[-1].text == "good"
    assert texts(model.sent[2]) == ["first", "one", "second"]
    await session.ask("third")
    assert texts(model.sent[3]) == ["first", "one", "second", "good", "third"]


async def test_retry_of_nothing_says_so(make: Make) -> None:
    engine, _ = await make()
    with pytest.raises(NotFound):
        await collect(engine.session("a").retry())


async def test_undo_takes_the_last_turn_back(make: Make) -> None:
    engine, model = await make(["one", "two", "three"])
    session = engine.session("a")
    await session.ask("first")
    await session.ask("second")
    assert await session.undo()
    await session.ask("third")
    assert texts(model.sent[2]) == ["first", "one", "third"]


async def test_undo_stops_a_running_turn_and_takes_it_back(make: Make) -> None:
    engine, model = await make(["one", ["Hel", asyncio.Event()], "three"])
    session = engine.session("a")
    await session.ask("first")
    events = session.say("second")
    while (await anext(events)).kind != "text_delta":
        pass
    assert await session.undo()
    await collect(events)
    await session.ask("third")
    assert texts(model.sent[2]) == ["first", "one", "third"]


async def test_undo_of_nothing_is_false(make: Make) -> None:
    engine, _ = await make(["one"])
    session = engine.session("a")
    assert not await session.undo()
    await session.ask("first")
    assert await session.undo()
    assert not await session.undo()


async def test_new_starts_an_empty_path_and_keeps_the_old(make: Make) -> None:
    engine, model = await make(["one", "two"])
    session = engine.session("a")
    await session.ask("first")
    await session.new()
    assert await session.history() == []
    await session.ask("second")
    assert texts(model.sent[1]) == ["second"]
    info = await engine.store.session(session.address)
    assert info is not None
    assert len(await engine.store.heads(info.id)) == 2


async def test_new_wins_over_a_running_turn(make: Make) -> None:
    gate = asyncio.Event()
    engine, model = await make([[gate, "one"], "two"])
    session = engine.session("a")
    ticket = await session.submit("first")
    await session.new()
    gate.set()
    await collect(session.events(ticket))
    await session.ask("second")
    assert texts(model.sent[1]) == ["second"]


async def test_a_reply_to_an_older_turn_goes_on_from_there(make: Make) -> None:
    engine, model = await make(["one", "two", "three"])
    session = engine.session("a")
    first = await session.ask("first")
    await session.ask("second")
    await session.ask("third", reply_to=first.turn)
    assert texts(model.sent[2]) == ["first", "one", "third"]


async def test_fork_copies_and_then_parts(make: Make) -> None:
    engine, model = await make(["one", "two", "three"])
    session = engine.session("a")
    await session.ask("first")
    other = await session.fork("b")
    await other.ask("second")
    await session.ask("third")
    assert texts(model.sent[1]) == ["first", "one", "second"]
    assert texts(model.sent[2]) == ["first", "one", "third"]
    with pytest.raises(SessionBusy):
        await session.fork("b")


async def test_continue_lets_the_model_go_on(make: Make) -> None:
    engine, model = await make(["one", "two"])
    session = engine.session("a")
    await session.ask("first")
    assert (await collect(session.continue_()))[-1].text == "two"
    assert texts(model.sent[1])[:2] == ["first", "one"]


async def test_forget_leaves_nothing(make: Make, database_url: str) -> None:
    engine, model = await make(["one xyzzy", "two"])
    session = engine.session("a")
    await session.ask("my plugh")
    assert await session.forget() == 1
    for word in ("xyzzy", "plugh"):
        assert leftovers(database_url, word) == []
    await session.ask("second")
    assert texts(model.sent[1]) == ["second"]


async def test_forget_beside_a_running_turn_wins(make: Make, database_url: str) -> None:
    engine, _ = await make([["Hel xyzzy", asyncio.Event()], "two"])
    session = engine.session("a")
    events = session.say("my plugh")
    while (await anext(events)).kind != "text_delta":
        pass
    await session.forget()
    end = (await collect(events))[-1]
    assert isinstance(end, TurnFailed)
    assert end.error == "forgotten"
    for word in ("xyzzy", "plugh"):
        assert leftovers(database_url, word) == []
    assert (await session.ask("second")).text == "two"


async def test_a_user_is_exported(make: Make) -> None:
    engine, _ = await make(["one xyzzy", "two"])
    await engine.session(Address("group", "g"), external="ann", name="Ann").ask("hello")
    await engine.ask("other", "hello")
    data = await engine.export_user("group", "ann")
    [session] = data["sessions"]
    assert session["turns"][0]["steps"][0]["parts"] == [{"t": "text", "text": "one xyzzy"}]
    with pytest.raises(NotFound, match="group/nobody"):
        await engine.export_user("group", "nobody")


async def test_forgetting_a_user_takes_all_their_sessions(make: Make, database_url: str) -> None:
    engine, _ = await make(["one xyzzy", "two plugh", "three"])
    for topic in ("x", "y"):
        session = engine.session(Address("group", "g", topic=topic), external="ann", name="Ann")
        await session.ask("hello")
    await engine.ask("other", "hello")
    assert await engine.forget_user("group", "ann") == 2
    assert await engine.forget_user("group", "ann") == 0
    for word in ("xyzzy", "plugh"):
        assert leftovers(database_url, word) == []
    assert len(await engine.session("other").history()) == 1


async def test_a_session_has_its_own_persona(make: Make) -> None:
    engine, model = await make(["one", "two"])
    session = engine.session("a")
    await session.ask("hi")
    await session.configure(persona="translator")
    await session.ask("hi")
    assert model.requests[0].packed.system != model.requests[1].packed.system
    with pytest.raises(NotFound):
        await session.configure(persona="nobody")


async def test_usage_adds_up(make: Make) -> None:
    engine, _ = await make(["one", "two"])
    session = engine.session("a")
    await session.ask("x")
    await session.ask("y")
    usage = await session.usage()
    assert [(turns, u.input, u.output) for _, turns, u, _ in usage] == [(2, 20, 10)]


async def test_a_retry_does_not_write_again(make: Make) -> None:
    ran: list[int] = []

    @skill(effect="write")
    def pay(amount: int) -> str:
        """Pays."""
        ran.append(amount)
        return f"paid {amount}, receipt {len(ran)}"

    def call(arguments: str) -> CallDelta:
        return CallDelta(0, "", "pay", arguments)

    script = [call('{"amount": 5}'), "one", call('{"amount":  5}'), "two", call('{"amount": 6}'), "three"]
    engine, model = await make(script, skills=[pay])
    session = engine.session("a")
    await session.ask("pay 5")
    await collect(session.retry())
    assert ran == [5]
    assert "receipt 1" in str(model.sent[3])
    await collect(session.retry())
    assert ran == [5, 6]
    assert (await session.history())[-1].text == "three"


async def test_a_retry_writes_what_only_another_conversation_wrote(make: Make) -> None:
    ran: list[str] = []

    @skill(effect="write")
    def book() -> str:
        """Books."""
        ran.append("booked")
        return "booked"

    call = CallDelta(0, "", "book", "{}")
    engine, _ = await make([call, "booked", "which one?", call, "booked again"], skills=[book])
    session = engine.session("a")
    await session.ask("book")
    await session.new()
    await session.ask("book once more")
    assert (await collect(session.retry()))[-1].text == "booked again"
    assert ran == ["booked"] * 2


async def test_models_without_number_do_not_fill_the_memory(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = await make([])
    monkeypatch.setattr("duihua.platforms.REMEMBERED", 10)
    name = engine.model.partition("/")[0]
    for n in range(30):
        assert engine.platforms.resolve(f"{name}/model-{n}")[1] == f"model-{n}"
        assert len(engine.platforms._models) <= 10
