"""Answers as rich messages, end to end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duihua.errors import NotSent
from duihua.ports import Finish
from duihua.simulator.telegram import FakeTelegram, User
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.rich import plain
from duihua.telegram.frontend import TelegramFront
from duihua.telegram.place import Place
from duihua.telegram.text import enriched
from tests.telegram.conftest import Desk

TABLE = "Prices:\n\n| What | Cost |\n|---|--:|\n| `List<int>` | $395k |"
CHINESE = "价格：\n\n| 项目 | 费用 |\n|---|--:|\n| 茶 | 3 |"
LONG = "\n\n".join(f"{n}. " + "well, " * 200 for n in range(5))

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is stored plays no part."""


def shown(fake: FakeTelegram) -> list[str]:
    """What the bot's messages say now; those that are rich begin with `rich: `."""
    messages = [m for m in fake.chat(42).answers if not m.deleted]
    return [f"rich: {plain(m.rich)}" if m.rich else m.text for m in messages]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, fake: FakeTelegram) -> None:
    monkeypatch.setattr("duihua.telegram.api.LATER", 0.0)
    monkeypatch.setattr("duihua.telegram.frontend.LATER", 0.0)
    fake.user(42, "Ada").say("hi")


@ONE_DATABASE
async def test_a_table_is_a_rich_message_with_its_buttons(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make([CHINESE], rich="always")
    await desk.say(42, "hi")
    assert shown(fake) == ["rich: 价格：\n项目\n费用\n茶\n3"]
    assert [b.get("callback_data") for row in fake.chat(42).last.buttons for b in row] == [None, "again:1"]


@ONE_DATABASE
@pytest.mark.parametrize(
    ("setting", "answer", "rich"),
    [
        ("auto", TABLE, True),
        ("auto", CHINESE, False),
        ("never", TABLE, False),
        ("always", "**hello**", False),
    ],
)
async def test_the_setting_and_the_content_decide(
    make: Any, fake: FakeTelegram, setting: str, answer: str, rich: bool
) -> None:
    desk: Desk = await make([answer], rich=setting)
    await desk.say(42, "hi")
    (text,) = shown(fake)
    assert text.startswith("rich: ") is rich
    assert len(fake.calls.of("sendRichMessage")) == rich


@ONE_DATABASE
async def test_a_message_that_grew_becomes_the_rich_one(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([[TABLE[:30], go_on, TABLE[30:]]], streaming="edit")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    go_on.set()
    await talking
    assert shown(fake) == ["rich: Prices:\nWhat\nCost\nList<int>\n$395k"]
    assert len(fake.calls.of("sendMessage")) == 1
    assert not fake.calls.of("sendRichMessage")
    assert not fake.calls.of("deleteMessages")


@ONE_DATABASE
async def test_a_draft_ends_in_the_rich_message(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([[TABLE[:30], go_on, TABLE[30:]]], streaming="draft")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).draft(fake.world.clock.now()))
    go_on.set()
    await talking
    assert shown(fake) == ["rich: Prices:\nWhat\nCost\nList<int>\n$395k"]
    assert not fake.calls.of("sendMessage")


@ONE_DATABASE
@pytest.mark.parametrize("streaming", ["final", "edit"])
async def test_a_server_without_rich_messages_is_asked_once(
    make: Any, fake: FakeTelegram, streaming: str
) -> None:
    fake.world.rich = False
    gates = asyncio.Event(), asyncio.Event()
    desk: Desk = await make([[TABLE[:30], gate, TABLE[30:]] for gate in gates], streaming=streaming)
    for number, gate in enumerate(gates, 1):
        talking = asyncio.create_task(desk.say(42, "hi"))
        if streaming == "edit":
            await fake.until(lambda number=number: len(fake.chat(42).answers) == number)
        gate.set()
        await talking
    assert [text.startswith("Prices:\n\nWhat") for text in shown(fake)] == [True, True]
    assert sum(call.code in (400, 404) for call in fake.calls) == 1


@ONE_DATABASE
async def test_one_refused_message_goes_as_text_and_the_next_is_rich(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make([TABLE, TABLE])
    fake.faults.add("error", method="sendRichMessage", status=400)
    await desk.say(42, "hi")
    await desk.say(42, "hi")
    assert [text.startswith("rich: ") for text in shown(fake)] == [False, True]


@ONE_DATABASE
async def test_what_is_too_long_for_one_text_is_one_rich_message(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make([LONG])
    await desk.say(42, "hi")
    (text,) = shown(fake)
    assert "".join(text.split()) == "rich:" + "".join(LONG.split())


@ONE_DATABASE
async def test_what_stands_in_several_messages_stays_there(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([[LONG, go_on, f"\n\n{TABLE}"]], streaming="edit", rich="always")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: len(fake.chat(42).answers) == 2)
    go_on.set()
    await talking
    assert [text.startswith("rich: ") for text in shown(fake)] == [False, False]
    assert not fake.calls.of("deleteMessages")


@ONE_DATABASE
async def test_an_answer_with_a_note_beside_it_stays_text(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make([[TABLE, Finish("length")]])
    await desk.say(42, "hi")
    (text,) = shown(fake)
    assert text.startswith("Prices:")
    assert len(text) > len(TABLE)


@pytest.mark.parametrize("server", ["rich", "without"])
async def test_an_answer_that_is_begun_again_comes_once(
    make: Any, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    fake.world.rich = server == "rich"
    desk: Desk = await make([LONG])
    attach = TelegramFront._attach  # pyright: ignore[reportPrivateUsage] (where a process may die)
    died = False

    async def die_once(*given: Any) -> None:
        nonlocal died
        if not died:
            died = True
            for api in desk.front._bots.values():  # pyright: ignore[reportPrivateUsage]
                api._off.clear()  # pyright: ignore[reportPrivateUsage] (another process does not know)
            raise NotSent("died", 0.0)
        await attach(*given)

    monkeypatch.setattr(TelegramFront, "_attach", die_once)
    await desk.say(42, "hi")
    await fake.until(lambda: (died and not fake.world.rich) or fake.calls.of("editMessageText"))
    await desk.engine.deliver()
    assert "".join("".join(shown(fake)).removeprefix("rich: ").split()) == "".join(LONG.split())
    assert len(shown(fake)) == (1 if server == "rich" else 2)
    assert len(fake.chat(42).answers) == len(shown(fake))
    assert len(fake.calls.of("sendRichMessage")) == 1


@ONE_DATABASE
async def test_kinds_of_blocks_to_come_do_not_make_a_message_seem_lost(
    make: Any, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Message.json

    def newer(self: Message, **more: Any) -> dict[str, Any]:
        body = told(self, **more)
        return {**body, "rich_message": {"blocks": [{"type": "hologram"}]}} if self.rich else body

    monkeypatch.setattr(Message, "json", newer)
    desk: Desk = await make()
    (api,) = desk.front._bots.values()  # pyright: ignore[reportPrivateUsage]
    one, other = enriched(TABLE), enriched(CHINESE)
    assert one
    assert other
    number = await api.send(Place(42), one)
    assert await api.edit(Place(42), number, other)
    assert shown(fake) == ["rich: 价格：\n项目\n费用\n茶\n3"]


async def test_a_button_under_a_rich_message_works(fake: FakeTelegram, ada: User, start: Any) -> None:
    await start([TABLE, "second"])
    await fake.until(lambda: any(text.startswith("rich: Prices") for text in shown(fake)))
    ada.press(fake.chat(42).last, "again:1")
    await fake.until(lambda: "second" in shown(fake))
