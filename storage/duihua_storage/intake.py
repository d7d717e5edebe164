"""Accepting: an input becomes durable, and an idle session is claimed in the same transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Insert, and_, bindparam, case, delete, func, insert, null, select, text, update

from duihua.errors import PrivateSession, SessionBusy
from duihua.messages import Author, Turn, TurnRef
from duihua.ports import Accepted, Input
from duihua_storage import access, arrivals, chats, consents, files
from duihua_storage.expressions import blob, const, now, number, word
from duihua_storage.lease import CONTINUING, NEW_TURN, ROW, SessionRow, place, work
from duihua_storage.sessions import Known, clean, person, rename, resolve, to_settings
from duihua_storage.statement import Op, Rows, Statement, Tx
from duihua_storage.tables import inbox, sessions, turns

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
_claimed = and_(S.lease_owner == _token, S.pending == const(1))


def _new_input(insert: Any) -> Any:
    values = {
        "tenant": word("te"),
        "source": word("so"),
        "source_id": word("si"),
        "session_id": S.id,
        "author_id": func.nullif(number("au"), S.owner_id),
        "kind": word("ki"),
        "state": case((_claimed, const("taken")), else_=const("pending")),
        "reply_to": number("r"),
        "body": case((_claimed, null()), else_=blob("b")),
        "turn_seq": case((_claimed, S.next_seq - const(1))),
        "received": S.touched,
    }
    row = select(*values.values()).where(S.id == bindparam("s"))
    return insert(inbox).from_select(list(values), row).on_conflict_do_nothing().returning(B.id)


def _new_turn() -> Insert:
    values = {
        "session_id": S.id,
        "seq": S.next_seq - const(1),
        "parent": S.head,
        "state": const("running"),
        "author_id": func.nullif(number("au"), S.owner_id),
        "input": blob("b"),
        "started": S.touched,
    }
    row = select(*values.values()).where(S.id == bindparam("s"), _claimed)
    return insert(turns).from_select(list(values), row)


_NEW_INPUT, _NEW_TURN = Statement(_new_input), Statement(_new_turn())
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
    remembered = known is not None
    if known is None:
        known = yield from _resolve(input)
    author, known = yield from _author(input, known)
    plain = input.kind not in ("retry", "edit") and not (input.kind in CONTINUING and input.reply_to)
    raised, written = yield from _write(input, known, author, body, cap, token, lease, plain)
    if not raised:
        waiting = yield _PENDING, {"s": known.session}
        if waiting and not written:
            raise Seen
        if waiting or not remembered:
            raise SessionBusy(waiting[0][0] if waiting else 0)
        # What was remembered has been forgotten meanwhile.
        return (yield from accept(input, None, body, cap, token, lease))
    if not written:
        raise Seen
    row, id_ = SessionRow(*raised[0]), written[0][0]
    if row.settings and to_settings(row.settings).get("private"):
        raise PrivateSession("the session is private: nothing of this input is stored")
    if input.heard:
        yield from chats.unhear(row.id, input.heard)
    claimed = bool(token) and row.lease_owner == token and row.pending == 1
    if input.attachments:
        yield files.keep(row.id, row.next_seq - 1 if claimed else -id_, input.attachments)
    if not claimed:
        return Accepted(row.id, id_, True), known
    seq, parent, parts = row.next_seq - 1, row.head, input.parts
    if not plain:
        parent, body, parts, first = yield from place(row, input.kind, input.reply_to, body, parts)
        guest = None if author.id in (0, row.owner) else author.id
        new = {"s": row.id, "q": seq, "p": parent, "of": first, "au": guest, "b": body, "t": row.now}
        yield [(_HEAD, {"s": row.id, "p": parent}), (NEW_TURN, new)]
    who = Author(author.id or row.owner, author.name)
    turn = Turn(TurnRef(row.id, seq), parent, who, parts, state="running", at=row.now)
    made = work(row, token, turn, kind=input.kind, inbox=(id_,), reply_to=input.reply_to)
    return Accepted(row.id, id_, True, made), known


def _write(
    input: Input, known: Known, author: Author, body: bytes, cap: int, token: str, lease: int, plain: bool
) -> Tx[Rows]:
    """Counts the input in its session's row, which it locks and claims if it is idle; then writes it.

    When the session is full all of this is undone.
    """
    at = {"s": known.session, "tok": token}
    said = {**at, "au": author.id or None, "b": body}
    key = {"te": input.address.tenant, "so": input.source, "si": input.source_id}
    ops: list[Op] = [
        (_RAISE, {**at, "n": cap, "l": lease}),
        (_NEW_INPUT, {**said, **key, "ki": input.kind, "r": input.reply_to}),
    ]
    if plain and token:
        ops.append((_NEW_TURN, said))
    raised, written, *_ = yield ops
    return [raised, written]


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


def earlier(input: Input) -> Tx[Accepted]:
    """What became of the same input when it first came."""
    key = {"te": input.address.tenant, "so": input.source, "si": input.source_id}
    rows = yield _EARLIER, key
    return Accepted(rows[0][1] or 0, rows[0][0], False)


def sweep(age: int) -> Tx[int]:
    """Drops the keys of inputs and arrivals that were over `age` ms ago; returns how many inputs'."""
    rows = yield _SWEEP, {"age": age}
    yield from arrivals.sweep(age)
    yield from access.sweep()
    yield from chats.sweep(age)
    yield from consents.sweep(age)
    return len(rows)
