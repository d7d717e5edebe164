"""Telling people what came of what they asked for: commands, buttons, errors.

It is not in the outbox, as answers are: its conversation waits until it can be said, and what asked for it
stays open until then, for the next process if need be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from duihua.errors import ConfigError, DeliveryError, DuihuaError, InvalidOptions, NotSent, SendUnknown
from duihua.escapes import one_line
from duihua.plain import explain
from duihua.telegram.calls import LATER, Refused
from duihua.telegram.place import place_of
from duihua.telegram.text import Formatted, split
from duihua.telegram.updates import Pressed, Said

if TYPE_CHECKING:
    from duihua.command import Listing
    from duihua.telegram.voice import Languages, Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

SOON, LATE = 0.5, 30.0
"""Seconds between two tries of one message, at least and at most."""
TRIES = 5
"""Of what may have been said each time."""
_REASON = 300  # characters of it that are logged


class Teller:
    """Tells what is no answer of a model, in the words of whom it is told."""

    def __init__(self, voice: Voice, languages: Languages) -> None:
        self._voice, self._languages = voice, languages
        self._telling: dict[str, asyncio.Timeout] = {}  # what is told one after the other
        self._waiting = 0

    @property
    def held(self) -> bool:
        """Whether something waits until Telegram lets it be said."""
        return self._waiting > 0

    def words(self, event: Said | Pressed) -> Catalogue:
        """In which language somebody is told something."""
        if event.address is None:
            return self._languages.words(event.who.lang)
        return self._languages.of(event.address, event.who.lang)

    async def tell(self, said: Said, text: str, *, reply: bool = False) -> None:
        """Says something where `said` was said; `reply`: in a private chat as a reply to it, too."""
        to = said.reply_to if reply or not place_of(said.address).private else 0
        for part in split(Formatted(text)):  # each is tried by itself: what has been said stays said
            if not await self.heard(lambda part=part: self._voice.say(said.address, part.text, to)):
                return

    async def tell_all(self, texts: AsyncIterator[str | Listing], said: Said) -> None:
        """Tells texts as they come; `cut` ends it."""
        key = said.address.key
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._telling[key] = scope
                try:
                    async for text in texts:
                        await self.tell(said, text if isinstance(text, str) else text.flowing)
                finally:
                    if self._telling.get(key) is scope:  # a group that moves may have another one here
                        del self._telling[key]
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            await left(texts)

    def cut(self, key: str) -> bool:
        """Ends what is told in a conversation; False: nothing is."""
        telling = self._telling.get(key)
        if telling is None or telling.expired():
            return False
        telling.reschedule(asyncio.get_running_loop().time())
        return True

    async def heard(self, speak: Callable[[], Awaitable[object]]) -> bool:
        """Whether it was said, perhaps; waits as long as it may not be said yet. False: it was refused."""
        unknown = 0
        while True:
            try:
                await speak()
            except NotSent as e:
                log.info("an answer to a command waits: %s", e)
                await self._wait(e.retry_after)
            except SendUnknown as e:  # rather twice than never, and not for ever: each may have been heard
                unknown += 1
                log.warning("an answer to a command may come more than once, or never: %s", e)
                if unknown == TRIES:
                    return True
                await self._wait(LATER * 2 ** (unknown - 1))
            except Refused as e:
                log.warning("an answer to a command was not sent: %s", e)
                return False
            except DeliveryError as e:
                log.warning("an answer to a command has nobody to go to: %s", type(e).__name__)
                return True
            else:
                return True

    async def _wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(min(max(seconds, SOON), LATE))
        finally:
            self._waiting -= 1


def explained(words: Catalogue, error: DuihuaError) -> str:
    """For a person; what only whoever runs the bot can change is logged, for they are not told."""
    if isinstance(error, ConfigError | InvalidOptions):
        log.warning("a setting is wrong: %s", one_line(str(error), _REASON))
    return explain(words, error)


async def left(iterator: object) -> None:
    """Closes a generator that nobody reads on."""
    if (close := getattr(iterator, "aclose", None)) is not None:
        await close()
