"""Reminders at work: armed by skills, fired when they are due, told by the session's front end.

A reminder fires by one transaction that writes the outbox row and when it is due next: whichever process is
first does it, and one that dies has done all of it or nothing. What was missed while no process ran fires
once, as the last time it was due, and is told to be late.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from duihua import recurrence
from duihua.codec import sound
from duihua.errors import NotYours, SkillError, StorageError
from duihua.escapes import one_line
from duihua.events import ReminderDue
from duihua.ports import Send, Store
from duihua.redact import where
from duihua.reminders import Armed, Reminder

Unless = Callable[[], Awaitable[bool]]

log = logging.getLogger(__name__)

MOST = 50
"""Reminders that one person may have armed."""
LONGEST = 500
"""Characters of a reminder's text."""
FARTHEST = 50
"""Years ahead, at most."""
LATE = 60.0
"""Seconds after which a reminder is told to be late."""
LOOK = 20.0
"""Seconds between two looks for reminders that other processes have armed."""
AT_ONCE = 50


class Reminding:
    """Fires the reminders of a store.

    Args:
        store: where they are.
        fired: is told when the outbox has something new.
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: Store, fired: Callable[[], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._fired, self.clock = store, fired, clock
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to watch."""
        self._task = asyncio.create_task(self._run(), name="duihua reminders")

    async def aclose(self) -> None:
        """Watches no more; what is armed stays so."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def poke(self) -> None:
        """Something was armed."""
        self._changed.set()

    def of(
        self, session: int, owner: int, zone: tzinfo | None = None, *, shared: Unless | None = None
    ) -> Own:
        """The reminders of a session, for the person who speaks there.

        `shared`: several people do; it says whether this one may cancel those of others.
        """
        return Own(self, self._store, session, owner, zone, shared)

    async def ring(self) -> float:
        """Fires all that are due; returns the seconds until the next one, `LOOK` at most."""
        fired = False
        try:
            while True:
                coming = await self._store.next_reminders(limit=AT_ONCE)
                now = self.clock()
                due = [one for one in coming if one.due <= now * 1000]
                for one in due:
                    fired |= await self._fire(one, now)
                if len(due) < AT_ONCE:
                    rest = [one.due / 1000 - now for one in coming[len(due) :][:1]]
                    return max(0.0, min([LOOK, *rest]))
        finally:
            if fired:
                self._fired()

    async def _fire(self, reminder: Armed, now: float) -> bool:
        due, again = _missed(reminder, now)
        body = orjson.dumps(
            {
                "reminder": reminder.id,
                "text": _content(reminder)["text"],
                "due": due.isoformat(timespec="seconds"),
                "rule": reminder.rule,
            }
        )
        return await self._store.fire(reminder, _ms(again) if again else 0, body)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            wait = LOOK
            try:
                wait = await self.ring()
            except StorageError as e:
                log.warning("reminders wait: %s", e)
            except Exception as e:
                log.error("reminders wait: %s", where(e))
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue


class Own:
    """`reminders.Reminds` of one session."""

    def __init__(
        self,
        reminding: Reminding,
        store: Store,
        session: int,
        owner: int,
        zone: tzinfo | None,
        shared: Unless | None,
    ) -> None:
        self._reminding, self._store = reminding, store
        self._session, self._owner, self._zone, self._shared = session, owner, zone, shared

    async def add(self, text: str, due: datetime, rule: str = "") -> Reminder:
        """Arms one; see `Reminds.add`. Raises SkillError."""
        zone, start = due.tzinfo, due.replace(tzinfo=None, microsecond=0)
        text = sound(text).replace("\0", "").strip()[:LONGEST]
        now = datetime.fromtimestamp(self._reminding.clock(), UTC)
        if not text:
            raise SkillError("text is empty: say what to remind of")
        first: datetime | None
        try:
            first = due.replace(microsecond=0).astimezone(UTC)
            if rule:  # a start that does not fit its rule is followed by the first time that does
                first = recurrence.after(start, rule, zone, now)
        except (ValueError, OverflowError, OSError) as e:
            raise SkillError(f"this is no time or no rule: {e}") from None
        if first is None or first <= now:
            raise SkillError(f"that time has passed: it is now {shown(now, zone)}")
        if (first - now).days > FARTHEST * 366:
            raise SkillError(f"that is too far away: {FARTHEST} years at most")
        body = orjson.dumps({"text": text, "start": start.isoformat()})
        new = Armed(0, self._session, self._owner, _ms(first), rule, recurrence.zone_name(zone), body)
        armed = await self._store.arm(new, most=MOST)
        if armed is None:
            raise SkillError(f"{MOST} reminders are armed already: cancel one of them first")
        self._reminding.poke()
        return _reminder(armed)

    async def all(self) -> Sequence[Reminder]:
        """Those that are armed, the next one first."""
        return [_reminder(one, self._shared is not None) for one in await self._store.armed(self._session)]

    async def cancel(self, id_: int) -> bool:
        """Disarms one; False: there is none of this id. Raises NotYours."""
        found = next((one for one in await self._store.armed(self._session) if one.id == id_), None)
        if found is None:
            return False
        if self._shared is not None and found.owner != self._owner and not await self._shared():
            raise NotYours("reminder", _whose(found))
        return await self._store.disarm(self._session, id_)


def told(send: Send, now: float) -> ReminderDue:
    """What an outbox row of kind `notice` tells of, at `now` (seconds since the epoch)."""
    body: dict[str, Any] = orjson.loads(send.body)
    due = datetime.fromisoformat(str(body["due"]))
    return ReminderDue(
        session=send.address.key,
        turn=0,
        reminder=int(body["reminder"]),
        text=str(body["text"]),
        due=due.isoformat(timespec="minutes"),
        late=now - due.timestamp() > LATE,
    )


def shown(moment: datetime, zone: tzinfo | None) -> str:
    """A moment as models and people read it: `2025-03-08T08:00+08:00 Saturday (Asia/Shanghai)`."""
    local = moment.astimezone(zone)
    name = recurrence.zone_name(zone)
    return f"{local.isoformat(timespec='minutes')} {local:%A}" + (f" ({name})" if name else "")


def _missed(reminder: Armed, now: float) -> tuple[datetime, datetime | None]:
    """The last time that it was due until now, and the next one after."""
    zone = recurrence.zone_of(reminder.zone)
    due = datetime.fromtimestamp(reminder.due / 1000, UTC).astimezone(zone)
    if not reminder.rule:
        return due, None
    try:
        start = datetime.fromisoformat(_content(reminder)["start"])
        for moment in recurrence.occurrences(start, recurrence.parse(reminder.rule), zone):
            if moment.timestamp() > now:
                return due, moment
            due = max(due, moment)
    except ValueError as e:  # written by a newer version, say: it is told once, and not lost in silence
        log.warning("reminder %d does not recur any more: %s", reminder.id, where(e))
    return due, None


def _reminder(row: Armed, shared: bool = False) -> Reminder:
    zone = recurrence.zone_of(row.zone)
    due = datetime.fromtimestamp(row.due / 1000, UTC).astimezone(zone)
    return Reminder(row.id, _content(row)["text"], due, row.rule, _whose(row) if shared else "")


def _whose(row: Armed) -> str:
    return one_line(row.name, 60)


def _content(row: Armed) -> dict[str, str]:
    return orjson.loads(row.body)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
