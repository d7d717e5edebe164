"""Why a block looks different from what telegramify-markdown makes of it: one rule for each reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from unicodedata import category

from markdown_it.rules_inline.state_inline import StateInline
from telegramify_markdown import convert

from duihua.telegram.text import parser, render
from tests.telegram.writing import Document

Letters = list[tuple[str, frozenset[str]]]
"""Each letter, digit and sign with the styles it has; marks and white space do not count."""


@dataclass(slots=True)
class Pair:
    """Both results for a block."""

    document: Document
    ours: Letters
    theirs: Letters

    @property
    def same(self) -> bool:
        return self.ours == self.theirs


def letters(text: str, entities: list[tuple[str, int, int]]) -> Letters:
    """`entities`: type, offset, length in UTF-16 units."""
    out: Letters = []
    at = 0
    for char in text:
        styles = frozenset(kind for kind, offset, length in entities if offset <= at < offset + length)
        at += 2 if ord(char) > 0xFFFF else 1
        if char.isalnum() or category(char) == "So":
            out.append((char, styles))
    return out


def theirs(source: str) -> Letters:
    text, entities = convert(source)
    return letters(text, [(it.type, it.offset, it.length) for it in entities])


def _without(found: Letters, *, styles: tuple[str, ...] = (), chars: str = "") -> Letters:
    return [(char, has - set(styles)) for char, has in found if char not in chars]


def _headings(pair: Pair) -> bool:
    pair.theirs = _without(pair.theirs, styles=("underline",), chars="📌✏📚🔖")
    pair.ours, pair.theirs = (_without(it, styles=("bold", "italic")) for it in (pair.ours, pair.theirs))
    return pair.document.kind == "heading"


def _task_marks(pair: Pair) -> bool:
    pair.ours, pair.theirs = (_without(it, chars="☐☑✅") for it in (pair.ours, pair.theirs))
    return pair.document.kind == "tasks"


def _folded(pair: Pair) -> bool:
    folded = frozenset({"expandable_blockquote"})
    pair.theirs = [
        (char, has - folded | {"blockquote"} if has & folded else has) for char, has in pair.theirs
    ]
    return pair.document.kind == "quote"


def _code_alone(pair: Pair) -> bool:
    def alone(found: Letters) -> Letters:
        return [(char, frozenset({"code"}) if "code" in has else has) for char, has in found]

    def quoted(found: Letters) -> Letters:
        quotes = ("blockquote", "expandable_blockquote")
        return [(char, has - {"code", "pre"} if has & set(quotes) else has) for char, has in found]

    pair.ours, pair.theirs = alone(quoted(pair.ours)), alone(quoted(pair.theirs))
    return True


def _tags(pair: Pair) -> bool:
    if "<" not in pair.document.source:
        return False
    pair.theirs = theirs(pair.document.source.replace("<", "\\<"))
    return True


def _emphasis(pair: Pair) -> bool:
    """Only where a run of marks may open or close by our rules and not by CommonMark's, or the other way."""
    if not _judged_otherwise(pair.document.source):
        return False
    styles = ("bold", "italic", "strikethrough")
    pair.ours, pair.theirs = _without(pair.ours, styles=styles), _without(pair.theirs, styles=styles)
    return True


def _judged_otherwise(source: str) -> bool:
    if re.search(r"__\w+__", source):
        return True
    ours, standard = parser.Marks(source, parser.PARSER, {}, []), StateInline(source, parser.PARSER, {}, [])
    return any(
        ours.scanDelims(found.start(), True) != standard.scanDelims(found.start(), True)
        for found in re.finditer(r"\*+|~~", source)
    )


def _tables(pair: Pair) -> bool:
    if pair.document.kind != "table":
        return False
    kept, wanted = (Counter(char for char, _ in it) for it in (pair.ours, pair.theirs))
    if not wanted - kept:
        pair.ours = pair.theirs
    return True


def _math(pair: Pair) -> bool:
    if pair.document.kind != "math":
        return False

    def bare(found: Letters) -> str:
        return "".join(char for char, _ in found).translate(str.maketrans("²", "2"))

    if bare(pair.ours) == bare(pair.theirs):
        pair.ours = pair.theirs
    return True


def _addresses(pair: Pair) -> bool:
    if pair.document.kind != "link":
        return False
    pair.theirs = _without(pair.theirs, chars="🖼")
    if "./c.md" in pair.document.source:
        text = re.sub(r"!?\[([^\]]*)\]\(\./c\.md\)", r"\1 (./c.md)", pair.document.source)
        pair.theirs = theirs(text)
    return True


RULES: dict[str, Callable[[Pair], bool]] = {
    "tables: records when wide, columns by width": _tables,
    "headings: bold only, no emoji, no underline": _headings,
    "task lists: ☐ and ☑": _task_marks,
    "tags: they delete <...>": _tags,
    "quotes: open unless asked to fold": _folded,
    "code: no style around it, plain in quotes": _code_alone,
    "emphasis: beside Chinese, between words, __names__": _emphasis,
    "math: text, not code; real superscripts": _math,
    "links: no picture mark; an address that cannot be linked is shown": _addresses,
}


def difference(document: Document) -> tuple[list[str], bool]:
    """The rules that explain why the two differ, and whether all of it is explained."""
    made = render(document.source)
    entities = [(it.type, it.offset, it.length) for it in made.entities]
    pair = Pair(document, letters(made.text, entities), theirs(document.source))
    used: list[str] = []
    for name, rule in RULES.items():
        if pair.same:
            break
        before = (pair.ours, pair.theirs)
        if rule(pair) and (pair.ours, pair.theirs) != before:
            used.append(name)
        elif name:
            pair.ours, pair.theirs = before
    return used, pair.same
