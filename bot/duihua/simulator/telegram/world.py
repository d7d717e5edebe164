"""What the fake knows: bots, users, groups, messages. Its two doors are `server` and `actor`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.chats import PRESENT, Chat
from duihua.simulator.telegram.clock import Clock
from duihua.simulator.telegram.limits import Budget, Limits
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.people import Person
from duihua.simulator.telegram.uploads import Files

Json = dict[str, Any]
Listener = Callable[[str, Chat, Any], None]
"""Told of every event: its kind, the chat, and what it is about."""

CHANNEL_IDS = -1_000_000_000_000
"""Supergroups have ids below this."""


class World:
    """Everything.

    Args:
        clock: the time.
        limits: of each bot.
        kept: messages that a chat remembers.
        kept_edits: earlier contents that a message remembers.
        rich: whether there are rich messages; older servers have none.
    """

    def __init__(
        self, clock: Clock, limits: Limits, kept: int, kept_edits: int, *, rich: bool = True
    ) -> None:
        self.clock, self.limits, self.rich = clock, limits, rich
        self.kept, self.kept_edits = kept, kept_edits
        self.bots: dict[str, Bot] = {}
        self.users: dict[int, Person] = {}
        self.groups: dict[int, Chat] = {}
        self.files = Files()
        self.listeners: list[Listener] = []
        self.numbers = itertools.count(1)
        self._changed: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ who and where

    def bot(self, id_: int) -> Bot | None:
        """The bot with that user id."""
        return next((bot for bot in self.bots.values() if bot.id == id_), None)

    def add_bot(self, token: str, username: str, name: str, *, privacy: bool, topics: bool) -> Bot:
        """A new bot."""
        person = Person(int(token.partition(":")[0]), name, username=username, is_bot=True)
        bot = Bot(token, person, self.clock, Budget(self.limits), privacy=privacy, topics=topics)
        self.bots[token] = bot
        return bot

    def private(self, bot: Bot, person: Person) -> Chat:
        """The chat of a bot and a user; made if there is none."""
        chat = bot.private.get(person.id)
        if chat is None:
            chat = Chat(person.id, "private", person=person, kept=self.kept)
            chat.people = {person.id: person, bot.id: bot.person}
            chat.members = {person.id: "member", bot.id: "member"}
            bot.private[person.id] = chat
        return chat

    def add_group(self, id_: int, title: str, *, supergroup: bool, forum: bool) -> Chat:
        """A new group without members."""
        kind = "supergroup" if supergroup or forum else "group"
        chat = Chat(id_, kind, title, forum=forum, kept=self.kept)
        self.groups[id_] = chat
        return chat

    def find(self, bot: Bot, id_: int | str) -> Chat | None:
        """The chat that a bot means."""
        if isinstance(id_, str):
            name = id_.removeprefix("@").lower()
            return next((c for c in self.groups.values() if c.username.lower() == name), None)
        return bot.private.get(id_) if id_ > 0 else self.groups.get(id_)

    def bots_in(self, chat: Chat) -> Iterable[Bot]:
        """The bots that are in a chat."""
        if chat.private:
            return [bot for bot in self.bots.values() if bot.private.get(chat.id) is chat]
        return [bot for bot in self.bots.values() if chat.members.get(bot.id) in PRESENT]

    # ------------------------------------------------------------ what happens

    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock.now()

    def post(self, chat: Chat, sender: Person, **content: Any) -> Message:
        """Shows a new message; a draft in that chat or topic vanishes."""
        message = Message(chat.next_id(), chat, sender, self.now(), **content)
        chat.keep(message)
        if chat.drafts:
            chat.end_draft(message.thread, "message")
        self.happened("said", chat, message)
        return message

    def publish(self, chat: Chat, kind: str, payload: Any, *, to: Iterable[Bot] | None = None) -> None:
        """Queues an update for the bots of a chat."""
        for bot in self.bots_in(chat) if to is None else to:
            bot.push(kind, payload)

    def happened(self, kind: str, chat: Chat, about: Any) -> None:
        """Tells listeners, and those who wait in `until`."""
        for listener in self.listeners:
            listener(kind, chat, about)
        self.touch()

    def touch(self) -> None:
        """Lets those who wait in `until` look again."""
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)

    async def until(self, condition: Callable[[], Any], seconds: float) -> Any:
        """Waits until the condition holds; returns what it gave.

        Raises:
            TimeoutError: it did not, for so many real seconds.
        """
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                if self._changed is None:
                    self._changed = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._changed)
        return found
