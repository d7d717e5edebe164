"""Calls that no conversation led to, such as an MCP client's: they stand in the audit like all others."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, update

from duihua.codec import encode
from duihua.errors import NotFound
from duihua.messages import SETTLED, Call, Step, TurnRef, call_id
from duihua.ports import Fence
from duihua_storage.expressions import const, now
from duihua_storage.history import parse_call
from duihua_storage.journal import SET_CALL, journal
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import sessions, turns

S = sessions.c

# `kept`: nothing is to be noted of it, `detached`: no conversation goes on from it.
_SEQ = Statement(
    update(sessions)
    .values(next_seq=S.next_seq + const(1), kept=S.next_seq, touched=now())
    .where(S.id == bindparam("s"))
    .returning(S.next_seq - const(1))
)
_TURN = Statement(
    insert(turns).values(
        session_id=bindparam("s"),
        seq=bindparam("q"),
        parent=const(0),
        state=const("done"),
        detached=const(1),
        no_recall=const(1),
        input=bindparam("i"),
        started=now(),
        ended=now(),
    )
)


def begin(session: int, call: Call, approved: bool) -> Tx[str]:
    """Writes a call down that runs from now on; returns its id."""
    rows = yield _SEQ, {"s": session}
    if not rows:
        raise NotFound("session", session)
    ref = TurnRef(session, rows[0][0])
    asked = Call("", call.name, call.arguments, "held" if approved else "planned", effect=call.effect)
    yield _TURN, {"s": session, "q": ref.seq, "i": encode(())}
    yield journal(Fence(ref, 1, ""), 0, Step((), (asked,)))
    id_ = call_id(ref, 0, 0)
    yield from _set(id_, "running", "", None)  # which notes who approved of what was held
    return id_


def end(call: Call, took: int) -> Tx[None]:
    """Sets what became of it."""
    yield from _set(call.id, call.state, call.result, took)


def _set(id_: str, state: str, result: str, took: int | None) -> Tx[None]:
    at = parse_call(id_)
    if at is None:
        raise NotFound("call", id_)
    change = {
        "sta": state,
        "re": result.encode() or None,
        "own": at["q"],
        "x": None,
        "e": None,
        "h": None,
        "took": took,
    }
    yield SET_CALL, {**at, **change, "end": int(state in SETTLED)}
