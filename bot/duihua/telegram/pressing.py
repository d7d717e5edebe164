"""What the buttons under messages are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duihua.errors import DuihuaError, StorageError
from duihua.messages import Address, TurnRef
from duihua.telegram.consenting import decided
from duihua.telegram.groups import Groups
from duihua.telegram.place import FRONT, session_of
from duihua.telegram.porter import DECLINE, LET_IN, Porter
from duihua.telegram.preferences import SET, Preferences
from duihua.telegram.telling import Teller, explained
from duihua.telegram.updates import Me, Pressed

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.session import Session
    from duihua.telegram.voice import Voice
    from duihua_prompts import Catalogue

STOP = "stop"
"""Begins the data of a button that stops an answer: `stop:7` is about turn 7 alone."""
OF_TURNS = (STOP, "again", "continue", "yes", "no")
"""Begin the data of buttons that are about the turn that their message shows."""


class Presser:
    """Does what pressed buttons are for, for one bot.

    Args:
        engine: the conversations.
        me: the bot.
        voice: ends the spinning of buttons.
        teller: explains what went wrong.
        groups, porter, preferences: whose buttons there are, too.
    """

    def __init__(
        self,
        engine: ChatEngine,
        me: Me,
        voice: Voice,
        teller: Teller,
        groups: Groups,
        porter: Porter,
        preferences: Preferences,
    ) -> None:
        self._engine, self._me, self._voice, self._teller = engine, me, voice, teller
        self._groups, self._porter, self._preferences = groups, porter, preferences

    async def pressed(self, event: Pressed, key: str, stopped: bool) -> None:
        """Does what a button is for, unless that was a stop, and ends its spinning with a word.

        Raises:
            StorageError: it is to be done once more.
        """
        words, said = self._teller.words(event), ""
        if event.address is not None:
            try:
                own = await self._groups.at(event.address, event.who.id)
                said = await self._button(event, own, words, (self._me.source, key), stopped)
            except StorageError:
                raise
            except DuihuaError as e:
                said = explained(words, e)
        await self._teller.heard(lambda: self._voice.answer(str(self._me.id), event.query, said))

    async def _button(
        self, event: Pressed, address: Address, words: Catalogue, key: tuple[str, str], stopped: bool
    ) -> str:
        name, number = button(event.data)
        shows = await self.shows(event, address) if name in OF_TURNS else 0
        if name in OF_TURNS and address.user and not shows:
            return words.t("telegram.not_yours")
        if name == STOP:
            code = "done" if stopped else "nothing"
            return (
                words.t(f"command.stop.{code}")
                if await self._engine.access.knows(FRONT, str(event.who.id))
                else ""
            )
        if name in (LET_IN, DECLINE):
            return await self._porter.decided(event, number, words, yes=name == LET_IN)
        verdict = await self._porter.admit(address, event.who, "")
        if not verdict.allowed:
            return words.t(verdict.tell.code, **verdict.tell.values) if verdict.tell else ""
        if name == SET:
            return await self._preferences.pressed(event, address, words)
        session = session_of(self._engine, address, event.who)
        match name:
            case "again" | "continue" | "yes" | "no" if not shows:
                return words.t("telegram.replaced")
            case "again" | "continue" if number != shows:
                return words.t("telegram.replaced")
            case "again" | "continue":
                return await self._more(event, name, number, session, words, key)
            case "yes" | "no":
                return await decided(event, address, session, self._engine.store, self._voice, words)
            case _:
                pass
        return ""

    async def _more(
        self, event: Pressed, name: str, turn: int, session: Session, words: Catalogue, key: tuple[str, str]
    ) -> str:
        """Lets the answer under which a button was pressed be given again, or go on.

        The last answer is given again in its place; one further up stays, and the new one comes below.
        """
        store, info = await session.kept()
        if info is None or await store.edited(TurnRef(info.id, turn)):
            return words.t("telegram.replaced")
        if name == "continue":
            once = f"continue/{turn}/{info.address.chat}/{event.message}"  # pressed twice, it is meant once
            await session.go_on(turn, key=(self._me.source, once))
        elif turn == info.head and not info.pending:
            await session.edit(turn, key=key)
        else:
            await session.again(turn, key=key)
        return words.t(f"telegram.{name}_begun")

    async def shows(self, event: Pressed, address: Address) -> int:
        """The turn that the message under which a button was pressed shows now; 0: none of `address`.

        The number on a button says too little: turns are counted anew after all was forgotten, and in each
        conversation of a chat.
        """
        store, info = await session_of(self._engine, address, event.who).kept()
        return await store.shown_in(info.id, str(event.message)) if info is not None else 0


def button(data: str) -> tuple[str, int]:
    """The name of a button and the number of the turn that it is about; 0: none."""
    name, _, number = data.partition(":")
    return name, int(number) if number.isascii() and number.isdigit() and len(number) < 18 else 0
