"""What people send, from the fake's door to the session and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from duihua.errors import NotSent, StorageError
from duihua.messages import Address
from duihua.ports import Request
from duihua.session import Session
from duihua.simulator.telegram import FakeTelegram, User
from duihua.telegram.clerk import Clerk
from duihua.telegram.gathering import gathered
from duihua.telegram.groups import CONVERSATION
from duihua.telegram.voice import Voice
from duihua_prompts import Catalogue

Start = Callable[..., Any]
SOURCE = "telegram/700000001"


def echo(request: Request) -> str:
    """Says what was said last."""
    return f"you said {orjson.loads(request.packed.messages[-1])['content']}"


def answers(fake: FakeTelegram, chat: int = 42) -> list[str]:
    return [message.text for message in fake.chat(chat).answers]


async def test_messages_of_a_chat_are_answered_in_order(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(echo)
    accept, held, passed = life.engine.accept, asyncio.Event(), asyncio.Event()

    async def slowly(input: Any) -> Any:
        if "one" in str(input.parts):
            await held.wait()
        passed.set()
        return await accept(input)

    life.engine.accept = slowly
    for text in ("one", "two", "three"):
        ada.say(text)
    await fake.until(lambda: not fake.bot.updates)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await passed.wait()
    held.set()
    await fake.until(lambda: len(answers(fake)) == 3)
    assert answers(fake) == ["you said one", "you said two", "you said three"]
    assert await life.engine.store.arrived(SOURCE) == []


async def test_chats_do_not_wait_for_each_other(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(echo, access="open")
    submit, held = life.engine.accept, asyncio.Event()

    async def accept(input: Any) -> Any:
        if input.external == "42":
            await held.wait()
        return await submit(input)

    life.engine.accept = accept
    bob = fake.user(43, "Bob")
    ada.say("I am held up")
    await fake.until(lambda: not fake.bot.updates)
    bob.say("hello")
    await fake.until(lambda: answers(fake, 43))
    assert answers(fake) == []
    held.set()
    await fake.until(lambda: answers(fake))


async def test_conversations_of_a_chat_do_not_wait_for_each_other(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    fake.bot.topics = True
    life = await start(echo, access="open")
    eve, store = fake.user(66, "Eve", language_code="en"), life.engine.store
    group = fake.group(members=[ada, fake.bot, eve])
    at = Address("telegram", str(group.id), "700000001")
    await store.change_chat(at, settings={CONVERSATION: "person"})
    ada.say("/ask first", group)
    await fake.until(lambda: "you said first" in answers(fake, group.id))
    accept, held = life.engine.accept, asyncio.Event()

    async def slowly(input: Any) -> Any:
        if "held" in str(input.parts):
            await held.wait()
        return await accept(input)

    life.engine.accept = slowly
    ada.say("held up", thread=ada.topic("Travel").id)
    ada.say("/ask held, too", group)
    await fake.until(lambda: not fake.bot.updates)
    ada.say("hello")
    eve.say("/ask hello", group)
    await fake.until(lambda: "you said hello" in answers(fake))
    await fake.until(lambda: "you said hello" in answers(fake, group.id))
    held.set()
    await fake.until(lambda: "you said held, too" in answers(fake, group.id))


async def test_a_chat_that_waits_leaves_room_for_others(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LANE": 3, "MOST": 6, "TEXTS": 1}.items():
        monkeypatch.setattr(f"duihua.telegram.desk.{name}", value)
    life = await start(echo, access="open")
    submit, held, begun = life.engine.accept, asyncio.Event(), asyncio.Event()

    async def slowly(input: Any) -> Any:
        if "held" in str(input.parts):
            begun.set()
            await held.wait()
        return await submit(input)

    life.engine.accept = slowly
    texts = ["held", *map(str, range(8))]
    for text in texts:
        ada.say(text)
    await begun.wait()
    eve = fake.user(66, "Eve", language_code="en")
    eve.say("hello")
    await fake.until(lambda: answers(fake, 66) == ["you said hello"])
    held.set()
    await fake.until(lambda: len(answers(fake)) == len(texts))
    assert answers(fake) == [f"you said {text}" for text in texts]


async def test_stops_that_cannot_be_answered_do_not_pile_up(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.telegram.desk.MOST", 4)
    await start(echo)
    say, shut, tried = Voice.say, True, asyncio.Event()

    async def refuse(voice: Voice, place: Address, *args: Any, **more: Any) -> int:
        if shut and place.chat == "42":
            tried.set()
            raise NotSent("Telegram asks to wait", 0.01)
        return await say(voice, place, *args, **more)

    monkeypatch.setattr(Voice, "say", refuse)
    group = fake.group(members=[ada, fake.bot])
    for _ in range(8):
        ada.say("/stop")
    await tried.wait()
    ada.say("/ask hello", group)
    await fake.until(lambda: any("you said" in text for text in answers(fake, group.id)))
    shut = False
    await fake.until(lambda: answers(fake) == [Catalogue("en").t("command.stop.nothing")])


async def test_a_chat_takes_some_places_alone(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.desk.EACH", 2)
    fake.bot.topics = True
    life = await start(echo)
    accept, busy, most = life.engine.accept, 0, 0
    two = asyncio.Event()  # at once, and from then on one more would be three

    async def counted(input: Any) -> Any:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        if busy == 2:
            two.set()
        await two.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        busy -= 1
        return await accept(input)

    life.engine.accept = counted
    for name in ("one", "two", "three", "four"):
        ada.say(name, thread=ada.topic(name).id)
    await fake.until(lambda: len(answers(fake)) == 4)
    assert most == 2


async def test_stop_passes_a_lane_that_is_held_up(fake: FakeTelegram, ada: User, start: Start) -> None:
    begun = asyncio.Event()
    life = await start([["It was ", begun]], memory="off")
    ada.say("tell me a story")
    await fake.until(lambda: life.engine.lanes._lanes)
    accept, never = life.engine.accept, asyncio.Event()

    async def held(input: Any) -> Any:
        await never.wait()
        return await accept(input)

    life.engine.accept = held
    ada.say("and another one")
    ada.say("/stop")
    await fake.until(lambda: "Stopping." in answers(fake))
    await fake.until(lambda: len(answers(fake)) == 2)
    assert not begun.is_set()


async def test_the_app_s_own_stop_ends_an_answer_in_private_chats_alone(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    go_on = asyncio.Event()
    group = fake.group(-1_001_000_000_001, "Tea", members=[ada, fake.bot])
    life = await start(
        [["Tea ", go_on, "is ready"], ["It was ", asyncio.Event()]], streaming="auto", access="open"
    )
    ada.say("/ask tea?", group)
    await fake.until(lambda: answers(fake, group.id)[-1:] == ["Tea"])
    fake.inject({"stopped_message_generation": {"chat": fake.chat(group.id).json(), "draft_id": 1}})
    ada.say("tell me a story")
    await fake.until(lambda: fake.chat(42).draft(fake.world.clock.now()))
    ada.stop()
    await fake.until(lambda: answers(fake))
    assert "It was" in answers(fake)[0]
    go_on.set()
    await fake.until(lambda: answers(fake, group.id)[-1:] == ["Tea is ready"])
    assert await life.engine.store.arrived(SOURCE) == []


async def test_an_update_nobody_can_read_is_put_aside(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(echo)
    fake.inject({"message": {"message_id": "no number"}})
    fake.inject({"message": [1, 2]})
    fake.inject({"nobody_knows": {"this": "kind"}})
    fake.inject_bytes(b"[" * 50_000 + b"]" * 50_000)
    ada.say("hello")
    await fake.until(lambda: answers(fake))
    assert answers(fake) == ["you said hello"]
    kept = await life.engine.store.quarantine()
    assert all(bad.body for bad in kept)
    assert {bad.source for bad in kept} == {SOURCE}
    assert len(kept) == 3
    assert "RecursionError" in {bad.error for bad in kept}
    assert "message.message_id: int_parsing" in {bad.error.split(";")[0] for bad in kept}


async def test_whoever_said_what_cannot_be_read_is_told_now_and_then(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(echo)
    group = fake.group(members=[ada, fake.bot])
    eve = {"id": 66, "type": "private"}
    damaged = b'{"message_id":1,"from":{"id":42},"chat":{"id":%d,"type":"x"},"text":"a secret" "b"}'
    fake.inject_bytes(damaged.replace(b'"id":42', b'"id":66') % group.id)  # a stranger's: nobody is told
    for chat in (group.id, 42):
        payload = damaged % chat
        fake.inject_bytes(payload)
        fake.inject_bytes(payload.replace(b"secret", b"word"))
    fake.inject({"message": {"message_id": "x", "chat": eve, "from": eve}})
    ada.say("hello")
    told = Catalogue("en").t("telegram.unreadable")
    await fake.until(lambda: len(answers(fake)) == 2 and told in answers(fake, group.id))
    await fake.until(lambda: not fake.bot.updates)
    assert sorted(answers(fake)) == sorted([told, "you said hello"])
    assert answers(fake, group.id).count(told) == 1
    assert 66 not in {call.chat for call in fake.calls.of("sendMessage")}
    assert len(await life.engine.store.quarantine()) == 6


async def test_what_the_database_refuses_is_tried_again(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.desk.PAUSE", 0.01)
    life = await start(echo)
    accept, tries = life.engine.store.accept, 0

    async def refuse(*args: Any, **more: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise StorageError("locked")
        return await accept(*args, **more)

    life.engine.store.accept = refuse
    ada.say("hello")
    await fake.until(lambda: answers(fake))
    assert (answers(fake), tries) == (["you said hello"], 3)


async def test_a_fault_of_ours_is_told_and_the_next_message_is_heard(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(echo)
    check = life.engine.check

    async def broken(address: Any, parts: Any, options: Any) -> None:
        if "break" in str(parts):
            raise ZeroDivisionError
        await check(address, parts, options)

    life.engine.check = broken
    ada.say("break")
    ada.say("go on")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert "Something went wrong inside" in answers(fake)[0]
    assert answers(fake)[1] == "you said go on"
    assert [bad.error for bad in await life.engine.store.quarantine()] == ["not worked on: ZeroDivisionError"]


async def test_a_pressed_stop_waits_for_the_database(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.desk.PAUSE", 0.01)
    stop, tries = Session.stop, 0

    async def refuse(*args: Any) -> bool:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise StorageError("locked")
        return await stop(*args)

    monkeypatch.setattr(Session, "stop", refuse)
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 0.0})
    await start([["It was ", asyncio.Event()]], streaming="edit")
    ada.say("tell me a story")
    await fake.until(lambda: answers(fake) == ["It was"])
    query = ada.press(fake.chat(42).last, "stop:1")
    await fake.until(lambda: query in fake.bot.answered)
    assert (fake.bot.answered[query]["text"], tries) == ("Stopping.", 3)


async def test_a_fault_of_ours_in_a_stop_or_in_what_comes_in_pieces_is_no_end(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    async def broken(*args: Any) -> bool:
        raise ZeroDivisionError

    def gathers(waiting: Any, *before: Any) -> Any:
        if waiting[0].event.text == "break":
            raise ZeroDivisionError
        return gathered(waiting, *before)

    monkeypatch.setattr(Clerk, "stop", broken)
    monkeypatch.setattr("duihua.telegram.desk.gathered", gathers)
    life = await start(echo)
    for text in ("break", "/stop", "go on"):
        ada.say(text)
    await fake.until(lambda: len(answers(fake)) == 3)
    assert sorted(answers(fake))[2] == "you said go on"
    assert [bad.error for bad in await life.engine.store.quarantine()] == [
        "not worked on: ZeroDivisionError"
    ] * 2
