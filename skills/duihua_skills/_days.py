"""Which day of a forecast is meant: tomorrow, 后天, a weekday, a date, in 3 days."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from duihua_skills.clock import WEEKDAYS

_CHINESE = ("一1", "二2", "三3", "四4", "五5", "六6", "日天7")
_RELATIVE = {
    word: days
    for days, words in enumerate(
        (
            ("", "today", "now", "tonight", "今天", "今日", "今晚", "现在", "今"),
            ("tomorrow", "tomorrow night", "明天", "明日", "明晚", "明"),
            ("day after tomorrow", "the day after tomorrow", "后天", "後天", "后日"),
            ("大后天", "大後天"),
        )
    )
    for word in words
}
_LATER = re.compile(r"(?:in )?\+?(\d{1,3}) ?(?:days?|天)(?: later|后|以后|之后)?")


def index_of(day: str, days: Sequence[date]) -> int | None:
    """The index of the day that is meant among `days`, which begin with today; None: it is none of them."""
    text = re.sub(r"[\s_]+", " ", day.strip().lower())
    index = _RELATIVE.get(text)
    if index is None:
        index = next((i for i, candidate in enumerate(days) if _means(text, candidate)), None)
    if index is None and (later := _LATER.fullmatch(text)):
        index = int(later[1])
    return index if index is not None and index < len(days) else None


def _means(text: str, day: date) -> bool:
    """Whether a date or a weekday, as people write it, means this day."""
    if found := re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", text):
        return tuple(map(int, found.groups())) == (day.year, day.month, day.day)
    if found := re.fullmatch(r"(\d{1,2})[-/.月](\d{1,2})[日号]?", text):
        return (int(found[1]), int(found[2])) == (day.month, day.day)
    if found := re.fullmatch(r"(\d{1,2})[日号]", text):
        return int(found[1]) == day.day
    if found := re.fullmatch(r"(?:这|本)?(?:周|星期|礼拜)(.)", text):
        return found[1] in _CHINESE[day.weekday()]
    if found := re.fullmatch(r"(?:(?:on|this) )?([a-z]{3,9})\.?", text):
        return WEEKDAYS["en"][day.weekday()].lower().startswith(found[1])
    return False
