"""Where a handle's conversation is kept, and who speaks there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from duihua.errors import NotFound
from duihua.messages import Address, Turn, TurnRef
from duihua.ports import SessionInfo

if TYPE_CHECKING:
    from duihua.engine import ChatEngine


@dataclass(frozen=True, slots=True)
class Place:
    """What a handle knows. It keeps nothing: all else is asked for when it is needed.

    Attributes:
        home: the engine that the handle is of. A private conversation is kept by the one aside of it.
        address: of the conversation.
        name: what the person who speaks is called.
        external: the person's id at the front end; empty: one person per session.
    """

    home: ChatEngine
    address: Address
    name: str = ""
    external: str = ""

    async def engine(self) -> ChatEngine:
        """The engine that keeps the conversation: one that stores nothing while it is private."""
        self.home.check_open()
        settings = await self.home.roster.settings(self.address)
        return await self.home.aside() if settings.get("private") else self.home

    async def look(self) -> tuple[ChatEngine, SessionInfo | None]:
        """The engine that keeps it, and its row there; None: nothing was said yet."""
        engine = await self.engine()
        return engine, await engine.store.session(self.address)

    async def found(self, what: str, name: str) -> tuple[ChatEngine, SessionInfo]:
        """As `look`; raises NotFound of `what` where nothing was said yet."""
        engine, info = await self.look()
        if info is None:
            raise NotFound(what, name)
        return engine, info

    async def made(self) -> tuple[ChatEngine, SessionInfo]:
        """As `look`, but the session is made if it is not there."""
        engine = await self.engine()
        return engine, await engine.store.ensure(self.address, self.external, self.name)

    async def person(self) -> tuple[ChatEngine, SessionInfo]:
        """The engine that stores, and the session there: about the person, also while they talk privately."""
        self.home.check_open()
        return self.home, await self.home.store.ensure(self.address, self.external, self.name)

    async def speaker(self) -> int:
        """users.id of the person who speaks: in a shared session not always its owner."""
        engine, info = await self.person()
        if not info.address.shared:
            return info.owner
        at = (self.address.tenant, self.address.front, self.external or self.address.chat)
        user = await engine.store.user(*at)
        if user is None:
            raise NotFound("user", self.external)
        return user

    async def turn(self, info: SessionInfo, number: int) -> Turn:
        """A turn of the session; raises NotFound if there is none of this number (any more)."""
        engine = await self.engine()
        found = await engine.store.turn(TurnRef(info.id, number))
        if found is None or found.state == "cleared":
            raise NotFound("turn", number)
        return found


class Handle:
    """What all verbs of a handle share. Cheap to make."""

    __slots__ = ("_place", "address")

    def __init__(self, place: Place) -> None:
        self._place, self.address = place, place.address

    def __repr__(self) -> str:
        return f"Session({self.address.key!r})"
