"""Decoded segments, kept in the process, and searched there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

from duihua.memories import Matches
from duihua_storage.segments import Segment, search
from duihua_storage.shelf import Shelves

LIMIT = 32 << 20
"""Bytes of segments, with all that they keep, and of the shelves on which they stand."""


class _Owned:
    """What is kept of an owner."""

    __slots__ = ("counted", "lock", "searched", "segments", "shelves")

    def __init__(self) -> None:
        self.segments: dict[int, Segment] = {}
        self.searched = False
        self.shelves = Shelves()
        self.counted = 0  # bytes of the shelves
        self.lock = threading.Lock()  # of the shelves


class SegmentCache:
    """Segments of one database by their owners, for all threads.

    The owners who did not search for the longest time go. What an owner has no more, because it was merged or
    erased, goes with the next search.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._owners: OrderedDict[int, _Owned] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, owner: int, ids: Collection[int]) -> dict[int, Segment]:
        """Those of `ids`, which are all that the owner has, that are here."""
        with self._lock:
            owned = self._owners.pop(owner, None)
            if owned is None:
                return {}
            known = owned.segments
            for id_ in known.keys() - set(ids):
                self._size -= known.pop(id_).size
            if known:
                self._owners[owner] = owned
            else:
                self._size -= owned.counted
            return known.copy()

    def put(self, owner: int, found: Mapping[int, Segment]) -> None:
        """Keeps segments. They must be committed: the id of one that is not can still become another's."""
        with self._lock:
            owned = self._owners[owner] = self._owners.pop(owner, None) or _Owned()
            for id_, segment in found.items():
                if id_ not in owned.segments:
                    owned.segments[id_] = segment
                    self._size += segment.size
            self._make_room()

    def search(
        self,
        owner: int,
        segments: Mapping[int, Segment],
        terms: Sequence[str],
        rows: int,
        between: tuple[int, int] | None,
    ) -> Matches:
        """Searches these segments, which are all that the owner has: see `MemoryStore.match`.

        They are put on shelves by the second search: many owners search once, and then not for a long time.
        """
        with self._lock:
            owned = self._owners.get(owner)
            again = owned is not None and owned.searched
            if owned is not None:
                owned.searched = True
        if owned is None or not again:
            return search(list(segments.values()), terms, rows, between)
        with owned.lock:
            matches = search(owned.shelves.arranged(segments), terms, rows, between)
            size = owned.shelves.size
        with self._lock:
            if self._owners.get(owner) is owned:
                self._size += size - owned.counted
                owned.counted = size
                self._make_room()
        return matches

    def clear(self) -> None:
        """Forgets them all."""
        with self._lock:
            self._owners.clear()
            self._size = 0

    def _make_room(self) -> None:
        while self._size > self._limit:
            _, gone = self._owners.popitem(last=False)
            self._size -= gone.counted + sum(segment.size for segment in gone.segments.values())
