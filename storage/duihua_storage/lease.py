"""Who works on a session: claims, their renewal, and how a claimed session gets its turn.

A session is worked on by the claim whose token stands in its row, until `lease_until` by the database's
clock. Every claim brings a token of its own. Every transaction that touches a session and its turns takes the
session's row first: the other order would deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import orjson
from sqlalchemy import bindparam, case, func, insert, null, or_, select, update

from duihua.codec import decode, encode
from duihua.joining import joined
from duihua.messages import Author, InputKind, Options, Part, Turn, TurnRef
from duihua.ports import Fence, Held, Work
from duihua_storage import files
from duihua_storage.expressions import const, now, number, numbers, words
from duihua_storage.history import steps_of
from duihua_storage.reruns import FIRST
from duihua_storage.sessions import name_of, of_owner, to_address, to_settings
from duihua_storage.statement import Rows, Statement, Tx
from duihua_storage.tables import inbox, sessions, turns, users
from duihua_storage.upkeep import withdraw

S, B, T = sessions.c, inbox.c, turns.c


CONTINUING = ("message", "continue")
"""Kinds of inputs that may go on from another turn than the head."""
TOGETHER, BYTES = 20, 8_000
"""Inputs that are answered together at most, and how long all that they say may be."""


class SessionRow(NamedTuple):
    """What a turn needs of its session's row. `now` is the time of the statement that read it."""

    id: int
    owner: int
    next_seq: int
    head: int
    generation: int
    window_from: int
    pending: int
    lease_owner: str | None
    address: bytes
    settings: bytes | None
    locale: str | None
    memory: str
    version: int
    now: int


ROW = (
    S.id,
    S.owner_id,
    S.next_seq,
    S.head,
    S.generation,
    S.window_from,
    S.pending,
    S.lease_owner,
    S.address,
    S.settings,
    S.locale,
    of_owner(users.c.memory),
    of_owner(users.c.generation),
    now().label("now"),
)
"""The columns of a `SessionRow`."""

_CLAIM = Statement(
    update(sessions)
    .values(lease_owner=bindparam("tok"), lease_until=now() + number("l"))
    .where(S.id == bindparam("s"), S.pending > const(0), S.lease_until <= now())
    .returning(*ROW)
)
_AGAIN = Statement(
    update(turns)
    .values(attempt=T.attempt + const(1))
    .where(T.session_id == bindparam("s"), T.state == const("running"))
    .returning(T.seq, T.attempt, T.parent, T.input, T.partial, T.stop_by, T.started, T.author_id)
)
_TAKEN_BY = Statement(
    select(B.id, B.kind, name_of(number("u")), B.reply_to)
    .where(B.session_id == bindparam("s"), B.turn_seq == bindparam("q"), B.state == const("taken"))
    .order_by(B.id)
)
_OLDEST = Statement(
    select(
        B.id,
        B.kind,
        B.reply_to,
        B.body,
        B.author_id,
        name_of(func.coalesce(B.author_id, number("u"))),
    )
    .where(B.session_id == bindparam("s"), B.state == const("pending"))
    .order_by(B.id)
    .limit(const(1))
)
_NEXT = Statement(
    select(B.id, B.kind, B.reply_to, B.body, B.author_id)
    .where(B.session_id == bindparam("s"), B.state == const("pending"), B.id > bindparam("i"))
    .order_by(B.id)
    .limit(const(TOGETHER - 1))
)
_TAKE = Statement(
    update(inbox)
    .values(state=const("taken"), turn_seq=bindparam("q"), body=null())
    .where(B.id == bindparam("i"))
)
_JOIN = Statement(
    update(inbox)
    .values(state=const("taken"), turn_seq=bindparam("q"), body=null(), reply_to=-number("n"))
    .where(B.id == bindparam("i"))
)
_BEGIN = Statement(
    update(sessions)
    .values(
        next_seq=bindparam("q") + const(1),
        head=bindparam("p"),
        window_from=case((S.window_from > bindparam("p"), const(0)), else_=S.window_from),
    )
    .where(S.id == bindparam("s"))
)
_HEAL = Statement(
    update(sessions)
    .values(pending=const(0), due=null(), lease_owner=null(), lease_until=const(0))
    .where(S.id == bindparam("s"))
)
NEW_TURN = Statement(
    insert(turns).values(
        session_id=bindparam("s"),
        seq=bindparam("q"),
        parent=bindparam("p"),
        rerun_of=bindparam("of"),
        state=const("running"),
        author_id=bindparam("au"),
        input=bindparam("b"),
        started=bindparam("t"),
    )
)
_TURN = Statement(
    select(T.parent, T.input, FIRST).where(
        T.session_id == bindparam("s"), T.seq == bindparam("q"), T.state != const("cleared")
    )
)


def claim(session: int, token: str, lease: int) -> Tx[Work | None]:
    """Takes a session that has work and no live lease: its cut turn first, else its oldest input."""
    rows = yield _CLAIM, {"s": session, "tok": token, "l": lease}
    if not rows:
        return None
    row = SessionRow(*rows[0])
    cut = yield _AGAIN, {"s": session}
    if cut:
        return (yield from _resume(row, token, cut[0]))
    return (yield from take(row, token))


def take(row: SessionRow, token: str) -> Tx[Work | None]:
    """Starts the turn of the oldest input of a session that the caller holds."""
    oldest = yield _OLDEST, {"s": row.id, "u": row.owner}
    if not oldest:  # never, by the invariants; but a wrong count must not keep a session due for ever
        yield _HEAL, {"s": row.id}
        return None
    id_, kind, reply_to, body, author, name = oldest[0]
    parent, body, parts, first = yield from place(row, kind, reply_to, body, decode(body))
    seq = row.next_seq
    yield _TAKE, {"i": id_, "q": seq}
    more: list[tuple[int, tuple[Part, ...]]] = []
    if kind == "message" and not reply_to and row.pending > 1:
        more = yield from _joining(row, id_, body, parts, author)
    for number_, (other, _) in enumerate(more, 1):
        yield _JOIN, {"i": other, "q": seq, "n": number_}
    if more:
        parts = joined([parts, *(said for _, said in more)])
        body = encode(parts)
    yield _BEGIN, {"s": row.id, "q": seq, "p": parent}
    yield (
        NEW_TURN,
        {"s": row.id, "q": seq, "p": parent, "of": first, "au": author, "b": body, "t": row.now},
    )
    for taken in (id_, *(other for other, _ in more)):
        if moved := files.take(row.id, taken, seq, parts):
            yield moved
    turn = Turn(
        TurnRef(row.id, seq),
        parent,
        Author(author or row.owner, name or ""),
        parts,
        state="running",
        at=row.now,
    )
    return work(row, token, turn, kind=kind, inbox=(id_, *(other for other, _ in more)), reply_to=reply_to)


def _joining(
    row: SessionRow, id_: int, body: bytes, parts: tuple[Part, ...], author: int | None
) -> Tx[list[tuple[int, tuple[Part, ...]]]]:
    """The inputs that are answered together with one that waited before them, as the session wants it.

    They are of the same person, say nothing but words and files, and go on from where the conversation
    stands; the first that does not ends it.
    """
    if to_settings(row.settings).get("meanwhile") not in ("join", "interrupt") or _optional(parts):
        return []
    out: list[tuple[int, tuple[Part, ...]]] = []
    room = BYTES - len(body)
    for other, kind, reply_to, said, who in (yield _NEXT, {"s": row.id, "i": id_}):
        room -= len(said)
        parts = decode(said)
        if kind != "message" or reply_to or who != author or room < 0 or _optional(parts):
            break
        out.append((other, parts))
    return out


def _optional(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Options) for part in parts)


def place(
    row: SessionRow, kind: InputKind, reply_to: int | None, body: bytes, parts: tuple[Part, ...]
) -> Tx[tuple[int, bytes, tuple[Part, ...], int | None]]:
    """Where on the tree of turns an input goes: its parent, what it says there, and its `turns.rerun_of`.

    A message continues the turn it replies to, if that is there, else the head. A retry and an edit stand
    beside the turn they re-run; a retry says the same again, with its own options if it brings any, and so
    does an edit that brings nothing.
    """
    if kind not in ("retry", "edit"):
        if reply_to and kind in CONTINUING and (yield _TURN, {"s": row.id, "q": reply_to}):
            return reply_to, body, parts, None
        return row.head, body, parts, None
    replaced = row.head if reply_to is None else reply_to
    found: Rows = yield _TURN, {"s": row.id, "q": replaced}
    if not found:
        return row.head, body, parts, None
    yield from withdraw([TurnRef(row.id, replaced)], ())  # else it would be recalled beside the new one
    parent, same, first = found[0]
    if kind == "edit" and parts:
        return parent, body, parts, first
    if not parts:
        return parent, same, decode(same), first
    own_options = any(isinstance(part, Options) for part in parts)
    parts = tuple(p for p in decode(same) if not (own_options and isinstance(p, Options))) + parts
    return parent, encode(parts), parts, first


def _resume(row: SessionRow, token: str, cut: tuple[Any, ...]) -> Tx[Work]:
    seq, attempt, parent, input, partial, stop_by, started, author = cut
    author = author or row.owner
    taken = yield _TAKEN_BY, {"s": row.id, "q": seq, "u": author}
    steps = yield from steps_of(row.id, [seq])
    turn = Turn(
        TurnRef(row.id, seq),
        parent,
        Author(author, (taken[0][2] if taken else None) or ""),
        decode(input),
        steps.get(seq, ()),
        state="running",
        at=started,
    )
    return work(
        row,
        token,
        turn,
        attempt=attempt,
        kind=taken[0][1] if taken else "message",
        inbox=tuple(t[0] for t in taken),
        reply_to=taken[0][3] if taken else None,
        partial=(partial or b"").decode(),
        stop=stop_by is not None,
    )


def work(
    row: SessionRow,
    token: str,
    turn: Turn,
    *,
    kind: InputKind,
    inbox: tuple[int, ...],
    reply_to: int | None = None,
    attempt: int = 1,
    partial: str = "",
    stop: bool = False,
) -> Work:
    """A session's row and its running turn as the value that a worker gets."""
    return Work(
        Fence(turn.ref, attempt, token, row.generation),
        turn,
        to_address(row.address),
        inbox,
        to_settings(row.settings),
        0 if row.window_from > turn.parent else row.window_from,
        stop,
        partial,
        kind,
        row.owner,
        row.locale or "",
        row.memory != "off",
        row.version,
        (reply_to or 0) if kind == "edit" else 0,
    )


# ---------------------------------------------------------------- keeping and giving back

_renewable = (
    select(S.id)
    .where(S.id.op("IN")(numbers("ids")), S.lease_owner.op("IN")(words("toks")))
    .order_by(S.id)
    .with_for_update(skip_locked=True)
    .cte("renewable")
)
_RENEW = Statement(
    update(sessions)
    .values(lease_until=now() + number("l"))
    .where(S.id.in_(select(_renewable.c.id)), S.lease_owner.op("IN")(words("toks")))
)
_HELD = Statement(
    select(
        S.id,
        S.lease_owner,
        select(T.seq)
        .where(T.session_id == S.id, T.state == const("running"), T.stop_by.is_not(null()))
        .exists(),
    ).where(S.id.op("IN")(numbers("ids")), S.lease_owner.op("IN")(words("toks")))
)
_RELEASE = Statement(
    update(sessions)
    .values(lease_owner=null(), lease_until=const(0))
    .where(S.id == bindparam("s"), S.lease_owner == bindparam("tok"))
)
_DUE = Statement(
    select(S.id)
    .where(S.due < now() - const(1000), S.due.is_not(null()), S.pending > const(0), S.lease_until <= now())
    .order_by(S.due)
    .limit(bindparam("n"))
)
_LIVE = Statement(
    select(S.id, S.lease_owner).where(
        S.pending > const(0), S.lease_until > now(), S.lease_owner.is_not(null())
    )
)
_STOP = Statement(
    update(turns)
    .values(stop_by=bindparam("u"))
    .where(
        T.session_id == bindparam("s"),
        T.state == const("running"),
        or_(number("q") == const(0), T.seq == number("q")),
        or_(
            number("w") == const(0),
            select(B.id).where(B.id == number("w"), B.state == const("pending")).exists(),
        ),
    )
    .returning(T.seq)
)


def renew(claims: Sequence[tuple[int, str]], lease: int) -> Tx[Sequence[Held]]:
    """Prolongs claims; a session whose row someone has locked is passed over now and prolonged next time."""
    ids, tokens = orjson.dumps([c[0] for c in claims]), orjson.dumps([c[1] for c in claims])
    mine = {"ids": ids.decode(), "toks": tokens.decode()}
    yield _RENEW, {**mine, "l": lease}
    rows = yield _HELD, mine
    pairs = set(claims)
    return [Held(id_, token, bool(stop)) for id_, token, stop in rows if (id_, token) in pairs]


def release(session: int, token: str) -> Tx[None]:
    """Gives a lease back; the turn stays cut."""
    yield _RELEASE, {"s": session, "tok": token}


def due(limit: int) -> Tx[Sequence[int]]:
    """Sessions whose input has waited for a second without a live lease, the longest wait first."""
    rows = yield _DUE, {"n": limit}
    return [cast(int, row[0]) for row in rows]


def live() -> Tx[Sequence[tuple[int, str]]]:
    """(session, token) of the leases that have not run out."""
    rows = yield _LIVE, {}
    return [(row[0], row[1]) for row in rows]


def stop(session: int, by: int, turn: int, waiting: int) -> Tx[TurnRef | None]:
    """Marks the running turn as to be stopped; `turn`: only this one; `waiting`: only if this input waits."""
    rows = yield _STOP, {"s": session, "u": by, "q": turn, "w": waiting}
    return TurnRef(session, rows[0][0]) if rows else None
