"""`/settings`: what is set in a chat, as a message with buttons that change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from duihua.joining import MEANWHILE
from duihua.telegram.groups import ANSWERS, CONVERSATION, LISTENING, Groups
from duihua.telegram.methods import Button, Buttons
from duihua.telegram.place import place_of
from duihua.telegram.updates import Pressed, Said
from duihua.telegram.voice import LANGUAGE

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.messages import Address
    from duihua.telegram.chats import Chats
    from duihua.telegram.voice import Languages, Voice
    from duihua_prompts import Catalogue

SET = "set"
"""Begins the data of a button: `set:answers:admins`."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be set. Its words are `telegram.settings.<name>` and `..._<name>_<value>`.

    Attributes:
        name: of the setting.
        values: that it may have; the first is the usual one.
        group: it is for groups alone.
        session: it is kept with the conversation (`Session.configure`), not with the chat.
    """

    name: str
    values: tuple[str, ...]
    group: bool = False
    session: bool = False


_SWITCH = ("off", "on")
ITEMS = (
    Item(ANSWERS, ("called", "everything", "admins"), group=True),
    Item(CONVERSATION, ("group", "person"), group=True),
    Item(LISTENING, _SWITCH, group=True),
    Item("meanwhile", MEANWHILE, session=True),
    Item("thoughts", _SWITCH, session=True),
    Item(LANGUAGE, ("auto", "zh", "en")),
)
"""In the order of the menu."""


class Preferences:
    """The menus of one bot.

    Args:
        engine: the conversations.
        groups: told of what changes how they are heard.
        voice: shows the menu.
        languages: in which words.
        chats: where it is kept.
    """

    def __init__(
        self, engine: ChatEngine, groups: Groups, voice: Voice, languages: Languages, chats: Chats
    ) -> None:
        self._engine, self._groups, self._voice = engine, groups, voice
        self._languages, self._chats = languages, chats

    async def show(self, said: Said, words: Catalogue) -> None:
        """Shows the menu, or says who may see it.

        Raises:
            DeliveryError: it is not shown.
        """
        address, private = said.address, place_of(said.address).private
        if not await self._chats.administers(address, said.who.id):
            await self._voice.say(address, words.t("telegram.settings.admins_only"), said.reply_to)
            return
        text, buttons = await self._menu(address, words)
        await self._voice.say(address, text, 0 if private else said.reply_to, buttons)

    async def pressed(self, event: Pressed, address: Address, words: Catalogue) -> str:
        """Does what a button of the menu is for; returns a word about it.

        Raises:
            StorageError: it is to be done once more. DeliveryError: the menu does not show it.
        """
        if not await self._chats.administers(address, event.who.id):
            return words.t("telegram.settings.admins_only")
        _, name, value = (*event.data.split(":", 2), "", "")[:3]
        item = next((item for item in self._items(address) if item.name == name), None)
        if item is None or value not in item.values:
            return words.t("telegram.settings.old")
        current = await self._value(item, address)
        if current != value:
            await self._set(item, value, event, address, words)
        words = self._languages.of(address, event.who.lang)
        text, buttons = await self._menu(address, words)
        await self._voice.amend(address, event.message, text, buttons)
        return words.t("telegram.settings.done")

    async def _set(self, item: Item, value: str, event: Pressed, address: Address, words: Catalogue) -> None:
        if item.session:
            given: dict[str, Any] = {item.name: value == "on" if item.values == _SWITCH else value}
            who = event.who  # a conversation that begins with it is theirs
            session = self._engine.session(address, name=who.name, external=str(who.id))
            await session.configure(**given)
            return
        if item.name == LISTENING:
            await self._groups.listen(event, address, words, on=value == "on")
            return
        listening = (await self._chats.of(address)).settings.get(LISTENING) == "on"
        if item.name == CONVERSATION and value == "person" and listening:
            await self._groups.listen(event, address, words, on=False)
        await self._chats.set(address, **{item.name: "" if value == item.values[0] else value})

    async def _value(self, item: Item, address: Address) -> str:
        kept = await self._engine.session(address).settings() if item.session else None
        settings = kept if kept is not None else (await self._chats.of(address)).settings
        found = settings.get(item.name)
        value = _SWITCH[found] if isinstance(found, bool) else str(found or "")
        return value if value in item.values else item.values[0]

    def _items(self, address: Address) -> list[Item]:
        return [
            item
            for item in ITEMS
            if (item.name != LANGUAGE or self._languages.free)
            and not (item.group and place_of(address).private)
        ]

    async def _menu(self, address: Address, words: Catalogue) -> tuple[str, Buttons]:
        lines, rows = [words.t("telegram.settings.title")], list[list[Button]]()
        for item in self._items(address):
            current = await self._value(item, address)
            labels = {value: _label(item, value, address, words) for value in item.values}
            lines.append(words.t(f"telegram.settings.{item.name}", value=labels[current]))
            rows.append(
                [
                    Button(f"✓ {label}" if value == current else label, data=f"{SET}:{item.name}:{value}")
                    for value, label in labels.items()
                ]
            )
        return "\n".join(lines), rows


def _label(item: Item, value: str, address: Address, words: Catalogue) -> str:
    """What a value is called; some are called otherwise where somebody is alone with the bot."""
    if place_of(address).private and f"telegram.settings.{item.name}_{value}_alone" in words:
        return words.t(f"telegram.settings.{item.name}_{value}_alone")
    return words.t(f"telegram.settings.{item.name}_{value}")
