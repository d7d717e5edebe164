import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiohttp import web
from aiohttp.test_utils import TestServer

from duihua import Attachment, Context, skill
from duihua.errors import DeliveryError, NotSent, ProviderError, SendUnknown
from duihua.messages import TurnRef
from duihua.ports import CallDelta, Flagged
from duihua.simulator.telegram import FakeTelegram
from duihua.telegram.api import Api
from duihua.telegram.composing import Connections
from duihua.telegram.frontend import TelegramFront, status
from duihua.telegram.governor import Governor
from duihua.telegram.live import Live
from duihua.telegram.place import Place
from duihua.telegram.text import Formatted
from duihua_prompts import Catalogue
from tests.telegram.conftest import Desk

WORDS = Catalogue("en")
LONG = "\n\n".join(f"{n}. " + "好的，" * 200 for n in range(12))


def draft(fake: FakeTelegram) -> Any:
    return fake.chat(42).draft(fake.world.clock.now())


async def test_a_long_answer_arrives_whole_in_several_messages(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make([LONG])
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "hi")
    texts = desk.texts(42)
    assert len(texts) == 2
    assert "".join("".join(texts).split()) == "".join(LONG.split())


async def test_many_files_that_take_long_arrive_by_and_by(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    @skill(effect="read")
    async def chart() -> list[Any]:
        """Draws."""
        return ["drawn", *(Attachment(data=b"%d" % n, name=f"{n}.txt") for n in range(4))]

    file, send = Api.file, TelegramFront.send
    now, ends = 0.0, list[str]()

    async def slow(*args: Any, **more: Any) -> int:
        nonlocal now
        now += 10.0
        return await file(*args, **more)

    async def sent(*args: Any) -> str:
        try:
            return await send(*args)
        except NotSent as e:
            ends.append(str(e))
            raise

    monkeypatch.setattr(Api, "file", slow)
    monkeypatch.setattr(TelegramFront, "send", sent)
    desk: Desk = await make([CallDelta(0, "c", "chart", "{}"), "here"], skills=[chart])
    desk.front._clock = lambda: now
    fake.user(42, "Ada").say("draw")
    await desk.say(42, "draw")
    await fake.until(lambda: len(fake.chat(42).answers) == 5)
    await desk.engine.deliver()
    assert ends == ["a long answer goes on"]
    assert len(fake.calls.of("sendDocument")) == 4


async def test_a_file_that_is_refused_keeps_no_other_from_arriving(make: Any, fake: FakeTelegram) -> None:
    @skill(effect="read")
    async def chart() -> list[Any]:
        """Draws."""
        return ["drawn", *(Attachment(data=b"%d" % n, name=f"{n}.txt") for n in range(3))]

    desk: Desk = await make([CallDelta(0, "c", "chart", "{}"), "here"], skills=[chart])
    fake.user(42, "Ada").say("draw")
    fake.faults.add("error", method="sendDocument", nth=2, status=400)
    await desk.say(42, "draw")
    sent = [it.text or it.media["document"]["file_name"] for it in fake.chat(42).answers]
    assert sent == ["here", "0.txt", WORDS.t("telegram.file_refused", name="1.txt"), "2.txt"]
    assert desk.engine.delivery.failed == 0


async def test_markup_becomes_entities(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make(["**重点**在`a<b>`"])
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "hi")
    message = fake.chat(42).last
    assert message.text == "重点在a<b>"
    assert [(e["type"], e["offset"], e["length"]) for e in message.entities] == [
        ("bold", 0, 2),
        ("code", 3, 4),
    ]


async def test_a_stream_by_edits_grows_one_message(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([["one ", go_on, "two"]], streaming="edit")
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    assert fake.chat(42).last.text == "one"
    go_on.set()
    await talking
    assert desk.texts(42) == ["one two"]
    assert len(fake.calls.of("sendMessage", chat=42)) == 1
    buttons = [b for row in fake.chat(42).last.buttons for b in row]
    assert [b.get("callback_data") or b["copy_text"]["text"] for b in buttons] == ["one two", "again:1"]


async def test_nothing_is_kept_of_a_view_once_its_answer_is_sent(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make(["one", "two"], streaming="edit")
    fake.user(42, "Ada").say("hi")
    for text in ("hi", "and"):
        await desk.say(42, text)
    await asyncio.gather(*desk.engine.frontends._views)
    gc.collect()
    assert desk.texts(42) == ["one", "two"]
    assert not [one for one in gc.get_objects() if type(one) is Live]


async def test_a_frame_that_waited_for_its_turn_shows_what_came_meanwhile(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    go_on, end = asyncio.Event(), asyncio.Event()
    desk: Desk = await make([["one ", go_on, "two ", "three", end]], streaming="edit")
    turn = Api.turn

    @asynccontextmanager
    async def late(api: Api, place: Any, kind: Any = "final", wait: Any = None) -> AsyncGenerator[None]:
        go_on.set()
        for _ in range(50):
            await asyncio.sleep(0)
        async with turn(api, place, kind, wait):
            yield

    monkeypatch.setattr(Api, "turn", late)
    monkeypatch.setattr("duihua.telegram.live.SOON", 0.0)
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 60.0})
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    shown = fake.chat(42).last.text
    end.set()
    await talking
    assert shown == "one two three"


async def test_what_came_since_the_last_frame_is_not_rendered_anew_at_the_end(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([["one ", go_on, *(f"**{n}** " for n in range(50))]], streaming="edit")
    monkeypatch.setattr("duihua.telegram.frontend.render", None)
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 60.0})
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    go_on.set()
    await talking
    assert desk.texts(42) == ["one " + " ".join(map(str, range(50)))]


async def test_a_stream_by_drafts_ends_in_one_message(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([["**one** ", go_on, "two"]], streaming="auto")
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: draft(fake))
    assert not fake.chat(42).answers
    go_on.set()
    await talking
    assert desk.texts(42) == ["one two"]
    assert draft(fake) is None


async def test_a_long_stream_seals_full_messages(make: Any, fake: FakeTelegram) -> None:
    pieces = [LONG[n : n + 97] for n in range(0, len(LONG), 97)]
    gates = [asyncio.Event() for _ in pieces]
    script = [x for pair in zip(pieces, gates, strict=True) for x in pair]
    desk: Desk = await make([script], streaming="edit")
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    for gate in gates:
        await asyncio.sleep(0)
        gate.set()
    await talking
    assert "".join("".join(desk.texts(42)).split()) == "".join(LONG.split())
    assert len(desk.texts(42)) == 2


async def test_what_follows_a_full_message_is_shown_at_once(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    end = asyncio.Event()
    desk: Desk = await make([[LONG, end]], streaming="edit")
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 60.0})
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: len(desk.texts(42)) == 2)
    end.set()
    await talking


async def test_a_live_view_waits_until_earlier_answers_are_sent(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([["one ", go_on, "two"]], streaming="edit")
    fake.user(42, "Ada").say("hi")
    owing, sent_before = [True, True, False], list[int]()

    async def owed_before(ref: TurnRef) -> bool:
        sent_before.append(len(fake.calls.of("sendMessage")))
        return owing.pop(0)

    monkeypatch.setattr(desk.engine.store, "owed_before", owed_before)
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    go_on.set()
    await talking
    assert sent_before == [0, 0, 0]
    assert desk.texts(42) == ["one two"]


async def test_what_was_lost_on_the_way_is_sent_again_and_counted(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.frontend.LATER", 0.0)
    desk: Desk = await make(["hello"])
    fake.user(42, "Ada").say("hi")
    fake.faults.add("lost", method="sendMessage", nth=1)
    await desk.say(42, "hi")
    await fake.until(lambda: len(fake.chat(42).answers) == 2)
    await desk.engine.deliver()
    info = await desk.engine.store.session(desk.session(42).address)
    assert await desk.engine.store.lost() == [(TurnRef(info.id, 1), 0)]


async def test_what_telegram_does_not_want_is_not_counted_as_lost(make: Any, fake: FakeTelegram) -> None:
    @skill(effect="read")
    async def chart() -> list[Any]:
        """Draws."""
        return ["drawn", Attachment(data=b"1", name="1.txt")]

    desk: Desk = await make(["hello", CallDelta(0, "c", "chart", "{}"), "here"], skills=[chart])
    fake.user(42, "Ada").say("hi")
    fake.faults.add("error", method="sendMessage", status=400)
    fake.faults.add("error", method="sendDocument", status=400)
    await desk.say(42, "hi")
    await desk.say(42, "draw")
    lost, refused = WORDS.t("telegram.undelivered"), WORDS.t("telegram.file_refused", name="1.txt")
    assert desk.texts(42) == [lost, "here", refused]
    assert await desk.engine.store.lost() == []


async def test_a_document_is_refused_once_whatever_the_reason_says(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    desk: Desk = await make()
    fake.user(42, "Ada").say("hi")
    api, tries = desk.front._bots["700000001"], list[str]()

    async def refuse(method: Any, **more: Any) -> Any:
        tries.append(type(method).__name__)
        raise TelegramBadRequest(method, "Bad Request: IMAGE_PROCESS_FAILED")

    monkeypatch.setattr(api, "bot", refuse)
    with pytest.raises(DeliveryError):
        await api.file(Place(42), Attachment("", "image", "image/png", b"x", "a.png"))
    assert tries == ["SendPhoto", "SendDocument"]


async def test_a_proxy_s_page_in_another_charset_is_an_answer_that_was_lost() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(status=502, body="网关错误".encode("gb18030"), content_type="text/html")

    app = web.Application()
    app.router.add_post("/{rest:.*}", page)
    async with TestServer(app) as server:
        connections = Connections(str(server.make_url("")).rstrip("/"))
        api = Api(Bot("1:a", session=connections), Governor())
        with pytest.raises(SendUnknown):
            await api.send(Place(42), Formatted("hello"))
        await connections.close()


def test_only_the_last_chats_that_moved_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duihua.telegram.calls.KEPT", 2)
    api = Api(Bot("1:a"), Governor())
    for chat in (-1, -2, -3):
        api.note_move(chat, chat - 100)
        api._noted(Place(chat), 7)
    assert [api._chat(Place(chat)) for chat in (-1, -2, -3)] == [-1, -102, -103]
    assert list(api._there) == [(-2, 7), (-3, 7)]


async def test_a_view_that_has_ended_does_not_take_the_next_one_with_it(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.frontend.KEPT", 0.0)
    fake.user(42, "Ada").say("hi")
    go_on = asyncio.Event()
    desk: Desk = await make([["one ", go_on, "two"]], streaming="edit")
    address = desk.session(42).address

    async def nothing() -> AsyncIterator[Any]:
        return
        yield

    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: desk.texts(42) == ["one"])
    ((_, ref),) = desk.front._live
    live = dict(desk.front._live)
    await desk.front.present(ref, address, nothing(), desk.engine.store)
    desk.front._live.update(live)
    for _ in range(3):
        await asyncio.sleep(0)
    assert desk.front._live == live
    go_on.set()
    await talking
    assert len(fake.calls.of("sendMessage")) == 1


async def test_what_was_refused_for_now_comes_once(make: Any, fake: FakeTelegram, monkeypatch: Any) -> None:
    monkeypatch.setattr("duihua.telegram.api.LATER", 0.0)
    monkeypatch.setattr("duihua.telegram.frontend.LATER", 0.0)
    desk: Desk = await make(["hello"])
    fake.user(42, "Ada").say("hi")
    fake.faults.add("cut", method="sendMessage", nth=1)
    await desk.say(42, "hi")
    await fake.until(lambda: fake.chat(42).answers)
    await desk.engine.deliver()
    assert desk.texts(42) == ["hello"]


async def test_a_message_that_was_deleted_is_sent_anew(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([["one ", go_on, "two"]], streaming="edit")
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    fake.chat(42).last.deleted = True
    go_on.set()
    await talking
    assert desk.texts(42) == ["one two"]


async def test_a_flagged_answer_is_taken_back(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([["BAD ", go_on, Flagged("output", retract=True)]], streaming="edit")
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: fake.chat(42).answers)
    go_on.set()
    await talking
    (text,) = desk.texts(42)
    assert "BAD" not in text
    assert "start" in text.lower()


async def test_a_failure_is_told_in_a_sentence(make: Any, fake: FakeTelegram) -> None:
    desk: Desk = await make([ProviderError("no", category="auth")])
    fake.user(42, "Ada").say("hi")
    ticket = await desk.session(42).submit("hi")
    async for _ in desk.session(42).events(ticket):
        pass
    await desk.engine.deliver()
    assert "key" in desk.texts(42)[0]


async def test_a_call_that_waits_is_asked_about_with_buttons(make: Any, fake: FakeTelegram) -> None:
    @skill(effect="write", confirm=True)
    async def pay(context: Context, to: str) -> str:
        """Pays somebody."""
        return "paid"

    desk: Desk = await make([CallDelta(0, "c", "pay", '{"to": "Eve"}')], skills=[pay])
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "hi")
    message = fake.chat(42).last
    assert message.text == "Shall “pay” be carried out?\n• to: Eve"
    data = [b["callback_data"] for row in message.buttons for b in row]
    (held,) = await desk.session(42).held()
    assert data == [f"yes:{held.call.id}", f"no:{held.call.id}"]


@pytest.mark.parametrize(("nothing", "streaming"), [("", "draft"), ("\n", "edit"), ("```\n```", "final")])
async def test_an_answer_that_shows_nothing_says_so_and_can_be_given_again(
    nothing: str, streaming: str, make: Any, fake: FakeTelegram
) -> None:
    desk: Desk = await make([nothing, "two"], streaming=streaming)
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "hi")
    assert desk.texts(42) == [WORDS.t("notice.empty")]
    assert [b["callback_data"] for row in fake.chat(42).last.buttons for b in row] == ["again:1"]
    await desk.say(42, "and now?")
    assert desk.texts(42) == [WORDS.t("notice.empty"), "two"]


@pytest.mark.parametrize("streaming", ["draft", "edit", "final"])
async def test_words_before_a_call_and_none_after_it_are_no_whole_answer(
    streaming: str, make: Any, fake: FakeTelegram
) -> None:
    @skill(effect="read")
    async def weather(city: str) -> str:
        """Tells the weather."""
        return "sunny"

    call = CallDelta(0, "c", "weather", '{"city": "Rome"}')
    script = [["Let me see.", call], "", ["Let me see.", call], "It is sunny."]
    desk: Desk = await make(script, skills=[weather], streaming=streaming)
    fake.user(42, "Ada").say("hi")
    await desk.say(42, "the weather?")
    silent = f"Let me see.\n\n{WORDS.t('notice.breaks_off')}"
    assert desk.texts(42) == [silent]
    assert [b["callback_data"] for row in fake.chat(42).last.buttons for b in row][-1] == "again:1"
    await desk.say(42, "and now?")
    assert desk.texts(42) == [silent, "Let me see.\nIt is sunny."]


async def test_what_cannot_be_asked_any_more_is_said_to_be_left(make: Any, fake: FakeTelegram) -> None:
    @skill(effect="write", confirm=True)
    async def pay(context: Context, to: str) -> str:
        """Pays somebody."""
        return "paid"

    go_on = asyncio.Event()
    desk: Desk = await make([[go_on, CallDelta(0, "c", "pay", '{"to": "Eve"}')]], skills=[pay])
    fake.user(42, "Ada").say("hi")
    session = desk.session(42)
    ticket = await session.submit("hi")
    async for event in session.events(ticket):
        if event.kind == "turn_started":
            await session.new()
            go_on.set()
    await desk.engine.deliver()
    assert desk.texts(42) == [WORDS.t("notice.left")]
    assert not fake.chat(42).last.buttons
    assert [call.result for call in await desk.engine.store.audit("main")] == ["withdrawn"]
    assert not await session.held()


async def test_a_call_is_one_line_in_the_words_of_its_skill(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()

    @skill(effect="read", title={"zh": "查询天气", "en": "Weather"})
    async def weather(city: str) -> str:
        """Tells the weather."""
        await go_on.wait()
        return "sunny"

    script = [CallDelta(0, "c", "weather", '{"city": "Paris\\nand\\u202e Rome"}'), "It is sunny."]
    desk: Desk = await make(script, skills=[weather], streaming="edit")
    fake.user(42, "Ada").say("hi")
    talking = asyncio.create_task(desk.say(42, "hi"))
    await fake.until(lambda: desk.texts(42) == ["⏳ Weather: Paris and Rome …"])
    go_on.set()
    await talking
    assert desk.texts(42) == ["It is sunny."]


def test_the_line_about_a_call_is_short_and_tells_no_secret() -> None:
    words = Catalogue("zh")
    assert status(words, "查询天气", '{"city": "北京", "days": 3, "raw": true}') == "⏳ 查询天气：北京 3 …"
    assert status(words, "x", '{"api_key": "abc", "to": "sk-0123456789"}') == "⏳ x：*** sk-*** …"
    assert status(words, "x" * 99, f'{{"a": "{"b" * 999}"}}') == f"⏳ {'x' * 59}…：{'b' * 59}… …"
    for hostile in ("", "[1]", "nonsense", '{"a": ' * 99, '{"a": {"b": 1}}', f'{{"a": "{"b" * 99_999}"}}'):
        assert status(words, "x", hostile) == "⏳ x …"


async def test_a_refused_answer_is_logged_and_the_person_told(
    fake: FakeTelegram, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    desk: Desk = await make(["Tyrannosaurus"])
    fake.user(42, "Ada").say("hi")
    fake.faults.add("error", method="sendMessage", status=400)
    await desk.say(42, "which dinosaur?")
    assert desk.texts(42) == [Catalogue("en").t("telegram.undelivered")]
    assert [record.levelname for record in caplog.records if "is lost" in record.getMessage()] == ["ERROR"]
    assert "dinosaur" not in caplog.text
    assert "Tyrannosaurus" not in caplog.text
    assert desk.engine.delivery.failed == 1
