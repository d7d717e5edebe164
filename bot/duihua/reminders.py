"""Reminders: values and the border to skills. Types only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something to be told later in the same conversation. `rule`: an RFC 5545 rule, empty for once."""

    id: int
    text: str
    due: datetime  # with its time zone
    rule: str = ""


class Reminds(Protocol):
    """The reminders of the conversation."""

    async def add(self, text: str, due: datetime, rule: str = "") -> Reminder:
        """Arms one; raises SkillError for a time that has passed, a rule that is none, or too many."""
        ...

    async def all(self) -> Sequence[Reminder]:
        """Those that are armed, the next one first."""
        ...

    async def cancel(self, id_: int) -> bool:
        """Disarms one; False: there is none of this id."""
        ...
