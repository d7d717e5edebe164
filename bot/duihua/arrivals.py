"""What reached a front end and is not worked through yet: values and the border to storage. Types only.

A front end whose platform forgets an update once it is acknowledged keeps it here first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Arrival:
    """An update as it came. `id` is the order of arrival, `key` the platform's own number for it."""

    id: int
    key: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An update that could not be read, kept for whoever looks after the bot. `at` is ms UTC."""

    id: int
    source: str
    key: str
    error: str
    at: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stalled:
    """What of a source waits longest, in ms; 0: nothing does.

    Attributes:
        unread: id of the oldest open arrival.
        unanswered: an input that is answered or comes next, since that could begin.
        unsent: a message that nobody has tried to send, though it could have been since then.
        refused: a message that was tried again and again, since it is owed. None that the platform has asked
            to wait with.
    """

    unread: int = 0
    unanswered: int = 0
    unsent: int = 0
    refused: int = 0


class ArrivalStore(Protocol):
    """What a store keeps for intake: one method, one transaction. `source`: for example `telegram/42`."""

    async def hold(self, source: str, token: str, *, lease: int) -> bool:
        """Takes, or renews, the right to work on a source for `lease` ms; False: another token has it."""
        ...

    async def holder(self, source: str) -> str:
        """The token that has it now; empty: none."""
        ...

    async def let_go(self, source: str, token: str) -> None:
        """Gives the right back; nothing if it is another's."""
        ...

    async def arrive(self, source: str, updates: Sequence[tuple[str, str, bytes]]) -> int:
        """Keeps (key, author, body) of each update, all or none; returns how many are new.

        One that was kept before is left alone. `author` is the sender's id at the front end, by which what is
        not worked through goes when that person is forgotten; empty: nobody knows.
        """
        ...

    async def arrived(self, source: str, *, after: int = 0, limit: int = 100) -> Sequence[Arrival]:
        """The open ones with an id above `after`, oldest first."""
        ...

    async def settle_arrivals(self, ids: Sequence[int], *, error: str = "") -> None:
        """They are worked through: body and author go, the key is known for three days more.

        With an `error` they are put into quarantine, for 30 days, at most 1,000 of a source; from there
        they go when they are settled without one.
        """
        ...

    async def quarantine(self, *, limit: int = 50) -> Sequence[Quarantined]:
        """The newest in quarantine, the last one first."""
        ...

    async def stalled(self, source: str) -> Stalled:
        """What waits longest of a source, and in the sessions that belong to it."""
        ...
