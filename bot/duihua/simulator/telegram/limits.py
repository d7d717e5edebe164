"""How much a bot may send, as Telegram documents it, and how close it came.

Telegram names 30 messages a second in all, one a second in one chat ("short bursts" may pass) and 20 a minute
in one group. Every message that is sent or edited counts, and so does each frame of a draft; an album counts
its members. The fake makes "short bursts" exact: `burst` messages in any `burst / chat` seconds. A limit that
was passed stays shut until the answer's `retry_after` is over, as it does there.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from duihua.simulator.telegram.refusals import too_many

_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; 0 means no limit.

    Attributes:
        overall: messages in any second, of one bot.
        chat: messages a second in one chat.
        burst: how many of these may come at once.
        group: messages in any minute, in one group.
        drafts: whether frames of drafts count.
    """

    overall: int = 30
    chat: float = 1.0
    burst: int = 3
    group: int = 20
    drafts: bool = True


NO_LIMITS = Limits(0, 0, 0, 0)


@dataclass(slots=True)
class Gauge:
    """One limit: the most that came within its span, and how often it answered 429.

    `early` counts calls that came while a `retry_after` was still running.
    """

    peak: int = 0
    refused: int = 0
    early: int = 0


@dataclass(slots=True)
class Gauges:
    """All limits."""

    overall: Gauge = field(default_factory=Gauge)
    chat: Gauge = field(default_factory=Gauge)
    group: Gauge = field(default_factory=Gauge)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Plain data."""
        return {
            name: {"peak": g.peak, "refused": g.refused, "early": g.early}
            for name, g in (("overall", self.overall), ("chat", self.chat), ("group", self.group))
        }


class Window:
    """At most `most` within any `span` seconds."""

    __slots__ = ("_times", "_until", "gauge", "most", "span")

    def __init__(self, most: int, span: float, gauge: Gauge) -> None:
        self.most, self.span, self.gauge = most, span, gauge
        self._times: deque[float] = deque()
        self._until = 0.0

    def wait(self, now: float, count: int) -> int:
        """Whole seconds until `count` more may come; 0 for now."""
        if not self.most:
            return 0
        if now < self._until - _SLACK:
            self.gauge.early += 1
            self.gauge.refused += 1
            return math.ceil(self._until - now - _SLACK)
        times = self._times
        while times and times[0] <= now - self.span + _SLACK:
            times.popleft()
        room = self.most - len(times)
        if count <= room or (count > self.most and not times):  # an album larger than a burst passes alone
            return 0
        free = times[min(count - room, len(times)) - 1] + self.span
        seconds = max(1, math.ceil(free - now - _SLACK))
        self._until = now + seconds
        self.gauge.refused += 1
        return seconds

    def add(self, now: float, count: int) -> None:
        """Notes what came."""
        if self.most:
            self._times.extend([now] * count)
            self.gauge.peak = max(self.gauge.peak, len(self._times))


class Budget:
    """The limits of one bot."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.gauges = limits, Gauges()
        self._overall = Window(limits.overall, 1.0, self.gauges.overall)
        self._chats: dict[int, tuple[Window, ...]] = {}
        self._shut: dict[int, float] = {}

    def shut(self, chat: int, until: float) -> None:
        """Lets a chat take nothing until then, as a `retry_after` by rule says."""
        self._shut[chat] = until

    def spend(self, chat: int, now: float, *, group: bool, count: int = 1) -> None:
        """Takes `count` messages to a chat off the budget.

        Raises:
            Refusal: 429.
        """
        if (until := self._shut.pop(chat, 0.0)) > now:
            self._shut[chat] = until
            self.gauges.chat.early += 1
            raise too_many(math.ceil(until - now - _SLACK))
        windows = self._chats.get(chat)
        if windows is None:
            windows = self._chats[chat] = self._windows(group)
        waits = [window.wait(now, count) for window in windows]
        if any(waits):
            raise too_many(max(waits))
        for window in windows:
            window.add(now, count)

    def _windows(self, group: bool) -> tuple[Window, ...]:
        limits = self.limits
        span = limits.burst / limits.chat if limits.chat else 0
        chat = Window(limits.burst if limits.chat else 0, span, self.gauges.chat)
        if not group:
            return chat, self._overall
        return chat, Window(limits.group, 60.0, self.gauges.group), self._overall
