"""What front ends owe their readers: a row has one sender at a time, a session's rows go in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, case, func, null, select, text, update

from duihua.messages import TurnRef
from duihua.ports import Send
from duihua_storage.expressions import const, now, number, numbers, word, words
from duihua_storage.sessions import clean, to_address
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import outbox, sessions

X, S = outbox.c, sessions.c
_OPEN = "state IN ('pending', 'sending')"


def _owe(insert: Any) -> Any:
    new = insert(outbox).values(
        session_id=bindparam("s"),
        seq=bindparam("q"),
        part=bindparam("pa"),
        kind=bindparam("ki"),
        state=const("pending"),
        body=bindparam("b"),
        at=now(),
    )
    return new.on_conflict_do_update(
        index_elements=[X.session_id, X.seq, X.part, X.kind],
        set_={"body": new.excluded.body, "state": const("pending"), "not_before": const(0)},
        where=X.state != const("sent"),
    )


OWE = Statement(_owe)
_earlier = outbox.alias("earlier")
_DUE = Statement(
    select(X.id, X.session_id, X.seq, X.part, X.kind, X.body, X.external_id, X.state, S.address)
    .join_from(outbox, sessions, S.id == X.session_id)
    .where(
        text(f"outbox.{_OPEN}"),
        X.not_before <= now(),
        X.body.is_not(null()),
        S.front.op("IN")(words("fr")),
        ~select(_earlier.c.id)
        .where(
            _earlier.c.session_id == X.session_id,
            _earlier.c.id < X.id,
            text(f"earlier.{_OPEN}"),
        )
        .exists(),
    )
    .order_by(X.not_before, X.id)
    .limit(bindparam("n"))
    .with_for_update(of=outbox, skip_locked=True)
)
_SENDING = Statement(
    update(outbox)
    .values(
        state=const("sending"),
        attempt=X.attempt + const(1),
        not_before=now() + number("l"),
    )
    .where(X.id.op("IN")(numbers("ids")))
)
_SETTLE = Statement(
    update(outbox)
    .values(
        state=bindparam("sta"),
        body=case((number("keep") == const(1), X.body), else_=null()),
        not_before=now() + number("d"),
        external_id=func.coalesce(word("x"), X.external_id),
        error=bindparam("e"),
    )
    .where(X.id == bindparam("i"), text(_OPEN))
)
_theirs = func.substr(S.key, const(1), func.length(word("so"))) == word("so")
_TAKE_BACK = Statement(
    update(outbox)
    .values(not_before=now())
    .where(
        text(_OPEN),
        X.state == const("sending"),
        X.not_before <= now() + number("l"),
        X.session_id.in_(select(S.id).where(_theirs)),
    )
)


def take_sends(fronts: Sequence[str], lease: int, limit: int) -> Tx[Sequence[Send]]:
    """Due rows, marked as being sent: of each session only the oldest that is open."""
    rows = yield _DUE, {"fr": orjson.dumps(list(fronts)).decode(), "n": limit}
    if not rows:
        return []
    yield _SENDING, {"ids": orjson.dumps([row[0] for row in rows]).decode(), "l": lease}
    return [
        Send(id_, TurnRef(session, seq), part, kind, body, to_address(at), external or "", state == "sending")
        for id_, session, seq, part, kind, body, external, state, at in rows
    ]


def take_back(source: str, within: int) -> Tx[None]:
    """What was being sent for a source is due at once, if that was to be at most `within` ms from now."""
    yield _TAKE_BACK, {"so": f"{clean(source)}/", "l": within}


def settle_send(send: int, state: str, external_id: str, delay: int, error: str) -> Tx[None]:
    """Notes how a send went. What is settled stays so."""
    keep = 1 if state == "pending" else 0
    change = {"sta": state, "keep": keep, "d": delay, "x": external_id or None, "e": error or None}
    yield _SETTLE, {"i": send, **change}
