"""What people name to have it forgotten: words that stand in a text, and spans of time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta

from duihua.memory.days import read
from duihua.memory.statements import visible

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
_UNTIL_NOW = re.compile(
    rf"(?:(?:the )?(?:last|past)|最近|过去|過去)的?\s*"
    r"(?P<n>\d{1,4}|an?|one|[半一二两兩三四五六七八九十])?\s*"
    rf"(?:{_UNITS})(?:内|里|以内|以来)?",
)
_CALENDAR = re.compile(
    r"(?:the )?day before yesterday|yesterday|today|(?:last|previous|this) (?:week|month|year|weekend)"
    r"|last (?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|大?前天|[前昨今]日|[昨今]天|[前去今]年"
    r"|(?:上上|[上本这這])一?[个個]?(?:(?:周|週|星期|礼拜|禮拜)[末一二三四五六日天]?|月)"
)
_ONE = re.compile("(?<=[上本这這])一")  # "这一周" is "这周"
_MEANT = re.compile(r"(?:the )?last\b|最近|过去|過去")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NOUN = re.compile("[a-z]{3,}")  # may stand in the plural


Span = tuple[datetime, datetime]
"""From the first moment to before the second."""


def span(text: str, now: datetime) -> Span | None:
    """The time that a text like `last 10m`, `最近一周` or `上周` names; None: it names none.

    The first two reach until now. `last week`, `this month`, `昨天` are the calendar's, in the zone of `now`.
    """
    wish = text.strip().casefold()
    if _CALENDAR.fullmatch(wish):
        (days, *_), _ = read(_ONE.sub("", wish), now.date(), past=True)
        first, after = (datetime.combine(day, time(), now.tzinfo) for day in days)
        return first, after
    found = _UNTIL_NOW.fullmatch(wish)
    if not found:
        return None
    given = found["n"] or ""
    unit = next(minutes for minutes in _MINUTES if found[f"u{minutes}"])
    minutes = (int(given) if given.isdigit() else _COUNTS[given]) * unit
    return now - min(timedelta(minutes=minutes), now - _EPOCH), now


def means_span(text: str) -> bool:
    """Whether a text is meant to name a span of time, even if it names none that is known."""
    return _MEANT.match(text.strip().casefold()) is not None


def holding(words: str) -> Callable[[str], bool]:
    """Whether every one of the words stands in a text.

    Where its script has spaces: as a word of its own, or as its English plural.
    """
    wanted = [_standing(word) for word in _flat(words).split()]

    def holds(text: str) -> bool:
        flat = _flat(text)
        return bool(wanted) and all(pattern.search(flat) for pattern in wanted)

    return holds


def quoted(texts: Iterable[str]) -> Callable[[str], bool]:
    """Whether one of the texts stands in another one word for word, however it is spaced."""
    wanted = [" ".join(_flat(text).split()) for text in texts]
    patterns = [_standing(text) for text in wanted if text]

    def stands(text: str) -> bool:
        flat = " ".join(_flat(text).split())
        return any(pattern.search(flat) for pattern in patterns)

    return stands


def _flat(text: str) -> str:
    return unicodedata.normalize("NFKC", visible(text)).casefold()


def _standing(word: str) -> re.Pattern[str]:
    before = rf"(?<!{_LETTER})" if re.match(_LETTER, word) else ""
    after = rf"(?!{_LETTER})" if re.match(_LETTER, word[-1]) else ""
    plural = "(?:e?s)?" if _NOUN.fullmatch(word) else ""
    return re.compile(before + re.escape(word) + plural + after)
