"""Who may have a skill called, and how often. What a call may reach is the matter of `guard`."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from duihua.messages import Address
from duihua.ports import Skill

REMEMBERED = 10_000
"""Pairs of person and skill whose last calls are remembered."""

Administrator = Callable[[Address, int], Awaitable[bool]]
"""Whether the person with this users.id is an administrator when they speak there; see `access`."""


class Gate:
    """Refuses calls before they run; one for all sessions of an engine.

    Args:
        is_admin: who is an administrator.
        clock: seconds that never go back.
    """

    def __init__(self, is_admin: Administrator, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_admin, self._clock = is_admin, clock
        self._calls: OrderedDict[tuple[int, str], deque[float]] = OrderedDict()

    async def barred(self, skill: Skill, address: Address, user: int) -> str:
        """Why this person may not have the skill called at all, for the model; empty: they may."""
        if not skill.admin_only or await self.is_admin(address, user):
            return ""
        return f"{skill.name} is for administrators only, and this user is none: it was not done."

    def too_often(self, skill: Skill, user: int) -> str:
        """Counts a call; why it comes too soon after others of the same person, for the model, or empty."""
        if skill.rate is None:
            return ""
        now, rate = self._clock(), skill.rate
        calls = self._calls.setdefault((user, skill.name), deque())
        self._calls.move_to_end((user, skill.name))
        while len(self._calls) > REMEMBERED:
            self._calls.popitem(last=False)
        while calls and calls[0] <= now - rate.seconds:
            calls.popleft()
        if len(calls) < rate.calls:
            calls.append(now)
            return ""
        wait = max(1, round(calls[0] + rate.seconds - now)) if calls else round(rate.seconds)
        return (
            f"{skill.name} was not called: this user may have it called {rate.calls} times in "
            f"{rate.seconds:g} seconds, and again in {wait} seconds."
        )
