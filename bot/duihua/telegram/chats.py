"""What is known of each chat of the bots: durable, and at hand where no database can be waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from duihua.chats import Chat
from duihua.errors import StorageError
from duihua.messages import Address
from duihua.telegram.place import FRONT, place_of

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.telegram.api import Api

log = logging.getLogger(__name__)

KEPT = 10_000
"""Chats that are known in memory."""
FRESH = 30.0
"""Seconds after which a chat, and who administrates it, is looked up again: that may change elsewhere."""
ADMINS = ("creator", "administrator")

_Name = tuple[str, str]  # bot, chat


class Chats:
    """The chats of all bots of the program.

    Args:
        engine: keeps them.
        bots: by their ids; told where a group has moved to.
        clock: seconds.
    """

    def __init__(
        self, engine: ChatEngine, bots: Mapping[str, Api], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._bots, self._clock = engine, bots, clock
        self._known: OrderedDict[_Name, tuple[Chat, float]] = OrderedDict()
        self._admins: OrderedDict[tuple[str, str, int], tuple[bool, float]] = OrderedDict()
        self._changing = asyncio.Lock()
        self._moved: OrderedDict[_Name, str] = OrderedDict()
        for bot, api in bots.items():
            api.moved = partial(self._met, bot)

    async def of(self, address: Address) -> Chat:
        """What is known of a chat. Raises StorageError."""
        name = _name(address)
        known = self._known.get(name)
        if known is not None and self._clock() - known[1] <= FRESH:
            return known[0]
        found = await self._engine.store.chat(address) or Chat()
        if self._known.get(name) is known:  # else it was changed while we read
            self._keep(name, found)
        return found

    def seen(self, address: Address) -> Chat:
        """The same as it was last seen here, at once."""
        known = self._known.get(_name(address))
        return known[0] if known is not None else Chat()

    async def put(self, address: Address, **changes: Any) -> Chat:
        """Changes what is known of a chat: arguments of `Store.change_chat`. Raises StorageError."""
        async with self._changing:  # what was written last is what is known
            return self._keep(_name(address), await self._engine.store.change_chat(address, **changes))

    async def set(self, address: Address, **settings: str) -> None:
        """Changes settings of a chat, all at once; empty: as usual. Raises StorageError."""
        await self.put(address, settings={name: value or None for name, value in settings.items()})

    def _keep(self, name: _Name, chat: Chat) -> Chat:
        self._known[name] = chat, self._clock()
        self._known.move_to_end(name)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return chat

    # ------------------------------------------------------------ who is who there

    async def administers(self, address: Address, user: int) -> bool:
        """Whether somebody is an administrator of a group; in a private chat, whether it is theirs."""
        place = place_of(address)
        if place.private:
            return place.chat == user
        who, now = (*_name(address), user), self._clock()
        known = self._admins.get(who)
        if known is not None and now - known[1] < FRESH:
            return known[0]
        status = await self._bots[address.bot].status(place, user)
        if status:  # else it is asked again the next time
            self._admins[who] = status in ADMINS, now
            while len(self._admins) > KEPT:
                self._admins.popitem(last=False)
        return status in ADMINS

    def forget_admins(self, address: Address) -> None:
        """Somebody has become another there: all are looked up anew."""
        for who in [who for who in self._admins if who[:2] == _name(address)]:
            del self._admins[who]

    # ------------------------------------------------------------ groups that move

    def at(self, address: Address) -> Address:
        """Where the conversation is now, if its chat has moved since the process began."""
        chat = self._moved.get(_name(address))
        return address if chat is None else replace(address, chat=chat)

    async def move(self, address: Address, chat: str) -> None:
        """The chat is another one now, with everything that was said in it. Raises StorageError."""
        if (api := self._bots.get(address.bot)) is not None:
            api.note_move(int(address.chat), int(chat))
        await self._engine.move_chat(address, chat)
        self._moved[_name(address)] = chat
        while len(self._moved) > KEPT:
            self._moved.popitem(last=False)
        for one in (address.chat, chat):
            self._known.pop((address.bot, one), None)

    async def _met(self, bot: str, old: int, new: int) -> None:
        """A send has come upon a group that moved."""
        try:
            await self.move(Address(FRONT, str(old), bot), str(new))
        except StorageError as e:  # Telegram also tells it by an update, which waits for the database
            log.warning("the conversations of chat %d stay where they are: %s", old, e)


def _name(address: Address) -> _Name:
    return address.bot, address.chat
