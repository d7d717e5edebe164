"""Who may talk: roles, strangers who wait to be let in, invitations, and who gave whom which role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from duihua.admission import Asked, Change, Pairing, Standing
from duihua.messages import Address
from duihua_storage.expressions import const, now, number
from duihua_storage.holds import lock
from duihua_storage.people import hashed
from duihua_storage.reminders import OWE
from duihua_storage.sessions import address_bytes, clean, person, resolve, to_address
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import identities, invitations, pairings, role_changes, users

G, N, P, R, U = pairings.c, invitations.c, identities.c, role_changes.c, users.c

NOTICE = -(1 << 62)
"""The number of notices of access in the outbox: below 0 as those of reminders, whose ids never come near."""
DECLINED = 86_400_000
"""Ms for which a stranger who was declined cannot ask again."""
_RANKS = ("guest", "user", "admin", "owner")
_who = (
    bindparam("te") == P.tenant,
    P.front == bindparam("fr"),
    P.external == bindparam("ex"),
)

# ---------------------------------------------------------------- who is what

_person = select(U.id, U.role, P.front, P.external, P.name).join(identities, P.user_id == U.id)
_other = identities.alias("other")
_STANDING = Statement(
    select(U.id, U.role, _other.c.front, _other.c.external, _other.c.name)
    .join_from(identities, users, U.id == P.user_id)
    .join(_other, _other.c.user_id == U.id)
    .where(*_who)
    .order_by(_other.c.front, _other.c.external)
)
_STANDING_OF = Statement(_person.where(U.id == bindparam("u")).order_by(P.front, P.external))
_MEMBERS = Statement(
    _person.where(U.tenant == bindparam("te"), U.role != const("guest")).order_by(
        U.role, U.id, P.front, P.external
    )
)


def standing(tenant: str, front: str, external: str) -> Tx[Standing | None]:
    """What is stored of a person, by one of their identities."""
    return _one((yield _STANDING, {"te": tenant, "fr": front, "ex": clean(external)}))


def standing_of(user: int) -> Tx[Standing | None]:
    """What is stored of a person."""
    return _one((yield _STANDING_OF, {"u": user}))


def members(tenant: str) -> Tx[Sequence[Standing]]:
    """Everybody with a role."""
    return _standings((yield _MEMBERS, {"te": tenant}))


def _one(rows: Iterable[Sequence[Any]]) -> Standing | None:
    return next(iter(_standings(rows)), None)


def _standings(rows: Iterable[Sequence[Any]]) -> list[Standing]:
    found: dict[int, Standing] = {}
    for user, role, front, external, called in rows:
        before = found.get(user, Standing(int(user), role))
        names = (*before.names, f"{front}/{external}")
        found[user] = replace(before, names=names, called=before.called or called or "")
    return list(found.values())


_ROLE = Statement(select(U.role).where(U.id == bindparam("u")).with_for_update())
_GIVE = Statement(update(users).values(role=bindparam("ro")).where(U.id == bindparam("u")))
_LOG = Statement(
    insert(role_changes).values(
        tenant=bindparam("te"),
        user_id=bindparam("u"),
        was=bindparam("was"),
        role=bindparam("ro"),
        by_id=bindparam("by"),
        at=bindparam("at"),
    )
)
_DROP_ASKED = Statement(
    delete(pairings).where(
        G.tenant == bindparam("te"), G.front == bindparam("fr"), G.external == bindparam("ex")
    )
)


def set_role(
    tenant: str, front: str, external: str, role: str, at: int, by: int, over: Sequence[str]
) -> Tx[Standing]:
    """Gives a person a role if theirs is one of `over`; returns what they were before."""
    user = yield from person(tenant, front, clean(external))
    rows = yield _ROLE, {"u": user}
    was = rows[0][0]
    names = _standings((yield _STANDING_OF, {"u": user}))[0].names
    if was in over:
        yield from _give(tenant, user, was, role, by, at)
        yield [(_DROP_ASKED, {"te": tenant, "fr": f, "ex": e}) for f, e in map(_split, names)]
    return Standing(user, was, names)


def _split(name: str) -> tuple[str, str]:
    front, _, external = name.partition("/")
    return front, external


def _give(tenant: str, user: int, was: str, role: str, by: int, at: int) -> Tx[None]:
    if role != was:
        yield _GIVE, {"u": user, "ro": role}
        yield _LOG, {"te": tenant, "u": user, "was": was, "ro": role, "by": by, "at": at}


_BEFORE = Statement(
    select(R.was)
    .where(R.user_id == bindparam("u"), R.role == const("blocked"))
    .order_by(R.id.desc())
    .limit(const(1))
)


def unblock(tenant: str, front: str, external: str, at: int, by: int) -> Tx[str]:
    """Makes a blocked person a user or nobody, as before; empty: they are not blocked."""
    found = _one((yield _STANDING, {"te": tenant, "fr": front, "ex": clean(external)}))
    if found is None:
        return ""
    rows = yield _ROLE, {"u": found.user}
    if not rows or rows[0][0] != "blocked":
        return ""
    before = yield _BEFORE, {"u": found.user}
    role = "user" if before and before[0][0] != "guest" else "guest"
    yield from _give(tenant, found.user, "blocked", role, by, at)
    return role


# ---------------------------------------------------------------- strangers who wait

_OLD = Statement(delete(pairings).where(G.expires <= number("at")))
_ASKED = Statement(
    select(G.state).where(
        G.tenant == bindparam("te"), G.front == bindparam("fr"), G.external == bindparam("ex")
    )
)
_WAITING = Statement(
    select(func.count()).where(
        G.tenant == bindparam("te"),
        G.front == bindparam("fr"),
        G.bot == bindparam("bo"),
        G.external != bindparam("ex"),
        G.state == const("open"),
    )
)
_ROW = (G.id, G.front, G.external, G.name, G.address, G.expires)


def _ask(insert: Any) -> Any:
    columns = {"tenant": "te", "front": "fr", "bot": "bo", "external": "ex", "name": "na", "address": "ad"}
    columns |= {"code": "c", "expires": "end"}
    new = insert(pairings).values(
        state=const("open"), **{column: bindparam(name) for column, name in columns.items()}
    )
    changed = ("bot", "name", "address", "code", "expires")
    return new.on_conflict_do_update(
        index_elements=[G.tenant, G.front, G.external], set_={name: new.excluded[name] for name in changed}
    ).returning(*_ROW)


_ASK = Statement(_ask)
_PAIRINGS = Statement(
    select(*_ROW)
    .where(G.tenant == bindparam("te"), G.state == const("open"), G.expires > number("at"))
    .order_by(G.id)
)
_meant = (
    G.tenant == bindparam("te"),
    G.state == const("open"),
    G.expires > number("at"),
    (G.id == number("i")) | (G.code == bindparam("c")),
)
_TAKE = Statement(delete(pairings).where(*_meant).returning(*_ROW))
_DECLINE = Statement(
    update(pairings)
    .values(state=const("declined"), code=const(""), expires=number("end"))
    .where(*_meant)
    .returning(*_ROW)
)


def ask(
    address: Address, external: str, name: str, code: str, at: int, expires: int, most: int
) -> Tx[tuple[Asked, Pairing | None]]:
    """Lets a stranger wait, if there is room. One transaction at a time asks at a front end."""
    tenant, front = address.tenant, address.front
    who = {"te": tenant, "fr": front, "ex": clean(external)}
    yield from lock(f"access/{tenant}/{front}")
    yield _OLD, {"at": at}
    asked = yield _ASKED, who
    if asked and asked[0][0] == "declined":
        return "declined", None
    bot = clean(address.bot)
    waiting = yield _WAITING, {**who, "bo": bot}
    if waiting[0][0] >= most:
        return "full", None
    rest = {"bo": bot, "na": clean(name), "ad": address_bytes(address), "c": hashed(code), "end": expires}
    rows = yield _ASK, {**who, **rest}
    return ("again" if asked else "new"), _pairing(rows[0])


def waiting(tenant: str, at: int) -> Tx[Sequence[Pairing]]:
    """Those that wait, the oldest first."""
    rows = yield _PAIRINGS, {"te": tenant, "at": at}
    return [_pairing(row) for row in rows]


def decide(tenant: str, yes: bool, at: int, by: int, notice: bytes, id: int, code: str) -> Tx[Pairing | None]:
    """Lets a stranger in, who is owed a notice, or declines them."""
    which = {"te": tenant, "at": at, "i": id, "c": hashed(code) if code else "-"}
    rows = yield (_TAKE, which) if yes else (_DECLINE, {**which, "end": at + DECLINED})
    if not rows:
        return None
    found = _pairing(rows[0])
    if not yes:
        yield _LOG, {"te": tenant, "u": 0, "was": "guest", "ro": "declined", "by": by, "at": at}
        return found
    user = yield from person(tenant, found.front, found.external, found.name)
    role = yield _ROLE, {"u": user}
    if role[0][0] == "guest":
        yield from _give(tenant, user, "guest", "user", by, at)
    known = yield from resolve(found.address, found.external, found.name, user)
    yield OWE, {"s": known.session, "q": NOTICE, "b": notice}
    return found


def _pairing(row: Sequence[Any]) -> Pairing:
    id_, front, external, name, address, expires = row
    return Pairing(int(id_), front, external, name, to_address(bytes(address)), int(expires))


# ---------------------------------------------------------------- invitations

_OLD_INVITATIONS = Statement(delete(invitations).where(N.expires <= number("at")))
_INVITE = Statement(
    insert(invitations).values(
        code=bindparam("c"), tenant=bindparam("te"), role=bindparam("ro"), expires=bindparam("end")
    )
)
_REDEEM = Statement(
    delete(invitations)
    .where(N.code == bindparam("c"), N.tenant == bindparam("te"), N.expires > number("at"))
    .returning(N.role)
)


def invite(tenant: str, role: str, code: str, at: int, expires: int) -> Tx[None]:
    """Keeps the hash of a code that gives a role."""
    yield _OLD_INVITATIONS, {"at": at}
    yield _INVITE, {"te": tenant, "ro": role, "c": hashed(code), "end": expires}


def redeem(tenant: str, front: str, external: str, name: str, code: str, at: int) -> Tx[str | None]:
    """Uses an invitation up; the person's role then, never less than before."""
    rows = yield _REDEEM, {"te": tenant, "c": hashed(code), "at": at}
    if not rows:
        return None
    user = yield from person(tenant, front, clean(external), name)
    was = (yield _ROLE, {"u": user})[0][0]
    if was not in _RANKS or _RANKS.index(rows[0][0]) <= _RANKS.index(was):
        return was
    yield from _give(tenant, user, was, rows[0][0], 0, at)
    yield _DROP_ASKED, {"te": tenant, "fr": front, "ex": clean(external)}
    return rows[0][0]


# ---------------------------------------------------------------- the log, and forgetting

_CHANGES = Statement(
    select(R.at, R.user_id, R.was, R.role, R.by_id)
    .where(R.tenant == bindparam("te"))
    .order_by(R.id.desc())
    .limit(bindparam("n"))
)
_theirs = (
    select(G.id)
    .join_from(
        identities,
        pairings,
        (P.tenant == G.tenant) & (P.front == G.front) & (P.external == G.external),
    )
    .where(P.user_id == number("u"))
)
ASKED_BY = Statement(
    select(G.front, G.external, G.name, G.state, G.expires).where(G.id.in_(_theirs)).order_by(G.id)
)
"""That a person (`u`) waits to be let in."""
CHANGES_OF = Statement(select(R.at, R.was, R.role).where(R.user_id == bindparam("u")).order_by(R.id))
"""The roles that a person (`u`) was given."""
_FORGET = Statement(delete(pairings).where(G.id.in_(_theirs)))
_SWEEP = [
    Statement(delete(pairings).where(G.expires <= now())),
    Statement(delete(invitations).where(N.expires <= now())),
]


def log(tenant: str, limit: int) -> Tx[Sequence[Change]]:
    """The newest changes of roles, the last one first."""
    rows = yield _CHANGES, {"te": tenant, "n": limit}
    return [Change(*row) for row in rows]


def forget(user: int) -> Tx[None]:
    """Drops that a person waits; their identities must still be there."""
    yield _FORGET, {"u": user}


def sweep() -> Tx[None]:
    """Drops what has expired."""
    for statement in _SWEEP:
        yield statement, {}
