"""The fence: a running turn is written by the claim that holds its session, and by nobody else.

A token is new for every claim and leaves the session's row with the lease. While it stands there and the row
is locked, nobody can raise the turn's attempt, or erase the turn.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, func, select

from duihua.errors import Superseded
from duihua.ports import Fence
from duihua_storage.expressions import const
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import sessions, turns

S, T = sessions.c, turns.c

MINE = and_(
    T.session_id == bindparam("s"),
    T.seq == bindparam("q"),
    T.attempt == bindparam("a"),
    T.state == const("running"),
)
"""SQL: the turn is running, and in this attempt."""

_HOLD = Statement(
    select(func.coalesce(T.author_id, S.owner_id))
    .join_from(sessions, turns, T.session_id == S.id)
    .where(S.id == bindparam("s"), S.lease_owner == bindparam("tok"), MINE)
    .with_for_update(of=sessions)
)


def hold(fence: Fence) -> Tx[int]:
    """Locks the session's row and checks the fence; returns users.id of the turn's author.

    Raises:
        Superseded: the turn is not this worker's any more.
    """
    rows = yield _HOLD, key(fence)
    if not rows:
        raise superseded(fence)
    author: int = rows[0][0]
    return author


def key(fence: Fence) -> dict[str, Any]:
    """The parameters of `MINE` and the token (`tok`)."""
    return {"s": fence.ref.session, "q": fence.ref.seq, "a": fence.attempt, "tok": fence.token}


def superseded(fence: Fence) -> Superseded:
    """The error of a fence that no longer holds."""
    return Superseded(f"turn {fence.ref.session}.{fence.ref.seq}, attempt {fence.attempt}, is another's now")
