"""What a skill returns, as the text that a model reads: JSON where it is no text, bounded, files apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import orjson
from pydantic import BaseModel

from duihua.messages import Attachment
from duihua.skills.files import Files

KEPT = 1 << 20
"""Bytes of a clipped result that are kept for `read_more`."""
REPORT = 500
"""Characters of one report of progress."""
MARK = "[clipped: characters 0-"
"""How a result begins whose rest can be read."""


_SCALARS = frozenset({str, int, float, bool, type(None)})
_SIMPLE = 1_000  # values in one another


def simple(value: Any) -> bool:
    """Whether a value is small and of JSON's own types: its text is soon made, by nobody's code but ours."""
    todo: list[Any] = [value]
    for _ in range(_SIMPLE):
        if not todo:
            return True
        item = todo.pop()
        kind = cast("Any", type(item))
        if kind in _SCALARS:
            continue
        if kind not in (list, tuple, dict) or len(item) > _SIMPLE:
            return False
        todo += item
        if kind is dict:
            todo += item.values()
    return False


def exact(value: object) -> str:
    """A text of no type but `str`, whatever `value` makes of itself: runs its code."""
    return str.__str__(str(value))


def reported(value: object) -> str:
    """What is told of a report of progress."""
    return clipped(exact(value), REPORT)


def text(value: Any, files: Files) -> str:
    """The text of a result; attachments, alone or in a list, go to `files`.

    Raises:
        TypeError: it has no JSON form. ValueError, RecursionError: it contains itself.
    """
    if isinstance(value, Attachment):
        files.add(value)
        return ""
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        if any(isinstance(item, Attachment) for item in items):
            return _beside(items, files)
    return plain(value)


def _beside(items: Sequence[Any], files: Files) -> str:
    """What stands in a list beside attachments: texts as they are, anything else as JSON, line by line."""
    rest: list[str] = []
    for item in items:
        if isinstance(item, Attachment):
            files.add(item)
        else:
            rest.append(plain(item))
    return "\n".join(rest)


def plain(value: Any) -> str:
    """Text as it is, anything else as JSON; NaN and infinity become null."""
    if isinstance(value, str):
        said = exact(value)
        return said if said.isascii() else said.encode("utf-8", "replace").decode()
    try:
        return orjson.dumps(value, default=_json, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # among others whole numbers beyond 64 bits
        return json.dumps(value, default=_json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a skill returned {type(value).__qualname__}, which has no JSON form")


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters, with a note on how many there are."""
    if len(text) <= limit:
        return text
    note = f"\n[clipped: {len(text)} characters in all]"
    return (text[: max(limit - len(note), 0)] + note)[:limit]


def opened(text: str, limit: int, call: str) -> str:
    """The beginning of a long text; the note stands first, where no later clipping takes it away."""
    known = f'{MARK}{limit} of {len(text)}; read_more(call="{call}", offset={limit}) reads on]\n'
    room = max(limit - len(known), 0)
    return f'{MARK}{room} of {len(text)}; read_more(call="{call}", offset={room}) reads on]\n{text[:room]}'


def whole(text: str) -> bytes:
    """As much of a text as is kept."""
    return text[:KEPT].encode()[:KEPT].decode("utf-8", "ignore").encode()
