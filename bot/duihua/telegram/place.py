"""Where messages of a bot go, and which conversation that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from duihua.messages import Address

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.session import Session
    from duihua.telegram.updates import Person

FRONT = "telegram"


@dataclass(frozen=True, slots=True)
class Place:
    """A chat (below 0: a group) and in it a topic; 0: none."""

    chat: int
    topic: int = 0

    @property
    def private(self) -> bool:
        """Whether one person is alone with the bot there."""
        return self.chat > 0


def place_of(address: Address) -> Place:
    """Where a conversation takes place."""
    return Place(int(address.chat), int(address.topic or 0))


def address_of(bot: int, place: Place, *, user: int = 0) -> Address:
    """The conversation at a place; with a `user`, that person's own in a group."""
    return Address(
        FRONT,
        chat=str(place.chat),
        bot=str(bot),
        topic=str(place.topic or ""),
        user=str(user or ""),
        shared=not place.private and not user,
    )


def session_of(engine: ChatEngine, address: Address, who: Person) -> Session:
    """The conversation at an address, for somebody who speaks there."""
    return engine.session(address, name=who.name, external=str(who.id) if who.id else "")
