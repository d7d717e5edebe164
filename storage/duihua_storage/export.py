"""Everything stored about a person, as plain data: names, texts, numbers, and times as ISO 8601 UTC.

What a row holds only for the program's own use (leases, counters, the index' terms) is no part of it. It is
one reading transaction: the data are of one moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import orjson
from sqlalchemy import and_, func, null, or_, select

from duihua.errors import NotFound
from duihua_storage.access import ASKED_BY, CHANGES_OF
from duihua_storage.arrivals import THEIRS
from duihua_storage.chats import CHATS_OF, HEARD_OF
from duihua_storage.expressions import const, now, number, numbers
from duihua_storage.records import INPUT, Data, conversation, elsewhere, plain, text, time
from duihua_storage.segments import decode
from duihua_storage.sessions import to_address
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import (
    arrivals,
    fact_sources,
    facts,
    identities,
    inbox,
    links,
    reminders,
    segments,
    sessions,
    tasks,
    turns,
    usage,
    users,
    vectors,
)

FORMAT = 1
"""Number of the layout of the exported data; it stands in them."""
A, B, F, G, K, L = arrivals.c, inbox.c, facts.c, fact_sources.c, tasks.c, links.c
P, R, S, T, U = identities.c, reminders.c, sessions.c, turns.c, users.c
V, W, X = vectors.c, segments.c, usage.c


def export(user: int, files: bool) -> Tx[Mapping[str, Any]]:
    """Everything stored about a person; see `MemoryStore.export`.

    Raises:
        NotFound: there is no such person.
    """
    who = {"u": user}
    person, names, codes, waiting, roles, owned, said, asked = yield [
        (_PERSON, who),
        (_IDENTITIES, who),
        (_LINKS, who),
        (ASKED_BY, who),
        (CHANGES_OF, who),
        (_SESSIONS, who),
        (_SAID, who),
        (_ASKED, who),
    ]
    if not person:
        raise NotFound("user", user)
    at, tenant, role, locale, zone, memory, created = person[0]
    owned = [row for row in owned if not to_address(row[2]).shared]  # of others' words none are theirs
    own = {row[0] for row in owned}
    owners = {"us": orjson.dumps([user, *(-id_ for id_ in own)]).decode()}
    given, known, found, indexed, embedded, reminded, started, used, arrived, set_, heard = yield [
        (_GIVEN, {"ss": orjson.dumps(list(own)).decode()}),
        (_FACTS, owners),
        (_SOURCES, owners),
        (_INDEXED, owners),
        (_EMBEDDED, owners),
        (_REMINDERS, who),
        (_TASKS, who),
        (_USAGE, who),
        (_ARRIVALS, who),
        (CHATS_OF, who),
        (HEARD_OF, who),
    ]
    remembered = _facts(known, found)
    conversations: list[Data] = []
    inputs: dict[int, list[Any]] = {}
    for input in given:
        inputs.setdefault(input[0], []).append(input)
    for row in owned:
        made = yield from conversation(row, inputs.get(row[0], ()), user, files)
        conversations.append({**made, "facts": remembered.get(-row[0], [])})
    others = yield from elsewhere(
        [row for row in said if row[0] not in own], [row for row in asked if row[0] not in own], files
    )
    return {
        "format": FORMAT,
        "exported": time(at),
        "person": {
            "id": user,
            "tenant": tenant,
            "role": role,
            "locale": locale,
            "timezone": zone,
            "memory": memory,
            "created": time(created),
            "identities": [{"front": f, "external": e, "name": n} for f, e, n in names],
            "link_codes": [{"expires": time(row[0])} for row in codes],
            "roles": [{"at": time(at), "was": was, "role": role} for at, was, role in roles],
            "pairings": [_pairing(row) for row in waiting],
        },
        "sessions": conversations,
        "elsewhere": others,
        "facts": remembered.get(user, []),
        "derived": {
            "indexed_turns": sum(len(decode(row[0])) for row in indexed),
            "embeddings": dict(embedded),
        },
        "reminders": [_reminder(row) for row in reminded],
        "tasks": [_task(row) for row in started],
        "usage": [_used(row) for row in used],
        "arrivals": [_arrival(row) for row in arrived],
        "chats": [
            {"front": f, "bot": bot, "language": lang, "settings": plain(settings) or {}}
            for f, bot, lang, settings in set_
        ],
        "overheard": [{"session": s, "at": time(at), "body": plain(body)} for s, at, body in heard],
    }


# ---------------------------------------------------------------- the person

_u = number("u")
_PERSON = Statement(select(now(), U.tenant, U.role, U.locale, U.tz, U.memory, U.created).where(U.id == _u))
_IDENTITIES = Statement(
    select(P.front, P.external, P.name).where(P.user_id == _u).order_by(P.front, P.external)
)
_LINKS = Statement(select(L.expires).where(L.user_id == _u).order_by(L.expires))
_SESSIONS = Statement(
    select(S.id, S.key, S.address, S.title, S.settings, S.locale, S.head, S.created, S.touched)
    .where(S.owner_id == _u)
    .order_by(S.created, S.id)
)
_OWNED = select(S.id).where(S.owner_id == _u)


def _by(author: Any, session: Any) -> Any:
    """What the person said, in others' sessions and, with no author named, in their own."""
    return or_(author == _u, and_(author.is_(null()), session.in_(_OWNED)))


_SAID = Statement(
    select(T.session_id, T.seq).where(_by(T.author_id, T.session_id)).order_by(T.session_id, T.seq)
)
_ASKED = Statement(INPUT.where(_by(B.author_id, B.session_id), B.session_id.is_not(null())).order_by(B.id))
_GIVEN = Statement(INPUT.where(B.session_id.op("IN")(numbers("ss"))).order_by(B.id))
_FACTS = Statement(
    select(
        F.owner_id,
        F.id,
        F.kind,
        F.subject,
        F.content,
        F.confidence,
        F.first_seen,
        F.last_seen,
        F.expires,
        F.superseded_by,
    )
    .where(F.owner_id.op("IN")(numbers("us")))
    .order_by(F.id)
)
_SOURCES = Statement(
    select(G.fact_id, G.session_id, G.seq)
    .join_from(fact_sources, facts, F.id == G.fact_id)
    .where(F.owner_id.op("IN")(numbers("us")))
    .order_by(G.fact_id, G.session_id, G.seq)
)
_INDEXED = Statement(select(W.body).where(W.owner_id.op("IN")(numbers("us"))))
_EMBEDDED = Statement(
    select(V.model, func.count())
    .where(V.owner_id.op("IN")(numbers("us")))
    .group_by(V.model)
    .order_by(V.model)
)
_REMINDERS = Statement(
    select(R.id, R.session_id, R.due, R.rule, R.tz, R.body, R.state).where(R.owner_id == _u).order_by(R.id)
)
_TASKS = Statement(
    select(K.id, K.kind, K.platform, K.model, K.echoed, K.state, K.result, K.error, K.created, K.ended)
    .where(K.owner_id == _u, K.owner_id != const(0))
    .order_by(K.id)
)
_USAGE = Statement(
    select(X.day, X.model, X.turns, X.input, X.cached, X.output, X.reasoning, X.micros)
    .where(X.owner_id == _u)
    .order_by(X.day, X.model)
)
_ARRIVALS = Statement(
    select(A.source, A.key, A.state, A.error, A.body, A.at).where(A.id.in_(THEIRS)).order_by(A.id)
)


def _facts(rows: Iterable[Sequence[Any]], sources: Iterable[Sequence[Any]]) -> dict[int, list[Data]]:
    """By owner: the facts, also those that others have replaced."""
    places: dict[int, list[Data]] = {}
    for fact, session, seq in sources:
        places.setdefault(fact, []).append({"session": session, "turn": seq})
    out: dict[int, list[Data]] = {}
    for owner, id_, kind, subject, content, confidence, first, last, expires, later in rows:
        out.setdefault(owner, []).append(
            {
                "id": id_,
                "kind": kind,
                "subject": subject or "",
                "text": text(content),
                "confidence": confidence,
                "first_seen": time(first),
                "last_seen": time(last),
                "expires": time(expires),
                "superseded_by": later or None,
                "sources": places.get(id_, []),
            }
        )
    return out


def _pairing(row: Sequence[Any]) -> Data:
    return dict(zip(("front", "external", "name", "state"), row, strict=False)) | {"expires": time(row[4])}


def _reminder(row: Sequence[Any]) -> Data:
    id_, session, due, rule, zone, body, state = row
    return {
        "id": id_,
        "session": session,
        "due": time(due),
        "rule": rule,
        "timezone": zone,
        "state": state,
        "body": plain(body),
    }


def _task(row: Sequence[Any]) -> Data:
    id_, kind, platform, model, echoed, state, result, error, created, ended = row
    return {
        "id": id_,
        "kind": kind,
        "platform": platform,
        "model": model,
        "echoed": echoed,
        "state": state,
        "created": time(created),
        "ended": time(ended),
        "result": plain(result),
        "error": plain(error),
    }


def _used(row: Sequence[Any]) -> Data:
    day, model, count, input, cached, output, reasoning, micros = row
    return {
        "day": date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat(),
        "model": model,
        "turns": count,
        "input": input,
        "cached": cached,
        "output": output,
        "reasoning": reasoning,
        "micros": micros,
    }


def _arrival(row: Sequence[Any]) -> Data:
    source, key, state, error, body, at = row
    return {
        "source": source,
        "key": key,
        "state": "quarantined" if state == "bad" else state,
        "error": error or "",
        "at": time(at),
        "body": plain(body),
    }
