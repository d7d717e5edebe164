"""Who is answered, and how: access, commands, buttons, edits, groups, what is no text."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from duihua.access import Access
from duihua.commands import Command, CommandTable, Show
from duihua.errors import NotSent, StorageError
from duihua.messages import Address, text_of
from duihua.session import Session
from duihua.simulator.telegram import FakeTelegram, User
from duihua.telegram import clerk, telling
from duihua.telegram.api import Api
from duihua.telegram.clerk import Clerk
from duihua.telegram.lease import Lease, LeaseLost
from duihua.telegram.place import Place, address_of
from duihua.telegram.porter import Porter
from duihua_prompts import Catalogue
from duihua_storage import SqlStore
from tests.telegram.life import living
from tests.telegram.test_desk import SOURCE, answers, echo

Start = Callable[..., Any]


# ---------------------------------------------------------------- access


async def test_a_stranger_gets_a_code_once_and_asks_the_model_nothing(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(["for the owner"])
    eve = fake.user(66, "Eve", language_code="zh-hans")
    for text in ("你好", "/new", "喂?", "/stop"):
        eve.say(text)
    ada.say("hello")
    await fake.until(lambda: "for the owner" in answers(fake))
    await fake.until(lambda: not fake.bot.updates)
    (told,) = answers(fake, 66)
    assert "配对码" in told
    assert await life.engine.store.user("main", "telegram", "66") is None


async def test_a_code_makes_the_first_owner(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(["hi"], owners=())
    ada.say(f"/start {await life.engine.access.invite()}")
    ada.say("hello")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert answers(fake) == [Catalogue("en").t("access.became.owner"), "hi"]


async def test_a_question_that_was_decided_at_a_command_line_is_closed(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.telegram.desk.TIDY", 0.0)
    life = await start(owners=(f"telegram/{ada.id}",))
    ada.say("/start")
    await fake.until(lambda: len(answers(fake)) == 1)
    fake.user(66, "Eve", language_code="en").say("hi")
    await fake.until(lambda: len(answers(fake)) == 2)
    asked = fake.chat(42).last
    elsewhere = Access(life.engine.store, life.engine.settings)
    (waiting,) = await elsewhere.pending()
    await elsewhere.decide(waiting.id, yes=True)
    over = Catalogue("en").t("telegram.access.over")
    await fake.until(lambda: asked.text.endswith(over) and not asked.buttons)
    assert "Eve" in asked.text


@pytest.mark.parametrize(
    ("name", "seen"), [("Ada\u202e\u200b (owner)", "Ada (owner)"), ("\u3164", "66")], ids=["hidden", "none"]
)
async def test_a_name_is_told_as_it_is_seen(
    name: str, seen: str, fake: FakeTelegram, ada: User, start: Start
) -> None:
    await start()
    ada.say("/start")
    await fake.until(lambda: answers(fake))
    fake.user(66, name, language_code="en").say("hi")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert answers(fake)[1].startswith(f"{seen} (telegram/66) would like")


async def test_an_administrator_lets_a_stranger_in_by_a_button(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(echo, owners=("telegram/42", "telegram/43"))
    bob, eve = fake.user(43, "Bob", language_code="en"), fake.user(66, "Eve", language_code="en")
    for owner in (ada, bob):
        owner.say("here I am")
    await fake.until(lambda: answers(fake) and answers(fake, 43))
    eve.say("hello")
    await fake.until(lambda: len(answers(fake)) == 2 and len(answers(fake, 43)) == 2)
    asked = fake.chat(43).last
    assert asked.text == "Eve (telegram/66) would like to talk to me."
    body = {"id": "5", "chat_instance": "1", "data": "admit:1", "message": asked.json()}
    fake.inject({"callback_query": {**body, "from": {"id": 66, "is_bot": False, "first_name": "Eve"}}})
    await fake.until(lambda: fake.calls.of("answerCallbackQuery"))
    assert len(await life.engine.access.pending()) == 1  # it is not for her
    queries = [ada.press(fake.chat(42).last, "admit:1"), bob.press(asked, "admit:1")]  # both at once
    await fake.until(lambda: all(query in fake.bot.answered for query in queries))
    told = [fake.bot.answered[query]["text"] for query in queries]
    assert sorted("decided already" in text for text in told) == [False, True]
    for chat in (42, 43):
        await fake.until(lambda chat=chat: not fake.chat(chat).last.buttons)
    winner = "Ada" if "may talk to me now" in told[0] else "Bob"
    assert answers(fake, 42)[-1] == answers(fake, 43)[-1]
    assert answers(fake, 42)[-1].endswith(f"Decided by {winner}.")
    await fake.until(lambda: Catalogue("en").t("access.became.user") in answers(fake, 66))
    eve.say("hello again")
    await fake.until(lambda: "you said hello again" in answers(fake, 66))


async def test_an_open_bot_talks_to_everybody_but_not_for_ever(fake: FakeTelegram, start: Start) -> None:
    await start(echo, access="open", owners=(), rate_user="1/60")
    eve = fake.user(66, "Eve", language_code="en")
    for text in ("one", "two", "three"):
        eve.say(text)
    await fake.until(lambda: len(answers(fake, 66)) == 2 and not fake.bot.updates)
    slower, said = sorted(answers(fake, 66))
    assert "too fast" in slower
    assert said == "you said one"


# ---------------------------------------------------------------- commands and buttons


async def test_commands_are_answered_in_the_language_of_the_app(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    await start()
    for text in ("/help", "/nwe", "/start", "/HELP@Duihua_Bot", "/help@other_bot", "/ask"):
        ada.say(text)
    await fake.until(lambda: len(answers(fake)) == 5)
    listed, near, hello, again, ask = answers(fake)
    assert "/compare" in listed
    assert listed == again
    assert "/new" in near
    assert "/help" in hello
    assert "/ask" in ask


async def test_the_help_is_in_chinese_and_needs_no_columns(fake: FakeTelegram, start: Start) -> None:
    ming = fake.user(42, "Ming", language_code="zh-hans")
    await start()
    ming.say("/help")
    await fake.until(lambda: answers(fake))
    (told,) = answers(fake)
    assert "/private [开|关] — 无痕对话" in told
    assert "  " not in told
    assert not re.search(r"[\[|][a-z]+[\]|]", told)


async def test_what_needs_consent_is_done_after_a_yes_alone(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(["one", "two"])
    ada.say("hello")
    await fake.until(lambda: answers(fake) == ["one"])
    ada.say("/forget all")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert "/yes" in answers(fake)[1]
    ada.say("/no")
    ada.say("/yes")  # there is nothing left to consent to
    await fake.until(lambda: len(answers(fake)) == 4)
    session = life.engine.session(Address("telegram", "42", "700000001"))
    assert len(await session.history()) == 1
    ada.say("/forget all")
    ada.say("/yes")
    await fake.until(lambda: len(answers(fake)) == 6)
    assert await session.history() == []
    ada.say("hello again")
    await fake.until(lambda: answers(fake)[-1] == "two")


async def test_a_yes_that_the_database_refuses_is_still_one(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.telegram.desk.PAUSE", 0.01)
    forget, tries = Session.forget, 0

    async def refuse(session: Session) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StorageError("locked")
        return await forget(session)

    monkeypatch.setattr(Session, "forget", refuse)
    await start(["one"])
    ada.say("hello")
    await fake.until(lambda: answers(fake) == ["one"])
    ada.say("/forget")
    ada.say("/yes")
    await fake.until(lambda: len(answers(fake)) == 3)
    assert answers(fake)[2] == Catalogue("en").t("command.forget.done", count=1)


async def test_a_file_is_sent_as_one(fake: FakeTelegram, ada: User, start: Start) -> None:
    await start(["one"])
    ada.say("hello")
    await fake.until(lambda: answers(fake))
    ada.say("/export")
    await fake.until(lambda: fake.calls.of("sendDocument"))
    assert fake.chat(42).last.media


async def test_a_long_answer_to_a_command_goes_on_where_it_was_refused(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    async def told(scene: Any) -> Show:
        return Show("\n".join(f"{n} {'x' * 4_000}" for n in range(4)))

    send, tries = Api.send, 0

    async def refuse(*args: Any, **more: Any) -> int:
        nonlocal tries
        tries += 1
        if 3 <= tries <= 5:
            raise NotSent("the chat has had as many messages as it may", 0.0)
        return await send(*args, **more)

    monkeypatch.setattr(clerk, "TABLE", CommandTable((Command("long", told),)))
    monkeypatch.setattr(Api, "send", refuse)
    await start(echo)
    ada.say("/long")
    await fake.until(lambda: len(answers(fake)) == 4)
    ada.say("hello")
    await fake.until(lambda: "you said hello" in answers(fake))
    assert [text[0] for text in answers(fake)] == ["0", "1", "2", "3", "y"]


async def test_an_answer_to_a_command_waits_as_long_as_telegram_asks_to(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LATE", 0.01)
    life = await start(echo)
    send, open_ = Api.send, list[int]()

    async def refuse(*args: Any, **more: Any) -> int:
        if len(open_) < 40:  # for twenty minutes, all in all
            open_.append(len(await life.engine.store.arrived(SOURCE)))
            raise NotSent("Telegram asks to wait", 31.0)
        return await send(*args, **more)

    monkeypatch.setattr(Api, "send", refuse)
    ada.say("/help")
    await fake.until(lambda: answers(fake))
    assert set(open_) == {1}  # another process would have found it, too


@pytest.mark.parametrize("kind", ["error", "cut"])
async def test_an_answer_to_a_command_outlives_a_broken_connection(
    kind: Any, fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SOON", "LATER"):
        monkeypatch.setattr(telling, name, 0.0)
    await start()
    fake.faults.add(kind, method="sendMessage", times=2)
    ada.say("/usage")
    await fake.until(lambda: answers(fake) == [Catalogue("en").t("command.usage.nothing")])
    fake.faults.add("garbage", method="sendMessage", times=0)
    ada.say("/usage")
    await fake.until(lambda: len(answers(fake)) == 1 + telling.TRIES)
    fake.faults.clear()
    ada.say("/new")
    await fake.until(lambda: answers(fake)[-1] == Catalogue("en").t("command.new.done"))
    assert len(answers(fake)) == 2 + telling.TRIES


async def test_the_buttons_under_an_answer(fake: FakeTelegram, ada: User, start: Start) -> None:
    await start(["one", "two"])
    ada.say("hello")
    await fake.until(lambda: answers(fake) == ["one"])
    query = ada.press(fake.chat(42).last, "again:1")
    await fake.until(lambda: query in fake.bot.answered)
    await fake.until(lambda: "two" in answers(fake))


async def test_nobody_else_presses_a_button(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(["one"])
    ada.say("hello")
    await fake.until(lambda: answers(fake) == ["one"])
    body = {
        "id": "5",
        "from": {"id": 66, "is_bot": False, "first_name": "Eve"},
        "message": fake.chat(42).last.json(),
        "chat_instance": "1",
        "data": "again:1",
    }
    fake.inject({"callback_query": body})
    await fake.until(lambda: fake.calls.of("answerCallbackQuery"))
    assert len(await life.engine.session(Address("telegram", "42", "700000001")).history()) == 1


async def test_stop_ends_what_a_command_tells(fake: FakeTelegram, ada: User, start: Start) -> None:
    never = asyncio.Event()
    await start(lambda request: ["a little ", never])
    ada.say("/compare scripted/any what is a prime?")
    await fake.until(lambda: not fake.bot.updates)
    ada.say("/stop")
    await fake.until(lambda: "Stopping." in answers(fake))
    ada.say("/help")
    await fake.until(lambda: any("/compare" in text for text in answers(fake)))


async def test_stop_is_not_held_up_by_what_it_comes_too_early_for(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in, admit, stop = asyncio.Event(), Porter.admit, Clerk.stop
    tried = 0

    async def slowly(*given: Any) -> Any:
        await let_in.wait()
        return await admit(*given)

    async def counted(*given: Any) -> bool:
        nonlocal tried
        tried += 1
        return await stop(*given)

    monkeypatch.setattr(Porter, "admit", slowly)
    monkeypatch.setattr(Clerk, "stop", counted)
    never = asyncio.Event()
    life = await start(lambda request: ["a little ", never])
    ada.say("/compare scripted/any what is a prime?")
    ada.say("/stop")
    while not tried:
        await life.engine.store.arrived(SOURCE)
    let_in.set()
    await fake.until(lambda: "Stopping." in answers(fake))


async def test_a_refused_input_is_told_as_a_reply(fake: FakeTelegram, ada: User, start: Start) -> None:
    held = asyncio.Event()
    await start([["x", held]], max_pending=1)
    ada.say("one")
    await fake.until(lambda: not fake.bot.updates)
    late = ada.say("two")
    await fake.until(lambda: answers(fake))
    assert "waiting already" in answers(fake)[0]
    assert fake.chat(42).last.reply_to == late.id
    held.set()
    await fake.until(lambda: "x" in answers(fake))


# ---------------------------------------------------------------- what is said


async def test_an_edited_message_is_answered_anew(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(echo)
    message = ada.say("hello")
    await fake.until(lambda: answers(fake) == ["you said hello"])
    ada.edit(message, "hello")  # nothing of it has changed
    ada.edit(message, "good bye")
    await fake.until(lambda: any("good bye" in text for text in answers(fake)))
    session = life.engine.session(Address("telegram", "42", "700000001"))
    assert [turn.text for turn in await session.history()] == ["you said good bye"]


async def test_a_reply_brings_what_it_quotes(fake: FakeTelegram, ada: User, start: Start) -> None:
    await start(echo)
    first = ada.say("the sky is green")
    await fake.until(lambda: answers(fake))
    ada.say("is it?", reply_to=first, quote="sky is green")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert answers(fake)[1] == "you said > Ada: sky is green\nis it?"


async def test_bots_are_never_answered(fake: FakeTelegram, ada: User, start: Start) -> None:
    await start(["for Ada"])
    robot = {"id": 7, "is_bot": True, "first_name": "Robot"}
    chat = {"id": 7, "type": "private"}
    fake.inject({"message": {"message_id": 5, "date": 1, "chat": chat, "from": robot, "text": "hello"}})
    ada.say("hello")
    await fake.until(lambda: answers(fake))
    assert answers(fake) == ["for Ada"]


async def test_a_topic_is_a_conversation_of_its_own(fake: FakeTelegram, ada: User, start: Start) -> None:
    fake.bot.topics = True
    await start(echo)
    ada.say("hello")
    topic = ada.topic("Travel")
    ada.say("to Rome", thread=topic.id)
    await fake.until(lambda: len(answers(fake)) == 2)
    threads = {message.text: message.thread for message in fake.chat(42).answers}
    assert threads == {"you said to Rome": topic.id, "you said hello": None}


async def test_in_a_group_only_what_is_meant_for_the_bot_is_heard(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    fake.bot.privacy = False
    await start(echo)
    eve = fake.user(66, "Eve", language_code="en")
    group = fake.group(members=[ada, fake.bot, eve])
    ada.say("nobody in particular", group)
    ada.say("@other_bot hello", group)
    ada.say("/nothing", group)
    eve.say("@duihua_bot and me?", group)
    ada.say("@Duihua_bot, one", group)
    await fake.until(lambda: len(answers(fake, group.id)) == 3)
    ada.say("/ask two", group)
    await fake.until(lambda: len(answers(fake, group.id)) == 4)
    ada.say("three", group, reply_to=fake.chat(group.id).last)
    await fake.until(lambda: len(answers(fake, group.id)) == 5)
    hello, stranger, *heard = answers(fake, group.id)
    assert "/ask" in hello
    assert "Write to me alone first" in stranger
    said = [text.rpartition("\n")[2].removeprefix("you said ") for text in heard]
    assert [text.removeprefix("Ada: ") for text in said] == ["one", "two", "three"]


# ---------------------------------------------------------------- once, whatever happens


async def test_a_crash_between_saying_and_settling_says_nothing_twice(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    async with living(fake, ["hi"], database_url=database_url) as first:
        submitted = asyncio.Event()

        async def never(ids: Any, *, error: str = "") -> None:
            submitted.set()
            await asyncio.Event().wait()

        first.engine.store.settle_arrivals = never
        ada.say("hello")
        await submitted.wait()
        await fake.until(lambda: answers(fake))
    async with living(fake, (), database_url=database_url) as second:
        settle, settled = second.engine.store.settle_arrivals, asyncio.Event()

        async def then(ids: Any, *, error: str = "") -> None:
            await settle(ids, error=error)
            settled.set()

        second.engine.store.settle_arrivals = then
        await settled.wait()
        assert await second.engine.store.arrived(SOURCE) == []
        assert answers(fake) == ["hi"]


async def test_undo_that_a_crash_cut_off_is_done_once(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    script = ["one", "two"]
    async with living(fake, script, database_url=database_url) as first:
        for number, text in enumerate(("hello", "hello again"), 1):
            ada.say(text)
            await fake.until(lambda number=number: len(answers(fake)) == number)
        undone = asyncio.Event()

        async def never(ids: Any, *, error: str = "") -> None:
            undone.set()
            await asyncio.Event().wait()

        first.engine.store.settle_arrivals = never
        ada.say("/undo")
        await undone.wait()
    async with living(fake, (), database_url=database_url) as second:
        await fake.until(lambda: len(answers(fake)) == 4)  # it is told again, rather than not at all
        (turn,) = await second.engine.session(address_of(700000001, Place(42))).history()
        assert text_of(turn.input) == "hello"
    assert answers(fake)[2] == answers(fake)[3]


async def test_a_webhook_from_end_to_end(fake: FakeTelegram, ada: User, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/a/path"
    await start(echo, webhook=url, listen=("127.0.0.1", port))
    await fake.until(lambda: fake.bot.webhook)
    assert fake.bot.webhook
    assert fake.bot.webhook.url == f"{url}/700000001"
    assert len(fake.bot.webhook.secret) == 64
    assert "stopped_message_generation" in fake.bot.asked
    ada.say("hello")
    await fake.until(lambda: answers(fake))
    assert fake.bot.webhook.delivered == 1


async def test_two_bots_in_one_program(fake: FakeTelegram, ada: User, start: Start) -> None:
    other = fake.add_bot("700000002:AAother", "other_bot")
    await start(echo, tokens=[SecretStr(fake.token), SecretStr(other.token)])
    ada.say("one")
    ada.say("two", other)
    await fake.until(lambda: answers(fake))
    await fake.until(lambda: fake.chat(42, other).answers)
    assert fake.chat(42, other).last.text == "you said two"


# ---------------------------------------------------------------- the lease


async def test_a_second_program_stands_by_until_the_first_one_ends(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    async with living(fake, echo, database_url=database_url, lease=1) as first:
        await fake.until(lambda: fake.bot.waiting)
        async with living(fake, echo, database_url=database_url, lease=1) as second:
            (pulse,) = second.running._pulses
            stands, turn = asyncio.Event(), pulse.turn

            def turned(state: Any, problem: str = "") -> None:
                turn(state, problem)
                stands.set()

            pulse.turn = turned  # type: ignore[method-assign]
            await stands.wait()
            assert (pulse.state, pulse.well) == ("standby", True)
            ada.say("one")
            await fake.until(lambda: answers(fake))
            first.stop.set()
            await first.task
            ada.say("two")
            await fake.until(lambda: len(answers(fake)) == 2)
            assert pulse.state == "working"


async def test_what_a_killed_process_was_sending_is_sent_by_the_next_one(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    async with living(fake, ["hi"], database_url=database_url) as first:
        store, token = first.engine.store, first.engine.lanes.token()
        take, taken = store.take_sends, asyncio.Event()

        async def dies(*args: Any, **more: Any) -> Any:
            if await take(*args, **more):
                taken.set()
            return ()

        store.take_sends = dies
        ada.say("hello")
        await taken.wait()
        first.stop.set()
        await first.task
        await store.hold(SOURCE, token.replace(f":{os.getpid()}:", f":{2**22 + 1}:"), lease=600_000)
    async with living(fake, (), database_url=database_url):
        await fake.until(lambda: answers(fake) == ["hi"])


async def test_work_ends_with_the_lease(store: SqlStore) -> None:
    lease = Lease(store, SOURCE, "one", lambda token: "elsewhere", 0.2)
    await lease.taken(lambda: None)
    ended = asyncio.Event()

    async def work() -> None:
        try:
            while not await store.hold(SOURCE, "two", lease=60_000):
                await store.let_go(SOURCE, "one")
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(LeaseLost):
        await lease.during(work())
    assert ended.is_set()
    assert await store.holder(SOURCE) == "two"


async def test_work_ends_when_the_database_cannot_be_asked(store: SqlStore) -> None:
    lease = Lease(store, SOURCE, "one", lambda token: "elsewhere", 0.1)
    await lease.taken(lambda: None)

    async def refuse(*args: Any, **more: Any) -> bool:
        raise StorageError("locked")

    store.hold = refuse  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        await lease.during(asyncio.Event().wait())  # type: ignore[arg-type]
