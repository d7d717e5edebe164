"""A message's text and its entities, as Telegram counts them: in UTF-16 units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "bold",
    "italic",
    "strikethrough",
    "text_link",
    "code",
    "pre",
    "blockquote",
    "expandable_blockquote",
]
KINDS: frozenset[str] = frozenset(get_args(Kind))
QUOTES = ("blockquote", "expandable_blockquote")


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of text with a look of its own; `offset` and `length` in UTF-16 units."""

    type: Kind
    offset: int
    length: int
    url: str = ""
    language: str = ""

    @property
    def end(self) -> int:
        """The first unit behind it."""
        return self.offset + self.length

    def at(self, offset: int, end: int) -> Entity:
        """The same look elsewhere."""
        return Entity(self.type, offset, end - offset, self.url, self.language)


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text with entities, sorted by offset, the longer first."""

    text: str = ""
    entities: tuple[Entity, ...] = ()

    @property
    def units(self) -> int:
        """How long Telegram says the text is."""
        return units(self.text)


def units(text: str) -> int:
    """The length of a text in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def ordered(entities: Sequence[Entity]) -> tuple[Entity, ...]:
    """Entities as Telegram sorts them."""
    return tuple(sorted(entities, key=lambda it: (it.offset, -it.length, it.type not in QUOTES)))


def quoted(inner: Formatted, *, expandable: bool = True) -> Formatted:
    """The whole text as one quote, which has no room for code, blocks of code or other quotes."""
    if not inner.text.strip():
        return Formatted()
    kept = [it for it in inner.entities if it.type not in (*QUOTES, "code", "pre")]
    kind: Kind = "expandable_blockquote" if expandable else "blockquote"
    return Formatted(inner.text, ordered([Entity(kind, 0, inner.units), *kept]))


def joined(parts: Sequence[Formatted], glue: str = "\n\n") -> Formatted:
    """Texts one behind the other; what is empty is left out."""
    out: list[str] = []
    entities: list[Entity] = []
    length = 0
    for part in parts:
        if not part.text:
            continue
        if out:
            out.append(glue)
            length += units(glue)
        out.append(part.text)
        entities.extend(it.at(it.offset + length, it.end + length) for it in part.entities)
        length += part.units
    return Formatted("".join(out), tuple(entities))
