"""People: their switches, and the codes that join two identities."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, or_, select, update

from duihua_storage import facts, index
from duihua_storage.expressions import const, now, number, word
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import (
    identities,
    inbox,
    invitations,
    links,
    reminders,
    role_changes,
    sessions,
    skill_calls,
    tasks,
    turns,
    usage,
    users,
)

U, S, T, C, L, Q = users.c, sessions.c, turns.c, skill_calls.c, links.c, usage.c
N = invitations.c

GUESSES = 5
"""Codes that a person may try within `SPELL`, right or wrong."""
SPELL = 3_600_000
"""Ms."""

_SWITCH = Statement(
    update(users)
    .values(memory=bindparam("m"), generation=U.generation + const(1))
    .where(U.id == bindparam("u"))
)


def switch(user: int, on: bool) -> Tx[None]:
    """Turns a person's long-term memory on or off; whoever wrote to it at the moment begins anew."""
    yield _SWITCH, {"u": user, "m": "on" if on else "off"}


# ---------------------------------------------------------------- codes

_OLD_CODES = Statement(delete(links).where(or_(L.user_id == bindparam("u"), L.expires <= now())))
_OFFER = Statement(
    insert(links).from_select(
        ["code", "user_id", "expires"],
        select(word("c"), U.id, now() + number("ms")).where(U.id == bindparam("u")),
    )
)


def offer(user: int, code: str, seconds: int) -> Tx[None]:
    """Keeps the hash of a code that joins another identity to this person; an older code ends."""
    yield _OLD_CODES, {"u": user}
    yield _OFFER, {"u": user, "c": hashed(code), "ms": seconds * 1_000}


def hashed(code: str) -> str:
    """Of letters and digits alone, so that a code may be typed in any way."""
    plain = "".join(char for char in code.upper() if char.isascii() and char.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


_VOID = [
    Statement(delete(links).where(L.code == bindparam("c"), L.expires > now()).returning(L.code)),
    Statement(delete(invitations).where(N.code == bindparam("c"), N.expires > now()).returning(N.code)),
]


def void(code: str) -> Tx[bool]:
    """Ends a code, whosever it is: one that joins identities, or gives a role; False: it was none."""
    found = False
    for statement in _VOID:
        found = bool((yield statement, {"c": hashed(code)})) or found
    return found


# ---------------------------------------------------------------- two people become one

_WHOSE = Statement(select(L.user_id).where(L.code == bindparam("c"), L.expires > now()))
_LOCK_SESSIONS = Statement(
    select(S.id).where(S.owner_id == bindparam("u")).order_by(S.id).with_for_update(key_share=True)
)
_LOCK_PEOPLE = Statement(
    select(U.id, U.tenant)
    .where(or_(U.id == bindparam("u"), U.id == bindparam("to")))
    .order_by(U.id)
    .with_for_update()
)
_GUESS = Statement(
    update(users)
    .values(
        guesses=case((U.guessed > now() - const(SPELL), U.guesses + const(1)), else_=const(1)),
        guessed=now(),
    )
    .where(
        U.id == bindparam("u"),
        or_(U.guesses < const(GUESSES), U.guessed <= now() - const(SPELL)),
    )
    .returning(U.id)
)
_USE_UP = Statement(
    delete(links)
    .where(L.code == bindparam("c"), L.user_id == bindparam("to"), L.expires > now())
    .returning(L.user_id)
)


def link(user: int, code: str) -> Tx[int | None]:
    """Joins a person to the one whose code it is; the code is used up.

    None: no such code, one of another tenant, or `user` has tried too many. With their own code nothing
    happens: their own id.
    """
    at = {"u": user, "c": hashed(code)}
    rows = yield _WHOSE, at
    to = int(rows[0][0]) if rows else 0
    if to == user:
        return user
    yield _LOCK_SESSIONS, {"u": user if to else 0}
    tenants: dict[int, str] = dict((yield _LOCK_PEOPLE, {"u": user, "to": to}))
    if not (yield _GUESS, at) or to not in tenants or tenants[to] != tenants[user]:
        return None
    if not (yield _USE_UP, {**at, "to": to}):
        return None
    yield from _join(user, to)
    return to


_MINE = (
    select(S.id)
    .where(S.owner_id == bindparam("u"))
    .union(select(T.session_id).where(T.author_id == bindparam("u")))
)
_SESSIONS = Statement(  # what was derived for the former owner may not be written any more
    update(sessions)
    .values(owner_id=bindparam("to"), generation=S.generation + const(1))
    .where(S.owner_id == bindparam("u"))
)
_COLUMNS = (
    (identities, "user_id"),
    (reminders, "owner_id"),
    (tasks, "owner_id"),
    (turns, "author_id"),
    (inbox, "author_id"),
    (role_changes, "user_id"),
    (role_changes, "by_id"),
)
_GIVE = (  # first what is found by whose session it is
    *(
        Statement(
            update(skill_calls)
            .values({column: bindparam("to")})
            .where(C.session_id.in_(_MINE), C[column] == bindparam("u"))
        )
        for column in ("asker_id", "approver_id")
    ),
    *(
        Statement(update(table).values({name: bindparam("to")}).where(table.c[name] == bindparam("u")))
        for table, name in _COLUMNS
    ),
    Statement(
        update(turns)
        .values(stop_by=bindparam("to"))
        .where(T.state == const("running"), T.stop_by == bindparam("u"))
    ),
)
_SUMS = ("turns", "input", "cached", "output", "reasoning", "micros", "reserved")


def _add_usage(insert: Any) -> Any:
    columns = ["tenant", "day", "owner_id", "model", *_SUMS]
    theirs = select(Q.tenant, Q.day, number("to"), Q.model, *(Q[name] for name in _SUMS)).where(
        Q.owner_id == bindparam("u")
    )
    new = insert(usage).from_select(columns, theirs)
    return new.on_conflict_do_update(
        index_elements=[Q.tenant, Q.day, Q.owner_id, Q.model],
        set_={name: Q[name] + new.excluded[name] for name in _SUMS},
    )


_USAGE = [
    Statement(_add_usage),
    Statement(delete(usage).where(Q.owner_id == bindparam("u"))),
]
_LINKS = Statement(delete(links).where(L.user_id == bindparam("u")))
_theirs = users.alias("theirs")


def _of_theirs(name: str) -> Any:
    return select(_theirs.c[name]).where(_theirs.c.id == bindparam("u")).scalar_subquery()


_RANKS = ("guest", "user", "admin", "owner", "blocked")  # of two the later one: nobody links themselves free


def _rank(role: Any) -> Any:
    return case(*((role == const(name), const(rank)) for rank, name in enumerate(_RANKS)), else_=const(0))


_PERSON = Statement(  # memory that one of them has turned off stays off
    update(users)
    .values(
        role=case((_rank(_of_theirs("role")) > _rank(U.role), _of_theirs("role")), else_=U.role),
        memory=case(
            (or_(U.memory == const("off"), _of_theirs("memory") == const("off")), const("off")),
            else_=const("on"),
        ),
        locale=func.coalesce(U.locale, _of_theirs("locale")),
        tz=func.coalesce(U.tz, _of_theirs("tz")),
        generation=U.generation + const(1),
    )
    .where(U.id == bindparam("to"))
)
_GONE = Statement(delete(users).where(U.id == bindparam("u")))


def _join(user: int, to: int) -> Tx[None]:
    """Everything of `user` becomes the other's. Both rows and the sessions of `user` are held."""
    both = {"u": user, "to": to}
    from duihua.memory.facts import joined  # its rules take a tenth of a second to compile

    theirs = yield from facts.book(user, superseded=True)
    ours = yield from facts.book(to, superseded=True)
    same, replaced = joined(ours.facts, theirs.facts)
    yield from facts.move(user, to, same, replaced)
    yield from index.move(user, to)
    yield [(statement, both) for statement in _GIVE]
    yield _SESSIONS, both
    for statement in (*_USAGE, _LINKS, _PERSON, _GONE):
        yield statement, both
