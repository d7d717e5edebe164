"""Long polling: every update stands in the database before Telegram may forget it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from duihua.arrivals import ArrivalStore
from duihua.errors import DuihuaError, StorageError
from duihua.telegram.health import Pulse
from duihua.telegram.raw import Kept, apart, kept, kept_as, number_of, sound
from duihua.telegram.wire import Unreadable, Wire, WireError

log = logging.getLogger(__name__)

ALLOWED = ("message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation")
"""What Telegram is asked for: all that something is done with."""
MOST = 100
"""Updates of one answer, at most."""
LARGEST = 2**63 - 1
"""What a server may take for a number at all."""
UNAUTHORIZED = (401, 404)
"""Codes by which Telegram says that the token is not, or no more, a bot's."""


class Deaf(DuihuaError):
    """This bot hears nothing, or acts on nothing, and waiting does not help.

    `code` names the sentence that says why.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds.

    Attributes:
        wait: that Telegram may hold an empty poll.
        over: that a poll may take beyond this.
        pause: before the second try; doubled up to `longest`.
        longest: between two tries.
        conflict: that another poller may go on (a restart overlaps) before this process gives up.
        stuck: without a successful poll after which the HTTP session is made anew.
    """

    wait: float = 50.0
    over: float = 10.0
    pause: float = 1.0
    longest: float = 30.0
    conflict: float = 20.0
    stuck: float = 90.0


class Poller:
    """Brings one bot's updates into the store.

    Args:
        wire: the bot's own, used for nothing else.
        store: where they are kept.
        source: of the bot's arrivals.
        pulse: told of every success and failure.
        arrived: called when something new was kept.
        patience: how long to wait for what.
    """

    def __init__(
        self,
        wire: Wire,
        store: ArrivalStore,
        source: str,
        pulse: Pulse,
        arrived: Callable[[], None],
        patience: Patience | None = None,
    ) -> None:
        self._wire, self._store, self._source = wire, store, source
        self._pulse, self._arrived, self._patience = pulse, arrived, patience or Patience()
        self._offset = 0
        self._limit = MOST
        self._heard = self._stays = False

    async def run(self) -> None:
        """Polls until it is cancelled. The scope of time is the watch: a success moves it on.

        Raises:
            Deaf: the token is refused, or another poller does not go away.
        """
        while True:
            try:
                async with asyncio.timeout(self._patience.stuck) as watch:
                    await self._follow(watch)
            except TimeoutError:
                log.warning(
                    "bot %s: no poll succeeded for %g s: a new session", self._wire.id, self._patience.stuck
                )
                await self._wire.renew()

    async def _follow(self, watch: asyncio.Timeout) -> None:
        loop, failures, conflict = asyncio.get_running_loop(), 0, 0.0
        while True:
            begun = loop.time()
            hold = (
                self._patience.wait if self._heard else 0.0
            )  # the first poll shows at once whether it hears
            try:
                new = await self._once(hold)
            except WireError as e:
                self._pulse.failed(str(e), ill=e.code in (*UNAUTHORIZED, 409))
                if e.code in UNAUTHORIZED:
                    raise Deaf("unauthorized", f"bot {self._wire.id}: {e}") from None
                conflict = (conflict or loop.time()) if e.code == 409 else 0.0
                if conflict and loop.time() - conflict >= self._patience.conflict:
                    raise Deaf("conflict", f"bot {self._wire.id}: {e}") from None
                if e.code == 0:
                    self._limit = max(1, self._limit // 10)  # it may be one update that spoils the answer
                problem, wait = e, e.retry_after
            except StorageError as e:
                self._pulse.failed(str(e))
                problem, wait = e, 0.0
            else:
                conflict, self._limit, self._heard = 0.0, MOST, True
                watch.reschedule(loop.time() + self._patience.stuck)
                self._pulse.succeeded()
                if new:
                    failures = 0
                    continue
                if loop.time() - begun >= hold / 2:
                    continue
                if self._stays:  # it comes with every answer: what else comes is not to wait for it
                    await asyncio.sleep(_pause(self._patience, 0))
                    continue
                problem, wait = "nothing new came, and at once", 0.0  # never in circles without a breath
            log.warning("bot %s: %s", self._wire.id, problem)
            await asyncio.sleep(max(wait, _pause(self._patience, failures)))
            failures += 1

    async def _once(self, hold: float) -> int:
        """One poll, which Telegram may hold so many seconds; returns how many updates are new."""
        fields: dict[str, Any] = {"timeout": int(hold), "limit": self._limit, "allowed_updates": ALLOWED}
        if self._offset:
            fields["offset"] = self._offset
        try:
            result = await self._wire.call("getUpdates", fields, timeout=hold + self._patience.over)
        except Unreadable as e:
            if (found := apart(e.body)) is None:
                raise
            read = [kept_as(piece, self._offset) for piece in found]
            return await self._keep([update for update, _ in read], [number for _, number in read])
        if not isinstance(result, list):
            raise WireError("getUpdates: the result is no list")
        updates = cast("list[Any]", result)
        return await self._keep([kept(update) for update in updates], [number_of(it) for it in updates])

    async def _keep(self, updates: list[Kept], numbers: list[int | None]) -> int:
        """Only what is kept is confirmed, with the next poll; what has no number of Telegram's cannot be.

        Numbers restart at random after a quiet week: what is behind an empty answer is confirmed already.
        """
        new = await self._store.arrive(self._source, updates) if updates else 0
        good = [number for number in numbers if number is not None and sound(number)]
        self._stays = len(good) < len(numbers)
        if not good and not new and len(numbers) >= self._limit:  # nothing else could ever come
            good = [number for number in numbers if number is not None and abs(number) < LARGEST][-1:]
            log.error("bot %s: numbers beyond sense are confirmed, to hear others", self._wire.id)
        self._offset = max(good) + 1 if good else 0
        if new:
            self._arrived()
        return new


def _pause(patience: Patience, failures: int) -> float:
    return min(patience.pause * 2 ** min(failures, 10), patience.longest) * random.uniform(0.75, 1.25)
