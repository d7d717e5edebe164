"""The recent turns of the sessions at work, kept in memory so that a plain turn reads nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from sys import getsizeof

from duihua.messages import FileText, Quote, Text, Thinking, Turn, TurnRef
from duihua.ports import Fence, Store

LIMIT = 8 << 20
"""Bytes of turns with what was made of them for requests, about. What is not here costs a turn 1-2 ms."""
EACH = 2_000
"""Bytes of a turn without any text: its objects, and those of its messages."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The path to `head`, oldest first, as far as the window goes; `sizes`: of each turn, in bytes."""

    generation: int
    head: int
    turns: tuple[Turn, ...]
    sizes: tuple[int, ...]


class History:
    """A bounded cache over `Store.path`. It is right by its key: generation and head of the session.

    Another process that adds a turn moves the head, one that erases raises the generation: both miss here.
    What was not used for the longest time goes when all together take more than `limit` bytes: sessions
    differ a thousandfold, as windows do.
    """

    def __init__(self, store: Store, limit: int = LIMIT) -> None:
        self._store, self._limit = store, limit
        self._recent: OrderedDict[int, Recent] = OrderedDict()
        self._size = 0

    async def before(self, fence: Fence, parent: int, *, since: int, limit: int) -> tuple[Turn, ...]:
        """The turns on the path of `parent`, oldest first."""
        if parent == 0:
            return ()
        recent = self._recent.get(fence.ref.session)
        if recent and recent.head == parent and recent.generation == fence.generation:
            self._recent.move_to_end(fence.ref.session)
            return recent.turns
        return tuple(await self._store.path(fence.ref.session, parent, since=since, limit=limit))

    def append(self, fence: Fence, past: Sequence[Turn], turn: Turn, *, since: int) -> None:
        """Remembers the path with the turn that has just ended; turns before `since` have left the window."""
        kept = tuple(past[bisect_left(past, since, key=lambda earlier: earlier.ref.seq) :])
        session = fence.ref.session
        sizes = (*_sizes(kept, self._taken(session)), size(turn))
        total = sum(sizes)
        if total > self._limit:
            return
        self._recent[session] = Recent(fence.generation, turn.ref.seq, (*kept, turn), sizes)
        self._size += total
        while self._size > self._limit:
            self._taken(next(iter(self._recent)))

    def drop(self, ref: TurnRef) -> None:
        """Forgets a session."""
        self._taken(ref.session)

    def _taken(self, session: int) -> Recent | None:
        """What was kept of a session, which is not any more."""
        recent = self._recent.pop(session, None)
        if recent is not None:
            self._size -= sum(recent.sizes)
        return recent


def size(turn: Turn) -> int:
    """Bytes that a turn takes in memory, about: each text stands there as itself, and in a message."""
    told = [part.text for part in turn.input if isinstance(part, Text | FileText | Quote)]
    for step in turn.steps:
        told += [part.text for part in step.parts if isinstance(part, Text | Thinking)]
        for call in step.calls:
            told += (call.arguments, call.result)
    return EACH + 2 * sum(map(getsizeof, told))


def _sizes(turns: tuple[Turn, ...], known: Recent | None) -> tuple[int, ...]:
    """The sizes of turns; those at the end of a path whose sizes are known are not measured again."""
    if known is not None and turns:
        first = len(known.turns) - len(turns)
        if first >= 0 and known.turns[first:] == turns:
            return known.sizes[first:]
    return tuple(map(size, turns))
