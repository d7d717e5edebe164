import pytest

from duihua.errors import NotFound, SessionBusy
from duihua.messages import Author, Options, Text, call_id
from duihua.ports import Input
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import NOTHING, at, calling, end, head, history, inputs, queue, say, talk


async def test_turns_follow_one_another(store: SqlStore) -> None:
    await talk(store, "a", "b", "c")
    assert await history(store) == ["a", "b", "c"]
    turns = await store.path(1, 3)
    assert [turn.parent for turn in turns] == [0, 1, 2]


async def test_a_path_is_cut_by_limit_and_start(store: SqlStore) -> None:
    await talk(store, *"abcdef")
    assert await history(store, limit=2) == ["e", "f"]
    assert await history(store, since=5) == ["e", "f"]
    assert await history(store, since=3, limit=10) == ["c", "d", "e", "f"]
    assert await store.path(1, 0) == ()
    assert await store.path(1, 99) == []
    assert await history(store, since=99) == []


async def test_a_reply_continues_the_turn_it_replies_to(store: SqlStore) -> None:
    await talk(store, "a", "b", "c")
    work = await say(store, "d", reply_to=1)
    assert await head(store) == work.turn.parent == 1
    await end(store, work)
    assert await history(store) == ["a", "d"]


async def test_a_reply_to_nothing_continues_the_head(store: SqlStore) -> None:
    await talk(store, "a", "b")
    assert (await say(store, "c", reply_to=77)).turn.parent == 2


@pytest.mark.parametrize("queued", [False, True])
async def test_a_retry_says_the_same_again_beside_it(store: SqlStore, queued: bool) -> None:
    await talk(store, "a", "b", "c")
    if queued:
        first = await say(store, "x", reply_to=3)
        await queue(store, "", kind="retry", reply_to=2)
        work = await end(store, first)
        assert work is not None
    else:
        work = await say(store, "", kind="retry", reply_to=2)
    assert (inputs(work.turn), work.turn.parent, work.kind) == ("b", 1, "retry")
    assert await head(store) == 1
    assert await store.turn(work.turn.ref) == work.turn
    await end(store, work)
    assert await history(store) == ["a", "b"]
    assert await head(store) == work.turn.ref.seq


async def test_a_retry_without_a_turn_means_the_head(store: SqlStore) -> None:
    await talk(store, "a", "b")
    work = await say(store, "", kind="retry")
    assert (inputs(work.turn), work.turn.parent) == ("b", 1)


async def test_a_retry_may_bring_options_of_its_own(store: SqlStore) -> None:
    hot, cold = Options({"temperature": 1.0}), Options({"temperature": 0.1})
    first = (await store.accept(Input("t", "1", at(), parts=(hot, Text("a"))), token="t1")).work
    assert first is not None
    await end(store, first)
    again = (await store.accept(Input("t", "2", at(), kind="retry", parts=(cold,)), token="t2")).work
    assert again is not None
    assert again.turn.input == (Text("a"), cold)
    assert await store.turn(again.turn.ref) == again.turn


async def test_a_retry_of_an_erased_turn_finds_nothing_to_say(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await store.erase(1, [2])
    work = await say(store, "", kind="retry", reply_to=2)
    assert (work.turn.input, work.turn.parent) == ((), 1)


async def test_an_edit_says_something_else_in_its_place(store: SqlStore) -> None:
    await talk(store, "a", "b", "c")
    work = await say(store, "B", kind="edit", reply_to=2)
    assert (inputs(work.turn), work.turn.parent) == ("B", 1)
    await end(store, work)
    assert await history(store) == ["a", "B"]


@pytest.mark.parametrize("kind", ["decision", "reminder"])
@pytest.mark.parametrize("queued", [False, True])
async def test_other_inputs_continue_the_head(store: SqlStore, kind: str, queued: bool) -> None:
    await talk(store, "a", "b")
    if queued:
        first = await say(store, "c")
        await queue(store, "x", kind=kind, reply_to=1)
        work = await end(store, first)
    else:
        work = await say(store, "x", kind=kind, reply_to=1)
    assert work is not None
    assert work.turn.parent == await head(store) == (3 if queued else 2)


async def test_heads_are_the_ends_of_all_paths(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await talk(store, "c", reply_to=1)
    await store.move_head(1, 0)
    await talk(store, "new")
    heads = await store.heads(1)
    assert [inputs(turn) for turn in heads] == ["new", "c", "b"]
    assert all(turn.steps == () for turn in heads)


async def test_undo_moves_the_head_back(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await store.move_head(1, 1)
    assert await history(store) == ["a"]
    assert (await say(store, "c")).turn.parent == 1


async def test_the_head_is_a_turn_of_the_session(store: SqlStore) -> None:
    await talk(store, "a")
    await talk(store, "b", "c", chat="other")
    for session, seq in ((1, 2), (1, -1), (999, 0), (999, 1)):
        with pytest.raises(NotFound):
            await store.move_head(session, seq)


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_new_path_begun_during_a_turn_stays_new(store: SqlStore, turns: int) -> None:
    await talk(store, *"ab"[:turns])
    work = await say(store, "running")
    await queue(store, "after")
    await store.move_head(1, 0)
    following = await end(store, work)
    assert following is not None
    assert following.turn.parent == 0
    await end(store, following)
    assert await history(store) == ["after"]
    assert "running" in [inputs(turn) for turn in await store.heads(1)]


async def test_undo_during_a_turn_wins(store: SqlStore) -> None:
    await talk(store, "a", "b")
    work = await say(store, "running")
    await store.move_head(1, 1)
    await end(store, work)
    assert await history(store) == ["a"]


async def test_undo_before_the_window_opens_it_again(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await talk(store, "c")
    run_window = await say(store, "d")
    await end(store, run_window, window_from=3)
    await store.move_head(1, 2)
    assert (await store.session(at())).window_from == 0  # pyright: ignore[reportOptionalMemberAccess]


async def test_the_cost_of_a_path_does_not_grow_with_the_session(tmp_path: object) -> None:
    """Counted in steps of SQLite's own machine."""
    import sqlite3

    from duihua_storage.history import path
    from duihua_storage.sqlite import DIALECT, _run  # pyright: ignore[reportPrivateUsage]

    url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    store = SqlStore(url)
    await store.open()
    await talk(store, *map(str, range(400)))
    await store.aclose()
    assert DIALECT.name == "sqlite"
    db = sqlite3.connect(f"{tmp_path}/x.db")
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    db.set_progress_handler(tick, 1)
    costs: list[int] = []
    for last in (40, 400):
        ticks = 0
        assert len(_run(db, path(1, last, 0, 20))) == 20
        costs.append(ticks)
    db.close()
    assert costs[1] <= costs[0] * 1.1


async def test_a_fork_is_a_copy_of_one_path(store: SqlStore) -> None:
    await store.ensure(at(), "alice")
    await talk(store, "a", "b", "c")
    work = await say(store, "d", reply_to=1, author=Author(0, "Bob"), external="bob")
    await store.step(work.fence, 0, calling(work.fence.ref, "done", "planned"), usage=NOTHING)
    await store.call(work.fence, call_id(work.fence.ref, 0, 1), "refused", "no")
    await store.step(work.fence, 1, calling(work.fence.ref, "held", number=1), usage=NOTHING)
    await end(store, work)
    await store.settings(1, {"persona": "x"})
    source = await store.session(at())
    assert source is not None
    forked = await store.fork(1, 4, at("copy"))
    assert (forked.owner, forked.head, forked.settings) == (source.owner, 2, {"persona": "x"})
    assert await history(store, "copy") == ["a", "d"]
    original, copy = await store.path(1, 4), await store.path(forked.id, 2)
    assert [turn.parent for turn in copy] == [0, 1]
    assert [turn.author for turn in copy] == [turn.author for turn in original]
    assert [turn.text for turn in copy] == [turn.text for turn in original]
    assert [c.id for c in copy[1].steps[0].calls] == [f"{forked.id}.2.0.0", f"{forked.id}.2.0.1"]
    assert [c.state for c in copy[1].steps[0].calls] == ["done", "refused"]
    assert copy[1].steps[1].calls == ()  # what waits for a decision waits once
    assert (await say(store, "e", "copy")).turn.parent == 2
    assert await history(store) == ["a", "d"]


async def test_a_fork_leaves_out_the_running_turn(store: SqlStore) -> None:
    await talk(store, "a")
    work = await say(store, "running")
    await store.fork(1, work.fence.ref.seq, at("copy"))
    assert await history(store, "copy") == ["a"]


async def test_a_fork_needs_an_unused_place_and_a_turn(store: SqlStore, database_url: str) -> None:
    await talk(store, "a")
    await talk(store, "x", chat="used")
    before = run(database_url, "SELECT count(*) FROM sessions")
    with pytest.raises(SessionBusy):
        await store.fork(1, 1, at("used"))
    with pytest.raises(NotFound):
        await store.fork(1, 7, at("copy"))
    with pytest.raises(NotFound):
        await store.fork(99, 0, at("copy"))
    assert run(database_url, "SELECT count(*) FROM sessions") == before
    assert (await store.fork(1, 0, at("empty"))).head == 0
