"""One update as it comes: its number, its author, where it was said, as far as anybody can read it. Pure."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import Any, cast

import orjson

from duihua.telegram.wire import read_json

log = logging.getLogger(__name__)

Kept = tuple[str, str, bytes]

BODY = 1024 * 1024
"""Bytes of an update that are kept whole."""
HEAD = 4096
"""Bytes that are kept of a larger one: no update any more, but they may tell where it was said."""
HIGHEST = 10**12
"""The highest `update_id` that is taken for one. Telegram's end at 2,000,000,000; a number beyond sense, once
confirmed, would confirm whatever is said from then on, unread."""

_UPDATES = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\s*,\s*"result"\s*:\s*\[')
_END = re.compile(rb"\}\s*\]\s*\}\s*\Z")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_BEGIN = re.compile(rb'\{\s*"update_id"\s*:')
_NUMBER = re.compile(rb'"update_id"\s*:\s*(\d{1,18})\s*[,}]')
_MESSAGE = re.compile(rb'\s*\{\s*"update_id"\s*:\s*\d+\s*,\s*"(?:edited_)?message"\s*:')
_FROM = re.compile(rb'"from"\s*:\s*\{\s*"id"\s*:\s*(\d{1,18})\s*[,}]')
_CHAT = re.compile(rb'"chat"\s*:\s*\{\s*"id"\s*:\s*(-?\d{1,18})\s*[,}]')


def number_of(update: Any) -> int | None:
    """Its `update_id`, if it has one, of any size."""
    number = _field(update, "update_id")
    return number if type(number) is int else None


def sound(number: int | None) -> bool:
    """Whether a number is one of Telegram's, which may be confirmed."""
    return number is not None and 0 < number <= HIGHEST


def kept(update: Any) -> Kept:
    """Key, author and body of an update as the store takes it, whatever it is."""
    return _bounded(number_of(update), author_of(update), _written(update))


def author_of(update: Any) -> str:
    """The id of the person it comes from; empty: nobody, or it cannot be told."""
    if not isinstance(update, dict):
        return ""
    for payload in cast("dict[str, Any]", update).values():
        id_ = _field(_field(payload, "from"), "id")
        if type(id_) is int:
            return str(id_)[:64]
    return ""


# ---------------------------------------------------------------- what no reader takes


def apart(answer: bytes) -> list[bytes] | None:
    """The updates of an answer that nobody can read whole; None: it is no whole one of the Bot API.

    In a text a quotation mark has a backslash before it, so that nobody writes the beginning of an update
    into one.
    """
    begin, end = _UPDATES.match(answer), _END.search(answer, max(0, len(answer) - 100))
    if not begin or not end:
        return None
    whole = answer[begin.end() : end.start() + 1]
    return _balanced(whole) or _begun(whole) or None


def _balanced(whole: bytes) -> list[bytes]:
    """Cut where every bracket is closed; empty: one is not."""
    out, depth, start = list[bytes](), 0, 0
    for found in _TOKEN.finditer(whole):
        token = found[0]
        if token in (b"{", b"["):
            start = found.start() if not depth else start
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth < 0:
                return []
            if not depth:
                out.append(whole[start : found.end()])
    return out if not depth else []


def _begun(whole: bytes) -> list[bytes]:
    """Cut where updates begin."""
    starts = [found.start() for found in _BEGIN.finditer(whole)]
    return [whole[a:b].rstrip(b", \r\n\t") for a, b in zip(starts, [*starts[1:], len(whole)], strict=True)]


def is_update(body: bytes) -> bool:
    """Whether it may be an update, readable or not."""
    if (update := _read(body)) is None:
        return _BEGIN.match(body.lstrip()) is not None
    return type(_field(update, "update_id")) in (int, float)


def kept_as(piece: bytes, least: int = 1) -> tuple[Kept, int | None]:
    """As the store takes the bytes of one update, whatever they are, and its number.

    Args:
        piece: its bytes.
        least: a number below cannot come next.
    """
    if (update := _read(piece)) is None:
        found, who = _NUMBER.search(piece), _FROM.search(piece)
        number = int(found[1]) if found and int(found[1]) >= least else None
        return _bounded(number, who[1].decode() if who else "", piece), number
    return kept(update), number_of(update)


def said_in(body: bytes) -> tuple[int, int]:
    """The chat and the person of a message that cannot be read as one; 0: that cannot be told either."""
    if (update := _read(body)) is None:
        if not _MESSAGE.match(body):
            return 0, 0
        chat, who = _CHAT.search(body), _FROM.search(body)
        return int(chat[1]) if chat else 0, int(who[1]) if who else 0
    message = _field(update, "message") or _field(update, "edited_message")
    if _field(_field(message, "from"), "is_bot"):
        return 0, 0
    ids = _field(_field(message, "chat"), "id"), _field(_field(message, "from"), "id")
    chat, who = (id_ if type(id_) is int and abs(id_) < 10**18 else 0 for id_ in ids)
    return chat, who


def _read(body: bytes) -> Any:
    """JSON; None: it is none."""
    try:
        return read_json(body)
    except (ValueError, RecursionError):
        return None


def _field(value: Any, name: str) -> Any:
    return cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None


def _bounded(number: int | None, author: str, body: bytes) -> Kept:
    key = str(number) if sound(number) else f"?{hashlib.sha256(body).hexdigest()[:32]}"
    if len(body) > BODY:
        log.error("update %s has %d bytes: it is kept without them", key, len(body))
        body = body[:HEAD]  # which nobody can read: it goes into quarantine
    return key, author, body


def _written(update: Any) -> bytes:
    try:
        return orjson.dumps(update)
    except TypeError:  # half a surrogate pair, a number beyond 64 bits, nested too deeply
        pass
    try:
        return json.dumps(update).encode()
    except (ValueError, RecursionError):
        return b""
