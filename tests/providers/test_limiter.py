from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.errors import ProviderError
from duihua.ports import Quota
from duihua.providers import limiter as limits_of
from duihua.providers.limiter import LONGEST, RateLimiter
from tests.providers.conftest import Clock

FOREVER = 1e9


def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(clock=clock, sleep=clock.sleep)


def limits(requests: int | None = None, tokens: int | None = None, **remaining: int) -> dict[str, str]:
    out = {"X-Ratelimit-Limit-Requests": requests, "x-ratelimit-limit-TOKENS": tokens}
    out |= {f"X-Ratelimit-Remaining-{k}": v for k, v in remaining.items()}
    return {k: str(v) for k, v in out.items() if v is not None}


async def times(limiter: RateLimiter, clock: Clock, count: int, tokens: int = 1) -> list[float]:
    out: list[float] = []
    for _ in range(count):
        await limiter.acquire("k", tokens, deadline=FOREVER)
        out.append(clock())
    return out


async def test_nothing_waits_when_nothing_is_known(clock: Clock) -> None:
    await times(limiter(clock), clock, 1000)
    assert clock.slept == []


@pytest.mark.parametrize("limit", [1, 5, 10, 37])
async def test_no_minute_holds_more_than_nine_tenths(clock: Clock, limit: int) -> None:
    rates = limiter(clock)
    rates.learn("k", limits(requests=limit))
    at = await times(rates, clock, 3 * limit + 1)
    allowed = max(1, int(limit * 0.9))
    assert all(later - earlier >= 60 for earlier, later in zip(at, at[allowed:], strict=False))
    assert at[0] == 1000.0


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 100))
def test_tokens_of_any_size_keep_to_nine_tenths(sizes: list[int], limit: int) -> None:
    async def main() -> None:
        clock = Clock()
        rates = limiter(clock)
        rates.learn("k", limits(tokens=limit))
        gone: list[tuple[float, int]] = []
        for size in sizes:
            await rates.acquire("k", size, deadline=FOREVER)
            gone.append((clock(), size))
        for end, _ in gone:
            minute = [size for at, size in gone if end - 60 < at <= end]
            assert sum(minute) <= limit * 0.9 or len(minute) == 1

    asyncio.run(main())


async def test_those_who_wait_go_in_the_order_they_came(clock: Clock) -> None:
    rates, order = limiter(clock), list[int]()
    rates.learn("k", limits(requests=2))

    async def go(number: int) -> None:
        await rates.acquire("k", 1, deadline=FOREVER)
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(go(number))
            await asyncio.sleep(0)
    assert order == sorted(order)


async def test_a_deadline_that_comes_first_is_told_at_once(clock: Clock) -> None:
    rates = limiter(clock)
    rates.learn("k", limits(requests=1))
    await times(rates, clock, 1)
    with pytest.raises(ProviderError) as caught:
        await rates.acquire("k", 1, deadline=clock() + 59)
    assert caught.value.category == "rate_limited"
    assert caught.value.retry_after == pytest.approx(60)
    assert clock.slept == []


async def test_one_who_leaves_gives_the_place_back(clock: Clock) -> None:
    rates = limiter(clock)
    rates.learn("k", limits(requests=1))
    await times(rates, clock, 1)
    for _ in range(5):
        with pytest.raises(ProviderError):
            await rates.acquire("k", 1, deadline=clock() + 1)
    assert await times(rates, clock, 1) == [pytest.approx(1060)]


async def test_use_by_others_counts(clock: Clock) -> None:
    rates = limiter(clock)
    rates.learn("k", limits(requests=100, Requests=15))
    at = await times(rates, clock, 6)
    assert at[4] == 1000.0
    assert at[5] > 1000.0


async def test_a_refusal_empties_the_budget_that_it_names(clock: Clock) -> None:
    rates = limiter(clock)
    rates.learn("k", limits(requests=600, tokens=1000))
    rates.exhausted("k", "tokens", None)
    await rates.acquire("k", 100, deadline=FOREVER)
    assert 0 < clock() - 1000 <= 60


async def test_nothing_goes_before_retry_after(clock: Clock) -> None:
    rates = limiter(clock)
    rates.exhausted("k", "requests", 7.5)
    assert await times(rates, clock, 2) == [1007.5, 1007.5]


async def test_unknown_limits_back_off_longer_each_time(clock: Clock) -> None:
    rates, waits = limiter(clock), list[float]()
    for _ in range(8):
        rates.exhausted("k", "requests", None)
        before = clock()
        await times(rates, clock, 1)
        waits.append(clock() - before)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_input_and_output_tokens_are_budgets_of_their_own(clock: Clock) -> None:
    rates = limiter(clock)
    rates.learn("k", {"X-Ratelimit-Limit-Output-Tokens": "100", "X-Ratelimit-Remaining-Output-Tokens": "0"})
    await rates.acquire("k", 5, deadline=FOREVER)
    assert clock() > 1000.0


async def test_keys_do_not_touch_each_other(clock: Clock) -> None:
    rates = limiter(clock)
    rates.exhausted("k", "requests", 50)
    await rates.acquire("other", 1, deadline=FOREVER)
    assert clock.slept == []


@pytest.mark.parametrize("value", ["", "many", "-5", "1e9", "0", "9" * 400, "٣"])
async def test_strange_headers_do_no_harm(clock: Clock, value: str) -> None:
    rates = limiter(clock)
    rates.learn("k", {"X-Ratelimit-Limit-Requests": value, "X-Ratelimit-Remaining-Requests": "x"})
    await rates.acquire("k", 1, deadline=FOREVER)


def bursts() -> Iterator[int]:
    yield from (1, 3, 20)


@pytest.mark.parametrize("burst", list(bursts()))
async def test_waiting_together_still_keeps_the_limit(clock: Clock, burst: int) -> None:
    rates, at = limiter(clock), list[float]()
    rates.learn("k", limits(requests=10))

    async def go() -> None:
        await rates.acquire("k", 1, deadline=FOREVER)
        at.append(clock())

    for _ in range(3):
        async with asyncio.TaskGroup() as group:
            for _ in range(burst):
                group.create_task(go())
    assert all(b >= a for a, b in pairwise(at))
    assert all(later - earlier >= 60 - 1e-6 for earlier, later in zip(at, at[9:], strict=False))


DAY = 86400.0
PER_MINUTE, PER_DAY = Quota("requests", 12, 60), Quota("requests", 30, DAY)


async def test_limits_set_beforehand_hold_from_the_first_request(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [PER_MINUTE])
    at = await times(rates, clock, 21)
    assert [at.count(1000.0 + 60 * minute) for minute in range(3)] == [10, 10, 1]


async def test_a_limit_per_day_has_a_span_of_its_own(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [PER_MINUTE, PER_DAY])
    at = await times(rates, clock, 28)
    assert at[26] == pytest.approx(1120)
    assert 1000 + DAY <= at[27] <= 1000 + DAY * 1.001


async def test_a_day_that_is_used_up_is_told_at_once(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [PER_DAY])
    await times(rates, clock, 27)
    with pytest.raises(ProviderError) as caught:
        await rates.acquire("k", 1, deadline=clock() + 300)
    assert caught.value.retry_after == pytest.approx(DAY)
    assert clock.slept == []


async def test_the_same_limits_again_keep_what_was_used(clock: Clock) -> None:
    rates = limiter(clock)
    for _ in range(11):
        rates.preset("k", [PER_MINUTE, Quota("tokens", 1000, 60)])
        await times(rates, clock, 1)
    assert clock() == pytest.approx(1060)


async def test_none_and_nought_set_no_limit(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [PER_MINUTE])
    rates.preset("k", [Quota("requests", 0, 60)])
    await times(rates, clock, 100)
    assert clock.slept == []


async def test_the_narrower_of_a_set_and_a_learned_limit_holds(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [PER_MINUTE])
    rates.learn("k", limits(requests=5, tokens=100))
    assert (await times(rates, clock, 5))[4] == pytest.approx(1060)


async def test_a_refusal_for_the_rate_does_not_use_up_the_day(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [PER_DAY])
    rates.exhausted("k", "requests", None)
    assert await times(rates, clock, 1) == [1001.0]


async def test_a_day_of_requests_takes_little_room(clock: Clock) -> None:
    rates = limiter(clock)
    rates.preset("k", [Quota("tokens", 10**9, DAY)])
    for _ in range(5000):
        await rates.acquire("k", 7, deadline=FOREVER)
        clock.now += DAY / 5000
    (budget,) = rates._accounts["k"].budgets  # pyright: ignore[reportPrivateUsage]
    assert len(budget.taken) <= 1001
    assert budget.used == 7 * 5000


class Timeline:
    """Time for many who sleep side by side: it jumps to the next who wakes when nobody can do more."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), woken))
        await woken

    async def pass_by(self) -> None:
        """Lets time pass until nobody sleeps."""
        await self._settle()
        while self._sleepers:
            self.now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await self._settle()

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def served(timeline: Timeline, rates: RateLimiter, asked: list[int]) -> list[int]:
    """The sessions in the order in which their requests, made in the order of `asked`, may go."""
    order: list[int] = []

    async def go(session: int) -> None:
        await rates.acquire("k", 1, deadline=FOREVER, session=session)
        order.append(session)

    async with asyncio.TaskGroup() as group:
        for session in asked:
            group.create_task(go(session))
            await asyncio.sleep(0)
        await timeline.pass_by()
    return order


def one_at_a_time() -> tuple[Timeline, RateLimiter]:
    timeline = Timeline()
    rates = RateLimiter(clock=timeline, sleep=timeline.sleep)
    rates.preset("k", [Quota("requests", 1, 60)])
    return timeline, rates


async def test_a_session_with_much_to_ask_does_not_hold_up_another() -> None:
    timeline, rates = one_at_a_time()
    await rates.acquire("k", 1, deadline=FOREVER)
    order = await served(timeline, rates, [1] * 50 + [2])
    assert order == [1, 2] + [1] * 49


async def test_sessions_take_turns() -> None:
    timeline, rates = one_at_a_time()
    await rates.acquire("k", 1, deadline=FOREVER)
    assert await served(timeline, rates, [1, 1, 1, 2, 3, 3]) == [1, 2, 3, 1, 3, 1]
    assert timeline.now == pytest.approx(1000 + 6 * 60)


async def test_one_whose_turn_comes_too_late_for_others_is_told() -> None:
    timeline, rates = one_at_a_time()
    await rates.acquire("k", 1, deadline=FOREVER)
    ended: list[str] = []

    async def go(session: int, deadline: float) -> None:
        try:
            await rates.acquire("k", 1, deadline=deadline, session=session)
            ended.append(f"{session} went at {timeline.now - 1000:.0f}")
        except ProviderError as e:
            ended.append(f"{session} {e.category}")

    async with asyncio.TaskGroup() as group:
        for session, deadline in ((1, FOREVER), (1, timeline.now + 130), (2, FOREVER)):
            group.create_task(go(session, deadline))
            await asyncio.sleep(0)
        await timeline.pass_by()
    assert ended == ["1 went at 60", "2 went at 120", "1 rate_limited"]
    assert timeline.now == pytest.approx(1120)


async def test_the_place_of_one_who_leaves_goes_to_the_next() -> None:
    timeline, rates = one_at_a_time()
    await rates.acquire("k", 1, deadline=FOREVER)
    asked = [asyncio.create_task(rates.acquire("k", 1, deadline=FOREVER, session=n)) for n in range(20)]
    await asyncio.sleep(0)
    for task in asked[:19]:
        task.cancel()
    await asyncio.wait(asked[:19])
    await timeline.pass_by()
    assert asked[19].done()
    assert timeline.now == pytest.approx(1060)


async def test_one_more_who_waits_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, one who comes or leaves looks at the limits a few times."""
    rates, looks = RateLimiter(clock=lambda: 1000.0), 0
    rates.preset("k", [PER_MINUTE, Quota("tokens", 10**6, 60)])
    earliest = limits_of._Budget.earliest  # pyright: ignore[reportPrivateUsage]

    def counted(budget: object, at: float, amount: float) -> float:
        nonlocal looks
        looks += 1
        return earliest(budget, at, amount)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(limits_of._Budget, "earliest", counted)  # pyright: ignore[reportPrivateUsage]
    asked = [asyncio.create_task(rates.acquire("k", 1, deadline=FOREVER, session=n)) for n in range(300)]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    assert looks <= 10 * len(asked)
    account = rates._accounts["k"]  # pyright: ignore[reportPrivateUsage]
    assert (account.rounds, account.sessions, account.count) == ({}, {}, 0)


async def test_use_by_others_takes_little_room(clock: Clock) -> None:
    rates = limiter(clock)
    for left in range(900, 0, -3):
        rates.learn("k", limits(requests=1000, Requests=left))
        clock.now += 0.01
    (budget,) = rates._accounts["k"].budgets  # pyright: ignore[reportPrivateUsage]
    assert len(budget.taken) <= 2 * limits_of.GRAIN
    assert budget.used == pytest.approx(997)


async def test_many_who_wait_are_told_at_once_that_it_takes_too_long() -> None:
    timeline, rates = one_at_a_time()
    await rates.acquire("k", 10, deadline=FOREVER)
    asked = [asyncio.create_task(rates.acquire("k", 10, deadline=FOREVER, session=n)) for n in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(ProviderError) as caught:
        await rates.acquire("k", 10, deadline=timeline.now + 350, session=9)
    assert caught.value.retry_after == pytest.approx(360)
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)


async def test_no_platform_stops_us_for_long(clock: Clock) -> None:
    rates = limiter(clock)
    rates.exhausted("k", "requests", 86_400)
    assert await times(rates, clock, 1) == [1000 + LONGEST]


async def test_keys_that_count_no_more_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_of, "KEYS", 3)
    rates = limiter(clock)
    rates.preset("kept", [PER_DAY])
    for number in range(20):
        rates.learn(f"k{number}", limits(requests=5))
        await rates.acquire(f"k{number}", 1, deadline=FOREVER)
        clock.now += 100
    accounts = rates._accounts  # pyright: ignore[reportPrivateUsage]
    assert len(accounts) <= 3
    assert {"kept", "k19"} <= set(accounts)
