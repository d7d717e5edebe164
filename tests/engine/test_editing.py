"""What was said is said differently: before its turn, while it runs, and after it."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from duihua import NotFound, UnsupportedInput, image
from duihua.ports import Request
from tests.engine.conftest import Make, collect

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


async def test_an_edited_turn_runs_anew_beside_the_first(make: Make) -> None:
    engine, model = await make(["one", "two", "three", "four"])
    session = engine.session("a")
    await session.ask("first")
    await session.ask("secnd")
    ticket = await session.edit(2, "second", key=("test", "edit"))
    assert (await collect(session.events(ticket)))[-1].text == "three"
    assert not (await session.edit(2, "second", key=("test", "edit"))).new
    await session.ask("on")
    assert [m["content"] for m in model.sent[2]] == ["first", "one", "second"]
    assert [m["content"] for m in model.sent[3]] == ["first", "one", "second", "three", "on"]


async def test_a_turn_that_runs_is_stopped_by_its_edit_and_no_other_is(make: Make) -> None:
    gate = asyncio.Event()
    answers = {"first": "one", "second": [gate, "two"], "First": "edited", "third": [asyncio.Event()]}

    def script(request: Request) -> object:
        return answers.get(orjson.loads(request.packed.messages[-1])["content"], "again")

    engine, model = await make(script)
    session = engine.session("a")
    await session.ask("first")
    second = await session.submit("second")
    edit = await session.edit(1, "First")
    gate.set()
    assert (await collect(session.events(second)))[-1].finish == "stop"
    assert (await collect(session.events(edit)))[-1].text == "edited"
    third = await session.submit("third")
    again = await session.edit(4, "Third")
    assert (await collect(session.events(third)))[-1].finish == "stopped"
    assert (await collect(session.events(again)))[-1].text == "again"
    assert [m["content"] for m in model.sent[-1]] == ["First", "edited", "Third"]


async def test_an_input_that_waits_is_changed_in_its_place(make: Make) -> None:
    gate = asyncio.Event()
    engine, model = await make([[gate, "one"], "two"])
    session = engine.session("a")
    first, key = await session.submit("first"), ("test", "1")
    second = await session.submit("secnd", key=key)
    assert await session.amend("second", key=key)
    with pytest.raises(UnsupportedInput):
        await session.amend([image(PNG)], key=key)
    gate.set()
    await collect(session.events(first))
    await collect(session.events(second))
    assert [m["content"] for m in model.sent[1]] == ["first", "one", "second"]
    assert not await session.amend("late", key=key)


async def test_only_a_turn_that_is_there_is_edited(make: Make) -> None:
    engine, _ = await make(["one", "two"])
    session = engine.session("a")
    with pytest.raises(NotFound):
        await session.edit(1, "x")
    await session.ask("first")
    await engine.ask("b", "other")
    with pytest.raises(NotFound):
        await session.edit(2, "x")
    await session.forget()
    with pytest.raises(NotFound):
        await session.edit(1, "x")
