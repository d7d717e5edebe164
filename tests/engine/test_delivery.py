"""The outbox: what front ends owe is sent once, in order, and again when it certainly was not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from duihua.errors import Gone, NotSent, SendUnknown
from duihua.events import AnyEvent
from duihua.messages import Address, TurnRef
from duihua.ports import Send
from duihua.showing import ShownStore
from tests.engine.conftest import Make, collect


class Post:
    """A front end that writes down what it is given."""

    name = "post"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[Send] = []
        self.tries = 0
        self.shown: list[str] = []
        self.arrived = asyncio.Event()

    async def present(
        self, ref: TurnRef, address: Address, events: AsyncIterator[AnyEvent], ledger: ShownStore
    ) -> None:
        async for event in events:
            self.shown.append(event.kind)

    async def send(self, send: Send, ledger: ShownStore) -> str:
        self.tries += 1
        if self.errors:
            self.arrived.set()
            raise self.errors.pop(0)
        self.sent.append(send)
        self.arrived.set()
        return "m1"


HERE = Address("post", "a")


async def test_an_answer_is_delivered_once(make: Make) -> None:
    engine, _ = await make(["hello"])
    post = Post()
    engine.attach(post)
    await collect(engine.session(HERE).say("hi"))
    await post.arrived.wait()
    await engine.aclose()
    assert [orjson.loads(s.body)["text"] for s in post.sent] == ["hello"]
    again, _ = await make([])
    later = Post()
    again.attach(later)
    await again.aclose()
    assert not later.sent


async def test_closing_lets_what_is_being_sent_arrive(make: Make) -> None:
    class Slow(Post):
        async def send(self, send: Send, ledger: ShownStore) -> str:
            self.arrived.set()
            await on.wait()
            return await super().send(send, ledger)

    on = asyncio.Event()
    engine, _ = await make(["hello"])
    post = Slow()
    engine.attach(post)
    await collect(engine.session(HERE).say("hi"))
    await post.arrived.wait()
    closing = asyncio.create_task(engine.delivery.aclose())
    await asyncio.sleep(0)
    on.set()
    await closing
    assert len(post.sent) == 1


async def test_an_answer_nobody_was_there_to_send_waits(make: Make) -> None:
    engine, _ = await make(["hello"])
    await collect(engine.session(HERE).say("hi"))
    await engine.aclose()
    again, _ = await make([])
    post = Post()
    again.attach(post)
    await post.arrived.wait()
    assert len(post.sent) == 1


async def test_what_was_not_sent_is_sent_again(make: Make) -> None:
    engine, _ = await make(["hello"])
    post = Post(NotSent("busy", retry_after=0))
    engine.attach(post)
    await collect(engine.session(HERE).say("hi"))
    while not post.sent:
        post.arrived.clear()
        await post.arrived.wait()
    assert post.tries == 2


async def test_what_may_have_been_sent_is_not_sent_again(make: Make) -> None:
    for error in (SendUnknown("?"), Gone("left"), RuntimeError("bug")):
        engine, _ = await make(["hello"])
        post = Post(error)
        engine.attach(post)
        await collect(engine.session(HERE).say("hi"))
        await post.arrived.wait()
        await engine.aclose()
        assert post.tries == 1


async def test_a_live_front_end_sees_the_turn(make: Make) -> None:
    engine, _ = await make(["hello"])
    post = Post()
    engine.attach(post, live=True)
    await collect(engine.session(HERE).say("hi"))
    await post.arrived.wait()
    assert post.shown[0] == "turn_started"
    assert post.shown[-1] == "turn_finished"


async def test_a_send_that_hangs_holds_up_no_other(make: Make) -> None:
    engine, _ = await make(lambda r: "hello")
    hanging, gate = asyncio.Event(), asyncio.Event()

    class Slow(Post):
        async def send(self, send: Send, ledger: ShownStore) -> str:
            if send.address.chat == "slow":
                hanging.set()
                await gate.wait()
            return await super().send(send, ledger)

    post = Slow()
    engine.attach(post)
    await collect(engine.session(Address("post", "slow")).say("hi"))
    await hanging.wait()
    await collect(engine.session(HERE).say("hi"))
    async with asyncio.timeout(10):
        await post.arrived.wait()
    assert [s.address.chat for s in post.sent] == ["a"]
    gate.set()
    await engine.deliver()
    assert [s.address.chat for s in post.sent] == ["a", "slow"]


async def test_a_send_that_never_ends_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duihua.delivery.PATIENCE", 0.01)
    engine, _ = await make(["hello"])

    class Stuck(Post):
        async def send(self, send: Send, ledger: ShownStore) -> str:
            self.tries += 1
            await asyncio.Event().wait()
            return ""

    post = Stuck()
    engine.attach(post)
    await collect(engine.session(HERE).say("hi"))
    await engine.deliver()
    await engine.deliver()
    assert post.tries == 1


async def test_messages_of_a_session_are_sent_in_order(make: Make) -> None:
    engine, _ = await make(["1", "2", "3"])
    session = engine.session(HERE)
    for text in "abc":
        await collect(session.say(text))
    post = Post(NotSent("busy", retry_after=0))
    engine.attach(post)
    await engine.deliver()
    while len(post.sent) < 3:
        await engine.deliver()
    assert [orjson.loads(s.body)["text"] for s in post.sent] == ["1", "2", "3"]
