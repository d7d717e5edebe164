"""The right to work on a source: one token has it, until its lease ends by the database's clock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, or_, select, update

from duihua_storage.expressions import const, now, number, word
from duihua_storage.sessions import clean
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import holds

H = holds.c


def _hold(insert: Any) -> Any:
    new = insert(holds).values(source=word("so"), token=word("tok"), until=now() + number("l"))
    return new.on_conflict_do_update(
        index_elements=[H.source],
        set_={"token": new.excluded.token, "until": new.excluded.until},
        where=or_(H.token == new.excluded.token, H.until <= now()),
    ).returning(H.source)


_HOLD = Statement(_hold)
_LET_GO = Statement(
    update(holds)
    .values(token=const(""), until=const(0))
    .where(H.source == bindparam("so"), H.token == bindparam("tok"))
)
_HOLDER = Statement(select(H.token).where(H.source == bindparam("so"), H.until > now()))
_NOBODY_S = Statement(lambda insert: insert(holds).values(source=word("so")).on_conflict_do_nothing())
_LOCK = Statement(select(H.source).where(H.source == bindparam("so")).with_for_update())


def hold(source: str, token: str, lease: int) -> Tx[bool]:
    """Takes or renews the right for `lease` ms; False: another token has it."""
    rows = yield _HOLD, {"so": clean(source), "tok": token, "l": lease}
    return bool(rows)


def let_go(source: str, token: str) -> Tx[None]:
    """Gives the right back."""
    yield _LET_GO, {"so": clean(source), "tok": token}


def holder(source: str) -> Tx[str]:
    """The token that has it; empty: none."""
    rows = yield _HOLDER, {"so": clean(source)}
    return rows[0][0] if rows else ""


def lock(source: str) -> Tx[None]:
    """Keeps others that write to a source waiting until this transaction's end, whoever has the right."""
    at = {"so": clean(source)}
    if not (yield _LOCK, at):
        yield [(_NOBODY_S, at), (_LOCK, at)]
