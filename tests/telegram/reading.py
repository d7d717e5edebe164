"""How a text looks as we read it and as telegramify-markdown does: every visible character and its styles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from telegramify_markdown import converter as peer
from telegramify_markdown.config import RenderConfig

from duihua.telegram.text import render, rendering

Span = tuple[str, str, int, int]
"""An entity: its type, its address or language, offset and end in UTF-16 units."""
Styles = frozenset[str]
"""The types of the entities around a character, with a link's address and a block's language."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen. `parted`: for each character but the first, whether there is white space before it."""

    signs: list[tuple[str, Styles]]
    parted: list[bool]

    def shows_as(self, other: Look) -> bool:
        """Whether a reader sees the same; words that run together in the other one need not do so here."""
        return self.signs == other.signs and all(
            mine or not its for mine, its in zip(self.parted, other.parted, strict=True)
        )


def _look(text: str, spans: Iterable[Span]) -> Look:
    signs: list[tuple[str, Styles]] = []
    parted: list[bool] = []
    at, gap = 0, False
    for char in text:
        if not char.isspace():
            has = {f"{kind} {more}".rstrip() for kind, more, start, end in spans if start <= at < end}
            parted += [gap] if signs else []
            signs.append((char, frozenset(has)))
        gap = char.isspace()
        at += 2 if ord(char) > 0xFFFF else 1
    return Look(signs, parted)


def _config() -> RenderConfig:
    """Theirs with our signs and without folded quotes, as far as its settings go."""
    config = RenderConfig.isolated()
    signs = config.markdown_symbol
    signs.heading_level_1 = signs.heading_level_2 = signs.heading_level_3 = signs.heading_level_4 = ""
    signs.image, signs.unordered_list_item, signs.horizontal_rule = "", "•", rendering.RULE
    signs.task_completed, signs.task_uncompleted = "☑", "☐"
    config.cite_expandable = False
    return config


CONFIG = _config()


@dataclass(slots=True)
class Reading:
    r"""How both read a text, as long as `stack` is open.

    Attributes:
        stack: undoes what is patched.
        brackets: theirs takes `\(...\)` and `\[...\]` for formulas.
        sources: what is done to the Markdown before theirs reads it.
        spans: what is done to the entities of theirs, given its text.
    """

    stack: ExitStack
    brackets: bool = True
    sources: list[Callable[[str], str]] = field(default_factory=list[Callable[[str], str]])
    spans: list[Callable[[str, list[Span]], list[Span]]] = field(
        default_factory=list[Callable[[str, list[Span]], list[Span]]]
    )

    def patch(self, where: Any, name: str, new: object) -> None:
        self.stack.enter_context(patch.object(where, name, new))

    def ours(self, source: str) -> Look:
        made = render(source)
        return _look(made.text, [(it.type, it.url or it.language, it.offset, it.end) for it in made.entities])

    def theirs(self, source: str) -> Look:
        for change in self.sources:
            source = change(source)
        text, entities = peer.convert(source, latex_escape=self.brackets, config=CONFIG)
        spans = [(it.type, it.url or it.language or "", it.offset, it.offset + it.length) for it in entities]
        for alter in self.spans:
            spans = alter(text, spans)
        return _look(text, spans)
