"""Which messages show which turn: written before and after they are sent, gone with what they show."""

from __future__ import annotations

import pytest

from duihua.messages import Address, TurnRef
from duihua.showing import Shown
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import LEASE, end, say, sends, talk

ONE, TWO = TurnRef(1, 1), TurnRef(1, 2)


async def show(store: SqlStore, ref: TurnRef, *externals: str) -> None:
    for part, external in enumerate(externals):
        await store.show(ref, part, external)


async def shown(store: SqlStore, ref: TurnRef) -> list[str]:
    return [one.external for one in await store.shown(ref)]


async def test_a_part_is_about_to_be_sent_and_then_it_is(store: SqlStore) -> None:
    await talk(store, "a")
    await store.show(ONE, 1)
    await store.show(ONE, 0, "70")
    assert await store.shown(ONE) == [Shown(0, "70"), Shown(1)]
    await store.show(ONE, 1, "71")
    await store.show(ONE, 0)  # its message is gone: it is sent anew
    assert await shown(store, ONE) == ["", "71"]
    await store.unshow(ONE, [0, 9])
    assert await store.shown(ONE) == [Shown(1, "71")]
    assert [await store.shown_in(*at) for at in ((1, "71"), (1, "70"), (2, "71"), (1, ""))] == [1, 0, 0, 0]


async def test_another_turn_takes_messages_over_if_it_has_none(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await show(store, ONE, "70", "")
    await store.reshow(ONE, TurnRef(1, 99))
    assert await shown(store, ONE) == ["70", ""]  # there is no such turn
    await store.reshow(ONE, TWO)
    assert (await shown(store, ONE), await shown(store, TWO)) == ([], ["70", ""])
    await show(store, ONE, "80")
    await store.reshow(TWO, ONE)
    assert (await shown(store, ONE), await shown(store, TWO)) == (["80"], ["70", ""])
    with pytest.raises(ValueError, match="from one session to another"):
        await store.reshow(ONE, TurnRef(2, 1))


async def test_a_message_is_lost_when_nobody_comes_by_it_any_more(store: SqlStore, database_url: str) -> None:
    work = await say(store, "a")
    await show(store, ONE, "70", "")
    assert await store.lost() == []
    await end(store, work, sends=sends("answer"))
    assert await store.lost() == []
    [send] = await store.take_sends(["terminal"], lease=60_000)
    assert await store.lost() == []  # it may be sent at this moment
    await store.settle_send(send.id, "unknown")
    assert await store.lost() == [(ONE, 1)]
    await store.show(ONE, 1, "71")
    assert await store.lost() == []


async def test_what_shows_a_turn_goes_with_it(store: SqlStore, database_url: str) -> None:
    await talk(store, "a", "b", "c")
    for seq in (1, 2, 3):
        await store.show(TurnRef(1, seq), 0, f"7{seq}")
    await store.show(TurnRef(1, -5), 0, "75")  # a reminder's
    await store.erase(1, [2])
    await store.show(TWO, 0, "72")  # it was being sent meanwhile
    assert run(database_url, "SELECT seq FROM shown ORDER BY seq") == [(-5,), (1,), (3,)]
    await store.erase(1)
    assert run(database_url, "SELECT seq FROM shown") == []
    user = await store.user("main", "terminal", "home")
    assert user is not None
    await store.show(TurnRef(1, -5), 0, "75")
    await store.forget_user(user)
    await store.show(TurnRef(1, -5), 0, "75")
    assert run(database_url, "SELECT seq FROM shown") == []


@pytest.mark.parametrize("erase", ["session", ()])
async def test_a_cleared_turn_is_still_known_by_its_messages(store: SqlStore, erase: object) -> None:
    """What they show must be taken back."""
    await talk(store, "a")
    await store.show(ONE, 0, "70")
    work = await say(store, "b")
    await show(store, TWO, "71", "72")
    await end(store, work, "", state="cleared", erase=erase, sends=sends("cannot say that"))
    assert await shown(store, ONE) == ([] if erase else ["70"])
    assert await shown(store, TWO) == ["71", "72"]
    [send] = await store.take_sends(["terminal"], lease=LEASE)
    assert send.ref == TWO
    await store.erase(1)
    assert await shown(store, TWO) == []


async def test_a_forgotten_reader_leaves_no_ids(store: SqlStore, database_url: str) -> None:
    await talk(store, "hello", address=Address("telegram", "7", "42"))
    await store.show(ONE, 0, "70")
    user = await store.user("main", "telegram", "7")
    assert user is not None
    await store.forget_user(user)
    assert run(database_url, "SELECT external_id FROM shown") == []


async def test_what_is_begun_again_without_an_answer_may_be_there_twice(store: SqlStore) -> None:
    await talk(store, "a")
    await store.show(ONE, 0)
    await store.unshow(ONE, [0])  # surely not sent
    await show(store, ONE, "")
    await store.show(ONE, 0, "70")
    assert await store.lost() == []
    await store.show(ONE, 1)
    await store.show(ONE, 1)
    await store.show(ONE, 1, "71")
    assert await store.lost() == [(ONE, 1)]


async def test_what_may_be_there_stays_in_doubt_when_the_next_try_surely_fails(store: SqlStore) -> None:
    await talk(store, "a")
    await store.show(ONE, 0)  # nobody knows
    await store.show(ONE, 0)
    await store.unshow(ONE, [0])  # surely not sent
    assert await shown(store, ONE) == [""]
    await store.show(ONE, 0)
    await store.show(ONE, 0, "70")
    assert await store.lost() == [(ONE, 0)]
    await store.unshow(ONE, [0])  # deleted
    assert (await shown(store, ONE), await store.lost()) == ([""], [(ONE, 0)])
    await store.unshow(ONE, [0])  # the other one, too
    assert (await shown(store, ONE), await store.lost()) == ([], [])


async def test_what_comes_before_a_turn_is_owed_until_it_is_settled(store: SqlStore) -> None:
    work = await say(store, "a")
    await end(store, work, sends=sends("answer"))
    assert [await store.owed_before(TurnRef(1, seq)) for seq in (1, 2)] == [False, True]
    [send] = await store.take_sends(["terminal"], lease=60_000)
    assert await store.owed_before(TWO)
    await store.settle_send(send.id, "sent", external_id="70")
    assert not await store.owed_before(TWO)
