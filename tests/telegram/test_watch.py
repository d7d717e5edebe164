"""A bot that hears and does nothing is told from one that waits for good reasons."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duihua.messages import Address
from duihua.ports import Work
from duihua.simulator.telegram import FakeTelegram, User
from duihua.telegram.clerk import Clerk
from duihua.telegram.health import Pulse
from duihua.telegram.intake import Deaf
from duihua.telegram.watch import Watch
from duihua_prompts import Catalogue
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import end, say, sends

SOURCE = "telegram/7"
LONG = 310


async def ask(store: SqlStore) -> Work:
    return await say(store, "a", address=Address("telegram", bot="7", chat="1"))


class Bot:
    """A watch whose time a test moves, with the times in the database."""

    def __init__(self, store: SqlStore, url: str) -> None:
        self.now, self.url = 0.0, url
        self.pulse = Pulse("7", clock=lambda: 0.0)
        self.pulse.succeeded()
        self.watch = Watch(store, SOURCE, self.pulse, turn=100.0, clock=lambda: self.now)

    async def later(self, seconds: float, *, waits: bool = False) -> str:
        """What is stuck after so many seconds; `waits`: what is owed waits as long as it was told to."""
        self.now += seconds
        ms = int(seconds * 1000)
        run(self.url, "UPDATE sessions SET due = due - ?", ms)
        run(self.url, "UPDATE outbox SET at = at - ?", ms)
        if not waits:
            run(self.url, "UPDATE outbox SET not_before = not_before - ? WHERE not_before > 0", ms)
        await self.watch.look()
        assert self.pulse.well == (not self.pulse.stuck)
        return self.pulse.stuck


@pytest.fixture
def bot(store: SqlStore, database_url: str) -> Bot:
    return Bot(store, database_url)


async def test_a_message_that_nobody_reads(bot: Bot, store: SqlStore) -> None:
    await store.arrive(SOURCE, [("1", "", b"{}"), ("2", "", b"{}")])
    assert await bot.later(LONG + 100) == ""  # it may have come this moment
    (first, _) = await store.arrived(SOURCE)
    await store.settle_arrivals([first.id])
    assert await bot.later(LONG + 100) == ""  # the next one: there are many, but they move
    assert await bot.later(LONG + 100) == "a message is not read"
    with pytest.raises(Deaf):
        await bot.later(600)
    assert not bot.pulse.well


async def test_what_telegram_does_not_let_us_say_is_not_stuck(bot: Bot, store: SqlStore) -> None:
    await store.arrive(SOURCE, [("1", "", b"{}")])
    bot.watch._held = lambda: True
    for _ in range(3):
        assert await bot.later(LONG + 600) == ""


async def test_a_message_that_nobody_answers(bot: Bot, store: SqlStore) -> None:
    work = await ask(store)
    assert await bot.later(LONG) == ""  # a turn may take a while
    assert await bot.later(100) == "a message is not answered"
    await end(store, work)
    assert await bot.later(1_000) == ""


async def test_what_is_left_from_before_has_its_time(bot: Bot, store: SqlStore) -> None:
    await ask(store)
    run(bot.url, "UPDATE sessions SET due = due - 86400000")
    assert await bot.later(LONG) == ""


async def test_a_call_that_waits_for_consent_is_not_stuck(bot: Bot, store: SqlStore) -> None:
    await end(store, await ask(store), finish="approval")
    assert await bot.later(86_400) == ""


async def test_an_answer_that_nobody_sends(bot: Bot, store: SqlStore) -> None:
    await end(store, await ask(store), sends=sends("one", "two"))
    assert await bot.later(290) == ""
    assert await bot.later(20) == "an answer is not sent"
    for _ in range(2):
        (send,) = await store.take_sends(["telegram"], lease=60_000)
        await store.settle_send(send.id, "sent")
    assert await bot.later(LONG) == ""


async def test_telegram_may_ask_to_wait_but_not_refuse_for_ever(bot: Bot, store: SqlStore) -> None:
    await end(store, await ask(store), sends=sends("one", "two"))
    (send,) = await store.take_sends(["telegram"], lease=60_000)
    await store.settle_send(send.id, "pending", delay=900_000)
    for _ in range(2):
        assert await bot.later(290) == ""  # what comes after it waits, too
    assert await bot.later(300) == ""
    for _ in range(10):
        run(bot.url, "UPDATE outbox SET not_before = 0")
        await store.take_sends(["telegram"], lease=0)
        await store.settle_send(send.id, "pending", delay=900_000)
    assert await bot.later(10, waits=True) == ""
    await store.settle_send(send.id, "pending", delay=2_000)
    assert await bot.later(10, waits=True) == "an answer is refused again and again"
    await bot.later(86_400, waits=True)  # a new process would fare no better


async def test_the_program_ends_when_it_is_stuck(
    fake: FakeTelegram, ada: User, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"EVERY": 0.01, "STUCK": 0.0, "ENOUGH": 0.1}.items():
        monkeypatch.setattr(f"duihua.telegram.watch.{name}", seconds)
    monkeypatch.setattr(Clerk, "act", lambda *given: asyncio.Event().wait())
    life = await start(turn_timeout=0.01)
    ada.say("hello")
    with pytest.raises(Deaf) as caught:
        await life.task
    assert (life.running.bots[0].pulse.state, caught.value.code) == ("deaf", "stuck")
    assert Catalogue("en").t("cli.telegram.stuck", reason="why")
