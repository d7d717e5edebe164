"""Decoded segments, kept in the process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping

from duihua_storage.segments import Segment

LIMIT = 32 << 20
"""Bytes of segments, with all that they keep."""


class SegmentCache:
    """Segments of one database by their owners, for all threads.

    The owners who did not search for the longest time go. What an owner has no more, because it was merged or
    erased, goes with the next search.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._owners: OrderedDict[int, dict[int, Segment]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, owner: int, ids: Collection[int]) -> dict[int, Segment]:
        """Those of `ids`, which are all that the owner has, that are here."""
        with self._lock:
            known = self._owners.pop(owner, {})
            for id_ in known.keys() - set(ids):
                self._size -= known.pop(id_).size
            if known:
                self._owners[owner] = known
            return known.copy()

    def put(self, owner: int, found: Mapping[int, Segment]) -> None:
        """Keeps segments. They must be committed: the id of one that is not can still become another's."""
        with self._lock:
            known = self._owners[owner] = self._owners.pop(owner, {})
            for id_, segment in found.items():
                if id_ not in known:
                    known[id_] = segment
                    self._size += segment.size
            while self._size > self._limit:
                _, gone = self._owners.popitem(last=False)
                self._size -= sum(segment.size for segment in gone.values())

    def clear(self) -> None:
        """Forgets them all."""
        with self._lock:
            self._owners.clear()
            self._size = 0
