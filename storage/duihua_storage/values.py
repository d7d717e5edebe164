"""Sums and small values: what a person has used, and what the program itself keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import bindparam, func, select

from duihua.messages import Usage
from duihua_storage.expressions import now
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import state
from duihua_storage.tables import usage as usages

U, V = usages.c, state.c


def _put(insert: Any) -> Any:
    new = insert(state).values(name=bindparam("n"), value=bindparam("v"), at=now())
    return new.on_conflict_do_update(
        index_elements=[V.name], set_={"value": new.excluded.value, "at": new.excluded["at"]}
    )


_PUT = Statement(_put)
_GET = Statement(select(V.value).where(V.name == bindparam("n")))
_USAGE = Statement(
    select(
        U.model,
        func.sum(U.turns),
        func.sum(U.input),
        func.sum(U.output),
        func.sum(U.cached),
        func.sum(U.reasoning),
        func.sum(U.micros),
    )
    .where(U.owner_id == bindparam("u"))
    .group_by(U.model)
    .order_by(U.model)
)


def usage(owner: int) -> Tx[Sequence[tuple[str, int, Usage, int]]]:
    """(model, turns, usage, micros) of a person over all days."""
    rows = yield _USAGE, {"u": owner}
    return [(model, int(turns), Usage(*map(int, used)), int(micros)) for model, turns, *used, micros in rows]


def get(name: str) -> Tx[bytes | None]:
    """A value, None if it was never put."""
    rows = yield _GET, {"n": name}
    return cast(bytes, rows[0][0]) if rows else None


def put(name: str, value: bytes) -> Tx[None]:
    """Keeps a value under its name."""
    yield _PUT, {"n": name, "v": value}
