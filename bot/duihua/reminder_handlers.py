"""`/reminders` of every front end: lists what is armed, and cancels it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duihua import recurrence
from duihua.command import Answer, Command, Scene, Show
from duihua.errors import NotYours
from duihua.escapes import one_line

if TYPE_CHECKING:
    from duihua.reminders import Reminder
    from duihua_prompts import Catalogue

_CANCEL = ("cancel", "delete", "取消", "删除")
_NAMES = ("mo", "tu", "we", "th", "fr", "sa", "su")
_EVERY = {"DAILY": "daily", "WEEKLY": "weekly", "MONTHLY": "monthly", "YEARLY": "yearly"}
_WEEKDAYS = 5  # Monday to Friday


async def _reminders(scene: Scene) -> Answer:
    words, session = scene.words, scene.session
    if not scene.args:
        armed = await session.reminders()
        if not armed:
            return Show(words.t("command.reminders.nothing"))
        title, hint = words.t("command.reminders.title"), words.t("command.reminders.hint")
        return Show("\n".join([title, *(_line(one, words) for one in armed), hint]))
    verb, _, number = scene.args.partition(" ")
    number = number.strip().removeprefix("#") if verb.casefold() in _CANCEL else ""
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return Show(words.t("command.reminders.usage"))
    found = next((one for one in await session.reminders() if one.id == int(number)), None)
    try:
        if found is None or not await session.cancel_reminder(found.id):
            return Show(words.t("command.reminders.unknown", number=number))
    except NotYours as e:
        name = e.name or words.t("command.reminders.someone")
        return Show(words.t("command.reminders.not_yours", number=number, name=name))
    return Show(words.t("command.reminders.cancelled", text=one_line(found.text)))


def _line(reminder: Reminder, words: Catalogue) -> str:
    code = "command.reminders.again" if reminder.rule else "command.reminders.line"
    text = one_line(reminder.text)
    if reminder.name:
        text = words.t("command.reminders.whose", name=reminder.name, text=text)
    return words.t(
        code,
        number=reminder.id,
        due=f"{reminder.due:%Y-%m-%d %H:%M}",
        text=text,
        rule=_rule(reminder.rule, words),
    )


def _rule(rule: str, words: Catalogue) -> str:
    """A rule in words, if it is one of the usual ones; else as it is written."""
    try:
        read = recurrence.parse(rule)
    except ValueError:
        return one_line(rule)
    plain = recurrence.Rule(read.frequency, days=read.days)
    if read != plain or any(which for which, _ in read.days):
        return one_line(rule)
    if read.frequency in ("DAILY", "WEEKLY") and {day for _, day in read.days} == set(range(_WEEKDAYS)):
        return words.t("reminder.weekdays")
    if read.days and read.frequency != "WEEKLY":
        return one_line(rule)
    days = [words.t(f"reminder.day.{_NAMES[day]}") for _, day in sorted(read.days)]
    every = words.t(f"reminder.every.{_EVERY[read.frequency]}")
    return words.t("reminder.on", days=words.t("reminder.and").join(days)) if days else every


REMINDERS = Command("reminders", _reminders, ("提醒",), takes=True)
"""Anyone who may talk in a conversation sees its reminders, and may cancel their own; see `NotYours`."""
