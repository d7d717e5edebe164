"""Reads JSON as models write it when they err: fenced, with trailing commas, single quotes or Python's words.

Only what has one reading is read. What is cut off, or says a key twice, is not.
"""

from __future__ import annotations

import json
import re
from math import inf
from typing import Any, NoReturn, cast

from pydantic_core import from_json

LONGEST = 100_000
"""Characters of a text that is read leniently, at most."""

_DEEP = 100
_FENCE = re.compile(r"(`{3,})[ \t]*[\w-]*[ \t]*\r?\n?(.*?)\s*\1", re.DOTALL)
_SPACE = re.compile(r"[\s\ufeff]*")
_WORD = re.compile(r"[A-Za-z]+")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,4000})(\.\d+)?([eE][+-]?\d+)?(?![\w.+-])", re.ASCII)
_PLAIN = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}
_UNICODE = re.compile(r"u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|x([0-9a-fA-F]{2})")


def strict(text: str) -> Any:
    """A JSON text's value, whole numbers of any size. Raises ValueError; numbers beyond all measure too."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as e:
        raise ValueError(f"Invalid JSON: {e}") from None
    _finite(value)
    return value


def read(text: str) -> Any:
    """The value that a text is meant to be. Raises ValueError if that is not clear."""
    if len(text) > LONGEST:
        raise ValueError("too long to repair")
    text.encode()  # no JSON has room for half a character
    text = unfenced(text)
    try:
        return strict(text)
    except ValueError:
        return _Reader(text).whole()


def plain(text: str) -> str:
    """A call's arguments as JSON that says everything once and as it is read: no escapes, no name twice.

    What says so already, and what is no JSON object however it is read, stays as it is.
    """
    repeated = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(pairs)  # the last one counts, as for every reader of ours
        repeated = repeated or len(made) < len(pairs)
        return made

    try:
        try:
            value = json.loads(text, object_pairs_hook=once)
        except ValueError:
            value = read(text)
        else:
            if not repeated and "\\" not in text:
                return text
        if not isinstance(value, dict):
            return text
        said = json.dumps(value, ensure_ascii=False, allow_nan=False)
        said.encode()  # no JSON has room for half a character
    except (ValueError, RecursionError):
        return text
    return said


def unfenced(text: str) -> str:
    """The inside of a code fence that is around all of the text; else the text, without space around it."""
    text = text.strip().strip("\ufeff")
    found = _FENCE.fullmatch(text)
    return found[2].strip() if found and "```" not in found[2] else text


def _finite(value: Any) -> None:
    if isinstance(value, dict):
        for item in cast("dict[str, Any]", value).values():
            _finite(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            _finite(item)
    elif isinstance(value, float) and abs(value) == inf:
        raise ValueError("a number is too large")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def whole(self) -> Any:
        value = self.value(0)
        self.space()
        if self.at < len(self.text):
            self.unclear()
        return value

    def value(self, depth: int) -> Any:
        if depth > _DEEP:
            self.unclear()
        self.space()
        match self.text[self.at : self.at + 1]:
            case "{":
                return self.object(depth)
            case "[":
                return self.array(depth)
            case '"' | "'":
                return self.string()
            case _:
                return self.scalar()

    def object(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        self.at += 1
        while not self.took("}"):
            if self.text[self.at : self.at + 1] not in ('"', "'"):
                self.unclear()
            name = self.string()
            if name in out or not self.took(":"):
                self.unclear()
            out[name] = self.value(depth + 1)
            self.comma("}")
        return out

    def array(self, depth: int) -> list[Any]:
        out: list[Any] = []
        self.at += 1
        while not self.took("]"):
            out.append(self.value(depth + 1))
            self.comma("]")
        return out

    def comma(self, end: str) -> None:
        if not self.took(",") and self.text[self.at : self.at + 1] != end:
            self.unclear()

    def string(self) -> str:
        quote = self.text[self.at]
        parts: list[str] = []
        self.at += 1
        while True:
            plain = _PLAIN[quote].match(self.text, self.at)
            assert plain is not None  # it matches nothing at the least
            parts.append(plain[0])
            self.at = plain.end() + 1
            match self.text[plain.end() : self.at]:
                case "\\":
                    parts.append(self.escape())
                case "":
                    self.unclear()
                case _:
                    return "".join(parts)

    def escape(self) -> str:
        found = _UNICODE.match(self.text, self.at)
        if not found:
            char = _ESCAPES.get(self.text[self.at : self.at + 1])
            self.at += 1
            return char if char is not None else self.unclear()
        self.at = found.end()
        units = "".join(f"{int(unit, 16):04x}" for unit in found.groups() if unit)
        try:
            return bytes.fromhex(units).decode("utf-16-be")
        except UnicodeDecodeError:
            return self.unclear()

    def scalar(self) -> Any:
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            return strict(number[0])
        word = _WORD.match(self.text, self.at)
        if not word or word[0] not in _WORDS:
            return self.unclear()
        self.at = word.end()
        return _WORDS[word[0]]

    def took(self, char: str) -> bool:
        self.space()
        found = self.text.startswith(char, self.at)
        self.at += found
        self.space()
        return found

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def unclear(self) -> NoReturn:
        raise ValueError(f"not clear at character {self.at}")
