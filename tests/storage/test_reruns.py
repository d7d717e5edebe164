"""Which writes count as done for a retry, an edit or a decision: those in its own place alone."""

from duihua.messages import Call, Decision, Step, Text, TurnRef, call_id
from duihua.ports import Work
from duihua_storage import SqlStore
from tests.storage.talk import NOTHING, at, end, queue, say


async def paid(store: SqlStore, work: Work, *states: str) -> int:
    """Ends a turn with calls of `pay` in these states; returns its number."""
    ref = work.fence.ref
    calls = tuple(
        Call(call_id(ref, 0, n), "pay", "{}", state, f"by {ref.seq}", "write")  # type: ignore[arg-type]
        for n, state in enumerate(states)
    )
    await store.step(work.fence, 0, Step((Text("let me see"),), calls, "m"), usage=NOTHING)
    await end(store, work, number=1)
    return ref.seq


async def pay(store: SqlStore, text: str = "pay", *, state: str = "done", **fields: object) -> int:
    return await paid(store, await say(store, text, **fields), state)


async def known(store: SqlStore, seq: int, session: int = 1) -> list[str]:
    """The results of the writes that count as done for a call of a turn."""
    return [c.result for c in await store.written(call_id(TurnRef(session, seq), 0, 0), "pay")]


async def test_a_retry_knows_what_all_it_stands_in_the_place_of_wrote(store: SqlStore) -> None:
    before = await pay(store)
    first = await pay(store)
    again = await pay(store, "", kind="retry", reply_to=first)
    edit = await pay(store, "other", kind="edit", reply_to=again)
    assert await known(store, edit) == [f"by {first}", f"by {again}"]
    assert await known(store, first) == [f"by {again}", f"by {edit}"]  # which may still be approved
    assert await known(store, before) == []
    assert await store.written(call_id(TurnRef(1, edit), 0, 0), "play") == []


async def test_a_retry_that_waited_for_its_turn_knows_them_too(store: SqlStore) -> None:
    first = await pay(store)
    running = await say(store, "x")
    await queue(store, "", kind="retry", reply_to=first)
    work = await end(store, running)
    assert work is not None
    assert await known(store, await paid(store, work, "done")) == [f"by {first}"]


async def test_what_followed_the_turn_that_was_edited_counts(store: SqlStore) -> None:
    first = await pay(store, state="failed")
    later = await pay(store, "later")
    latest = await pay(store, "latest")
    beside = await pay(store, "beside", reply_to=first)
    edit = await pay(store, "other", kind="edit", reply_to=first)
    assert await known(store, edit) == [f"by {seq}" for seq in (later, latest, beside)]


async def test_other_conversations_and_other_branches_do_not_count(store: SqlStore) -> None:
    oldest = await pay(store)
    await store.move_head(1, 0)
    root = await pay(store, "new")
    branch = await pay(store, "one branch")
    await pay(store, "another", reply_to=root)
    assert await known(store, await pay(store, "other", kind="edit", reply_to=branch)) == [f"by {branch}"]
    assert await known(store, await pay(store, "", kind="retry", reply_to=oldest)) == [f"by {oldest}"]


async def test_a_decision_goes_on_with_the_turn_that_asked(store: SqlStore) -> None:
    first = await pay(store)
    again = await pay(store, "", kind="retry", reply_to=first, state="held")
    yes = (Decision(call_id(TurnRef(1, again), 0, 0), True),)
    decided = await pay(store, "", kind="decision", parts=yes)
    assert await known(store, decided) == [f"by {first}"]
    anew = await pay(store, "", kind="retry", reply_to=decided)
    assert await known(store, anew) == [f"by {first}", f"by {decided}"]
    odd = await pay(store, "", kind="decision", parts=(Decision("1.9999.0.0", True),))
    assert await known(store, odd) == []


async def test_what_was_erased_does_not_count(store: SqlStore) -> None:
    first = await pay(store)
    again = await pay(store, "", kind="retry", reply_to=first)
    await store.erase(1, [first])
    third = await pay(store, "", kind="retry", reply_to=again)
    assert await known(store, third) == [f"by {again}"]
    assert await known(store, first) == await known(store, 99) == []


async def test_a_copy_of_a_retry_stands_in_no_ones_place(store: SqlStore) -> None:
    await pay(store, "elsewhere")
    await store.move_head(1, 0)
    first = await pay(store)
    await pay(store, "", kind="retry", reply_to=first)
    last = await pay(store, "later")
    copy = await store.fork(1, last, at("copy"))
    assert copy.head == first == 2  # a number that means another turn there
    assert await known(store, 1, copy.id) == []
