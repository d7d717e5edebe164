"""Which messages of a front end show which turn. The rows hold ids alone and go with their turn.

Only what exists gets rows: a session for a notice (`seq` below 0), the turn itself for an answer. So that
nothing is written down for what is being erased, each transaction takes the session's row first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, case, delete, func, or_, select, text, update

from duihua.messages import TurnRef
from duihua.showing import Shown
from duihua_storage.expressions import const, now, number, numbers, word
from duihua_storage.sessions import clean
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import outbox, sessions, shown, turns

H, S, T, X = shown.c, sessions.c, turns.c, outbox.c

_LOCK = Statement(select(S.id).where(S.id == bindparam("s")).with_for_update(read=True, key_share=True))


def _exists(name: str) -> Any:
    turn = select(T.seq).where(T.session_id == S.id, T.seq == number(name)).exists()
    return and_(S.id == number("s"), or_(number(name) < const(0), turn))


def _once_more(new: Any) -> Any:
    """Whether a part is begun again of which nobody knows what became."""
    return and_(H.external_id == const(""), new.excluded.external_id == const(""))


def _show(insert: Any) -> Any:
    values = {
        "session_id": S.id,
        "seq": number("q"),
        "part": number("pa"),
        "external_id": word("x"),
        "at": now(),
    }
    new = insert(shown).from_select(list(values), select(*values.values()).where(_exists("q")))
    return new.on_conflict_do_update(
        index_elements=[H.session_id, H.seq, H.part],
        set_={
            "external_id": new.excluded.external_id,
            "at": new.excluded["at"],
            "doubts": H.doubts + case((_once_more(new), const(1)), else_=const(0)),
        },
    )


_SHOW = Statement(_show)
_OF_TURN = Statement(
    select(H.part, H.external_id)
    .where(H.session_id == bindparam("s"), H.seq == bindparam("q"))
    .order_by(H.part)
)
_these = and_(H.session_id == bindparam("s"), H.seq == bindparam("q"), H.part.op("IN")(numbers("ps")))
_UNSHOW = Statement(delete(shown).where(_these, H.doubts == const(0)))
_DOUBT = Statement(  # the one that is no more is known: what came before it, perhaps, is as unknown as it was
    update(shown).values(external_id=const(""), doubts=H.doubts - const(1)).where(_these, H.doubts > const(0))
)
_own = shown.alias("own")
_RESHOW = Statement(
    update(shown)
    .values(seq=number("to"), at=now())
    .where(
        H.session_id == number("s"),
        H.seq == number("q"),
        ~select(_own.c.part).where(_own.c.session_id == number("s"), _own.c.seq == number("to")).exists(),
        select(S.id).where(_exists("to")).exists(),
    )
)
_IN = Statement(
    select(func.max(H.seq)).where(H.session_id == bindparam("s"), H.external_id == bindparam("x"))
)
_LOST = Statement(
    select(H.session_id, H.seq, H.part)
    .where(
        or_(H.external_id == const(""), H.doubts > const(0)),
        ~select(T.seq)
        .where(T.session_id == H.session_id, T.seq == H.seq, T.state == const("running"))
        .exists(),
        ~select(X.id)
        .where(X.session_id == H.session_id, X.seq == H.seq, text("state IN ('pending', 'sending')"))
        .exists(),
    )
    .order_by(H.session_id, H.seq, H.part)
    .limit(bindparam("n"))
)


_OWED = Statement(
    select(X.id)
    .where(
        X.session_id == bindparam("s"),
        X.seq < bindparam("q"),
        text("state IN ('pending', 'sending')"),
    )
    .limit(1)
)


def show(ref: TurnRef, part: int, external: str) -> Tx[None]:
    """Writes down what shows a part; nothing if its turn was erased."""
    at = {"s": ref.session, "q": ref.seq}
    yield [(_LOCK, at), (_SHOW, {**at, "pa": part, "x": clean(external)})]


def of_turn(ref: TurnRef) -> Tx[Sequence[Shown]]:
    """The messages of a turn's answer, by part."""
    rows = yield _OF_TURN, {"s": ref.session, "q": ref.seq}
    return [Shown(part, external) for part, external in rows]


def unshow(ref: TurnRef, parts: Sequence[int]) -> Tx[None]:
    """These are no more; what may have come besides stays in doubt."""
    these = {"s": ref.session, "q": ref.seq, "ps": orjson.dumps(list(parts)).decode()}
    yield [(_UNSHOW, these), (_DOUBT, these)]


def reshow(ref: TurnRef, to: TurnRef) -> Tx[None]:
    """Gives a turn's messages to another one of its session that has none."""
    if ref.session != to.session:
        raise ValueError("messages do not go from one session to another")
    at = {"s": ref.session, "q": ref.seq, "to": to.seq}
    yield [(_LOCK, at), (_RESHOW, at)]


def shown_in(session: int, external: str) -> Tx[int]:
    """The turn that a message shows; 0: none."""
    if not external:
        return 0
    rows = yield _IN, {"s": session, "x": clean(external)}
    return int(rows[0][0] or 0)


def owed_before(ref: TurnRef) -> Tx[bool]:
    """Whether the outbox still has something from before a turn."""
    return bool((yield _OWED, {"s": ref.session, "q": ref.seq}))


def lost(limit: int) -> Tx[Sequence[tuple[TurnRef, int]]]:
    """Parts that may have come once more than we know."""
    rows = yield _LOST, {"n": limit}
    return [(TurnRef(session, seq), part) for session, seq, part in rows]
