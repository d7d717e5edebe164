"""Decoded segments, kept in the process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from duihua_storage.segments import Segment

LIMIT = 32 << 20
"""Bytes of segments."""


class SegmentCache:
    """Segments of one database by their ids, for all threads; what was not used for the longest time goes."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._segments: OrderedDict[int, Segment] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ids: Iterable[int]) -> dict[int, Segment]:
        """Those of `ids` that are here."""
        found: dict[int, Segment] = {}
        with self._lock:
            for id_ in ids:
                segment = self._segments.get(id_)
                if segment is not None:
                    self._segments.move_to_end(id_)
                    found[id_] = segment
        return found

    def put(self, found: Mapping[int, Segment]) -> None:
        """Keeps segments. They must be committed: the id of one that is not can still become another's."""
        with self._lock:
            for id_, segment in found.items():
                if id_ not in self._segments:
                    self._segments[id_] = segment
                    self._size += segment.size
            while self._size > self._limit:
                self._size -= self._segments.popitem(last=False)[1].size

    def clear(self) -> None:
        """Forgets them all."""
        with self._lock:
            self._segments.clear()
            self._size = 0
