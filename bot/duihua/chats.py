"""What is known of the chats of front ends, beside the conversations in them. Types only.

A chat may hold several conversations: one for each topic, or for each person. What is set for all of them is
kept here, and what was overheard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from duihua.messages import Address


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat of a bot.

    Attributes:
        settings: what was set there.
        lang: the language of whoever spoke first or last there; empty: not known.
        gone: nothing can be sent there until somebody writes.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lang: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that was said in a shared conversation, and not to the bot. `at`: ms UTC."""

    id: int
    name: str
    text: str
    at: int = 0


class ChatStore(Protocol):
    """What a store keeps of chats: one method, one transaction. A chat is named by an address in it."""

    async def chat(self, address: Address) -> Chat | None:
        """What is known of a chat; None: nothing."""
        ...

    async def change_chat(
        self,
        address: Address,
        *,
        settings: Mapping[str, Any] | None = None,
        lang: str | None = None,
        gone: bool | None = None,
    ) -> Chat:
        """Changes what is given, and nothing else; returns what is known of the chat now.

        Args:
            address: in the chat.
            settings: those that change, flat; None in place of a value: as usual.
            lang: as of `Chat`.
            gone: as of `Chat`.
        """
        ...

    async def move_chat(self, address: Address, chat: str) -> Sequence[tuple[int, Address]]:
        """The chat has got another id; returns (session, former address) of what has moved with it.

        All conversations in it go along with what they owe, save those whose place is taken by another one
        that has turns already. The messages that show their turns are gone: ids of the former chat mean
        nothing in the new one. Doing it again does nothing.
        """
        ...

    async def overhear(
        self, session: int, key: str, external: str, name: str, text: str, *, most: int, age: int
    ) -> None:
        """Keeps what somebody said in a session, once per `key`; of all only the newest `most`.

        Args:
            session: where.
            key: of the message.
            external: of who said it, at the session's front end.
            name: what they are called.
            text: what they said.
            most: how many are kept.
            age: ms after which they go.
        """
        ...

    async def overheard(self, session: int, *, age: int) -> Sequence[Heard]:
        """What was said there in the last `age` ms, oldest first."""
        ...

    async def unhear(self, session: int, upto: int = 0) -> None:
        """Erases what was overheard, up to the one with this id; 0: all."""
        ...

    async def unhear_chat(self, address: Address) -> None:
        """Erases what was overheard in all conversations of a chat."""
        ...
