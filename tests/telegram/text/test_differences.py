"""Broken Markdown: what we show, and the rules that explain what telegramify-markdown shows instead."""

from __future__ import annotations

import random
from itertools import chain

import pytest

from duihua.telegram.text import render
from tests.telegram.checking import check
from tests.telegram.differences import difference
from tests.telegram.documents import missing
from tests.telegram.reasons import RULES
from tests.telegram.text.test_nasty import written
from tests.telegram.writing import Author

ALIKE = {
    "unclosed bold": ("这是**重点内容", None),
    "unclosed italic": ("这是 *重点内容", None),
    "unclosed strike": ("这是 ~~删除", None),
    "unclosed code": ("用 `x 和 **重点**", "用 `x 和 <bold>重点</bold>"),
    "code closed by too few": ("`` a ` b", None),
    "code over bold": ("`a **b` c**", "<code>a **b</code> c**"),
    "bold closed by one": ("**重点* 内容", "*<italic>重点</italic> 内容"),
    "italic closed by two": ("*重点** 内容", "<italic>重点</italic>* 内容"),
    "overlap": ("**a *b** c*", "<italic>a b c</italic>"),
    "overlap of three": ("***a** b*", "<italic><bold>a</bold> b</italic>"),
    "bold over a link": ("[**a](https://a.com)**", "<text_link https://a.com>**a</text_link>**"),
    "star beside Chinese": ("中文*，*中文", None),
    "underscores in Chinese": ("中_文_字 __中__文", None),
    "underscores over words": ("__ab **cd** ef__", "<bold>ab cd ef</bold>"),
    "underscores around bold": ("__甲**乙**__", "<bold>甲乙</bold>"),
    "a name that is a word": ("__Note__: x", "<bold>Note</bold>: x"),
    "low quotation marks": ("**„Wort“** und **»ja«**", "<bold>„Wort“</bold> und <bold>»ja«</bold>"),
    "right quotation marks": ("**”ord”** *’tis*", "<bold>”ord”</bold> <italic>’tis</italic>"),
    "strike inside a word": ("ab~~cd~~", "ab<strikethrough>cd</strikethrough>"),
    "family in bold": ("a **👨‍👩‍👧** b", "a <bold>👨‍👩‍👧</bold> b"),
    "bold between families": ("👨‍👩‍👧**家**👨‍👩‍👧", "👨‍👩‍👧<bold>家</bold>👨‍👩‍👧"),
    "unclosed fence": ("```py\nx = 1\n``", "<pre py>x = 1\n``</pre>"),
    "fence closed by another": ("~~~\na\n```", "<pre>a\n```</pre>"),
    "fence closed with a word": ("```\na\n```b", "<pre>a\n```b</pre>"),
    "unclosed fence in an item": ("- ```py\n  a", "• \n<pre py>a</pre>"),
    "link without its end": ("[a](https://a.com", None),
    "link with a space": ("[a](https://a.com x)", None),
    "link closed twice": ("[a](https://a.com))", "<text_link https://a.com>a</text_link>)"),
    "link opened twice": ("[a [b](https://a.com)", "[a <text_link https://a.com>b</text_link>"),
    "brackets closed twice": ("[a]](https://a.com)", None),
    "picture without its end": ("![图](https://a.com/x", None),
    "footnote with an address": ("文[^1](https://a.com)", "文<text_link https://a.com>^1</text_link>"),
    "bold in a picture": (
        "![a **b**](https://a.com/x)",
        "<text_link https://a.com/x>a <bold>b</bold></text_link>",
    ),
    "address with a stop": ("见 https://a.com。", None),
    "address in parentheses": ("(https://a.com)", None),
    "address with escapes": ("https://a.com/a\\_b?c=1&amp;d", "https://a.com/a_b?c=1&d"),
    "escaped star behind an address": ("https://a.com/x\\*", "https://a.com/x*"),
    "table without its line": ("|a|b|\n|1|2|", None),
    "line of a table too short": ("|a|b|\n|---|\n|1|2|", None),
    "table in two": ("|a|b|\n\n|---|---|", None),
    "markers without a space": ("-甲\n*乙\n1.丙\n#丁", None),
    "task without a space": ("- [ ]文", "• [ ]文"),
    "task in two lines": ("- [x]\n甲", "☑ 甲"),
    "half a task": ("- [x 文", "• [x 文"),
    "empty item": ("-\n文", "• \n\n文"),
    "numbers of two lists": ("1. 甲\n2) 乙", "1. 甲\n2. 乙"),
    "unclosed comment": ("甲 <!-- 乙", None),
    "less and more": ("a<b 和 c > d", None),
    "entities": ("&#20013;&lt;&copy&unknown;", "中<&copy&unknown;"),
    "escapes": ("\\*甲\\* \\# \\\\ \\文", "*甲* # \\ \\文"),
    "stars in spaces": ("** 甲 ** *** 乙 ***", None),
    "escaped brackets": ("见 \\[1\\]", "见 [1]"),
    "escaped parentheses": ("甲\\(见下文\\)", "甲(见下文)"),
    "an escaped link": ("\\[a\\](b)", "[a](b)"),
    "unclosed formula": ("\\(x + $$y", "(x + $$y"),
}
"""What we show of it, None if it is as written; theirs looks the same."""

DIFFERENT = {
    "underlined": ("甲\n===", None, ["underlines", "headings"]),
    "underlined by dashes": ("甲\n---\n乙", "甲\n———\n乙", ["sections", "underlines", "headings"]),
    "heading with code": ("# 甲 `x`", "<bold>甲</bold> <code>x</code>", ["headings", "code alone"]),
    "indented": ("    甲 **乙**", "甲 <bold>乙</bold>", ["indented text"]),
    "indented in an item": ("- 甲\n\n      乙", "• 甲\n\n    乙", ["indented text"]),
    "fence between an item and the margin": (
        "   - 甲\n    ```\n    乙",
        "• 甲\n<pre>乙</pre>",
        ["indented text"],
    ),
    "text below code in a quote": (
        ">     甲\n  乙",
        "<blockquote>甲\n乙</blockquote>",
        ["indented text", "code alone"],
    ),
    "fence behind a quote in an item": (
        "> - > 甲\n    ```\n    乙",
        "<blockquote>• \n    > 甲</blockquote>\n<pre>乙</pre>",
        ["indented text", "nested quotes"],
    ),
    "definition": ("[a]: 甲", None, ["definitions"]),
    "quote twice": (">>甲", "<blockquote>> 甲</blockquote>", ["nested quotes"]),
    "quote that is indented": (
        "> 甲\n    > 乙",
        "<blockquote>甲\n乙</blockquote>",
        ["indented quotes"],
    ),
    "numbers that grow": ("- 甲\n\n  3. 乙\n  7. 丙", "• 甲\n\n    3. 乙\n    7. 丙", ["numbers"]),
    "empty task": ("- [ ]", "☐ ", ["empty tasks"]),
    "code in a quote": ("> `x` 甲", "<blockquote>x 甲</blockquote>", ["code alone"]),
    "code in bold": ("**甲 `x`**", "<bold>甲</bold> <code>x</code>", ["code alone"]),
    "fence in a numbered quote": (
        "> 1. ```\n>    x",
        "<blockquote>1.</blockquote> \n<pre>x</pre>",
        ["code alone"],
    ),
    "code behind a fence": ("```py print(1)", "<pre py>print(1)</pre>", ["behind fences"]),
    "address behind a fence": (
        "```https://a.com x\ny",
        "<pre>https://a.com x\ny</pre>",
        ["behind fences"],
    ),
    "comment behind a fence": ("```# 注\nx", "<pre># 注\nx</pre>", ["behind fences"]),
    "half a row": ("|a|b|\n|---|---|\n|1|", "<pre>a │ b\n──┼──\n1 │</pre>", ["columns"]),
    "row too long": (
        "|a|b|\n|-|-|\n|1|2|3|",
        "<pre>a │ b\n──┼──────\n1 │ 2 | 3</pre>",
        ["columns", "surplus cells"],
    ),
    "table in text": ("甲\na|b\n-|-", "甲\n<pre>a │ b\n──┼──</pre>", ["columns", "table heads"]),
    "table half in a quote": ("> a|b\n|-|-|", "<pre>> a │ b\n────┼──</pre>", ["columns", "table heads"]),
    "bar alone": ("|a|b|\n|-|-|\n|\n|1|2|", "<pre>a │ b\n──┼──\n  │\n1 │ 2</pre>", ["columns", "lone bars"]),
    "table in a quote": ("> |a|b|\n> |-|-|", "<pre>a │ b\n──┼──</pre>", ["code alone", "columns"]),
    "tags": ("<b>甲</b><br>乙", None, ["tags"]),
    "tag on its line": ("<div>\n**甲**", "<div>\n<bold>甲</bold>", ["tags"]),
    "footnote": ("甲[^1]", "甲[1]", ["footnotes"]),
    "bars": ("||甲||", None, ["spoilers"]),
    "bracket that is none": ("\\(甲\\) \\(x\\)", "(甲) x", ["ends of formulas"]),
    "list in a formula": ("$$\na\n- b\n$$", "a − b", ["ends of formulas"]),
    "formula": ("\\(x^2\\)", "x²", ["formulas"]),
    "dollars": ("$5 和 $甲$", None, ["formulas", "dollars"]),
    "stars in an address": ("http://b.org/*x*,", None, ["bare addresses"]),
    "type in angles": ("vector<std::string>", None, ["schemes", "angles"]),
    "address in angles": ("<https://a.com。>", "https://a.com。", ["angles"]),
    "index": ("a[i](j)", None, ["indices", "local addresses"]),
    "file": ("[a](./文.md)", "a (./文.md)", ["local addresses", "ascii"]),
    "link without a text": ("甲[](https://a.com)", "甲https://a.com", ["untitled links"]),
    "picture without an address": ("![甲]()", "甲", ["unaddressed links"]),
    "Chinese address": (
        "[a](https://a.com/文)",
        "<text_link https://a.com/%E6%96%87>a</text_link>",
        ["ascii"],
    ),
    "link in a picture": (
        "![a [b](https://b.com)](https://a.com)",
        "<text_link https://a.com>a b</text_link>",
        ["links in pictures"],
    ),
    "bold quotation": ("这是**“重点”**内容", "这是<bold>“重点”</bold>内容", ["borders"]),
    "bold stop, bold again": ("**重点：**后文**", "<bold>重点：</bold>后文**", ["borders"]),
    "bold family": ("**👨‍👩‍👧**字", "<bold>👨‍👩‍👧</bold>字", ["borders"]),
    "times and powers": ("2*3*4 和 x**2 + y**2", None, ["borders"]),
    "name": ("__init__", None, ["names"]),
    "tildes before a comma": ("甲~~，乙~~丙", None, ["two tildes"]),
    "ranges": ("5~~7 8~~9", None, ["two tildes"]),
    "three tildes": ("~~甲~~~", "<strikethrough>甲</strikethrough>~", ["many tildes"]),
    "tilde in a strike": ("~~甲~乙~ 丙~~ ~", "<strikethrough>甲~乙~ 丙</strikethrough> ~", ["one tilde"]),
}
"""What we show of it, None if it is as written, and the rules that explain that theirs looks otherwise."""


@pytest.mark.parametrize("name", ALIKE)
def test_broken_marks_that_both_read_alike(name: str) -> None:
    source, expected = ALIKE[name]
    message = render(source)
    assert check(message, sent=False) == []
    assert written(message) == (source if expected is None else expected)
    assert difference(source) == []


@pytest.mark.parametrize("name", DIFFERENT)
def test_broken_marks_that_are_read_otherwise(name: str) -> None:
    source, expected, rules = DIFFERENT[name]
    message = render(source)
    assert check(message, sent=False) == []
    assert written(message) == (source if expected is None else expected)
    assert difference(source) == rules


def test_no_rule_is_dead() -> None:
    assert set(chain(*(rules for _, _, rules in DIFFERENT.values()))) == set(RULES)


def test_every_difference_of_a_mess_is_explained() -> None:
    messes = [Author(random.Random(f"mess {i}")).mess() for i in range(300)]
    assert [it.source for it in messes if difference(it.source) is None] == []
    assert [it.source for it in messes if missing(it, [render(it.source)], None)] == []
