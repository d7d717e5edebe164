"""Reminders, once or again and again; they come in the same conversation, also after a restart."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field

from duihua.errors import NotYours
from duihua.recurrence import instant, occurrences, parse
from duihua.reminders import Reminder, Reminds
from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill
from duihua_skills.clock import zone as zone_of

_SPAN = re.compile(
    r"\+?P?(?:(\d{1,3})W)?(?:(\d{1,4})D)?T?(?:(\d{1,4})H)?(?:(\d{1,5})M(?:IN)?)?(?:(\d{1,6})S)?",
    re.IGNORECASE,
)
_BEGUN = timedelta(366)  # ago, at most, that a rule may have begun
_SHOWN = 3  # occurrences told of a rule, so that the model can see whether it means what was wanted


@skill(effect="idempotent", timeout=10, title={"zh": "提醒", "en": "Reminders"})
async def reminders(
    ctx: Context,
    action: Annotated[Literal["add", "list", "cancel"], Field(description="what to do")] = "add",
    text: Annotated[
        str, Field(description="add: what to remind of, in the person's words", max_length=500)
    ] = "",
    at: Annotated[
        str,
        Field(
            description="add: the first time, local, as 2025-03-08T08:00, or how long from now: PT20M, P1D",
            max_length=40,
        ),
    ] = "",
    rule: Annotated[
        str,
        Field(
            description="add: if it recurs, an RFC 5545 rule: FREQ=DAILY, FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR, "
            "FREQ=MONTHLY;BYMONTHDAY=-1 (the last day), FREQ=YEARLY; with INTERVAL, UNTIL or COUNT",
            max_length=300,
        ),
    ] = "",
    zone: Annotated[
        str, Field(description="IANA zone or city, if not the person's own", max_length=100)
    ] = "",
    id: Annotated[int, Field(description="cancel: its number")] = 0,
) -> dict[str, Any]:
    """Reminds the person of something later: arms, lists or cancels reminders of this conversation.

    Say the time that comes back. If the current date is not known, an error tells it.
    """
    own = ctx.reminders
    if own is None:
        raise SkillError("Nobody could deliver a reminder here (a private talk, or a program's own session).")
    there = zone_of(zone) if zone.strip() else ctx.timezone
    now = datetime.fromtimestamp(ctx.clock() if ctx.clock else time.time(), UTC).astimezone(there)
    if action == "list":
        return {"reminders": [_told(one) for one in await own.all()], "now": _time(now)}
    if action == "cancel":
        return {"cancelled": _told(await _cancel(own, id, ctx.locale)), "now": _time(now)}
    start = _start(at, now, there, bool(rule.strip()))
    made = await own.add(text, start, rule.strip())
    told = _told(made)
    if made.rule:
        coming = occurrences(start.replace(tzinfo=None), parse(made.rule), there)
        told["next"] = [_time(one) for one in islice((one for one in coming if one >= made.due), _SHOWN)]
    return {"armed": told, "now": _time(now)}


def _start(at: str, now: datetime, there: tzinfo | None, recurs: bool) -> datetime:
    """The wall time that is meant, with its zone (none: the machine's).

    Raises:
        SkillError: it is no time, or one that has passed; it tells what time it is now.
    """
    at = at.strip()
    clock = f"it is now {_time(now)}, {now:%A}"
    span = _SPAN.fullmatch(at) if at else None
    if span and any(span.groups()):
        weeks, days, hours, minutes, seconds = (int(number or 0) for number in span.groups())
        later = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return _wall((now.astimezone(UTC) + later).astimezone(there), there)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise SkillError(f"at={at!r} is no time: give 2025-03-08T08:00 or PT20M; {clock}") from None
    if len(at) <= 10:
        raise SkillError(f"at={at!r} has no time of day: ask for it, or give 2025-03-08T08:00; {clock}")
    try:
        due = instant(moment, there) if moment.tzinfo is None else moment.astimezone(there)
    except (OverflowError, ValueError, OSError):
        raise SkillError(f"at={at!r} is too far away; {clock}") from None
    if due <= now and (not recurs or now - due > _BEGUN):
        raise SkillError(f"at={at!r} has passed; {clock}")
    return _wall(moment if moment.tzinfo is None else due, there)


def _wall(moment: datetime, there: tzinfo | None) -> datetime:
    return moment.replace(tzinfo=there, microsecond=0)


async def _cancel(own: Reminds, id_: int, locale: str) -> Reminder:
    found = {one.id: one for one in await own.all()}
    try:
        if id_ in found and await own.cancel(id_):
            return found[id_]
    except NotYours as e:
        zh = f"第 {id_} 号提醒是{e.name or '别人'}设的：在这里，只有设提醒的人和管理员能取消。"
        en = f"Reminder {id_} was set by {e.name or 'someone else'}: here only the person who set it, or an "
        raise SkillError(zh if locale == "zh" else f"{en}administrator, can cancel it.") from None
    known = ", ".join(f"{one.id}: {one.text[:40]}" for one in found.values()) or "none"
    raise SkillError(f"there is no reminder {id_}; armed are: {known}")


def _told(reminder: Reminder) -> dict[str, Any]:
    told = {"id": reminder.id, "text": reminder.text, "due": _time(reminder.due), "day": f"{reminder.due:%A}"}
    return told | {key: value for key, value in (("rule", reminder.rule), ("of", reminder.name)) if value}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds" if moment.second else "minutes")
