"""Reminders from the question to the front end, over the simulator's wire and real databases."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from duihua import ChatEngine, Settings
from duihua.commands import COMMON, CommandTable, Invocation, Show
from duihua.messages import Address
from duihua.reminding import told
from duihua.simulator import Simulator
from duihua_prompts import Catalogue
from duihua_storage import open_store
from tests.engine.test_delivery import Post

SHANGHAI = ZoneInfo("Asia/Shanghai")
HERE = Address("post", "a")


@pytest.fixture
async def open_engine(database_url: str) -> AsyncIterator[Any]:
    """`await open_engine()` -> an engine on a simulator and the test's database, as often as is wanted."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator())

        async def build() -> ChatEngine:
            settings = Settings.load(
                env_file=None,
                database_url=database_url,
                skills="reminders",
                timezone="Asia/Shanghai",
                memory_model="none",
            )
            store = open_store(database_url, upgrade=True)
            engine = ChatEngine(settings=settings.replaced(simulator.settings()), store=store)
            return await stack.enter_async_context(engine)

        yield build


class Later:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def test_a_reminder_survives_the_process_and_is_told_late_once(open_engine: Any) -> None:
    first: ChatEngine = await open_engine()
    first.attach(Post())
    reply = await first.session(HERE).ask("20分钟后提醒我关火")
    assert [(c.name, c.state) for c in reply.calls] == [("reminders", "done")], reply.calls
    await first.aclose()
    engines = [await open_engine(), await open_engine()]
    posts = [Post(), Post()]
    clock = Later()
    for engine, post in zip(engines, posts, strict=True):
        engine.reminding.clock = clock
        engine.attach(post)
        await engine.deliver()
    assert not [send for post in posts for send in post.sent]
    clock.ahead = 3 * 3600
    for engine in engines:
        await engine.deliver()
    (send,) = [send for post in posts for send in post.sent]
    event = told(send, clock())
    assert (event.text, event.late, event.kind) == ("关火", True, "reminder_due")
    assert abs(datetime.fromisoformat(event.due).timestamp() - time.time() - 1200) < 120
    assert not await engines[0].session(HERE).reminders()


async def test_one_that_recurs_goes_on_at_its_own_time_after_days_without_a_process(open_engine: Any) -> None:
    engine: ChatEngine = await open_engine()
    post = Post()
    engine.attach(post)
    session = engine.session(HERE)
    await session.ask("每天早上8点提醒我吃药")
    (armed,) = await session.reminders()
    assert (armed.text, armed.rule, f"{armed.due:%H:%M %Z}") == ("吃药", "FREQ=DAILY", "08:00 CST")
    clock = engine.reminding.clock = Later()
    clock.ahead = armed.due.timestamp() + 5 * 86_400 + 60 - time.time()
    await engine.deliver()
    notices = [send for send in post.sent if send.kind == "notice"]
    assert [orjson.loads(send.body)["due"] for send in notices] == [
        (armed.due + timedelta(days=5)).isoformat(timespec="seconds")
    ]
    (again,) = await session.reminders()
    assert again.due == armed.due + timedelta(days=6)


async def test_every_front_end_lists_and_cancels_them(open_engine: Any) -> None:
    engine: ChatEngine = await open_engine()
    engine.attach(Post())
    session, table, words = engine.session(HERE), CommandTable(COMMON), Catalogue("zh")

    async def run(line: str) -> str:
        what = table.parse(line)
        assert isinstance(what, Invocation)
        answer = await table.run(what, session, engine, words)
        assert isinstance(answer, Show)
        return answer.text

    assert "没有提醒" in await run("/reminders")
    await session.ask("每周一9点提醒我开会")
    await session.ask("每个工作日18点提醒我下班")
    listed = await run("/提醒")
    assert "开会（每周一）" in listed
    assert "下班（工作日）" in listed
    (number,) = [one.id for one in await session.reminders() if one.text == "开会"]
    assert "没有第 999 号" in await run("/reminders cancel 999")
    assert "开会" in await run(f"/reminders 取消 {number}")
    assert [one.text for one in await session.reminders()] == ["下班"]


async def test_where_nobody_could_deliver_one_there_is_none(open_engine: Any) -> None:
    engine: ChatEngine = await open_engine()
    reply = await engine.ask("a", "20分钟后提醒我关火")
    assert [c.state for c in reply.calls] == ["failed"]
    assert "deliver" in reply.calls[0].result
