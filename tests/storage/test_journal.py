import pytest

from duihua.errors import NotFound, Superseded
from duihua.messages import Author, Decision, Opaque, Step, Text, Thinking, Usage, call_id
from duihua.ports import Outcome
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import NOTHING, at, calling, end, head, queue, say, talk


async def test_a_turn_is_read_back_as_it_was_written(store: SqlStore) -> None:
    work = await say(store, "weather?")
    ref = work.fence.ref
    asks = Step(
        (Thinking("hm"), Text("I look"), Opaque("p", {"sig": "x"})), calling(ref, "planned").calls, "m1"
    )
    await store.step(work.fence, 0, asks, usage=Usage(10, 5))
    await store.call(work.fence, call_id(ref, 0, 0), "running")
    await store.call(work.fence, call_id(ref, 0, 0), "done", '{"晴": 28}')
    final = Step((Text("晴, 28"),), (), "m2")
    await store.finish(
        work.fence, Outcome("done", "stop", 1, final, Usage(20, 7, 3, 1), "m2", "default", 42), lease=1
    )
    turn = await store.turn(ref)
    assert turn is not None
    assert (turn.state, turn.finish, turn.input) == ("done", "stop", (Text("weather?"),))
    assert turn.steps[0].parts == asks.parts
    assert turn.steps[0].model == "m1"
    [call] = turn.steps[0].calls
    assert (call.id, call.name, call.arguments) == (call_id(ref, 0, 0), "skill0", '{"a": 1}')
    assert (call.state, call.result, call.effect) == ("done", '{"晴": 28}', "write")
    assert turn.steps[1] == final
    assert turn == (await store.path(ref.session, ref.seq))[0]


@pytest.mark.parametrize("settled", ["done", "failed", "unknown", "refused"])
async def test_a_settled_call_is_never_changed(store: SqlStore, settled: str) -> None:
    work = await say(store, "a")
    id_ = call_id(work.fence.ref, 0, 0)
    await store.step(work.fence, 0, calling(work.fence.ref, "planned"), usage=NOTHING)
    await store.call(work.fence, id_, settled, "first")  # pyright: ignore[reportArgumentType]
    for state in ("running", "done", "planned"):
        with pytest.raises(Superseded):
            await store.call(work.fence, id_, state, "second")  # pyright: ignore[reportArgumentType]
    await store.step(work.fence, 0, calling(work.fence.ref, "planned"), usage=NOTHING)
    stored = await store.stored_call(id_)
    assert stored is not None
    assert (stored.call.state, stored.call.result) == (settled, "first")


@pytest.mark.parametrize(
    "id_", ["", "x", "1.2.3", "1.1.0.0.0", "1.1.-1.0", "1.1.0.99999", "²1.1.0.0", "9" * 40]
)
async def test_what_is_no_call_is_not_found(store: SqlStore, id_: str) -> None:
    work = await say(store, "a")
    assert await store.stored_call(id_) is None
    with pytest.raises((NotFound, Superseded)):
        await store.call(work.fence, id_, "done")


async def test_a_call_of_another_session_is_out_of_reach(store: SqlStore) -> None:
    other, work = await say(store, "a", "other"), await say(store, "a")
    await store.step(other.fence, 0, calling(other.fence.ref, "held"), usage=NOTHING)
    with pytest.raises(NotFound):
        await store.call(work.fence, call_id(other.fence.ref, 0, 0), "done", "stolen")


async def test_a_decision_settles_a_call_of_an_earlier_turn(store: SqlStore, database_url: str) -> None:
    await store.ensure(at(), "alice")
    asked = await say(store, "send it", author=Author(), external="alice")
    ref, id_ = asked.fence.ref, call_id(asked.fence.ref, 0, 0)
    step = calling(ref, "held", "done")
    await store.step(asked.fence, 0, step, usage=NOTHING, expires=123)
    await end(store, asked, "", finish="approval")
    [held] = await store.held(ref.session)
    assert (held.ref, held.step, held.index, held.call) == (ref, 0, 0, step.calls[0])
    assert (held.asker, held.expires) == (asked.owner, 123)

    decided = await say(
        store, "", kind="decision", source="decision", source_id=id_, author=Author(), external="bob"
    )
    assert decided.kind == "decision"
    assert decided.turn.parent == ref.seq
    await store.call(decided.fence, id_, "running")
    await store.call(decided.fence, id_, "done", "sent")
    await end(store, decided)
    assert await store.held(ref.session) == []
    bob = await store.user("main", "terminal", "bob")
    assert run(database_url, "SELECT approver_id FROM skill_calls WHERE idx = 0") == [(bob,)]
    turn = await store.turn(ref)
    assert turn is not None
    assert [c.result for c in turn.steps[0].calls] == ["sent", ""]


async def test_the_parts_of_a_decision_are_kept(store: SqlStore) -> None:
    from duihua.ports import Input
    from tests.storage.talk import said, token

    input = said("")
    decision = Decision("1.1.0.0", approve=True)
    accepted = await store.accept(
        Input("d", "1.1.0.0", input.address, kind="decision", parts=(decision,)), token=token()
    )
    assert accepted.work is not None
    assert (await store.turn(accepted.work.turn.ref)).input == (decision,)  # pyright: ignore


async def test_a_call_of_a_later_turn_is_out_of_reach(store: SqlStore) -> None:
    work = await say(store, "a")
    with pytest.raises(NotFound):
        await store.call(work.fence, f"{work.fence.ref.session}.2.0.0", "done")


async def test_a_step_written_twice_says_what_it_said_last(store: SqlStore) -> None:
    work = await say(store, "a")
    await store.step(work.fence, 0, Step((Text("first"),)), usage=NOTHING)
    await end(store, work, "second", number=0)
    turn = await store.turn(work.fence.ref)
    assert turn is not None
    assert turn.text == "second"


async def test_the_text_so_far_is_for_readers_until_the_end(store: SqlStore, database_url: str) -> None:
    work = await say(store, "a")
    await store.partial(work.fence, "so far 好")
    progress = await store.progress(work.inbox[0])
    assert (progress.state, progress.partial, progress.attempt) == ("taken", "so far 好", 1)
    await end(store, work)
    assert (await store.progress(work.inbox[0])).partial == ""
    assert run(database_url, "SELECT partial FROM turns") == [(None,)]


async def test_progress_follows_an_input(store: SqlStore) -> None:
    work = await say(store, "a")
    waiting = await queue(store, "b")
    assert (await store.progress(waiting.inbox)).state == "pending"
    await store.step(work.fence, 0, Step((Text("x"),)), usage=Usage(1, 2))
    await end(store, work, state="failed", finish="failed", error="timeout", usage=Usage(3, 4), model="m")
    done = await store.progress(work.inbox[0])
    assert (done.state, done.error, done.model, done.usage) == ("done", "timeout", "m", Usage(4, 6))
    assert done.turn is not None
    assert done.turn.state == "failed"
    assert (await store.progress(999)).state == "gone"


async def test_a_failed_turn_keeps_its_input_on_the_path(store: SqlStore) -> None:
    work = await say(store, "a")
    await end(store, work, "", state="failed", finish="failed", error="network")
    assert await head(store) == work.fence.ref.seq
    following = await say(store, "b")
    assert following.turn.parent == work.fence.ref.seq
    [turn] = await store.path(work.fence.ref.session, following.turn.parent)
    assert (turn.state, turn.input, turn.steps) == ("failed", (Text("a"),), ())


async def test_usage_is_summed_per_person_and_model(store: SqlStore, database_url: str) -> None:
    for chat in ("one", "two"):
        await store.ensure(at(chat), "alice")
        work = await say(store, "a", chat)
        await store.step(work.fence, 0, Step((), (), "big"), usage=Usage(100, 10, 50, 5), micros=30)
        await end(store, work, model="big", usage=Usage(200, 20, 0, 1), micros=8)
    await talk(store, "b", chat="one")
    await talk(store, "c", chat="someone else")
    alice = await store.user("main", "terminal", "alice")
    assert await store.usage(alice or 0) == [
        ("big", 2, Usage(600, 60, 100, 12), 76),
        ("m", 1, Usage(), 0),
    ]
    days = run(database_url, "SELECT DISTINCT day FROM usage")
    assert days == run(database_url, "SELECT DISTINCT ended / 86400000 FROM turns")
    run(database_url, "UPDATE usage SET day = day - 1")
    await talk(store, "d", chat="one")
    assert (await store.usage(alice or 0))[1] == ("m", 2, Usage(), 0)


async def test_the_window_moves_with_the_turn_that_moved_it(store: SqlStore) -> None:
    await talk(store, "a", "b")
    work = await say(store, "c")
    await end(store, work, window_from=2)
    following = await say(store, "d")
    assert following.window_from == 2
    await end(store, following)
    assert (await store.session(at())).window_from == 2  # pyright: ignore[reportOptionalMemberAccess]
    again = await say(store, "e", reply_to=1)  # before the window's start
    assert again.window_from == 0


async def test_settings_and_locale_come_with_the_work(store: SqlStore, database_url: str) -> None:
    info = await store.ensure(at())
    await store.settings(info.id, {"persona": "海盗", "options": {"temperature": 0.5}})
    run(database_url, "UPDATE sessions SET locale = 'zh'")
    work = await say(store, "a")
    assert work.settings == {"persona": "海盗", "options": {"temperature": 0.5}}
    assert work.locale == "zh"
    assert (await store.session(at())).settings == work.settings  # pyright: ignore
    with pytest.raises(NotFound):
        await store.settings(999, {})


async def test_small_values_are_kept_by_name(store: SqlStore) -> None:
    assert await store.get_state("x") is None
    await store.put_state("x", b"\0one")
    await store.put_state("x", b"\0two")
    assert await store.get_state("x") == b"\0two"
