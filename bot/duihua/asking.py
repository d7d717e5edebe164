"""What a person is shown of a call that waits for consent: every argument, as it will run. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, cast

ROOM = 2_000
"""Characters of the arguments that are shown, unless the caller says otherwise."""

TOO_LONG = "Not run: a person must consent to it, and its arguments are too many to be shown. Use fewer."
"""What the model is told where `shown` finds no way."""

_CUTS = (1_000, 500, 250, 120, 60, 40)  # characters of one value, the most first
# What is not seen, or makes what follows look otherwise: controls, marks of format and direction, odd spaces,
# fillers, selectors, tags, private letters.
_HIDDEN = re.compile(
    "[\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)


def shown(arguments: str, room: int = ROOM) -> str | None:
    """A call's arguments as JSON on one line, in at most `room` characters.

    Where they are too long, long values are cut in the middle and say how many characters are missing: the
    beginning and the end of each are seen. None: even so there are too many of them; nobody can consent then.
    """
    try:
        value = json.loads(arguments.strip() or "{}", strict=False)
    except (ValueError, RecursionError):
        value = arguments
    try:
        for most in (room, *_CUTS):
            text = json.dumps(_cut(value, most), ensure_ascii=False)
            text = _HIDDEN.sub(_escaped, text)
            if len(text) <= room:
                return text
    except RecursionError:
        pass
    return None


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


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
