from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson

from duihua.messages import Address
from duihua.reminders import Armed
from duihua_storage import SqlStore
from tests.leftovers import leftovers

HERE = Address("post", "a")
BODY = orjson.dumps({"text": "call Ann", "start": "2025-03-08T08:00:00"})


async def new(store: SqlStore, address: Address = HERE, *, due: int = 1_000, external: str = "") -> Armed:
    info = await store.ensure(address, external)
    owner = await store.user("main", address.front, external or address.chat)
    return Armed(0, info.id, owner or info.owner, due, "", "Asia/Shanghai", BODY)


async def arm(store: SqlStore, reminder: Armed) -> Armed:
    armed = await store.arm(reminder, most=3)
    assert armed is not None
    return armed


async def test_reminders_are_kept_by_session_the_next_first_and_bounded_by_person(store: SqlStore) -> None:
    first = await new(store)
    late, early = await arm(store, first), await arm(store, replace(first, due=500))
    assert replace(late, id=0) == first
    there = await arm(store, await new(store, Address("post", "a", topic="t"), external="a"))
    assert there.owner == first.owner
    assert await store.arm(replace(first, due=7), most=3) is None
    assert await store.arm(first, most=3) == late  # the same once more is the one that is there
    assert await store.armed(first.session) == [early, late]
    assert [one.id for one in await store.next_reminders()] == [early.id, late.id, there.id]
    assert not await store.disarm(first.session, there.id)
    assert await store.disarm(first.session, late.id)
    assert await store.armed(first.session) == [early]


async def test_a_reminder_fires_once_whoever_tries(store: SqlStore, database_url: str) -> None:
    other = SqlStore(database_url)
    await other.open()
    armed = await arm(store, await new(store))
    fired = await asyncio.gather(*(one.fire(armed, 0, b"{}") for one in (store, other) for _ in range(5)))
    assert sum(fired) == 1
    sends = await store.take_sends(["post"], lease=60_000)
    assert [(s.kind, s.body, s.ref.seq) for s in sends] == [("notice", b"{}", -armed.id)]
    assert not await store.next_reminders()
    assert not await store.disarm(armed.session, armed.id)
    await other.aclose()


async def test_one_that_recurs_owes_only_what_is_new_and_leaves_alone_what_is_being_sent(
    store: SqlStore,
) -> None:
    armed = await arm(store, await new(store))
    assert await store.fire(armed, 2_000, b"1")
    again = replace(armed, due=2_000)
    assert await store.next_reminders() == [again]
    assert await store.fire(again, 3_000, b"2")
    (sending,) = await store.take_sends(["post"], lease=60_000)
    assert sending.body == b"2"
    assert await store.fire(replace(armed, due=3_000), 4_000, b"3")
    await store.settle_send(sending.id, "sent")
    assert [s.body for s in await store.take_sends(["post"], lease=60_000)] == [b"3"]


async def test_what_has_fired_makes_room(store: SqlStore) -> None:
    first = await new(store)
    for due in range(4):
        armed = await arm(store, replace(first, due=due))
        assert await store.fire(armed, 0, b"{}")
        for send in await store.take_sends(["post"], lease=60_000):
            await store.settle_send(send.id, "sent")
    person = await store.export(first.owner)
    assert [(one["id"], one["state"], one["body"]["text"]) for one in person["reminders"]] == [
        (armed.id, "fired", "call Ann")
    ]


async def test_a_forgotten_person_leaves_no_reminder_nor_what_it_owes(
    store: SqlStore, database_url: str
) -> None:
    secret = orjson.dumps({"text": "Geheim"})
    group = Address("post", "g", shared=True)
    await store.ensure(group, "someone")
    guest = await new(store, Address("post", "guest"))
    own = await arm(store, replace(guest, body=secret))
    theirs = replace(guest, session=(await store.ensure(group)).id, body=secret)
    there = await arm(store, theirs)
    await arm(store, replace(theirs, due=2_000))
    assert await store.fire(own, 0, secret)
    assert await store.fire(there, 0, secret)
    await store.forget_user(guest.owner)
    await store.scrub()
    assert not await store.next_reminders()
    assert not await store.take_sends(["post"], lease=60_000)
    await store.aclose()
    assert leftovers(database_url, "Geheim") == []


async def test_an_erased_session_has_no_reminders_and_none_fires_there(store: SqlStore) -> None:
    armed = await arm(store, await new(store))
    await store.erase(armed.session)
    assert not await store.fire(armed, 2_000, b"{}")
    assert not await store.next_reminders()
