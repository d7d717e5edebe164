"""Reminders: values and the borders to skills and storage. Types only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something to be told later in the same conversation. `rule`: an RFC 5545 rule, empty for once.

    `name` is whose it is, where several people share the conversation; else empty.
    """

    id: int
    text: str
    due: datetime  # with its time zone
    rule: str = ""
    name: str = ""


class Reminds(Protocol):
    """The reminders of the conversation."""

    async def add(self, text: str, due: datetime, rule: str = "") -> Reminder:
        """Arms one; raises SkillError for a time that has passed, a rule that is none, or too many.

        The same once more (text, time and rule) is the one that is armed already. With a rule, `due` is where
        it starts; a time without a zone is the machine's.
        """
        ...

    async def all(self) -> Sequence[Reminder]:
        """Those that are armed, the next one first."""
        ...

    async def cancel(self, id_: int) -> bool:
        """Disarms one; False: there is none of this id.

        Where several people share the conversation, those of others are theirs: raises NotYours, unless
        whoever asks is an administrator.
        """
        ...


@dataclass(frozen=True, slots=True)
class Armed:
    """A row of reminders. `due` is ms UTC, `zone` a name (empty: the machine's), `body` content as JSON.

    `name` is the owner's, as far as the session's front end knows it; only `armed` tells it.
    """

    id: int
    session: int
    owner: int  # users.id
    due: int
    rule: str
    zone: str
    body: bytes
    name: str = ""


class ReminderStore(Protocol):
    """What a store keeps of reminders: one method, one transaction."""

    async def arm(self, new: Armed, *, most: int) -> Armed | None:
        """Keeps a reminder, whose id is given here; None: the owner has `most` already.

        The same once more (session, owner, due, rule, body) is the one that is there.
        """
        ...

    async def armed(self, session: int) -> Sequence[Armed]:
        """The session's reminders, the next one first."""
        ...

    async def disarm(self, session: int, id_: int) -> bool:
        """Forgets a reminder of the session; False: there is none of this id."""
        ...

    async def next_reminders(self, *, limit: int = 50) -> Sequence[Armed]:
        """Those that are due first, of all sessions."""
        ...

    async def fire(self, reminder: Armed, again: int, body: bytes) -> bool:
        """Owes `body` (kind `notice`) to the session's front end; it is armed for `again`, 0: no more.

        All in one transaction, and only if the reminder still stands as given: False, someone else was
        faster. What it owes from before and nobody has begun to send is replaced.
        """
        ...
