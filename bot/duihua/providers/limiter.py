"""Keeps one process within rate limits: those that platforms announce in their headers, and those set here.

Nothing is known at first and nothing waits. Once a platform has named a limit per minute, requests are
planned so that no span of sixty seconds holds more than nine tenths of it; a limit that was set has a span of
its own, a day for example. A request gets its time when it
asks, in the order of asking; when the plan changes (others use the same account, the platform refuses), every
waiting request is planned again in the same order.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from duihua.errors import ProviderError
from duihua.ports import Quota
from duihua.providers.retry import loop_time

SHARE = 0.9
"""Of a limit that is used: other processes and clocks that disagree need the rest."""
MINUTE = 60.0
LATE = 0.05
"""A request that goes later than planned by more than this moves those behind it (seconds)."""
SPREAD = 10
"""Use that others made is taken to have happened evenly over the last span, in so many portions."""
GRAIN = 1000
"""Use within a thousandth of a span is one portion that counts from its end: a day takes no more room."""

_HEADER = re.compile(r"x-ratelimit-(limit|remaining)-(requests|tokens|input-tokens|output-tokens)")


@dataclass(slots=True, eq=False)
class _Entry:
    """A request, planned or gone: when, and what it takes of tokens."""

    at: float
    tokens: int

    def cost(self, resource: str) -> float:
        if resource == "requests":
            return 1
        return 0 if resource == "output-tokens" else self.tokens


@dataclass(slots=True)
class _Budget:
    """One limit and what was taken of it within its span, oldest first; its use never exceeds `allowed`."""

    resource: str
    limit: float
    span: float = MINUTE
    opened: float = 0.0  # when the newest portion began; it counts from its end
    taken: deque[tuple[float, float]] = field(default_factory=deque[tuple[float, float]])
    used: float = 0.0

    @property
    def allowed(self) -> float:
        return self.limit * SHARE

    def take(self, at: float, amount: float) -> None:
        self.used += amount
        if self.taken and at - self.opened < self.span / GRAIN:
            amount += self.taken.pop()[1]
        else:
            self.opened = at
        self.taken.append((at, amount))

    def expire(self, now: float) -> None:
        while self.taken and self.taken[0][0] <= now - self.span:
            self.used -= self.taken.popleft()[1]
        if not self.taken:
            self.used = 0.0

    def earliest(self, at: float, amount: float) -> float:
        """The first time from `at` on when `amount` fits beside what is taken; alone, anything fits."""
        self.expire(at)
        used = self.used
        for then, taken in self.taken:
            if used + amount <= self.allowed + 1e-6:
                break
            used -= taken
            at = max(at, then + self.span)
        return at

    def fill(self, now: float, amount: float) -> None:
        """Adds use that others made, evenly over the last span."""
        step = self.span / SPREAD
        foreign = [(now - self.span + step * (i + 1), amount / SPREAD) for i in range(SPREAD)]
        self.taken = deque(sorted([*self.taken, *foreign]))
        self.opened = now
        self.used += amount


@dataclass(slots=True)
class _Account:
    """All that is known of one key."""

    learned: dict[str, _Budget] = field(default_factory=dict[str, _Budget])
    preset: dict[tuple[str, float], _Budget] = field(default_factory=dict[tuple[str, float], _Budget])
    waiting: list[_Entry] = field(default_factory=list[_Entry])
    blocked: float = 0.0
    refusals: int = 0

    @property
    def budgets(self) -> list[_Budget]:
        return [*self.learned.values(), *self.preset.values()]

    def admits(self, entry: _Entry, now: float) -> bool:
        """Whether the request may go at once."""
        if now < self.blocked:
            return False
        return all(b.earliest(now, entry.cost(b.resource)) <= now for b in self.budgets)


class RateLimiter:
    """`ports.Limiter` for one process; keys are independent of each other."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = loop_time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._accounts: dict[str, _Account] = {}

    def preset(self, key: str, quotas: Sequence[Quota]) -> None:
        """Sets limits that hold beside the learned ones; what was used so far counts on.

        They replace those set before under the same key. Quotas of the same resource and span: the smallest.
        """
        account, now = self._accounts.setdefault(key, _Account()), self._clock()
        before, account.preset = account.preset, {}
        for quota in quotas:
            span = quota.resource, quota.seconds
            if quota.amount <= 0 or quota.seconds <= 0:
                continue
            budget = before.get(span) or _Budget(quota.resource, quota.amount, quota.seconds)
            again = account.preset.get(span)
            budget.limit = min(again.limit, quota.amount) if again else quota.amount
            account.preset[span] = budget
        self._plan(account, now)

    async def acquire(self, key: str, tokens: int, *, deadline: float) -> None:
        """Waits until a request of about `tokens` may go.

        Raises:
            ProviderError: rate_limited, at once when it is clear that the deadline comes first.
        """
        account = self._accounts.get(key)
        if account is None:
            return
        now = self._clock()
        entry = _Entry(now, tokens)
        if account.waiting or not account.admits(entry, now):
            account.waiting.append(entry)
            self._plan(account, now)
            try:
                now = await self._wait(entry, deadline)
            except BaseException:
                account.waiting.remove(entry)
                self._plan(account, self._clock())
                raise
            account.waiting.remove(entry)
        for budget in account.budgets:
            budget.take(now, entry.cost(budget.resource))
        if now - entry.at > LATE:
            self._plan(account, now)

    async def _wait(self, entry: _Entry, deadline: float) -> float:
        """Sleeps until the request's time, which may change meanwhile; returns the time it has become."""
        while (now := self._clock()) < entry.at:
            if entry.at >= deadline:
                raise ProviderError(
                    "the platform's rate limit leaves no room before the deadline; try again later",
                    category="rate_limited",
                    retry_after=entry.at - now,
                )
            await self._sleep(entry.at - now)
        return now

    def learn(self, key: str, headers: Mapping[str, str]) -> None:
        """Takes limits and remainders from headers such as `X-Ratelimit-Limit-Requests`, any case."""
        found: dict[tuple[str, str], float] = {}
        for name, value in headers.items():
            if (match := _HEADER.fullmatch(name.lower())) and value.strip().isdecimal():
                found[match[1], match[2]] = float(value[:15])
        if not found:
            return
        account, now = self._accounts.setdefault(key, _Account()), self._clock()
        changed = False
        for (what, resource), limit in found.items():
            if what != "limit" or limit <= 0:
                continue
            budget = account.learned.setdefault(resource, _Budget(resource, limit))
            changed |= budget.limit != limit
            budget.limit = limit
            budget.expire(now)
            others = limit - found.get(("remaining", resource), limit) - budget.used
            if others > 0:
                budget.fill(now, others)
                changed = True
        if changed:
            self._plan(account, now)

    def exhausted(self, key: str, what: Literal["requests", "tokens"], retry_after: float | None) -> None:
        """The platform refused for its rate.

        With `retry_after` nothing goes before that is over. Else the budget counts as used up where the limit
        is known, and where it is not, nothing goes for 1, 2, 4, ... up to 60 seconds.
        """
        account, now = self._accounts.setdefault(key, _Account()), self._clock()
        if now > account.blocked + MINUTE:
            account.refusals = 0
        account.refusals += 1
        full = [b for b in account.budgets if b.resource.endswith(what) and b.span <= MINUTE]
        for budget in full:
            budget.expire(now)
            if budget.used < budget.allowed:
                budget.fill(now, budget.allowed - budget.used)
        if retry_after is not None:
            account.blocked = max(account.blocked, now + retry_after)
        elif not full:
            account.blocked = max(account.blocked, now + min(MINUTE, 2.0 ** (account.refusals - 1)))
        self._plan(account, now)

    def _plan(self, account: _Account, now: float) -> None:
        """Gives every waiting request the first time that suits it, none before the one it follows."""
        if not account.waiting:
            return
        future = [replace(budget, taken=budget.taken.copy()) for budget in account.budgets]
        at = max(now, account.blocked)
        for entry in account.waiting:
            for budget in future:
                at = max(at, budget.earliest(at, entry.cost(budget.resource)))
            entry.at = at
            for budget in future:
                budget.take(at, entry.cost(budget.resource))
