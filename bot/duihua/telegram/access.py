"""Who may talk to the bots."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable

AGAIN = 3_600.0
"""Seconds until a stranger is told once more that the bot is closed."""
MANY, MINUTE = 20, 60.0
"""So many strangers are told in a minute, at most: hints must not use up what the bot may send."""


class Hush:
    """Says each thing once in a while, and few things in all.

    Args:
        again: seconds until the same is said once more.
        many: said in a minute, at most.
        clock: seconds, of any origin.
    """

    def __init__(
        self, again: float = AGAIN, many: int = MANY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._again, self._many, self._clock = again, many, clock
        self._said: OrderedDict[Hashable, float] = OrderedDict()

    def may(self, what: Hashable) -> bool:
        """Whether to say it now; then it counts as said."""
        now = self._clock()
        while self._said and next(iter(self._said.values())) <= now - self._again:
            self._said.popitem(last=False)
        if what in self._said:
            return False
        lately = 0
        for at in reversed(self._said.values()):
            if at <= now - MINUTE or lately >= self._many:
                break
            lately += 1
        if lately >= self._many:
            return False
        self._said[what] = now
        return True


class Door:
    """Closed: only its owners may talk. Open: everybody may."""

    def __init__(self, owners: Collection[int], *, open: bool = False) -> None:
        self._owners, self._open = frozenset(owners), open

    def admits(self, person: int) -> bool:
        """Whether the user with this id may talk."""
        return self._open or person in self._owners
