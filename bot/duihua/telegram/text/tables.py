"""Tables as text: columns side by side where a phone is wide enough, else one record for each row."""

from __future__ import annotations

from collections.abc import Sequence

from wcwidth import wcswidth

WIDTH = 40
"""Columns of fixed-width text that a phone held upright shows without scrolling; wide characters take two."""
COLUMN = 24
"""A cell wider than this is prose, and reads better as a record."""


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
