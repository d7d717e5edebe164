"""The calls that models made, newest first, with who asked for them and who consented."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, or_, select

from duihua.messages import TurnRef, call_id
from duihua.ports import AuditedCall
from duihua_storage.expressions import const, number, word
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import sessions, skill_calls, steps

C, S, P = skill_calls.c, sessions.c, steps.c

_AUDIT = Statement(
    select(
        C.session_id,
        C.seq,
        C.step,
        C.idx,
        S.key,
        C.name,
        C.effect,
        C.state,
        C.arguments,
        C.result,
        C.asker_id,
        C.approver_id,
        P.at,
        C.started,
        C.ended,
    )
    .join_from(skill_calls, sessions, S.id == C.session_id)
    .join(steps, and_(P.session_id == C.session_id, P.seq == C.seq, P.step == C.step))
    .where(
        S.tenant == word("te"),
        or_(number("u") == const(0), C.asker_id == number("u"), C.approver_id == number("u")),
        or_(word("k") == const(""), S.key == word("k")),
    )
    .order_by(P.at.desc(), C.session_id.desc(), C.seq.desc(), C.step.desc(), C.idx.desc())
    .limit(number("n"))
)


def audit(tenant: str, user: int, session: str, limit: int) -> Tx[Sequence[AuditedCall]]:
    """The newest calls; `user` (0: any) asked for them or consented, `session` (empty: any) is a key."""
    rows = yield _AUDIT, {"te": tenant, "u": user, "k": session, "n": limit}
    out: list[AuditedCall] = []
    for id_, seq, step, index, key, name, effect, state, arguments, result, asker, approver, *times in rows:
        asked, started, ended = (time or 0 for time in times)
        out.append(
            AuditedCall(
                id=call_id(TurnRef(id_, seq), step, index),
                session=key,
                name=name,
                effect=effect,
                state=state,
                arguments=(arguments or b"").decode(),
                result=(result or b"").decode(),
                asker=asker or 0,
                approver=approver or 0,
                asked=asked,
                started=started,
                ended=ended,
            )
        )
    return out
