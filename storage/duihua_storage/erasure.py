"""Forgetting: a turn goes with every row that was derived from it, in one transaction.

Inputs keep their key without their text, so that a duplicate is still known as one. A turn that must answer
its input while it is erased stays as an empty row beside every path.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    Delete,
    Table,
    bindparam,
    case,
    delete,
    func,
    null,
    or_,
    select,
    text,
    update,
)

from duihua.messages import TurnRef
from duihua.ports import Fence
from duihua_storage import access, arrivals, chats, facts, files, index, notes
from duihua_storage.expressions import const, now, number, numbers
from duihua_storage.fence import guarded
from duihua_storage.history import waiting
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import (
    attachments,
    fact_sources,
    heard,
    identities,
    inbox,
    links,
    outbox,
    reminders,
    role_changes,
    sessions,
    shown,
    skill_calls,
    steps,
    tasks,
    turns,
    usage,
    users,
)
from duihua_storage.tables import facts as known
from duihua_storage.tables import notes as noted

S, T, B, F, X = sessions.c, turns.c, inbox.c, known.c, fact_sources.c
_DERIVED = (steps, skill_calls, attachments, fact_sources)


def _all_of(table: Table) -> Delete:
    return delete(table).where(table.c.session_id == bindparam("s"))


def _some_of(table: Table) -> Delete:
    return _all_of(table).where(table.c.seq.op("IN")(numbers("qs")))


_KEPT = (table for table in _DERIVED if table is not attachments)
_ALL = [
    *(Statement(_all_of(table)) for table in (*_KEPT, noted, reminders, heard)),
    Statement(_all_of(attachments).where(attachments.c.seq > const(0))),  # not those of waiting inputs
]
_SOME = [Statement(_some_of(table)) for table in _DERIVED]
_UNSHOW_ALL = Statement(_all_of(shown).where(shown.c.seq != bindparam("keep")))
_UNSHOW_SOME = Statement(_some_of(shown).where(shown.c.seq != bindparam("keep")))
_ALL_TURNS = Statement(_all_of(turns).where(T.seq != bindparam("keep")).returning(T.seq))
_SOME_TURNS = Statement(_some_of(turns))
_unsend = update(outbox).values(
    body=null(),
    state=case((text("state IN ('pending', 'sending')"), const("failed")), else_=outbox.c.state),
    error=const("erased"),
)
_UNSEND_ALL = Statement(_unsend.where(outbox.c.session_id == bindparam("s")))
_UNSEND_SOME = Statement(
    _unsend.where(outbox.c.session_id == bindparam("s"), outbox.c.seq.op("IN")(numbers("qs")))
)
_LOCK = Statement(select(S.head, S.window_from).where(S.id == bindparam("s")).with_for_update())
_RESET = Statement(
    update(sessions)
    .values(
        generation=S.generation + const(1),
        head=bindparam("h"),
        window_from=bindparam("w"),
        title=null(),
    )
    .where(S.id == bindparam("s"))
)
_TREE = Statement(
    select(T.seq, T.parent).where(
        T.session_id == bindparam("s"),
        or_(T.seq.op("IN")(numbers("qs")), T.parent.op("IN")(numbers("qs"))),
    )
)
_PARENT = Statement(
    update(turns).values(parent=bindparam("p")).where(T.session_id == bindparam("s"), T.seq == bindparam("q"))
)
_EMPTY = Statement(
    update(turns)
    .values(
        input=null(),
        partial=null(),
        error=null(),
        state=case((T.state == const("running"), T.state), else_=const("cleared")),
        parent=bindparam("p"),
    )
    .where(T.session_id == bindparam("s"), T.seq == bindparam("q"))
)

# ---------------------------------------------------------------- turns


def erase_turns(session: int, which: Collection[int] | None, keep: int = 0) -> Tx[int]:
    """Erases turns (None: all) of a session whose row is locked; returns how many there were.

    The turn `keep` stays as an empty row, beside every path, and what shows it stays known, so that it can be
    taken back. Inputs and the lease are not touched.
    """
    rows = yield _LOCK, {"s": session}
    head, window = rows[0]
    if which is None:
        yield from facts.erase(session, None)
        yield from index.remove(session, None)
        for statement in _ALL:
            yield statement, {"s": session}
        yield _UNSEND_ALL, {"s": session}
        yield _UNSHOW_ALL, {"s": session, "keep": keep}
        gone = yield _ALL_TURNS, {"s": session, "keep": keep}
        if keep:
            yield _EMPTY, {"s": session, "q": keep, "p": 0}
        yield _RESET, {"s": session, "h": 0, "w": 0}
        return len(gone) + (1 if keep else 0)
    tree: dict[int, int] = dict((yield _TREE, {"s": session, "qs": _list(which)}))
    gone = {seq: parent for seq, parent in tree.items() if seq in which}

    def remaining(seq: int) -> int:
        while seq in gone:
            seq = gone[seq]
        return seq

    some: dict[str, Any] = {"s": session, "qs": _list(gone)}
    yield from facts.erase(session, list(gone))
    yield from index.remove(session, list(gone))
    for statement in (*_SOME, _UNSEND_SOME):
        yield statement, some
    yield _UNSHOW_SOME, {**some, "keep": keep}
    for seq, parent in tree.items():
        if seq not in gone:
            yield _PARENT, {"s": session, "q": seq, "p": remaining(parent)}
    yield _SOME_TURNS, {"s": session, "qs": _list(seq for seq in gone if seq != keep)}
    if keep in gone:
        yield _EMPTY, {"s": session, "q": keep, "p": remaining(keep)}
    window = yield from notes.drop_over(session, gone, window)
    yield _RESET, {"s": session, "h": remaining(head), "w": window}
    return len(gone)


def _list(seqs: Any) -> str:
    return orjson.dumps(list(seqs)).decode()


# ---------------------------------------------------------------- a session

_RUNNING = Statement(select(T.seq).where(T.session_id == bindparam("s"), T.state == const("running")))
_cancel = update(inbox).values(state=const("cancelled"), body=null())
_CANCEL_WAITING = Statement(_cancel.where(B.session_id == bindparam("s"), B.state == const("pending")))
_CANCEL_TAKEN = Statement(_cancel.where(B.session_id == bindparam("s"), B.state == const("taken")))
_COUNT = Statement(
    update(sessions)
    .values(
        pending=bindparam("n"),
        due=case((number("n") > const(0), func.coalesce(S.due, now())), else_=null()),
        lease_owner=case((number("free") == const(1), null()), else_=S.lease_owner),
        lease_until=case((number("free") == const(1), const(0)), else_=S.lease_until),
        touched=now(),
    )
    .where(S.id == bindparam("s"))
)


def erase(session: int, which: Sequence[int] | None, fence: Fence | None) -> Tx[int]:
    """Erases turns, or all and the waiting inputs with them; returns how many turns there were.

    A running turn among them is cut off for good: its input is cancelled, its worker is superseded. Only the
    turn that erases itself, under its own fence, stays as an empty row and goes on.
    """
    keep = 0
    if fence is not None:
        yield from guarded(fence)
        keep = fence.ref.seq
    if not (yield _LOCK, {"s": session}):
        return 0
    rows = yield _RUNNING, {"s": session}
    running = rows[0][0] if rows else 0
    cut = running and running != keep and (which is None or running in which)
    count = yield from erase_turns(session, which, keep)
    if cut:
        yield _CANCEL_TAKEN, {"s": session}
    if which is None:
        yield _CANCEL_WAITING, {"s": session}
        yield files.drop_waiting(session)
    if cut or which is None:
        yield from _recount(session, free=bool(cut))
    return count


def forget_these(
    owners: Sequence[int], which: Sequence[int], said: Sequence[TurnRef], refs: Sequence[TurnRef]
) -> Tx[int]:
    """Erases facts with their history and the turns `said`, and turns with all that rests on them alone.

    What else was learnt from `said` stays. Returns how many of the owners' facts and of the turns went.
    """
    wanted, alone = facts.by_session(refs), facts.by_session(set(said) - set(refs))
    for session in sorted({*wanted, *alone, *(-owner for owner in owners if owner < 0)}):
        yield _LOCK, {"s": session}
    count = 0
    for owner in owners:
        count += yield from facts.count(owner)
        yield from facts.drop(owner, which)
    for session, seqs in wanted.items():
        count += yield from erase(session, seqs, None)
    for session, seqs in alone.items():
        yield from facts.loosen(session, seqs)
        count += yield from erase(session, seqs, None)
    for owner in owners:
        count -= yield from facts.count(owner)
    return count


def _recount(session: int, *, free: bool) -> Tx[None]:
    open_ = yield from waiting(session)
    yield _COUNT, {"s": session, "n": len(open_), "free": 1 if free or not open_ else 0}


# ---------------------------------------------------------------- a person

_OWNED = Statement(select(S.id).where(S.owner_id == bindparam("u")).order_by(S.id).with_for_update())
_SAID = Statement(select(T.session_id, T.seq).where(T.author_id == bindparam("u")))
_ASKS = Statement(
    update(inbox)
    .values(state=const("cancelled"), body=null())
    .where(B.author_id == bindparam("u"), B.state == const("pending"))
    .returning(B.session_id, B.id)
)
_NO_AUTHOR = Statement(update(inbox).values(author_id=null()).where(B.author_id == bindparam("u")))
_FORGET_SESSION = [
    Statement(_all_of(outbox)),
    Statement(_all_of(shown)),
    Statement(delete(sessions).where(S.id == bindparam("s"))),
]
_FORGET_PERSON = [
    Statement(  # what reminders of theirs owe in sessions of others
        _unsend.where(outbox.c.seq.in_(select(-reminders.c.id).where(reminders.c.owner_id == bindparam("u"))))
    ),
    Statement(delete(fact_sources).where(X.fact_id.in_(select(F.id).where(F.owner_id == bindparam("u"))))),
    *(
        Statement(delete(table).where(column == bindparam("u")))
        for table, column in (
            (known, F.owner_id),
            (links, links.c.user_id),
            (role_changes, role_changes.c.user_id),
            (reminders, reminders.c.owner_id),
            (tasks, tasks.c.owner_id),
            (usage, usage.c.owner_id),
            (identities, identities.c.user_id),
            (users, users.c.id),
        )
    ),
]


def forget_user(user: int) -> Tx[int]:
    """Erases a person: their sessions, what they said in others', and all that is kept about them."""
    said: dict[int, list[int]] = {}
    for session, seq in (yield _SAID, {"u": user}):
        said.setdefault(session, []).append(seq)
    owned = [row[0] for row in (yield _OWNED, {"u": user})]
    for session in owned:
        yield from erase(session, None, None)
        for statement in _FORGET_SESSION:
            yield statement, {"s": session}
    for session in sorted(said.keys() - set(owned)):
        yield from erase(session, said[session], None)
    asked = yield _ASKS, {"u": user}
    if asked:
        yield files.drop_of([row[1] for row in asked])
    for session in sorted({row[0] for row in asked}):
        yield from _recount(session, free=False)
    yield _NO_AUTHOR, {"u": user}
    yield from index.drop(user)
    yield from arrivals.forget(user)
    yield from access.forget(user)
    yield from chats.forget(user)
    for statement in _FORGET_PERSON:
        yield statement, {"u": user}
    return len(owned)
