"""Conversations as plain data: turns with their steps, calls and attachments, notes, inputs, deliveries."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Select, func, select
from sqlalchemy.sql.elements import ColumnElement

from duihua.codec import decode_usage
from duihua.messages import TurnRef, call_id
from duihua_storage.expressions import number, numbers
from duihua_storage.sessions import name_of, to_address, to_settings
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import attachments, inbox, notes, outbox, sessions, skill_calls, steps, turns

Data = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999  # ms UTC: the end of the year 9999, the last that a date can name

A, B, C, N, X = attachments.c, inbox.c, skill_calls.c, notes.c, outbox.c
P, S, T = steps.c, sessions.c, turns.c

INPUT: Select[*tuple[Any, ...]] = select(
    B.session_id, B.id, B.source, B.source_id, B.kind, B.state, B.turn_seq, B.received, B.body
)
_NOTES = Statement(
    select(N.level, N.first, N.upto, N.covers, N.content, N.by, N.at)
    .where(N.session_id == number("s"))
    .order_by(N.first, N.level)
)
_OUTBOX = Statement(
    select(X.seq, X.part, X.kind, X.state, X.body, X.external_id, X.at)
    .where(X.session_id == number("s"))
    .order_by(X.id)
)
_author = func.coalesce(T.author_id, S.owner_id)
_TURNS = (
    select(
        T.seq,
        T.parent,
        T.state,
        T.finish,
        T.error,
        _author.label("author"),
        name_of(_author),
        T.input,
        T.partial,
        T.model,
        T.persona,
        T.tokens,
        T.no_recall,
        T.started,
        T.ended,
    )
    .join_from(turns, sessions, S.id == T.session_id)
    .where(T.session_id == number("s"))
    .order_by(T.seq)
)
_STEPS = (
    select(P.seq, P.step, P.content, P.model, P.usage, P.at)
    .where(P.session_id == number("s"))
    .order_by(P.seq, P.step)
)
_CALLS = (
    select(
        C.seq,
        C.step,
        C.idx,
        C.name,
        C.effect,
        C.state,
        C.arguments,
        C.result,
        C.started,
        C.ended,
    )
    .where(C.session_id == number("s"))
    .order_by(C.seq, C.step, C.idx)
)
_FILES = (
    select(A.seq, A.id, A.name, A.mime, A.size, A.sha256, A.at)
    .where(A.session_id == number("s"))
    .order_by(A.seq, A.id)
)
_BYTES = _FILES.add_columns(A.data)  # only where they are asked for: they may be large


def _some(of: Select[*tuple[Any, ...]], seq: ColumnElement[int]) -> Statement:
    return Statement(of.where(seq.op("IN")(numbers("qs"))))


_WHOLE = [Statement(of) for of in (_TURNS, _STEPS, _CALLS)]
_PICKED = [_some(_TURNS, T.seq), _some(_STEPS, P.seq), _some(_CALLS, C.seq)]
_ITS_FILES = {False: Statement(_FILES), True: Statement(_BYTES)}
_THEIR_FILES = {False: _some(_FILES, A.seq), True: _some(_BYTES, A.seq)}


def conversation(row: Sequence[Any], given: Sequence[Sequence[Any]], user: int, files: bool) -> Tx[Data]:
    """A session of the person `user`: all of it, on all its branches.

    Args:
        row: id, key, address, title, settings, locale, head, created, touched.
        given: rows of its inputs, as `INPUT` has them.
        user: whose session it is.
        files: whether attachments come with their bytes.
    """
    id_, key, address, title, settings, locale, head, created, touched = row
    which = {"s": id_}
    *said, kept, noted, owed = yield [
        *((statement, which) for statement in _WHOLE),
        (_ITS_FILES[files], which),
        (_NOTES, which),
        (_OUTBOX, which),
    ]
    attached = _attachments(kept)
    place = to_address(address)
    return {
        "id": id_,
        "key": key,
        "front": place.front,
        "address": {
            name: getattr(place, name) for name in ("tenant", "chat", "bot", "topic", "user", "shared")
        },
        "title": title or "",
        "settings": to_settings(settings),
        "locale": locale,
        "head": head,
        "created": time(created),
        "touched": time(touched),
        "turns": _turns(id_, said, attached, user),
        "notes": [_note(note) for note in noted],
        "inputs": [_input(input, attached) for input in given],
        "outbox": [_send(send) for send in owed],
    }


def elsewhere(said: Sequence[Sequence[Any]], asked: Sequence[Sequence[Any]], files: bool) -> Tx[list[Data]]:
    """What a person said in sessions that belong to others, with the answers to it.

    Args:
        said: (session, seq) of their turns.
        asked: rows of their inputs, as `INPUT` has them.
        files: whether attachments come with their bytes.
    """
    seqs: dict[int, list[int]] = {}
    for session, seq in said:
        seqs.setdefault(session, []).append(seq)
    for session, id_, *_ in asked:
        seqs.setdefault(session, []).append(-id_)  # where attachments of a waiting input are kept
    out: list[Data] = []
    for session, places in sorted(seqs.items()):
        which = {"s": session, "qs": orjson.dumps(places).decode()}
        *turned, kept = yield [*((of, which) for of in _PICKED), (_THEIR_FILES[files], which)]
        attached = _attachments(kept)
        given = [_input(input, attached) for input in asked if input[0] == session]
        out.append({"session": session, "turns": _turns(session, turned, attached, 0), "inputs": given})
    return out


def _turns(
    session: int, said: Sequence[Sequence[Any]], attached: Mapping[int, list[Data]], user: int
) -> list[Data]:
    """The turns of one session. `user`: whose session it is, 0 if all turns are the exported person's."""
    rows, answers, called = said
    calls: dict[tuple[int, int], list[Data]] = {}
    for seq, number_, index, name, effect, state, arguments, result, started, ended in called:
        calls.setdefault((seq, number_), []).append(
            {
                "id": call_id(TurnRef(session, seq), number_, index),
                "name": name,
                "effect": effect,
                "state": state,
                "arguments": text(arguments),
                "result": text(result),
                "started": time(started),
                "ended": time(ended),
            }
        )
    by_turn: dict[int, list[Data]] = {}
    for seq, number_, content, model, used, at in answers:
        by_turn.setdefault(seq, []).append(
            {
                "parts": plain(content) or [],
                "model": model,
                "usage": asdict(decode_usage(used)),
                "at": time(at),
                "calls": calls.get((seq, number_), []),
            }
        )
    out: list[Data] = []
    for row in rows:
        seq, parent, state, finish, error, author, name, input, partial, model, persona, *rest = row
        tokens, off_record, started, ended = rest
        out.append(
            {
                "turn": seq,
                "parent": parent,
                "state": state,
                "finish": finish,
                "error": error,
                "author": name or "",
                "own": not user or author == user,
                "input": plain(input) or [],
                "attachments": attached.get(seq, []),
                "steps": by_turn.get(seq, []),
                "partial": text(partial),
                "model": model,
                "persona": persona,
                "tokens": tokens,
                "off_record": bool(off_record),
                "started": time(started),
                "ended": time(ended),
            }
        )
    return out


def _attachments(rows: Iterable[Sequence[Any]]) -> dict[int, list[Data]]:
    """By turn, or by minus the waiting input."""
    out: dict[int, list[Data]] = {}
    for seq, id_, name, mime, size, digest, at, *data in rows:
        file = {
            "id": id_,
            "name": name or "",
            "mime": mime,
            "size": size,
            "sha256": digest,
            "at": time(at),
        }
        if data:
            file["base64"] = b64encode(data[0] or b"").decode()
        out.setdefault(seq, []).append(file)
    return out


def _note(row: Sequence[Any]) -> Data:
    level, first, upto, covers, content, by, at = row
    return {
        "kind": "digest" if level else "note",
        "first": first,
        "upto": upto,
        "covers": plain(covers),
        "text": text(content),
        "by": by,
        "at": time(at),
    }


def _input(row: Sequence[Any], attached: Mapping[int, list[Data]]) -> Data:
    _, id_, source, source_id, kind, state, seq, received, body = row
    return {
        "id": id_,
        "source": source,
        "source_id": source_id,
        "kind": kind,
        "state": state,
        "turn": seq,
        "received": time(received),
        "parts": plain(body) or [],
        "attachments": attached.get(-id_, []),
    }


def _send(row: Sequence[Any]) -> Data:
    seq, part, kind, state, body, external, at = row
    return {
        "turn": seq,
        "part": part,
        "kind": kind,
        "state": state,
        "external": external,
        "at": time(at),
        "body": plain(body),
    }


# ---------------------------------------------------------------- stored values


def time(ms: int | None) -> str | None:
    """A stored time as ISO 8601 UTC; None for none."""
    if not ms:
        return None
    moment = _EPOCH + timedelta(milliseconds=min(ms, _LAST))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(data: bytes | None) -> str:
    """What stands in a content column of text."""
    return "" if data is None else bytes(data).decode("utf-8", "replace")


def plain(data: bytes | None) -> Any:
    """What stands in a content column: JSON as its value, else as text."""
    if data is None:
        return None
    try:
        return orjson.loads(data)
    except ValueError:
        return text(data)
