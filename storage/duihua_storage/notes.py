"""Notes: what stays of turns that have left the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, select, update

from duihua.memories import Note
from duihua.memory.notes import without
from duihua_storage.statement import Insert, Statement, Tx
from duihua_storage.tables import notes, sessions

N, S = notes.c, sessions.c

_READ = Statement(
    select(N.first, N.upto, N.after, N.covers, N.content, N.by, N.level, N.at)
    .where(N.session_id == bindparam("s"))
    .order_by(N.upto, N.level)
)
_GENERATION = Statement(select(S.generation).where(S.id == bindparam("s")).with_for_update())
_WHOSE = (N.session_id == bindparam("s"), N.upto == bindparam("u"), N.level == bindparam("l"))
_DROP = Statement(delete(notes).where(*_WHOSE))
_MOVE = Statement(update(notes).values(after=bindparam("a")).where(*_WHOSE))


def _put(insert: Insert) -> Any:
    row: dict[str, Any] = {
        "session_id": bindparam("s"),
        "upto": bindparam("u"),
        "level": bindparam("l"),
        "first": bindparam("f"),
        "after": bindparam("a"),
        "covers": bindparam("c"),
        "content": bindparam("t"),
        "by": bindparam("b"),
        "at": bindparam("w"),
    }
    keys = ("session_id", "upto", "level")
    new = insert(notes).values(row)
    values = {name: new.excluded[name] for name in row if name not in keys}
    return new.on_conflict_do_update(index_elements=keys, set_=values)


_PUT = Statement(_put)


def read(session: int) -> Tx[Sequence[Note]]:
    """All notes of a session, of all its paths, the oldest turns first."""
    rows = yield _READ, {"s": session}
    return [_note(row) for row in rows]


def put(session: int, generation: int, new: Sequence[Note], gone: Sequence[Note]) -> Tx[bool]:
    """Writes notes and drops those that went into them, unless the session's generation is another by now."""
    rows = yield _GENERATION, {"s": session}
    if not rows or rows[0][0] != generation:
        return False
    for note in gone:
        yield _DROP, _key(session, note)
    for note in new:
        yield (
            _PUT,
            {
                **_key(session, note),
                "f": note.first,
                "a": note.after,
                "c": orjson.dumps(note.covers),
                "t": note.text.encode("utf-8", "replace"),
                "b": note.by,
                "w": note.at,
            },
        )
    return True


def drop_over(session: int, gone: Mapping[int, int], window: int) -> Tx[int]:
    """Drops every note over an erased turn; returns where the window starts now that its turns are back.

    Args:
        session: whose row is locked.
        gone: the erased turns with their parents.
        window: the turn that the window started at.
    """
    kept = yield from read(session)
    for note in kept:
        left = without(note, gone)
        if left is None:
            yield _DROP, _key(session, note)
            window = min(window, note.first)
        elif left is not note:
            yield _MOVE, {**_key(session, note), "a": left.after}
    return window


def _key(session: int, note: Note) -> dict[str, int]:
    return {"s": session, "u": note.upto, "l": note.level}


def _note(row: Sequence[Any]) -> Note:
    first, upto, after, covers, content, by, level, at = row
    spans = tuple((int(start), int(end)) for start, end in orjson.loads(covers))
    return Note(first, upto, after, spans, content.decode(), by, level, at)
