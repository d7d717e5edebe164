"""From Markdown to a rich message: blocks, with tables, formulas and boxes to tick that text only imitates.

What is read is the same as for `render`; only how it is written down differs. Blocks are plain data as the
Bot API takes it. What breaks a limit is no rich message at all: it goes as text, which has room for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it.token import Token

from duihua.telegram.text.cleaning import clean
from duihua.telegram.text.formatted import Kind, units
from duihua.telegram.text.formula import plain
from duihua.telegram.text.inlines import write_inline
from duihua.telegram.text.parser import blocks
from duihua.telegram.text.rendering import TASK
from duihua.telegram.text.sections import Section, Sections, fence_info
from duihua.telegram.text.tables import BREAK, read_table

CHARACTERS = 32_768
BLOCKS = 500
"""Items of lists and rows of tables count as well."""
LEVELS = 16
"""Of blocks in blocks and styles in styles together."""
COLUMNS = 20

Json = dict[str, Any]
Text = str | Json | list[Any]
"""The Bot API's `RichText`."""

_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Rich:
    """A rich message within all limits: `InputRichBlock`s of the Bot API.

    `needed`: it holds what text can only imitate, a table, a formula or boxes to tick.
    """

    blocks: tuple[Json, ...]
    needed: bool = False


def has_cjk(text: str) -> bool:
    """Whether any of it is Chinese, Japanese or Korean."""
    return _CJK.search(text) is not None


def enriched(markdown: str) -> Rich | None:
    """Markdown as a rich message; None if nothing is visible, or a limit does not allow it."""
    if len(markdown) > 2 * CHARACTERS:
        return None
    sections = Sections()
    page = _Page()
    for section in [*sections.feed(clean(markdown)), *sections.finish()]:
        page.add(section)
    made = [block for block in page.blocks if block["type"] != "pre" or block["text"].strip()]
    return Rich(tuple(made), page.needed) if made and page.columns <= COLUMNS and _fits(made) else None


class _Page:
    """The blocks of a text, section by section."""

    def __init__(self) -> None:
        self.blocks: list[Json] = []
        self.needed = False
        self.columns = 0

    def add(self, section: Section) -> None:
        """The next section."""
        last: Json = self.blocks[-1] if self.blocks else {"type": ""}
        if section.kind == "code" and section.resumed and last["type"] == "pre":
            last["text"] += section.glue + section.source
        elif section.kind == "code":
            self.blocks.append(_pre(section.source, section.language))
        elif section.kind == "line" and last["type"] == "paragraph":
            gap = [section.glue] if section.glue else []
            last["text"] = [last["text"], *gap, self.flow(section.source)]
        elif section.kind == "line":
            self.blocks += self.paragraph(section.source)
        else:
            made = _Reader(self, section.source).until("")
            if (
                made
                and made[0]["type"] == last["type"] == "list"
                and _continue(last["items"], made[0]["items"])
            ):
                del made[0]
            self.blocks += made

    def flow(self, content: str) -> Text:
        """What stands inside a paragraph, a heading, a cell."""
        tree = _Tree()
        write_inline(tree, content)
        self.needed |= tree.needed
        return tree.done()

    def paragraph(self, content: str) -> list[Json]:
        """A paragraph, unless it would be empty."""
        text = self.flow(content)
        return [{"type": "paragraph", "text": text}] if _length(text) else []


class _Reader:
    """Reads the tokens of one section."""

    def __init__(self, page: _Page, source: str) -> None:
        self._page = page
        self._lines, self._tokens = source.split("\n"), blocks(source)
        self._at = 0

    def until(self, end: str) -> list[Json]:
        """The blocks up to the token that ends what they stand in."""
        out: list[Json] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if token.type == end:
                break
            out += self._blocks(token)
        return out

    def _blocks(self, token: Token) -> Iterable[Json]:
        match token.type:
            case "inline":
                return self._page.paragraph(token.content)
            case "heading_open":
                text = self._page.flow(self._tokens[self._at].content)
                self._at += 2
                return (
                    [{"type": "heading", "text": text, "size": int(token.tag[1:])}] if _length(text) else []
                )
            case "bullet_list_open" | "ordered_list_open":
                return self._list(token.type.replace("open", "close"))
            case "blockquote_open":
                inner = self.until("blockquote_close")
                return [{"type": "blockquote", "blocks": inner}] if inner else []
            case "fence":
                language, rest = fence_info(token.info)
                code = (f"{rest}\n" if rest else "") + token.content.removesuffix("\n")
                return [_pre(code, language)] if code.strip() else []
            case "math_block":
                return [self._math(token)]
            case "hr":
                return [{"type": "divider"}]
            case "table_open":
                return [self._table()]
            case _:
                return []  # what begins and ends paragraphs

    def _list(self, end: str) -> list[Json]:
        items: list[Json] = []
        while self._tokens[self._at].type != end:
            token = self._tokens[self._at]
            self._at += 1
            _continue(items, [self._item(token)])
        self._at += 1
        return [{"type": "list", "items": items}]

    def _item(self, token: Token) -> Json:
        item: Json = {}
        if token.info:
            item |= {"value": int(token.info) if token.info.isdecimal() else 1, "type": "1"}
        first = self._tokens[self._at + (self._tokens[self._at].type == "paragraph_open")]
        if first.type == "inline" and (task := TASK.match(first.content)):
            item |= {"has_checkbox": True, "is_checked": task[1] != " "}
            first.content = first.content[task.end() :]
            self._page.needed = True
        # An item without blocks is refused, one with an empty paragraph is taken.
        return {**item, "blocks": self.until("list_item_close") or [{"type": "paragraph", "text": ""}]}

    def _math(self, token: Token) -> Json:
        self._page.needed = True
        formula: Json = {"type": "mathematical_expression", "expression": token.content}
        return {"type": "paragraph", "text": [formula, token.info]} if token.info else formula

    def _table(self) -> Json:
        table = read_table(self._tokens, self._at - 1, self._lines)
        self._at = table.end
        self._page.needed = True
        self._page.columns = max(self._page.columns, len(table.sides))
        cells = [self._row(row, table.sides, head=not at) for at, row in enumerate(table.rows)]
        return {"type": "table", "cells": cells, "is_bordered": True}

    def _row(self, row: Sequence[str], sides: Sequence[str], *, head: bool) -> list[Json]:
        return [
            {
                "text": self._page.flow(BREAK.sub("\n", content)),
                "align": side or "left",
                "valign": "top",
                **({"is_header": True} if head else {}),
            }
            for content, side in zip(row, sides, strict=True)
        ]


def _pre(code: str, language: str) -> Json:
    return {"type": "pre", "text": code, **({"language": language} if language else {})}


def _continue(items: list[Json], more: Sequence[Json]) -> bool:
    """Adds to a list what goes on with it; False: that is another kind of list. Numbers never go back."""
    if items and ("value" in items[-1]) != ("value" in more[0]):
        return False
    for item in more:
        if items and "value" in item:
            item["value"] = max(item["value"], items[-1]["value"] + 1)
        items.append(item)
    return True


# ---------------------------------------------------------------- inside a line


class _Tree:
    """A `Pen` that writes `RichText`."""

    def __init__(self) -> None:
        self._open: list[tuple[Kind | None, str, list[Text]]] = [(None, "", [])]
        self.needed = False

    def write(self, text: str) -> None:
        parts = self._open[-1][2]
        if parts and isinstance(last := parts[-1], str):
            parts[-1] = last + text
        elif text:
            parts.append(text)

    def code(self, text: str) -> None:
        self._add({"type": "code", "text": text})

    def math(self, latex: str) -> None:
        self.needed |= plain(latex) is None
        self._add({"type": "mathematical_expression", "expression": latex.strip()})

    def open(self, kind: Kind, url: str = "") -> None:
        self._open.append((kind, url, []))

    def close(self, kind: Kind) -> None:
        if self.within(kind):
            while self._end()[0] != kind:  # what stands inside ends, too
                pass

    def close_link(self) -> tuple[str, int]:
        if not self.within("text_link"):
            return "", 0
        while (ended := self._end())[0] != "text_link":
            pass
        return ended[1], _length(ended[2])

    def within(self, *kinds: Kind) -> bool:
        return any(kind in kinds for kind, _, _ in self._open)

    def done(self) -> Text:
        """All that was written."""
        while len(self._open) > 1:
            self._end()
        return _one(self._open[0][2])

    def _end(self) -> tuple[Kind | None, str, list[Text]]:
        kind, url, parts = ended = self._open.pop()
        if not _length(parts) or (kind == "text_link" and not url):
            for part in parts:
                self._add(part)
        elif kind == "text_link":
            self._add({"type": "url", "text": _one(parts), "url": url})
        else:
            self._add({"type": kind, "text": _one(parts)})
        return ended

    def _add(self, part: Text) -> None:
        if isinstance(part, str):
            self.write(part)
        else:
            self._open[-1][2].append(part)


def _one(parts: list[Text]) -> Text:
    return parts[0] if len(parts) == 1 else parts or ""


def _length(text: Text) -> int:
    """How much of it can be seen."""
    if isinstance(text, str):
        return len(text.strip())
    if isinstance(text, list):
        return sum(_length(part) for part in text)
    return _length(text.get("text") or text.get("expression", ""))


# ---------------------------------------------------------------- limits


def _fits(page: Iterable[Json]) -> bool:
    size = _Size()
    for block in page:
        size.block(block, 1)
    return size.characters <= CHARACTERS and size.blocks <= BLOCKS and size.levels <= LEVELS


class _Size:
    """What Telegram counts; a little more where its words leave room."""

    def __init__(self) -> None:
        self.characters = self.blocks = self.levels = 0

    def block(self, block: Json, level: int) -> None:
        """One block, item or row, and what is in it."""
        self.blocks += 1
        self.text([block.get("text", ""), block.get("expression", "")], level + 1)
        for inner in (*block.get("blocks", ()), *block.get("items", ())):
            self.block(inner, level + 1)
        for row in block.get("cells", ()):
            self.blocks += 1
            for cell in row:
                self.text(cell["text"], level + 2)

    def text(self, text: Text, level: int) -> None:
        """What stands in a block, at a level."""
        self.levels = max(self.levels, level)
        if isinstance(text, str):
            self.characters += units(text)
        elif isinstance(text, list):
            for part in text:
                self.text(part, level)
        else:
            self.text(text.get("text") or text["expression"], level + 1)
