"""What a platform has flagged vanishes from the chat, however it was shown, and a sentence says what went."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from duihua import Context, skill
from duihua.errors import NotSent
from duihua.events import AnyEvent, TurnSnapshot
from duihua.messages import Attachment, TurnRef
from duihua.ports import CallDelta, Flagged
from duihua.simulator.telegram import FakeTelegram
from duihua.telegram.governor import Kind, Wait
from duihua.telegram.place import Place
from duihua_prompts import Catalogue
from tests.leftovers import run
from tests.telegram.conftest import Desk

WORDS = Catalogue("en")
BAD = "\n\n".join("BAD " * 300 for _ in range(8))
"""Three messages."""
TEAM = -1_001_000_000_007
CLEARED = WORDS.t("cleared.clear.output", turns=2)
GONE = WORDS.t("telegram.gone")
PLACES = pytest.mark.parametrize(
    ("chat", "streaming"), [(42, "edit"), (42, "draft"), (42, "final"), (TEAM, "edit")]
)


def meet(fake: FakeTelegram) -> None:
    ada = fake.user(42, "Ada")
    ada.say("hi")
    fake.group(TEAM, "Tea", members=[ada, fake.bot])


def seen(desk: Desk, chat: int) -> list[str]:
    """All that stands in a chat, a draft included."""
    draft = desk.fake.chat(chat).draft(desk.fake.world.clock.now())
    return [*desk.texts(chat), *([draft.text] if draft else [])]


@PLACES
async def test_what_was_shown_is_replaced_by_a_sentence(
    make: Any, fake: FakeTelegram, chat: int, streaming: Any
) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make(["fine", [BAD, go_on, Flagged("output", retract=True)]], streaming=streaming)
    meet(fake)
    await desk.say(chat, "hello")
    talking = asyncio.create_task(desk.say(chat, "and?"))
    if streaming != "final":
        await fake.until(lambda: len(seen(desk, chat)) == 4)
    go_on.set()
    await talking
    assert seen(desk, chat) == ["fine", CLEARED]
    assert not fake.chat(chat).last.buttons
    assert await desk.session(chat).history() == []


@PLACES
async def test_it_vanishes_before_the_answer_is_given_anew(
    make: Any, fake: FakeTelegram, chat: int, streaming: Any
) -> None:
    flag, anew = asyncio.Event(), asyncio.Event()
    script = ["fine", [BAD, flag, Flagged("history", retract=True)], [anew, "good"]]
    desk: Desk = await make(script, streaming=streaming, moderation="drop_turn")
    meet(fake)
    await desk.say(chat, "hello")
    talking = asyncio.create_task(desk.say(chat, "and?"))
    if streaming != "final":
        await fake.until(lambda: len(seen(desk, chat)) == 4)
    flag.set()
    if streaming != "final":
        await fake.until(lambda: set(seen(desk, chat)) == {"fine", GONE})
    anew.set()
    await talking
    assert seen(desk, chat) == ["fine", f"good\n\n{WORDS.t('cleared.drop_turn.history', turns=1)}"]


async def test_it_vanishes_while_a_frame_waits_for_its_turn(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.live.LOOK", 0.02)
    more, flag, anew = asyncio.Event(), asyncio.Event(), asyncio.Event()
    script = ["fine", ["BAD", more, " and more", flag, Flagged("history", retract=True)], [anew, "good"]]
    desk: Desk = await make(script, streaming="edit", moderation="drop_turn")
    api, waits = desk.front._bots["700000001"], asyncio.Event()
    turn = api.turn

    @asynccontextmanager
    async def full(wait: Wait) -> AsyncIterator[None]:
        waits.set()
        await wait(asyncio.get_running_loop().create_future())
        yield

    def turned(place: Place, kind: Kind = "final", wait: Wait | None = None) -> Any:
        return full(wait) if wait is not None and more.is_set() else turn(place, kind, wait)

    monkeypatch.setattr(api, "turn", turned)
    meet(fake)
    await desk.say(TEAM, "hello")
    talking = asyncio.create_task(desk.say(TEAM, "and?"))
    await fake.until(lambda: seen(desk, TEAM) == ["fine", "BAD"])
    more.set()
    await waits.wait()
    flag.set()
    await fake.until(lambda: seen(desk, TEAM) == ["fine", GONE])
    anew.set()
    await talking


async def test_a_snapshot_that_takes_nothing_back_takes_no_slot(
    make: Any, fake: FakeTelegram, monkeypatch: Any
) -> None:
    monkeypatch.setattr("duihua.telegram.live.GRACE", 0.0)
    desk: Desk = await make([], streaming="edit")
    meet(fake)
    address, kinds, go_on = desk.session(42).address, list[str](), asyncio.Event()
    api = desk.front._bots["700000001"]
    turn = api.turn

    def turned(place: Place, kind: Kind = "final", wait: Wait | None = None) -> Any:
        kinds.append(kind)
        return turn(place, kind, wait)

    monkeypatch.setattr(api, "turn", turned)
    ref = TurnRef((await desk.engine.store.ensure(address, "42", "Ada")).id, 1)

    async def events() -> AsyncIterator[AnyEvent]:
        yield TurnSnapshot(session=address.key, turn=1, text="one")
        await go_on.wait()
        yield TurnSnapshot(session=address.key, turn=1, text="one two")
        await asyncio.Event().wait()

    following = asyncio.create_task(desk.front.present(ref, address, events(), desk.engine.store))
    await fake.until(lambda: desk.texts(42) == ["one"])
    go_on.set()
    await fake.until(lambda: desk.texts(42) == ["one two"])
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert set(kinds) == {"frame"}


async def test_a_process_that_dies_before_it_is_taken_back_leaves_that_to_the_next_one(
    make: Any, fake: FakeTelegram, database_url: str, monkeypatch: Any
) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([[BAD, go_on, Flagged("output", retract=True)]], streaming="edit")
    meet(fake)

    async def dies(*given: Any) -> str:
        raise NotSent("the process is dead", 3_600.0)

    monkeypatch.setattr(desk.front, "send", dies)
    talking = asyncio.create_task(desk.session(42).ask("hello"))
    await fake.until(lambda: len(seen(desk, 42)) == 3)
    go_on.set()
    await talking
    await desk.engine.deliver()
    await desk.engine.aclose()
    assert "BAD" in seen(desk, 42)[0]
    run(database_url, "UPDATE outbox SET not_before = 0")  # as when the dead one's lease has run out
    other: Desk = await make([], streaming="edit")
    await other.engine.deliver()
    assert seen(desk, 42) == [CLEARED]


async def test_files_of_a_flagged_answer_are_not_sent(make: Any, fake: FakeTelegram) -> None:
    @skill
    async def paint(context: Context) -> str:
        """Paints."""
        context.attach(Attachment("", "image", "image/png", b"\x89PNG\r\n\x1a\n", "bad.png"))
        return "painted"

    desk: Desk = await make(
        [CallDelta(0, "c", "paint", "{}"), ["BAD", Flagged("output", retract=True)]], skills=[paint]
    )
    meet(fake)
    await desk.say(42, "hello")
    assert [m.text for m in fake.chat(42).answers] == [WORDS.t("cleared.clear.output", turns=1)]


async def test_what_is_too_old_to_be_deleted_is_emptied(make: Any, fake: FakeTelegram) -> None:
    go_on = asyncio.Event()
    desk: Desk = await make([[BAD, go_on, Flagged("output", retract=True)]], streaming="edit")
    meet(fake)
    talking = asyncio.create_task(desk.say(42, "hello"))
    await fake.until(lambda: len(seen(desk, 42)) == 3)
    for message in fake.chat(42).answers:
        message.date -= 3 * 86_400
    go_on.set()
    await talking
    assert seen(desk, 42) == [CLEARED, "…", "…"]
