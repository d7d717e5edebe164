"""Images in a conversation: read once, kept beside it, and put into the messages of a model that sees.

A packed conversation names an image by a word, `[image: cat.png]`. For a model that sees, the newest images
of the conversation are put beside the words of their own message; older ones stay named.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson

from duihua.errors import UnsupportedInput
from duihua.fragments import Images, to_json
from duihua.messages import Attachment, Media, Part, Turn, TurnRef
from duihua.ports import Packed

LARGEST = 7 << 20
"""Bytes of the largest image that is taken: its base64 text is within the 10 MB that platforms document."""
NEWEST = 4
"""Images of a conversation that are sent with one request."""
TOKENS = 1_000
"""About what one image costs; platforms count 85 to 1,500."""

_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def image(data: bytes, name: str = "") -> Attachment:
    """An image that goes with an input: `session.say([image(data), Text("What is this?")])`.

    Raises:
        UnsupportedInput: it is no PNG, JPEG, GIF or WebP, or too large.
    """
    mime = mime_of(data)
    if not mime:
        raise UnsupportedInput("not_image", name=name or "?")
    if len(data) > LARGEST:
        raise UnsupportedInput("too_large", name=name or "?", limit=f"{LARGEST >> 20} MB")
    return Attachment(secrets.token_hex(8), "image", mime, data, name)


def mime_of(data: bytes) -> str:
    """The type of an image, told by its first bytes; empty if it is none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC.items() if data.startswith(magic)), "")


def read_image(path: str | Path) -> Attachment:
    """The image in a file. Raises UnsupportedInput if it cannot be read, or is none."""
    file = Path(path).expanduser()
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise UnsupportedInput("unreadable", name=str(path), reason=reason) from None
    return image(data, file.name)


def refuse_unseen(model: str, parts: Sequence[Part], images: Images) -> None:
    """Raises UnsupportedInput if `parts` hold what the model does not take."""
    for part in parts:
        if not isinstance(part, Media):
            continue
        if part.media != "image":
            raise UnsupportedInput("no_media", model=model, kind=part.media)
        if images == "none":
            raise UnsupportedInput("no_images", model=model)


def wanted(turns: Sequence[Turn]) -> tuple[str, ...]:
    """The ids of the newest images in a conversation, newest first."""
    found: list[str] = []
    for turn in reversed(turns):
        found += [p.attachment for p in reversed(turn.input) if isinstance(p, Media) and p.media == "image"]
        if len(found) >= NEWEST:
            break
    return tuple(dict.fromkeys(found))[:NEWEST]


def placed(packed: Packed, turns: Sequence[Turn], stored: Mapping[str, Attachment], form: Images) -> Packed:
    """The packed conversation with images beside the words of their messages.

    Args:
        packed: as the dialect packed it.
        turns: the conversation.
        stored: the images by their ids; one that is not there stays a word.
        form: how the wire takes them.
    """
    if form == "none" or not stored:
        return packed
    of_turn: dict[TurnRef, list[Attachment]] = {}
    for turn in turns:
        there = [stored[p.attachment] for p in turn.input if isinstance(p, Media) and p.attachment in stored]
        if there:
            of_turn[turn.ref] = there
    messages = list(packed.messages)
    count = 0
    for place, ref in _openings(packed):
        pictures = of_turn.pop(ref, None)
        if pictures is None:
            continue
        fields: dict[str, Any] = orjson.loads(messages[place])
        if fields.get("role") != "user":
            continue
        parts = [_part(picture, form) for picture in pictures]
        messages[place] = to_json({**fields, "content": parts + _words(fields.get("content"), form)})
        count += len(pictures)
    return replace(packed, messages=tuple(messages), tokens=packed.tokens + count * TOKENS)


def _openings(packed: Packed) -> list[tuple[int, TurnRef]]:
    """Where the input of each turn stands: the first message of the turn, or one that it was joined to."""
    first: dict[TurnRef, int] = {}
    for place, ref in enumerate(packed.rounds):
        if ref is not None:
            first.setdefault(ref, place)
    return [*((place, ref) for ref, place in first.items()), *packed.joined]


def _words(content: Any, form: Images) -> list[Any]:
    if isinstance(content, list):  # another turn's images stand here already
        return cast("list[Any]", content)
    return [{"text": content} if form == "dashscope" else {"type": "text", "text": content}]


def _part(picture: Attachment, form: Images) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode()
    url = data if form == "base64" else f"data:{picture.mime};base64,{data}"
    return {"image": url} if form == "dashscope" else {"type": "image_url", "image_url": {"url": url}}
