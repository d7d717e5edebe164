"""Chats of front ends: what is set there, what was overheard, and where they have moved to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, delete, func, null, or_, select, update

from duihua.chats import Chat, Heard
from duihua.codec import decode, encode
from duihua.messages import Address, Quote
from duihua_storage.expressions import blob, bytewise, const, merged, now, number, word
from duihua_storage.sessions import address_bytes, clean, to_address, to_settings
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import chats, heard, identities, outbox, reminders, sessions, shown

EMPTY = 30 * 86_400_000
"""Ms after which a chat is forgotten in which nothing was asked and nothing is set."""
MOST = 500
"""Chats that are looked at in one sweep."""

C, H, P, R, S, X = chats.c, heard.c, identities.c, reminders.c, sessions.c, outbox.c

_here = and_(C.tenant == bindparam("te"), C.front == bindparam("fr"), C.bot == bindparam("bo"))
_this = and_(_here, C.chat == bindparam("ch"))
_ONE = Statement(select(C.settings, C.lang, C.gone).where(_this))


def _change(insert: Any) -> Any:
    new = insert(chats).values(
        tenant=bindparam("te"),
        front=bindparam("fr"),
        bot=bindparam("bo"),
        chat=bindparam("ch"),
        settings=bindparam("v"),
        lang=func.coalesce(word("la"), const("")),
        gone=func.coalesce(number("g"), const(0)),
        at=now(),
    )
    return new.on_conflict_do_update(
        index_elements=[C.tenant, C.front, C.bot, C.chat],
        set_={
            "settings": merged(C.settings, "ps"),
            "lang": func.coalesce(word("la"), C.lang),
            "gone": func.coalesce(number("g"), C.gone),
            "at": new.excluded["at"],
        },
    ).returning(C.settings, C.lang, C.gone)


_CHANGE = Statement(_change)


def _names(address: Address) -> dict[str, Any]:
    return {"te": address.tenant, "fr": address.front, "bo": address.bot, "ch": address.chat}


def _chat(settings: bytes | None, lang: str, gone: int) -> Chat:
    return Chat(to_settings(settings), lang, bool(gone))


def chat(address: Address) -> Tx[Chat | None]:
    """What is known of a chat."""
    rows = yield _ONE, _names(address)
    return _chat(*rows[0]) if rows else None


def change(address: Address, settings: Mapping[str, Any], lang: str | None, gone: bool | None) -> Tx[Chat]:
    """Changes what is given, and nothing else, of what is known of a chat; see `ChatStore.change_chat`."""
    own = {name: value for name, value in settings.items() if value is not None}
    values = {
        "v": orjson.dumps(own) if own else None,
        "ps": orjson.dumps(dict(settings)).decode(),
        "la": None if lang is None else clean(lang),
        "g": None if gone is None else int(gone),
    }
    rows = yield _CHANGE, {**_names(address), **values}
    return _chat(*rows[0])


# ---------------------------------------------------------------- a chat moves

_in = select(S.id, S.address).where(
    S.tenant == bindparam("te"),
    S.front == bindparam("fr"),
    func.substr(S.key, const(1), func.length(word("p"))) == word("p"),
)
_IN = Statement(_in)
_EMPTY = Statement(  # nobody has said a thing there: it makes room
    delete(sessions)
    .where(
        S.tenant == bindparam("te"),
        S.key == bindparam("k"),
        S.next_seq == const(1),
        S.pending == const(0),
        ~select(R.id).where(R.session_id == S.id).exists(),
    )
    .returning(S.id)
)
_OF_EMPTY = [
    Statement(delete(table).where(table.c.session_id == bindparam("s"))) for table in (heard, outbox)
]
_there = sessions.alias("there")
_REKEY = Statement(
    update(sessions)
    .values(key=bindparam("k"), address=bindparam("ad"))
    .where(
        S.id == bindparam("s"),
        ~select(_there.c.id).where(_there.c.tenant == S.tenant, _there.c.key == bindparam("k")).exists(),
    )
    .returning(S.id)
)
_UNSHOW = Statement(delete(shown).where(shown.c.session_id == bindparam("s")))
_UNSET = Statement(
    delete(chats).where(_here, C.chat == bindparam("to"), C.settings.is_(null()), C.gone == const(0))
)
_other = chats.alias("other")
_RESET = Statement(
    update(chats)
    .values(chat=bindparam("to"), gone=const(0))
    .where(
        _this,
        ~select(_other.c.chat)
        .where(
            _other.c.tenant == C.tenant,
            _other.c.front == C.front,
            _other.c.bot == C.bot,
            _other.c.chat == bindparam("to"),
        )
        .exists(),
    )
)


def _prefix(address: Address) -> str:
    """How the keys of all conversations in a bot's chat begin."""
    return replace(address, topic="", user="").key.rstrip("/") + "/"


def move(address: Address, to: str) -> Tx[Sequence[tuple[int, Address]]]:
    """Gives a chat another id; see `ChatStore.move_chat`."""
    which, moved = _names(address), list[tuple[int, Address]]()
    for session, stored in (yield _IN, {**which, "p": _prefix(address)}):
        old = to_address(stored)
        new = replace(old, chat=to)
        at = {"te": new.tenant, "k": new.key}
        for (empty,) in (yield _EMPTY, at):
            yield [(statement, {"s": empty}) for statement in _OF_EMPTY]
        if (yield _REKEY, {"s": session, "k": new.key, "ad": address_bytes(new)}):
            yield _UNSHOW, {"s": session}
            moved.append((session, old))
    yield [(_UNSET, {**which, "to": to}), (_RESET, {**which, "to": to})]
    return moved


# ---------------------------------------------------------------- what was overheard

_HEAR = Statement(
    lambda insert: (
        insert(heard)
        .from_select(
            ["session_id", "key", "external", "body", "at"],
            select(S.id, word("k"), word("ex"), blob("b"), now()).where(S.id == bindparam("s")),
        )
        .on_conflict_do_nothing()
    )
)
_kept = heard.alias("kept")
_SHED = Statement(
    delete(heard).where(
        H.session_id == bindparam("s"),
        or_(
            H.at < now() - number("age"),
            H.id
            <= select(_kept.c.id)
            .where(_kept.c.session_id == bindparam("s"))
            .order_by(_kept.c.id.desc())
            .limit(const(1))
            .offset(number("n"))
            .scalar_subquery(),
        ),
    )
)
_HEARD = Statement(
    select(H.id, H.body, H.at)
    .where(H.session_id == bindparam("s"), H.at >= now() - number("age"))
    .order_by(H.id)
)
_UNHEAR = Statement(
    delete(heard).where(H.session_id == bindparam("s"), or_(number("i") == const(0), H.id <= number("i")))
)
_UNHEAR_ALL = Statement(delete(heard).where(H.session_id.in_(_in.with_only_columns(S.id))))
_SWEEP = Statement(delete(heard).where(H.at < now() - number("age")))


# Chats that strangers bring a bot to, and those of strangers themselves: no conversation, and nothing is set.
_STALE = Statement(
    select(C.tenant, C.front, C.bot, C.chat, C.at)
    .where(C.settings.is_(null()), C.at < now() - number("age"))
    .order_by(C.at)
    .limit(number("n"))
)
_TALKS = Statement(
    select(S.id)
    .where(
        S.tenant == bindparam("te"), bytewise(S.key) >= bindparam("p"), bytewise(S.key) < bindparam("q")
    )  # "0" is what follows "/"
    .limit(const(1))
)
_same = and_(_this, C.at == bindparam("at"))
_LOOKED = Statement(update(chats).values(at=now()).where(_same))
_DROP = Statement(delete(chats).where(_same, C.settings.is_(null())))


def overhear(session: int, key: str, external: str, name: str, text: str, most: int, age: int) -> Tx[None]:
    """Keeps what somebody said, and only the newest of all."""
    said = {"k": clean(key), "ex": clean(external), "b": encode((Quote(text, name),))}
    yield [(_HEAR, {"s": session, **said}), (_SHED, {"s": session, "age": age, "n": most})]


def overheard(session: int, age: int) -> Tx[Sequence[Heard]]:
    """What was said lately, oldest first."""
    rows = yield _HEARD, {"s": session, "age": age}
    out: list[Heard] = []
    for id_, body, at in rows:
        for part in decode(bytes(body)):
            if isinstance(part, Quote):
                out.append(Heard(id_, part.author, part.text, at))
    return out


def unhear(session: int, upto: int) -> Tx[None]:
    """Erases what was overheard."""
    yield _UNHEAR, {"s": session, "i": upto}


def unhear_chat(address: Address) -> Tx[None]:
    """Erases what was overheard in all conversations of a chat."""
    yield _UNHEAR_ALL, {**_names(address), "p": _prefix(address)}


def sweep(age: int) -> Tx[None]:
    """Drops what was overheard for so long without a question, and chats in which there is nothing."""
    yield _SWEEP, {"age": age}
    for *names, at in (yield _STALE, {"age": EMPTY, "n": MOST}):
        tenant, front, bot, chat = names
        prefix = _prefix(Address(front, chat, bot, tenant=tenant))
        talks = yield _TALKS, {"te": tenant, "p": prefix, "q": f"{prefix[:-1]}0"}
        which = {"te": tenant, "fr": front, "bo": bot, "ch": chat, "at": at}
        yield (_LOOKED if talks else _DROP), which


# ---------------------------------------------------------------- a person

_theirs = (
    select(P.external)
    .join_from(identities, sessions, and_(S.tenant == P.tenant, S.front == P.front))
    .where(P.user_id == bindparam("u"), S.id == H.session_id)
)
HEARD_OF = Statement(select(H.session_id, H.at, H.body).where(H.external.in_(_theirs)).order_by(H.id))
_own = (
    select(P.external)
    .where(P.user_id == bindparam("u"), P.tenant == C.tenant, P.front == C.front, P.external == C.chat)
    .exists()
)
CHATS_OF = Statement(select(C.front, C.bot, C.lang, C.settings).where(_own).order_by(C.front, C.bot))
_FORGET = (Statement(delete(heard).where(H.external.in_(_theirs))), Statement(delete(chats).where(_own)))


def forget(user: int) -> Tx[None]:
    """Erases what was overheard of a person, and their own chats; their identities must still be there."""
    for statement in _FORGET:
        yield statement, {"u": user}
