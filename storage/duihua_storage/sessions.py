"""Sessions and the people they belong to: found by address, made when first needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from sqlalchemy import Column, bindparam, case, func, insert, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from duihua.errors import NotFound
from duihua.memories import Identity
from duihua.messages import Address, TurnRef
from duihua.ports import SessionInfo
from duihua_storage import consents
from duihua_storage.expressions import const, now, number, word
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import identities, sessions, turns, users

S, P = sessions.c, identities.c


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an address: its session and who owns it. The database has the last word."""

    session: int
    external: str  # the owner's id at the front end
    name: str


def address_bytes(address: Address) -> bytes:
    """The stored form of an address."""
    fields = (address.front, address.chat, address.bot, address.topic, address.user, address.tenant)
    return orjson.dumps((*fields, True) if address.shared else fields)


def to_address(data: bytes) -> Address:
    """The address of its stored form."""
    return Address(*orjson.loads(data))


def to_settings(data: bytes | None) -> dict[str, Any]:
    """The settings of their stored form; NULL is none."""
    return {} if data is None else orjson.loads(data)


def clean(text: str) -> str:
    """A name from outside without what a text column cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def name_of(user: ColumnElement[int]) -> ColumnElement[str | None]:
    """SQL: what a person is called by."""
    return select(func.max(P.name)).where(P.user_id == user).scalar_subquery()


def of_owner(column: Column[Any]) -> ColumnElement[Any]:
    """SQL: a column of the person that the session belongs to."""
    return select(column).where(users.c.id == S.owner_id).scalar_subquery()


# ---------------------------------------------------------------- people

_OWNED_BY = Statement(
    select(S.id, P.external, P.name, S.address)
    .outerjoin_from(
        sessions,
        identities,
        (P.user_id == S.owner_id) & (P.tenant == S.tenant) & (P.front == S.front),
    )
    .where(S.tenant == bindparam("te"), S.key == bindparam("k"))
    .order_by(P.external)
    .limit(const(1))
)
_IDENTITY = Statement(
    select(P.user_id, P.name).where(
        P.tenant == bindparam("te"), P.front == bindparam("fr"), P.external == bindparam("ex")
    )
)
_NEW_USER = Statement(insert(users).values(tenant=bindparam("te"), created=now()).returning(users.c.id))
_NO_USER = Statement(users.delete().where(users.c.id == bindparam("u")))
_NEW_IDENTITY = Statement(
    lambda insert: (
        insert(identities)
        .values(
            tenant=bindparam("te"),
            front=bindparam("fr"),
            external=bindparam("ex"),
            user_id=bindparam("u"),
            name=bindparam("na"),
        )
        .on_conflict_do_nothing()
        .returning(P.user_id)
    )
)
_RENAME = Statement(
    update(identities)
    .values(name=bindparam("na"))
    .where(P.tenant == bindparam("te"), P.front == bindparam("fr"), P.external == bindparam("ex"))
)


def person(tenant: str, front: str, external: str, name: str = "") -> Tx[int]:
    """users.id of an identity, made if it is not there; a new name replaces the old one."""
    who = {"te": tenant, "fr": front, "ex": external}
    rows = yield _IDENTITY, who
    if not rows:
        created = yield _NEW_USER, {"te": tenant}
        rows = yield _NEW_IDENTITY, {**who, "u": created[0][0], "na": clean(name) or None}
        if rows:
            return int(rows[0][0])
        yield _NO_USER, {"u": created[0][0]}  # someone else made the same person at the same moment
        rows = yield _IDENTITY, who
    user, known_as = rows[0]
    if name and clean(name) != known_as:
        yield from rename(tenant, front, external, name)
    return int(user)


_IDENTITIES = Statement(
    select(P.user_id, P.front, P.external, P.name)
    .where(P.tenant == bindparam("te"), or_(word("ex").is_(null()), P.external == word("ex")))
    .order_by(P.front, P.external)
    .limit(number("n"))
)


def identities_of(tenant: str, external: str, limit: int) -> Tx[Sequence[Identity]]:
    """Identities at all front ends; `external`: those of this id alone."""
    rows = yield _IDENTITIES, {"te": tenant, "ex": external or None, "n": limit}
    return [Identity(user, front, external, name or "") for user, front, external, name in rows]


def rename(tenant: str, front: str, external: str, name: str) -> Tx[None]:
    """Keeps what a person is called by now."""
    yield _RENAME, {"te": tenant, "fr": front, "ex": external, "na": clean(name)}


def user(tenant: str, front: str, external: str) -> Tx[int | None]:
    """users.id of an identity."""
    rows = yield _IDENTITY, {"te": tenant, "fr": front, "ex": external}
    return int(rows[0][0]) if rows else None


# ---------------------------------------------------------------- sessions

_NEW_SESSION = Statement(
    lambda insert: (
        insert(sessions)
        .values(
            tenant=bindparam("te"),
            key=bindparam("k"),
            front=bindparam("fr"),
            address=bindparam("ad"),
            owner_id=bindparam("u"),
            created=now(),
            touched=now(),
        )
        .on_conflict_do_nothing()
        .returning(S.id)
    )
)
_INFO = select(
    S.id,
    S.key,
    S.address,
    S.owner_id,
    S.head,
    S.pending,
    S.generation,
    S.title,
    S.settings,
    S.window_from,
    S.touched,
    of_owner(users.c.memory),
    of_owner(users.c.generation),
)
_BY_KEY = Statement(_INFO.where(S.tenant == bindparam("te"), S.key == bindparam("k")))
_BY_OWNER = Statement(_INFO.where(S.owner_id == bindparam("u")).order_by(S.touched.desc(), S.id.desc()))
_SETTINGS = Statement(
    update(sessions).values(settings=bindparam("v")).where(S.id == bindparam("s")).returning(S.id)
)


def resolve(address: Address, external: str = "", name: str = "", owner: int = 0) -> Tx[Known]:
    """The session at an address, made with its owner if it is not there.

    Args:
        address: where it is.
        external: the owner's id at the front end; empty: the address' chat.
        name: what the owner is called by.
        owner: users.id of the owner where that is known already.
    """
    key = {"te": address.tenant, "k": address.key}
    rows = yield _OWNED_BY, key
    if not rows:
        external = external or address.chat
        owner = owner or (yield from person(address.tenant, address.front, external, name))
        new = {**key, "fr": address.front, "ad": address_bytes(address), "u": owner}
        created = yield _NEW_SESSION, new
        if created:
            return Known(int(created[0][0]), external, clean(name))
        rows = yield _OWNED_BY, key  # someone else made it at the same moment
    session, owned_by, called, stored = rows[0]
    if address.shared and not to_address(stored).shared:
        yield from _share(session, address)
    return Known(int(session), owned_by or "", called or "")


def _share(session: int, address: Address) -> Tx[None]:
    """Others talk in a conversation from now on: it begins anew, and for good it is no one person's any more.

    What one person said there is not shown to the others. What is remembered of it stays that person's.
    """
    yield _SHARE, {"s": session, "ad": address_bytes(address)}
    yield from move_head(session, 0)
    yield consents.withdraw(TurnRef(session, 0))


def session(address: Address) -> Tx[SessionInfo | None]:
    """The session at an address."""
    rows = yield _BY_KEY, {"te": address.tenant, "k": address.key}
    return _info(rows[0]) if rows else None


def ensure(address: Address, external: str = "", name: str = "") -> Tx[SessionInfo]:
    """The session at an address, made if it is not there."""
    yield from resolve(address, external, name)
    return cast(SessionInfo, (yield from session(address)))


def owned(owner: int) -> Tx[Sequence[SessionInfo]]:
    """A person's sessions, the last touched first."""
    rows = yield _BY_OWNER, {"u": owner}
    return [_info(row) for row in rows]


def put_settings(session: int, settings: Mapping[str, Any]) -> Tx[None]:
    """Replaces a session's settings."""
    rows = yield _SETTINGS, {"s": session, "v": orjson.dumps(dict(settings))}
    if not rows:
        raise NotFound("session", session)


def _info(row: tuple[Any, ...]) -> SessionInfo:
    id_, key, address, owner, head, pending, generation, title, settings, window, touched, memory, version = (
        row
    )
    return SessionInfo(
        id=id_,
        key=key,
        address=to_address(address),
        owner=owner,
        head=head,
        pending=pending,
        generation=generation,
        title=title or "",
        settings=to_settings(settings),
        window_from=window,
        touched=touched,
        memory=memory != "off",
        version=version or 0,
    )


_SHARE = Statement(
    update(sessions)
    .values(address=bindparam("ad"), generation=S.generation + const(1))
    .where(S.id == bindparam("s"))
)


# ---------------------------------------------------------------- the head

_MOVE = Statement(
    update(sessions)
    .values(
        head=bindparam("h"),
        window_from=case((S.window_from > bindparam("h"), const(0)), else_=S.window_from),
        touched=now(),
    )
    .where(
        S.id == bindparam("s"),
        or_(
            number("h") == const(0),
            select(turns.c.seq)
            .where(
                turns.c.session_id == S.id,
                turns.c.seq == bindparam("h"),
                turns.c.state != const("cleared"),
            )
            .exists(),
        ),
    )
    .returning(S.id)
)
_DETACH = Statement(
    update(turns)
    .values(detached=const(1))
    .where(turns.c.session_id == bindparam("s"), turns.c.state == const("running"))
)


def move_head(session: int, head: int) -> Tx[None]:
    """Points the session at another turn; a turn that runs meanwhile ends beside the path."""
    rows = yield _MOVE, {"s": session, "h": head}
    if not rows:
        raise NotFound("turn", f"{session}.{head}")
    yield _DETACH, {"s": session}
