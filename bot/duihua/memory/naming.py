"""What people name to have it forgotten: words that stand in a text, and spans of time until now."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_JOINED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts without spaces (Chinese, Japanese, Thai, Khmer ...), and Korean, whose particles cling."""
_LETTER = rf"[^\W_{_JOINED}]"

_MINUTES = {
    60: "h|hrs?|hours?|个?小时|個?小時|个?钟头|個?鐘頭",
    1: "m|mins?|minutes?|分钟?|分鐘?",
    1_440: "d|days?|天|日",
    10_080: "w|wks?|weeks?|个?(?:周|星期|礼拜)|個?(?:週|星期|禮拜)",
    43_200: "months?|个?月|個?月",
    525_600: "y|yrs?|years?|年",
}
_UNITS = "|".join(f"(?P<u{minutes}>{names})" for minutes, names in _MINUTES.items())
_COUNTS = {"": 1, "a": 1, "an": 1, "one": 1, "半": 0.5, "两": 2, "兩": 2, "十": 10} | {
    digit: number for number, digit in enumerate("一二三四五六七八九", 1)
}
_SPAN = re.compile(
    rf"(?:(?:the )?(?:last|past)|最近|过去|過去)的?\s*"
    r"(?P<n>\d{1,4}|an?|one|[半一二两兩三四五六七八九十])?\s*"
    rf"(?:{_UNITS})(?:内|里|以内|以来)?",
    re.IGNORECASE,
)
_MEANT = re.compile(  # a calendar's week is no span until now: what was said since would go with it
    r"(?:the )?last\b|最近|过去|過去|上一?[个個]?(?:周|週|星期|礼拜|禮拜|月)$|去年$", re.IGNORECASE
)

_NOUN = re.compile("[a-z]{3,}")  # may stand in the plural


def span(text: str) -> float | None:
    """The minutes until now that a text like `last 10m` or `最近一周` names; None: it names no such span."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        return None
    given = (found["n"] or "").lower()
    unit = next(minutes for minutes in _MINUTES if found[f"u{minutes}"])
    return (int(given) if given.isdigit() else _COUNTS[given]) * unit


def means_span(text: str) -> bool:
    """Whether a text is meant to name a span of time, even if it names none that is known."""
    return _MEANT.match(text.strip()) is not None


def holding(words: str) -> Callable[[str], bool]:
    """Whether every one of the words stands in a text.

    Where its script has spaces: as a word of its own, or as its English plural.
    """
    wanted = [_standing(word) for word in _flat(words).split()]

    def holds(text: str) -> bool:
        flat = _flat(text)
        return all(pattern.search(flat) for pattern in wanted)

    return holds


def _flat(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _standing(word: str) -> re.Pattern[str]:
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, word) else ""
    after = rf"(?!{_LETTER})" if re.match(_LETTER, word[-1]) else ""
    plural = "(?:e?s)?" if _NOUN.fullmatch(word) else ""
    return re.compile(before + re.escape(word) + plural + after)
