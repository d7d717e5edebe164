"""Segments: blocks of documents with an inverted index of their terms, packed into bytes.

A term is known by the CRC-32 of its UTF-8 form; a posting has 16 bits: the document's number in its segment
(12 bits) and how often the term stands in it (4 bits: 1 to 16). Documents are numbered by their time: the
newest come last, and a span of time is a span of numbers. All numbers are little-endian; a body is

    documents, singles, shared, postings    four counts of 32 bits
    at, sessions                            64 bits for each document: when it was said, and where
    seqs, lengths                           32 bits for each document: which turn, and its terms in all
                                            (the highest bit of these: it tells something)
    singles, lone                           32 + 16 bits: terms that one document holds, and their posting
    shared, ends                            32 + 32 bits: terms that several hold, and their postings' end
    postings                                16 bits each, of the shared terms one after the other

with the terms in order. Most terms of natural text stand in one document of a segment: they take six bytes.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import accumulate, chain, compress, islice, repeat
from operator import gt, ne, not_
from typing import Literal, NamedTuple

from duihua.memories import Document, Found, Matches, Place

CAPACITY = 1 << 12
"""Documents that a segment can hold."""
SMALL = 32
"""Documents up to which the terms of a segment are kept as a set: it takes ten times the bytes."""
LATELY = 1_024
"""Terms of which a segment keeps where their postings stand."""
Run = tuple["array[int]", int, int]
_CODES: tuple[Literal["q", "I", "H"], ...] = ("q", "q", "I", "I", "I", "H", "I", "I", "H")
_NOTHING = array("I"), array("I"), array("H")
_COUNTS = struct.Struct("<4I")
_LENGTH = (1 << 31) - 1
_MOST = 16  # a count that is larger is taken for this


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A segment that can be searched: the arrays described above."""

    at: array[int]
    sessions: array[int]
    seqs: array[int]
    lengths: array[int]
    singles: array[int]
    lone: array[int]
    shared: array[int]
    ends: array[int]
    postings: array[int]
    length: int  # sum of `lengths`
    size: int  # bytes
    names: set[int] = field(default_factory=set[int])  # the terms of a small segment that was searched
    found: dict[int, Run | None] = field(default_factory=dict[int, "Run | None"])  # what was asked for lately

    def __len__(self) -> int:
        return len(self.at)

    def places(self) -> Iterator[Place]:
        """Where each document was said."""
        return zip(self.sessions, self.seqs, strict=True)

    def held(self, wanted: Set[int]) -> Set[int]:
        """Those of the hashed terms that it may hold: of many small segments most hold none."""
        if len(self) > SMALL:
            return wanted
        if not self.names:
            self.names.update(self.singles, self.shared)
        return wanted & self.names

    def find(self, term: int) -> Run | None:
        """The postings of a hashed term: where they stand, from one place to before another.

        Kept, for people come back to the same words, and a look into large arrays misses the caches.
        """
        try:
            return self.found[term]
        except KeyError:
            if len(self.found) >= LATELY:
                self.found.clear()
            run = self.found[term] = self._find(term)
            return run

    def _find(self, term: int) -> Run | None:
        names = self.shared
        i = bisect_left(names, term)
        if i < len(names) and names[i] == term:
            return self.postings, self.ends[i - 1] if i else 0, self.ends[i]
        names = self.singles
        i = bisect_left(names, term)
        if i < len(names) and names[i] == term:
            return self.lone, i, i + 1
        return None

    def between(self, start: int, end: int) -> tuple[int, int]:
        """The documents of a span of time: the number of the first one, and of the one after the last."""
        return bisect_left(self.at, start), bisect_left(self.at, end)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every posting with its term."""
        counts = map(int.__sub__, self.ends, chain((0,), self.ends))
        terms = chain.from_iterable(map(repeat, self.shared, counts))
        return chain(zip(self.singles, self.lone, strict=True), zip(terms, self.postings, strict=True))


def hashed(term: str) -> int:
    """The number by which segments know a term: 32 bits."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


# ---------------------------------------------------------------- making

_Head = tuple[int, int, int, int]  # at, session, seq, length


def build(documents: Iterable[Document]) -> Segment:
    """A segment of `CAPACITY` documents at most, each of another turn."""
    heads = sorted(
        ((d.at, d.ref.session, d.ref.seq, sum(d.terms.values()) | d.tells << 31, d.terms) for d in documents),
        key=lambda head: head[:3],
    )
    if len(heads) == 1:  # as most are made: with each turn, one
        counts = _counts(heads[0][4])
        names = sorted(counts)
        lone = [n - 1 if 0 < n < _MOST else _MOST - 1 for n in map(counts.__getitem__, names)]
        return _segment(*_columns([heads[0][:4]]), array("I", names), array("H", lone), *_NOTHING)
    keys: list[int] = []
    for number, head in enumerate(heads):
        low = number << 4
        counts = _counts(head[4])
        keys += [name << 16 | low | (n - 1 if 0 < n < _MOST else _MOST - 1) for name, n in counts.items()]
    return _packed([head[:4] for head in heads], keys)


def _counts(terms: Mapping[str, int]) -> dict[int, int]:
    try:
        names = list(map(zlib.crc32, map(str.encode, terms)))
    except UnicodeEncodeError:  # half of a surrogate pair
        names = list(map(hashed, terms))
    counts = dict(zip(names, terms.values(), strict=True))
    if len(counts) < len(names):  # terms that share their number share their posting
        counts = dict.fromkeys(names, 0)
        for name, count in zip(names, terms.values(), strict=True):
            counts[name] += count
    return counts


def merge(segments: Sequence[Segment], without: Container[Place] = ()) -> Segment:
    """One segment of the documents of several, `CAPACITY` at most; those of the turns `without` are gone."""
    heads: list[tuple[int, int, int, int, int, int]] = []
    for nth, s in enumerate(segments):
        heads += zip(s.at, s.sessions, s.seqs, s.lengths, repeat(nth), range(len(s)), strict=False)
    if without:
        heads = [head for head in heads if head[1:3] not in without]
    heads.sort()
    numbers = [[-1] * len(s) for s in segments]
    for number, head in enumerate(heads):
        numbers[head[4]][head[5]] = number << 4
    keys: list[int] = []
    for s, renumbered in zip(segments, numbers, strict=True):
        new = [number | count for number in renumbered for count in range(_MOST)]  # -1 stays -1
        keys += [term << 16 | new[posting] for term, posting in s.pairs()]
    if without:
        keys = [key for key in keys if key >= 0]
    return _packed([head[:4] for head in heads], keys)


def _packed(heads: Sequence[_Head], keys: list[int]) -> Segment:
    """A segment of documents in order, and their postings in any order, each below its term's 32 bits."""
    keys.sort()
    terms = [key >> 16 for key in keys]
    found = [key & 0xFFFF for key in keys]
    # Lists as long as `keys`, but no loop in Python and nothing that its garbage collector would look at.
    last = list(map(ne, terms, chain(islice(terms, 1, None), (-1,))))  # a posting is the last of its term
    alone = list(map(gt, last, chain((False,), map(not_, last))))  # ... and the only one
    final, others = list(map(gt, last, alone)), list(map(not_, alone))
    lone, postings = (array("H", list(compress(found, those))) for those in (alone, others))
    singles, shared = (array("I", list(compress(terms, those))) for those in (alone, final))
    ends = array("I", list(compress(accumulate(others), final)))
    return _segment(*_columns(heads), singles, lone, shared, ends, postings)


def _columns(heads: Sequence[_Head]) -> Iterator[array[int]]:
    return (array(code, [head[i] for head in heads]) for i, code in enumerate(_CODES[:4]))


def _segment(*arrays: array[int]) -> Segment:
    size = sum(len(column) * column.itemsize for column in arrays)
    return Segment(*arrays, length=sum(map(_LENGTH.__and__, arrays[3])), size=size)


# ---------------------------------------------------------------- bytes


def encode(segment: Segment) -> bytes:
    """The body that is stored."""
    s = segment
    counts = _COUNTS.pack(len(s), len(s.singles), len(s.shared), len(s.postings))
    columns = (s.at, s.sessions, s.seqs, s.lengths, s.singles, s.lone, s.shared, s.ends, s.postings)
    return counts + b"".join(_little(column).tobytes() for column in columns)


def decode(body: bytes) -> Segment:
    """The segment of a stored body."""
    documents, singles, shared, postings = _COUNTS.unpack_from(body)
    sizes = (documents, documents, documents, documents, singles, singles, shared, shared, postings)
    view, start = memoryview(body), _COUNTS.size
    columns: list[array[int]] = []
    for code, size in zip(_CODES, sizes, strict=True):
        column = array(code)
        end = start + size * column.itemsize
        column.frombytes(view[start:end])
        columns.append(_little(column))
        start = end
    return _segment(*columns)


def _little(column: array[int]) -> array[int]:
    """The other order of bytes where numbers are not little-endian: there and back."""
    if sys.byteorder == "little":
        return column
    column = column[:]
    column.byteswap()
    return column


# ---------------------------------------------------------------- searching


class _Run(NamedTuple):
    """Postings of the `nth` segment, from one place to before another."""

    nth: int
    postings: Sequence[int]
    start: int
    end: int


def search(
    segments: Sequence[Segment], terms: Sequence[str], rows: int, between: tuple[int, int] | None
) -> Matches:
    """The documents that hold the terms: see `MemoryStore.match`.

    Terms are taken from the rarest one on while they come to `rows` postings in all. If the rarest has more
    than that, and of documents that only their time asks for, the newest are taken.
    """
    names = list(map(hashed, terms))
    holding = dict.fromkeys(names, 0)
    found_in: dict[int, list[_Run]] = {name: [] for name in names}
    wanted = found_in.keys()
    for nth, segment in enumerate(segments):
        for name in wanted & segment.names if segment.names else segment.held(wanted):
            place = segment.find(name)
            if place is None:
                continue
            postings, start, end = place
            holding[name] += end - start
            if between:
                first, last = segment.between(*between)
                start = bisect_left(postings, first << 4, start, end)
                end = bisect_left(postings, last << 4, start, end)
            if start < end:
                found_in[name].append(_Run(nth, postings, start, end))
    held: list[tuple[int, int, list[_Run]]] = [  # how many postings are wanted, of which term
        (sum(run.end - run.start for run in found_in[name]), i, found_in[name])
        for i, name in enumerate(names)
        if found_in[name]
    ]
    if between and not terms:
        spans = [segment.between(*between) for segment in segments]
        everything = [_Run(i, range(0, b << 4, 16), a, b) for i, (a, b) in enumerate(spans) if a < b]
        held.append((sum(run.end - run.start for run in everything), -1, everything))
    counts = [defaultdict[int, dict[int, int]](dict) for _ in segments]  # of a number's terms
    left = rows
    for wanted, i, runs in sorted(held, key=lambda one: one[:2]):
        if wanted > left < rows:
            break
        left -= wanted
        for nth, postings, start, end in _newest(segments, runs, rows) if wanted > rows else runs:
            documents = counts[nth]
            for posting in postings[start:end]:
                documents[posting >> 4][i] = (posting & 15) + 1
    found = {
        (s.sessions[n], s.seqs[n]): Found(
            s.at[n], s.lengths[n] & _LENGTH, held if terms else {}, s.lengths[n] > _LENGTH
        )
        for s, documents in zip(segments, counts, strict=True)
        for n, held in documents.items()
    }
    return Matches(
        sum(map(len, segments)), sum(s.length for s in segments), [holding[name] for name in names], found
    )


def _newest(segments: Sequence[Segment], runs: list[_Run], rows: int) -> list[_Run]:
    """The postings of the newest documents, `rows` of them at most."""

    def when(run: _Run) -> int:
        return segments[run.nth].at[run.postings[run.end - 1] >> 4]

    pool: list[tuple[int, int, int, int, int]] = []
    for run in sorted(runs, key=when, reverse=True):
        if len(pool) >= rows and (not pool or when(run) < pool[-1][0]):
            break  # and so are all that follow
        s = segments[run.nth]
        for posting in run.postings[max(run.start, run.end - rows) : run.end]:
            n = posting >> 4
            pool.append((s.at[n], s.sessions[n], s.seqs[n], run.nth, posting))
        pool.sort(reverse=True)
        del pool[rows:]
    return [_Run(nth, (posting,), 0, 1) for *_, nth, posting in pool]
