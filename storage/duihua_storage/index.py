"""The search index of an owner's turns: what is added, erased and found in it.

An owner's documents live in segments, which never change: what is added becomes a new one, and when those of
a size come to the next size together, they are merged into one. So a document is written a few times in all,
however many there are; and as no id is given twice, a decoded segment can be kept by its id.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import bindparam, case, delete, insert, null, select, union_all, update

from duihua.memories import Choice, Document, Matches, Place
from duihua_storage.cache import SegmentCache
from duihua_storage.expressions import const, number, numbers
from duihua_storage.facts import book
from duihua_storage.history import said
from duihua_storage.segments import Segment, build, decode, encode, merge
from duihua_storage.statement import Op, Statement, Tx
from duihua_storage.tables import segments, sessions, turns, users, vectors

SIZES = [32, 1024]
"""The weights at which segments of the next size begin; twice the last one is what a segment can hold."""
_LAST = 2**63 - 1

G, S, T, V = segments.c, sessions.c, turns.c, vectors.c

_LOCK_PERSON = Statement(
    select(users.c.id).where(users.c.id == bindparam("o")).with_for_update(key_share=True)
)
_LOCK_SESSION = Statement(select(S.id).where(S.id == bindparam("o")).with_for_update(key_share=True))
_known = (  # its turns lie in a box of sessions and seqs: whether some that are to be added can be among them
    (G.session_from <= number("s2"))
    & (G.session_to >= number("s1"))
    & (G.seq_from <= number("q2"))
    & (G.seq_to >= number("q1"))
)
_ROWS = Statement(
    select(G.id, G.weight, case((_known, const(1)), else_=const(0)))
    .where(G.owner_id == bindparam("o"), (G.weight < number("top")) | _known)
    .order_by(G.id)
)
_IDS = Statement(select(G.id).where(G.owner_id == bindparam("o")).order_by(G.id))
_BODIES = Statement(select(G.id, G.body).where(G.id.op("IN")(numbers("ids"))).order_by(G.id))
_INSERT = Statement(
    insert(segments).values(
        owner_id=bindparam("o"),
        weight=bindparam("w"),
        session_from=bindparam("s1"),
        session_to=bindparam("s2"),
        seq_from=bindparam("q1"),
        seq_to=bindparam("q2"),
        body=bindparam("b"),
    )
)
_DELETE = Statement(delete(segments).where(G.id.op("IN")(numbers("ids"))))


def _weight(document: Document) -> int:
    """A long document counts as several, for it is as much work."""
    return 1 + len(document.terms) // 256


# ---------------------------------------------------------------- adding


def add(owner: int, documents: Sequence[Document]) -> Tx[None]:
    """Indexes documents; one that is there already stays as it is. Nothing for an owner who is gone."""
    if not documents:
        return
    new = {(d.ref.session, d.ref.seq): d for d in reversed(documents)}
    box = _box(*zip(*new, strict=True))
    there, found = yield [_locking(owner), (_ROWS, {"o": owner, "top": SIZES[-1], **box})]
    if not there:
        return
    for segment in (yield from _read(id_ for id_, _, known in found if known)).values():
        for place in segment.places():
            new.pop(place, None)
    rows: dict[int, int] = {id_: weight for id_, weight, _ in found}
    for some in _portions(sorted(new.values(), key=lambda d: (d.at, d.ref.session, d.ref.seq))):
        yield from _settle(owner, rows, build(some), sum(map(_weight, some)))


def _portions(documents: Sequence[Document]) -> Iterable[Sequence[Document]]:
    """Documents for one segment each, none of them larger than the largest size asks for."""
    start = total = 0
    for i, document in enumerate(documents):
        total += _weight(document)
        if total > SIZES[-1] and i > start:
            yield documents[start:i]
            start, total = i, _weight(document)
    if start < len(documents):
        yield documents[start:]


def _settle(owner: int, rows: dict[int, int], segment: Segment, weight: int) -> Tx[None]:
    """Writes a segment, merged with others of its size when there are enough.

    `rows` are the owner's segments with their weights; what is merged leaves them.
    """
    gone: list[int] = []
    while (level := bisect(SIZES, weight)) < len(SIZES):
        least, enough = [0, *SIZES][level], SIZES[level]
        peers: list[int] = []
        together = weight
        for id_, other in rows.items():
            if least <= other < enough and together < enough:
                together += other
                peers.append(id_)
        if together < enough:
            break
        segment = merge([*(yield from _read(peers)).values(), segment])
        weight = together
        gone += peers
        for id_ in peers:
            del rows[id_]
    if gone:
        yield _DELETE, {"ids": _list(gone)}
    yield _insertion(owner, segment, weight)


def _insertion(owner: int, segment: Segment, weight: int) -> Op:
    box = _box(segment.sessions, segment.seqs)
    return _INSERT, {"o": owner, "w": weight, **box, "b": encode(segment)}


def _box(sessions: Sequence[int], seqs: Sequence[int]) -> dict[str, int]:
    return {"s1": min(sessions), "s2": max(sessions), "q1": min(seqs), "q2": max(seqs)}


# ---------------------------------------------------------------- erasing and moving

_mine = select(S.owner_id).where(S.id == number("s"))
_ours = select(-number("s"))
_said = select(T.author_id).where(T.session_id == number("s"), T.author_id.is_not(null()))
_here = (G.session_from <= number("s")) & (G.session_to >= number("s"))
_these = (G.seq_from <= number("q2")) & (G.seq_to >= number("q1"))
_OWNERS = Statement(
    select(G.owner_id).where(_here, G.owner_id.in_(union_all(_mine, _ours, _said))).distinct()
)
_OWNERS_SOME = Statement(
    select(G.owner_id)
    .where(_here, _these)
    .where(G.owner_id.in_(union_all(_mine, _ours, _said.where(T.seq.op("IN")(numbers("qs"))))))
    .distinct()
)
_HOLDING = Statement(
    select(G.id, G.weight, G.body).where(G.owner_id == bindparam("o"), _here, _these).order_by(G.id)
)
_NO_VECTORS = Statement(delete(vectors).where(V.session_id == bindparam("s")))
_NO_VECTORS_SOME = Statement(
    delete(vectors).where(V.session_id == bindparam("s"), V.seq.op("IN")(numbers("qs")))
)
_DROP = Statement(delete(segments).where(G.owner_id == bindparam("o")))
_DROP_VECTORS = Statement(delete(vectors).where(V.owner_id == bindparam("o")))
_other = segments.alias()
_BOTH = Statement(
    select(G.id, G.weight)
    .where(G.owner_id == bindparam("o"))
    .where(
        select(_other.c.id)
        .where(
            _other.c.owner_id == number("to"),
            *(G.session_from <= _other.c.session_to, G.session_to >= _other.c.session_from),
            *(G.seq_from <= _other.c.seq_to, G.seq_to >= _other.c.seq_from),
        )
        .exists()
    )
    .order_by(G.id)
)
_MOVE = Statement(update(segments).values(owner_id=bindparam("to")).where(G.owner_id == bindparam("o")))
_MOVE_VECTORS = Statement(
    update(vectors).values(owner_id=bindparam("to")).where(V.owner_id == bindparam("o"))
)


def remove(session: int, seqs: Collection[int] | None) -> Tx[None]:
    """Erases turns of a session (None: all) from every owner's index, with their embeddings.

    The turns' own rows must still be there: they tell whose index they may be in.
    """
    if seqs is not None and not seqs:
        return
    where: dict[str, Any] = {"s": session, "q1": 0, "q2": _LAST}
    if seqs is None:
        _, owners = yield [(_NO_VECTORS, where), (_OWNERS, where)]
    else:
        where = {"s": session, "q1": min(seqs), "q2": max(seqs), "qs": _list(seqs)}
        _, owners = yield [(_NO_VECTORS_SOME, where), (_OWNERS_SOME, where)]
    for owner in sorted(row[0] for row in owners):
        yield _locking(owner)
        for id_, weight, body in (yield _HOLDING, {**where, "o": owner}):
            segment = decode(body)
            gone = {place for place in segment.places() if place[0] == session}
            if seqs is not None:
                gone &= {(session, seq) for seq in seqs}
            yield from _without(owner, id_, weight, segment, gone)


def drop(owner: int) -> Tx[None]:
    """Erases all of an owner's index."""
    yield _DROP, {"o": owner}
    yield _DROP_VECTORS, {"o": owner}


def move(owner: int, to: int) -> Tx[None]:
    """Gives all of an owner's index to another one. What both have stays once; sizes settle later."""
    for one in sorted((owner, to)):
        yield _locking(one)
    mine = yield _BOTH, {"o": owner, "to": to}
    theirs = yield _BOTH, {"o": to, "to": owner}
    known: set[Place] = set()
    for segment in (yield from _read(row[0] for row in theirs)).values():
        known.update(segment.places())
    weights: dict[int, int] = dict(mine)
    for id_, segment in (yield from _read(weights)).items():
        yield from _without(owner, id_, weights[id_], segment, known.intersection(segment.places()))
    yield _MOVE, {"o": owner, "to": to}
    yield _MOVE_VECTORS, {"o": owner, "to": to}


def _without(owner: int, id_: int, weight: int, segment: Segment, gone: set[Place]) -> Tx[None]:
    """Writes a segment again without some of its documents."""
    if not gone:
        return
    yield _DELETE, {"ids": _list([id_])}
    left = len(segment) - len(gone)
    if left:
        yield _insertion(owner, merge([segment], gone), max(left, weight * left // len(segment)))


# ---------------------------------------------------------------- finding


def match(
    cache: SegmentCache,
    owner: int,
    terms: Sequence[str],
    rows: int,
    between: tuple[int, int] | None,
    choose: Choice | None,
    *,
    facts: bool = False,
) -> Tx[Matches]:
    """The documents that hold the terms: see `MemoryStore.match`. Only for a transaction that reads."""
    ids = [row[0] for row in (yield _IDS, {"o": owner})]
    found = cache.get(owner, ids)
    if len(found) < len(ids):
        read = yield from _read(id_ for id_ in ids if id_ not in found)
        cache.put(owner, read)
        found.update(read)
    matches = cache.search(owner, found, terms, rows, between)
    if facts:
        matches = replace(matches, book=(yield from book(owner, False)))
    wanted = choose(matches) if choose else ()
    return replace(matches, turns=(yield from said(wanted))) if wanted else matches


# ---------------------------------------------------------------- rows


def _locking(owner: int) -> Op:
    """Nobody else changes the owner's segments until this transaction ends. No row: the owner is gone."""
    return (_LOCK_PERSON, {"o": owner}) if owner > 0 else (_LOCK_SESSION, {"o": -owner})


def _read(ids: Iterable[int]) -> Tx[dict[int, Segment]]:
    wanted = _list(ids)
    if wanted == "[]":
        return {}
    return {id_: decode(body) for id_, body in (yield _BODIES, {"ids": wanted})}


def _list(ids: Iterable[int]) -> str:
    return orjson.dumps(list(ids)).decode()
