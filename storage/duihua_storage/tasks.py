"""Work that platforms do in the background: one row each, which is written before the platform is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, null, select, update

from duihua.ports import StoredTask, TaskState
from duihua_storage.expressions import blob, const, now, word
from duihua_storage.sessions import clean
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import tasks

T = tasks.c
_ROW = (
    T.id,
    T.tenant,
    T.owner_id,
    T.kind,
    T.platform,
    T.model,
    T.echoed,
    T.external_id,
    T.state,
    T.result,
    T.error,
    T.created,
    T.ended,
)
_FINAL = ("done", "failed")
_NEW = Statement(
    insert(tasks)
    .values(
        tenant=bindparam("te"),
        owner_id=bindparam("o"),
        kind=bindparam("ki"),
        platform=bindparam("pl"),
        model=bindparam("m"),
        state=const("starting"),
        created=now(),
    )
    .returning(T.id)
)
_SETTLE = Statement(
    update(tasks)
    .values(
        state=bindparam("sta"),
        echoed=func.coalesce(word("ec"), T.echoed),
        external_id=func.coalesce(word("x"), T.external_id),
        result=blob("r"),
        error=blob("er"),
        ended=case((word("sta").in_([const(state) for state in _FINAL]), now()), else_=null()),
    )
    .where(T.id == bindparam("i"), T.state.not_in([const(state) for state in _FINAL]))
    .returning(T.id)
)
_ONE = Statement(select(*_ROW).where(T.id == bindparam("i"), T.tenant == bindparam("te")))
_NEWEST = Statement(
    select(*_ROW).where(T.tenant == bindparam("te")).order_by(T.id.desc()).limit(bindparam("n"))
)
_FORGET = Statement(delete(tasks).where(T.id == bindparam("i"), T.tenant == bindparam("te")).returning(T.id))


def new(tenant: str, owner: int, kind: str, platform: str, model: str) -> Tx[int]:
    """Writes down that a task is about to be started; returns its id."""
    rows = yield _NEW, {"te": tenant, "o": owner, "ki": kind, "pl": platform, "m": clean(model)}
    return int(rows[0][0])


def settle(
    task: int, state: TaskState, external_id: str, echoed: str, result: bytes | None, error: bytes | None
) -> Tx[bool]:
    """Where a task stands now; False if that is settled already, or it was forgotten."""
    texts = {"ec": clean(echoed) or None, "x": clean(external_id) or None}
    rows = yield _SETTLE, {"i": task, "sta": state, "r": result, "er": error, **texts}
    return bool(rows)


def task(tenant: str, task: int) -> Tx[StoredTask | None]:
    """One task."""
    rows = yield _ONE, {"te": tenant, "i": task}
    return _stored(rows[0]) if rows else None


def newest(tenant: str, limit: int) -> Tx[Sequence[StoredTask]]:
    """The last tasks, the newest first."""
    rows = yield _NEWEST, {"te": tenant, "n": limit}
    return [_stored(row) for row in rows]


def forget(tenant: str, task: int) -> Tx[bool]:
    """Erases a task; False if there is none."""
    rows = yield _FORGET, {"te": tenant, "i": task}
    return bool(rows)


def _stored(row: tuple[Any, ...]) -> StoredTask:
    id_, tenant, owner, kind, platform, model, echoed, external_id, state, result, error, created, ended = row
    return StoredTask(
        id=id_,
        tenant=tenant,
        owner=owner,
        kind=kind,
        platform=platform,
        model=model,
        echoed=echoed or "",
        external_id=external_id or "",
        state=state,
        result=None if result is None else bytes(result),
        error=None if error is None else bytes(error),
        created=created,
        ended=ended or 0,
    )
