"""An input found by its key, and changed: while it waits, or as a turn that runs anew."""

from __future__ import annotations

from typing import Any

import pytest

from duihua.joining import amended
from duihua.messages import Attachment, Author, Text, TurnRef
from duihua.ports import Accepted, Work
from duihua.showing import Taken
from duihua_storage import SqlStore
from tests.leftovers import leftovers, run
from tests.storage.talk import LEASE, at, end, head, history, inputs, queue, say, talk, token

KEY = ("main", "telegram/42", "7/1")
OF_IT = {"source": "telegram/42", "source_id": "7/1"}


def picture(name: str) -> Attachment:
    return Attachment(name, "image", "image/png", f"bytes of {name}".encode())


async def test_an_input_is_found_by_its_key(store: SqlStore) -> None:
    assert await store.taken(*KEY) is None
    work = await say(store, "a")
    accepted = await queue(store, "b", **OF_IT)
    assert await store.taken(*KEY) == Taken(1, accepted.inbox, 0, (Text("b"),))
    work = await end(store, work)
    assert work is not None
    assert await store.taken(*KEY) == Taken(1, accepted.inbox, 2)
    await end(store, work)
    assert await store.taken(*KEY) == Taken(1, accepted.inbox, 2)
    assert await store.taken("other", *KEY[1:]) is None
    await store.sweep(older=-1)
    assert await store.taken(*KEY) is None


@pytest.mark.parametrize("waits", [True, False])
async def test_an_erased_input_is_not_found(store: SqlStore, waits: bool) -> None:
    if waits:
        await say(store, "a")
        await queue(store, "b", **OF_IT)
    else:
        await talk(store, "b", **OF_IT)
    await store.erase(1)
    assert await store.taken(*KEY) is None


async def test_the_latest_edit_stands_for_an_input(store: SqlStore) -> None:
    await talk(store, "before")
    await talk(store, "a", **OF_IT)
    await talk(store, "b", kind="edit", reply_to=2)
    assert (await history(store), await head(store)) == (["before", "b"], 3)
    found = await store.taken(*KEY)
    assert found is not None
    assert found.seq == 3
    work = await say(store, "c", kind="edit", reply_to=3)
    accepted = await queue(store, "d", kind="edit", reply_to=4)
    assert await store.taken(*KEY) == Taken(1, accepted.inbox, 0, (Text("d"),))
    assert await store.amend(*KEY, (Text("e"),))
    work = await end(store, work)
    assert work is not None
    assert (inputs(work.turn), work.turn.parent) == ("e", 1)
    await end(store, work)
    await store.erase(1, [5])
    found = await store.taken(*KEY)
    assert found is not None
    assert found.seq == 4


async def test_a_turn_knows_in_whose_place_it_stands(store: SqlStore) -> None:
    """At once, after waiting, and after its process died; an edit without words says the same again."""
    work = await say(store, "a")
    await end(store, work)
    work = await say(store, "b", kind="edit", reply_to=1)
    assert (work.turn.parent, work.replaces) == (0, 1)
    await queue(store, "", kind="edit", reply_to=2)
    assert [await store.edited(TurnRef(1, seq)) for seq in (1, 2, 3)] == [True, True, False]
    waited = await end(store, work)
    assert waited is not None
    assert (inputs(waited.turn), waited.turn.parent, waited.replaces) == ("b", 0, 2)
    await store.release(1, waited.fence.token)
    again = await store.claim(1, token(), lease=LEASE)
    assert again is not None
    assert (again.fence.attempt, again.replaces) == (2, 2)
    await end(store, again)
    assert (await say(store, "c", kind="retry", reply_to=3)).replaces == 0


async def test_a_cut_answer_goes_on_from_where_it_stands(store: SqlStore) -> None:
    await talk(store, "a", "b")
    assert (await say(store, "on", kind="continue", reply_to=1)).turn.parent == 1


async def test_an_input_says_something_else_while_it_waits(store: SqlStore, database_url: str) -> None:
    """A late member of an album comes, and one picture is not named any more."""
    first = await say(store, "a")
    one, two, three = picture("one"), picture("two"), picture("three")
    await queue(store, "", parts=(Text("秘密"), one.part, two.part), attachments=(one, two), **OF_IT)
    assert await store.amend(*KEY, (Text("look"), two.part, three.part), (three,))
    assert await store.amend(*KEY, (Text("look"), two.part, three.part), (three,))
    await store.scrub()
    assert leftovers(database_url, "秘密", "bytes of one") == []
    work = await end(store, first)
    assert work is not None
    assert work.turn.input == (Text("look"), two.part, three.part)
    assert run(database_url, "SELECT id, seq FROM attachments ORDER BY id") == [("three", 2), ("two", 2)]
    assert not await store.amend(*KEY, (Text("late"),), (one,))
    assert not await store.amend("main", "telegram/42", "7/2", ())
    assert run(database_url, "SELECT COUNT(*) FROM attachments") == [(2,)]


async def test_one_turn_alone_is_stopped(store: SqlStore) -> None:
    work = await say(store, "a")
    assert await store.stop(1, turn=2) is None
    assert [held.stop for held in await store.renew([(1, work.fence.token)], lease=LEASE)] == [False]
    assert await store.stop(1, turn=1) == work.fence.ref
    assert await store.claim(1, token(), lease=LEASE) is None


async def together(store: SqlStore, *waiting: Accepted) -> Work:
    """Ends what runs; the turn that the claim goes on with."""
    info = await store.session(at())
    assert info is not None
    work = await store.claim(info.id, token(), lease=LEASE)
    assert work is not None
    await store.settings(info.id, {"meanwhile": "join"})
    following = await end(store, work)
    assert following is not None
    assert following.inbox == tuple(accepted.inbox for accepted in waiting)
    return following


async def test_inputs_that_wait_are_answered_together(store: SqlStore, database_url: str) -> None:
    await queue(store, "a")
    b = await queue(store, "", parts=(Text("b"), picture("one").part), attachments=(picture("one"),))
    c = await queue(store, "c", **OF_IT)
    work = await together(store, b, c)
    assert work.turn.input == (Text("b"), picture("one").part, Text("\n\n"), Text("c"))
    assert run(database_url, "SELECT seq FROM attachments") == [(2,)]
    found = await store.taken(*KEY)
    assert found == Taken(1, c.inbox, 2, place=1)
    assert amended(work.turn.input, 1, (Text("d"),)) == (*work.turn.input[:-1], Text("d"))
    assert await store.waiting(1) == [b.inbox, c.inbox]
    await store.release(1, work.fence.token)
    again = await store.claim(1, token(), lease=LEASE)
    assert again is not None
    assert (again.inbox, again.turn.input) == (work.inbox, work.turn.input)
    late = await queue(store, "e")
    following = await end(store, again, inputs=2)
    assert following is not None
    assert following.inbox == (late.inbox,)
    assert await end(store, following) is None
    info = await store.session(at())
    assert info is not None
    assert (info.pending, await store.waiting(1)) == (0, [])
    assert await store.due() == []


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "retry"},
        {"reply_to": 1},
        {"external": "eve", "author": Author(0, "Eve")},
        {"parts": (Text("x" * 9_000),)},
    ],
)
async def test_not_everything_is_answered_together(store: SqlStore, other: dict[str, Any]) -> None:
    await queue(store, "a")
    b, _, _ = await queue(store, "b"), await queue(store, "c", **other), await queue(store, "d")
    assert inputs((await together(store, b)).turn) == "b"


async def test_a_turn_is_stopped_for_what_waits_alone(store: SqlStore) -> None:
    work = await say(store, "a")
    waiting = await queue(store, "b")
    assert await store.stop(1, waiting=work.inbox[0]) is None
    assert await store.stop(1, waiting=waiting.inbox) == work.fence.ref
