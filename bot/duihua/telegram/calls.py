"""How one bot's calls are made: when each may go, where to, and what its errors mean.

Errors that leave as `DeliveryError`s say what may have happened: `NotSent` (surely not there: again later),
`SendUnknown` (the answer was lost: it may be there), `Gone` (it will never arrive).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import aiohttp
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import TelegramMethod

from duihua.errors import DeliveryError, Gone, NotSent, SendUnknown
from duihua.redact import redact
from duihua.telegram.governor import Governor, Kind, Wait
from duihua.telegram.place import Place

T = TypeVar("T")

TIMEOUT = 20
"""Seconds for one call."""
PATIENCE = 5.0
"""Seconds that what must arrive waits for its turn before it is put back."""
LATER = 2.0
"""Seconds until what was put back is tried again."""
KEPT = 1_000
"""Chats that have moved, and messages in them, which are known for those who hold the former address."""
_LARGE = ("too large", "too big")


class NotRich(NotSent):
    """A rich message was certainly not sent, and will not be: it is to go as text."""


class Refused(DeliveryError):
    """Telegram does not want it as it is (400, 413): surely not there, and the same again would not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Telegram refused it: {reason}")
        self.reason = reason.lower()

    @property
    def large(self) -> bool:
        """Whether it is too large."""
        return any(words in self.reason for words in _LARGE)


class Unsupported(Refused):
    """The server does not know the method (404)."""


class Moved(DeliveryError):
    """The group is a supergroup now."""

    def __init__(self, chat: int) -> None:
        super().__init__("the group has moved")
        self.chat = chat


class Calls:
    """The calls of one bot, whatever they are for.

    Attributes:
        moved: told when a call finds that a group has become a supergroup: (old chat, new chat).
    """

    def __init__(
        self, bot: Bot, governor: Governor, moved: Callable[[int, int], Awaitable[None]] | None = None
    ) -> None:
        self.bot, self.governor = bot, governor
        self.moved = moved
        self._new: OrderedDict[int, int] = OrderedDict()  # chats that have moved
        self._there: OrderedDict[tuple[int, int], None] = OrderedDict()  # (old chat, message) sent to the new

    def turn(
        self, place: Place, kind: Kind = "final", wait: Wait | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Waits until something may be sent there; one call is made within.

        `wait`: how a frame waits, which is as long as it takes.

        Raises:
            NotSent: it would take too long for what must arrive.
        """
        chat = self._chat(place)
        return self.governor.slot(chat, kind, wait) if kind == "frame" else self._soon(chat)

    @asynccontextmanager
    async def _soon(self, chat: int) -> AsyncGenerator[None]:
        if (seconds := self.governor.shut(chat)) > PATIENCE:
            raise NotSent("Telegram asks to wait", seconds)
        slot = self.governor.slot(chat)
        try:
            async with asyncio.timeout(PATIENCE):
                await slot.__aenter__()
        except TimeoutError:
            raise NotSent("the chat has had as many messages as it may", LATER) from None
        try:
            yield
        finally:
            await slot.__aexit__(None, None, None)

    def pace(self, place: Place, ago: float) -> float:
        """Seconds from frame to frame that a chat's limits let it keep up; see `Governor.pace`."""
        return self.governor.pace(self._chat(place), ago)

    async def _call(
        self, place: Place, method: Callable[[Place], TelegramMethod[T]], *, follows: bool = True
    ) -> T:
        """A call; once more where a topic is gone, or, if it `follows`, where the group has moved to."""
        at = Place(self._chat(place), place.topic)
        try:
            return await self._once(method(at), at.chat)
        except Refused as e:
            if not at.topic or "thread not found" not in e.reason:
                raise
            return await self._once(method(Place(at.chat)), at.chat)
        except Moved as e:
            self.note_move(place.chat, e.chat)
            if self.moved is not None:
                await self.moved(place.chat, e.chat)
            if not follows:
                raise
            return await self._once(method(Place(e.chat)), e.chat)

    async def _once(self, method: TelegramMethod[T], chat: int) -> T:
        try:
            return await self.bot(method, request_timeout=TIMEOUT)
        except TelegramRetryAfter as e:
            self.governor.learn(chat, e.retry_after)
            raise NotSent("Telegram asks to wait", float(e.retry_after)) from None
        except TelegramMigrateToChat as e:
            raise Moved(e.migrate_to_chat_id) from None
        except TelegramForbiddenError as e:
            raise Gone(_reason(e)) from None
        except TelegramNotFound as e:
            raise Unsupported(_reason(e)) from None
        except TelegramBadRequest as e:
            if "chat not found" in e.message.lower():
                raise Gone(_reason(e)) from None
            raise Refused(_reason(e)) from None
        except TelegramEntityTooLarge as e:
            raise Refused(_reason(e)) from None
        except TelegramNetworkError as e:
            cause = e.__cause__ or e.__context__
            if isinstance(cause, aiohttp.ClientConnectorError):
                raise NotSent("Telegram cannot be reached", LATER) from None
            raise SendUnknown("the connection broke") from None
        except (TelegramServerError, ClientDecodeError) as e:
            raise SendUnknown(f"Telegram's answer was none: {type(e).__name__}") from None
        except TelegramAPIError as e:  # 401: the token is not good any more; the poller tells
            raise NotSent(_reason(e), 30.0) from None

    def _chat(self, place: Place) -> int:
        return self._new.get(place.chat, place.chat)

    def note_move(self, old: int, new: int) -> None:
        """A group is another chat from now on. What was sent to the former one cannot be changed any more."""
        self._new[old] = new
        while len(self._new) > KEPT:  # the next call finds it out anew
            self._new.popitem(last=False)

    def _noted(self, place: Place, message: int) -> int:
        if place.chat in self._new:
            self._there[place.chat, message] = None
            while len(self._there) > KEPT:
                self._there.popitem(last=False)
        return message

    def _exists(self, place: Place, message: int) -> bool:
        """Whether a message is where calls go now: the same id in another chat is another message."""
        return place.chat not in self._new or (place.chat, message) in self._there


def _reason(error: TelegramAPIError) -> str:
    return redact(error.message)[:200]
