"""One process works for a bot: it holds the bot's lease in the database, or stands by until it gets it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal

from duihua.arrivals import ArrivalStore
from duihua.errors import StorageError
from duihua.telegram.abreast import abreast

log = logging.getLogger(__name__)

Fate = Literal["own", "alive", "dead", "elsewhere"]


class LeaseLost(Exception):
    """Another process has it now, or the database could not be asked for as long as it lasts."""


class Lease:
    """The right to work for one bot.

    Args:
        store: where it is kept.
        source: what it is about.
        token: a name of this claim, from `Lanes.token`.
        fate: what is known of the process that made a token (`Lanes.fate`): nobody waits for a dead one.
        seconds: that it lasts without renewal.
    """

    def __init__(
        self, store: ArrivalStore, source: str, token: str, fate: Callable[[str], Fate], seconds: float
    ) -> None:
        self._store, self._source, self._token, self._fate = store, source, token, fate
        self._seconds = seconds

    async def taken(self, waiting: Callable[[], None]) -> bool:
        """Returns once it is ours; `waiting` is called when it is another's. True: whoever had it is dead."""
        inherited = False
        while True:
            try:
                if await self._take():
                    return inherited
                if self._fate(other := await self._store.holder(self._source)) == "dead":
                    await self._store.let_go(self._source, other)
                    inherited = True
                    continue
                waiting()
            except StorageError as e:
                log.warning("the lease of %s: %s", self._source, e)
            await asyncio.sleep(self._seconds / 8)

    async def during(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work and keeps the lease meanwhile; gives it back afterwards.

        Raises:
            LeaseLost: it was lost; the work was cancelled.
        """
        try:
            await abreast(work, self._keep())
        finally:
            with suppress(StorageError):
                await asyncio.shield(self._store.let_go(self._source, self._token))

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        while True:
            await asyncio.sleep(self._seconds / 4)
            begun = loop.time()
            try:
                async with asyncio.timeout_at(until):
                    ours = await self._take()
            except (StorageError, TimeoutError) as e:
                log.warning("the lease of %s was not renewed: %s", self._source, e)
                ours = loop.time() < until
            else:
                until = begun + self._seconds
            if not ours:
                raise LeaseLost(self._source)

    async def _take(self) -> bool:
        return await self._store.hold(self._source, self._token, lease=int(self._seconds * 1000))
