"""Accepting: an input becomes durable, and an idle session is claimed in the same transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import and_, bindparam, case, delete, select, text, update

from duihua.errors import SessionBusy
from duihua.messages import Author, Turn, TurnRef
from duihua.ports import Accepted, Input, Work
from duihua_storage.expressions import const, now, number, word
from duihua_storage.lease import NEW_TURN, ROW, SessionRow, place, work
from duihua_storage.sessions import Known, clean, person, rename, resolve
from duihua_storage.statement import Rows, Statement, Tx
from duihua_storage.tables import inbox, sessions

S, B = sessions.c, inbox.c


class Seen(Exception):
    """The input was accepted before: what this transaction counted is undone."""


_token = word("tok")
_idle = and_(S.pending == const(0), S.lease_until <= now(), _token != const(""))
_RAISE = Statement(
    update(sessions)
    .values(
        pending=S.pending + const(1),
        touched=now(),
        due=case((S.pending == const(0), now()), else_=S.due),
        lease_owner=case((_idle, _token), else_=S.lease_owner),
        lease_until=case((_idle, now() + number("l")), else_=S.lease_until),
        next_seq=case((_idle, S.next_seq + const(1)), else_=S.next_seq),
    )
    .where(S.id == bindparam("s"), S.pending < bindparam("n"))
    .returning(*ROW)
)
_PENDING = Statement(select(S.pending).where(S.id == bindparam("s")))
_NEW_INPUT = Statement(
    lambda insert: (
        insert(inbox)
        .values(
            tenant=bindparam("te"),
            source=bindparam("so"),
            source_id=bindparam("si"),
            session_id=bindparam("s"),
            author_id=bindparam("au"),
            kind=bindparam("ki"),
            state=bindparam("st"),
            reply_to=bindparam("r"),
            body=bindparam("b"),
            turn_seq=bindparam("q"),
            received=bindparam("t"),
        )
        .on_conflict_do_nothing()
        .returning(B.id)
    )
)
_EARLIER = Statement(
    select(B.id, B.session_id).where(
        B.tenant == bindparam("te"), B.source == bindparam("so"), B.source_id == bindparam("si")
    )
)
_HEAD = Statement(
    update(sessions)
    .values(
        head=bindparam("p"),
        window_from=case((S.window_from > bindparam("p"), const(0)), else_=S.window_from),
    )
    .where(S.id == bindparam("s"))
)
_SWEEP = Statement(
    delete(inbox)
    .where(
        B.received < now() - number("age"),
        text("state IN ('done', 'cancelled')"),
    )
    .returning(B.id)
)


def accept(
    input: Input, known: Known | None, body: bytes, cap: int, token: str, lease: int
) -> Tx[tuple[Accepted, Known]]:
    """Writes an input down; `known` is what is remembered of its address.

    Raises:
        SessionBusy: `cap` inputs wait already.
        Seen: the same source and source id were accepted before.
    """
    row, known = yield from _raise(input, known, cap, token, lease)
    author, known = yield from _author(input, known)
    claimed = token != "" and row.lease_owner == token
    seq = row.next_seq - 1
    rows = yield (
        _NEW_INPUT,
        {
            "te": input.address.tenant,
            "so": input.source,
            "si": input.source_id,
            "s": row.id,
            "au": None if author.id in (0, row.owner) else author.id,
            "ki": input.kind,
            "st": "taken" if claimed else "pending",
            "r": input.reply_to,
            "b": None if claimed else body,
            "q": seq if claimed else None,
            "t": row.now,
        },
    )
    if not rows:
        raise Seen
    id_: int = rows[0][0]
    claim = (yield from _begin(row, token, input, body, author, id_)) if claimed else None
    return Accepted(row.id, id_, True, claim), known


def _raise(
    input: Input, known: Known | None, cap: int, token: str, lease: int
) -> Tx[tuple[SessionRow, Known]]:
    """Counts the input in its session's row, which it locks, and claims it if it is idle."""
    remembered = known is not None
    if known is None:
        known = yield from _resolve(input)
    rows: Rows = yield _RAISE, {"s": known.session, "n": cap, "tok": token, "l": lease}
    if not rows:
        waiting = yield _PENDING, {"s": known.session}
        if waiting or not remembered:
            raise SessionBusy(waiting[0][0] if waiting else 0)
        known = yield from _resolve(input)  # what was remembered has been forgotten meanwhile
        rows = yield _RAISE, {"s": known.session, "n": cap, "tok": token, "l": lease}
        if not rows:
            raise SessionBusy(cap)
    return SessionRow(*rows[0]), known


def _resolve(input: Input) -> Tx[Known]:
    return (yield from resolve(input.address, input.external, input.author.name if input.author else ""))


def _author(input: Input, known: Known) -> Tx[tuple[Author, Known]]:
    """Who says it (id 0: the session's owner), and the owner's name if it is a new one."""
    given, address = input.author, input.address
    if given is None:
        return Author(0, known.name), known
    if given.id:
        return given, known
    external, name = input.external or address.chat, clean(given.name)
    if external != known.external:
        id_ = yield from person(address.tenant, address.front, external, name)
        return Author(id_, name), known
    if name and name != known.name:
        yield from rename(address.tenant, address.front, external, name)
        known = replace(known, name=name)
    return Author(0, known.name), known


def _begin(row: SessionRow, token: str, input: Input, body: bytes, author: Author, id_: int) -> Tx[Work]:
    """Starts the turn of an input that found its session idle."""
    seq = row.next_seq - 1
    parent, body, parts = yield from place(row, input.kind, input.reply_to, body, input.parts)
    if parent != row.head:
        yield _HEAD, {"s": row.id, "p": parent}
    guest = author.id not in (0, row.owner)
    yield (
        NEW_TURN,
        {
            "s": row.id,
            "q": seq,
            "p": parent,
            "au": author.id if guest else None,
            "b": body,
            "t": row.now,
        },
    )
    who = author if guest else Author(row.owner, author.name)
    turn = Turn(TurnRef(row.id, seq), parent, who, parts, state="running", at=row.now)
    return work(row, token, turn, kind=input.kind, inbox=(id_,))


def earlier(input: Input) -> Tx[Accepted]:
    """What became of the same input when it first came."""
    key = {"te": input.address.tenant, "so": input.source, "si": input.source_id}
    rows = yield _EARLIER, key
    return Accepted(rows[0][1] or 0, rows[0][0], False)


def sweep(age: int) -> Tx[int]:
    """Drops the keys of answered and cancelled inputs that are older than `age` ms; returns how many."""
    rows = yield _SWEEP, {"age": age}
    return len(rows)
