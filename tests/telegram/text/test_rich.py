"""Whatever a model writes as a rich message: taken by Telegram, nothing lost, no limit passed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.simulator.telegram.ask import Ask
from duihua.simulator.telegram.log import Call
from duihua.simulator.telegram.rich import plain, rich_message
from duihua.telegram.text import Formatted, Rich, enriched, has_cjk, render
from tests.telegram.documents import missing
from tests.telegram.writing import Author

MARKS = ["**", "*", "_", "__", "`", "```", "~~", "\n", "\n\n", "- ", "1. ", "> ", "# ", "[", "](", ")", "|"]
MARKS += ["$", "$$", "\\(", "\\[", "\\]", "![", "\t", "\\", "<", ">", "&amp;", "- [ ] ", "---\n", "  - "]
WORDS = ["中文", "字", "word", "é", "😀", "👨‍👩‍👧", "🇨🇳", " ", "。", "：", "\ud83d", "\ude00", "x", "a_b"]
DRAWN = str.maketrans("", "", "•☐☑—>. \n\u3000\xa00123456789")
"""What one of both draws around items, quotes and rules."""


def taken(rich: Rich) -> dict[str, Any]:
    """The message that the strict fake makes of it."""
    nothing: Any = None
    fields = {"rich_message": {"blocks": list(rich.blocks)}}
    return rich_message(Ask(nothing, nothing, fields, {}, Call(0.0, 1, "sendRichMessage")))


def links(value: Any) -> str:
    """All addresses and languages."""
    if isinstance(value, list | tuple):
        return " ".join(map(links, value))
    if isinstance(value, dict):
        return f"{value.get('url', '')} {value.get('language', '')} {links(list(value.values()))}"
    return ""


@pytest.mark.parametrize("seed", range(5))
def test_a_generated_document_is_taken_and_loses_no_word(seed: int) -> None:
    author, rich = Author(random.Random(seed)), 0
    for _ in range(60):
        document = author.document()
        made = enriched(document.source)
        assert made, document.source
        text = Formatted(plain(taken(made)) + "\n" + links(made.blocks))
        assert not missing(document, [text], None) or missing(document, [render(document.source)], None)
        rich += made.needed
    assert rich > 20


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(MARKS + WORDS), max_size=60).map("".join))
def test_it_shows_the_very_characters_that_the_text_shows(source: str) -> None:
    with pytest.MonkeyPatch.context() as patch:  # formulas as they are written, on both sides
        patch.setattr("duihua.telegram.text.writer.plain", lambda latex: None)
        patch.setattr("duihua.telegram.text.rendering.plain", lambda latex: None)
        text = render(source).text
    made = enriched(source)
    shown = plain(taken(made)) if made else ""
    assert "".join(shown.translate(DRAWN).split()) == "".join(text.translate(DRAWN).split())


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(
        ["> ", "  - ", "**_", "~~*", "| a ", "- x\n", "x\n\n", "| a |\n", "😀", "中" * 90 + "\n"]
    ),
    st.integers(1, 600),
    st.sampled_from(["", "|---|\n", "x"]),
)
def test_whatever_is_made_keeps_the_limits(piece: str, count: int, middle: str) -> None:
    for source in (
        piece * count,
        piece + middle + piece * count,
        piece * count + "\n" + "|---" * count + "|",
    ):
        if made := enriched(source):
            taken(made)


@pytest.mark.parametrize(
    ("source", "most"),
    [
        (lambda n: "\n\n".join(["x"] * n), 500),
        (lambda n: "- x\n" * n, 249),  # each item and the paragraph in it, and the list
        (lambda n: "|" + "a|" * n + "\n|" + "-|" * n, 20),
        (lambda n: "字" * n, 32_768),
        (lambda n: "> " * n + "x", 14),  # the paragraph and its text are levels, too
    ],
)
def test_a_limit_is_reached_and_not_passed(source: Any, most: int) -> None:
    made = enriched(source(most))
    assert made
    taken(made)
    assert enriched(source(most + 1)) is None


def test_blocks_are_what_the_markdown_says() -> None:
    source = """# Plan **B**

costs $395k, `x` <placeholder> [here](https://a.com/x) or [there](./c.md)

- [x] done
- [ ] open
  1. first

2. two

2. three

| a | b |
|:-:|--:|
| $x^2$ | |

$$\\frac{a}{b}$$

> q

```py
f()
```
---
"""
    cell = {"align": "center", "valign": "top"}
    right = {"align": "right", "valign": "top"}
    done, open_ = {"has_checkbox": True, "is_checked": True}, {"has_checkbox": True, "is_checked": False}

    def paragraph(text: str) -> dict[str, Any]:
        return {"type": "paragraph", "text": text}

    def numbered(value: int, text: str) -> dict[str, Any]:
        return {"value": value, "type": "1", "blocks": [paragraph(text)]}

    made = enriched(source)
    assert made
    assert made.needed
    assert list(made.blocks) == [
        {"type": "heading", "text": ["Plan ", {"type": "bold", "text": "B"}], "size": 1},
        {
            "type": "paragraph",
            "text": [
                "costs $395k, ",
                {"type": "code", "text": "x"},
                " <placeholder> ",
                {"type": "url", "text": "here", "url": "https://a.com/x"},
                " or there (./c.md)",
            ],
        },
        {
            "type": "list",
            "items": [
                {**done, "blocks": [paragraph("done")]},
                {**open_, "blocks": [paragraph("open"), {"type": "list", "items": [numbered(1, "first")]}]},
            ],
        },
        {"type": "list", "items": [numbered(2, "two"), numbered(3, "three")]},
        {
            "type": "table",
            "is_bordered": True,
            "cells": [
                [{"text": "a", **cell, "is_header": True}, {"text": "b", **right, "is_header": True}],
                [
                    {"text": {"type": "mathematical_expression", "expression": "x^2"}, **cell},
                    {"text": "", **right},
                ],
            ],
        },
        {"type": "mathematical_expression", "expression": "\\frac{a}{b}"},
        {"type": "blockquote", "blocks": [paragraph("q")]},
        {"type": "pre", "text": "f()", "language": "py"},
        {"type": "divider"},
    ]


def test_a_link_without_words_is_its_address() -> None:
    made = enriched("a[ ](https://a.com/x)")
    assert made
    assert made.blocks == ({"type": "paragraph", "text": "a https://a.com/x"},)


def test_long_code_stays_in_one_piece() -> None:
    code = "\n".join(f"line {n}" for n in range(1_000))
    made = enriched(f"```py\n{code}\n```\nend")
    assert made
    assert made.blocks[0] == {"type": "pre", "text": code, "language": "py"}


@pytest.mark.parametrize("source", ["", "#", "```\n```", "> ", "[]()"])
def test_what_shows_nothing_is_no_message(source: str) -> None:
    assert enriched(source) is None


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("**x** `y`\n\n- z", False),
        ("$x^2$", False),
        (r"$\foo{x}$", True),
        ("- [ ] x", True),
        ("a|b\n-|-", True),
    ],
)
def test_rich_is_needed_where_text_only_imitates(source: str, needed: bool) -> None:
    made = enriched(source)
    assert made
    assert made.needed is needed


@pytest.mark.parametrize(
    ("text", "cjk"), [("a “b” – 😀 é", False), ("a，", True), ("カナ", True), ("한", True), ("𠮷", True)]
)
def test_chinese_is_known(text: str, cjk: bool) -> None:
    assert has_cjk(text) is cjk
