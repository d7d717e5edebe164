"""Who may talk to a bot that strangers can write to: values and the border to storage. Types only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from duihua.messages import Address

Role = Literal["owner", "admin", "user", "blocked", "stranger"]
STAFF: tuple[Role, ...] = ("owner", "admin")
"""Administrators: they admit others, and nothing limits how often they write."""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of the catalogue: `words.t(line.code, **line.values)`."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Pairing:
    """A stranger who waits to be let in. `expires` is ms UTC; `bot` as in their `address`."""

    id: int
    front: str
    external: str
    name: str
    address: Address
    expires: int

    def __str__(self) -> str:
        """For example `telegram/42`."""
        return f"{self.front}/{self.external}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message.

    Attributes:
        allowed: it may go on. If not, nothing is done with it.
        role: of whoever wrote it.
        tell: what to say to them now; None: nothing.
        asked: this message has made a stranger wait for a decision, of which administrators may be told.
    """

    allowed: bool
    role: Role
    tell: Line | None = None
    asked: Pairing | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is stored of a person: users.id, their role there (`guest`: none), and all their `front/id`."""

    user: int
    role: str
    names: tuple[str, ...] = ()
    called: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A role that was given or taken, for whoever looks after a bot. `at` is ms UTC.

    `user` is users.id, 0 for a stranger who was declined; `by` is users.id, 0 for the operator.
    """

    at: int
    user: int
    was: str
    role: str
    by: int


Asked = Literal["new", "again", "full", "declined"]
"""What came of asking to be let in."""


class AccessStore(Protocol):
    """What a store keeps of access: one method, one transaction. `at` is now, in ms UTC, by whoever asks."""

    async def standing(self, tenant: str, front: str, external: str) -> Standing | None:
        """Of the person with this id at this front end; None: nobody is known by it."""
        ...

    async def standing_of(self, user: int) -> Standing | None:
        """Of the person with this users.id."""
        ...

    async def members(self, tenant: str) -> Sequence[Standing]:
        """Everybody with a role, by role and id."""
        ...

    async def ask(
        self, address: Address, external: str, name: str, code: str, *, at: int, expires: int, most: int
    ) -> tuple[Asked, Pairing | None]:
        """Writes down that a stranger wants to be let in, with the hash of the code that they are told.

        Who waits already gets the new code and time. At most `most` wait at one bot.
        """
        ...

    async def pairings(self, tenant: str, *, at: int) -> Sequence[Pairing]:
        """Those that wait, the oldest first."""
        ...

    async def decide_pairing(
        self, tenant: str, yes: bool, *, at: int, by: int, notice: bytes, id: int = 0, code: str = ""
    ) -> Pairing | None:
        """Lets in whoever waits under this id or code, or declines them for a day; None: nobody waits.

        Whoever is let in gets a session at their address that owes them `notice`.
        """
        ...

    async def set_role(
        self, tenant: str, front: str, external: str, role: str, *, at: int, by: int, over: Sequence[str]
    ) -> Standing:
        """Gives a person, made if they are not there, a role if theirs is one of `over`.

        Returns:
            what they were before; its role is not one of `over`: nothing has changed.
        """
        ...

    async def unblock(self, tenant: str, front: str, external: str, *, at: int, by: int) -> str:
        """Gives a blocked person back that they were a user, or nobody; returns their role now.

        Empty: they are not blocked.
        """
        ...

    async def invite(self, tenant: str, role: str, code: str, *, at: int, expires: int) -> None:
        """Keeps the hash of a code by which somebody gets a role, once."""
        ...

    async def redeem(
        self, tenant: str, front: str, external: str, name: str, code: str, *, at: int
    ) -> str | None:
        """Uses an invitation up; returns the person's role then, never less than before.

        None: no such code.
        """
        ...

    async def access_log(self, tenant: str, *, limit: int = 50) -> Sequence[Change]:
        """The newest changes, the last one first."""
        ...
