"""What is said while an answer is written: it waits, is answered together, or ends the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from duihua import InvalidOptions, ModelOptions, Session
from duihua.commands import COMMON, CommandTable, Invocation, Show
from duihua.ports import Request
from duihua.session import Ticket
from duihua_prompts import Catalogue
from tests.engine.conftest import Make, collect


def script(first: asyncio.Event) -> Callable[[Request], Any]:
    """Answers the first input slowly, and the others by all that was said."""

    def answer(request: Request) -> Any:
        said = [orjson.loads(message)["content"] for message in request.packed.messages]
        return ["one", first] if said == ["a"] else " > ".join(said)

    return answer


async def run(session: Session, tickets: list[Ticket], gate: asyncio.Event) -> list[tuple[str, str]]:
    """How each input ended."""
    gate.set()
    ends = [(await collect(session.events(ticket)))[-1] for ticket in tickets]
    return [(end.finish, end.text) for end in ends]  # type: ignore[union-attr]


async def test_what_waits_is_answered_together(make: Make) -> None:
    gate = asyncio.Event()
    engine, model = await make(script(gate))
    session = engine.session("a")
    await session.configure(meanwhile="join")
    others = ["b", "c", "d"]
    tickets = [await session.submit("a"), *[await session.submit(text) for text in others]]
    tickets.append(await session.submit("e", options=ModelOptions(temperature=0.5)))  # a turn of its own
    ends = await run(session, tickets, gate)
    together = ("stop", "a > one > b\n\nc\n\nd")
    assert ends == [
        ("stop", "one"),
        together,
        together,
        together,
        ("stop", f"{together[1]} > {together[1]} > e"),
    ]
    assert len(model.sent) == 3
    assert await session.waiting() == []
    info = await engine.store.session(session.address)
    assert info is not None
    assert info.pending == 0


async def test_what_is_said_ends_the_answer(make: Make) -> None:
    engine, _ = await make(script(asyncio.Event()))
    session = engine.session("a")
    await session.configure(meanwhile="interrupt")
    first = await session.submit("a")
    async for event in session.events(first):
        if event.kind == "text_delta":
            break
    second = await session.submit("b", key=("test", "b"))
    assert await run(session, [first, second], asyncio.Event()) == [
        ("stopped", "one"),
        ("stop", "a > one > b"),
    ]


async def test_nothing_is_ended_by_what_was_said_before(make: Make) -> None:
    """A front end may hand the same input in once more after a crash."""
    gate = asyncio.Event()
    engine, _ = await make(["one", ["two", gate]])
    session = engine.session("a")
    await session.configure(meanwhile="interrupt")
    await collect(session.events(await session.submit("a", key=("test", "a"))))
    running = await session.submit("b", key=("test", "b"))
    for key in ("a", "b"):
        assert not (await session.submit(key, key=("test", key))).new
    assert await run(session, [running], gate) == [("stop", "two")]


async def test_while_shows_and_sets_it(make: Make) -> None:
    engine, _ = await make()
    session, table = engine.session("a"), CommandTable(COMMON)

    async def says(line: str, lang: str = "en") -> str:
        what = table.parse(line)
        assert isinstance(what, Invocation)
        answer = await table.run(what, session, engine, Catalogue(lang))
        assert isinstance(answer, Show)
        return answer.text

    assert "* queue" in await says("/while")
    assert "“perhaps”" in await says("/while perhaps")
    assert "打断" in await says("/插话 打断", "zh")
    assert (await session.settings())["meanwhile"] == "interrupt"
    assert "* interrupt" in await says("/while")
    await says("/while queue")
    assert "meanwhile" not in await session.settings()
    with pytest.raises(InvalidOptions):
        await session.configure(meanwhile="never")  # type: ignore[arg-type]
