import pytest

from duihua.errors import Superseded
from duihua.memories import Document
from duihua.messages import Address, Author, Step, Text, TurnRef, Usage, call_id
from duihua.ports import Outcome
from duihua_storage import SqlStore
from duihua_storage.segments import build, encode
from tests.leftovers import leftovers, run, tables
from tests.storage.talk import (
    NOTHING,
    at,
    calling,
    end,
    head,
    history,
    inputs,
    queue,
    said,
    say,
    sends,
    talk,
    token,
)

SECRET = "机密Secret"


def derive(url: str, session: int, seq: int, *, word: str = SECRET, owner: int = 1) -> None:
    """Puts into every other table what upkeep and skills would derive from a turn."""
    data = word.encode()
    run(url, "UPDATE sessions SET title = ? WHERE id = ?", word, session)
    run(
        url,
        "INSERT INTO notes (session_id, upto, level, first, covers, content, by, at) "
        "VALUES (?, ?, 0, ?, ?, ?, 'm', 1)",
        *(session, seq, seq, b"[]", data),
    )
    fact = fact_of(url, owner, word)
    run(url, "INSERT INTO fact_sources (fact_id, session_id, seq) VALUES (?, ?, ?)", fact, session, seq)
    segment = encode(build([Document(TurnRef(session, seq), 1, {word: 1})]))
    run(
        url,
        "INSERT INTO segments (owner_id, weight, session_from, session_to, seq_from, seq_to, body) "
        "VALUES (?, 1, ?, ?, ?, ?, ?)",
        *(owner, session, session, seq, seq, segment),
    )
    run(
        url,
        "INSERT INTO vectors (session_id, seq, model, owner_id, vector) VALUES (?, ?, 'm', ?, ?)",
        *(session, seq, owner, data),
    )
    run(url, "INSERT INTO links (code, user_id, expires) VALUES (?, ?, 1)", f"{session}.{seq}", owner)
    run(
        url,
        "INSERT INTO attachments (id, session_id, seq, sha256, mime, name, size, data, at) "
        "VALUES (?, ?, ?, 'x', 'text/plain', ?, 1, ?, 1)",
        *(f"{session}.{seq}", session, seq, word, data),
    )
    run(
        url,
        "INSERT INTO reminders (session_id, owner_id, due, tz, body, state) "
        "VALUES (?, ?, 1, 'UTC', ?, 'armed')",
        *(session, owner, data),
    )


def fact_of(url: str, owner: int, word: str, *, superseded_by: int | None = None) -> int:
    [(id_,)] = run(
        url,
        "INSERT INTO facts (owner_id, kind, content, superseded_by, first_seen, last_seen) "
        "VALUES (?, 'trait', ?, ?, 1, 1) RETURNING id",
        *(owner, word.encode(), superseded_by),
    )
    return id_


async def secret_turn(store: SqlStore, url: str, *, text: str = SECRET) -> int:
    """A finished turn that has left its words in every table."""
    work = await say(store, text)
    ref = work.fence.ref
    await store.partial(work.fence, text)
    step = calling(ref, "planned", "held", text=text)
    await store.step(work.fence, 0, step, usage=Usage(1, 1))
    await store.call(work.fence, call_id(ref, 0, 0), "done", text)
    await end(store, work, text, number=1, sends=sends(text, "another"))
    derive(url, ref.session, ref.seq, word=text, owner=work.owner)
    return ref.seq


async def test_forgetting_a_session_leaves_no_word_anywhere(store: SqlStore, database_url: str) -> None:
    for _ in range(3):
        await secret_turn(store, database_url)
    running = await say(store, SECRET)
    await store.partial(running.fence, SECRET)
    await queue(store, SECRET)
    assert await store.erase(1) == 4
    await store.scrub()
    assert leftovers(database_url, SECRET) == []


async def test_forgetting_leaves_other_sessions_alone(store: SqlStore, database_url: str) -> None:
    await talk(store, "other words", chat="other")
    await secret_turn(store, database_url)
    info = await store.session(at())
    assert info is not None
    await store.erase(info.id)
    assert await history(store, "other") == ["other words"]


async def test_a_forgotten_session_begins_anew(store: SqlStore, database_url: str) -> None:
    await talk(store, "a", "b")
    await queue(store, "c")
    await store.erase(1)
    info = await store.session(at())
    assert info is not None
    assert (info.head, info.pending, info.generation, info.title) == (0, 0, 1, "")
    assert run(database_url, "SELECT due, lease_owner, lease_until FROM sessions") == [(None, None, 0)]
    work = await say(store, "new")
    assert (work.turn.parent, work.turn.ref.seq, work.fence.generation) == (0, 3, 1)


async def test_forgetting_cancels_what_waits(store: SqlStore) -> None:
    waiting = await queue(store, "a")
    await store.erase(waiting.session)
    assert (await store.progress(waiting.inbox)).state == "cancelled"
    assert await store.waiting(waiting.session) == []
    assert await store.claim(waiting.session, token(), lease=9000) is None


async def test_forgetting_supersedes_the_running_turn(store: SqlStore) -> None:
    work = await say(store, "a")
    assert await store.erase(work.fence.ref.session) == 1
    with pytest.raises(Superseded):
        await store.step(work.fence, 0, Step((Text("late"),)), usage=NOTHING)
    with pytest.raises(Superseded):
        await end(store, work)
    assert (await store.progress(work.inbox[0])).state == "cancelled"
    assert inputs((await say(store, "b")).turn) == "b"  # the lease is free


async def test_forgetting_an_unknown_session_erases_nothing(store: SqlStore) -> None:
    assert await store.erase(99) == 0
    assert await store.erase(99, [1]) == 0


# ---------------------------------------------------------------- some turns


async def test_an_erased_turn_leaves_no_word_anywhere(store: SqlStore, database_url: str) -> None:
    await talk(store, "a")
    seq = await secret_turn(store, database_url)
    run(database_url, "DELETE FROM reminders")  # they belong to the session, not to a turn
    await talk(store, "b")
    assert await store.erase(1, [seq]) == 1
    await store.scrub()
    assert leftovers(database_url, SECRET) == []
    assert await history(store) == ["a", "b"]


async def test_children_of_an_erased_turn_get_its_parent(store: SqlStore) -> None:
    await talk(store, *"abcd")
    await talk(store, "e", reply_to=3)
    assert await store.erase(1, [2, 3, 77]) == 2
    assert [(t.ref.seq, t.parent) for t in await store.path(1, 4)] == [(1, 0), (4, 1)]
    assert [(t.ref.seq, t.parent) for t in await store.path(1, 5)] == [(1, 0), (5, 1)]
    assert await head(store) == 5


@pytest.mark.parametrize(("gone", "left"), [([3], 2), ([2, 3], 1), ([1, 2, 3], 0), ([1], 3)])
async def test_the_head_goes_back_to_what_is_left(store: SqlStore, gone: list[int], left: int) -> None:
    await talk(store, *"abc")
    await store.erase(1, gone)
    assert await head(store) == left


async def test_every_erase_raises_the_generation(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await store.erase(1, [1])
    await store.erase(1)
    assert (await store.session(at())).generation == 2  # pyright: ignore[reportOptionalMemberAccess]


async def test_notes_over_an_erased_turn_go_and_the_window_opens(store: SqlStore, database_url: str) -> None:
    await talk(store, *"abcdef")
    for first, upto in ((1, 2), (3, 4)):
        run(
            database_url,
            "INSERT INTO notes (session_id, upto, level, first, covers, content, by, at) "
            "VALUES (1, ?, 0, ?, ?, ?, 'm', 1)",
            *(upto, first, b"[]", b"note"),
        )
    run(database_url, "UPDATE sessions SET window_from = 5")
    await store.erase(1, [4])
    assert run(database_url, "SELECT first, upto FROM notes") == [(1, 2)]
    assert (await store.session(at())).window_from == 3  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_fact_stays_while_another_turn_says_so(store: SqlStore, database_url: str) -> None:
    await talk(store, "a", "b")
    shared, alone = fact_of(database_url, 1, "shared"), fact_of(database_url, 1, "alone")
    for fact, seq in ((shared, 1), (shared, 2), (alone, 1)):
        run(database_url, "INSERT INTO fact_sources (fact_id, session_id, seq) VALUES (?, 1, ?)", fact, seq)
    older = fact_of(database_url, 1, "older", superseded_by=alone)
    await store.erase(1, [1])
    left = run(database_url, "SELECT id, superseded_by FROM facts ORDER BY id")
    assert left == [(shared, None), (older, None)]  # what the erased one replaced is valid again
    await store.erase(1)
    assert [row[0] for row in run(database_url, "SELECT id FROM facts")] == [older]


async def test_what_an_erased_fact_replaced_is_replaced_by_what_still_holds(
    store: SqlStore, database_url: str
) -> None:
    await talk(store, "a", "b", "c", "d")
    last = fact_of(database_url, 1, "last")
    third = fact_of(database_url, 1, "third", superseded_by=last)
    second = fact_of(database_url, 1, "second", superseded_by=third)
    first = fact_of(database_url, 1, "first", superseded_by=second)
    for seq, fact in enumerate((first, second, third, last), 1):
        run(database_url, "INSERT INTO fact_sources (fact_id, session_id, seq) VALUES (?, 1, ?)", fact, seq)
    await store.erase(1, [2, 3])
    assert run(database_url, "SELECT id, superseded_by FROM facts ORDER BY id") == [
        (last, None),
        (first, last),
    ]
    await store.erase(1, [4])
    assert run(database_url, "SELECT id, superseded_by FROM facts") == [(first, None)]


async def test_what_is_known_of_a_shared_session_goes_with_it(store: SqlStore, database_url: str) -> None:
    await talk(store, "a")
    told, own = fact_of(database_url, -1, "told outright"), fact_of(database_url, 1, "my own")
    await store.erase(1, [1])
    assert sorted(row[0] for row in run(database_url, "SELECT id FROM facts")) == [told, own]
    await store.erase(1)
    assert [row[0] for row in run(database_url, "SELECT id FROM facts")] == [own]


async def test_erasing_the_running_turn_lets_the_next_one_go_on(store: SqlStore) -> None:
    work = await say(store, "a")
    waiting = await queue(store, "b")
    assert await store.erase(1, [work.fence.ref.seq]) == 1
    with pytest.raises(Superseded):
        await end(store, work)
    assert (await store.session(at())).pending == 1  # pyright: ignore[reportOptionalMemberAccess]
    following = await store.claim(1, token(), lease=9000)
    assert following is not None
    assert (following.inbox, following.turn.parent) == ((waiting.inbox,), 0)
    assert await end(store, following) is None


async def test_erasing_an_old_turn_does_not_disturb_the_running_one(store: SqlStore) -> None:
    await talk(store, "a", "b")
    work = await say(store, "c")
    await store.erase(1, [2])
    await end(store, work)
    assert await history(store) == ["a", "c"]


# ---------------------------------------------------------------- from within a turn


async def test_a_cleared_turn_takes_the_history_with_it(store: SqlStore, database_url: str) -> None:
    await secret_turn(store, database_url)
    work = await say(store, SECRET)
    await store.step(work.fence, 0, calling(work.fence.ref, "done", text=SECRET), usage=NOTHING)
    waiting = await queue(store, "innocent")
    following = await store.finish(
        work.fence,
        Outcome(
            "cleared",
            "flagged",
            number=1,
            step=Step((Text(SECRET),)),
            erase="session",
            sends=sends("let us begin anew"),
        ),
        lease=9000,
    )
    await store.scrub()
    assert leftovers(database_url, SECRET) == []
    assert following is not None  # what waited goes on, on an empty path
    assert (inputs(following.turn), following.turn.parent, following.inbox) == (
        "innocent",
        0,
        (waiting.inbox,),
    )
    assert following.fence.generation == 1
    progress = await store.progress(work.inbox[0])
    assert progress.state == "done"
    assert progress.turn is not None
    assert (progress.turn.state, progress.turn.input, progress.turn.steps) == ("cleared", (), ())
    await end(store, following)
    assert await history(store) == ["innocent"]
    assert [turn.ref for turn in await store.heads(1)] == [following.turn.ref]
    assert [s.body for s in await store.take_sends(["terminal"], lease=1)] == [b"let us begin anew"]


async def test_a_dropped_turn_leaves_the_rest(store: SqlStore, database_url: str) -> None:
    await talk(store, "a", "b")
    work = await say(store, SECRET)
    own = work.fence.ref.seq
    await end(store, work, SECRET, state="cleared", finish="flagged", erase=(own,))
    await store.scrub()
    assert leftovers(database_url, SECRET) == []
    assert await history(store) == ["a", "b"]
    assert [turn.ref.seq for turn in await store.heads(1)] == [2]
    assert (await say(store, "c")).turn.parent == 2


async def test_a_turn_may_drop_earlier_ones_and_go_on(store: SqlStore) -> None:
    await talk(store, "a", SECRET, "b")
    work = await say(store, "c")
    await end(store, work, erase=(2,))
    assert await history(store) == ["a", "b", "c"]
    assert (await store.session(at())).generation == 1  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_turn_that_erases_under_its_fence_goes_on(store: SqlStore, database_url: str) -> None:
    await talk(store, SECRET, "b")
    work = await say(store, "c")
    assert await store.erase(1, [1], fence=work.fence) == 1
    await end(store, work)
    assert await history(store) == ["b", "c"]
    again = await say(store, SECRET)
    await queue(store, "waits")
    assert await store.erase(1, fence=again.fence) == 3
    assert run(database_url, "SELECT pending FROM sessions") == [(1,)]
    assert await end(store, again, "", state="cleared") is None
    await store.scrub()
    assert leftovers(database_url, SECRET) == []


async def test_a_cleared_turn_cannot_become_the_head(store: SqlStore) -> None:
    from duihua.errors import NotFound

    work = await say(store, "a")
    await end(store, work, "", state="cleared", erase="session")
    with pytest.raises(NotFound):
        await store.move_head(1, 1)
    assert (await say(store, "b", reply_to=1)).turn.parent == 0


# ---------------------------------------------------------------- a person


async def test_forgetting_a_person_leaves_nothing_of_them(store: SqlStore, database_url: str) -> None:
    alice = {"author": Author(0, "Alice机密"), "external": "alice机密"}
    await talk(store, SECRET, chat="her own", **alice)
    await talk(store, SECRET, chat="her other", **alice)
    await store.ensure(at("group"), "bob", "Bob")
    await talk(store, "bob's", chat="group")
    await talk(store, SECRET, chat="group", **alice)
    await talk(store, "bob's reply", chat="group")
    await queue(store, SECRET, "group", **alice)
    user = await store.user("main", "terminal", "alice机密")
    assert user is not None
    derive(database_url, 1, 1, owner=user)

    assert await store.forget_user(user) == 2
    await store.scrub()
    assert leftovers(database_url, SECRET, "机密") == []
    assert await store.user("main", "terminal", "alice机密") is None
    assert await store.sessions(user) == []
    assert await store.usage(user) == []
    assert await history(store, "group") == ["bob's", "bob's reply"]
    assert (await store.session(at("group"))).pending == 0  # pyright: ignore[reportOptionalMemberAccess]
    ids = {
        table: [row[0] for row in run(database_url, f"SELECT {column} FROM {table}")]
        for table, column in (
            ("inbox", "author_id"),
            ("users", "id"),
            ("identities", "user_id"),
            ("facts", "owner_id"),
            ("segments", "owner_id"),
            ("vectors", "owner_id"),
            ("links", "user_id"),
            ("reminders", "owner_id"),
        )
    }
    assert not [table for table, found in ids.items() if user in found]


async def test_a_forgotten_person_s_inputs_stay_duplicates(store: SqlStore) -> None:
    input = said("a")
    first = await store.accept(input, token=token())
    assert first.work is not None
    await store.forget_user(first.work.owner)
    assert not (await store.accept(input)).new


async def test_a_forgotten_person_s_ids_are_not_given_again(store: SqlStore) -> None:
    work = await say(store, "a")
    await store.forget_user(work.owner)
    again = await say(store, "a")
    assert again.fence.ref.session != work.fence.ref.session
    assert again.owner != work.owner
    assert again.inbox != work.inbox


async def test_forgetting_a_person_supersedes_their_running_turn(store: SqlStore) -> None:
    work = await say(store, "a")
    await store.forget_user(work.owner)
    with pytest.raises(Superseded):
        await end(store, work)


async def test_every_table_is_reached(store: SqlStore, database_url: str) -> None:
    """A table that is added later must be filled here, and erased."""
    # The program's, not a person's: an invitation is for whoever comes with it.
    own = {"state", "holds", "invitations", "alembic_version", "sqlite_sequence"}
    await secret_turn(store, database_url)
    task = await store.new_task("main", 1, "chat", "zhipu", SECRET)
    await store.settle_task(task, "done", result=SECRET.encode())

    await store.arrive("terminal/1", [("1", "home", SECRET.encode())])
    await store.show(TurnRef(1, 1), 0, SECRET)
    await store.set_role("main", "terminal", "home", "user", at=1, by=0, over=("guest",))
    await store.ask(Address("terminal", SECRET), "home", SECRET, "code", at=1, expires=2, most=3)

    await store.overhear(1, "5", "home", SECRET, SECRET, most=5, age=10**9)
    await store.change_chat(Address("terminal", "home"), settings={"tone": SECRET}, lang="zh")

    def filled() -> set[str]:
        return {
            table for table in tables(database_url) if run(database_url, f"SELECT 1 FROM {table} LIMIT 1")
        }

    assert filled() - own == set(tables(database_url)) - own
    await store.forget_user(1)
    assert filled() - own == {"inbox", "arrivals"}  # their keys
    await store.scrub()
    assert leftovers(database_url, SECRET) == []


async def test_closing_after_an_erase_empties_the_wal(tmp_path: object) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    store, beside = SqlStore(url), SqlStore(url)
    await store.open()
    await beside.open()  # keeps SQLite from removing the WAL by itself
    await talk(store, SECRET)
    await store.erase(1)
    assert leftovers(url, SECRET) != []
    await store.aclose()
    assert leftovers(url, SECRET) == []
    await beside.aclose()


async def test_scrubbing_says_when_a_reader_keeps_the_wal(tmp_path: object, monkeypatch: object) -> None:
    import sqlite3

    from duihua.errors import StorageError
    from duihua_storage import sqlite

    assert isinstance(monkeypatch, pytest.MonkeyPatch)
    monkeypatch.setattr(sqlite, "CHECKPOINT_TRIES", 2)
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAUSE", 0)
    store = SqlStore(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await store.open()
    await talk(store, SECRET)
    reader = sqlite3.connect(f"{tmp_path}/x.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM turns").fetchall()
    await store.erase(1)
    with pytest.raises(StorageError, match="another process reads"):
        await store.scrub()
    reader.execute("COMMIT")
    reader.close()
    await store.scrub()
    await store.aclose()
