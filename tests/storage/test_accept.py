import asyncio

import pytest

from duihua.errors import SessionBusy
from duihua.messages import Address, Author, Text
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import at, end, head, history, inputs, queue, said, say, talk, token


async def test_an_idle_session_is_claimed_with_its_input(store: SqlStore) -> None:
    mine = token()
    accepted = await store.accept(said("hello"), token=mine)
    work = accepted.work
    assert accepted.new
    assert work is not None
    assert work.fence.token == mine
    assert (work.fence.ref.session, work.fence.ref.seq, work.fence.attempt) == (accepted.session, 1, 1)
    assert (work.turn.parent, work.turn.input, work.turn.state) == (0, (Text("hello"),), "running")
    assert (work.address, work.inbox, work.kind) == (at(), (accepted.inbox,), "message")
    assert work.owner == work.turn.author.id > 0  # pyright: ignore[reportOptionalMemberAccess]


async def test_without_a_token_the_input_waits(store: SqlStore) -> None:
    accepted = await store.accept(said("hello"))
    assert accepted.work is None
    assert await store.waiting(accepted.session) == [accepted.inbox]
    work = await store.claim(accepted.session, token(), lease=1000)
    assert work is not None
    assert work.turn.input == (Text("hello"),)
    assert work.inbox == (accepted.inbox,)


async def test_what_accept_and_claim_hand_out_is_what_is_stored(store: SqlStore) -> None:
    one = await say(store, "one", author=Author(0, "小明"))
    assert await store.turn(one.turn.ref) == one.turn
    await queue(store, "two", author=Author(0, "小明"))
    two = await end(store, one)
    assert two is not None
    assert await store.turn(two.turn.ref) == two.turn


async def test_the_text_has_one_home(store: SqlStore, database_url: str) -> None:
    await say(store, "hello")
    waiting = await queue(store, "later")
    assert run(database_url, "SELECT id FROM inbox WHERE body IS NOT NULL") == [(waiting.inbox,)]


@pytest.mark.parametrize("claimed", [True, False])
async def test_the_same_input_again_is_a_duplicate(store: SqlStore, claimed: bool) -> None:
    input = said("hello")
    first = await store.accept(input, token=token() if claimed else "")
    again = await store.accept(input, token=token())
    assert (again.new, again.session, again.inbox, again.work) == (False, first.session, first.inbox, None)
    assert await store.waiting(first.session) == [first.inbox]
    assert (await store.session(at())).pending == 1  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_duplicate_does_not_claim_an_idle_session(store: SqlStore) -> None:
    input = said("hello")
    work = (await store.accept(input, token=token())).work
    assert work is not None
    await end(store, work)
    assert (await store.accept(input, token=token())).work is None
    assert await store.due() == []
    await say(store, "next")  # the session is free


async def test_a_duplicate_stays_one_after_erasing(store: SqlStore) -> None:
    input = said("hello")
    first = await store.accept(input, token=token())
    await store.erase(first.session)
    again = await store.accept(input, token=token())
    assert (again.new, again.session, again.inbox) == (False, first.session, first.inbox)


async def test_the_same_source_id_of_another_tenant_is_another_input(store: SqlStore) -> None:
    await store.accept(said("a", source_id="x"))
    other = await store.accept(said("b", source_id="x", address=Address("terminal", "home", tenant="other")))
    assert other.new


async def test_a_full_session_is_busy(store: SqlStore) -> None:
    for text in "abc":
        await queue(store, text)
    with pytest.raises(SessionBusy) as raised:
        await store.accept(said("d"), cap=3)
    assert raised.value.pending == 3
    assert (await store.session(at())).pending == 3  # pyright: ignore[reportOptionalMemberAccess]
    await store.accept(said("d"), cap=4)


async def test_a_duplicate_in_a_full_session_is_still_a_duplicate(store: SqlStore) -> None:
    input = said("a")
    first = await store.accept(input)
    again = await store.accept(input, cap=1)
    assert (again.new, again.inbox) == (False, first.inbox)


async def test_inputs_are_answered_in_the_order_of_arrival(store: SqlStore) -> None:
    work = await say(store, "0")
    for number in range(1, 6):
        await queue(store, str(number))
    answered: list[str] = []
    while work is not None:
        answered.append(inputs(work.turn))
        work = await end(store, work)
    assert answered == list("012345")
    assert await history(store) == list("012345")


async def test_one_person_owns_what_they_open_at_one_front_end(store: SqlStore) -> None:
    home, work = await store.ensure(at("home"), "alice"), await store.ensure(at("work"), "alice")
    other = await store.ensure(at("other"), "bob")
    assert home.owner == work.owner != other.owner
    assert await store.user("main", "terminal", "alice") == home.owner
    assert await store.user("main", "telegram", "alice") is None
    assert [s.key for s in await store.sessions(home.owner)] == ["terminal/work", "terminal/home"]


async def test_ensuring_a_session_again_returns_it(store: SqlStore) -> None:
    first = await store.ensure(at(), "alice", "Alice")
    assert await store.ensure(at(), "bob") == first
    assert await store.session(at()) == first


async def test_a_guest_is_known_by_id_and_name(store: SqlStore) -> None:
    await store.ensure(at("group"), "alice", "Alice")
    work = await say(store, "hi", "group", author=Author(0, "Bob"), external="bob")
    bob = await store.user("main", "terminal", "bob")
    assert work.turn.author == Author(bob or 0, "Bob")
    assert work.owner != bob
    await end(store, work)
    [turn] = await store.path(work.fence.ref.session, 1)
    assert turn.author == work.turn.author


async def test_a_name_that_changed_is_the_name_from_then_on(store: SqlStore) -> None:
    one = await say(store, "a", author=Author(0, "Alice"))
    await end(store, one)
    two = await say(store, "b", author=Author(0, "Alicia\0"))
    assert two.turn.author == Author(one.owner, "Alicia")
    await end(store, two)
    turns = await store.path(one.fence.ref.session, 2)
    assert [turn.author for turn in turns] == [Author(one.owner, "Alicia")] * 2


async def test_a_guest_s_new_name_is_kept(store: SqlStore) -> None:
    await store.ensure(at("group"), "alice", "Alice")
    for name in ("Bob", "Bobby"):
        await end(store, await say(store, "hi", "group", author=Author(0, name), external="bob"))
    turns = await store.path(1, 2)
    assert [turn.author.name for turn in turns if turn.author] == ["Bobby", "Bobby"]


async def test_an_address_forgotten_by_another_process_is_made_anew(
    store: SqlStore, database_url: str
) -> None:
    await talk(store, "a")
    before = await store.session(at())
    assert before is not None
    other = SqlStore(database_url)
    await other.open()
    await other.forget_user(before.owner)
    await other.aclose()
    work = await say(store, "b")
    assert work.fence.ref.session != before.id
    assert work.owner != before.owner
    assert work.turn.parent == 0


async def test_the_same_address_opened_twice_at_once_is_one_session(
    store: SqlStore, database_url: str
) -> None:
    other = SqlStore(database_url)
    await other.open()
    accepted = await asyncio.gather(*(s.accept(said(f"{i}")) for i in range(10) for s in (store, other)))
    await other.aclose()
    assert len({a.session for a in accepted}) == 1
    assert run(database_url, "SELECT count(*) FROM users") == [(1,)]
    assert run(database_url, "SELECT pending FROM sessions") == [(20,)]


async def test_only_one_of_many_at_once_claims(store: SqlStore, database_url: str) -> None:
    other = SqlStore(database_url)
    await other.open()
    await talk(store, "first")
    accepted = await asyncio.gather(
        *(s.accept(said(f"{i}"), token=token()) for i in range(10) for s in (store, other))
    )
    await other.aclose()
    [work] = [a.work for a in accepted if a.work]
    assert await head(store) == work.turn.parent == 1


async def test_answered_keys_are_swept_and_open_ones_are_not(store: SqlStore, database_url: str) -> None:
    old = said("old")
    await end(store, (await store.accept(old, token=token())).work)  # pyright: ignore[reportArgumentType]
    waiting = await queue(store, "waiting")
    assert await store.sweep() == 0
    run(database_url, "UPDATE inbox SET received = received - ?", 3 * 86_400_000 + 60_000)
    assert await store.sweep() == 1
    assert await store.waiting(waiting.session) == [waiting.inbox]
    assert (await store.accept(old)).new
