"""What is known of chats: settings, what was overheard, and groups that get another id."""

from __future__ import annotations

import asyncio

from duihua.chats import Chat
from duihua.messages import Address, TurnRef
from duihua_storage import SqlStore
from tests.leftovers import leftovers, run
from tests.storage.talk import end, said, say, sends, token

OLD, NEW = "-100", "-1000100"
ELSEWHERE = Address("telegram", "-1001", "7", shared=True)
HOUR = 3_600_000


def there(chat: str, topic: str = "", user: str = "") -> Address:
    return Address("telegram", chat, "7", topic, user, shared=not user)


async def talked(store: SqlStore, address: Address, text: str = "hello") -> int:
    """A turn there, whose answer is owed; its session."""
    accepted = await store.accept(said(text, address=address), token=token())
    assert accepted.work is not None
    await end(store, accepted.work, sends=sends("answer"))
    return accepted.session


async def test_of_a_chat_is_changed_what_is_given_and_nothing_else(store: SqlStore) -> None:
    assert await store.chat(there(OLD)) is None
    known = Chat({"answers": "所有"}, "zh", gone=True)
    first = {"answers": "所有", "listening": None}
    assert await store.change_chat(there(OLD, topic="5"), settings=first, lang="zh", gone=True) == known
    assert await store.change_chat(there(NEW), lang="en") == Chat(lang="en")
    assert await store.change_chat(ELSEWHERE) == Chat()
    await store.change_chat(Address("telegram", OLD, "8"), lang="en")
    assert await store.chat(there(OLD)) == known
    await asyncio.gather(
        store.change_chat(there(OLD), settings={"answers": None, "listening": "on"}),
        store.change_chat(there(OLD), settings={"conversation": "person"}),
        store.change_chat(there(OLD), lang="en"),
        store.change_chat(there(OLD), gone=False),
    )
    assert await store.chat(there(OLD)) == Chat({"listening": "on", "conversation": "person"}, "en")
    nothing = {"listening": None, "conversation": None, "never": None}
    assert await store.change_chat(there(OLD), settings=nothing, lang="") == Chat()
    assert await store.chat(there(NEW)) == Chat(lang="en")


async def test_all_of_a_chat_moves_with_it(store: SqlStore) -> None:
    places = [there(OLD), there(OLD, topic="5"), there(OLD, user="42")]
    moving = [await talked(store, place) for place in places]
    stays = await talked(store, ELSEWHERE)
    await store.show(TurnRef(moving[0], 1), 0, "70")
    await store.overhear(moving[0], "1", "42", "Ada", "psst", most=5, age=HOUR)
    await store.change_chat(there(OLD), settings={"answers": "all"}, gone=True)
    await store.change_chat(there(NEW), lang="zh")

    assert sorted(await store.move_chat(there(OLD), NEW)) == sorted(zip(moving, places, strict=True))
    assert await store.move_chat(there(OLD), NEW) == []
    assert [await store.session(place) for place in places] == [None] * 3
    now = [await store.session(there(NEW, place.topic, place.user)) for place in places]
    assert [info and info.id for info in now] == moving
    assert [info and info.address.shared for info in now] == [True, True, False]
    assert {send.address.chat for send in await store.take_sends(["telegram"], lease=1)} == {NEW, "-1001"}
    assert await store.shown(TurnRef(moving[0], 1)) == []  # that id is another message there
    assert [heard.text for heard in await store.overheard(moving[0], age=HOUR)] == ["psst"]
    assert await store.chat(there(NEW)) == Chat({"answers": "all"})
    assert await store.chat(there(OLD)) is None
    info = await store.session(ELSEWHERE)
    assert info is not None
    assert info.id == stays
    accepted = await store.accept(said("and on", address=there(NEW)), token=token())
    assert (accepted.session, accepted.work and accepted.work.turn.parent) == (moving[0], 1)


async def test_a_conversation_that_has_begun_at_the_new_place_stays(store: SqlStore) -> None:
    old, new = await talked(store, there(OLD)), await talked(store, there(NEW))
    empty = await store.ensure(there(NEW, topic="5"))
    await store.change_chat(there(OLD), settings={"answers": "all"})
    await store.change_chat(there(NEW), settings={"answers": "admins"})
    moved = await talked(store, there(OLD, topic="5"))
    assert await store.move_chat(there(OLD), NEW) == [(moved, there(OLD, topic="5"))]
    found = [await store.session(place) for place in (there(OLD), there(NEW), there(NEW, topic="5"))]
    assert [info and info.id for info in found] == [old, new, moved]
    assert empty.id != moved
    assert await store.chat(there(NEW)) == Chat({"answers": "admins"})


async def test_the_newest_of_what_was_overheard_is_kept_for_a_while(
    store: SqlStore, database_url: str
) -> None:
    session = await talked(store, there(OLD))
    for number in range(4):
        await store.overhear(session, f"{number}", "42", "Ada", f"word {number}", most=3, age=HOUR)
    await store.overhear(session, "3", "42", "Ada", "once more", most=3, age=HOUR)
    await store.overhear(99, "1", "42", "Ada", "nowhere", most=3, age=HOUR)
    heard = await store.overheard(session, age=HOUR)
    assert [(one.name, one.text) for one in heard] == [("Ada", f"word {n}") for n in (1, 2, 3)]
    await store.unhear(session, heard[0].id)
    run(database_url, "UPDATE heard SET at = at - ? WHERE id = ?", 2 * HOUR, heard[1].id)
    assert [one.text for one in await store.overheard(session, age=HOUR)] == ["word 3"]
    await store.sweep(HOUR)
    await store.scrub()
    assert leftovers(database_url, "word 2") == []
    await store.unhear(session)
    await store.scrub()
    assert leftovers(database_url, "word") == []


async def test_a_chat_in_which_there_is_nothing_is_forgotten_after_a_month(
    store: SqlStore, database_url: str
) -> None:
    empty, fresh, set_up, alone = there("-1"), there("-2"), there("-3"), there("42")
    topical, long = there("-4"), there("-44")  # begins as the one before, and is another
    for address in (empty, set_up, alone, topical, long):
        await store.change_chat(address, lang="zh")
    await store.change_chat(set_up, settings={"answers": "admins"})
    await talked(store, there("-4", topic="5"))
    await talked(store, there("42", user="42"))
    run(database_url, "UPDATE chats SET at = at - ?", 31 * 24 * HOUR)
    await store.change_chat(fresh, gone=True)
    for _ in range(2):
        await store.sweep()
        known = [await store.chat(it) for it in (empty, long, fresh, set_up, alone, topical)]
        assert known[:2] == [None, None]
        assert None not in known[2:]


async def test_what_was_overheard_goes_with_whoever_said_it(store: SqlStore, database_url: str) -> None:
    work = await say(store, "", parts=(), address=there(OLD), external="41")
    who = await say(store, "me", address=there("43", user="43"), external="43")
    await store.overhear(work.fence.ref.session, "1", "43", "Eve", "secret", most=3, age=HOUR)
    await store.overhear(work.fence.ref.session, "2", "42", "Ada", "hello", most=3, age=HOUR)
    assert (await store.export(who.owner))["overheard"][0]["body"][0]["text"] == "secret"
    await store.forget_user(who.owner)
    await store.scrub()
    assert [one.text for one in await store.overheard(work.fence.ref.session, age=HOUR)] == ["hello"]
    assert leftovers(database_url, "secret", "Eve") == []
