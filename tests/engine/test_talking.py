"""Saying, asking, waiting, stopping, failing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson
import pytest

from duihua import (
    DuihuaError,
    InputTooLong,
    InvalidOptions,
    ModelOptions,
    ProviderError,
    SessionBusy,
    StorageError,
    TextDelta,
    TurnError,
    TurnFailed,
    TurnFinished,
    TurnSnapshot,
    skill,
)
from duihua.events import AnyEvent, HistoryCleared
from duihua.handing_in import accept
from duihua.messages import Address, Text, TurnRef, Usage
from duihua.ports import CallDelta, Finish, Flagged, Send
from duihua.ranges import Range
from duihua.relay import BACKLOG, Relay
from duihua.showing import ShownStore
from duihua.skills.contract import Context
from duihua.testing import ScriptedModel
from duihua.testing.scripted import STRICT
from tests.engine.conftest import Make, collect, kinds, said
from tests.wire import assert_qianfan_v1


async def test_a_turn_streams_and_ends_once(make: Make) -> None:
    engine, _ = await make([["Hel", "lo"]])
    events = await collect(engine.session("a").say("hi"))
    assert kinds(events) == ["turn_started", "text_delta", "turn_finished"]
    assert said(events) == events[-1].text == "Hello"
    assert [e.position for e in events if isinstance(e, TextDelta)] == ["1.0.0", "1.0.3"]
    assert {e.session for e in events} == {"embed/a"}


async def test_the_model_reads_what_was_said_before(make: Make) -> None:
    engine, model = await make(["one", "two"])
    await engine.ask("a", "first")
    reply = await engine.ask("a", "second")
    assert reply.text == "two"
    assert [m["content"] for m in model.sent[1]] == ["first", "one", "second"]


async def test_sessions_share_nothing(make: Make) -> None:
    engine, model = await make(["one", "two"])
    await engine.ask("a", "first")
    await engine.ask("b", "second")
    assert [m["content"] for m in model.sent[1]] == ["second"]


async def test_what_was_said_survives_the_engine(make: Make) -> None:
    first, _ = await make(["one"])
    await first.ask("a", "first")
    await first.aclose()
    second, model = await make(["two"])
    await second.ask("a", "second")
    assert [m["content"] for m in model.sent[0]] == ["first", "one", "second"]


async def test_leaving_the_stream_does_not_stop_the_turn(make: Make) -> None:
    gate = asyncio.Event()
    engine, _ = await make([["Hel", gate, "lo"]])
    session = engine.session("a")
    async with aclosing(session.say("hi")) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    tickets = await session.waiting()
    gate.set()
    await collect(session.events(tickets[0]))
    assert (await session.history())[0].text == "Hello"


async def test_a_late_reader_gets_one_snapshot_then_what_follows(make: Make) -> None:
    gate = asyncio.Event()
    engine, _ = await make([["Hel", gate, "lo"]])
    session = engine.session("a")
    ticket = await session.submit("hi")
    early = session.events(ticket)
    while not isinstance(await anext(early), TextDelta):
        pass
    late = session.events(ticket)
    first = [await anext(late), await anext(late)]
    gate.set()
    rest = await collect(late)
    assert isinstance(first[1], TurnSnapshot)
    assert first[1].text == "Hel"
    assert said(rest) == "lo"
    await collect(early)


async def test_a_reader_after_the_end_is_told_the_end(make: Make) -> None:
    engine, _ = await make(["Hello"])
    session = engine.session("a")
    ticket = await session.submit("hi")
    await collect(session.events(ticket))
    again = await collect(session.events(ticket))
    assert again[-1].text == "Hello"
    assert again[-1].kind == "turn_finished"


async def test_inputs_are_answered_one_by_one_in_order(make: Make) -> None:
    gate = asyncio.Event()
    engine, model = await make([[gate, "1"], "2", "3"])
    session = engine.session("a")
    tickets = [await session.submit(text) for text in ("a", "b", "c")]
    gate.set()
    ends = [(await collect(session.events(t)))[-1] for t in tickets]
    assert [e.text for e in ends] == ["1", "2", "3"]
    assert [m["content"] for m in model.sent[2]] == ["a", "1", "b", "2", "c"]


async def test_sessions_do_not_wait_for_each_other(make: Make) -> None:
    gate = asyncio.Event()
    engine, _ = await make(lambda r: [gate, "slow"] if b"slow" in r.packed.messages[-1] else "quick")
    slow = await engine.session("a").submit("slow")
    assert (await engine.ask("b", "quick")).text == "quick"
    gate.set()
    await collect(engine.session("a").events(slow))


async def test_too_many_waiting_inputs_are_refused(make: Make) -> None:
    gate = asyncio.Event()
    engine, _ = await make(lambda r: [gate, "ok"], max_pending=2)
    session = engine.session("a")
    tickets = [await session.submit("x"), await session.submit("y")]
    with pytest.raises(SessionBusy):
        await session.submit("z")
    gate.set()
    for ticket in tickets:
        await collect(session.events(ticket))


async def test_the_same_key_is_answered_once(make: Make) -> None:
    engine, model = await make(["one"])
    session = engine.session("a")
    first = await session.submit("hi", key=("test", "1"))
    await collect(session.events(first))
    second = await session.submit("hi", key=("test", "1"))
    assert not second.new
    assert (await collect(session.events(second)))[-1].text == "one"
    assert len(model.requests) == 1


async def test_stopping_keeps_what_was_said(make: Make) -> None:
    gate = asyncio.Event()
    engine, model = await make([["Hel", gate], "next"])
    session = engine.session("a")
    events = session.say("hi")
    async for event in events:
        if isinstance(event, TextDelta):
            assert await session.stop()
            break
    end = (await collect(events))[-1]
    assert isinstance(end, TurnFinished)
    assert (end.finish, end.text) == ("stopped", "Hel")
    await session.ask("more")
    assert [m["content"] for m in model.sent[1]] == ["hi", "Hel", "more"]


async def test_stopping_before_a_word_leaves_the_question_open(make: Make) -> None:
    asked = asyncio.Event()

    def script(request: object) -> object:
        if asked.is_set():
            return "next"
        asked.set()
        return [asyncio.Event()]

    engine, model = await make(script)
    session = engine.session("a")
    events = session.say("hi")
    await anext(events)
    await asked.wait()
    await session.stop()
    assert (await collect(events))[-1].finish == "stopped"
    await session.ask("more")
    assert len(model.sent[1]) == 1
    assert "hi" in model.sent[1][0]["content"]


async def test_stop_without_a_turn_is_false(make: Make) -> None:
    engine, _ = await make(["x"])
    assert not await engine.session("a").stop()
    await engine.ask("a", "hi")
    assert not await engine.session("a").stop()


async def test_the_deadline_ends_a_turn(make: Make) -> None:
    engine, _ = await make([[asyncio.Event()], "ok"], turn_timeout=0.05)
    end = (await collect(engine.session("a").say("hi")))[-1]
    assert isinstance(end, TurnFailed)
    assert end.error == "timeout"
    assert (await engine.ask("a", "again")).text == "ok"


async def test_a_platform_error_ends_the_turn_and_the_next_goes_on(make: Make) -> None:
    error = ProviderError(
        "no credit", provider="scripted", category="quota_exhausted", vendor_code="17", request_id="r1"
    )
    engine, model = await make([error, "ok"])
    end = (await collect(engine.session("a").say("hi")))[-1]
    assert isinstance(end, TurnFailed)
    assert end.error == "provider.quota_exhausted"
    assert (end.values["vendor_code"], end.values["request_id"]) == ("17", "r1")
    await engine.ask("a", "again")
    assert len(model.sent[1]) == 1
    assert model.sent[1][0]["content"].split("\n") == ["hi", "again"]


async def test_after_an_empty_answer_the_next_request_is_as_platforms_want_it(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    engine, model = await make(["one", " \n", "three"])
    for text in ("hello", "hi"):
        reply = await engine.ask("a", text)
    assert (reply.text.strip(), reply.finish) == ("", "stop")
    assert "turn 2 of session embed/a: scripted/any gave no text" in caplog.text
    await engine.ask("a", "again")
    assert_qianfan_v1(model.sent[2])
    assert [m["content"] for m in model.sent[2]] == ["hello", "one", "hi\nagain"]


async def test_ask_raises_what_failed(make: Make) -> None:
    engine, _ = await make([ProviderError("down", category="server")])
    with pytest.raises(TurnError) as caught:
        await engine.ask("a", "hi")
    assert caught.value.code == "provider.server"


async def test_a_bug_is_an_error_code_not_a_hang(make: Make) -> None:
    engine, _ = await make([RuntimeError("boom"), "ok"])
    end = (await collect(engine.session("a").say("hi")))[-1]
    assert end.error == "internal"
    assert (await engine.ask("a", "again")).text == "ok"


async def test_too_long_a_context_is_trimmed_and_sent_once_more(make: Make) -> None:
    error = ProviderError("too long", category="context_too_long")
    engine, model = await make(["x" * 400] * 6 + [error, "ok"])
    for number in range(6):
        await engine.ask("a", f"{number} " + "words " * 300)
    events = await collect(engine.session("a").say("last"))
    assert events[-1].text == "ok"
    assert "notice" in kinds(events)
    assert len(model.sent[7]) < len(model.sent[6])
    assert model.sent[7][-1]["content"] == "last"


async def test_too_long_again_fails(make: Make) -> None:
    error = ProviderError("too long", category="context_too_long")
    engine, model = await make([error, error])
    assert (await collect(engine.session("a").say("hi")))[-1].error == "provider.context_too_long"
    assert len(model.requests) == 2


async def test_an_input_larger_than_the_model_is_refused_before_anything(make: Make) -> None:
    engine, model = await make()
    with pytest.raises(InputTooLong):
        await engine.ask("a", "很" * 200_000)
    assert not model.requests
    assert await engine.session("a").history() == []


async def test_options_are_checked_before_anything(make: Make) -> None:
    engine, model = await make()
    with pytest.raises(InvalidOptions):
        await engine.ask("a", "hi", options=ModelOptions(temperature=7))
    assert not model.requests


async def test_options_merge_session_below_call(make: Make) -> None:
    engine, model = await make(["1", "2"])
    session = engine.session("a")
    await session.configure(options=ModelOptions(temperature=0.2, top_p=0.5))
    await session.ask("hi")
    await session.ask("hi", options=ModelOptions(temperature=0.9))
    assert model.requests[0].options["temperature"] == 0.2
    assert model.requests[1].options["temperature"] == 0.9
    assert model.requests[1].options["top_p"] == 0.5


async def test_a_closed_engine_says_so(make: Make) -> None:
    engine, _ = await make()
    await engine.aclose()
    with pytest.raises(DuihuaError, match="closed"):
        await engine.ask("a", "hi")


async def test_a_subscriber_sees_all_turns(make: Make) -> None:
    engine, _ = await make(["1", "2"])
    async with engine.subscribe() as events:
        await engine.ask("a", "x")
        await engine.ask("b", "y")
        ends = 0
        async for event in events:
            ends += event.kind == "turn_finished"
            if ends == 2:
                break


async def test_the_context_shows_the_next_request(make: Make) -> None:
    engine, model = await make(["one", "two"])
    session = engine.session("a")
    await session.ask("first")
    view = await session.context("second")
    await session.ask("second")
    assert list(view.messages) == model.sent[1]
    assert view.tokens > 0


async def test_the_first_reader_of_a_live_view_is_told_the_beginning_once(make: Make) -> None:
    engine, _ = await make(["Hello"])
    seen: list[str] = []
    told = asyncio.Event()

    class View:
        name = "view"

        async def present(
            self, ref: TurnRef, address: Address, events: AsyncIterator[AnyEvent], ledger: ShownStore
        ) -> None:
            async for event in events:
                seen.append(event.kind)
            told.set()

        async def send(self, send: Send, ledger: ShownStore) -> str:
            return ""

    engine.attach(View(), live=True)
    await engine.session(Address("view", "a")).ask("hi")
    await told.wait()
    assert seen == ["turn_started", "text_delta", "turn_finished"]


async def test_a_reader_far_behind_still_hears_what_is_no_text() -> None:
    relay = Relay()
    channel = relay.open(TurnRef(1, 1), "a", (1,), 1)
    with channel.reader() as queue:
        while len(queue.events) < BACKLOG:
            channel.text_delta("x")
        channel.publish(HistoryCleared(session="a", turn=1, policy="clear", side="input"))
        waiting = [event.kind for event in queue.events]
    assert waiting[-1] == "history_cleared"
    channel.close()


async def test_settings_of_another_process_are_not_undone(make: Make) -> None:
    first, _ = await make()
    second, _ = await make()
    await first.session("a").settings()
    await second.session("a").configure(persona="translator")
    await first.session("a").configure(options=ModelOptions(temperature=0.5))
    assert set(await first.session("a").settings()) == {"persona", "options"}


async def test_a_fork_brings_its_settings_along(make: Make) -> None:
    engine, _ = await make(["x"])
    session = engine.session("a")
    await session.configure(persona="translator")
    await session.ask("hi")
    assert await engine.session("b").settings() == {}
    other = await session.fork("b")
    assert (await other.settings())["persona"] == "translator"


async def test_a_model_that_cannot_take_the_sessions_options_is_refused(make: Make) -> None:
    engine, _ = await make(["ok"])
    engine.platforms.clients["narrow"] = ScriptedModel((), replace(STRICT, ranges={}))
    session = engine.session("a")
    await session.configure(options=ModelOptions(temperature=0.5))
    with pytest.raises(InvalidOptions):
        await session.configure(model="narrow/x")
    assert (await session.ask("hi")).text == "ok"


async def test_the_context_greets_by_the_same_name(make: Make) -> None:
    engine, model = await make(["one", "two"])
    session = engine.session("a", name="Ann")
    await session.ask("first")
    view = await session.context("second")
    await session.ask("second")
    assert view.system == orjson.loads(model.requests[1].packed.system)


async def test_a_turn_that_ended_before_a_model_was_chosen_is_booked_to_none(make: Make) -> None:
    engine, _ = await make()
    session = engine.session("a")
    await session.configure(persona="translator")
    info = await engine.store.session(session.address)
    await engine.store.settings(info.id, {"persona": "nobody"})
    engine.drop(session.address, info.id)
    ticket = await accept(session._place, "message", (Text("hi"),))
    assert (await collect(session.events(ticket)))[-1].error == "internal"
    assert await session.usage() == []


async def test_a_cancelled_caller_leaves_a_claimed_session_at_work(make: Make) -> None:
    engine, _ = await make(["Hello"])
    session = engine.session("a")
    store, reached = engine.store, asyncio.Event()
    accept = store.accept

    async def slow(*args: Any, **kw: Any) -> Any:
        accepted = await accept(*args, **kw)
        reached.set()
        await asyncio.sleep(0)
        return accepted

    store.accept = slow
    submitting = asyncio.create_task(session.submit("hi"))
    await reached.wait()
    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    tickets = await session.waiting()
    if tickets:
        events = await collect(session.events(tickets[0]))
        assert events[-1].attempt == 1
    assert (await session.history())[0].text == "Hello"


async def test_a_bug_in_a_provider_puts_no_words_into_the_log(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    engine, _ = await make([RuntimeError("my secret plugh")])
    await collect(engine.session("a").say("hi"))
    assert "RuntimeError" in caplog.text
    assert "plugh" not in caplog.text


async def test_halves_of_a_character_are_stored_and_delivered_whole(make: Make) -> None:
    """Some platforms cut their chunks between the two escapes of an emoji."""

    @skill(effect="read")
    def echo(text: str) -> str:
        """Echoes."""
        return text

    wanted = CallDelta(0, "", "echo", '{"text": "\ud83d')
    script = [["a\ud83d", "\ude00", wanted, CallDelta(0, "", "", '\ude00"}')], ["b\ud83d", "!"]]
    engine, _ = await make(script, skills=[echo])
    session = engine.session(Address("post", "a"))
    end = (await collect(session.say("hi \ud83d")))[-1]
    assert (end.kind, end.text) == ("turn_finished", "a😀\nb\ufffd!")
    assert (await session.history())[0].steps[0].calls[0].result == "😀"


async def test_options_that_are_no_json_are_refused(make: Make) -> None:
    engine, _ = await make()
    with pytest.raises(InvalidOptions, match="extra"):
        await engine.ask("a", "hi", options=ModelOptions(extra={"x": object()}))


async def test_what_is_remembered_of_a_model_without_limits_is_bounded(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.running.window_limit", lambda dialect: 3)
    engine, _ = await make(lambda r: "ok")
    session = engine.session("a")
    for _ in range(6):
        await session.ask("hi")
    [recent] = engine.history._recent.values()
    assert len(recent.turns) == 4


async def test_an_engine_keeps_keys_out_of_the_applications_log(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    await make()
    with caplog.at_level("DEBUG"):
        logging.getLogger("httpx").debug("GET %s", "https://x/chat?access_token=24.plugh")
    assert "access_token=***" in caplog.text
    assert "plugh" not in caplog.text


def test_settings_of_skills_are_in_no_repr() -> None:
    assert "plugh" not in repr(Context(settings={"key": "plugh"}))


async def test_a_client_that_fails_to_close_does_not_keep_the_store_open(make: Make) -> None:
    engine, model = await make(["hello"])
    await engine.ask("a", "hi")

    async def fails() -> None:
        raise RuntimeError("no")

    model.aclose = fails
    with pytest.raises(RuntimeError):
        await engine.aclose()
    with pytest.raises(StorageError):
        await engine.store.session(engine.session("a").address)


async def test_other_answers_are_told_beside_the_first_and_not_stored(make: Make) -> None:
    several = Finish("stop", Usage(10, 15), "any", alternatives=("two", "three \ud83d"))
    engine, model = await make([["one", several], "next"])
    session = engine.session("a")
    events = await collect(session.say("hi"))
    assert isinstance(events[-1], TurnFinished)
    assert (events[-1].text, events[-1].alternatives) == ("one", ("two", "three \ufffd"))
    assert orjson.loads(orjson.dumps(events[-1].as_dict()))["alternatives"] == ["two", "three \ufffd"]
    assert (await session.ask("again")).alternatives == ()
    assert [m["content"] for m in model.sent[1]] == ["hi", "one", "again"]


async def test_a_reply_has_the_other_answers(make: Make) -> None:
    dialect = replace(STRICT, ranges={**STRICT.ranges, "n": Range("n", 1, 4)})
    engine, model = await make([["one", Finish("stop", alternatives=("two",))]], dialect=dialect)
    reply = await engine.session("a").ask("hi", options=ModelOptions(n=2))
    assert (reply.text, reply.alternatives) == ("one", ("two",))
    assert model.requests[0].options == {"n": 2}


async def test_a_model_that_gives_one_answer_refuses_to_be_asked_for_more(make: Make) -> None:
    engine, _ = await make()
    with pytest.raises(InvalidOptions, match="n=2"):
        await engine.session("a").ask("hi", options=ModelOptions(n=2))


async def test_of_a_flagged_turn_no_other_answers_are_told(make: Make) -> None:
    engine, _ = await make([["one", Flagged("output"), Finish("flagged", alternatives=("two",))]])
    assert (await engine.session("a").ask("hi")).alternatives == ()
