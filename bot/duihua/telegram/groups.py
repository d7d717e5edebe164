"""A bot among several people: whom it answers, which conversation that is, and what it overhears."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from duihua.errors import DeliveryError
from duihua.telegram.place import FRONT, Place, address_of, place_of, session_of
from duihua.telegram.revising import opener
from duihua.telegram.updates import Me, Moved, Noted, Pressed, Said, Stands

if TYPE_CHECKING:
    from duihua.chats import Chat
    from duihua.engine import ChatEngine
    from duihua.messages import Address
    from duihua.telegram.chats import Chats
    from duihua.telegram.voice import Languages, Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

ANSWERS, CONVERSATION, LISTENING = "answers", "conversation", "listening"
"""Settings of a group."""
_NAMES = 100  # characters of a person's name in an announcement


class Groups:
    """The groups of one bot.

    Args:
        engine: the conversations.
        me: the bot.
        voice: how groups hear of it.
        languages: in which words.
        chats: what is set in them.
    """

    def __init__(self, engine: ChatEngine, me: Me, voice: Voice, languages: Languages, chats: Chats) -> None:
        self._engine, self._me, self._voice, self._languages = engine, me, voice, languages
        self._chats = chats
        self._hearing = asyncio.Lock()

    # ------------------------------------------------------------ what is said

    async def said(self, said: Said, *, command: bool) -> Said | None:
        """What was said, in the conversation that it belongs to; None: it is not to be answered.

        Args:
            said: a message.
            command: it is a command, which any bot of the group may know.

        Raises:
            StorageError: nothing is known now.
        """
        if (now := self._chats.at(said.address)) is not said.address:
            said = replace(said, address=now, origin=said.address.chat)
        known = await self._chats.of(said.address)
        if known.gone:
            known = await self._chats.put(said.address, gone=False)
        if place_of(said.address).private:
            return said
        if said.edited and not said.called:
            if not await self._asked(said, known):
                return None
            said = replace(said, called=True)
        if not (said.called or command):
            wanted = known.settings.get(ANSWERS) == "everything"
            if not wanted or not await self._engine.access.knows(FRONT, str(said.who.id)):
                if known.settings.get(LISTENING) == "on":
                    await self._overhear(said)
                return None
            said = replace(said, called=True)
        if known.settings.get(ANSWERS) == "admins" and not await self._chats.administers(
            said.address, said.who.id
        ):
            return None
        return replace(said, address=self._conversation(said.address, said.who.id, known))

    async def _asked(self, said: Said, known: Chat) -> bool:
        """Whether a message belongs to what the bot was asked, which it need not say itself."""
        if not await self._engine.access.knows(FRONT, str(said.who.id)):
            return False
        here = replace(said, address=self._conversation(said.address, said.who.id, known))
        store, _ = await session_of(self._engine, here.address, said.who).kept()
        return await opener(here, store, self._me.source) is not None

    async def at(self, address: Address, user: int) -> Address:
        """The conversation that somebody is in there."""
        address = self._chats.at(address)
        return self._conversation(address, user, await self._chats.of(address))

    def seems(self, address: Address, user: int) -> Address:
        """As `at`, as far as it is known without asking the database."""
        address = self._chats.at(address)
        return self._conversation(address, user, self._chats.seen(address)) if user else address

    def _conversation(self, address: Address, user: int, known: Chat) -> Address:
        if place_of(address).private or known.settings.get(CONVERSATION) != "person":
            return address
        return address_of(self._me.id, place_of(address), user=user)

    # ------------------------------------------------------------ what is overheard

    async def _overhear(self, said: Said) -> None:
        if said.edited:
            return
        text = said.text if said.text.strip() else f"[{said.media}]"
        session = self._engine.session(said.address, name=said.who.name, external=str(said.who.id))
        async with self._hearing:  # what comes while it is turned off is not kept
            if (await self._chats.of(said.address)).settings.get(LISTENING) == "on":
                await session.overhear(text, key=str(said.message))

    async def listen(self, event: Pressed, address: Address, words: Catalogue, *, on: bool) -> None:
        """Begins or ends to listen in a group, and says so there.

        It begins when the group has been told, in a conversation that is theirs unless there is one. It has
        ended when all that was heard is gone. Whatever fails on the way, doing it again does the rest.

        Raises:
            StorageError: it is to be done once more. DeliveryError: the group was not told: nothing begins.
        """
        told = words.t(f"telegram.listening.{'on' if on else 'off'}", name=event.who.name[:_NAMES])
        if on:
            hint = await self.hint(address, words)
            here = address_of(self._me.id, place_of(address))
            await self._engine.store.ensure(here, str(event.who.id), event.who.name)
            await self._voice.say(address, f"{told}\n{hint}" if hint else told)
            await self._chats.set(address, **{LISTENING: "on", CONVERSATION: ""})
            return
        async with self._hearing:
            await self._engine.unhear_chat(address)
            await self._chats.set(address, **{LISTENING: ""})
        await self._tell(address, told)

    async def hint(self, address: Address, words: Catalogue) -> str:
        """What to do if the bot is not shown what is said there; empty: it is."""
        if self._me.reads or await self._chats.administers(address, self._me.id):
            return ""
        return words.t("telegram.group.privacy")

    # ------------------------------------------------------------ what Telegram tells

    async def note(self, event: Noted) -> None:
        """Takes note of what becomes of a chat. Raises StorageError."""
        match event:
            case Moved():
                await self._chats.move(address_of(self._me.id, Place(event.old)), str(event.new))
            case Stands():
                self._chats.forget_admins(event.address)
                await self._chats.put(event.address, gone=not event.now)
                if event.now and not event.was and not place_of(event.address).private:
                    await self._greet(event)

    async def _greet(self, event: Stands) -> None:
        if not await self._engine.access.knows(FRONT, str(event.who.id)):
            return  # a stranger has brought the bot there: it speaks when it is asked
        words = self._languages.of(event.address, event.who.lang)
        told = words.t("telegram.group.hello", name=self._me.username)
        if not event.admin and (hint := await self.hint(event.address, words)):
            told = f"{words.t('telegram.group.hello_unseen')}\n{hint}"  # it is not shown who mentions it
        await self._tell(event.address, told)

    async def _tell(self, address: Address, text: str) -> None:
        try:
            await self._voice.say(address, text)
        except DeliveryError as e:
            log.info("a group was not told: %s", e)
