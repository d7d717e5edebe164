"""Words are planted in every place that can hold some, then something is forgotten, and every byte is read.

On SQLite that is the file, its WAL and its shared memory, on PostgreSQL every column of every row (what a
dump holds; the server's own files keep dead rows until it has vacuumed them). The log at DEBUG is read, too.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

import pytest
from sqlalchemy import LargeBinary
from sqlalchemy import Text as Letters

from duihua.memories import Chore, Document, FactChange, Finding, Kept, Note
from duihua.messages import (
    Address,
    Attachment,
    Author,
    Call,
    Quote,
    Step,
    Text,
    Thinking,
    TurnRef,
    Usage,
    call_id,
)
from duihua.ports import Fence, Outcome, Work
from duihua_storage import SqlStore, upgrade
from duihua_storage.tables import metadata
from tests.leftovers import forms, leftovers, run
from tests.storage.talk import LEASE, end, queue, say, sends

SHARED = "共同的词both"
"""A word that everybody says; it goes from one place and must stay in the others."""


@dataclass
class Garden:
    """What was planted for one person: words by place, and where they grow."""

    name: str
    words: dict[str, str] = field(default_factory=dict[str, str])
    terms: list[str] = field(default_factory=list[str])
    session: int = 0
    user: int = 0
    turn: int = 0
    later: int = 0
    facts: list[int] = field(default_factory=list[int])

    def word(self, place: str) -> str:
        """A word that stands nowhere else."""
        return self.words.setdefault(place, f"{self.name}密{place}Zq")

    def some(self, *places: str) -> list[str]:
        return [self.words[place] for place in places]

    def but(self, *places: str) -> list[str]:
        return [word for place, word in self.words.items() if place not in places]


OF_THE_TURN = (
    "input", "quoted", "thinking", "answer", "arguments", "result", "partial", "file", "bytes", "id", "sent",
    "note", "digest", "fact", "vector", "title",
)  # fmt: skip
"""Places that belong to the first turn."""
NOT_KEPT = ("partial", "code")
"""A partial text goes when its turn ends, and of a code only the hash is kept."""


async def plant(store: SqlStore, url: str, name: str) -> Garden:
    """Two turns with everything that is derived from them, a running one, and one that waits."""
    g = Garden(name)
    w = g.word
    who = {"author": Author(0, w("name")), "external": w("external")}
    first = Attachment(w("id"), "image", "image/png", w("bytes").encode(), w("file"))
    parts = (Quote(w("quoted"), "x"), Text(f"{w('input')} {SHARED}"), first.part)
    work = await say(store, "", w("chat"), **who, parts=parts, attachments=(first,))
    g.session, g.user, g.turn = work.fence.ref.session, work.owner, work.fence.ref.seq
    await store.partial(work.fence, w("partial"))
    call = call_id(work.fence.ref, 0, 0)
    asks = Call(call, "look", f'{{"a": "{w("arguments")}"}}', "running")
    await store.step(work.fence, 0, Step((Thinking(w("thinking")),), (asks,), "m"), usage=Usage(3, 4))
    await store.call(work.fence, call, "done", w("result"))
    await end(store, work, w("answer"), number=1, sends=sends(w("sent")))
    work = await say(store, f"{w('later')} {SHARED}", w("chat"), **who)
    g.later = work.fence.ref.seq
    await end(store, work, "ok")
    await derive(store, g)
    await store.settings(g.session, {"system": w("settings")})
    await store.offer_link(g.user, w("code"), seconds=60)
    task = await store.new_task("main", g.user, "chat", "zhipu", w("task"))
    await store.settle_task(task, "done", result=w("brought").encode())
    columns = "session_id, owner_id, due, tz, state, body"
    reminder = f"INSERT INTO reminders ({columns}) VALUES (?, ?, 1, 'UTC', 'armed', ?)"
    run(url, reminder, g.session, g.user, w("reminder").encode())
    sent = [(f"{name}{n}", w("external"), w(place).encode()) for n, place in enumerate(("arrived", "unread"))]
    await store.arrive("terminal/1", sent)
    await store.settle_arrivals([(await store.arrived("terminal/1"))[-1].id], error=w("unread why"))
    heard = (w("external"), w("heard name"), w("heard"))
    await store.overhear(g.session, f"{name}1", *heard, most=5, age=10**9)
    await store.change_chat(Address("terminal", w("external"), "1"), settings={"tone": w("set in the chat")})
    usage = "INSERT INTO usage (tenant, day, owner_id, model) VALUES ('main', 1, ?, ?)"
    run(url, usage, g.user, w("model"))
    return g


async def derive(store: SqlStore, g: Garden) -> None:
    """What upkeep makes of the turns: title, index, facts with history, notes, embeddings."""
    w, now = g.word, TurnRef(g.session, g.turn)
    g.terms = [f"{g.name}term", f"{g.name}项"]
    chore = await chore_of(store, g.session)
    facts = await store.facts(g.user)
    old = FactChange(Finding("profile", "home", w("older"), (now,), at=1))
    documents = (
        Document(now, 1, {g.terms[0]: 2, SHARED: 1}),
        Document(TurnRef(g.session, g.later), 2, {g.terms[1]: 1, SHARED: 1}),
    )
    kept = Kept(g.later, g.user, facts.version, documents, (old,), title=w("title"))
    assert await store.keep(chore, kept)
    book = await store.facts(g.user)
    newer = FactChange(
        Finding("profile", "home", w("fact"), (now,), at=2), replaces=tuple(fact.id for fact in book.facts)
    )
    other = FactChange(Finding("preference", "like", w("other fact"), (TurnRef(g.session, g.later),), at=2))
    assert await store.put_facts(g.user, book.version, (newer, other))
    g.facts = [f.id for f in (await store.facts(g.user)).facts if f.text == w("fact")]
    notes = (
        Note(g.turn, g.turn, 0, ((g.turn, g.turn),), w("note")),
        Note(g.turn, g.turn, 0, ((g.turn, g.turn),), w("digest"), level=1),
    )
    assert await store.put_notes(g.session, chore.generation, notes)
    vector = w("vector").encode().ljust(40, b"\0")
    await store.put_vectors(g.user, "embedder", {(g.session, g.turn): vector})


async def chore_of(store: SqlStore, session: int) -> Chore:
    chore = await store.chore(session)
    assert chore is not None
    return chore


async def wait_and_run(store: SqlStore, g: Garden) -> Work:
    """A turn that runs, with words so far, and an input with a file behind it."""
    who = {"author": Author(0, g.word("name")), "external": g.word("external")}
    work = await say(store, g.word("running"), g.word("chat"), **who)
    await store.partial(work.fence, g.word("so far"))
    w = g.word
    file = Attachment(w("waiting id"), "image", "image/png", w("waiting bytes").encode(), w("waiting file"))
    parts = (Text(w("waiting")), file.part)
    await queue(store, "", w("chat"), **who, parts=parts, attachments=(file,))
    return work


# ---------------------------------------------------------------- reading every byte


def traces(url: str, words: Sequence[str]) -> list[str]:
    """Where a word still stands: as it is, as a part of a key, or as the digest of a file of it."""
    forms = [*words, *(quote(word) for word in words)]
    return leftovers(url, *forms, *(sha256(word.encode()).hexdigest() for word in words))


def hashed(url: str, *terms: str) -> list[str]:
    """Terms that the search index still knows, wherever their hashes stand in its rows."""
    bodies = [bytes(body) for (body,) in run(url, "SELECT body FROM segments")]
    return [t for t in terms if any(struct.pack("<I", zlib.crc32(t.encode())) in body for body in bodies)]


def missing(url: str, words: Sequence[str]) -> list[str]:
    """Words that are in the database no more."""
    found = {trace.partition(": ")[2] for trace in leftovers(url, *words)}
    return [word for word in words if word not in found]


@pytest.fixture
async def gardens(
    store: SqlStore, database_url: str, caplog: pytest.LogCaptureFixture
) -> tuple[Garden, Garden]:
    """Two people with words in every place, all of which are really there."""
    caplog.set_level(logging.DEBUG)
    alice, bob = await plant(store, database_url, "alice"), await plant(store, database_url, "bob")
    for g in (alice, bob):
        assert (
            missing(database_url, g.but("partial", "code")) == []
        )  # the end of a turn takes its partial text
        assert hashed(database_url, *g.terms, SHARED) == [*g.terms, SHARED]
    return alice, bob


async def settled(
    store: SqlStore, url: str, caplog: pytest.LogCaptureFixture, gone: Sequence[str], stays: Sequence[str]
) -> None:
    """What is gone is gone from every byte, what stays is there, and nothing of either is in the log."""
    await store.scrub()
    assert traces(url, gone) == []
    assert missing(url, stays) == []
    records = [*caplog.get_records("setup"), *caplog.records]
    assert records or not url.startswith("sqlite")  # psycopg logs nothing of its own
    logged = "\n".join(str(record.__dict__) for record in records)
    assert [word for word in (*gone, *stays) if word in logged] == []


async def finds(store: SqlStore, g: Garden, *terms: str) -> list[int]:
    """The turns in a person's index that hold any of the terms."""
    return sorted(seq for _, seq in (await store.match(g.user, terms)).found)


async def untouched(store: SqlStore, url: str, g: Garden) -> None:
    """Somebody else's memory is as it was, the words that everybody says among it."""
    assert await finds(store, g, SHARED) == [g.turn, g.later]
    assert hashed(url, *g.terms, SHARED) == [*g.terms, SHARED]
    assert {f.text for f in (await store.facts(g.user)).facts} == {g.words["fact"], g.words["other fact"]}
    assert len(await store.notes(g.session)) == 2
    assert await store.vectors([TurnRef(g.session, g.turn)], "embedder")
    [turn] = await store.said([TurnRef(g.session, g.turn)])
    assert SHARED in str(turn.input)


# ---------------------------------------------------------------- the forms of forgetting

Gardens = tuple[Garden, Garden]
Log = pytest.LogCaptureFixture


async def test_a_forgotten_person(store: SqlStore, database_url: str, gardens: Gardens, caplog: Log) -> None:
    alice, bob = gardens
    await wait_and_run(store, alice)
    await store.forget_user(alice.user)
    await settled(store, database_url, caplog, alice.but(), bob.but(*NOT_KEPT))
    assert hashed(database_url, *alice.terms) == []
    await untouched(store, database_url, bob)


async def test_a_forgotten_session(store: SqlStore, database_url: str, gardens: Gardens, caplog: Log) -> None:
    alice, bob = gardens
    await wait_and_run(store, alice)
    await store.erase(alice.session)
    stays = (
        "name",
        "external",
        "chat",
        "settings",
        "task",
        "brought",
        "model",
        "arrived",
        "unread",
        "unread why",
        "set in the chat",
    )  # the person's
    await settled(store, database_url, caplog, alice.but(*stays), [*alice.some(*stays), *bob.some("input")])
    assert hashed(database_url, *alice.terms) == []
    assert await finds(store, alice, SHARED) == []
    await untouched(store, database_url, bob)


async def test_a_forgotten_turn(store: SqlStore, database_url: str, gardens: Gardens, caplog: Log) -> None:
    alice, bob = gardens
    await store.erase(alice.session, [alice.turn])
    stays = alice.some("later", "other fact", "name", "settings", "reminder", "task")
    await settled(store, database_url, caplog, [*alice.some(*OF_THE_TURN, "older")], stays)
    assert hashed(database_url, *alice.terms, SHARED) == [alice.terms[1], SHARED]
    assert await finds(store, alice, SHARED) == [alice.later]
    await untouched(store, database_url, bob)


@pytest.mark.parametrize("policy", ["clear", "drop_turn"])
async def test_a_flagged_turn(
    store: SqlStore, database_url: str, gardens: Gardens, caplog: Log, policy: str
) -> None:
    alice, bob = gardens
    work = await wait_and_run(store, alice)
    erase = "session" if policy == "clear" else (alice.turn,)
    flagged = Step((Text(alice.word("flagged")),), (), "m")
    outcome = Outcome("cleared", "flagged", number=1, step=flagged, erase=erase)
    await store.finish(work.fence, outcome, lease=LEASE)
    gone = [*alice.some(*OF_THE_TURN, "older"), *alice.some("running", "so far", "flagged")]
    if policy == "clear":
        gone += alice.some("later", "other fact", "reminder")
        stays = alice.some("waiting", "waiting file", "waiting bytes", "settings")
    else:
        stays = alice.some("waiting", "later", "other fact", "reminder")
    await settled(store, database_url, caplog, gone, stays)
    assert hashed(database_url, *alice.terms) == ([] if policy == "clear" else [alice.terms[1]])
    await untouched(store, database_url, bob)


async def test_forgotten_facts_and_a_withdrawn_turn(
    store: SqlStore, database_url: str, gardens: Gardens, caplog: Log
) -> None:
    """The conversation itself goes on with both."""
    alice, bob = gardens
    stays = alice.some("input", "answer", "note", "later", "other fact")
    assert await store.drop_facts(alice.user, alice.facts) == 2  # with the one that it had replaced
    await settled(store, database_url, caplog, alice.some("fact", "older"), [*stays, *alice.some("vector")])
    assert await finds(store, alice, SHARED) == [alice.turn, alice.later]
    await store.withdraw([TurnRef(alice.session, alice.later)])
    stays = [word for word in stays if word not in alice.some("other fact")]
    await settled(store, database_url, caplog, alice.some("other fact"), stays)
    assert hashed(database_url, *alice.terms, SHARED) == [alice.terms[0], SHARED]
    await store.withdraw([TurnRef(alice.session, alice.turn)])
    await settled(store, database_url, caplog, alice.some("vector"), stays)
    assert await finds(store, alice, SHARED, *alice.terms) == []
    await untouched(store, database_url, bob)


# ---------------------------------------------------------------- upkeep in flight


async def late(store: SqlStore, g: Garden, chore: Chore, version: int) -> tuple[bool, bool]:
    """Upkeep that began before something was erased, and writes now."""
    ref = TurnRef(g.session, g.turn)
    finding = FactChange(Finding("event", "x", g.word("late fact"), (ref,), at=1))
    documents = (Document(ref, 1, {"late": 1}),)
    kept = Kept(g.later + 1, g.user, version, documents, (finding,), title=g.word("late title"))
    wrote = await store.keep(chore, kept)
    note = Note(g.turn, g.turn, 0, ((g.turn, g.turn),), g.word("late note"))
    noted = await store.put_notes(g.session, chore.generation, [note])
    await store.put_facts(g.user, version, (finding,))
    current = (await store.facts(g.user)).version
    await store.put_facts(g.user, current, (finding,))
    vector = g.word("late vector").encode().ljust(40, b"\0")
    await store.put_vectors(g.user, "embedder", {(g.session, g.turn): vector})
    return wrote, noted


@pytest.mark.parametrize("form", ["turn", "session", "user"])
async def test_upkeep_that_began_before_writes_nothing_after(
    store: SqlStore, database_url: str, gardens: Gardens, form: str
) -> None:
    alice, bob = gardens
    await end(store, await say(store, "one more", alice.word("chat")))
    chore, version = await chore_of(store, alice.session), (await store.facts(alice.user)).version
    if form == "user":
        await store.forget_user(alice.user)
    else:
        await store.erase(alice.session, [alice.turn] if form == "turn" else None)
    assert await late(store, alice, chore, version) == (False, False)
    await store.scrub()
    assert traces(database_url, [word for place, word in alice.words.items() if "late " in place]) == []
    assert hashed(database_url, "late") == []
    await untouched(store, database_url, bob)


async def test_a_turn_that_goes_on_after_an_erase_leaves_nothing_of_it(
    store: SqlStore, database_url: str, gardens: Gardens
) -> None:
    alice, _ = gardens
    work: Work = await wait_and_run(store, alice)
    fence: Fence = work.fence
    await store.erase(alice.session, fence=fence)
    await end(store, work, "ok")
    await store.scrub()
    gone = [*alice.some(*OF_THE_TURN), *alice.some("later", "running", "so far", "waiting", "waiting file")]
    assert traces(database_url, gone) == []


WORDLESS = {
    "tenant", "front", "bot", "kind", "state", "role", "was", "effect", "memory", "lang", "finish",
    "sha256", "code", "token", "lease_owner",  # digests, and what was drawn by lot
    "mime", "platform", "usage", "covers", "by",
    "arrivals.source", "arrivals.key", "inbox.source", "inbox.source_id", "heard.key",  # numbers
    "inbox.error",  # never written
    "segments.body",  # hashes of terms: see `hashed`
    "holds.source", "state.name", "state.value", "invitations.code",  # the program's own
}  # fmt: skip
"""Columns of text that hold nobody's words, by their names alone or with their tables'."""


async def test_no_column_is_missed(store: SqlStore, database_url: str) -> None:
    """A column that is added later has to be erased, or to be one that holds nobody's words."""
    g = await plant(store, database_url, "alice")
    await wait_and_run(store, g)
    await store.show(TurnRef(g.session, g.later), 0, g.word("shown"))
    await store.ask(
        Address("terminal", g.word("chat")), g.word("external"), "x", "code", at=1, expires=2, most=3
    )
    places = [
        (table.name, column)
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, LargeBinary | Letters)
        and WORDLESS.isdisjoint({column.name, f"{table.name}.{column.name}"})
    ]
    for table, column in places:
        if not _holds(database_url, table, column.name, g.but()):  # every row is alice's
            word = g.word(f"{table}.{column.name}")
            data = word.encode() if isinstance(column.type, LargeBinary) else word
            run(database_url, f"UPDATE {table} SET {column.name} = ?", data)
            assert _holds(database_url, table, column.name, [word]), f"no row of {table} is planted"
    await store.forget_user(g.user)
    await store.scrub()
    assert traces(database_url, g.but()) == []


def _holds(url: str, table: str, column: str, words: Sequence[str]) -> bool:
    needles = [form for word in (*words, *map(quote, words)) for form in forms(word)]
    for (value,) in run(url, f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):
        data = value.encode() if isinstance(value, str) else bytes(value)
        if any(needle in data for needle in needles):
            return True
    return False


def sampled(url: str) -> set[str]:
    """Columns of our tables of which the server keeps samples."""
    run(url, "ANALYZE")
    found = run(url, "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'")
    return {f"{table}.{column}" for table, column in found}


def test_a_server_keeps_no_samples_of_words(pg_database: Callable[..., str]) -> None:
    """They would outlive an erase, and newer servers write them into dumps."""
    url = pg_database(empty=True)
    upgrade(url, "0002")
    columns = "session_id, seq, parent, state, started, input"
    for seq in (1, 2):
        run(url, f"INSERT INTO turns ({columns}) VALUES (1, ?, 0, 'done', 1, ?)", seq, b"words")
    assert "turns.input" in sampled(url)
    upgrade(url)
    left = sampled(url)
    assert "turns.state" in left  # which the planner needs
    assert "turns.input" not in left
    content = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, LargeBinary)
    }
    switched_off = run(
        url,
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE attstattarget = 0 AND relkind = 'r'",
    )
    assert content - set(switched_off) == set()
