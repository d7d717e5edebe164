"""Calls that wait for a consent that will not come any more: they are closed."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select, update

from duihua.messages import EXPIRED, WITHDRAWN, TurnRef
from duihua_storage.expressions import const, now, number
from duihua_storage.statement import Op, Statement, Tx
from duihua_storage.tables import sessions, skill_calls, turns

C, S, T = skill_calls.c, sessions.c, turns.c

MARGIN = 3_600_000
"""Ms after their time for which calls are left alone: a decision that came in time may wait for its turn."""

_SHUT = update(skill_calls).values(state=const("refused"), result=bindparam("re"), ended=now())
_WITHDRAW = Statement(
    _SHUT.where(
        C.session_id == bindparam("s"),
        C.state == const("held"),
        or_(number("q") == const(0), C.seq == number("q")),
    )
)
_BESIDE = Statement(
    _SHUT.where(
        C.session_id == bindparam("s"),
        C.seq == bindparam("q"),
        C.state == const("held"),
        select(T.seq).where(T.session_id == C.session_id, T.seq == C.seq, T.detached == const(1)).exists(),
    )
)
_EXPIRE = Statement(
    _SHUT.where(
        C.state == const("held"),
        C.expires <= now() - number("age"),
        select(S.id).where(S.id == C.session_id, S.pending == const(0)).exists(),
    )
)


def withdraw(ref: TurnRef) -> Op:
    """What a turn asked is not asked any more; `seq` 0: nor what any other turn of the session asked."""
    return _WITHDRAW, {"s": ref.session, "q": ref.seq, "re": WITHDRAWN.encode()}


def beside(ref: TurnRef) -> Op:
    """What a turn asks is asked of nobody if the conversation has moved on while it ran."""
    return _BESIDE, {"s": ref.session, "q": ref.seq, "re": WITHDRAWN.encode()}


def sweep(age: int) -> Tx[None]:
    """Closes those whose time has been over for `age` ms, at most `MARGIN`."""
    yield _EXPIRE, {"re": EXPIRED.encode(), "age": min(age, MARGIN)}
