"""What changes in a chat when somebody changes their mind: edits, answers given again, replies further up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from duihua import AskUser, Attachment, Context, skill
from duihua.messages import Address
from duihua.ports import CallDelta, Finish, Request, ThinkingDelta
from duihua.simulator.telegram import FakeTelegram, User
from duihua_prompts import Catalogue
from tests.telegram.conftest import Desk
from tests.telegram.life import living
from tests.telegram.test_desk import answers, echo
from tests.telegram.test_frontend import LONG, draft

Start = Callable[..., Any]
WORDS = Catalogue("en")
HOME = Address("telegram", "42", "700000001")


def shown(fake: FakeTelegram) -> list[str]:
    """What the bot's messages say now."""
    return [message.text for message in fake.chat(42).answers if not message.deleted]


def data(fake: FakeTelegram) -> list[str]:
    """What the buttons under the last message send."""
    return [b["callback_data"] for row in fake.chat(42).last.buttons for b in row if "callback_data" in b]


async def told(fake: FakeTelegram, query: str) -> str:
    await fake.until(lambda: query in fake.bot.answered)
    return fake.bot.answered[query]["text"]


# ---------------------------------------------------------------- in the place of another answer


async def test_the_answer_to_an_edited_message_takes_the_place_of_the_old_one(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    answer = {"hello": LONG, "good bye": "so long"}
    life = await start(lambda request: answer[orjson.loads(request.packed.messages[-1])["content"]])
    message = ada.say("hello")
    await fake.until(lambda: len(shown(fake)) == 2)
    ada.edit(message, "good bye")
    await fake.until(lambda: shown(fake) == ["so long"])  # the second message goes
    assert len(fake.calls.of("sendMessage")) == 2
    assert data(fake) == ["again:2"]
    store = life.engine.store
    info = await store.session(HOME)
    assert await store.shown_in(info.id, str(fake.chat(42).last.id)) == 2


async def test_an_edit_of_a_message_that_is_being_answered(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    """What was said until then is not told as stopped: the new answer grows in its message."""
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 0.0})
    never = asyncio.Event()
    await start([["Once upon ", never], "so long"], streaming="edit")
    message = ada.say("hello")
    await fake.until(lambda: shown(fake) == ["Once upon"])
    ada.edit(message, "good bye")
    await fake.until(lambda: shown(fake) == ["so long"])
    assert not [edit for edit in fake.calls.of("editMessageText") if "topped" in str(edit)]
    assert len(fake.calls.of("sendMessage")) == 1


async def test_the_last_answer_is_given_again_in_its_place(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(["one", "two"])
    ada.say("hello")
    await fake.until(lambda: shown(fake) == ["one"])
    first = fake.chat(42).last.json()
    assert await told(fake, ada.press(fake.chat(42).last, "again:1")) == WORDS.t("telegram.again_begun")
    await fake.until(lambda: shown(fake) == ["two"])
    body = {"id": "5", "chat_instance": "1", "data": "again:1", "message": first}
    fake.inject({"callback_query": {**body, "from": {"id": 42, "is_bot": False, "first_name": "Ada"}}})
    await fake.until(lambda: len(fake.calls.of("answerCallbackQuery")) == 2)  # of a screen that is behind
    assert WORDS.t("telegram.replaced") in str(fake.calls.of("answerCallbackQuery")[-1])
    assert not await life.engine.session(HOME).waiting()
    assert [turn.text for turn in await life.engine.session(HOME).history()] == ["two"]


async def test_an_answer_further_up_stays_when_it_is_given_again(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    await start(["one", "two", "three"])
    for n, text in enumerate(("hello", "and"), 1):
        ada.say(text)
        await fake.until(lambda n=n: len(shown(fake)) == n)
    ada.press(fake.chat(42).answers[0], "again:1")
    await fake.until(lambda: shown(fake) == ["one", "two", "three"])


async def test_an_answer_that_was_cut_goes_on_once_from_where_it_stands(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    def script(request: Request) -> Any:
        said = [orjson.loads(m)["content"] for m in request.packed.messages]
        return ["one", Finish("length")] if said[-1] == "hello" else " > ".join(said)

    await start(script)
    ada.say("hello")
    await fake.until(lambda: shown(fake))
    cut = fake.chat(42).last
    ada.say("something else")
    await fake.until(lambda: len(shown(fake)) == 2)
    queries = [ada.press(cut, "continue:1") for _ in range(2)]
    await fake.until(lambda: len(shown(fake)) == 3 and all(query in fake.bot.answered for query in queries))
    assert shown(fake)[2].endswith("hello > one > Continue.")


async def test_an_answer_given_again_takes_the_place_of_files_too(make: Any, fake: FakeTelegram) -> None:
    @skill(effect="read")
    async def chart(context: Context, of: str) -> list[Any]:
        """Draws."""
        return ["drawn", Attachment(data=of.encode(), name=f"{of}.txt")]

    calls = [CallDelta(0, "c", "chart", f'{{"of": "{of}"}}') for of in ("first", "second")]
    desk: Desk = await make([calls[0], "here", calls[1], "there"], skills=[chart])
    fake.user(42, "Ada").say("draw")
    await desk.say(42, "draw")
    async for _ in desk.session(42).events(await desk.session(42).edit(1)):
        pass
    await desk.engine.deliver()
    there = [m for m in fake.chat(42).answers if not m.deleted]
    assert [m.text for m in there] == ["there", ""]
    assert there[1].media["document"]["file_name"] == "second.txt"


async def test_a_draft_never_stands_below_the_answer_that_it_replaces(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make(["one", ["two ", go_on, "three"]], streaming="auto")
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "hi")
    ticket = await desk.session(42).edit(1)
    await fake.until(lambda: desk.texts(42) == ["two"])
    assert draft(fake) is None
    go_on.set()
    async for _ in desk.session(42).events(ticket):
        pass
    await desk.engine.deliver()
    assert desk.texts(42) == ["two three"]


async def test_a_cut_off_program_goes_on_in_the_messages_it_took_over(
    fake: FakeTelegram, ada: User, database_url: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 0.0})
    given = {"streaming": "edit", "database_url": database_url, "shutdown_timeout": 0}
    async with living(fake, ["one", ["two ", asyncio.Event()]], **given):
        message = ada.say("hello")
        await fake.until(lambda: shown(fake) == ["one"])
        ada.edit(message, "good bye")
        await fake.until(lambda: shown(fake) == ["two"])
    async with living(fake, echo, **given):
        await fake.until(lambda: shown(fake) == ["you said good bye"] and data(fake) == ["again:2"])
    assert len(answers(fake)) == len(fake.calls.of("sendMessage")) == 1


# ---------------------------------------------------------------- replies


def path(request: Request) -> str:
    """Says all that was said."""
    return " > ".join(orjson.loads(message)["content"] for message in request.packed.messages)


async def replies(fake: FakeTelegram, ada: User, *, to: int, chosen: str | None = None) -> str:
    """What comes of a reply to the message with this place in the chat."""
    before = len(answers(fake))
    target = [m for m in fake.chat(42).messages.values() if not m.deleted][to]
    ada.say("why", reply_to=target, quote=chosen)
    await fake.until(lambda: len(answers(fake)) > before)
    return answers(fake)[-1]


async def test_a_reply_to_an_older_message_goes_on_from_there(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    await start(path)
    for n, text in enumerate(("one", "two"), 1):
        ada.say(text)
        await fake.until(lambda n=n: len(answers(fake)) == n)
    assert answers(fake)[1] == "one > one > two"
    assert await replies(fake, ada, to=1) == "one > one > why"  # to an answer
    assert await replies(fake, ada, to=0) == "one > one > why"  # to what was asked
    assert await replies(fake, ada, to=-1) == "one > one > why > one > one > why > why"  # to the last one
    assert (await replies(fake, ada, to=1, chosen="ne")).endswith("one > one > > 对话: ne\nwhy")
    ada.say("/new")
    await fake.until(lambda: len(answers(fake)) == 7)
    assert await replies(fake, ada, to=1) == "one > one > why"
    told = answers(fake)[6]
    at = [m.text for m in fake.chat(42).messages.values()].index(told)
    assert (await replies(fake, ada, to=at)).endswith(f"why > > 对话: {told}\nwhy")  # no turn has said that


async def test_an_edited_reply_stays_where_it_is(fake: FakeTelegram, ada: User, start: Start) -> None:
    await start(path)
    for n, text in enumerate(("one", "two"), 1):
        ada.say(text)
        await fake.until(lambda n=n: len(answers(fake)) == n)
    ada.edit(ada.say("why", reply_to=fake.chat(42).answers[0]), "how")
    await fake.until(lambda: answers(fake)[-1] == "one > one > how")


# ---------------------------------------------------------------- what is said meanwhile


async def test_one_of_the_messages_that_are_answered_together_is_edited(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    go_on = asyncio.Event()

    def script(request: Request) -> Any:
        return ["one", go_on] if path(request) == "hello" else path(request)

    await start(script)
    ada.say("/while join")
    await fake.until(lambda: len(answers(fake)) == 1)
    _, *more = [ada.say(text) for text in ("hello", "a", "b", "c")]
    await fake.until(lambda: not fake.bot.updates)
    ada.edit(more[0], "A")  # it waits
    await fake.until(lambda: not fake.bot.updates)
    ada.say("/while")
    await fake.until(lambda: "* join" in answers(fake)[-1])
    go_on.set()
    await fake.until(lambda: answers(fake)[-1] == "hello > one > A\n\nb\n\nc")
    ada.edit(more[1], "B")
    await fake.until(lambda: answers(fake)[-1] == "hello > one > A\n\nB\n\nc")
    ada.edit(more[2], "C")
    await fake.until(lambda: answers(fake)[-1] == "hello > one > A\n\nB\n\nC")


async def test_an_answer_that_is_interrupted_keeps_what_was_said(
    fake: FakeTelegram, ada: User, start: Start, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 0.0})
    await start([["one", asyncio.Event()], "two"], streaming="edit")
    ada.say("/while interrupt")
    await fake.until(lambda: len(answers(fake)) == 1)
    ada.say("hello")
    await fake.until(lambda: answers(fake)[1:] == ["one"])
    ada.say("no, wait")
    await fake.until(lambda: answers(fake)[2:] == ["two"])
    assert answers(fake)[1] == f"one\n\n{WORDS.t('notice.stopped')}"


# ---------------------------------------------------------------- what the model thinks


def quotes(fake: FakeTelegram) -> list[tuple[str, str]]:
    """The look and the words of each quote in the bot's messages."""
    return [
        (e["type"], m.text[e["offset"] : e["offset"] + e["length"]])
        for m in fake.chat(42).answers
        for e in m.entities
    ]


async def test_thoughts_stand_above_the_answer_where_they_are_wanted(make: Any, fake: FakeTelegram) -> None:
    gate, end = asyncio.Event(), asyncio.Event()
    thinking = [ThinkingDelta("hm, "), gate, ThinkingDelta("42"), "It is ", end, "42."]
    desk: Desk = await make([thinking, thinking], streaming="edit")
    fake.user(42, "Ada").say("hi")
    gate.set()
    end.set()
    await desk.say(42, "what is it?")
    assert desk.texts(42) == ["It is 42."]
    await desk.session(42).configure(thoughts=True)
    gate.clear()
    end.clear()
    talking = asyncio.create_task(desk.say(42, "what is it?"))
    await fake.until(lambda: quotes(fake) == [("expandable_blockquote", "hm,")])
    gate.set()
    await fake.until(lambda: desk.texts(42)[1] == "hm, 42\n\nIt is")
    end.set()
    await talking
    assert desk.texts(42)[1] == "hm, 42\n\nIt is 42."
    assert quotes(fake) == [("expandable_blockquote", "hm, 42")]


async def test_thoughts_leave_a_long_answer_its_room(make: Any, fake: FakeTelegram) -> None:
    script = [ThinkingDelta("想" * 10_000 + "到头了"), *(LONG[n : n + 500] for n in range(0, len(LONG), 500))]
    desk: Desk = await make([script], streaming="edit")
    fake.user(42, "Ada").say("hi")
    await desk.session(42).configure(thoughts=True)
    await desk.say(42, "hi")
    ((_, thoughts),) = quotes(fake)
    assert (len(thoughts), thoughts[0], thoughts[-3:]) == (1_000, "…", "到头了")
    told = "".join(desk.texts(42)).removeprefix(thoughts)
    assert "".join(told.split()) == "".join(LONG.split())


async def test_thinking_is_a_setting_of_the_chat(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(lambda request: [ThinkingDelta("hm"), "yes"])
    for n, text in enumerate(("/thinking", "/思考 开", "/thinking", "is it?", "/thinking off", "is it?"), 1):
        ada.say(text)
        await fake.until(lambda n=n: len(answers(fake)) == n)
    told = [text.splitlines()[0] for text in answers(fake)]
    on, off = (WORDS.t(f"command.thinking.{which}") for which in ("on", "off"))
    assert told == [off, on, on, "hm", off, "yes"]
    assert "thinking" in [c["command"] for c in next(iter(fake.bot.commands.values()))]
    assert "thoughts" not in await life.engine.session(HOME).settings()


# ---------------------------------------------------------------- a button that copies

CODE = "```python\nprint('💡你好')\n```"


@pytest.mark.parametrize(
    ("answer", "copy"),
    [
        ("It is **42**.", "It is 42."),
        (f"Try this:\n\n{CODE}\n\nIt prints a 💡.", "print('💡你好')"),
        (f"{LONG}\n\n{CODE}", "print('💡你好')"),
        (f"{CODE}\n\nor\n\n{CODE}", ""),
        (CODE.replace("你好", "好" * 256), ""),
        ("好" * 257, ""),
        (["It was ", Finish("length")], ""),  # a sentence of ours stands below
        (["`ls`", Finish("length")], ""),
        ([CODE, Finish("length")], "print('💡你好')"),
    ],
)
async def test_what_the_button_copies(answer: Any, copy: str, fake: FakeTelegram, make: Any) -> None:
    desk: Desk = await make([answer])
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "hi")
    buttons = [b for row in fake.chat(42).last.buttons for b in row]
    assert [b["copy_text"]["text"] for b in buttons if "copy_text" in b] == ([copy] if copy else [])
    assert buttons[-1]["callback_data"] == "again:1"


# ---------------------------------------------------------------- consent


async def test_a_question_is_decided_once_and_then_says_so(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    @skill(effect="write", confirm=True, title={"en": "Pay somebody"})
    async def pay(context: Context, to: str) -> str:
        """Pays somebody."""
        return "paid"

    script = [["I *must* ask.", CallDelta(0, "c", "pay", '{"to": "*Eve*"}')], "done"]
    await start(script, skills=[pay])
    ada.say("pay Eve")
    await fake.until(lambda: fake.chat(42).answers and fake.chat(42).last.buttons)
    asked = fake.chat(42).last
    assert shown(fake) == ["I must ask.", asked.text]
    assert "“Pay somebody”" in asked.text
    before, body = asked.text, asked.json()
    yes = asked.buttons[0][0]["callback_data"]
    assert await told(fake, ada.press(asked, yes)) == "✅ Ada agreed."
    await fake.until(lambda: shown(fake)[2:] == ["done"])
    assert asked.text == f"{before}\n\n✅ Ada agreed."
    assert not asked.buttons
    late = {"id": "9", "chat_instance": "1", "data": yes.replace("yes", "no"), "message": body}
    who = {"id": 42, "is_bot": False, "first_name": "Ada", "language_code": "en"}
    fake.inject({"callback_query": {**late, "from": who}})
    over = WORDS.t("error.no_call")
    await fake.until(lambda: fake.calls.of("answerCallbackQuery")[-1].text == over)
    assert shown(fake)[2:] == ["done"]


async def test_a_question_that_a_new_conversation_leaves_says_so(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    @skill(effect="write", confirm=True)
    async def pay(context: Context, to: str) -> str:
        """Pays somebody."""
        return "paid"

    await start([CallDelta(0, "c", "pay", '{"to": "Eve"}')], skills=[pay])
    ada.say("pay Eve")
    await fake.until(lambda: fake.chat(42).answers and fake.chat(42).last.buttons)
    asked = fake.chat(42).last
    ada.say("/new")
    await fake.until(lambda: len(shown(fake)) == 2)
    over = WORDS.t("approval.withdrawn")
    assert await told(fake, ada.press(asked, "✅ Yes")) == over
    assert asked.text.endswith(over)
    assert not asked.buttons


async def test_each_of_several_questions_has_buttons_until_it_is_decided(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    paid: list[str] = []

    @skill(effect="write")
    async def pay(context: Context, to: str) -> str:
        """Pays somebody."""
        if not context.approved:
            raise AskUser("Is it worth it?")
        paid.append(to)
        return "paid"

    calls = [CallDelta(n, f"c{n}", "pay", f'{{"to": "{to}"}}') for n, to in enumerate(("Eve", "Bob", "Cid"))]
    await start([calls, "done"], skills=[pay])
    ada.say("pay all of them")
    await fake.until(lambda: len(answers(fake)) == 3)
    eve, bob, cid = asked = fake.chat(42).answers
    assert [("Is it worth it?" in it.text, len(it.buttons[0])) for it in asked] == [(True, 2)] * 3
    question = eve.text
    assert await told(fake, ada.press(bob, "❌ No")) == "❌ Ada declined."
    await fake.until(lambda: bob.text.endswith("❌ Ada declined.") and not bob.buttons)
    ada.say("/yes 1")
    await fake.until(lambda: eve.text == f"{question}\n\n✅ Ada agreed.")
    assert not eve.buttons
    assert await told(fake, ada.press(cid, "✅ Yes")) == "✅ Ada agreed."
    await fake.until(lambda: shown(fake)[3:] == ["done"])
    assert paid == ["Eve", "Cid"]
    assert not cid.buttons
