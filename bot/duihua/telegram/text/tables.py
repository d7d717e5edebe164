"""Tables: read, and as text. Columns stand side by side where a phone is wide enough."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token
from wcwidth import wcswidth

WIDTH = 40
"""Columns of fixed-width text that a phone held upright shows without scrolling; wide characters take two."""
COLUMN = 24
"""A cell wider than this is prose, and reads better as a record."""
BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
"""A new line in a cell."""
_PLAIN = re.compile(r"\|[^\n`\\]*\|\n\|(?: *:?-+:? *\|)+(?:\n\|[^\n`\\]*\|)*")
_SIDES = {(False, False): "", (True, False): "left", (False, True): "right", (True, True): "center"}


@dataclass(frozen=True, slots=True)
class Table:
    """The Markdown of the cells, row by row, the head first.

    `sides` holds `left`, `center`, `right` or nothing for each column, `end` is the place behind the tokens.
    """

    rows: list[list[str]]
    sides: list[str]
    end: int


def plain_table(source: str) -> list[Token] | None:
    """Two tokens that hold a whole table, if it is one where a bar is a bar."""
    if not _PLAIN.fullmatch(source):
        return None
    first, second, *rest = ([cell.strip() for cell in line[1:-1].split("|")] for line in source.split("\n"))
    count = len(first)
    if count != len(second):
        return None
    for row in rest:
        more = [it for it in row[count:] if it]
        row[count - 1 :] = [" | ".join([*row[count - 1 : count], *more])] if row[count - 1 :] else []
        row += [""] * (count - len(row))
    sides = [_SIDES[it[0] == ":", it[-1] == ":"] for it in second]
    whole = Token("table_open", "table", 1, map=[0, len(rest) + 2], meta={"whole": ([first, *rest], sides)})
    return [whole, Token("table_close", "table", -1)]


def read_table(tokens: Sequence[Token], at: int, lines: Sequence[str]) -> Table:
    """The table that begins at a token; `lines` are the source."""
    if whole := tokens[at].meta.get("whole"):
        return Table(whole[0], whole[1], at + 2)
    rows, sides, line = list[list[str]](), list[str](), -1
    while tokens[at].type != "table_close":
        token = tokens[at]
        if token.type == "tr_open":
            rows.append([])
            line = token.map[0] if token.map else -1
        elif token.type == "th_open":
            sides.append(str(token.attrs.get("style", "")).removeprefix("text-align:"))
        elif token.type == "inline":
            rows[-1].append(token.content)
        elif token.type == "tr_close" and 0 <= line < len(lines):
            _surplus(rows[-1], lines[line].strip(" >"))
        at += 1
    return Table(rows, sides, at + 1)


def _surplus(row: list[str], source: str) -> None:
    """Puts the cells that a row has beyond the head into its last one: Markdown would leave them out."""
    if row and source.count("|") >= len(row):
        cells = escapedSplit(source)
        cells = cells[1:] if cells and not cells[0].strip() else cells
        more = [it.strip() for it in cells[len(row) :] if it.strip()]
        row[-1] = " | ".join([row[-1], *more])


def columns(text: str) -> int:
    """How many columns a text takes."""
    width = wcswidth(text)
    return width if width >= 0 else len(text)


def aligned(rows: Sequence[Sequence[str]], sides: Sequence[str]) -> str | None:
    """The table as lines, its head underlined; None if it is too wide for a phone.

    `sides` holds `left`, `center` or `right` for each column.
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    if not widths or sum(widths) + 3 * (len(widths) - 1) > WIDTH or max(widths) > COLUMN:
        return None
    lines = [_line(row, widths, sides) for row in rows]
    lines.insert(1, "─┼─".join("─" * width for width in widths))
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int], sides: Sequence[str]) -> str:
    cells: list[str] = []
    for cell, width, side in zip(row, widths, sides, strict=True):
        space = width - columns(cell)
        left = {"right": space, "center": space // 2}.get(side, 0)
        cells.append(" " * left + cell + " " * (space - left))
    return " │ ".join(cells).rstrip()
