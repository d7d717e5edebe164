"""When something recurs: the part of RFC 5545 that people ask for, reckoned in wall time.

Known are FREQ=DAILY, WEEKLY, MONTHLY and YEARLY with INTERVAL, BYDAY, BYMONTHDAY, BYMONTH, UNTIL, COUNT.
As the RFC has it, a day that a month lacks is left out (`BYMONTHDAY=-1` is the last one), a time that the
clock skips counts with the offset before the gap, and one that comes twice is meant the first time.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]

_FREQUENCIES: dict[str, Frequency] = {
    "DAILY": "DAILY",
    "WEEKLY": "WEEKLY",
    "MONTHLY": "MONTHLY",
    "YEARLY": "YEARLY",
}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z)?)?")
_LENGTH = 300  # characters of a rule
_GAP = 366 * 41  # days to the next one, at most: 29 February comes every 4 or 8 years, and INTERVAL may be 5
_OFFSET = re.compile(r"UTC(?:([+-])(\d\d):(\d\d))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was read. `days`: (which one of the month, 0 for each; weekday from 0, Monday)."""

    frequency: Frequency
    interval: int = 1
    days: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    until: datetime | None = None
    count: int = 0


def parse(text: str) -> Rule:
    """Reads a rule such as `FREQ=WEEKLY;BYDAY=MO`.

    Raises:
        ValueError: it is none, or one that is not known here; the text says what is wrong.
    """
    if len(text) > _LENGTH:
        raise ValueError(f"the rule is too long: at most {_LENGTH} characters")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").strip(" ;").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts:
            raise ValueError(f"{part[:40]!r} is no part of a rule; an example is FREQ=WEEKLY;BYDAY=MO,FR")
        parts[name.strip()] = value.strip()
    frequency = _FREQUENCIES.get(given := parts.pop("FREQ", ""))
    if frequency is None:
        raise ValueError(f"FREQ={given[:20]} is not known: use {', '.join(_FREQUENCIES)}")
    if parts.pop("WKST", "MO") != "MO":
        raise ValueError("weeks begin on Monday: leave WKST out")
    if "UNTIL" in parts and "COUNT" in parts:
        raise ValueError("give UNTIL or COUNT, not both")
    days = tuple(_day(one) for one in _listed(parts.pop("BYDAY", "")))
    rule = Rule(
        frequency,
        _numbers("INTERVAL", parts.pop("INTERVAL", "1"), 1, 999)[0],
        days,
        _numbers("BYMONTHDAY", parts.pop("BYMONTHDAY", ""), -31, 31),
        _numbers("BYMONTH", parts.pop("BYMONTH", ""), 1, 12),
        _until(parts.pop("UNTIL", "")),
        (_numbers("COUNT", parts.pop("COUNT", ""), 1, 9_999) or (0,))[0],
    )
    if parts:
        raise ValueError(f"{next(iter(parts))[:20]} is not known here; the time of day is that of the start")
    if any(which for which, _ in days) and frequency in ("DAILY", "WEEKLY"):
        raise ValueError(f"a number before a weekday does not go with FREQ={frequency}")
    if days and frequency == "YEARLY" and not rule.months:
        raise ValueError("BYDAY with FREQ=YEARLY needs BYMONTH")
    if rule.month_days and frequency == "WEEKLY":
        raise ValueError("BYMONTHDAY does not go with FREQ=WEEKLY")
    return rule


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _day(text: str) -> tuple[int, int]:
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError(f"BYDAY={text[:20]} is no weekday: use {', '.join(_DAYS)}, or 1MO, -1FR of a month")
    return int(found[1] or 0), _DAYS.index(found[2])


def _numbers(name: str, text: str, least: int, most: int) -> tuple[int, ...]:
    found: list[int] = []
    for one in _listed(text):
        number = int(one) if re.fullmatch(r"[+-]?\d{1,4}", one) else 0
        if not number or not least <= number <= most:
            raise ValueError(f"{name}={one[:20]} is not within {least} to {most}, or is 0")
        found.append(number)
    return tuple(found)


def _until(text: str) -> datetime | None:
    """The last moment: in wall time, or with UTC if it says `Z`; a date alone is meant to its end."""
    if not text:
        return None
    found = _UNTIL.fullmatch(text.replace("-", "").replace(":", ""))
    try:
        if found is None:
            raise ValueError
        day, at, utc = found.groups()
        moment = datetime.strptime(day + (at or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - wall time
    except ValueError:
        raise ValueError(f"UNTIL={text[:30]} is no date: write 20261231 or 20261231T090000") from None
    return moment.replace(tzinfo=UTC) if utc else moment


# ---------------------------------------------------------------- when


def instant(wall: datetime, zone: tzinfo | None) -> datetime:
    """The moment at which a clock in `zone` (None: this machine's) shows `wall`, in that zone."""
    if zone is None:
        return wall.replace(tzinfo=None, fold=0).astimezone().astimezone(UTC).astimezone()
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC).astimezone(zone)


def occurrences(start: datetime, rule: Rule, zone: tzinfo | None) -> Iterator[datetime]:
    """The moments at which a rule falls due, from the wall time `start` on, which counts if it fits."""
    count, empty, day = 0, 0, start.date()
    while empty <= _GAP and day.year < 9000 and not (rule.count and count >= rule.count):
        if _fits(day, start.date(), rule):
            wall = datetime.combine(day, time(start.hour, start.minute, start.second))
            moment = instant(wall, zone)
            if rule.until and (moment if rule.until.tzinfo else wall) > rule.until:
                return
            yield moment
            count, empty = count + 1, 0
        day, empty = day + timedelta(1), empty + 1


def after(start: datetime, rule: str, zone: tzinfo | None, moment: datetime) -> datetime | None:
    """The first occurrence after a moment; None if there is none."""
    return next((one for one in occurrences(start, parse(rule), zone) if one > moment), None)


def _fits(day: date, start: date, rule: Rule) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    length = monthrange(day.year, day.month)[1]
    if rule.month_days and day.day not in rule.month_days and day.day - length - 1 not in rule.month_days:
        return False
    if rule.days and not any(_is(day, length, *one) for one in rule.days):
        return False
    free = rule.days or rule.month_days
    match rule.frequency:
        case "DAILY":
            apart = (day - start).days
        case "WEEKLY":
            apart = (_monday(day) - _monday(start)).days // 7
            if not rule.days and day.weekday() != start.weekday():
                return False
        case "MONTHLY":
            apart = (day.year - start.year) * 12 + day.month - start.month
            if not free and day.day != start.day:
                return False
        case "YEARLY":
            apart = day.year - start.year
            if not rule.months and not rule.month_days and day.month != start.month:
                return False
            if not free and day.day != start.day:
                return False
    return apart % rule.interval == 0


def _is(day: date, length: int, which: int, weekday: int) -> bool:
    if day.weekday() != weekday:
        return False
    return not which or which == (day.day - 1) // 7 + 1 or which == -((length - day.day) // 7 + 1)


def _monday(day: date) -> date:
    return day - timedelta(day.weekday())


# ---------------------------------------------------------------- zones by name


def zone_name(zone: tzinfo | None) -> str:
    """What a zone is stored as; empty: the machine's own."""
    return "" if zone is None else str(zone)


def zone_of(name: str) -> tzinfo | None:
    """The zone of a stored name; where it is not known any more, the machine's own."""
    if not name:
        return None
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        span = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return timezone(-span if sign == "-" else span)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None
