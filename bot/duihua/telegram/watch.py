"""Looks for what does not move: messages that nobody reads, answers or sends. The bot hears, and is stuck."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from duihua.arrivals import ArrivalStore
from duihua.errors import StorageError
from duihua.telegram.health import Pulse
from duihua.telegram.intake import Deaf

log = logging.getLogger(__name__)

EVERY = 15.0
"""Seconds between two looks."""
STUCK = 300.0
"""Seconds without a move after which something is stuck."""
ENOUGH = 600.0
"""Seconds more after which the process ends: begun anew, it may get further."""


class Watch:
    """The watch over one bot; its lease must be held.

    What is older than the watch itself counts from its beginning: first of all it takes up what was left.

    Args:
        store: asked what waits longest.
        source: of the bot's arrivals, with which the keys of its sessions begin.
        pulse: told what is stuck.
        turn: seconds that a turn may take, or a command that asks models.
        held: whether something waits until Telegram lets it be said, which a new process would not change.
        clock: seconds.
    """

    def __init__(
        self,
        store: ArrivalStore,
        source: str,
        pulse: Pulse,
        *,
        turn: float,
        held: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._source, self._pulse, self._turn, self._clock = store, source, pulse, turn, clock
        self._held = held
        self._begun = clock()
        self._oldest = 0, 0.0  # the oldest open arrival, and since when it is that

    async def run(self) -> None:
        """Looks until it is cancelled.

        Raises:
            Deaf: something has been stuck for so long that only a new process may help.
        """
        try:
            while True:
                await asyncio.sleep(EVERY)
                try:
                    await self.look()
                except StorageError as e:
                    self._pulse.failed(str(e))
                    log.warning("bot %s: nobody knows whether something is stuck: %s", self._pulse.bot, e)
        finally:
            self._pulse.stuck = ""

    async def look(self) -> None:
        """Looks once. Raises Deaf as `run`, and StorageError."""
        found, now = await self._store.stalled(self._source), self._clock()
        if found.unread != self._oldest[0] or self._held():
            self._oldest = found.unread, now
        over = {
            "a message is not read": now - self._oldest[1] - STUCK - self._turn if found.unread else 0.0,
            "a message is not answered": self._age(found.unanswered, now) - STUCK - self._turn,
            "an answer is not sent": self._age(found.unsent, now) - STUCK,
        }
        problem = max(over, key=lambda name: over[name])
        refused = self._age(found.refused, now) - STUCK
        before = self._pulse.stuck
        self._pulse.stuck = ""
        if over[problem] > 0:
            self._pulse.stuck = problem
        elif refused > 0:  # by Telegram, which a new process would not change
            self._pulse.stuck = "an answer is refused again and again"
        if self._pulse.stuck and self._pulse.stuck != before:
            log.error("bot %s is stuck: %s", self._pulse.bot, self._pulse.stuck)
        if over[problem] > ENOUGH:
            raise Deaf("stuck", f"bot {self._pulse.bot}: {problem}")

    def _age(self, ms: int, now: float) -> float:
        return min(ms / 1000, now - self._begun)
