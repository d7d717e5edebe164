"""How the clerk is heard: what commands answer, files, and the answers to pressed buttons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiogram.methods import AnswerCallbackQuery

from duihua.commands import Document
from duihua.messages import Address, Attachment
from duihua.telegram.api import Api
from duihua.telegram.methods import Buttons
from duihua.telegram.place import place_of
from duihua.telegram.text import Formatted, split

if TYPE_CHECKING:
    from duihua.telegram.chats import Chats
    from duihua_prompts import Catalogue

KEPT = 10_000
"""Conversations whose language is known; of the others the program's own is taken."""
LANGUAGE = "language"
"""The setting of a chat that names its language."""
_TOLD = 200  # characters that an answer to a button may have


class Voice:
    """Speaks for all bots of the program.

    Args:
        bots: by their ids.
    """

    def __init__(self, bots: Mapping[str, Api]) -> None:
        self._bots = bots

    def api(self, bot: str) -> Api:
        """The calls of a bot."""
        return self._bots[bot]

    async def say(self, place: Address, text: str, reply_to: int = 0, buttons: Buttons = ()) -> int:
        """Says a text, in as many messages as it takes; returns the id of the last, which gets the buttons.

        Raises:
            DeliveryError: it was not, or not surely, said.
        """
        api, at = self._bots[place.bot], place_of(place)
        parts, message = split(Formatted(text)), 0
        for number, part in enumerate(parts, 1):
            async with api.turn(at):
                under = buttons if number == len(parts) else ()
                message = await api.send(at, part, reply_to=reply_to, buttons=under)
        return message

    async def amend(self, place: Address, message: int, text: str | Formatted, buttons: Buttons = ()) -> None:
        """Makes a short message say something else, with these buttons; nothing if it is no more.

        Raises:
            DeliveryError: as `say`.
        """
        api, at = self._bots[place.bot], place_of(place)
        whole = Formatted(text) if isinstance(text, str) else text
        async with api.turn(at):
            await api.edit(at, message, split(whole)[0], buttons=buttons)

    async def give(self, place: Address, document: Document, reply_to: int = 0) -> None:
        """Sends a file with a word about it.

        Raises:
            DeliveryError: as `say`.
        """
        api, at = self._bots[place.bot], place_of(place)
        file = Attachment("", "file", document.mime, document.data, document.name)
        async with api.turn(at):
            await api.file(at, file, document.text, reply_to=reply_to)

    async def open_topic(self, place: Address, name: str) -> int:
        """Opens a topic in a chat; returns its id.

        Raises:
            DeliveryError: there are none there, or the bot may not.
        """
        return await self._bots[place.bot].open_topic(place_of(place), name)

    async def answer(self, bot: str, query: str, text: str = "") -> None:
        """Ends the spinning of a pressed button, with a word that is shown for a moment."""
        await self._bots[bot].quietly(AnswerCallbackQuery(callback_query_id=query, text=text[:_TOLD] or None))


class Languages:
    """In which language each conversation is held: as its chat is set, or that of the app of who spoke last.

    Args:
        setting: `DUIHUA_LANG`; anything but `auto` is everybody's.
        chats: keeps the language of a chat for the next process.
    """

    def __init__(self, setting: str, chats: Chats) -> None:
        self._setting, self._chats = setting, chats
        self._known: OrderedDict[str, str] = OrderedDict()

    @property
    def free(self) -> bool:
        """Whether chats may have languages of their own."""
        return self._setting == "auto"

    async def note(self, address: Address, lang: str) -> None:
        """Somebody with this language spoke there. Raises StorageError."""
        if not lang:
            return
        self._known[address.key] = lang
        self._known.move_to_end(address.key)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        kept = (await self._chats.of(address)).lang
        if not kept or (
            kept != lang and place_of(address).private
        ):  # in a group it would change all the time
            await self._chats.put(address, lang=lang)

    def of(self, address: Address, lang: str = "") -> Catalogue:
        """The words for a conversation, or for somebody there whose app has this language."""
        chat = self._chats.seen(address)
        return self.words(
            str(chat.settings.get(LANGUAGE) or lang or self._known.get(address.key) or chat.lang)
        )

    async def at(self, address: Address) -> Catalogue:
        """As `of`, also where nobody has spoken since the process began. Raises StorageError."""
        await self._chats.of(address)
        return self.of(address)

    def words(self, lang: str) -> Catalogue:
        """The words for an app's language."""
        from duihua_prompts import Catalogue

        return Catalogue(lang or "auto" if self._setting == "auto" else self._setting, remote=True)
