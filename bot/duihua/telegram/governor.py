"""Keeps a bot within what Telegram lets it send: one governor per bot, for everything that is sent.

Telegram counts a message when it gets it, which is at some time between our call and its answer. So a slot is
taken from when a call begins until the limit's span after it *ended*: however long calls are on their way, no
span that Telegram looks at holds more than we allowed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["final", "frame"]
Wait = Callable[["asyncio.Future[None]"], Awaitable[None]]
"""Returns when a slot is granted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be sent: so many messages in any so many seconds. Edits and frames of drafts count.

    `spare`: slots of all that frames leave to what must arrive. In a chat they leave none: as they come
    evenly, one gets free soon, and what must arrive takes it.
    """

    overall: tuple[int, float] = (30, 1.0)
    chat: tuple[int, float] = (3, 3.0)  # one a second, and short bursts
    group: tuple[int, float] = (20, 60.0)
    spare: int = 4


KEPT = 2_000
"""Chats whose last messages are remembered; of the others the last one is longer ago than any span."""
MANY, AT_ONCE = 3, 2.0
"""So many chats told to wait within so many seconds: all are meant."""


class _Window:
    """At most `most` within `span` seconds, those on their way included."""

    __slots__ = ("_ended", "_most", "_running", "_span", "until")

    def __init__(self, most: int, span: float) -> None:
        self._most, self._span = most, span
        self._running = 0
        self._ended: deque[float] = deque()
        self.until = 0.0  # nothing before this time, by Telegram's own word

    def free(self, now: float, spare: int = 0) -> float:
        """When there is room beyond `spare` slots: `now`, later, or infinity for when a call ends."""
        if now < self.until:
            return self.until
        ended = self._ended
        while ended and ended[0] + self._span <= now:
            ended.popleft()
        over = self._running + len(ended) + 1 + spare - self._most
        if over <= 0:
            return now
        return ended[over - 1] + self._span if over <= len(ended) else math.inf

    def pace(self, since: float) -> float:
        """Seconds from call to call, from `since` on, so that what is free lasts until more gets free."""
        free = self._most - self._running - len(self._ended)
        later = enumerate(self._ended, free + 1)
        return max(((at + self._span - since) / count for count, at in later if count > 0), default=0.0)

    def begin(self) -> None:
        self._running += 1

    def end(self, now: float) -> None:
        self._running -= 1
        self._ended.append(now)

    def idle(self, now: float) -> bool:
        """Whether nothing is left to remember."""
        return not self._running and now >= self.until and self.free(now) == now and not self._ended


@dataclass(order=True, slots=True)
class _Waiter:
    """Somebody who wants to send. What must arrive comes first, then whoever came first."""

    rank: int
    number: int
    chat: int = field(compare=False)
    granted: asyncio.Future[None] = field(compare=False)


class Governor:
    """Grants slots.

    Args:
        clock: seconds; a test's own clock.
    """

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._clock = limits or Limits(), clock
        self._overall = _Window(*self.limits.overall)
        self._chats: OrderedDict[int, tuple[_Window, ...]] = OrderedDict()
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count()
        self._told: deque[tuple[float, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self, chat: int, kind: Kind = "final", wait: Wait | None = None) -> AsyncGenerator[None]:
        """Waits until a message may go to a chat; what is sent is sent within.

        `wait`: how, if it takes a while. It may raise: then nothing is waited for any more.
        """
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, _Waiter(int(kind == "frame"), next(self._numbers), chat, granted))
        self._grant()
        try:
            if not granted.done():
                await (wait(granted) if wait else granted)
        except BaseException:
            if granted.done() and not granted.cancelled():
                self._end(chat)
            granted.cancel()
            self._grant()
            raise
        try:
            yield
        finally:
            self._end(chat)

    def learn(self, chat: int, retry_after: float) -> None:
        """Telegram wants to hear nothing for a while: of a chat, or of many, which means of all."""
        now = self._clock()
        windows = self._windows(chat)
        windows[0].until = max(windows[0].until, now + retry_after)
        self._told.append((now, chat))
        while self._told and self._told[0][0] < now - AT_ONCE:
            self._told.popleft()
        if len({chat for _, chat in self._told}) >= MANY:
            self._overall.until = max(self._overall.until, now + retry_after)

    def shut(self, chat: int) -> float:
        """Seconds for which Telegram told us to leave a chat alone; 0: it may be written to."""
        until = max(self._overall.until, self._windows(chat)[0].until)
        return max(0.0, until - self._clock())

    def pace(self, chat: int, ago: float) -> float:
        """Seconds from frame to frame, the last of which began that long ago, so that none has to wait."""
        return max(window.pace(self._clock() - ago) for window in self._windows(chat))

    def _windows(self, chat: int) -> tuple[_Window, ...]:
        windows = self._chats.get(chat)
        if windows is not None:
            self._chats.move_to_end(chat)
            return windows
        limits = self.limits
        windows = (_Window(*limits.chat),)
        if chat < 0:  # a group
            windows = (*windows, _Window(*limits.group))
        self._chats[chat] = windows
        if len(self._chats) > KEPT:
            now = self._clock()
            for known in list(itertools.islice(self._chats, 10)):
                if all(window.idle(now) for window in self._chats[known]) and known != chat:
                    del self._chats[known]
        return windows

    def _end(self, chat: int) -> None:
        now = self._clock()
        self._overall.end(now)
        for window in self._windows(chat):
            window.end(now)
        self._grant()

    def _grant(self) -> None:
        """Lets go whoever may, the first ones first, and looks again when the next one may."""
        now = self._clock()
        left: list[_Waiter] = []
        soonest = math.inf
        seen: set[int] = set()  # chats for which an earlier one waits
        while self._waiting:
            waiter = heapq.heappop(self._waiting)
            if waiter.granted.done():  # it gave up
                continue
            overall = self._overall.free(now, self.limits.spare * waiter.rank)
            if overall > now:
                soonest = min(soonest, overall)
                left.append(waiter)
                if not waiter.rank or self._overall.free(now) > now:
                    break  # nobody else may, either
                continue
            if waiter.chat in seen:
                left.append(waiter)
                continue
            windows = self._windows(waiter.chat)
            free = max(window.free(now) for window in windows)
            if free > now:
                soonest = min(soonest, free)
                seen.add(waiter.chat)
                left.append(waiter)
                continue
            self._overall.begin()
            for window in windows:
                window.begin()
            waiter.granted.set_result(None)
        for waiter in left:
            heapq.heappush(self._waiting, waiter)
        self._look_again(soonest - now)

    def _look_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and seconds < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(seconds, 0.001), self._grant)
