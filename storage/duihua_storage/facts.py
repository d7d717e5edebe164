"""Facts: what is known about an owner, with the turns it rests on.

Whoever changes the facts of a person holds their row, and raises its generation: a writer that read them
before writes nothing. Of a shared conversation the session's row is held, and the version is a digest of the
facts themselves. Locks are taken in this order: sessions, people, facts.

A source with seq 0 is a session whose turn went while the fact was to stay: nothing is shown of it, but with
the whole session the fact goes, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import orjson
from sqlalchemy import Float, bindparam, case, delete, func, insert, literal_column, null, select, update

from duihua.memories import Fact, FactBook, FactChange, FactKind, Finding, Place
from duihua.messages import TurnRef
from duihua_storage.expressions import const, now, number, numbers
from duihua_storage.sessions import clean
from duihua_storage.statement import Op, Statement, Tx
from duihua_storage.tables import fact_sources, facts, sessions, turns, users

F, X, S, T, U = facts.c, fact_sources.c, sessions.c, turns.c, users.c

# ---------------------------------------------------------------- reading

_FACTS = Statement(
    select(
        F.id,
        F.kind,
        F.subject,
        F.content,
        F.confidence,
        F.first_seen,
        F.last_seen,
        func.coalesce(F.expires, const(0)),
        func.coalesce(F.superseded_by, const(0)),
    )
    .where(F.owner_id == bindparam("o"))
    .order_by(F.id)
)
_SOURCES = Statement(
    select(X.fact_id, X.session_id, X.seq)
    .join_from(facts, fact_sources, X.fact_id == F.id)
    .where(F.owner_id == bindparam("o"))
    .order_by(X.fact_id, X.session_id, X.seq)
)
_GENERATION = Statement(select(U.generation, now()).where(U.id == bindparam("o")))
_SESSION_GENERATION = Statement(select(S.generation, now()).where(S.id == bindparam("o")))


def book(owner: int, superseded: bool) -> Tx[FactBook]:
    """The facts of an owner with their version. Expired ones belong to the history."""
    asked = _GENERATION if owner > 0 else _SESSION_GENERATION
    known, rows, rests = yield [
        (asked, {"o": abs(owner)}),
        (_FACTS, {"o": owner}),
        (_SOURCES, {"o": owner}),
    ]
    if not known:
        return FactBook(0)
    generation, at = known[0]
    sources: dict[int, list[TurnRef]] = {}
    for fact, session, seq in rests:
        sources.setdefault(fact, []).append(TurnRef(session, seq))
    everything = [_fact(owner, row, sources.get(row[0], ())) for row in rows]
    found = tuple(
        fact for fact in everything if superseded or not (fact.superseded_by or 0 < fact.expires <= at)
    )
    version = generation if owner > 0 else _digest(generation, rows)
    return FactBook(version, found, _outdated(everything))


def _outdated(everything: Sequence[Fact]) -> dict[Place, list[tuple[Fact, Fact]]]:
    """The turns that a fact rests on which another one has replaced since, with both."""
    found: dict[Place, list[tuple[Fact, Fact]]] = {}
    later = {fact.id: fact for fact in everything} if any(fact.superseded_by for fact in everything) else {}
    for fact in later.values():
        holds = fact
        while holds.superseded_by in later:
            holds = later[holds.superseded_by]
        if holds is not fact and holds.text != fact.text:
            for ref in fact.sources:
                found.setdefault((ref.session, ref.seq), []).append((fact, holds))
    return found


def _fact(owner: int, row: Any, sources: Sequence[TurnRef]) -> Fact:
    id_, kind, subject, content, confidence, first_seen, last_seen, expires, superseded_by = row
    return Fact(
        id=id_,
        owner=owner,
        kind=cast(FactKind, kind),
        subject=subject or "",
        text=bytes(content).decode(),
        sources=tuple(source for source in sources if source.seq),
        confidence=confidence,
        first_seen=first_seen,
        last_seen=last_seen,
        expires=expires,
        superseded_by=superseded_by,
        stays=tuple(source.session for source in sources if not source.seq),
    )


def _digest(generation: int, rows: Iterable[Any]) -> int:
    """A version of facts that no row of a person counts: another one after any change."""
    seen = hashlib.blake2b(str(generation).encode(), digest_size=7)
    for id_, *_, confidence, _first, last_seen, expires, superseded_by in rows:
        seen.update(f"/{id_},{confidence},{last_seen},{expires},{superseded_by}".encode())
    return int.from_bytes(seen.digest())


# ---------------------------------------------------------------- writing

_RAISE = update(users).values(generation=U.generation + const(1)).where(U.id == bindparam("o"))
_RAISE_ANY = Statement(_RAISE)
_RAISE_FROM = Statement(_RAISE.where(U.generation == bindparam("v")).returning(U.id))
_LOCK_SESSION = Statement(select(S.generation).where(S.id == bindparam("o")).with_for_update(key_share=True))
_HOLD = Statement(  # against an erase, which locks the session: its turns stay until this is written
    select(S.id)
    .where(S.id.op("IN")(numbers("ids")))
    .order_by(S.id)
    .with_for_update(read=True, key_share=True)
)
_STILL = Statement(
    select(T.session_id, T.seq).where(
        T.session_id == bindparam("s"),
        T.seq.op("IN")(numbers("qs")),
        T.state != const("cleared"),
        T.no_recall == const(0),
    )
)
_sure = number("c") / literal_column("10000.0", Float())  # bound as a whole number: floats differ by driver
_NEW = Statement(
    insert(facts)
    .values(
        owner_id=bindparam("o"),
        kind=bindparam("k"),
        subject=bindparam("su"),
        content=bindparam("co"),
        confidence=_sure,
        first_seen=case((number("at") > const(0), number("at")), else_=now()),
        last_seen=case((number("at") > const(0), number("at")), else_=now()),
        expires=bindparam("e"),
    )
    .returning(F.id)
)
_AGAIN = Statement(
    update(facts)
    .values(
        confidence=case((F.confidence > _sure, F.confidence), else_=_sure),
        last_seen=case((F.last_seen > number("at"), F.last_seen), else_=number("at")),
        expires=case((F.expires < number("e"), number("e")), else_=F.expires),
    )
    .where(F.id == bindparam("f"), F.owner_id == bindparam("o"))
    .returning(F.id)
)
_REST = Statement(
    lambda insert: (
        insert(fact_sources)
        .values(fact_id=bindparam("f"), session_id=bindparam("s"), seq=bindparam("q"))
        .on_conflict_do_nothing()
    )
)
_REPLACE = Statement(
    update(facts)
    .values(superseded_by=bindparam("f"))
    .where(F.id.op("IN")(numbers("fs")), F.owner_id == bindparam("o"), F.superseded_by.is_(null()))
)


def put(owner: int, version: int, changes: Sequence[FactChange]) -> Tx[bool]:
    """Applies changes on top of `version`, which is raised; False if it is another one by now.

    A source that was erased or withdrawn meanwhile is left out, and a new fact without any source is not
    written (unless it never had one: a person said it outright).
    """
    wanted = {source for change in changes for source in change.finding.sources}
    places = by_session(wanted)
    if places:
        yield _HOLD, {"ids": _list(places)}
    if not (yield from _claim(owner, version)):
        return False
    there: set[TurnRef] = set()
    for session, seqs in places.items():
        there.update(TurnRef(*row) for row in (yield _STILL, {"s": session, "qs": _list(seqs)}))
    written: list[int] = []
    for change in changes:
        sources = [source for source in change.finding.sources if source in there]
        fact = 0
        if sources or not change.finding.sources:
            gone = (written[-id_ - 1] if id_ < 0 else id_ for id_ in change.replaces)
            replaced = replace(change, replaces=tuple(id_ for id_ in gone if id_))
            fact = yield from _write(owner, replaced, sources)
        written.append(fact)
    return True


def _claim(owner: int, version: int) -> Tx[bool]:
    """Locks the owner if their facts are still those of `version`."""
    if owner > 0:
        return bool((yield _RAISE_FROM, {"o": owner, "v": version}))
    locked = yield _LOCK_SESSION, {"o": -owner}
    if not locked:
        return False
    return _digest(locked[0][0], (yield _FACTS, {"o": owner})) == version


def _write(owner: int, change: FactChange, sources: Sequence[TurnRef]) -> Tx[int]:
    """Writes a change; returns the fact's id, 0 if there is none to write to."""
    finding = change.finding
    seen: dict[str, Any] = {"o": owner, "at": finding.at, "c": _scaled(finding.confidence)}
    if change.known:
        rows = yield _AGAIN, {**seen, "f": change.known, "e": finding.expires}
    else:
        rows = yield _NEW, {**seen, **_content(finding), "e": finding.expires or None}
    if not rows:
        return 0
    fact: int = rows[0][0]
    ops: list[Op] = [(_REST, {"f": fact, "s": source.session, "q": source.seq}) for source in sources]
    if change.replaces:
        ops.append((_REPLACE, {"f": fact, "fs": _list(change.replaces), "o": owner}))
    if ops:
        yield ops
    return fact


def _scaled(confidence: float) -> int:
    return round(confidence * 10_000)


def _content(finding: Finding) -> Mapping[str, Any]:
    return {
        "k": finding.kind,
        "su": clean(finding.subject) or None,
        "co": finding.text.encode("utf-8", "replace"),
    }


# ---------------------------------------------------------------- erasing

_CHAIN = Statement(select(F.id, F.superseded_by).where(F.owner_id == bindparam("o")))
_COUNT = Statement(select(func.count()).select_from(facts).where(F.owner_id == bindparam("o")))
_NO_SOURCES_OF = Statement(delete(fact_sources).where(X.fact_id.op("IN")(numbers("fs"))))
_DROP = Statement(delete(facts).where(F.id.op("IN")(numbers("fs"))))
_FORWARD = Statement(
    update(facts)
    .values(superseded_by=func.nullif(number("to"), const(0)))
    .where(F.owner_id == bindparam("o"), F.superseded_by == bindparam("f"))
)


def count(owner: int) -> Tx[int]:
    """How many facts an owner has, with their history."""
    rows = yield _COUNT, {"o": owner}
    return rows[0][0]


def drop(owner: int, which: Sequence[int]) -> Tx[int]:
    """Erases facts with the history that led to them; returns how many."""
    if not which:
        return 0
    yield _lock(owner)
    chain: dict[int, int] = {id_: by or 0 for id_, by in (yield _CHAIN, {"o": owner})}
    gone = {id_ for id_ in which if id_ in chain}
    before: dict[int, list[int]] = {}
    for id_, by in chain.items():
        before.setdefault(by, []).append(id_)
    open_ = list(gone)
    while open_:
        more = [id_ for id_ in before.get(open_.pop(), ()) if id_ not in gone]
        gone.update(more)
        open_ += more
    if gone:
        yield [(_NO_SOURCES_OF, {"fs": _list(gone)}), (_DROP, {"fs": _list(gone)})]
    return len(gone)


def _lock(owner: int) -> Op:
    """Holds an owner whose facts are about to change, and lets earlier readers know of it."""
    return (_RAISE_ANY, {"o": owner}) if owner > 0 else (_LOCK_SESSION, {"o": -owner})


_OWNERS = Statement(select(F.id, F.owner_id).where(F.id.op("IN")(numbers("fs"))))


def withdraw(refs: Sequence[TurnRef], which: Sequence[int]) -> Tx[None]:
    """Turns are no source any more; facts that rest on nothing else go, and so do those in `which`."""
    for session, seqs in by_session(refs).items():
        yield from erase(session, seqs)
    by_owner: dict[int, list[int]] = {}
    for fact, owner in (yield _OWNERS, {"fs": _list(which)}) if which else ():
        by_owner.setdefault(owner, []).append(fact)
    for owner in sorted(by_owner):
        yield from drop(owner, by_owner[owner])


def loosen(session: int, seqs: Collection[int]) -> Tx[None]:
    """Facts rest on these turns no more, and stay as what was said in the session, whose row is held."""
    where: dict[str, Any] = {"s": session, "qs": _list(seqs)}
    resting = yield _RESTING_SOME, where
    for owner in sorted({row[1] for row in resting}):
        yield _lock(owner)
    if resting:
        yield [(_LOOSE, where), (_UNREST_SOME, where)]


_of_session = X.session_id == bindparam("s")
_of_turns = _of_session & X.seq.op("IN")(numbers("qs"))
_RESTING = select(F.id, F.owner_id).join_from(fact_sources, facts, F.id == X.fact_id).distinct()
_RESTING_ALL, _RESTING_SOME = Statement(_RESTING.where(_of_session)), Statement(_RESTING.where(_of_turns))
_LOOSE = Statement(
    lambda insert: (
        insert(fact_sources)
        .from_select(
            ["fact_id", "session_id", "seq"],
            select(X.fact_id, X.session_id, const(0)).where(_of_turns).distinct(),
        )
        .on_conflict_do_nothing()
    )
)
_UNREST_ALL = Statement(delete(fact_sources).where(_of_session))
_UNREST_SOME = Statement(delete(fact_sources).where(_of_turns))
_UNFOUNDED = Statement(
    delete(facts)
    .where(F.id.op("IN")(numbers("fs")), ~select(X.fact_id).where(X.fact_id == F.id).exists())
    .returning(F.id, F.owner_id, F.superseded_by)
)


_NO_SHARED = Statement(delete(facts).where(F.owner_id == -number("s")))


def erase(session: int, seqs: Collection[int] | None) -> Tx[None]:
    """Drops the facts that rest on turns of a session (None: all) and nothing else.

    What one of them replaced is valid again, or replaced by what came after it. With a whole session goes all
    that is known of it as one that people share. The session's row is held.
    """
    yield from _unfound(session, seqs)
    if seqs is None:
        yield _NO_SHARED, {"s": session}


def _unfound(session: int, seqs: Collection[int] | None) -> Tx[None]:
    where: dict[str, Any] = {"s": session} if seqs is None else {"s": session, "qs": _list(seqs)}
    resting = yield (_RESTING_ALL if seqs is None else _RESTING_SOME), where
    if not resting:
        return
    for owner in sorted({row[1] for row in resting}):
        yield _lock(owner)
    yield (_UNREST_ALL if seqs is None else _UNREST_SOME), where
    rows = yield _UNFOUNDED, {"fs": _list(row[0] for row in resting)}
    after: dict[int, int] = {id_: by or 0 for id_, _, by in rows}
    for id_, owner, by in rows:
        while by in after:
            by = after[by]
        yield _FORWARD, {"o": owner, "f": id_, "to": by or 0}


# ---------------------------------------------------------------- two people become one

_OWN = Statement(update(facts).values(owner_id=bindparam("to")).where(F.owner_id == bindparam("o")))
_SOURCES_OF = Statement(select(X.fact_id, X.session_id, X.seq).where(X.fact_id.op("IN")(numbers("fs"))))
_SEEN = Statement(
    select(F.id, F.confidence, F.first_seen, F.last_seen, F.expires).where(F.id.op("IN")(numbers("fs")))
)
_FIRST = Statement(
    update(facts)
    .values(first_seen=bindparam("at"))
    .where(F.id == bindparam("f"), F.first_seen > bindparam("at"))
)


def move(owner: int, to: int, same: Mapping[int, int], replaced: Mapping[int, int]) -> Tx[None]:
    """Gives the facts of a person to another one.

    Args:
        owner: whose they are; held by the caller, like `to`.
        to: whose they become.
        same: facts of `owner` that say what one of `to` says: that one gets their sources.
        replaced: facts of either and what replaces them.
    """
    yield _OWN, {"o": owner, "to": to}
    for fact, session, seq in (yield _SOURCES_OF, {"fs": _list(same)}):
        yield _REST, {"f": same[fact], "s": session, "q": seq}
    for fact, confidence, first_seen, last_seen, expires in (yield _SEEN, {"fs": _list(same)}):
        kept = same[fact]
        yield [
            (_AGAIN, {"o": to, "f": kept, "at": last_seen, "c": _scaled(confidence), "e": expires or 0}),
            (_FIRST, {"f": kept, "at": first_seen}),
            (_FORWARD, {"o": to, "f": fact, "to": kept}),
        ]
    if same:
        yield [(_NO_SOURCES_OF, {"fs": _list(same)}), (_DROP, {"fs": _list(same)})]
    for old, new in replaced.items():
        yield _REPLACE, {"o": to, "f": new, "fs": _list([old])}


def by_session(refs: Iterable[TurnRef]) -> dict[int, list[int]]:
    """The seqs of turns by their session, in order."""
    out: dict[int, list[int]] = {}
    for ref in sorted(set(refs)):
        out.setdefault(ref.session, []).append(ref.seq)
    return out


def _list(numbers: Iterable[int]) -> str:
    return orjson.dumps(list(numbers)).decode()
