"""At the door of a bot: asks whether somebody may come in, and has administrators decide by buttons."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from duihua.access_handlers import called, decided
from duihua.admission import STAFF
from duihua.errors import DeliveryError
from duihua.escapes import one_line
from duihua.telegram.methods import Button
from duihua.telegram.place import FRONT, Place, address_of, place_of
from duihua.telegram.updates import Me, Person, Pressed

if TYPE_CHECKING:
    from duihua.access import Access
    from duihua.admission import Pairing, Verdict
    from duihua.messages import Address
    from duihua.telegram.voice import Languages, Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

LET_IN, DECLINE = "admit", "decline"
"""Begin the data of the buttons: `admit:7` is about the pairing 7."""
TOLD = 10
"""Administrators that are told of a stranger, at most."""
KEPT = 100
"""Strangers of whom is known where administrators were told; those messages change with the decision."""


@dataclass(slots=True)
class _Asked:
    """Where administrators were told of a stranger, and what one of them has decided."""

    pairing: Pairing | None = None
    told: list[tuple[Address, int]] = field(default_factory=list["tuple[Address, int]"])
    outcome: tuple[Pairing, bool, str] | None = None
    open: bool = True


class Porter:
    """Admits people to one bot.

    Args:
        access: decides.
        me: the bot.
        voice: how administrators hear of strangers.
        languages: in which words.
    """

    def __init__(self, access: Access, me: Me, voice: Voice, languages: Languages) -> None:
        self._access, self._me, self._voice, self._languages = access, me, voice, languages
        self._asked: OrderedDict[int, _Asked] = OrderedDict()
        self._deciding = asyncio.Lock()

    async def admit(self, address: Address, who: Person, text: str) -> Verdict:
        """What becomes of what a person says or presses there."""
        return await self._access.admit(
            FRONT,
            str(who.id),
            name=who.name,
            chat=address.chat,
            group=not place_of(address).private,
            bot=address.bot,
            said=text,
            tenant=address.tenant,
        )

    async def announce(self, pairing: Pairing) -> None:
        """Tells the administrators, as far as they can be reached; /access knows in any case."""
        asked = self._asked[pairing.id] = _Asked(pairing)
        while len(self._asked) > KEPT:
            self._asked.popitem(last=False)
        for person in (await staff(self._access))[:TOLD]:
            address = address_of(self._me.id, Place(person))
            words = await self._languages.at(address)
            text = _question(pairing, words)
            buttons = [
                [
                    Button(words.t("telegram.access.approve"), data=f"{LET_IN}:{pairing.id}"),
                    Button(words.t("telegram.access.decline"), data=f"{DECLINE}:{pairing.id}"),
                ]
            ]
            try:
                message = await self._voice.say(address, text, buttons=buttons)
            except DeliveryError as e:  # they never wrote to this bot, say
                log.info("an administrator was not told of a stranger: %s", e)
                continue
            asked.told.append((address, message))

    async def decided(self, event: Pressed, pairing: int, words: Catalogue, *, yes: bool) -> str:
        """Does what a pressed button decides; returns a word about it.

        Raises:
            NotAllowed: not for whoever pressed it.
        """
        async with self._deciding:  # who comes second is to find what the first one has decided
            done = await self._access.decide(pairing, yes, by=f"{FRONT}/{event.who.id}")
            asked = self._asked.get(pairing) or _Asked()
            if done is not None:
                asked.outcome = done, yes, event.who.name or str(event.who.id)
            asked.open = False
        if event.address is not None and (pressed := (event.address, event.message)) not in asked.told:
            asked.told.append(pressed)
        await self._close(asked)
        return words.t("telegram.access.over") if done is None else decided(done, yes=yes, words=words)

    async def tidy(self) -> None:
        """Closes the questions that were decided elsewhere, at a command line, say, or that nobody decided.

        Raises:
            StorageError: they stay as they are.
        """
        waiting = {number: asked for number, asked in self._asked.items() if asked.open}
        if not waiting:
            return
        async with self._deciding:
            still = {one.id for one in await self._access.pending()}
            over = [asked for number, asked in waiting.items() if number not in still and asked.open]
            for asked in over:
                asked.open = False
        for asked in over:
            await self._close(asked)

    async def _close(self, asked: _Asked) -> None:
        for address, message in asked.told:
            words = self._languages.of(address)
            try:
                await self._voice.amend(address, message, _outcome(asked, words))
            except DeliveryError as e:
                log.info("buttons stay that do nothing any more: %s", e)


async def staff(access: Access) -> list[int]:
    """The ids of everybody who administrates the bots, at Telegram."""
    names = [name for one in await access.members() if one.role in STAFF for name in one.names]
    split = (name.partition("/") for name in names)
    return [int(id) for front, _, id in split if front == FRONT and id.isascii() and id.isdigit()]


def _question(pairing: Pairing, words: Catalogue) -> str:
    return words.t("telegram.access.asks", name=called(pairing), user=one_line(str(pairing), 100))


def _outcome(asked: _Asked, words: Catalogue) -> str:
    if asked.outcome is None:
        over, pairing = words.t("telegram.access.over"), asked.pairing
        return f"{_question(pairing, words)}\n{over}" if pairing else over
    pairing, yes, by = asked.outcome
    return words.t("telegram.access.decided", told=decided(pairing, yes=yes, words=words), by=by)
