"""Text as Telegram takes it: cleaned, trimmed, measured in UTF-16 units, its entities checked.

Telegram drops or cuts some entities without a word: those that stand where they may not (bold inside code, a
quote inside a quote, a link inside a link) and all after the hundredth. The fake refuses them, because a bot
would never learn of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from duihua.simulator.telegram.refusals import Refusal, bad

Json = dict[str, Any]

MOST_ENTITIES = 100

_SPLITTABLE = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
_QUOTES = frozenset({"blockquote", "expandable_blockquote"})
_CODE = frozenset({"code", "pre"})
_DETECTED = frozenset(
    {"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number"}
)
_LINKS = _DETECTED | {"text_link", "text_mention", "custom_emoji", "date_time"}
KNOWN = _SPLITTABLE | _QUOTES | _CODE | _LINKS
_FIELDS: Mapping[str, tuple[str, type]] = {
    "text_link": ("url", str),
    "text_mention": ("user", dict),
    "custom_emoji": ("custom_emoji_id", str),
    "date_time": ("unix_time", int),
}
_FIELD_NAMES = {str: "String", dict: "Object", int: "Number"}
_LINK = re.compile(r"(?:https?://|tg://)?[^\s/:]+[.:/][^\s]*", re.IGNORECASE)

_SPACED = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f]")
_ODD = re.compile("[\x00-\x09\x0b-\x1f\u2028-\u202e\u030a\u0333\u033f]")
_REMOVED = re.compile("[\r\u2028-\u202e\u030a\u0333\u033f]")


def units(text: str) -> int:
    """The length in UTF-16 units."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def formatted(text: str, given: Any) -> tuple[str, list[Json]]:
    """The text and entities that a message would show.

    Args:
        text: as it was sent.
        given: the list of entities, or None.

    Raises:
        Refusal: an entity Telegram does not take. An empty result is no error here.
    """
    entities = _parsed(given)
    odd = _ODD.search(text) is not None
    if odd:
        text = _SPACED.sub(" ", text)
    if entities:
        _inside(text, entities)
        _nested(entities)
    if odd:
        text = _without(text, entities)
    return _trimmed(text, entities)


def _parsed(given: Any) -> list[Json]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise bad("can't parse entities: expected an Array of MessageEntity")
    found: list[Json] = []
    for item in cast("list[Any]", given):
        if not isinstance(item, dict):
            raise bad("can't parse MessageEntity: expected an Object")
        entity = cast(Json, item)
        for name in ("offset", "length"):
            if name not in entity:
                raise bad(f"can't parse MessageEntity: Can't find field \"{name}\"")
            if type(entity[name]) is not int:
                raise bad(f'can\'t parse MessageEntity: Field "{name}" must be of type Number')
        kind = entity.get("type")
        if kind not in KNOWN:
            raise bad("can't parse MessageEntity: Unsupported type specified")
        if kind in _FIELDS:
            name, wanted = _FIELDS[kind]
            if name not in entity:
                raise bad(f"can't parse MessageEntity: Can't find field \"{name}\"")
            if type(entity[name]) is not wanted:
                kind_name = _FIELD_NAMES[wanted]
                raise bad(f'can\'t parse MessageEntity: Field "{name}" must be of type {kind_name}')
        if kind == "text_link" and not _LINK.fullmatch(entity["url"]):
            raise bad(f"entity URL '{entity['url']}' is invalid: Wrong HTTP URL")
        if kind == "custom_emoji" and not entity["custom_emoji_id"].isdecimal():
            raise bad('can\'t parse MessageEntity: Field "custom_emoji_id" must be a valid Number')
        if kind == "pre" and not isinstance(entity.get("language", ""), str):
            raise bad('can\'t parse MessageEntity: Field "language" must be of type String')
        if entity["offset"] < 0 or entity["length"] < 0:
            raise bad("can't parse MessageEntity: entity has a negative offset or length")
        if entity["length"]:
            found.append({k: v for k, v in entity.items() if v is not None})
    if len(found) > MOST_ENTITIES:
        raise bad("ENTITIES_TOO_LONG")
    found.sort(key=lambda e: (e["offset"], -e["length"], e["type"] not in _QUOTES))
    return found


def _inside(text: str, entities: list[Json]) -> None:
    length = units(text)
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start >= length:
            raise bad(f"entity begins after the end of the text at UTF-16 offset {start}")
        if end > length:
            raise bad(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text at UTF-16 offset "
                f"{end}"
            )
    if length == len(text):
        return  # no surrogate pairs
    raw = text.encode("utf-16-be", "surrogatepass")

    def halves(at: int) -> bool:
        return at < length and 0xDC <= raw[2 * at] <= 0xDF

    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if halves(start):
            raise bad(f"entity begins in a middle of a UTF-16 symbol at byte offset {_bytes(raw, start)}")
        if halves(end):
            raise bad(
                f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol at byte "
                f"offset {_bytes(raw, end)}"
            )


def _bytes(raw: bytes, at: int) -> int:
    """The UTF-8 offset after the character that the unit `at` is in."""
    return len(raw[: 2 * at + 2].decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass"))


def _nested(entities: list[Json]) -> None:
    around: list[Json] = []
    for entity in entities:
        start, end, kind = entity["offset"], entity["offset"] + entity["length"], entity["type"]
        while around and around[-1]["offset"] + around[-1]["length"] <= start:
            around.pop()
        for outer in around:
            if outer["offset"] + outer["length"] < end:
                raise bad(
                    f"entity beginning at UTF-16 offset {start} ends after the end of the text at UTF-16 "
                    f"offset {end}"
                )
            if not _may_hold(outer["type"], kind):
                raise _misplaced(kind, outer["type"], start)
        around.append(entity)


def _may_hold(outer: str, inner: str) -> bool:
    if outer in _CODE or outer == inner:
        return False
    if inner in _CODE:
        return outer in _QUOTES
    if inner in _QUOTES:
        return outer in _SPLITTABLE
    return not (outer in _LINKS and inner in _LINKS)


def _misplaced(inner: str, outer: str, at: int) -> Refusal:
    return bad(f"can't parse entities: {inner} at UTF-16 offset {at} can't stand inside {outer}")


def _without(text: str, entities: list[Json]) -> str:
    """Takes out what Telegram removes, and moves the entities along."""
    gone = [found.start() for found in _REMOVED.finditer(text)]
    if entities:
        places = [units(text[:at]) for at in gone]  # all removed characters are one unit long

        def moved(at: int) -> int:
            return at - sum(place < at for place in places)

        for entity in entities:
            start, end = moved(entity["offset"]), moved(entity["offset"] + entity["length"])
            entity["offset"], entity["length"] = start, end - start
        entities[:] = [e for e in entities if e["length"]]
    return _REMOVED.sub("", text)


def _trimmed(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    """Without spaces and line breaks at the end, and at the start as far as no entity begins there."""
    text = text.rstrip(" \n")
    lead = len(text) - len(text.lstrip(" \n"))
    if not entities:
        return text[lead:], entities
    end = units(text)
    kept: list[Json] = []
    for entity in entities:
        if entity["offset"] < end:
            entity["length"] = min(entity["length"], end - entity["offset"])
            kept.append(entity)
    lead = min(lead, kept[0]["offset"]) if kept else lead
    for entity in kept:
        entity["offset"] -= lead
    return text[lead:], kept
