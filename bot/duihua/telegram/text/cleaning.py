"""What a model says, without what Telegram takes out or changes by itself: offsets must stay right."""

from __future__ import annotations

import re

TAB = "    "
_DIRTY = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u0333\u033f\u030a\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CHANGED = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x333, 0x33F, 0x30A], None),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], None),
    0x0A: "\n",
    0x09: TAB,
    0x85: "\n",
    0x2028: "\n",
    0x2029: "\n",
}


class Cleaner:
    r"""Cleans a text that arrives in pieces; `\r\n` and surrogate pairs may be cut between two.

    Line ends become `\n`, tabs four spaces; lone surrogates become U+FFFD; control characters, marks that
    turn the direction of writing, and the three combining marks that Telegram drops go.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str, *, last: bool = False) -> str:
        """The clean part of what is known so far."""
        if self._held:
            piece, self._held = self._held + piece, ""
        if piece and not last and (piece[-1] == "\r" or "\ud800" <= piece[-1] <= "\udbff"):
            piece, self._held = piece[:-1], piece[-1]
        return clean(piece)


def clean(text: str) -> str:
    """A whole text, cleaned."""
    if not _DIRTY.search(text):
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.translate(_CHANGED)
