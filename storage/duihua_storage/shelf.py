"""Shelves: an owner's small segments together in memory, so that a question looks at all of them at once.

Most of what was said lately stands in dozens of segments of a few turns each. To look for a term in every one
costs more than all the rest of a search: so they share one dictionary of their terms here, in which their
documents are numbered on. A shelf has the segments of one size. They leave it together, when they are merged
into one of the next size: then it starts anew. So nothing is ever taken out of it, and little put in again.
"""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Mapping
from itertools import chain

from duihua_storage.segments import CAPACITY, Part, Run, Segment

SIZES = [32, 128]
"""Below these sizes a segment stands on the first shelf, or on the second one; a larger one on none.

They fit how segments are merged: those of a weight from the first on are new, and hardly as much as the next.
"""
KEPT, OBJECTS = 130, 1_500
"""Bytes of a term on a shelf, but for its postings, and of a shelf that is empty, about."""


class Shelf:
    """Small segments as one: their columns, and the postings of each term, 16 bits each."""

    __slots__ = ("_count", "_postings", "at", "length", "lengths", "seqs", "sessions")

    def __init__(self) -> None:
        self.at, self.sessions = array("q"), array("q")
        self.seqs, self.lengths = array("I"), array("I")
        self.length = 0
        self._postings: dict[int, bytes] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self.at)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return OBJECTS + 24 * len(self.at) + 2 * self._count + KEPT * len(self._postings)

    def put(self, segment: Segment) -> bool:
        """Adds a segment; False: it is not later than all that is here, or there is no room for it."""
        s, before = segment, len(self.at)
        if before and (before + len(s) > CAPACITY or _head(s, 0) < _head(self, -1)):
            return False
        self.at += s.at
        self.sessions += s.sessions
        self.seqs += s.seqs
        self.lengths += s.lengths
        self.length += s.length
        low, single = before << 4, 2 * len(s.singles)
        postings = array("H", [low + posting for posting in chain(s.lone, s.postings)])
        self._count += len(postings)
        held, start, kept, get = postings.tobytes(), 0, self._postings, self._postings.get
        ends = chain(range(2, single + 2, 2), [single + 2 * end for end in s.ends])
        for term, end in zip(chain(s.singles, s.shared), ends, strict=True):
            kept[term] = get(term, b"") + held[start:end]
            start = end
        return True

    def find(self, runs: Mapping[int, list[Run]]) -> None:
        """Adds its postings of hashed terms to each one's runs."""
        for term in runs.keys() & self._postings.keys():
            postings = memoryview(self._postings[term]).cast("H")
            runs[term].append((self, postings, 0, len(postings)))


class Shelves:
    """What is searched of an owner: shelves, and the segments that stand on none. Not for several threads.

    Attributes:
        size: bytes that the shelves take in memory, about.
    """

    def __init__(self) -> None:
        self._shelves = [Shelf() for _ in SIZES]
        self._where: dict[int, int] = {}  # on which shelf a segment is, by their ids; -1: on none
        self._parts: list[Part] = []
        self.size = 0

    def arranged(self, segments: Mapping[int, Segment]) -> list[Part]:
        """What holds these segments, which are all that the owner has, and nothing else."""
        where, shelves = self._where, self._shelves
        if where.keys() == segments.keys():
            return self._parts
        anew = {where[id_] for id_ in where.keys() - segments.keys()}
        for nth in anew - {-1}:
            shelves[nth] = Shelf()
        for id_ in [id_ for id_, nth in where.items() if nth in anew]:
            del where[id_]
        for id_ in sorted(segments.keys() - where.keys()):
            nth = bisect(SIZES, _size(segments[id_]))
            put = nth < len(shelves) and shelves[nth].put(segments[id_])
            where[id_] = nth if put else -1
        self._parts = [*filter(len, shelves), *(segments[id_] for id_, nth in where.items() if nth < 0)]
        self.size = sum(shelf.size for shelf in shelves)
        return self._parts


def _size(segment: Segment) -> int:
    """What it weighs in the index, or up to twice as much."""
    return len(segment) + (len(segment.lone) + len(segment.postings)) // 256


def _head(part: Part, n: int) -> tuple[int, int, int]:
    return part.at[n], part.sessions[n], part.seqs[n]
