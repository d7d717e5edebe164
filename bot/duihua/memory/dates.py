"""When something was: what a question says about time, and the days that a text names, as terms.

A question's days become spans to look in; the days that a turn names ("I saw it yesterday") become terms of
it, so that it is found by the day it happened as well as by the day it was told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Literal

from duihua.memory.days import DAY, Days, read

READ_SAID = 2_000
"""Characters of what was said in which date words are read."""
READ = 400
"""Characters of a question in which date words are read: who pastes a text does not ask about its days."""

_OLDEST = re.compile(
    r"第一次|首次|最早|最初|最开始|最開始|一开始|一開始|刚开始|剛開始"
    r"|\bearliest\b|\b(?:for )?(?:the )?(?:very )?first time\b"
    r"|\b(?:the )?(?:very )?first"
    r" (?=conversation|chat|talk|message|me?et|mention|t[eo]ll|sa(?:id|y)|sp(?:eak|oke))"
)
_NEWEST = re.compile(
    r"最近一次|最后一次|最後一次|上一次|上次|\b(?:the )?last time\b"
    r"|\b(?:the )?(?:most recent|latest)(?:ly)?\b"
)


@dataclass(frozen=True, slots=True)
class When:
    """What a question says about time.

    Attributes:
        spans: [from, to) in ms UTC, in the order of the text.
        terms: what turns that name one of these days hold, see `mentioned`.
        order: `oldest` for the first time of something, `newest` for the last.
        rest: the question without these words.
    """

    spans: tuple[tuple[int, int], ...]
    terms: tuple[str, ...]
    order: Literal["", "oldest", "newest"]
    rest: str


def when(query: str, now: int, zone: tzinfo | None = None) -> When:
    """Reads a question, in lower case, that is asked at `now` (ms UTC) by someone in `zone` (None: UTC).

    A day without its year is the newest such day up to now.
    """
    zone = zone or UTC
    found, rest = read(query[:READ], _day(now, zone), past=True)
    order: Literal["", "oldest", "newest"] = ""
    if _OLDEST.search(rest):
        order, rest = "oldest", _OLDEST.sub(" ", rest)
    elif _NEWEST.search(rest):
        order, rest = "newest", _NEWEST.sub(" ", rest)
    spans = tuple((_ms(first, zone), _ms(after, zone)) for first, after in found)
    return When(
        spans, tuple(dict.fromkeys(t for d in found for t in _terms(d)[:1])), order, rest + query[READ:]
    )


def mentioned(text: str, at: int, zone: tzinfo | None = None) -> list[str]:
    """Terms for the days that a text in lower case, said at `at` (ms UTC), names; each as often as it does.

    `@05-02` is a day of any year, `@2023-05` a month, `@2023` a year; a day comes with its month. The day of
    the talk itself is left out: everything said then is of that day.
    """
    today = _day(at, zone or UTC)
    return [
        t for days in read(text[:READ_SAID], today, past=False)[0] if days[0] != today for t in _terms(days)
    ]


def _terms(days: Days) -> list[str]:
    first, after = days
    last = after - DAY
    year, month = f"@{first.year}", f"@{first.year}-{first.month:02}"
    if first == last:
        return [f"@{first.month:02}-{first.day:02}", month]
    if (first.year, first.month) == (last.year, last.month):
        return [month]
    return [year] if first.year == last.year and (after - first).days > 300 else []


def _day(ms: int, zone: tzinfo) -> date:
    seconds = min(max(ms / 1000, 0.0), 4_000_000_000.0)
    return datetime.fromtimestamp(seconds, zone).date()


def _ms(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
