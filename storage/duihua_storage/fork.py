"""Forking: a path of one session copied, renumbered from 1, into a new one."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import bindparam, func, insert, null, select, update

from duihua.errors import NotFound, SessionBusy
from duihua.messages import SETTLED, Address
from duihua.ports import SessionInfo
from duihua_storage.expressions import const, number
from duihua_storage.history import walk
from duihua_storage.sessions import resolve, session
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import sessions, skill_calls, steps, turns

S, T, C = sessions.c, turns.c, skill_calls.c
_FAR = 2**62

_path = walk(T.seq, T.parent)
_order = func.row_number().over(order_by=T.seq).label("place")
_copied = (
    select(T.seq, _order)
    .join_from(turns, _path, _path.c.seq == T.seq)
    .where(T.session_id == number("s"), T.state != const("running"))
    .cte("copied")
)


def _copy(table: Any, *conditions: Any, **instead: Any) -> Statement:
    """Copies the rows of `table` that belong to the path; `instead` gives other values for columns."""
    instead = {"session_id": number("to"), "seq": _copied.c.place, **instead}
    rows = (
        select(*(instead.get(column.name, column) for column in table.c))
        .join_from(table, _copied, _copied.c.seq == table.c.seq)
        .where(table.c.session_id == number("s"), *conditions)
    )
    return Statement(insert(table).from_select([column.name for column in table.c], rows))


_SOURCE = Statement(select(S.owner_id, S.settings, S.locale).where(S.id == bindparam("s")).with_for_update())
_BUSY = Statement(
    select(S.pending, select(T.seq).where(T.session_id == S.id).exists())
    .where(S.id == bindparam("s"))
    .with_for_update()
)
_EXISTS = Statement(select(T.seq).where(T.session_id == bindparam("s"), T.seq == bindparam("h")))
_COPIES = [
    _copy(
        turns,
        parent=_copied.c.place - const(1),
        attempt=const(1),
        detached=const(0),
        rerun_of=null(),  # what it re-ran is not copied
    ),
    _copy(steps),
    _copy(skill_calls, C.state.in_([const(state) for state in sorted(SETTLED)])),
]
_last = select(func.coalesce(func.max(T.seq), const(0))).where(T.session_id == number("to")).scalar_subquery()
_POINT = Statement(
    update(sessions)
    .values(
        head=_last, next_seq=_last + const(1), kept=_last, settings=bindparam("v"), locale=bindparam("lo")
    )
    .where(S.id == number("to"))
)


def fork(source: int, head: int, to: Address) -> Tx[SessionInfo]:
    """Copies the path of `head` into the session at `to`; it belongs to the same person.

    Long-term memory knows the turns already, so the copies are not shown to it.

    Raises:
        NotFound: no such session or turn.
        SessionBusy: there is something in the other session already.
    """
    rows = yield _SOURCE, {"s": source}
    if not rows:
        raise NotFound("session", source)
    owner, settings, locale = rows[0]
    if head and not (yield _EXISTS, {"s": source, "h": head}):
        raise NotFound("turn", f"{source}.{head}")
    target = (yield from resolve(to, owner=owner)).session
    pending, used = (yield _BUSY, {"s": target})[0]
    if pending or used:
        raise SessionBusy(pending)
    for statement in _COPIES:
        yield statement, {"s": source, "to": target, "h": head, "f": 0, "n": _FAR}
    yield _POINT, {"to": target, "v": settings, "lo": locale}
    return cast(SessionInfo, (yield from session(to)))
