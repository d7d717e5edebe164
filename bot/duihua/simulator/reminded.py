"""What a function for reminders returned, as a person would say it; Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, cast

from duihua.simulator.ask import Language

_WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "once": "好的，{when} 提醒你：{text}。",
        "again": "好的，{when} 提醒你：{text}。下一次是{next}。",
        "cancelled": "好的，已取消提醒：{text}（{when}）。",
        "every": "{rule} {time}",
        "list": "现在有 {count} 个提醒：{lines}。",
        "nothing": "现在没有提醒。",
        "line": "{id} 号，{when}，{text}{of}",
        "of": "（{name}设的）",
        "between": "；",
    },
    "en": {
        "once": "OK, I will remind you {when}: {text}.",
        "again": "OK, I will remind you {when}: {text}. The next time is {next}.",
        "cancelled": "OK, I have cancelled this reminder: {text} ({when}).",
        "every": "{rule} at {time}",
        "list": "There are {count} reminders: {lines}.",
        "nothing": "There are no reminders.",
        "line": "number {id}, {when}, {text}{of}",
        "of": " (set by {name})",
        "between": "; ",
    },
}
_EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = zip("一二三四五六日", _EN_DAYS, strict=True)
_DAYS = dict(zip(("MO", "TU", "WE", "TH", "FR", "SA", "SU"), _NAMES, strict=True))
_NEAR: dict[Language, tuple[str, ...]] = {"zh": ("今天", "明天", "后天"), "en": ("today", "tomorrow")}
_EVERY: dict[str, tuple[str, str]] = {
    "DAILY": ("每天", "every day"),
    "WEEKLY": ("每周", "every week"),
    "MONTHLY": ("每月", "every month"),
    "YEARLY": ("每年", "every year"),
}
_WORK = "MO,TU,WE,TH,FR"


def said(result: Mapping[str, Any], tongue: Language) -> str | None:
    """One sentence about what was armed, cancelled or listed; None: the result is of another kind."""
    words = _WORDS[tongue]
    try:
        today = datetime.fromisoformat(result["now"]).date()
        if isinstance(armed := result.get("armed"), dict):
            facts = _facts(cast("dict[str, Any]", armed), today, tongue)
            return words["again" if facts["rule"] else "once"].format(**facts)
        if isinstance(cancelled := result.get("cancelled"), dict):
            return words["cancelled"].format(**_facts(cast("dict[str, Any]", cancelled), today, tongue))
        listed = cast("list[dict[str, Any]]", result["reminders"])
        facts = [_facts(one, today, tongue) for one in listed]
    except (KeyError, TypeError, ValueError):
        return None
    lines = words["between"].join(words["line"].format(**one) for one in facts)
    return words["list"].format(count=len(facts), lines=lines) if facts else words["nothing"]


def _facts(reminder: Mapping[str, Any], today: date, tongue: Language) -> dict[str, Any]:
    due = datetime.fromisoformat(reminder["due"])
    rule, following = _rule(reminder.get("rule", ""), tongue), _when(due, today, tongue)
    return {
        "id": reminder["id"],
        "text": str(reminder["text"]).rstrip("。."),
        "rule": rule,
        "when": _WORDS[tongue]["every"].format(rule=rule, time=f"{due:%H:%M}") if rule else following,
        "next": following,
        "of": _WORDS[tongue]["of"].format(name=reminder["of"]) if reminder.get("of") else "",
    }


def _when(due: datetime, today: date, tongue: Language) -> str:
    """`明天 08:00`, `3月10日（星期一）09:00`; `tomorrow at 08:00`, `on Monday, March 10, at 09:00`."""
    ahead, near = (due.date() - today).days, _NEAR[tongue]
    zh, en = list(_DAYS.values())[due.weekday()]
    if 0 <= ahead < len(near):
        return f"{near[ahead]} {due:%H:%M}" if tongue == "zh" else f"{near[ahead]} at {due:%H:%M}"
    year = due.year != today.year
    if tongue == "zh":
        return f"{f'{due.year}年' if year else ''}{due.month}月{due.day}日（星期{zh}）{due:%H:%M}"
    return f"on {en}, {due:%B} {due.day}{f', {due.year}' if year else ''}, at {due:%H:%M}"


def _rule(rule: str, tongue: Language) -> str:
    """A rule in words: exactly the usual ones, of others how often at least."""
    if not rule:
        return ""
    parts = {key: value for key, _, value in (part.partition("=") for part in rule.upper().split(";"))}
    often, index = parts.get("FREQ", ""), 0 if tongue == "zh" else 1
    if parts.get("BYDAY") == _WORK:
        return ("每个工作日", "every weekday")[index]
    names = [_DAYS[day][index] for day in parts.get("BYDAY", "").split(",") if day in _DAYS]
    if names and often == "WEEKLY":
        return f"every {' and '.join(names)}" if index else f"每周{'、'.join(names)}"
    if (number := parts.get("BYMONTHDAY", "")).isdecimal() and often == "MONTHLY":
        return (f"每月{number}日", f"on day {number} of every month")[index]
    return _EVERY.get(often, (rule, rule))[index]
