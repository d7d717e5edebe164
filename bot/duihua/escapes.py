"""Text from outside, made safe for a terminal: nothing a model or a platform sends may steer the screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal
from unicodedata import east_asian_width

# Controls, and the marks that turn the direction of writing round (a question could read as another one).
_SUSPECT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PICTURE = "\u203c\u2049\u2122-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
"""Characters that are drawn as pictures, for a class of a pattern."""
_JOINED = "\u0600-\u0dff\u1000-\u109f\u1780-\u18ff"  # scripts in which joiners and non-joiners spell words
_UNSEEN = re.compile(
    f"(?<![{_JOINED}])\u200c|\u200c(?![{_JOINED}])|(?<![{PICTURE}0-9#*])\ufe0f|"
    f"(?<![{_JOINED}{PICTURE}\ufe0f])\u200d|\u200d(?![{_JOINED}{PICTURE}])|"
    "[\xad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u2800\u3164\ud800-\uf8ff\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
_LONGEST = 4096  # characters of one escape sequence; what is longer is text again
_State = Literal["text", "escape", "control", "string", "string-escape"]


class Cleaner:
    """Takes escape sequences and control characters out of a text that arrives in pieces.

    A sequence may be cut anywhere between pieces. Tabs and line ends stay.
    """

    __slots__ = ("_length", "_state")

    def __init__(self) -> None:
        self._state: _State = "text"
        self._length = 0

    def feed(self, piece: str) -> str:
        """The visible part of the next piece."""
        if self._state == "text" and not _SUSPECT.search(piece):
            return piece
        return "".join(char for char in piece if self._visible(char))

    def _visible(self, char: str) -> bool:
        if self._state == "text":
            return self._start(char)
        self._length += 1
        if self._length > _LONGEST or char == "\n":
            self._state = "text"  # unfinished: a text must not vanish behind it
            return self._start(char)
        match self._state:
            case "escape":
                self._state = _AFTER_ESCAPE.get(char, "escape" if " " <= char <= "/" else "text")
            case "control":
                if not " " <= char <= "?":
                    self._state = "escape" if char == "\x1b" else "text"
            case "string":
                if char in "\x07\x9c":
                    self._state = "text"
                elif char == "\x1b":
                    self._state = "string-escape"
            case "string-escape":
                self._state = "text" if char == "\\" else "string"
        return False

    def _start(self, char: str) -> bool:
        self._length = 0
        self._state = _STARTS.get(char, "text")
        return self._state == "text" and not _SUSPECT.match(char)


_AFTER_ESCAPE: dict[str, _State] = {
    "\x1b": "escape",
    "[": "control",
    **dict.fromkeys("]PX^_", "string"),
}
_STARTS: dict[str, _State] = {
    "\x1b": "escape",
    "\x9b": "control",
    **dict.fromkeys("\x90\x98\x9d\x9e\x9f", "string"),
}


def clean(text: str) -> str:
    """The visible part of a whole text."""
    return Cleaner().feed(text)


def one_line(text: str, limit: int = 200) -> str:
    """The visible part of a text on one line, at most `limit` characters."""
    text = " ".join(clean(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name_of(text: str, limit: int = 64) -> str:
    """What somebody or something is called, on one line, told from others; empty: nothing of it is seen.

    Signs that nobody sees, or that change how others are seen, are gone, but for those that some scripts and
    pictures of several signs are written with.
    """
    return one_line(_UNSEEN.sub("", clean(text)), limit)


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows of a table as lines, each column as wide as its widest cell."""
    widths = [max(columns(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def columns(text: str) -> int:
    """How many columns a line takes on a terminal."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
