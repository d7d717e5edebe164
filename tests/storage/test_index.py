"""The search index against a plain dictionary, on both databases."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, update

from duihua.memories import Document, Matches, Place
from duihua.messages import Author, TurnRef
from duihua_storage import SqlStore, index, shelf
from duihua_storage.segments import build, decode, encode, merge, search
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import sessions
from tests.leftovers import files, run
from tests.memory.plain_index import held
from tests.storage.talk import talk

WORDS = ["天气", "气真", "weather", "\ud800", "🙂", "café", "的", ""]
GIVE = Statement(
    update(sessions).values(owner_id=bindparam("to")).where(sessions.c.owner_id == bindparam("o"))
)
Docs = dict[Place, Document]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a few documents go through every merge."""
    monkeypatch.setattr(index, "SIZES", [2, 4, 8])
    monkeypatch.setattr(shelf, "SIZES", [2, 4])


def document(session: int, seq: int, at: int = 0, **terms: int) -> Document:
    return Document(TurnRef(session, seq), at, terms)


async def write(store: SqlStore, tx: Tx[Any]) -> Any:
    return await store._db.write(lambda: tx, "test")  # pyright: ignore[reportPrivateUsage]


def expected(docs: Docs, terms: Sequence[str], rows: int, between: tuple[int, int] | None) -> Matches:
    """What the index should answer, read off a dictionary."""
    newest = sorted(docs, key=lambda place: (docs[place].at, place), reverse=True)
    inside = [p for p in newest if not between or between[0] <= docs[p].at < between[1]]
    taken: dict[Place, dict[int, int]] = {}
    if between and not terms:
        taken = {place: {} for place in inside[:rows]}
    places = {i: [p for p in inside if term in docs[p].terms] for i, term in enumerate(terms)}
    left = rows
    for i, those in sorted(places.items(), key=lambda item: (len(item[1]), item[0])):
        if not those:
            continue
        if len(those) > left < rows:
            break
        left -= len(those)
        for place in those[:rows]:
            taken.setdefault(place, {})[i] = min(docs[place].terms[terms[i]], 16)
    lengths = {place: sum(docs[place].terms.values()) for place in docs}
    holding = [sum(term in d.terms for d in docs.values()) for term in terms]
    found = {p: held(docs[p].at, lengths[p], counts) for p, counts in taken.items()}
    return Matches(len(docs), sum(lengths.values()), holding, found)


async def play(store: SqlStore, random: Random, steps: int) -> None:
    """Adds, erases, gives away and asks at random; every answer must be what the dictionary says."""
    for session in (1, 2, 3):
        await talk(store, "hi", chat=f"chat {session}")  # person and session have the same number
    owners = {session: session for session in (1, 2, 3)}
    known: dict[int, Docs] = {owner: {} for owner in (1, 2, 3, -1, -2, -3)}
    time = 0
    for _ in range(steps):
        session = random.randint(1, 3)
        owner = random.choice([owners[session], owners[session], -session])
        what = random.randint(0, 9)
        if what < 6:
            new: list[Document] = []
            for seq in random.sample(range(1, 40), random.choice([1, 1, 1, 3, 12])):
                time += random.randint(-2, 5)
                counts = {w: random.randint(1, 20) for w in random.sample(WORDS, random.randint(0, 4))}
                new.append(Document(TurnRef(session, seq), time, counts))
            other = {**known[-session], **known[owners[session]]}  # a turn has one owner at a time
            new = [
                d for d in new if (session, d.ref.seq) in known[owner] or (session, d.ref.seq) not in other
            ]
            await write(store, index.add(owner, new))
            for d in new:
                known[owner].setdefault((session, d.ref.seq), d)
        elif what < 8:
            seqs = random.choice([None, random.sample(range(1, 40), 7)])
            await write(store, index.remove(session, seqs))
            for docs in known.values():
                for place in [p for p in docs if p[0] == session and (seqs is None or p[1] in seqs)]:
                    del docs[place]
        elif what < 9:
            one, to = random.sample([1, 2, 3], 2)
            await write(store, give(one, to))
            owners = {s: to if o == one else o for s, o in owners.items()}
            known[to], known[one] = {**known[one], **known[to]}, {}
        else:
            await write(store, index.drop(owner))
            known[owner] = {}
        for asked in {owner, random.choice(list(known))}:
            terms = [random.choice([*WORDS, "nobody"]) for _ in range(random.randint(0, 5))]
            rows = random.choice([0, 1, 3, 8, 100])
            start = random.randint(-5, max(time, 0) + 5)
            between = random.choice([None, (start, start + random.randint(0, 30))])
            got = await store.match(asked, terms, rows=rows, between=between)
            assert got == expected(known[asked], terms, rows, between)


def give(owner: int, to: int) -> Tx[None]:
    yield GIVE, {"o": owner, "to": to}
    yield from index.move(owner, to)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_index_answers_what_a_dictionary_would(random: Random) -> None:
    async def example() -> None:
        store = SqlStore("sqlite+aiosqlite://")
        await store.open()
        try:
            await play(store, random, 20)
        finally:
            await store.aclose()

    asyncio.run(example())


async def test_both_databases_answer_alike_through_every_merge(store: SqlStore) -> None:
    await play(store, Random(11), 200)


def test_a_body_is_read_back_as_it_was_written() -> None:
    docs = [document(1, n, n % 3, **dict.fromkeys("abcdefgh"[: n % 5], n + 1)) for n in range(20)]
    one = build(docs)
    again = decode(encode(one))
    assert list(again.places()) == list(one.places())
    assert list(again.terms()) == list(one.terms())
    assert (again.lone, again.postings) == (one.lone, one.postings)
    assert encode(merge([build(docs[::2]), build(docs[1::2])])) == encode(one)
    assert encode(merge([one], set(one.places()))) == encode(build([]))


def test_the_other_order_of_bytes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from duihua_storage import segments

    body = encode(build([document(1, 2, 3, a=4)]))
    monkeypatch.setattr(segments.sys, "byteorder", "big" if segments.sys.byteorder == "little" else "little")
    turned = encode(build([document(1, 2, 3, a=4)]))
    assert turned != body
    assert encode(decode(turned)) == turned


def test_terms_of_one_hash_count_as_one() -> None:
    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    found = search([build([document(1, 1, plumless=2, buckeroo=1)])], ["plumless"], 9, None)
    assert found == Matches(1, 3, [1], {(1, 1): held(0, 3, {0: 3})})


def test_the_newest_are_found_in_segments_whose_times_overlap() -> None:
    times = [(1, 9, 20), (2, 8, 30), (3, 4, 5)]
    parts = [build(document(nth, at, at, word=1) for at in some) for nth, some in enumerate(times)]
    for rows in range(10):
        newest = sorted((at for some in times for at in some), reverse=True)[:rows]
        for terms, between in ((["word"], None), ([], (0, 99))):
            found = search(parts, terms, rows, between).found
            assert sorted((seq for _, seq in found), reverse=True) == newest


async def test_what_two_owners_both_have_is_there_once_when_one_gets_it_all(store: SqlStore) -> None:
    await talk(store, "hi", chat="one")
    await talk(store, "hi", chat="two")
    for owner, seqs in ((1, (1, 2, 3)), (2, (3, 4)), (1, (9,))):
        await write(store, index.add(owner, [document(1, seq, word=1) for seq in seqs]))
    await write(store, index.move(1, 2))
    assert (await store.match(2, ["word"])).holding == [5]
    assert (await store.match(1, ["word"])).holding == [0]


async def test_a_long_document_is_merged_no_more_often_than_its_size_asks_for(
    store: SqlStore, database_url: str
) -> None:
    await talk(store, "hi")
    for seq in range(3):
        await write(store, index.add(1, [document(1, seq, **{f"w{n}": 1 for n in range(600)})]))
    assert run(database_url, "SELECT weight FROM segments ORDER BY id") == [(6,), (3,)]


async def test_an_erased_word_leaves_not_even_its_hash(store: SqlStore, database_url: str) -> None:
    await talk(store, *"abcdefg")
    ours = [document(1, seq, secret=1) if seq == 3 else document(1, seq, shared=1) for seq in range(1, 8)]
    for one in ours:
        await write(store, index.add(1, [one]))
    await store.match(1, ["secret"])
    needle = zlib.crc32(b"secret").to_bytes(4, "little")

    def bodies() -> bytes:
        return b"".join(bytes(row[0]) for row in run(database_url, "SELECT body FROM segments"))

    assert needle in bodies()
    await write(store, index.remove(1, [3]))
    await store.scrub()
    left = bodies()
    assert needle not in left
    assert zlib.crc32(b"shared").to_bytes(4, "little") in left
    assert not any(needle in path.read_bytes() for path in files(database_url))
    assert (await store.match(1, ["secret", "shared"])).holding == [0, 6]


async def test_what_somebody_said_in_another_ones_session_is_erased_from_their_index(store: SqlStore) -> None:
    await talk(store, "mine")
    await talk(store, "theirs", author=Author(0, "Guest"), external="guest")
    for owner, seq in ((1, 1), (2, 2), (-1, 3)):
        await write(store, index.add(owner, [document(1, seq, word=1)]))
    await write(store, index.remove(1, [2]))
    assert [(await store.match(owner, ["word"])).documents for owner in (1, 2, -1)] == [1, 0, 1]
    await store.erase(1)
    assert [(await store.match(owner, ["word"])).documents for owner in (1, 2, -1)] == [0, 0, 0]


async def test_nothing_is_indexed_for_somebody_who_is_gone(store: SqlStore, database_url: str) -> None:
    await write(store, index.add(7, [document(1, 1, word=1)]))
    assert not run(database_url, "SELECT id FROM segments")


async def test_writers_side_by_side_lose_nothing(store: SqlStore, database_url: str) -> None:
    await talk(store, "hi")
    others = [SqlStore(database_url) for _ in range(3)]
    for other in others:
        await other.open()
    adds = (
        write(other, index.add(1, [document(1, 10 * n + i, word=1)]))
        for n in range(4)
        for i, other in enumerate(others)
    )
    await asyncio.gather(*adds, write(store, index.add(1, [document(1, 10, word=1)])))
    found = await store.match(1, ["word"])
    assert found.documents == len(found.found) == 12
    for other in others:
        await other.aclose()


async def test_an_id_of_an_undone_write_deceives_no_reader(store: SqlStore) -> None:
    await talk(store, "hi")

    def undone() -> Tx[None]:
        yield from index.add(1, [document(1, 1, before=1)])
        yield from index.add(1, [document(1, 2, before=1)])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write(store, undone())
    await write(store, index.add(1, [document(1, 1, after=1)]))
    assert (await store.match(1, ["before", "after"])).holding == [0, 1]


# ---------------------------------------------------------------- embeddings


async def test_embeddings_are_kept_once_per_turn_and_model(store: SqlStore) -> None:
    first, second = await talk(store, "one", "two")
    await store.put_vectors(1, "m", {(1, first): b"1", (1, second): b"2", (1, 99): b"no such turn"})
    await store.put_vectors(1, "m", {(1, second): b"3"})
    await store.put_vectors(1, "other", {(1, first): b"4"})
    refs = [TurnRef(1, first), TurnRef(1, second), TurnRef(2, 1)]
    assert await store.vectors(refs, "m") == {(1, first): b"1", (1, second): b"3"}
    assert await store.vectors(refs, "nobody's") == {}


async def test_embeddings_are_kept_for_whose_turns_they_are(store: SqlStore) -> None:
    [mine] = await talk(store, "one")
    [theirs] = await talk(store, "two", author=Author(0, "Guest"), external="guest")
    given = {(1, mine): b"1", (1, theirs): b"2"}
    for owner, kept in ((5, 0), (2, 1), (1, 2), (-1, 2), (-2, 0)):
        await write(store, index.drop(owner))
        await store.put_vectors(owner, f"m{owner}", given)
        refs = [TurnRef(1, mine), TurnRef(1, theirs)]
        assert len(await store.vectors(refs, f"m{owner}")) == kept


async def test_a_turn_off_the_record_has_no_embedding(store: SqlStore, database_url: str) -> None:
    first, second = await talk(store, "one", "two")
    await store.put_vectors(1, "m", {(1, first): b"1", (1, second): b"2"})
    await write(store, index.remove(1, [first]))
    run(database_url, "UPDATE turns SET no_recall = 1 WHERE seq = ?", first)
    await store.put_vectors(1, "m", {(1, first): b"1"})
    assert await store.vectors([TurnRef(1, first), TurnRef(1, second)], "m") == {(1, second): b"2"}
    await write(store, index.move(1, 2))
    assert run(database_url, "SELECT owner_id FROM vectors") == [(2,)]
    await store.erase(1)
    assert not run(database_url, "SELECT * FROM vectors")
