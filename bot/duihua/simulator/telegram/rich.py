"""Rich messages: blocks of text, lists, tables and the like, within their limits.

Telegram's words for the limits are not known; those here say what is wrong. Only `blocks` are taken: what
`html` and `markdown` would be parsed to is Telegram's secret. A block without content is refused; an empty
paragraph inside an item is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from duihua.simulator.telegram.ask import Ask
from duihua.simulator.telegram.log import LONGEST_TEXT
from duihua.simulator.telegram.methods import SEND, method
from duihua.simulator.telegram.refusals import NO_METHOD, bad

Json = dict[str, Any]

MOST_CHARACTERS = 32_768
MOST_BLOCKS = 500
MOST_LEVELS = 16
MOST_COLUMNS = 20

_TEXTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("bold", "italic", "underline", "strikethrough", "spoiler", "subscript", "superscript", "marked"),
        ("text",),
    ),
    "code": ("text",),
    "date_time": ("text", "unix_time", "date_time_format"),
    "text_mention": ("text", "user"),
    "custom_emoji": ("custom_emoji_id", "alternative_text"),
    "mathematical_expression": ("expression",),
    "url": ("text", "url"),
    "email_address": ("text", "email_address"),
    "phone_number": ("text", "phone_number"),
    "bank_card_number": ("text", "bank_card_number"),
    "mention": ("text", "username"),
    "hashtag": ("text", "hashtag"),
    "cashtag": ("text", "cashtag"),
    "bot_command": ("text", "bot_command"),
    "button": ("button",),
    "anchor": ("name",),
    "anchor_link": ("text", "anchor_name"),
    "reference": ("text", "name"),
    "reference_link": ("text", "reference_name"),
}
"""Fields that each kind of text must have."""
_BLOCKS: dict[str, tuple[str, ...]] = {
    "paragraph": ("text",),
    "heading": ("text", "size"),
    "pre": ("text",),
    "footer": ("text",),
    "divider": (),
    "mathematical_expression": ("expression",),
    "anchor": ("name",),
    "list": ("items",),
    "blockquote": ("blocks",),
    "expandable_blockquote": ("text",),
    "pullquote": ("text",),
    "table": ("cells",),
    "details": ("summary", "blocks"),
    "thinking": ("text",),
}
"""Fields that each kind of block must have. Blocks with media, maps and buttons are not taken."""
_FILLED = frozenset({"heading", "pre", "footer", "pullquote", "expandable_blockquote"})
"""Blocks whose text may not be empty."""
_LINK = re.compile(r"(?:https?|tg|ton|mailto|tel):\S+$", re.IGNORECASE)
EMPTY = bad("RICH_MESSAGE_CONTENT_REQUIRED")
_PIECES = ("text", "expression", "alternative_text", "summary", "credit", "caption")


@method("sendRichMessage", "rich_message", SEND)
def send_rich_message(ask: Ask) -> Any:
    """A rich message."""
    if not ask.world.rich:
        raise NO_METHOD
    chat = ask.chat()
    rich = rich_message(ask)
    buttons, place = ask.buttons(chat), ask.place(chat)
    ask.spend(chat)
    return ask.post(chat, place, media={"rich_message": rich}, buttons=buttons).json()


def rich_message(ask: Ask, *, draft: bool = False) -> Json:
    """The content of the field `rich_message`, as it comes back in a message.

    Raises:
        Refusal: it breaks a rule.
    """
    given = ask.json("rich_message", "rich message")
    if not isinstance(given, dict):
        raise EMPTY
    rich = {k: v for k, v in cast(Json, given).items() if v is not None}
    ways = [name for name in ("html", "markdown", "blocks") if name in rich]
    if len(ways) != 1:
        raise EMPTY
    if ways != ["blocks"]:
        ask.call.parse_mode = ways[0]
        raise bad("can't parse rich message: the fake Bot API takes blocks only")
    blocks = _list(rich["blocks"], "blocks")
    check = _Check(draft)
    shown = [check.block(block, 1) for block in blocks]
    if check.characters > MOST_CHARACTERS:
        raise bad("rich message is too long")
    if check.blocks > MOST_BLOCKS:
        raise bad("rich message has too many blocks")
    body: Json = {"blocks": shown}
    ask.call.text = plain(body)[:LONGEST_TEXT]
    return {**body, "is_rtl": True} if rich.get("is_rtl") else body


def plain(rich: Json) -> str:
    """The visible text of a rich message, a line for each text in it."""
    return "\n".join(_lines(rich["blocks"]))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _lines(item)
    elif isinstance(value, dict):
        block = cast(Json, value)
        if "label" in block:
            yield block["label"]
        for name in _PIECES:
            if name in block and name != "credit":
                yield _flat(block[name])
        for name in ("items", "cells", "blocks"):
            yield from _lines(block.get(name))


def _flat(text: Any) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, list):
        return "".join(_flat(part) for part in cast("list[Any]", text))
    part = cast(Json, text)
    return _flat(part.get("text") or part.get("expression") or part.get("alternative_text") or "")


class _Check:
    """Counts while it walks through the blocks."""

    def __init__(self, draft: bool) -> None:
        self.draft, self.characters, self.blocks = draft, 0, 0

    def block(self, given: Any, level: int) -> Json:
        """A block as it comes back."""
        block = _object(given, "InputRichBlock")
        kind = block.get("type")
        if kind not in _BLOCKS or (kind == "thinking" and not self.draft):
            raise bad("can't parse InputRichBlock: Unsupported type specified")
        _fields(block, _BLOCKS[kind], "InputRichBlock")
        if level > MOST_LEVELS:
            raise bad("rich message is nested too deeply")
        self.blocks += 1
        made = dict(block)
        for name in _PIECES:
            if name in block:
                self.text(block[name], level + 1)
        if kind in _FILLED and not _flat(block["text"]).strip():
            raise EMPTY
        if kind == "heading" and block["size"] not in range(1, 7):
            raise bad("can't parse InputRichBlock: heading size must be from 1 to 6")
        if kind == "list":
            made["items"] = [self._item(i, n, level) for n, i in enumerate(_list(block["items"], "items"), 1)]
        if kind == "table":
            made["cells"] = self._cells(block["cells"], level)
        if "blocks" in block:
            made["blocks"] = [self.block(b, level + 1) for b in _list(block["blocks"], "blocks")]
        return made

    def text(self, given: Any, level: int) -> None:
        """A text: a string, a list, or an object with a type."""
        if level > MOST_LEVELS:
            raise bad("rich message is nested too deeply")
        if isinstance(given, str):
            self.characters += len(given)
        elif isinstance(given, list):
            for part in cast("list[Any]", given):
                self.text(part, level)
        else:
            part = _object(given, "RichText")
            kind = part.get("type")
            if kind not in _TEXTS:
                raise bad("can't parse RichText: Unsupported type specified")
            _fields(part, _TEXTS[kind], "RichText")
            if kind == "url" and not _LINK.match(str(part["url"])):
                raise bad("RICH_MESSAGE_URL_INVALID")
            for name in _PIECES:
                if name in part:
                    self.text(part[name], level + 1)

    def _item(self, given: Any, number: int, level: int) -> Json:
        item = _object(given, "InputRichBlockListItem")
        _fields(item, ("blocks",), "InputRichBlockListItem")
        self.blocks += 1
        value = item.get("value")
        label = "•" if value is None and "type" not in item else f"{number if value is None else value}."
        inner = [self.block(b, level + 1) for b in _list(item["blocks"], "blocks")]
        return {**item, "label": label, "blocks": inner}

    def _cells(self, given: Any, level: int) -> list[list[Json]]:
        rows: list[list[Json]] = []
        for row in _list(given, "cells"):
            cells = [_object(cell, "RichBlockTableCell") for cell in _list(row, "cells")]
            if sum(max(1, cell.get("colspan") or 1) for cell in cells) > MOST_COLUMNS:
                raise bad("rich message table has too many columns")
            for cell in cells:
                _fields(cell, ("align", "valign"), "RichBlockTableCell")
                if cell.get("text") is not None:
                    self.text(cell["text"], level + 1)
            self.blocks += 1
            rows.append(cells)
        return rows


def _object(given: Any, what: str) -> Json:
    if not isinstance(given, dict):
        raise bad(f"can't parse {what}: expected an Object")
    return {k: v for k, v in cast(Json, given).items() if v is not None}


def _list(given: Any, name: str) -> list[Any]:
    if not isinstance(given, list):
        raise bad(f'can\'t parse rich message: Field "{name}" must be of type Array')
    if not given:
        raise EMPTY
    return cast("list[Any]", given)


def _fields(given: Json, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if name not in given:
            raise bad(f"can't parse {what}: Can't find field \"{name}\"")
