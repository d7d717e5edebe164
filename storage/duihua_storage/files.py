"""Attachments: bytes that came with an input or from a skill, kept with its turn and erased with it.

While an input waits, its attachments bear the input's number, negative, in place of a turn's.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

import orjson
from sqlalchemy import bindparam, delete, insert, select, update

from duihua.messages import Attachment, Media, Part
from duihua_storage.expressions import const, now, numbers, words
from duihua_storage.statement import Op, Statement, Tx
from duihua_storage.tables import attachments

A = attachments.c
_COLUMNS = ("session_id", "seq", "id", "sha256", "mime", "name", "size", "data")

_NEW = Statement(insert(attachments).values(at=now(), **{name: bindparam(name) for name in _COLUMNS}))
_TAKE = Statement(
    update(attachments)
    .values(seq=bindparam("q"))
    .where(A.session_id == bindparam("s"), A.seq == bindparam("i"))
)
_OF_ALL = select(A.id, A.mime, A.data, A.name).where(A.id.op("IN")(words("ids")))
_READ = Statement(_OF_ALL)
_READ_ITS = Statement(_OF_ALL.where(A.session_id == bindparam("s")))
_DROP = Statement(delete(attachments).where(A.session_id == bindparam("s"), A.seq < const(0)))
_DROP_SOME = Statement(delete(attachments).where(A.seq.op("IN")(numbers("qs")), A.seq < const(0)))


def keep(session: int, seq: int, given: Sequence[Attachment]) -> list[Op]:
    """Writes attachments down; `seq` is the turn's number, or the waiting input's, negative."""
    return [(_NEW, _row(session, seq, file)) for file in given]


def _row(session: int, seq: int, file: Attachment) -> dict[str, Any]:
    return {
        "session_id": session,
        "seq": seq,
        "id": file.id,
        "sha256": sha256(file.data).hexdigest(),
        "mime": file.mime,
        "name": file.name,
        "size": len(file.data),
        "data": file.data,
    }


def take(session: int, inbox: int, seq: int, parts: Sequence[Part]) -> list[Op]:
    """Hands the attachments of a waiting input to its turn."""
    if not any(isinstance(part, Media) for part in parts):
        return []
    return [(_TAKE, {"s": session, "i": -inbox, "q": seq})]


def drop_waiting(session: int) -> Op:
    """Erases the attachments of the session's waiting inputs."""
    return _DROP, {"s": session}


def drop_of(inputs: Sequence[int]) -> Op:
    """Erases the attachments of these inputs, which wait."""
    return _DROP_SOME, {"qs": orjson.dumps([-id_ for id_ in inputs]).decode()}


def read(ids: Sequence[str], session: int = 0) -> Tx[list[Attachment]]:
    """The attachments of these ids that are still there; with a `session`, only its own."""
    named = {"ids": orjson.dumps(list(ids)).decode()}
    rows = yield (_READ_ITS, {**named, "s": session}) if session else (_READ, named)
    return [
        Attachment(id_, _media(mime), mime, bytes(data), name or "")
        for id_, mime, data, name in rows
        if data is not None
    ]


def _media(mime: str) -> Literal["image", "audio", "video", "file"]:
    match mime.partition("/")[0]:
        case "image" | "audio" | "video" as kind:
            return kind
        case _:
            return "file"
