"""What front ends were handed: kept before it is acknowledged, emptied when it is worked through.

An arrival that is done keeps its key alone, so that a second delivery is known as one. What cannot be read
stays in quarantine for whoever looks after the bot. A source begins with the name of its front end, as in
`telegram/42`; it does not tell the tenant, so a person's arrivals are found by front end and sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, func, null, select, update

from duihua.arrivals import Arrival, Quarantined
from duihua_storage.expressions import const, now, number, numbers, word
from duihua_storage.holds import lock
from duihua_storage.sessions import clean
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import arrivals, identities

A, P = arrivals.c, identities.c
QUARANTINE = 30 * 86_400_000
"""Ms that what cannot be read is kept."""
QUARANTINED = 1_000
"""Arrivals of a source that may be in quarantine; the oldest go first."""
ERROR = 500
"""Characters of an error that are kept."""

_NEW = Statement(
    lambda insert: (
        insert(arrivals)
        .values(
            source=word("so"),
            key=word("k"),
            author=word("au"),
            state=const("new"),
            body=bindparam("b"),
            at=now(),
        )
        .on_conflict_do_nothing()
        .returning(A.id)
    )
)
OPEN = Statement(
    select(A.id, A.key, A.body)
    .where(A.source == bindparam("so"), A.state == const("new"), A.id > bindparam("i"))
    .order_by(A.id)
    .limit(bindparam("n"))
)
_empty = update(arrivals).values(state=const("done"), body=null(), author=const(""), error=null(), at=now())
_DONE = Statement(_empty.where(A.id.op("IN")(numbers("ids")), A.state != const("done")))
_BAD = Statement(
    update(arrivals)
    .values(state=const("bad"), error=bindparam("e"), at=now())
    .where(A.id.op("IN")(numbers("ids")), A.state == const("new"))
    .returning(A.source)
)
_other = arrivals.alias("other")
_first_too_many = (
    select(_other.c.id)
    .where(_other.c.source == bindparam("so"), _other.c.state == const("bad"))
    .order_by(_other.c.id.desc())
    .limit(const(1))
    .offset(const(QUARANTINED))
    .scalar_subquery()
)
_SHED = Statement(_empty.where(A.source == bindparam("so"), A.state == const("bad"), A.id <= _first_too_many))
_QUARANTINE = Statement(
    select(A.id, A.source, A.key, A.error, A.at, A.body)
    .where(A.state == const("bad"))
    .order_by(A.at.desc(), A.id.desc())
    .limit(bindparam("n"))
)
_SWEEP = [
    Statement(delete(arrivals).where(A.at < now() - number("age"), A.state == const("done"))),
    Statement(delete(arrivals).where(A.at < now() - const(QUARANTINE), A.state == const("bad"))),
]
_front = P.front.op("||")(const("/"))
THEIRS = (
    select(A.id)
    .join_from(identities, arrivals, P.external == A.author)
    .where(
        P.user_id == number("u"),
        A.author != const(""),
        func.substr(A.source.op("||")(const("/")), const(1), func.length(_front)) == _front,
    )
)
"""SQL: the ids of what a person (`u`) has sent and nobody has worked through."""
_FORGET = Statement(_empty.where(A.id.in_(THEIRS)))


def arrive(source: str, updates: Sequence[tuple[str, str, bytes]]) -> Tx[int]:
    """Keeps updates; returns how many are new.

    One transaction writes to a source at a time: whoever reads on from the last id must miss none that was
    given earlier and committed later.
    """
    yield from lock(source)
    so = clean(source)
    rows = yield [
        (_NEW, {"so": so, "k": clean(key), "au": clean(author), "b": body}) for key, author, body in updates
    ]
    return sum(map(len, rows))


def arrived(source: str, after: int, limit: int) -> Tx[Sequence[Arrival]]:
    """The open ones of a source, oldest first."""
    rows = yield OPEN, {"so": clean(source), "i": after, "n": limit}
    return [Arrival(id_, key, bytes(body or b"")) for id_, key, body in rows]


def settle(ids: Sequence[int], error: str) -> Tx[None]:
    """Empties what is worked through, or puts it into quarantine."""
    which: dict[str, Any] = {"ids": orjson.dumps(list(ids)).decode()}
    if not error:
        yield _DONE, which
        return
    rows = yield _BAD, {**which, "e": clean(error)[:ERROR]}
    for source in sorted({row[0] for row in rows}):
        yield _SHED, {"so": source}


def quarantine(limit: int) -> Tx[Sequence[Quarantined]]:
    """What cannot be read, the last one first."""
    rows = yield _QUARANTINE, {"n": limit}
    return [
        Quarantined(id_, source, key, error or "", at, bytes(body or b""))
        for id_, source, key, error, at, body in rows
    ]


def sweep(age: int) -> Tx[None]:
    """Drops the keys of what has been done for `age` ms, and what has been in quarantine for long enough."""
    for statement in _SWEEP:
        yield statement, {"age": age}


def forget(user: int) -> Tx[None]:
    """Empties what a person has sent; their identities must still be there."""
    yield _FORGET, {"u": user}
