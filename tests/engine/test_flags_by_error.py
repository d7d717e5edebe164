"""Platforms may say by an error what others say by a flag: it means the same."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from duihua import ProviderError
from duihua.events import HistoryCleared
from duihua.ports import Flagged
from tests.engine.conftest import Make, collect, kinds
from tests.leftovers import leftovers


def refused(side: str = "input", flagged: str = "") -> ProviderError:
    return ProviderError(
        "unsafe: xyzzy",
        provider="scripted",
        category=f"moderation_{side}",
        vendor_code="336104",
        flagged=flagged,
    )


async def test_an_error_about_the_input_clears_like_a_flag(
    make: Make, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    engine, model = await make(["one", refused(), "who knows"])
    session = engine.session("a")
    await session.ask("my name is plugh")
    events = await collect(session.say("something bad xyzzy"))
    assert kinds(events) == ["turn_started", "history_cleared", "turn_finished"]
    assert events[-1].finish == "flagged"
    assert leftovers(database_url, "xyzzy", "plugh") == []
    assert "xyzzy" not in caplog.text
    await session.ask("still there?")
    assert len(model.sent[2]) == 1


async def test_an_error_about_the_answer_takes_back_what_was_shown(make: Make, database_url: str) -> None:
    engine, _ = await make([["some xyzzy", refused("output")]])
    events = await collect(engine.session("a").say("hi"))
    assert kinds(events) == ["turn_started", "text_delta", "retracted", "history_cleared", "turn_finished"]
    assert [e.side for e in events if isinstance(e, HistoryCleared)] == ["output"]
    assert leftovers(database_url, "xyzzy") == []


async def test_an_error_that_names_nothing_asks_once_alone(make: Make) -> None:
    engine, model = await make(["one", refused(), "answer", "next"], moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    assert (await collect(session.say("second")))[-1].text == "answer"
    await session.ask("third")
    assert [[m["content"] for m in sent] for sent in model.sent[2:]] == [
        ["second"],
        ["second", "answer", "third"],
    ]


async def test_an_error_twice_drops_the_input_alone(make: Make, database_url: str) -> None:
    engine, model = await make(["one", refused(), refused(), "next"], moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    assert (await collect(session.say("second xyzzy")))[-1].finish == "flagged"
    assert len(model.requests) == 3
    assert leftovers(database_url, "xyzzy") == []
    assert (await session.ask("third")).text == "next"
    assert [m["content"] for m in model.sent[3]] == ["first", "one", "third"]


async def test_an_error_that_names_the_input_asks_no_more(make: Make) -> None:
    engine, model = await make(["one", refused(flagged="input"), "next"], moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first")
    assert (await collect(session.say("second xyzzy")))[-1].finish == "flagged"
    assert len(model.requests) == 2
    await session.ask("third")
    assert [m["content"] for m in model.sent[2]] == ["first", "one", "third"]


async def test_an_error_that_names_the_history_asks_once_without_it(make: Make, database_url: str) -> None:
    script = ["one", refused(flagged="history"), "answer", "next"]
    engine, model = await make(script, moderation="drop_turn")
    session = engine.session("a")
    await session.ask("first xyzzy")
    events = await collect(session.say("second"))
    assert [e.side for e in events if isinstance(e, HistoryCleared)] == ["history"]
    assert events[-1].text == "answer"
    assert leftovers(database_url, "xyzzy") == []
    await session.ask("third")
    assert [[m["content"] for m in sent] for sent in model.sent[2:]] == [
        ["second"],
        ["second", "answer", "third"],
    ]


async def test_what_was_shown_goes_whoever_was_to_blame(make: Make) -> None:
    engine, _ = await make([["some xyzzy", refused("input")]])
    events = await collect(engine.session("a").say("hi"))
    assert kinds(events) == ["turn_started", "text_delta", "retracted", "history_cleared", "turn_finished"]


async def test_a_stop_while_the_history_is_cleaned_keeps_nothing_that_was_flagged(
    make: Make, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ["one", "two", ["well, frotz", Flagged("history", 0, retract=True)]]
    engine, _ = await make(script, moderation="drop_turn")
    session = engine.session("a")
    for text in ("first", "second"):
        await session.ask(text)
    erase = engine.store.erase

    async def stopped(*args: Any, **more: Any) -> int:
        await session.stop()
        await asyncio.sleep(0)
        return await erase(*args, **more)

    monkeypatch.setattr(engine.store, "erase", stopped)
    events = await collect(session.say("third"))
    assert events[-1].finish == "stopped"
    assert leftovers(database_url, "frotz") == []
