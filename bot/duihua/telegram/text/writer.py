"""Writes text and entities side by side; what comes out is valid for Telegram."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from duihua.telegram.text.formatted import QUOTES, Entity, Formatted, Kind, ordered, units
from duihua.telegram.text.formula import plain

_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


@dataclass(slots=True)
class _Open:
    kind: Kind
    start: int
    url: str = ""


class Writer:
    """Collects a text.

    Styles nest as Telegram allows: `code` and `pre` stand alone, so that open styles pause around them, and
    inside quotes and links, which may not be cut in two, code is plain text.
    """

    __slots__ = ("_length", "_open", "_parts", "_spans", "prefix")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._open: list[_Open] = []
        self._spans: list[tuple[Kind, int, int, str]] = []
        self.prefix = ""
        """What stands before each new line: the indent of lists."""

    @property
    def empty(self) -> bool:
        """Whether nothing was written."""
        return not self._length

    def raw(self, text: str) -> None:
        """Text as it is."""
        self._parts.append(text)
        self._length += len(text)

    def write(self, text: str) -> None:
        """Text, its new lines indented."""
        self.raw(text.replace("\n", "\n" + self.prefix) if self.prefix and "\n" in text else text)

    def open(self, kind: Kind, url: str = "") -> None:
        """A style begins."""
        self._open.append(_Open(kind, self._length, url))

    def close(self, kind: Kind, as_kind: Kind | None = None) -> None:
        """The innermost style of that kind ends."""
        for i in range(len(self._open) - 1, -1, -1):
            if self._open[i].kind == kind:
                it = self._open.pop(i)
                if all(other.kind != kind for other in self._open):
                    self._span(as_kind or kind, it.start, it.url)
                return

    def within(self, *kinds: Kind) -> bool:
        """Whether such a style is open."""
        return any(it.kind in kinds for it in self._open)

    def since(self, kind: Kind) -> int:
        """How many characters were written since a style began."""
        return self._length - next((it.start for it in self._open if it.kind == kind), self._length)

    def close_link(self) -> tuple[str, int]:
        """The link ends; its address, and how long its text is."""
        url = next((it.url for it in self._open if it.kind == "text_link"), "")
        length = self.since("text_link")
        self.close("text_link")
        return url, length

    def code(self, text: str) -> None:
        """Code inside a line."""
        if self.within("text_link", *QUOTES):
            self.write(text)
            return
        self._pause()
        start = self._length
        self.raw(text)
        self._spans.append(("code", start, self._length, ""))
        self._resume()

    def math(self, latex: str) -> None:
        """A formula inside a line: as Unicode, or as it is written."""
        text = plain(latex)
        if text is None:
            self.code(latex.strip())
        else:
            self.write(text)

    def pre(self, text: str, language: str = "") -> None:
        """A block of code; it must not stand in a quote or a link."""
        start = self._length
        self.raw(text)
        if text.strip():
            self._spans.append(("pre", start, self._length, language))

    def done(self) -> Formatted:
        """All that was written."""
        text = "".join(self._parts)
        if not self._spans:
            return Formatted(text)
        found = [it for span in reversed(self._spans) if (it := _trimmed(text, span))]
        spans = dict.fromkeys(found)  # a style that closes later is the outer one, and comes first
        astral = [found.start() for found in _ASTRAL.finditer(text)] if units(text) != len(text) else []
        entities: list[Entity] = []
        for kind, start, end, more in spans:
            if astral:
                start, end = start + bisect_left(astral, start), end + bisect_left(astral, end)
            url, language = ("", more) if kind == "pre" else (more, "")
            entities.append(Entity(kind, start, end - start, url, language))
        return Formatted(text, ordered(entities) if len(entities) > 1 else tuple(entities))

    def _span(self, kind: Kind, start: int, url: str = "") -> None:
        if self._length > start and (url or kind != "text_link"):
            self._spans.append((kind, start, self._length, url))

    def _pause(self) -> None:
        seen: set[Kind] = set()
        for it in self._open:
            if it.kind not in seen:
                self._span(it.kind, it.start, it.url)
            seen.add(it.kind)

    def _resume(self) -> None:
        for it in self._open:
            it.start = self._length


def _trimmed(text: str, span: tuple[Kind, int, int, str]) -> tuple[Kind, int, int, str] | None:
    """Without white space at its ends: Telegram cuts that off, and an entity must not be empty."""
    kind, start, end, more = span
    if kind == "pre" or not (text[start].isspace() or text[end - 1].isspace()):
        return span
    inner = text[start:end]
    start += len(inner) - len(inner.lstrip())
    end -= len(inner) - len(inner.rstrip())
    return (kind, start, end, more) if start < end else None
