"""The fence: a running turn is written by the claim that holds its session, and by nobody else.

A token is new for every claim and leaves the session's row with the lease. While it stands there and the row
is locked, nobody can raise the turn's attempt, or erase the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, select

from duihua.errors import Superseded
from duihua.ports import Fence
from duihua_storage.expressions import const
from duihua_storage.statement import Op, Rows, Statement, Tx
from duihua_storage.tables import sessions, turns

S, T = sessions.c, turns.c

MINE = and_(
    T.session_id == bindparam("s"),
    T.seq == bindparam("q"),
    T.attempt == bindparam("a"),
    T.state == const("running"),
)
"""SQL: the turn is running, and in this attempt."""

_LOCK = Statement(
    select(S.id).where(S.id == bindparam("s"), S.lease_owner == bindparam("tok")).with_for_update()
)
_RUNNING = Statement(select(T.seq).where(MINE))


def guarded(fence: Fence, ops: Sequence[Op] = ()) -> Tx[Rows]:
    """Locks the session's row, then runs `ops`; returns their rows.

    Raises:
        Superseded: the turn is not this worker's any more; nothing of this transaction stays.
    """
    mine = key(fence)
    # The turn is looked at when the lock is there: in one statement it would be seen as it was before.
    locked, running, *rows = yield [(_LOCK, mine), (_RUNNING, mine), *ops]
    if not locked or not running:
        raise superseded(fence)
    return rows


def key(fence: Fence) -> dict[str, Any]:
    """The parameters of `MINE` and the token (`tok`)."""
    return {"s": fence.ref.session, "q": fence.ref.seq, "a": fence.attempt, "tok": fence.token}


def superseded(fence: Fence) -> Superseded:
    """The error of a fence that no longer holds."""
    return Superseded(f"turn {fence.ref.session}.{fence.ref.seq}, attempt {fence.attempt}, is another's now")
