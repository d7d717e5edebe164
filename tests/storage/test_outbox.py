import asyncio

from duihua.messages import TurnRef
from duihua.ports import SendBody
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import at, end, say, sends

FRONT = ["terminal"]


async def owe(store: SqlStore, *texts: str, chat: str = "home") -> TurnRef:
    """A finished turn that owes its reader messages."""
    work = await say(store, "a", chat)
    await end(store, work, sends=sends(*texts))
    return work.fence.ref


async def test_what_a_turn_owes_is_taken_once(store: SqlStore, database_url: str) -> None:
    ref = await owe(store, "hello")
    other = SqlStore(database_url)
    await other.open()
    takes = await asyncio.gather(*(s.take_sends(FRONT, lease=9000) for s in (store, other) * 4))
    await other.aclose()
    [[send]] = [taken for taken in takes if taken]
    assert (send.ref, send.part, send.kind, send.body) == (ref, 0, "message", b"hello")
    assert (send.address, send.external_id, send.again) == (at(), "", False)


async def test_the_parts_of_a_session_go_in_order_and_others_beside_them(store: SqlStore) -> None:
    await owe(store, "a0", "a1", "a2", chat="a")
    await owe(store, "b0", chat="b")
    taken: list[list[bytes]] = []
    while batch := await store.take_sends(FRONT, lease=9000):
        taken.append([send.body for send in batch])
        for send in batch:
            await store.settle_send(send.id, "sent", external_id=f"x{send.id}")
    assert taken == [[b"a0", b"b0"], [b"a1"], [b"a2"]]


async def test_a_message_that_was_sent_is_gone_but_for_its_id(store: SqlStore, database_url: str) -> None:
    await owe(store, "hello")
    [send] = await store.take_sends(FRONT, lease=9000)
    await store.settle_send(send.id, "sent", external_id="77")
    assert run(database_url, "SELECT state, body, external_id FROM outbox") == [("sent", None, "77")]
    await store.settle_send(send.id, "pending")  # a late word of a slow sender
    assert run(database_url, "SELECT state FROM outbox") == [("sent",)]
    assert await store.take_sends(FRONT, lease=9000) == []


async def test_a_sender_that_vanished_is_followed_by_another_that_knows(
    store: SqlStore, database_url: str
) -> None:
    await owe(store, "hello")
    await store.take_sends(FRONT, lease=9000)
    assert await store.take_sends(FRONT, lease=9000) == []
    run(database_url, "UPDATE outbox SET not_before = 1")
    [send] = await store.take_sends(FRONT, lease=9000)
    assert send.again
    await store.settle_send(send.id, "unknown", error="timeout")
    assert run(database_url, "SELECT state, body, error, attempt FROM outbox") == [
        ("unknown", None, "timeout", 2)
    ]


async def test_what_a_dead_process_was_sending_is_due_at_once(store: SqlStore) -> None:
    ref = await owe(store, "hello")
    source = (await store.session(at())).address.key.partition("/")[0]  # type: ignore[union-attr]
    await store.take_sends(FRONT, lease=9000)
    await store.take_back("another", within=9000)
    await store.take_back(source, within=5000)  # somebody has taken it since
    assert await store.take_sends(FRONT, lease=9000) == []
    await store.take_back(source, within=9000)
    [send] = await store.take_sends(FRONT, lease=9000)
    assert (send.ref, send.again) == (ref, True)


async def test_what_was_not_sent_waits_and_holds_back_what_follows(
    store: SqlStore, database_url: str
) -> None:
    await owe(store, "one", "two")
    [send] = await store.take_sends(FRONT, lease=9000)
    await store.settle_send(send.id, "pending", delay=60_000, error="429")
    assert await store.take_sends(FRONT, lease=9000) == []
    run(database_url, "UPDATE outbox SET not_before = 1 WHERE id = ?", send.id)
    [again] = await store.take_sends(FRONT, lease=9000)
    assert (again.id, again.body, again.again) == (send.id, b"one", False)


async def test_a_front_end_takes_its_own(store: SqlStore) -> None:
    await owe(store, "hello")
    assert await store.take_sends(["telegram", "web"], lease=9000) == []
    assert len(await store.take_sends(["telegram", "terminal"], lease=9000)) == 1


async def test_a_taking_has_a_limit(store: SqlStore) -> None:
    for chat in "abc":
        await owe(store, chat, chat=chat)
    assert [s.body for s in await store.take_sends(FRONT, lease=9000, limit=2)] == [b"a", b"b"]
    assert [s.body for s in await store.take_sends(FRONT, lease=9000, limit=2)] == [b"c"]


async def test_what_was_erased_is_not_sent(store: SqlStore, database_url: str) -> None:
    ref = await owe(store, "one", "two")
    [taken] = await store.take_sends(FRONT, lease=9000)
    await store.erase(ref.session)
    assert run(database_url, "SELECT state, body FROM outbox") == [("failed", None), ("failed", None)]
    await store.settle_send(taken.id, "pending")
    assert await store.take_sends(FRONT, lease=9000) == []


async def test_bodies_are_bytes_of_any_kind(store: SqlStore) -> None:
    work = await say(store, "a")
    await end(store, work, sends=(SendBody(3, "edit", b"\0\xff"),))
    [send] = await store.take_sends(FRONT, lease=9000)
    assert (send.part, send.kind, send.body) == (3, "edit", b"\0\xff")
