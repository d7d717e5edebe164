"""The recent turns of the sessions at work, kept in memory so that a plain turn reads nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from duihua.messages import Turn, TurnRef
from duihua.ports import Fence, Store


@dataclass(frozen=True, slots=True)
class Recent:
    """The path to `head`, oldest first, as far as the window goes."""

    generation: int
    head: int
    turns: tuple[Turn, ...]


class History:
    """A bounded cache over `Store.path`. It is right by its key: generation and head of the session.

    Another process that adds a turn moves the head, one that erases raises the generation: both miss here.
    """

    def __init__(self, store: Store, size: int = 512) -> None:
        self._store, self._size = store, size
        self._recent: OrderedDict[int, Recent] = OrderedDict()

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
        kept = past[bisect_left(past, since, key=lambda earlier: earlier.ref.seq) :]
        session = fence.ref.session
        self._recent[session] = Recent(fence.generation, turn.ref.seq, (*kept, turn))
        self._recent.move_to_end(session)
        while len(self._recent) > self._size:
            self._recent.popitem(last=False)

    def drop(self, ref: TurnRef) -> None:
        """Forgets a session."""
        self._recent.pop(ref.session, None)
