"""When someone wants to be reminded, and of what: times and rules as functions want them: ISO, RFC 5545."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

_NUMBER = r"(\d{1,3}|[一二两三四五六七八九十半]{1,3})"
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九十")} | {"两": 2}
_UNITS = {"秒": "S", "分": "M", "小": "H", "个": "H", "s": "S", "m": "M", "h": "H"}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_ZH_DAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_EN_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_ASKED = re.compile(r"提醒我|提醒一?下?我|\bremind me\b", re.I)
_CANCEL = re.compile(
    r"(?:取消|删[除掉]|去掉).{0,12}提醒|提醒.{0,8}(?:取消|删[除掉])|\b(?:cancel|delete|remove)\b.{0,20}\breminders?\b",
    re.I,
)
_LIST = re.compile(
    r"(?:哪些|什么|几个|看看|查看|列出|所有|我的|全部).{0,4}提醒(?!我)|提醒(?:有哪些|列表)"
    r"|\b(?:list|show|what|which|have|any|see)\b.{0,24}\breminders\b",
    re.I,
)
_LATER = re.compile(
    _NUMBER + r"\s*(秒钟?|分钟?|个?小时)(?:之?后|以后)|\bin (\d{1,3}|an?|half an) (second|minute|hour)s?\b",
    re.I,
)
_RELATIVE = (
    (re.compile(r"后天|day after tomorrow", re.I), 2),
    (re.compile(r"明[天早晚]|\btomorrow\b", re.I), 1),
)
_CLOCK = re.compile(
    r"(凌晨|早上|上午|早|中午|下午|傍晚|晚上|晚)?\s*" + _NUMBER + r"\s*[点:：时](?:钟|整)?(半|\d{1,2})?分?"
    r"|\bat (\d{1,2})(?::(\d{2}))?\s*(am|pm)?\b",
    re.I,
)
_EVERY = re.compile(
    r"每个?(?:(工作日)|(天|日)|(?:周|星期|礼拜)([一二三四五六日天])|(?:个?月)(\d{1,2})[号日])"
    r"|\bevery (?:(weekday)|(day)|(" + "|".join(_EN_DAYS) + r"))\b",
    re.I,
)
_NOISE = re.compile(r"^(?:请|帮我|麻烦|记得|[，,、的。\s])+|[，,。.!！\s]+$|^(?:to|about|that)\s+", re.I)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to remind of, `at` what time (ISO local time or duration), and by which rule.

    `action` is `list`, or `cancel` for the reminder `number`; empty: a new one.
    """

    text: str = ""
    at: str = ""
    rule: str = ""
    action: str = ""
    number: int = 0


def wanted(text: str, today: date | None) -> Wanted | None:
    """The reminder that a text asks for, None if it asks for none."""
    if len(text) <= 100 and _CANCEL.search(text):  # without a number: which ones are there?
        number = int(found[0]) if (found := re.search(r"\d{1,9}", text)) else 0
        return Wanted(action="cancel" if number else "list", number=number)
    if not _ASKED.search(text) or today is None:
        return Wanted(action="list") if len(text) <= 100 and _LIST.search(text) else None
    left = _ASKED.sub(" ", text)
    if found := _LATER.search(left):
        number, unit = found[1] or found[3], (found[2] or found[4])[0].lower()
        return Wanted(_of(_LATER.sub(" ", left)), f"PT{_span(number, _UNITS[unit])}")
    rule, day = _rule(left, today)
    clock = _CLOCK.search(left)
    for pattern, offset in _RELATIVE:
        day = today + timedelta(offset) if not rule and pattern.search(left) else day
        left = pattern.sub(" ", left)
    at = f"{day.isoformat()}T{_time(clock)}" if clock else day.isoformat()
    return Wanted(_of(_EVERY.sub(" ", _CLOCK.sub(" ", left))), at, rule)


def _span(number: str, unit: str) -> str:
    if number in ("半", "half an"):
        return "30M" if unit == "H" else "30S"
    return f"{_value(number)}{unit}"


def _value(number: str) -> int:
    if number.lower() in ("a", "an"):
        return 1
    if number.isascii():
        return int(number)
    tens, ten, ones = number.partition("十")
    return (_DIGITS.get(tens, 1) * 10 if ten else 0) + _DIGITS.get(ones if ten else number, 0)


def _rule(text: str, today: date) -> tuple[str, date]:
    found = _EVERY.search(text)
    if found is None:
        return "", today
    work, daily, zh, month_day, work_en, daily_en, en = found.groups()
    if work or work_en:
        return "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", today
    if daily or daily_en:
        return "FREQ=DAILY", today
    if month_day:
        return f"FREQ=MONTHLY;BYMONTHDAY={month_day}", today
    weekday = _ZH_DAYS[zh] if zh else _EN_DAYS.index(en.lower())
    return f"FREQ=WEEKLY;BYDAY={_DAYS[weekday]}", today + timedelta((weekday - today.weekday()) % 7)


def _time(found: re.Match[str]) -> str:
    part, hour_zh, minute_zh, hour_en, minute_en, half = found.groups()
    hour = _value(hour_zh or hour_en)
    minute = 30 if minute_zh == "半" else int(minute_zh or minute_en or 0)
    late = (part or "") in ("下午", "傍晚", "晚上", "晚") or (half or "").lower() == "pm"
    return f"{(hour + 12 if late and hour < 12 else hour) % 24:02}:{minute % 60:02}"


def _of(text: str) -> str:
    before = ""
    while before != text:
        before, text = text, _NOISE.sub("", text).strip()
    return " ".join(text.split()) or "提醒"
