"""What stands inside a paragraph, a heading, a cell: one reading, whoever writes it down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from markdown_it.common.normalize_url import normalizeLink
from markdown_it.token import Token

from duihua.telegram.text.formatted import Kind
from duihua.telegram.text.parser import inline, pieces

ADDRESS = 2048
"""Characters of the longest address a link may have."""
_STYLES: dict[str, Kind] = {"strong": "bold", "em": "italic", "s": "strikethrough"}
_IDENTIFIER = re.compile(r"(?:[a-z_]\w*|[A-Z\d_]+)$", re.ASCII)
# Of the web alone: by `tg://user?id=` a model, or what it has read, would mention people, who are told.
_LINKABLE = re.compile(r"https?://[^\s/?#@]+\.[^\s/?#@.]+\.?(?:[/?#]\S*)?$", re.IGNORECASE)
_APP = re.compile(r"tg:|ton:|tonsite:", re.IGNORECASE)


class Pen(Protocol):
    """Writes text with styles, in the order of reading."""

    def write(self, text: str) -> None:
        """Text as it is."""
        ...

    def code(self, text: str) -> None:
        """Code inside a line."""
        ...

    def math(self, latex: str) -> None:
        """A formula inside a line."""
        ...

    def open(self, kind: Kind, url: str = "") -> None:
        """A style begins; a link without an address is none."""
        ...

    def close(self, kind: Kind) -> None:
        """The innermost style of that kind ends."""
        ...

    def close_link(self) -> tuple[str, int]:
        """The link ends; its address, and how long its text is."""
        ...

    def within(self, *kinds: Kind) -> bool:
        """Whether such a style is open."""
        ...


def write_inline(writer: Pen, content: str) -> None:
    """Writes what stands inside a paragraph, a heading, a cell."""
    plain = pieces(content)
    if plain is None:
        _write(writer, inline(content))
        return
    for kind, text in plain:
        if kind == "bold":
            writer.open("bold")
            writer.write(text)
            writer.close("bold")
        elif kind == "code":
            writer.code(text)
        else:
            writer.write(text)


def _write(writer: Pen, tokens: Sequence[Token]) -> None:
    links: list[str] = []
    names: list[bool] = []
    for i, token in enumerate(tokens):
        kind = token.type
        if kind in ("text", "text_special"):
            writer.write(token.content)
        elif kind in ("softbreak", "hardbreak"):
            writer.write("\n")
        elif kind == "code_inline":
            writer.code(token.content)
        elif kind == "math_inline":
            writer.math(token.content)
        elif kind == "link_open":
            links.append(_open_link(writer, "" if token.info == "auto" else str(token.attrs.get("href", ""))))
        elif kind == "link_close":
            _close_link(writer, links.pop())
        elif kind == "image":
            _image(writer, token)
        elif token.markup == "__":
            _underscores(writer, tokens, i, names)
        elif style := _STYLES.get(kind.partition("_")[0]):
            if token.nesting > 0:
                writer.open(style)
            else:
                writer.close(style)


def _underscores(writer: Pen, tokens: Sequence[Token], at: int, names: list[bool]) -> None:
    """`__init__` and `__FILE__` are names, not bold; `__Note__` is bold."""
    if tokens[at].nesting > 0:
        following, behind = tokens[at + 1 : at + 3]
        alone = following.type == "text" and behind.type == "strong_close"
        names.append(alone and bool(_IDENTIFIER.match(following.content)))
        if not names[-1]:
            writer.open("bold")
            return
    elif not names.pop():
        writer.close("bold")
        return
    writer.write("__")


def _open_link(writer: Pen, address: str) -> str:
    url = normalizeLink(address) if address else ""
    linked = bool(_LINKABLE.match(url)) and len(url) <= ADDRESS
    writer.open("text_link", url if linked else "")
    return address


def _close_link(writer: Pen, address: str) -> None:
    """Ends a link. Where nothing is linked the address is written behind the text, unless it is the app's."""
    url, length = writer.close_link()
    if address and not length:
        writer.write(address)
    elif address and not url and not _APP.match(address):
        writer.write(f" ({address})")


def _image(writer: Pen, token: Token) -> None:
    address = str(token.attrs.get("src", ""))
    name = list(_unlinked(token.children or ()))
    if writer.within("text_link"):
        _write(writer, name)
        return
    _open_link(writer, address)
    _write(writer, name)
    _close_link(writer, address)


def _unlinked(tokens: Sequence[Token]) -> Iterator[Token]:
    """What a picture is called, without links and pictures in it: a link has no room for another one."""
    for token in tokens:
        if token.type == "image":
            yield from _unlinked(token.children or ())
        elif token.type not in ("link_open", "link_close"):
            yield token
