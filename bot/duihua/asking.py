"""What a person is shown of a call that waits for consent: every argument, as it will run. Pure.

An argument begins a line with a mark that stands nowhere else, so that no value can be taken for another one:

    • to: bob@x.example
    • event.start: 2025-03-08T08:00
    • body:
        Dear Bob,
        see you then.

Texts are as they are where they can be taken for nothing else; the others are in quotes, as JSON has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from duihua.escapes import PICTURE

ROOM = 2_000
"""UTF-16 units of the arguments that are shown, unless the caller says otherwise."""

TOO_LONG = "Not run: a person must consent to it, and its arguments are too many to be shown. Use fewer."
"""What the model is told where `shown` finds no way."""

_MARK, _INDENT = "• ", "    "
_LINES = 25  # of a text that is shown line by line
_DEPTH = 5  # of values in each other that are shown by a line each
_CUTS = (1_000, 500, 250, 120, 60, 40)  # characters of one value, the most first
# What is not seen, or makes what follows look otherwise: controls, marks of format and direction, odd spaces,
# fillers, selectors, tags, private letters; many blanks in a row; and the mark of an argument.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2022\u2028-\u202f\u205f-\u206f\u2800\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\uffff\U0001d173-\U0001d17a\U000e0000-\U0010ffff]|(?<=[^ \n]) {4,}|\u3000{3,}"
)
_PICTURES = re.compile(f"[{PICTURE}]\ufe0f?(?:\u200d[{PICTURE}]\ufe0f?)*")  # of several signs: no trick
_NAME = re.compile(r"\w[\w-]{0,39}")
_LITERAL = re.compile(r"""(?:-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity|["\[{].*)""", re.DOTALL)


def shown(arguments: str, room: int = ROOM) -> str | None:
    """A call's arguments by a line for each value, or as JSON on one line, in at most `room` UTF-16 units.

    Where they are too long, long values are cut in the middle and say how many characters are missing: the
    beginning and the end of each are seen. None: even so there are too many of them; nobody can consent then.
    Empty: there are none.
    """
    try:
        value = json.loads(arguments.strip() or "{}", strict=False)
    except (ValueError, RecursionError):
        value = arguments
    if value == {}:
        return ""
    try:
        for most in (room, *_CUTS):
            cut = _cut(value, most)
            for text in ("\n".join(_lines("", cut)), _MARK + _quoted(cut)):
                if len(text.encode("utf-16-le", "surrogatepass")) <= 2 * room:
                    return text
    except RecursionError:
        pass
    return None


# ---------------------------------------------------------------- how values look


def _lines(path: str, value: Any, depth: int = _DEPTH) -> Iterator[str]:
    """A value, or what is in it; `path` is what it is called."""
    match value:
        case dict() if value and depth:
            for name, item in cast("dict[str, Any]", value).items():
                known = name if _NAME.fullmatch(name) and not _odd(name) else _quoted(name)
                yield from _lines(f"{path}.{known}" if path else known, item, depth - 1)
        case list() if depth and any(isinstance(item, dict | list) for item in cast("list[Any]", value)):
            for number, item in enumerate(cast("list[Any]", value), 1):
                yield from _lines(f"{path}[{number}]", item, depth - 1)
        case list() if depth:
            items = ", ".join(_item(item) for item in cast("list[Any]", value))
            yield _told(path, f" [{items}]")
        case str() if "\n" in value and _is_plain(value):
            yield "\n".join([_told(path, ""), *(_INDENT + line for line in value.split("\n"))])
        case str() if _is_plain(value):
            yield _told(path, f" {value}")
        case _:
            yield _told(path, f" {_quoted(value)}")


def _told(path: str, text: str) -> str:
    return f"{_MARK}{path}:{text}" if path else f"{_MARK}{text.strip()}"


def _item(value: Any) -> str:
    """One of several on a line."""
    plain = isinstance(value, str) and _is_plain(value) and not re.search("[\n,，、\\]]", value)
    return value if plain else _quoted(value)


def _is_plain(text: str) -> bool:
    """Whether it can be shown as it is, and be taken for nothing else."""
    if not text or text != text.strip() or text.count("\n") >= _LINES or _LITERAL.fullmatch(text):
        return False
    return not any(map(_odd, text.split("\n")))


def _odd(text: str) -> bool:
    """Whether something in it is not seen as what it is."""
    return bool(_HIDDEN.search(_PICTURES.sub("", text)))


def _quoted(value: Any) -> str:
    return _HIDDEN.sub(_escaped, json.dumps(value, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return "".join(json.dumps(char)[1:-1] if char > "~" else f"\\u{ord(char):04x}" for char in found[0])


# ---------------------------------------------------------------- how long they are


def _cut(value: Any, most: int) -> Any:
    """The value with each text and number in it, names too, in about `most` characters."""
    match value:
        case str():
            return _middle(value, most)
        case dict():
            given = cast("dict[str, Any]", value)
            made = {_middle(name, most): _cut(item, most) for name, item in given.items()}
            return made if len(made) == len(given) else given  # two names must not become one
        case list():
            return [_cut(item, most) for item in cast("list[Any]", value)]
        case int() if abs(value) >= 10**most:
            return _middle(str(value), most)
        case _:
            return value


def _middle(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    keep = max(most // 2 - 6, 8)
    return f"{text[:keep]}…[+{len(text) - 2 * keep}]…{text[-keep:]}"
