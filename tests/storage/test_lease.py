import asyncio
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy.engine import make_url

from duihua.errors import Superseded
from duihua.messages import Step, Text, TurnRef, call_id
from duihua.ports import Held, Outcome, Work
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import NOTHING, calling, end, inputs, queue, said, say, talk, token


def expire(url: str) -> None:
    """Lets every lease run out."""
    run(url, "UPDATE sessions SET lease_until = lease_until - 1000000 WHERE lease_owner IS NOT NULL")


def left(url: str) -> int:
    """How long the lease of the only session lasts, in ms."""
    return run(url, "SELECT lease_until - touched FROM sessions")[0][0]


async def test_a_live_lease_is_entered_by_nobody(store: SqlStore) -> None:
    work = await say(store, "a")
    session = work.fence.ref.session
    assert await store.claim(session, token(), lease=1000) is None
    assert await store.claim(session, work.fence.token, lease=1000) is None


async def test_a_session_without_work_is_not_claimed(store: SqlStore) -> None:
    await talk(store, "a")
    assert await store.claim(1, token(), lease=1000) is None
    assert await store.claim(999, token(), lease=1000) is None


async def test_of_two_processes_one_claims(store: SqlStore, database_url: str) -> None:
    other = SqlStore(database_url)
    await other.open()
    session = (await queue(store, "a")).session
    claims = await asyncio.gather(*(s.claim(session, token(), lease=9000) for s in (store, other) * 8))
    await other.aclose()
    assert len([work for work in claims if work]) == 1


async def test_a_cut_turn_goes_on_before_what_waits(store: SqlStore, database_url: str) -> None:
    cut = await say(store, "cut")
    ref = cut.fence.ref
    step = calling(ref, "planned", "planned", "planned")
    await store.step(cut.fence, 0, step, usage=NOTHING)
    await store.call(cut.fence, call_id(ref, 0, 0), "done", "sunny")
    await store.call(cut.fence, call_id(ref, 0, 1), "running")
    await store.partial(cut.fence, "so f")
    await queue(store, "next")
    expire(database_url)
    work = await store.claim(ref.session, token(), lease=1000)
    assert work is not None
    assert (work.fence.ref, work.fence.attempt, work.inbox, work.partial) == (ref, 2, cut.inbox, "so f")
    assert (inputs(work.turn), work.turn.author, work.kind) == ("cut", cut.turn.author, "message")
    assert [(c.state, c.result) for c in work.turn.steps[0].calls] == [
        ("done", "sunny"),
        ("running", ""),
        ("planned", ""),
    ]
    assert work.turn.steps[0].parts == step.parts
    following = await end(store, work)
    assert following is not None
    assert inputs(following.turn) == "next"


async def test_an_input_does_not_claim_past_a_cut_turn(store: SqlStore, database_url: str) -> None:
    cut = await say(store, "cut")
    expire(database_url)
    accepted = await store.accept(said("next"), token=token())
    assert accepted.work is None
    work = await store.claim(accepted.session, token(), lease=1000)
    assert work is not None
    assert (work.fence.ref, work.fence.attempt) == (cut.fence.ref, 2)


async def overtaken(store: SqlStore, url: str, how: str) -> Work:
    """A worker whose turn another one has taken over."""
    work = await say(store, "a")
    await store.step(work.fence, 0, calling(work.fence.ref, "planned"), usage=NOTHING)
    if how == "claimed":
        expire(url)
        assert await store.claim(work.fence.ref.session, token(), lease=9000) is not None
    else:  # each of the two is a fence of its own
        run(
            url,
            {"token": "UPDATE sessions SET lease_owner = 'x'", "attempt": "UPDATE turns SET attempt = 2"}[
                how
            ],
        )
    return work


@pytest.mark.parametrize("how", ["claimed", "token", "attempt"])
@pytest.mark.parametrize("write", ["step", "call", "partial", "finish", "erase"])
async def test_an_overtaken_worker_writes_nothing(
    store: SqlStore, database_url: str, write: str, how: str
) -> None:
    work = await overtaken(store, database_url, how)
    fence, ref = work.fence, work.fence.ref
    attempts = {
        "step": lambda: store.step(fence, 1, Step((Text("zombie"),)), usage=NOTHING),
        "call": lambda: store.call(fence, call_id(ref, 0, 0), "done", "zombie"),
        "partial": lambda: store.partial(fence, "zombie"),
        "finish": lambda: end(store, work, "zombie"),
        "erase": lambda: store.erase(ref.session, fence=fence),
    }
    before = [
        run(database_url, f"SELECT * FROM {table}") for table in ("turns", "steps", "skill_calls", "usage")
    ]
    with pytest.raises(Superseded):
        await attempts[write]()
    assert before == [
        run(database_url, f"SELECT * FROM {table}") for table in ("turns", "steps", "skill_calls", "usage")
    ]


async def test_a_finished_turn_is_not_finished_again(store: SqlStore) -> None:
    work = await say(store, "a")
    await queue(store, "b")
    assert await end(store, work) is not None  # the same claim goes on with the next turn
    with pytest.raises(Superseded):
        await end(store, work)
    assert len(await store.waiting(work.fence.ref.session)) == 1


async def test_a_worker_keeps_an_expired_lease_that_nobody_took(store: SqlStore, database_url: str) -> None:
    work = await say(store, "a")
    expire(database_url)
    assert await store.renew([(work.fence.ref.session, work.fence.token)], lease=9000) != ()
    await end(store, work)


async def test_renewing_prolongs_the_claims_that_are_named(store: SqlStore, database_url: str) -> None:
    work, other = await say(store, "a", "one"), await say(store, "b", "two")
    run(database_url, "UPDATE sessions SET lease_until = 5")
    mine = (work.fence.ref.session, work.fence.token)
    stale = (other.fence.ref.session, "not the token")
    assert await store.renew([mine, stale], lease=9000) == [Held(*mine)]
    until = dict(run(database_url, "SELECT id, lease_until FROM sessions"))
    assert until[mine[0]] > 5
    assert until[stale[0]] == 5
    assert await store.renew([], lease=9000) == ()


async def test_a_token_of_one_session_does_not_renew_another(store: SqlStore) -> None:
    one, two = await say(store, "a", "one"), await say(store, "b", "two")
    crossed = [(one.fence.ref.session, two.fence.token), (two.fence.ref.session, one.fence.token)]
    assert await store.renew(crossed, lease=9000) == []


async def test_renewing_passes_over_a_locked_row_and_still_calls_it_held(
    pg_database: Callable[..., str],
) -> None:
    url = pg_database()
    store = SqlStore(url)
    await store.open()
    work, other = await say(store, "a", "one"), await say(store, "b", "two")
    run(url, "UPDATE sessions SET lease_until = 5")
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as locker:
        locker.execute("SELECT 1 FROM sessions WHERE id = %s FOR UPDATE", [work.fence.ref.session])
        claims = [(w.fence.ref.session, w.fence.token) for w in (work, other)]
        held = await store.renew(claims, lease=9000)
    assert {(h.session, h.token) for h in held} == set(claims)
    until = dict(run(url, "SELECT id, lease_until FROM sessions"))
    assert until[work.fence.ref.session] == 5
    assert until[other.fence.ref.session] > 5
    await store.aclose()


async def test_a_stop_reaches_the_worker_with_its_next_renewal(store: SqlStore) -> None:
    work = await say(store, "a")
    mine = (work.fence.ref.session, work.fence.token)
    assert await store.stop(mine[0], work.owner) == work.fence.ref
    assert await store.renew([mine], lease=9000) == [Held(*mine, stop=True)]


async def test_a_stop_outlives_its_worker(store: SqlStore, database_url: str) -> None:
    work = await say(store, "a")
    await store.stop(work.fence.ref.session)
    expire(database_url)
    again = await store.claim(work.fence.ref.session, token(), lease=9000)
    assert again is not None
    assert again.stop_requested
    await end(store, again, "", state="stopped", finish="stopped")
    assert not (await say(store, "b")).stop_requested


async def test_there_is_nothing_to_stop_in_an_idle_session(store: SqlStore) -> None:
    await talk(store, "a")
    assert await store.stop(1) is None


async def test_a_released_turn_goes_on_elsewhere(store: SqlStore) -> None:
    work = await say(store, "a")
    await store.release(work.fence.ref.session, "not the token")
    assert await store.claim(work.fence.ref.session, token(), lease=9000) is None
    await store.release(work.fence.ref.session, work.fence.token)
    again = await store.claim(work.fence.ref.session, token(), lease=9000)
    assert again is not None
    assert again.fence.attempt == 2


async def test_due_is_what_waits_without_a_live_lease(store: SqlStore, database_url: str) -> None:
    waiting = await queue(store, "a", "waiting")
    fresh = await queue(store, "a", "fresh")
    running = await say(store, "a", "running")
    cut = await say(store, "a", "cut")
    await talk(store, "a", chat="idle")
    assert await store.due() == []
    run(database_url, "UPDATE sessions SET due = due - 2000 WHERE due IS NOT NULL AND id <> ?", fresh.session)
    run(database_url, "UPDATE sessions SET due = due - 60000 WHERE id = ?", cut.fence.ref.session)
    run(database_url, "UPDATE sessions SET lease_until = 1 WHERE id = ?", cut.fence.ref.session)
    assert await store.due() == [cut.fence.ref.session, waiting.session]
    assert await store.due(limit=1) == [cut.fence.ref.session]
    assert running.fence.ref.session not in await store.due()


async def test_a_session_with_work_always_has_a_due_time(store: SqlStore, database_url: str) -> None:
    odd = "SELECT id FROM sessions WHERE (pending > 0) <> (due IS NOT NULL)"
    work = await say(store, "a")
    assert run(database_url, odd) == []
    await queue(store, "b")
    again = await end(store, work)
    assert run(database_url, odd) == []
    assert again is not None
    await store.release(again.fence.ref.session, again.fence.token)
    assert run(database_url, odd) == []
    assert await end(store, await claimed(store, again.fence.ref)) is None
    assert run(database_url, odd) == []
    assert run(database_url, "SELECT lease_owner, lease_until FROM sessions") == [(None, 0)]


async def claimed(store: SqlStore, ref: TurnRef) -> Work:
    work = await store.claim(ref.session, token(), lease=9000)
    assert work is not None
    return work


async def test_no_wake_up_is_lost_between_accept_and_finish(store: SqlStore, database_url: str) -> None:
    """Whoever comes while a turn ends is taken by its worker or claims the session: never neither."""
    other = SqlStore(database_url)
    await other.open()
    answered: list[str] = []

    async def drain(work: Work | None) -> None:
        while work is not None:
            answered.append(inputs(work.turn))
            work = await end(store, work)

    async def arrive(number: int) -> None:
        accepted = await other.accept(said(str(number)), token=token(), cap=1000)
        await drain(accepted.work)

    for start in range(0, 100, 4):
        await asyncio.gather(*(arrive(number) for number in range(start, start + 4)))
    await other.aclose()
    assert sorted(map(int, answered)) == list(range(100))
    assert await store.waiting(1) == []


async def test_a_wrong_count_does_not_keep_a_session_due(store: SqlStore, database_url: str) -> None:
    await talk(store, "a")
    run(database_url, "UPDATE sessions SET pending = 1, due = 1")
    assert await store.due() == [1]
    assert await store.claim(1, token(), lease=9000) is None
    assert await store.due() == []
    await end(store, await say(store, "b"))


async def test_finishing_prolongs_the_lease_for_the_next_turn(store: SqlStore, database_url: str) -> None:
    work = await say(store, "a")
    await queue(store, "b")
    run(database_url, "UPDATE sessions SET lease_until = 5")
    await store.finish(work.fence, Outcome("done"), lease=7000)
    assert left(database_url) == 7000
