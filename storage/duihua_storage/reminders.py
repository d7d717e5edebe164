"""Reminders: armed once, fired once. What fires is owed to the front end in the same transaction.

The outbox knows the rows of a reminder by `seq` = minus its id; no turn has such a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, select, text, update

from duihua.reminders import Armed
from duihua_storage.expressions import blob, const, now, number, word
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import identities, outbox, reminders, sessions, users

P, R, S, X = identities.c, reminders.c, sessions.c, outbox.c
_ROW = (R.id, R.session_id, R.owner_id, R.due, R.rule, R.tz, R.body)
_armed = text("reminders.state = 'armed'")

_LOCK = Statement(select(S.id).where(S.id == bindparam("s")).with_for_update())
_PERSON = Statement(select(users.c.id).where(users.c.id == bindparam("u")).with_for_update())
_open = (
    select(X.id)
    .where(X.session_id == R.session_id, X.seq == -R.id, text("outbox.state IN ('pending', 'sending')"))
    .exists()
)
_CLEAN = Statement(delete(reminders).where(R.owner_id == bindparam("u"), R.state == const("fired"), ~_open))
_SAME = Statement(
    select(*_ROW).where(
        R.session_id == bindparam("s"),
        R.owner_id == bindparam("u"),
        R.due == bindparam("d"),
        func.coalesce(R.rule, const("")) == word("r"),
        R.body == blob("b"),
        _armed,
    )
)
_COUNT = Statement(select(func.count()).where(R.owner_id == bindparam("u"), _armed))
_NEW = Statement(
    insert(reminders)
    .values(
        session_id=bindparam("s"),
        owner_id=bindparam("u"),
        due=bindparam("d"),
        rule=bindparam("r"),
        tz=bindparam("z"),
        body=bindparam("b"),
        state=const("armed"),
    )
    .returning(*_ROW)
)
_name = select(func.min(P.name)).where(P.user_id == R.owner_id, P.front == S.front).scalar_subquery()
_OF_SESSION = Statement(
    select(*_ROW, _name)
    .join(sessions, S.id == R.session_id)
    .where(R.session_id == bindparam("s"), _armed)
    .order_by(R.due, R.id)
)
_DISARM = Statement(
    delete(reminders).where(R.session_id == bindparam("s"), R.id == bindparam("i"), _armed).returning(R.id)
)
_NEXT = Statement(select(*_ROW).where(_armed).order_by(R.due, R.id).limit(bindparam("n")))
_FIRE = Statement(
    update(reminders)
    .values(
        due=case((number("again") > const(0), number("again")), else_=R.due),
        state=case((number("again") > const(0), const("armed")), else_=const("fired")),
    )
    .where(R.id == bindparam("i"), R.due == bindparam("d"), _armed)
    .returning(R.id)
)
_REPLACED = Statement(
    delete(outbox).where(X.session_id == bindparam("s"), X.seq == bindparam("q"), X.state != const("sending"))
)


def _owe(insert: Any) -> Any:
    part = (
        select(func.coalesce(func.max(X.part) + const(1), const(0)))
        .where(X.session_id == bindparam("s"), X.seq == bindparam("q"))
        .scalar_subquery()
    )
    return insert(outbox).values(
        session_id=bindparam("s"),
        seq=bindparam("q"),
        part=part,
        kind=const("notice"),
        state=const("pending"),
        body=bindparam("b"),
        at=now(),
    )


OWE = Statement(_owe)
"""Owes a notice (`b`) to a session (`s`), the next part of those of the same `q`."""


def arm(new: Armed, most: int) -> Tx[Armed | None]:
    """Keeps a reminder; None: its owner has too many, or the session is gone."""
    at = {"s": new.session, "u": new.owner}
    if not (yield _LOCK, at) or not (yield _PERSON, at):
        return None
    yield _CLEAN, at
    given: dict[str, Any] = {**at, "d": new.due, "r": new.rule, "b": new.body}
    rows = yield _SAME, given
    if not rows:
        count = yield _COUNT, at
        if count[0][0] >= most:
            return None
        rows = yield _NEW, {**given, "z": new.zone}
    return _stored(rows[0])


def of_session(session: int) -> Tx[Sequence[Armed]]:
    """The session's armed ones, the next one first."""
    rows = yield _OF_SESSION, {"s": session}
    return [_stored(row) for row in rows]


def disarm(session: int, id_: int) -> Tx[bool]:
    """Forgets a reminder; False: there is none of this id, or it has fired."""
    rows = yield _DISARM, {"s": session, "i": id_}
    return bool(rows)


def upcoming(limit: int) -> Tx[Sequence[Armed]]:
    """Those that are due first."""
    rows = yield _NEXT, {"n": limit}
    return [_stored(row) for row in rows]


def fire(reminder: Armed, again: int, body: bytes) -> Tx[bool]:
    """Owes what a reminder says and arms it anew, or no more; False: it does not stand like this any more."""
    at = {"s": reminder.session, "q": -reminder.id}
    if not (yield _LOCK, at):
        return False
    if not (yield _FIRE, {"i": reminder.id, "d": reminder.due, "again": again}):
        return False
    yield _REPLACED, at
    yield OWE, {**at, "b": body}
    return True


def _stored(row: Sequence[Any]) -> Armed:
    id_, session, owner, due, rule, zone, body, *name = row
    return Armed(id_, session, owner, due, rule or "", zone, bytes(body or b"{}"), (name or [""])[0] or "")
