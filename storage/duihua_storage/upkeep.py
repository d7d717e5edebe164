"""Upkeep: which sessions have ended turns that memory has not seen, and what is written when it has.

Nothing is queued: a session's row says up to which turn upkeep has come. Whoever did it first wins, and what
was erased meanwhile (the session's generation is another) is not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import bindparam, func, select, update

from duihua.memories import Chore, Kept
from duihua.messages import Turn, TurnRef
from duihua_storage import facts, index
from duihua_storage.expressions import const, now, number, numbers, word
from duihua_storage.history import rows_of, turns_of
from duihua_storage.sessions import to_address, to_settings
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import sessions, turns, users

S, T = sessions.c, turns.c

_UNKEPT = Statement(
    select(S.id)
    .where(S.kept < S.next_seq - const(1), S.lease_until <= now(), S.pending == const(0))
    .order_by(S.touched)
    .limit(number("n"))
)
_SESSION = Statement(
    select(
        S.address,
        S.owner_id,
        S.generation,
        S.kept,
        S.head,
        S.window_from,
        S.title,
        select(users.c.memory).where(users.c.id == S.owner_id).scalar_subquery(),
        S.settings,
        S.locale,
    ).where(S.id == bindparam("s"))
)
_ENDED = Statement(
    rows_of(turns).where(T.session_id == number("s"), T.seq > number("k")).order_by(T.seq).limit(number("n"))
)
_KEEP = Statement(
    update(sessions)
    .values(kept=bindparam("up"), title=func.coalesce(S.title, word("ti")))
    .where(S.id == bindparam("s"), S.generation == bindparam("g"), S.kept == bindparam("k"))
    .returning(S.id)
)
_OFF = Statement(
    update(turns)
    .values(no_recall=const(1))
    .where(T.session_id == bindparam("s"), T.seq.op("IN")(numbers("qs")))
)
_SILENT = Statement(
    select(T.seq).where(
        T.session_id == bindparam("s"), T.seq.op("IN")(numbers("qs")), T.no_recall == const(1)
    )
)
_LOCK = Statement(select(S.id).where(S.id == bindparam("s")).with_for_update())


def unkept(limit: int) -> Tx[Sequence[int]]:
    """Sessions that wait for upkeep and that nobody works on, the longest untouched first."""
    rows = yield _UNKEPT, {"n": limit}
    return [row[0] for row in rows]


def chore(session: int, limit: int) -> Tx[Chore | None]:
    """The session's ended turns that upkeep has not seen, up to a running one."""
    rows = yield _SESSION, {"s": session}
    if not rows:
        return None
    address, owner, generation, kept, head, window, title, memory, settings, locale = rows[0]
    found = yield _ENDED, {"s": session, "k": kept, "n": limit}
    seen = yield from turns_of(session, found)
    ended: list[Turn] = []
    for turn in seen:
        if turn.state == "running":
            break
        ended.append(turn)
    return Chore(
        session,
        to_address(address),
        owner,
        generation,
        kept,
        head,
        window,
        tuple(ended),
        title or "",
        memory != "off",
        to_settings(settings),
        locale or "",
    )


def keep(chore: Chore, kept: Kept) -> Tx[bool]:
    """Writes index, facts and title, and where upkeep stands now; all or nothing."""
    at = {"s": chore.session, "g": chore.generation, "k": chore.kept}
    rows = yield _KEEP, {**at, "up": kept.upto, "ti": kept.title or None}
    if not rows:
        return False
    if kept.off_record:
        yield _OFF, {**at, "qs": orjson.dumps(list(kept.off_record)).decode()}
    if kept.changes and not (yield from facts.put(kept.owner, kept.version, kept.changes)):
        raise Outdated
    if kept.documents:  # what was withdrawn meanwhile is not indexed: the session's row is locked by now
        seqs = orjson.dumps([document.ref.seq for document in kept.documents]).decode()
        off = {row[0] for row in (yield _SILENT, {**at, "qs": seqs})}
        yield from index.add(kept.owner, [one for one in kept.documents if one.ref.seq not in off])
    return True


class Outdated(Exception):
    """The owner's facts have changed meanwhile: nothing of this transaction stays."""


_SINCE = Statement(
    rows_of(turns)
    .where(
        T.session_id == number("s"),
        T.started >= number("at"),
        T.state.not_in([const("cleared"), const("running")]),
    )
    .order_by(T.seq)
)


def since(session: int, at: int) -> Tx[Sequence[Turn]]:
    """The turns of a session that began at a time or later."""
    rows = yield _SINCE, {"s": session, "at": at}
    return (yield from turns_of(session, rows))


def withdraw(refs: Sequence[TurnRef], which: Sequence[int]) -> Tx[None]:
    """Takes turns out of memory: off record, out of the index, no source of facts."""
    yield from _silence(facts.by_session(refs))
    yield from facts.withdraw(refs, which)


def drop_facts(owner: int, which: Sequence[int], said: Sequence[TurnRef]) -> Tx[int]:
    """Erases facts with their history; the turns `said` go out of memory, but not what else they taught."""
    turns = facts.by_session(said)
    yield from _silence(turns)
    count = yield from facts.drop(owner, which)
    for session, seqs in turns.items():
        yield from facts.loosen(session, seqs)
    return count


def _silence(turns: Mapping[int, Sequence[int]]) -> Tx[None]:
    """Off record, and out of the index: a session after the other, whose row is held then."""
    for session, seqs in turns.items():
        yield _LOCK, {"s": session}
        yield _OFF, {"s": session, "qs": orjson.dumps(seqs).decode()}
        yield from index.remove(session, seqs)
