"""Reminders from the question to the front end, over the simulator's wire and real databases."""

from __future__ import annotations

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
from duihua.session import Session
from duihua.simulator import Simulator
from duihua.testing import Clock
from duihua_prompts import Catalogue
from duihua_storage import open_store
from tests.engine.test_delivery import Post

SHANGHAI = ZoneInfo("Asia/Shanghai")
FRIDAY = datetime(2026, 3, 6, 12, tzinfo=SHANGHAI)
HERE = Address("post", "a")


@pytest.fixture
def clock() -> Clock:
    return Clock(FRIDAY)


@pytest.fixture
async def open_engine(database_url: str, clock: Clock) -> AsyncIterator[Any]:
    """`await open_engine()` -> an engine on a simulator and the test's database, as often as is wanted."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(clock=lambda: clock.now.astimezone(SHANGHAI)))

        async def build(**given: Any) -> ChatEngine:
            settings = Settings.load(
                env_file=None,
                database_url=database_url,
                skills="reminders",
                timezone="Asia/Shanghai",
                memory_model="none",
                **given,
            )
            store = open_store(database_url, upgrade=True)
            engine = ChatEngine(settings=settings.replaced(simulator.settings()), store=store, clock=clock)
            return await stack.enter_async_context(engine)

        yield build


async def run(engine: ChatEngine, session: Session, line: str, lang: str = "zh") -> str:
    """What a command answers."""
    table = CommandTable(COMMON)
    what = table.parse(line)
    assert isinstance(what, Invocation)
    answer = await table.run(what, session, engine, Catalogue(lang))
    assert isinstance(answer, Show)
    return answer.text


async def test_a_reminder_survives_the_process_and_is_told_late_once(open_engine: Any, clock: Clock) -> None:
    first: ChatEngine = await open_engine()
    first.attach(Post())
    reply = await first.session(HERE).ask("20分钟后提醒我关火")
    assert [(c.name, c.state) for c in reply.calls] == [("reminders", "done")], reply.calls
    await first.aclose()
    engines = [await open_engine(), await open_engine()]
    posts = [Post(), Post()]
    for engine, post in zip(engines, posts, strict=True):
        engine.attach(post)
        await engine.deliver()
    assert not [send for post in posts for send in post.sent if send.kind == "notice"]
    clock.travel(hours=3)
    for engine in engines:
        await engine.deliver()
    (send,) = [send for post in posts for send in post.sent if send.kind == "notice"]
    event = told(send, clock())
    assert (event.text, event.late, event.kind) == ("关火", True, "reminder_due")
    assert datetime.fromisoformat(event.due) == FRIDAY + timedelta(minutes=20)
    assert not await engines[0].session(HERE).reminders()


async def test_one_that_recurs_goes_on_at_its_own_time_after_days_without_a_process(
    open_engine: Any, clock: Clock
) -> None:
    engine: ChatEngine = await open_engine()
    post = Post()
    engine.attach(post)
    session = engine.session(HERE)
    await session.ask("每天早上8点提醒我吃药")
    (armed,) = await session.reminders()
    assert (armed.text, armed.rule, f"{armed.due:%H:%M %Z}") == ("吃药", "FREQ=DAILY", "08:00 CST")
    clock.travel_to(armed.due + timedelta(days=5, minutes=1))
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
    session = engine.session(HERE)
    assert "没有提醒" in await run(engine, session, "/reminders")
    await session.ask("每周一9点提醒我开会")
    await session.ask("每个工作日18点提醒我下班")
    listed = await run(engine, session, "/提醒")
    assert " 开会（每周一）" in listed
    assert " 下班（工作日）" in listed
    (number,) = [one.id for one in await session.reminders() if one.text == "开会"]
    assert "没有第 999 号" in await run(engine, session, "/reminders cancel 999")
    assert "开会" in await run(engine, session, f"/reminders 取消 {number}")
    assert [one.text for one in await session.reminders()] == ["下班"]


async def test_where_several_people_talk_only_who_set_one_or_an_operator_cancels_it(open_engine: Any) -> None:
    engine: ChatEngine = await open_engine(admins="post/3")
    engine.attach(Post())
    group = Address("post", "g", shared=True)
    people = {"Ann": "1", "Bob\n\x1b[2J": "2", "Cem": "3"}
    ann, bob, cem = (engine.session(group, name=name, external=id_) for name, id_ in people.items())
    await ann.ask("20分钟后提醒我关火")
    await bob.ask("每周一9点提醒我开会")
    fire, meeting = await cem.reminders()
    assert (fire.name, "\x1b" in meeting.name, "\n" in meeting.name) == ("Ann", False, False)
    listed = await run(engine, cem, "/reminders")
    assert "Ann：关火" in listed
    assert "Bob" in listed.partition("Ann")[2]
    assert "是Ann设的" in await run(engine, bob, f"/reminders cancel {fire.id}")
    assert "was set by Ann" in await run(engine, bob, f"/reminders cancel {fire.id}", "en")
    refused = await bob.ask(f"取消第{fire.id}号提醒")
    assert (refused.calls[-1].state, "是Ann设的：在这里，只有" in refused.text) == ("failed", True)
    assert "was set by Ann: here only" in (await bob.ask(f"Cancel reminder {fire.id}")).text
    assert len(await cem.reminders()) == 2
    assert "已取消" in await run(engine, ann, f"/reminders cancel {fire.id}")
    assert (await cem.ask(f"取消第{meeting.id}号提醒")).calls[-1].state == "done"
    assert not await cem.reminders()


@pytest.mark.parametrize(
    "talk",
    [
        [
            ("20分钟后提醒我关火", "好的，今天 12:20 提醒你：关火。"),
            ("每周一9点提醒我开会", "好的，每周一 09:00 提醒你：开会。下一次是3月9日（星期一）09:00。"),
            ("我有哪些提醒？", "现在有 2 个提醒：{0} 号，今天 12:20，关火；{1} 号，每周一 09:00，开会。"),
            ("取消第{0}号提醒", "好的，已取消提醒：关火（今天 12:20）。"),
            ("取消第{1}号提醒", "好的，已取消提醒：开会（每周一 09:00）。"),
            ("现在还有什么提醒？", "现在没有提醒。"),
        ],
        [
            ("remind me in 20 minutes to call Ann", "OK, I will remind you today at 12:20: call Ann."),
            (
                "remind me every weekday at 9 am to stretch",
                "OK, I will remind you every weekday at 09:00: stretch. "
                "The next time is on Monday, March 9, at 09:00.",
            ),
            (
                "list my reminders",
                "There are 2 reminders: number {0}, today at 12:20, call Ann; "
                "number {1}, every weekday at 09:00, stretch.",
            ),
            ("cancel reminder {0}", "OK, I have cancelled this reminder: call Ann (today at 12:20)."),
        ],
    ],
)
async def test_the_simulated_model_tells_of_them_as_a_person_would(
    open_engine: Any, talk: list[tuple[str, str]]
) -> None:
    engine: ChatEngine = await open_engine()
    engine.attach(Post())
    session = engine.session(HERE)
    numbers: list[int] = []
    for said, answer in talk:
        reply = await session.ask(said.format(*numbers))
        numbers = numbers if len(numbers) == 2 else [one.id for one in await session.reminders()]
        assert reply.text == answer.format(*numbers)


async def test_where_nobody_could_deliver_one_there_is_none(open_engine: Any) -> None:
    engine: ChatEngine = await open_engine()
    reply = await engine.ask("a", "20分钟后提醒我关火")
    assert [c.state for c in reply.calls] == ["failed"]
    assert "deliver" in reply.calls[0].result
