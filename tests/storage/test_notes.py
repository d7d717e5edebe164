"""Notes in a store: written whole or not at all, gone with the turns they are made of."""

from __future__ import annotations

from duihua.memories import Note
from duihua.memory.notes import chain
from duihua_storage import SqlStore
from tests.leftovers import leftovers, run
from tests.memory.covering import covered
from tests.storage.talk import at, talk


def note(first: int, upto: int, text: str = "words", *, after: int | None = None, level: int = 0) -> Note:
    before = first - 1 if after is None else after
    return Note(first, upto, before, ((first, upto),), text, "m", 1 if level else 0, at=first)


async def generation(store: SqlStore) -> int:
    info = await store.session(at())
    assert info is not None
    return info.generation


async def test_notes_come_back_as_they_were(store: SqlStore) -> None:
    await talk(store, *"abc")
    first = Note(1, 3, 0, ((1, 1), (3, 3)), "笔记\ud800", "extract", 0, 5)
    assert await store.put_notes(1, 0, [note(4, 5), first, note(1, 3, level=1)])
    stored = Note(1, 3, 0, ((1, 1), (3, 3)), "笔记?", "extract", 0, 5)
    assert await store.notes(1) == [stored, note(1, 3, level=1), note(4, 5)]
    assert await store.notes(2) == []


async def test_a_note_is_written_over_its_older_self(store: SqlStore) -> None:
    await talk(store, *"ab")
    await store.put_notes(1, 0, [note(1, 2, "old")])
    await store.put_notes(1, 0, [note(1, 2, "new")])
    assert [kept.text for kept in await store.notes(1)] == ["new"]


async def test_a_digest_takes_the_place_of_its_notes(store: SqlStore) -> None:
    await talk(store, *"abc")
    notes = [note(1, 1), note(2, 2), note(3, 3)]
    await store.put_notes(1, 0, notes)
    assert await store.put_notes(1, 0, [note(1, 2, level=1)], notes[:2])
    assert await store.notes(1) == [note(1, 2, level=1), note(3, 3)]


async def test_nothing_is_written_after_something_was_erased(store: SqlStore, database_url: str) -> None:
    await talk(store, *"ab")
    await store.put_notes(1, 0, [note(1, 1)])
    run(database_url, "UPDATE sessions SET generation = generation + 1")
    assert not await store.put_notes(1, 0, [note(2, 2)], [note(1, 1)])
    assert not await store.put_notes(77, 0, [note(1, 1)])
    assert await store.notes(1) == [note(1, 1)]


async def test_an_erased_turn_takes_its_note_and_the_window_comes_back(
    store: SqlStore, database_url: str
) -> None:
    await talk(store, *"abcdef")
    await store.put_notes(1, 0, [note(1, 2), note(3, 4, "Geheimnis"), note(5, 5)])
    run(database_url, "UPDATE sessions SET window_from = 6")
    assert await store.erase(1, [4]) == 1
    assert await store.notes(1) == [note(1, 2), note(5, 5, after=3)]  # it begins after what is left
    info = await store.session(at())
    assert info is not None
    assert info.window_from == 3
    await store.scrub()
    assert leftovers(database_url, "Geheimnis") == []


async def test_the_notes_after_an_erased_digest_stay(store: SqlStore, database_url: str) -> None:
    await talk(store, *"abcdefg")
    await store.put_notes(1, 0, [note(1, 3, level=1), note(4, 5), note(6, 6)])
    run(database_url, "UPDATE sessions SET window_from = 7")
    await store.erase(1, [2, 3])
    left = await store.notes(1)
    assert chain(left, 6) == (note(4, 5, after=1), note(6, 6))
    assert not covered(left) & {1, 2, 3}
    info = await store.session(at())
    assert info is not None
    assert info.window_from == 1


async def test_a_turn_that_no_note_covers_leaves_them_alone(store: SqlStore, database_url: str) -> None:
    await talk(store, *"abcd")
    await store.put_notes(1, 0, [note(1, 2)])
    run(database_url, "UPDATE sessions SET window_from = 3")
    await store.erase(1, [4])
    assert await store.notes(1) == [note(1, 2)]
    info = await store.session(at())
    assert info is not None
    assert info.window_from == 3


async def test_forgetting_all_leaves_no_note(store: SqlStore) -> None:
    await talk(store, *"ab")
    await store.put_notes(1, 0, [note(1, 1)])
    await store.erase(1)
    assert await store.notes(1) == []
    assert not await store.put_notes(1, 0, [note(1, 1)])
    assert await generation(store) == 1
