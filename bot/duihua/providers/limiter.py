"""Keeps one process within rate limits: those that platforms announce in their headers, and those set here.

Nothing is known at first and nothing waits. Once a platform has named a limit per minute, requests go so that
no span of sixty seconds holds more than nine tenths of it; a limit that was set has a span of its own, a day
for example. Those who wait go by rounds: a session has one request in each, the requests of one session go in
the order of asking. Only the first of all looks at the clock; when it goes, or gives up, it calls the next.
What a request costs here does not grow with the number of those who wait.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from duihua.errors import ProviderError
from duihua.ports import Quota
from duihua.providers.retry import loop_time

SHARE = 0.9
"""Of a limit that is used: other processes and clocks that disagree need the rest."""
MINUTE = 60.0
SPREAD = 10
"""Use that others made is taken to have happened evenly over the last span, in so many portions."""
LONGEST = 120.0
"""A platform that asks for a longer pause is asked again after this one (seconds)."""
KEYS = 1000
"""Accounts above this number are forgotten when nothing of them counts any more."""
GRAIN = 1000
"""Use within a thousandth of a span is one portion that counts from its end: a day takes no more room."""

_HEADER = re.compile(r"x-ratelimit-(limit|remaining)-(requests|tokens|input-tokens|output-tokens)")


@dataclass(slots=True, eq=False)
class _Entry:
    """A request: what it takes of tokens, for whom, and in which round it goes if it has to wait."""

    tokens: int
    session: int
    share: float = 0  # of the tokens, so much as fits at all: what is too large goes alone
    round: int = 0
    called: asyncio.Future[None] | None = None  # done when it is the first of those who wait

    def cost(self, resource: str) -> float:
        return _cost(resource, 1, self.tokens)


def _cost(resource: str, requests: float, tokens: float) -> float:
    """What requests with so many tokens in all take of a resource."""
    if resource == "requests":
        return requests
    return 0 if resource == "output-tokens" else tokens


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
        used = self.used
        for then, taken in self.taken:
            if used + amount <= self.allowed + 1e-6:
                break
            used -= taken
            at = max(at, then + self.span)
        return at

    def passed(self, at: float, amount: float) -> float:
        """A time before which `amount`, of many requests, does certainly not fit beside what is taken."""
        spans = max(0, ceil(amount / self.allowed - 1e-6) - 1)
        return self.earliest(at, amount - spans * self.allowed) + spans * self.span

    def fill(self, now: float, amount: float) -> None:
        """Adds use that others made, evenly over the last span."""
        step = self.span / SPREAD
        foreign = [(now - self.span + step * (i + 1), amount / SPREAD) for i in range(SPREAD)]
        self.taken = deque(sorted([*self.taken, *foreign]))
        self.opened = now
        self.used += amount
        if len(self.taken) > 2 * GRAIN:
            self._merge()

    def _merge(self) -> None:
        """Makes one portion of those that lie within a thousandth of the span."""
        portions, self.taken = self.taken, deque()
        opened = 0.0
        for at, amount in portions:
            if self.taken and at - opened < self.span / GRAIN:
                amount += self.taken.pop()[1]
            else:
                opened = at
            self.taken.append((at, amount))


@dataclass(slots=True)
class _Round:
    """Requests of different sessions that wait, in the order of asking, and their tokens."""

    entries: OrderedDict[_Entry, None] = field(default_factory=OrderedDict[_Entry, None])
    tokens: float = 0


@dataclass(slots=True)
class _Account:
    """All that is known of one key."""

    learned: dict[str, _Budget] = field(default_factory=dict[str, _Budget])
    preset: dict[tuple[str, float], _Budget] = field(default_factory=dict[tuple[str, float], _Budget])
    rounds: dict[int, _Round] = field(default_factory=dict[int, _Round])
    current: int = 0  # the round of those who go next
    newest: int = 0  # the last round
    count: int = 0  # who waits
    tokens: float = 0  # theirs
    sessions: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    blocked: float = 0.0
    refusals: int = 0

    @property
    def budgets(self) -> list[_Budget]:
        return [*self.learned.values(), *self.preset.values()]

    @property
    def first(self) -> _Entry | None:
        """Who goes next of those who wait."""
        return next(iter(self.rounds[self.current].entries)) if self.rounds else None

    def enter(self, entry: _Entry) -> None:
        """Waits from now on. `sessions` holds the last round of each that waits, and how often it does."""
        round_ = self.rounds.setdefault(entry.round, _Round())
        if self.count == 0:
            self.current = self.newest = entry.round
        self.newest = max(self.newest, entry.round)
        round_.entries[entry] = None
        round_.tokens += entry.share
        self.count, self.tokens = self.count + 1, self.tokens + entry.share
        self.sessions[entry.session] = entry.round, self.sessions.get(entry.session, (0, 0))[1] + 1

    def leave(self, entry: _Entry) -> None:
        """Waits no longer; calls who is first now."""
        round_ = self.rounds[entry.round]
        del round_.entries[entry]
        round_.tokens -= entry.share
        self.count, self.tokens = self.count - 1, self.tokens - entry.share
        last, waiting = self.sessions.pop(entry.session)
        if waiting > 1:
            self.sessions[entry.session] = last, waiting - 1
        if not round_.entries:
            del self.rounds[entry.round]
        while self.rounds and self.current not in self.rounds:
            self.current += 1
        first = self.first
        if first is not None and first.called is not None and not first.called.done():
            first.called.set_result(None)

    def round_of(self, session: int) -> int:
        """The round that the session's next request goes in."""
        mine = self.sessions.get(session)
        return max(self.current, mine[0] + 1) if mine else self.current

    def earliest(self, entry: _Entry, now: float) -> float:
        """When the request may go if nobody is before it."""
        at = max(now, self.blocked)
        for budget in self.budgets:
            budget.expire(now)
            at = budget.earliest(at, entry.cost(budget.resource))
        return at

    def passed(self, entry: _Entry, now: float) -> float:
        """A time before which its turn certainly does not come: those before it go first."""
        count, tokens = self.count, self.tokens
        if entry.round < self.newest:
            before = [r for n in range(self.current, entry.round + 1) if (r := self.rounds.get(n))]
            count, tokens = sum(len(r.entries) for r in before), sum(r.tokens for r in before)
        at = max(now, self.blocked)
        for budget in self.budgets:
            budget.expire(now)
            amount = _cost(budget.resource, (count + 1) * min(1, budget.allowed), tokens + entry.share)
            at = max(at, budget.passed(now, amount))
        return at

    def idle(self, now: float) -> bool:
        """Whether forgetting it changes nothing, but for limits that the platform will tell again."""
        for budget in self.learned.values():
            budget.expire(now)
        used = any(budget.taken for budget in self.learned.values())
        return not (used or self.preset or self.rounds or now < self.blocked + MINUTE)


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
        account = self._account(key)
        before, account.preset = account.preset, {}
        for quota in quotas:
            span = quota.resource, quota.seconds
            if quota.amount <= 0 or quota.seconds <= 0:
                continue
            budget = before.get(span) or _Budget(quota.resource, quota.amount, quota.seconds)
            again = account.preset.get(span)
            budget.limit = min(again.limit, quota.amount) if again else quota.amount
            account.preset[span] = budget

    async def acquire(self, key: str, tokens: int, *, deadline: float, session: int = 0) -> None:
        """Waits until a request of about `tokens` may go, fairly between sessions.

        Raises:
            ProviderError: rate_limited, at once when it is clear that the deadline comes first.
        """
        account = self._accounts.get(key)
        if account is None:
            return
        now = self._clock()
        entry = _Entry(tokens, session)
        if account.rounds or account.earliest(entry, now) > now:
            now = await self._wait(account, entry, now, deadline)
        for budget in account.budgets:
            budget.take(now, entry.cost(budget.resource))

    async def _wait(self, account: _Account, entry: _Entry, now: float, deadline: float) -> float:
        """Waits until the request may go; returns the time it has become."""
        entry.round = account.round_of(entry.session)
        room = (b.allowed for b in account.budgets if b.resource != "requests")
        entry.share = min([entry.tokens, *room])
        if account.rounds and (at := account.passed(entry, now)) >= deadline:
            raise _too_late(at - now)
        account.enter(entry)
        try:
            if account.first is not entry:
                entry.called = asyncio.get_running_loop().create_future()
                async with asyncio.timeout(deadline - now):
                    await entry.called
            while (at := account.earliest(entry, now := self._clock())) > now:
                if at >= deadline:
                    raise _too_late(at - now)
                await self._sleep(at - now)
        except TimeoutError:
            now = self._clock()
            raise _too_late(account.passed(entry, now) - now) from None
        finally:
            account.leave(entry)
        return now

    def learn(self, key: str, headers: Mapping[str, str]) -> None:
        """Takes limits and remainders from headers such as `X-Ratelimit-Limit-Requests`, any case."""
        found: dict[tuple[str, str], float] = {}
        for name, value in headers.items():
            if (match := _HEADER.fullmatch(name.lower())) and value.strip().isdecimal():
                found[match[1], match[2]] = float(value[:15])
        if not found:
            return
        account, now = self._account(key), self._clock()
        for (what, resource), limit in found.items():
            if what != "limit" or limit <= 0:
                continue
            budget = account.learned.setdefault(resource, _Budget(resource, limit))
            budget.limit = limit
            budget.expire(now)
            others = limit - found.get(("remaining", resource), limit) - budget.used
            if others > 0:
                budget.fill(now, others)

    def exhausted(self, key: str, what: Literal["requests", "tokens"], retry_after: float | None) -> None:
        """The platform refused for its rate.

        With `retry_after` nothing goes before that is over, at most `LONGEST`. Else the budget counts as used
        up where the limit is known, and where it is not, nothing goes for 1, 2, 4, ... up to 60 seconds.
        """
        account, now = self._account(key), self._clock()
        if now > account.blocked + MINUTE:
            account.refusals = 0
        account.refusals += 1
        full = [b for b in account.budgets if b.resource.endswith(what) and b.span <= MINUTE]
        for budget in full:
            budget.expire(now)
            if budget.used < budget.allowed:
                budget.fill(now, budget.allowed - budget.used)
        if retry_after is not None:
            account.blocked = max(account.blocked, now + min(LONGEST, retry_after))
        elif not full:
            account.blocked = max(account.blocked, now + min(MINUTE, 2.0 ** (account.refusals - 1)))

    def _account(self, key: str) -> _Account:
        """The account of a key. Names of models come from users: their number is bounded."""
        found = self._accounts.get(key)
        if found is None:
            if len(self._accounts) >= KEYS:
                now = self._clock()
                self._accounts = {k: a for k, a in self._accounts.items() if not a.idle(now)}
            found = self._accounts[key] = _Account()
        return found


def _too_late(seconds: float) -> ProviderError:
    return ProviderError(
        "the platform's rate limit leaves no room before the deadline; try again later",
        category="rate_limited",
        retryable=False,  # it was waited for as long as there was time
        retry_after=max(0.0, seconds),
    )
