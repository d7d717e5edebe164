"""What people send beside text, from their apps to what the model is asked, and what belongs together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from duihua.dialect import ChatDialect
from duihua.messages import Address
from duihua.ports import Limits, Request
from duihua.simulator import Simulator
from duihua.simulator.telegram import FakeTelegram, User
from duihua.telegram import gathering, reading
from duihua.testing import ScriptedModel
from duihua_prompts import Catalogue
from tests.documents import files
from tests.telegram.life import living
from tests.telegram.test_desk import SOURCE, answers, echo

Start = Callable[..., Any]
EN = Catalogue("en", remote=True)
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
SEES = ChatDialect("s/sees", Limits(None, 8_000), Limits(None, 8_000), images="data_url")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fake sends in pieces it sends at once."""
    monkeypatch.setattr(gathering, "QUIET", 0.1)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind is enough: nothing here is about it."""
    return f"sqlite+aiosqlite:///{tmp_path}/duihua.db"


def seeing(script: Any) -> ScriptedModel:
    return ScriptedModel(script, SEES)


def always(text: str) -> Callable[[Request], str]:
    return lambda request: text


def asked(model: ScriptedModel, request: int = -1) -> list[str]:
    """What the last message of a request holds: "image_url" for each picture, then what is said in words."""
    content: Any = model.sent[request][-1]["content"]
    parts = [{"text": content}] if isinstance(content, str) else content
    return [p["type"] if "text" not in p else p["text"].rpartition("\n")[2] for p in parts]


async def test_a_model_that_sees_is_shown_a_photo(fake: FakeTelegram, ada: User, start: Start) -> None:
    model = seeing(["A cat."])
    await start(model)
    ada.photo(PNG, "what is it?")
    await fake.until(lambda: answers(fake))
    assert answers(fake) == ["A cat."]
    assert asked(model) == ["image_url", "what is it?"]


async def test_a_model_that_does_not_see_answers_the_caption_and_that_is_told(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    await start(always("A caption."))
    sent = ada.photo(PNG, "what is it?")
    await fake.until(lambda: len(answers(fake)) == 2)
    told = EN.t("error.input_no_images", model="scripted/any")
    assert set(answers(fake)) == {told, "A caption."}
    assert next(m for m in fake.chat(42).answers if m.text == told).reply_to == sent.id


async def test_what_cannot_be_taken_at_all_is_told_instead_of_a_turn(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    await start(echo)
    ada.photo(PNG)
    await fake.until(lambda: answers(fake))
    ada.say("hello")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert answers(fake) == [EN.t("error.input_no_images", model="scripted/any"), "you said hello"]


async def test_a_document_is_read_with_what_is_asked_about_it(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    model = seeing(["Two pages."])
    await start(model)
    ada.document(files.pdf("one", "two"), "a.pdf", "application/pdf", "how many pages?")
    await fake.until(lambda: answers(fake))
    document, _, question = model.sent[0][-1]["content"].partition("\n")
    assert orjson.loads(document)["content"] == "[page 1]\none\n\n[page 2]\ntwo"
    assert question == "how many pages?"


async def test_voice_is_answered_and_what_was_heard_is_told(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    async with Simulator() as sim:
        known = sim.settings()
        await start(echo, openai_api_key=known["OPENAI_API_KEY"], openai_base_url=known["OPENAI_BASE_URL"])
        ada.voice(b"OggS" + bytes(96))
        await fake.until(lambda: len(answers(fake)) == 2)
    heard = "[voice.ogg, 100 bytes]"
    assert set(answers(fake)) == {EN.t("file.heard", text=heard), f"you said {heard}"}


async def test_ask_in_a_caption_and_a_mention_in_one(fake: FakeTelegram, ada: User, start: Start) -> None:
    fake.bot.privacy = False
    model = seeing(always("Seen."))
    await start(model)
    group = fake.group(members=[ada, fake.bot])
    await fake.until(lambda: answers(fake, group.id))  # the bot greets
    ada.photo(PNG, "for nobody", to=group)
    ada.photo(PNG, "/ask what is it?", to=group)
    await fake.until(lambda: len(answers(fake, group.id)) == 2)
    assert asked(model) == ["image_url", "what is it?"]
    picture = ada.photo(PNG, "@duihua_bot and this?", to=group)
    await fake.until(lambda: len(answers(fake, group.id)) == 3)
    assert asked(model) == ["image_url", "and this?"]
    ada.say("/ask", group, reply_to=picture)  # the picture is the question
    await fake.until(lambda: len(answers(fake, group.id)) == 4)
    assert "image_url" in asked(model)


# ---------------------------------------------------------------- while a file is read


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Files of messages are read when this is set."""
    held, parts_of = asyncio.Event(), reading.parts_of

    async def slowly(*given: Any, **more: Any) -> Any:
        await held.wait()
        return await parts_of(*given, **more)

    monkeypatch.setattr(reading, "parts_of", slowly)
    return held


async def test_other_chats_and_a_stop_do_not_wait_for_a_file(
    fake: FakeTelegram, ada: User, start: Start, slow: asyncio.Event
) -> None:
    life = await start(echo, access="open")
    ada.photo(PNG, "a large one")
    await fake.until(lambda: not fake.bot.updates)
    fake.user(43, "Bob").say("hello")
    await fake.until(lambda: answers(fake, 43))
    ada.say("/stop")
    await fake.until(lambda: answers(fake) == [EN.t("command.stop.done")])
    ada.say("hello")
    await fake.until(lambda: len(answers(fake)) == 2)
    assert answers(fake)[1] == "you said hello"
    assert not slow.is_set()
    assert not any(b"photo" in one.body for one in await life.engine.store.arrived(SOURCE))


async def test_a_stop_ends_the_answer_that_runs_and_not_the_file_that_is_read(
    fake: FakeTelegram, ada: User, start: Start, slow: asyncio.Event
) -> None:
    def script(request: Any) -> Any:
        return ["It was ", asyncio.Event()] if "story" in echo(request) else "A caption."

    life = await start(script)
    ada.say("tell me a story")
    await fake.until(lambda: life.engine.lanes._lanes)
    ada.photo(PNG, "and this?")
    await fake.until(lambda: not fake.bot.updates)
    ada.say("/stop")
    await fake.until(lambda: EN.t("command.stop.done") in answers(fake))
    slow.set()
    await fake.until(lambda: "A caption." in answers(fake))


# ---------------------------------------------------------------- what belongs together


async def test_an_album_is_one_turn_and_counts_once(fake: FakeTelegram, start: Start) -> None:
    model = seeing(always("Three cats."))
    await start(model, access="open", owners=(), rate_user="1/60")
    eve = fake.user(66, "Eve", language_code="en")
    first, *_ = eve.album([PNG, PNG, PNG], "how many?")
    await fake.until(lambda: answers(fake, 66))
    assert asked(model) == ["image_url"] * 3 + ["how many?"]
    eve.album([PNG], album=first.album)  # it comes late, and its turn is done anew
    await fake.until(lambda: len(model.sent) == 2)
    assert asked(model) == ["image_url"] * 4 + ["how many?"]
    eve.say("and now?")
    await fake.until(lambda: any("too fast" in text for text in answers(fake, 66)))
    assert answers(fake, 66)[0] == "Three cats."
    assert len(model.sent) == 2


async def test_in_a_group_one_caption_is_for_the_whole_album(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    fake.bot.privacy = False
    model = seeing(always("Two."))
    await start(model)
    group = fake.group(members=[ada, fake.bot])
    await fake.until(lambda: answers(fake, group.id))  # the bot greets
    ada.album([PNG, PNG], "for nobody", group)
    ada.album([PNG, PNG], "@duihua_bot how many?", group)
    await fake.until(lambda: len(answers(fake, group.id)) == 2)
    assert [asked(model, n) for n in range(len(model.sent))] == [["image_url", "image_url", "how many?"]]


async def test_a_late_picture_joins_what_still_waits(fake: FakeTelegram, ada: User, start: Start) -> None:
    held = asyncio.Event()
    model = seeing([["It was ", held], "Two."])
    life = await start(model)
    ada.say("tell me a story")
    await fake.until(lambda: life.engine.lanes._lanes)
    amend, amended = life.engine.store.amend, asyncio.Event()

    async def then(*given: Any) -> bool:
        done = await amend(*given)
        amended.set()
        return done

    life.engine.store.amend = then
    first, *_ = ada.album([PNG], "how many?")
    await fake.until(lambda: len(fake.calls.of("getFile")) == 1)
    ada.album([PNG], album=first.album)
    await amended.wait()
    held.set()
    await fake.until(lambda: "Two." in answers(fake))
    assert asked(model) == ["image_url", "image_url", "how many?"]
    assert len(model.sent) == 2


async def test_a_command_in_the_caption_of_an_album_is_run_once(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    life = await start(echo)
    first, *_ = ada.album([PNG, PNG], "/help")
    await fake.until(lambda: answers(fake))
    ada.album([PNG], album=first.album)
    await fake.until(lambda: len(answers(fake)) == 2)
    assert answers(fake)[1] == EN.t("error.input_no_images", model="scripted/any")
    ada.say("hello")
    await fake.until(lambda: len(answers(fake)) == 3)
    assert not any(b"photo" in one.body for one in await life.engine.store.arrived(SOURCE))


async def test_a_long_paste_is_one_turn(fake: FakeTelegram, ada: User, start: Start) -> None:
    model = seeing(always("Long."))
    await start(model)
    text = f"{'a' * 4_090} {'b' * 4_090} the end"
    await ada.paste(text, gap=0)
    await fake.until(lambda: answers(fake))
    ada.say("short")
    await fake.until(lambda: len(model.sent) == 2)
    assert model.sent[0][-1]["content"] == text


async def test_the_first_piece_of_a_paste_is_edited_and_the_others_stay(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    model = seeing(always("Long."))
    await start(model)
    first, _ = await ada.paste("a" * 4_096 + "the end", gap=0)
    await fake.until(lambda: answers(fake))
    ada.edit(first, "In short: (")
    await fake.until(lambda: len(model.sent) == 2)
    assert model.sent[1][-1]["content"] == "In short: (the end"


async def test_a_later_piece_of_a_paste_is_edited_and_the_others_stay(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    model = seeing(always("Long."))
    await start(model)
    _, second, third = await ada.paste("a" * 4_096 + "b" * 4_096 + "the end", gap=0)
    await fake.until(lambda: answers(fake))
    ada.edit(second, "and so on, until:")
    await fake.until(lambda: len(model.sent) == 2)
    ada.edit(third, "it ends")
    await fake.until(lambda: len(model.sent) == 3)
    said = [sent[-1]["content"] for sent in model.sent[1:]]
    assert said == ["a" * 4_096 + f"and so on, until:{end}" for end in ("the end", "it ends")]
    assert len(answers(fake)) == 1


async def test_a_reply_to_any_piece_goes_on_from_there(fake: FakeTelegram, ada: User, start: Start) -> None:
    model = seeing(always("word " * 1_500))
    await start(model, rich="never")
    _, second = await ada.paste("a" * 4_096 + "the end", gap=0)
    await fake.until(lambda: len(answers(fake)) == 2)
    *_, photo = ada.album([PNG, PNG], "what is it?")
    await fake.until(lambda: len(answers(fake)) == 4)
    ada.say("between")
    await fake.until(lambda: len(answers(fake)) == 6)
    for count, to in ((1, second), (1, fake.chat(42).answers[1]), (3, photo), (3, fake.chat(42).answers[3])):
        asks = len(model.sent)
        ada.say("why?", reply_to=to)
        await fake.until(lambda asks=asks: len(model.sent) == asks + 1)
        said = [message["content"] for message in model.sent[-1] if message["role"] == "user"]
        assert len(said) == count // 2 + 2
        assert said[-1] == "why?"


# ---------------------------------------------------------------- captions that change


async def test_the_caption_of_any_picture_of_an_album_may_change(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    async with living(fake, seeing(always("Cats.")), database_url=database_url):
        first, second, third = ada.album([PNG, PNG, PNG], "what is it?")
        await fake.until(lambda: answers(fake))
    model = seeing(always("Dogs."))
    async with living(fake, model, database_url=database_url):
        for message, text in ((third, "and that?"), (second, "or this?"), (third, ""), (first, "")):
            known = len(model.sent)
            ada.edit(message, text)
            await fake.until(lambda known=known: len(model.sent) == known + 1)
    says = ["what is it?\nand that?", "what is it?\nor this?\nand that?", "what is it?\nor this?", "or this?"]
    images = "[image: photo.jpg]\n" * 3
    assert [sent[-1]["content"][3]["text"] for sent in model.sent] == [images + text for text in says]
    assert len(answers(fake)) == 1


async def test_a_changed_caption_is_answered_anew_with_its_pictures(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    model = seeing(always("Cats."))
    await start(model)
    first, *_ = ada.album([PNG, PNG], "what is it?")
    await fake.until(lambda: answers(fake))
    ada.edit(first, "what is it?")  # nothing of it has changed
    ada.edit(first, "how many?")
    await fake.until(lambda: len(model.sent) == 2)
    ada.edit(first, "")
    await fake.until(lambda: len(model.sent) == 3)
    said = [asked(model, n) for n in range(3)]
    assert said[:2] == [["image_url", "image_url", text] for text in ("what is it?", "how many?")]
    assert said[2][:2] == ["image_url"] * 2
    assert "how many?" not in said[2]
    assert len(fake.calls.of("getFile")) == 2


async def test_a_caption_that_changes_while_it_waits_keeps_its_picture(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    held = asyncio.Event()
    model = seeing([["It was ", held], "A cat."])
    life = await start(model)
    ada.say("tell me a story")
    await fake.until(lambda: life.engine.lanes._lanes)
    ada.edit(ada.photo(PNG, "who is it?"), "what is it?")
    ada.say("/help")
    await fake.until(lambda: answers(fake))  # the edit came before it
    held.set()
    await fake.until(lambda: "A cat." in answers(fake))
    assert asked(model) == ["image_url", "what is it?"]
    assert len(model.sent) == 2


async def test_of_what_is_answered_together_one_caption_changes(
    fake: FakeTelegram, ada: User, start: Start
) -> None:
    held = asyncio.Event()
    model = seeing([["It was ", held], "Both.", "Anew."])
    life = await start(model)
    ada.say("tell me a story")
    await fake.until(lambda: life.engine.lanes._lanes)
    await life.engine.session(Address("telegram", "42", "700000001")).configure(meanwhile="join")
    photo = ada.photo(PNG, "who is it?")
    ada.say("and hello")
    ada.say("/help")
    await fake.until(lambda: answers(fake))
    held.set()
    await fake.until(lambda: "Both." in answers(fake))
    ada.edit(photo, "what is it?")
    await fake.until(lambda: len(model.sent) == 3)
    content = [model.sent[n][-1]["content"] for n in (1, 2)]
    assert [parts[0]["type"] for parts in content] == ["image_url", "image_url"]
    assert content[0][1]["text"].replace("who is it?", "what is it?") == content[1][1]["text"]
    assert content[1][1]["text"].endswith("what is it?\n\nand hello")


# ---------------------------------------------------------------- after a crash


async def test_an_album_that_a_crash_cuts_is_one_turn(
    fake: FakeTelegram, ada: User, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "QUIET", 1_000)
    async with living(fake, (), database_url=database_url) as first:
        sent, *_ = ada.album([PNG], "how many?")
        await fake.until(lambda: not fake.bot.updates)
        assert await first.engine.store.arrived(SOURCE)
    monkeypatch.setattr(gathering, "QUIET", 0.1)
    ada.album([PNG, PNG], album=sent.album)
    model = seeing(always("Three."))
    async with living(fake, model, database_url=database_url):
        await fake.until(lambda: answers(fake))
    assert [asked(model, n) for n in range(len(model.sent))] == [["image_url"] * 3 + ["how many?"]]


async def test_a_file_that_is_read_during_a_crash_is_read_again(
    fake: FakeTelegram, ada: User, database_url: str, slow: asyncio.Event
) -> None:
    async with living(fake, (), database_url=database_url):
        ada.document(b"tea,3", "prices.csv", "text/csv", "what is it?")
        await fake.until(lambda: not fake.bot.updates)
    slow.set()
    async with living(fake, ["Prices."], database_url=database_url):
        await fake.until(lambda: answers(fake) == ["Prices."])


async def test_after_a_crash_an_album_is_not_asked_twice_in_private_either(
    fake: FakeTelegram, ada: User, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.delivery.IDLE", 1_000.0)  # what is private is sent at once, too
    async with living(fake, seeing(always("Two.")), database_url=database_url):
        ada.say("/private")
        await fake.until(lambda: answers(fake))
        sent, *_ = ada.album([PNG], "how many?")
        await fake.until(lambda: len(answers(fake)) == 2)
        ada.album([PNG], album=sent.album)  # it belongs to it all the same
        await fake.until(lambda: len(fake.calls.of("editMessageText")) == 1)
    model = seeing(always("hello"))
    async with living(fake, model, database_url=database_url):
        ada.say("hi")
        await fake.until(lambda: answers(fake)[-1] == "hello")
    assert [asked(model, n) for n in range(len(model.sent))] == [["hi"]]


async def test_after_a_crash_an_album_is_not_asked_twice_but_for_a_picture_that_is_new(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    async with living(fake, seeing(["Two."]), database_url=database_url):
        sent, *_ = ada.album([PNG, PNG], "how many?")
        await fake.until(lambda: answers(fake))
    model = seeing(["hello", "Three."])
    async with living(fake, model, database_url=database_url):
        ada.say("hello")
        await fake.until(lambda: len(answers(fake)) == 2)
        assert len(fake.calls.of("getFile")) == 2  # nothing of the album is read again
        ada.album([PNG], album=sent.album)
        await fake.until(lambda: len(model.sent) == 2)
    assert asked(model) == ["image_url"] * 3 + ["how many?"]
