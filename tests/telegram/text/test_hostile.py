"""What nobody should write: it is bounded, and nothing of it vanishes."""

from __future__ import annotations

import pytest

from duihua.telegram.text import Stream, render, split
from duihua.telegram.text.sections import LONGEST, Sections
from tests.telegram.checking import check

HOSTILE = [
    "*",
    "[",
    "**a ",
    "[a](",
    "![[",
    "`",
    "`a``b",
    "_a_",
    "> ",
    "- ",
    "1. ",
    "~~a",
    "$a",
    "\\[",
    "$$\n",
]
HOSTILE += [
    "|a\n",
    "x|y\n|-|-|\n",
    "- a\n",
    "  - a\n",
    "```\n",
    "[^",
    "\u0301",
    "\u200d",
    "😀",
    "https://a.b/",
    "<",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_repeated_marks_make_bounded_sections_and_valid_messages(unit: str) -> None:
    source = unit * (5000 // len(unit))
    sections = Sections()
    assert all(len(it.source) <= LONGEST for it in [*sections.feed(source), *sections.finish()])
    assert [wrong for part in split(render(source)) for wrong in check(part)] == []


@pytest.mark.parametrize("mark", ["> ", "- ", "1. ", "[", "**", "*a ", "![", "$", "\\("])
def test_what_is_nested_too_deep_is_still_there(mark: str) -> None:
    assert "底" in render(mark * 300 + "底").text
    assert "底" in render("".join("  " * i + mark + f"{i}\n" for i in range(80)) + "  " * 80 + "底").text


def test_cells_beyond_the_head_are_kept() -> None:
    assert render("|a|b|\n|-|-|\n|1|2|三|四|").text.endswith("1 │ 2 | 三 | 四")


def test_a_table_of_many_columns_becomes_records() -> None:
    head = "|" + "".join(f"column{i}|" for i in range(6)) + "\n" + "|" + "-|" * 6 + "\n"
    message = render(head + "|" + "1|" * 6)
    assert "pre" not in {it.type for it in message.entities}
    assert message.text.endswith("1\ncolumn1: 1\ncolumn2: 1\ncolumn3: 1\ncolumn4: 1\ncolumn5: 1")


def test_a_line_without_end_is_sealed_as_it_grows() -> None:
    stream = Stream()
    for _ in range(100):
        stream.feed("字" * 100)
    assert len(stream.frame().sealed) == 1
    stream = Stream(limit=500)
    stream.feed("字" * 10_000)
    assert len(stream.frame().sealed) > 10
