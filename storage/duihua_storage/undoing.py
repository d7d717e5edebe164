"""Taking the last turn back: once for each key, however often it is asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, select

from duihua.messages import TurnRef
from duihua_storage import consents
from duihua_storage.expressions import const, now, number, word
from duihua_storage.sessions import clean, move_head
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import inbox, sessions, turns
from duihua_storage.upkeep import withdraw

S, T, B = sessions.c, turns.c, inbox.c

_HEAD = Statement(
    select(S.tenant, S.head, T.parent)
    .join_from(sessions, turns, and_(T.session_id == S.id, T.seq == S.head), isouter=True)
    .where(S.id == bindparam("s"))
    .with_for_update(of=sessions)
)


def _once(insert: Any) -> Any:
    new = insert(inbox).values(
        tenant=word("te"),
        source=word("so"),
        source_id=word("si"),
        session_id=number("s"),
        kind=const("undo"),
        state=const("done"),
        received=now(),
    )
    return new.on_conflict_do_nothing().returning(B.id)


_ONCE = Statement(_once)
_KNOWN = Statement(
    select(B.id).where(
        B.tenant == bindparam("te"), B.source == bindparam("so"), B.source_id == bindparam("si")
    )
)


def move(session: int, head: int) -> Tx[None]:
    """Points the session at another turn; at none, what waits for consent is withdrawn with all that was."""
    yield from move_head(session, head)
    if not head:
        yield consents.withdraw(TurnRef(session, 0))


def undo(session: int, key: tuple[str, str] | None) -> Tx[bool]:
    """Moves the head to the turn before, and takes the last one out of memory; False: there is none."""
    rows = yield _HEAD, {"s": session}
    if not rows:
        return False
    tenant, head, parent = rows[0]
    if key is not None:
        this = {"te": tenant, "so": clean(key[0]), "si": clean(key[1])}
        if not head:
            return bool((yield _KNOWN, this))
        if not (yield _ONCE, {**this, "s": session}):
            return True
    if not head:
        return False
    yield from move_head(session, parent or 0)
    yield consents.withdraw(TurnRef(session, head))
    yield from withdraw([TurnRef(session, head)], ())  # what was taken back was not said
    return True
