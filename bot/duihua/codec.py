"""Parts to bytes and back: tagged JSON, `{"t": "<name>", ...}`. An unknown tag is kept, never an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from duihua.messages import (
    Decision,
    FileText,
    Media,
    Opaque,
    Options,
    Part,
    Quote,
    Speaker,
    Text,
    Thinking,
    Unknown,
    Usage,
)

FORMAT = 1
"""Number of the content format, stored beside it."""


def encode(parts: tuple[Part, ...]) -> bytes:
    """The stored form of `parts`."""
    return dump([_tagged(p) for p in parts])


def dump(value: Any) -> bytes:
    """A value as JSON, whatever stands in its texts."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_sound(value))


def decode(data: bytes | memoryview | None) -> tuple[Part, ...]:
    """The parts of a stored form; `None` (erased or moved) is no parts."""
    if data is None:
        return ()
    value: Any = orjson.loads(data)
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return tuple([_part(item) for item in items])


def encode_usage(usage: Usage) -> bytes:
    """The stored form of `usage`."""
    return orjson.dumps([usage.input, usage.output, usage.cached, usage.reasoning])


def decode_usage(data: bytes | memoryview | None) -> Usage:
    """The usage of a stored form; `None` is no usage."""
    return Usage() if data is None else Usage(*orjson.loads(data))


def sound(text: str) -> str:
    """The same text without lone surrogates, which UTF-8 cannot hold; halves that meet become a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {str(_sound(k)): _sound(v) for k, v in items}
    if isinstance(value, (list, tuple)):
        return [_sound(v) for v in cast("list[Any]", value)]
    return value


def _tagged(part: Part) -> dict[str, Any]:
    match part:
        case Text(text):
            return {"t": "text", "text": text}
        case Thinking(text):
            return {"t": "thinking", "text": text}
        case Media(media, attachment, mime, name):
            return {"t": "media", "media": media, "attachment": attachment, "mime": mime, "name": name}
        case Quote(text, author):
            return {"t": "quote", "text": text, "author": author}
        case Speaker(name):
            return {"t": "speaker", "name": name}
        case FileText(text, name, cut):
            return {"t": "file", "text": text, "name": name, "cut": cut}
        case Decision(call, approve):
            return {"t": "decision", "call": call, "approve": approve}
        case Options(values):
            return {"t": "options", "values": values}
        case Opaque(provider, data):
            return {"t": "opaque", "provider": provider, "data": data}
        case Unknown(data):
            return dict(data)


def _part(item: Any) -> Part:
    if not isinstance(item, dict):
        return Unknown({"t": "?", "value": item})
    data = cast("dict[str, Any]", item)
    match data:
        case {"t": "text", "text": str(text)}:
            return Text(text)
        case {"t": "thinking", "text": str(text)}:
            return Thinking(text)
        case {"t": "media", "media": "image" | "audio" | "video" | "file" as media, "attachment": str(id_)}:
            return Media(media, id_, str(data.get("mime", "")), str(data.get("name", "")))
        case {"t": "quote", "text": str(text)}:
            return Quote(text, str(data.get("author", "")))
        case {"t": "speaker", "name": str(name)}:
            return Speaker(name)
        case {"t": "file", "text": str(text)}:
            return FileText(text, str(data.get("name", "")), bool(data.get("cut")))
        case {"t": "decision", "call": str(call), "approve": bool(approve)}:
            return Decision(call, approve)
        case {"t": "options", "values": dict()}:
            return Options(data["values"])
        case {"t": "opaque", "provider": str(provider), "data": dict()}:
            return Opaque(provider, data["data"])
        case _:
            return Unknown(data)
