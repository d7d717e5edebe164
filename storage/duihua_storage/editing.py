"""An input found by its key: which turn stands for it now, or, while it waits, what it says.

An input that was edited stands where its latest edit is: each edit names the turn that it replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import and_, bindparam, delete, or_, select, update

from duihua.codec import decode
from duihua.messages import Attachment, Media, Part, TurnRef
from duihua.showing import Taken
from duihua_storage import files
from duihua_storage.expressions import const, number, word, words
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import attachments, inbox, sessions, turns

A, B, S, T = attachments.c, inbox.c, sessions.c, turns.c


class _Row(NamedTuple):
    id: int
    session: int
    state: str
    seq: int | None
    body: bytes | None
    reply_to: int | None
    stands: bool


_turn = select(T.seq).where(T.session_id == B.session_id, T.seq == B.turn_seq, T.state != const("cleared"))
_stands = or_(B.state == const("pending"), and_(B.state != const("cancelled"), _turn.exists()))
_ROW = select(B.id, B.session_id, B.state, B.turn_seq, B.body, B.reply_to, _stands.label("stands"))
_BY_KEY = Statement(
    _ROW.where(B.tenant == bindparam("te"), B.source == bindparam("so"), B.source_id == bindparam("si"))
)
_EDIT = Statement(
    _ROW.where(
        B.session_id == number("s"),
        B.reply_to == number("q"),
        B.kind == const("edit"),
        B.state != const("cancelled"),
        or_(B.turn_seq.is_(None), B.turn_seq > number("q")),
    )
    .order_by(B.id.desc())
    .limit(const(1))
)
_EDITED = Statement(
    select(B.id)
    .where(
        B.session_id == number("s"),
        B.reply_to == number("q"),
        B.kind == const("edit"),
        B.state != const("cancelled"),
    )
    .limit(const(1))
)
_LOCK = Statement(select(S.id).where(S.id == bindparam("s")).with_for_update())
_AMEND = Statement(
    update(inbox)
    .values(body=bindparam("b"))
    .where(B.id == bindparam("i"), B.state == const("pending"))
    .returning(B.id)
)
_DROP = Statement(
    delete(attachments).where(
        A.session_id == bindparam("s"), A.seq == bindparam("q"), A.id.op("NOT IN")(words("ids"))
    )
)


def _latest(tenant: str, source: str, source_id: str) -> Tx[tuple[_Row | None, int]]:
    """The input's row, or that of its latest edit, none whose turn was erased; and its place there."""
    rows = yield _BY_KEY, {"te": tenant, "so": source, "si": source_id}
    found: _Row | None = None
    place = -min(0, _Row(*rows[0]).reply_to or 0) if rows else 0
    while rows:
        row = _Row(*rows[0])
        found = row if row.stands else found
        if row.seq is None:
            break
        rows = yield _EDIT, {"s": row.session, "q": row.seq}
    return found, place


def taken(tenant: str, source: str, source_id: str) -> Tx[Taken | None]:
    """What became of an input; None: it is not known, or what it led to was erased."""
    row, place = yield from _latest(tenant, source, source_id)
    if row is None:
        return None
    if row.state == "pending":
        return Taken(row.session, row.id, 0, decode(row.body), place)
    return Taken(row.session, row.id, row.seq or 0, place=place)


_AMONG = Statement(
    select(B.source_id).where(
        B.tenant == word("te"), B.source == word("so"), B.source_id.op("IN")(words("ids"))
    )
)


def known(tenant: str, source: str, ids: Sequence[str]) -> Tx[Sequence[str]]:
    """Those of the ids that are the keys of inputs."""
    rows = yield _AMONG, {"te": tenant, "so": source, "ids": orjson.dumps(list(ids)).decode()}
    return [row[0] for row in rows]


def edited(ref: TurnRef) -> Tx[bool]:
    """Whether another turn stands in the place of this one, or will."""
    return bool((yield _EDITED, {"s": ref.session, "q": ref.seq}))


def amend(
    tenant: str, source: str, source_id: str, parts: Sequence[Part], body: bytes, given: Sequence[Attachment]
) -> Tx[bool]:
    """Lets an input that waits say something else; False: it does not wait."""
    row, _ = yield from _latest(tenant, source, source_id)
    if row is None or row.state != "pending":
        return False
    # A claim reads the input and takes it in two statements: between them it must not change.
    at: dict[str, Any] = {"s": row.session, "i": row.id, "b": body}
    _, amended = yield [(_LOCK, at), (_AMEND, at)]
    if not amended:
        return False
    named = {part.attachment for part in parts if isinstance(part, Media)} - {file.id for file in given}
    yield _DROP, {"s": row.session, "q": -row.id, "ids": orjson.dumps(sorted(named)).decode()}
    if given:
        yield files.keep(row.session, -row.id, given)
    return True
