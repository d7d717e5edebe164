"""Embeddings of turns, kept so that each is asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import BindParameter, bindparam, or_, select

from duihua.memories import Place
from duihua.messages import TurnRef
from duihua_storage.expressions import const, number, numbers
from duihua_storage.statement import Insert, Op, Statement, Tx
from duihua_storage.tables import sessions, turns
from duihua_storage.tables import vectors as table

S, T, V = sessions.c, turns.c, table.c

_READ = Statement(
    select(V.session_id, V.seq, V.vector).where(
        V.session_id == bindparam("s"), V.seq.op("IN")(numbers("qs")), V.model == bindparam("m")
    )
)
_LOCK = Statement(select(S.owner_id).where(S.id == bindparam("s")).with_for_update(read=True))
_ON_RECORD = Statement(
    select(T.seq)
    .where(
        T.session_id == bindparam("s"),
        T.seq.op("IN")(numbers("qs")),
        T.no_recall == const(0),
        T.state != const("cleared"),
        or_(number("o") == -T.session_id, number("o") == number("so"), number("o") == T.author_id),
    )
    .order_by(T.seq)
    .with_for_update(read=True)
)


def _put(insert: Insert) -> Any:
    row: dict[str, BindParameter[Any]] = {
        "session_id": bindparam("s"),
        "seq": bindparam("q"),
        "model": bindparam("m"),
        "owner_id": bindparam("o"),
        "vector": bindparam("v"),
    }
    new = insert(table).values(**row)
    return new.on_conflict_do_update(
        index_elements=[V.session_id, V.seq, V.model],
        set_={"owner_id": new.excluded.owner_id, "vector": new.excluded.vector},
    )


_PUT = Statement(_put)


def read(refs: Sequence[TurnRef], model: str) -> Tx[Mapping[Place, bytes]]:
    """The stored embeddings of these turns."""
    by_session = _by_session((ref.session, ref.seq) for ref in refs)
    asked: list[Op] = [(_READ, {"s": s, "qs": _list(seqs), "m": model}) for s, seqs in by_session]
    answers = yield asked
    return {(session, seq): vector for rows in answers for session, seq, vector in rows}


def put(owner: int, model: str, vectors: Mapping[Place, bytes]) -> Tx[None]:
    """Keeps embeddings of turns that are still there, on record, and this owner's to remember.

    The turns are locked: whoever erases them waits, and finds their embeddings.
    """
    for session, seqs in _by_session(vectors):
        found = yield _LOCK, {"s": session}
        if not found:
            continue
        where = {"s": session, "qs": _list(seqs), "o": owner, "so": found[0][0]}
        for (seq,) in (yield _ON_RECORD, where):
            row = {"s": session, "q": seq, "m": model, "o": owner, "v": vectors[session, seq]}
            yield _PUT, row


def _by_session(places: Iterable[Place]) -> list[tuple[int, list[int]]]:
    seqs: dict[int, list[int]] = {}
    for session, seq in places:
        seqs.setdefault(session, []).append(seq)
    return sorted(seqs.items())


def _list(seqs: list[int]) -> str:
    return orjson.dumps(seqs).decode()
