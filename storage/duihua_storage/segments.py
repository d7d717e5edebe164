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

with the terms in order, but those of a single document in any: each turn is written as one, and soon merged.
Most terms of natural text stand in one document of a segment: they take six bytes.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, compress, count, islice, repeat
from operator import ne
from typing import Literal

from duihua.memories import Document, Found, Matches, Place

CAPACITY = 1 << 12
"""Documents that a segment can hold."""
SMALL = 32
"""Documents up to which the places of all a segment's terms are kept: they take ten times the bytes."""
LATELY = 1_024
"""Terms of which a segment keeps where their postings stand, at most."""
PART = 32
"""And at most this part of the terms that it holds (1/32), or it would keep more than it is."""
KEPT, OBJECTS = 120, 1_500
"""Bytes of a term's place that is kept, and of a segment without its numbers, about."""
_Run = tuple[int, Sequence[int], int, int]
"""Postings of the nth segment, from one place to before another."""
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
    found: dict[int, int] = field(default_factory=dict[int, int])
    """Where terms stand, as `_place` tells: all of a small segment, of another what was asked for lately."""

    def __len__(self) -> int:
        return len(self.at)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, at most and about: its arrays, and what it keeps of them."""
        s, distinct = self, len(self.singles) + len(self.shared)
        large = (s.at, s.sessions), (s.seqs, s.lengths, s.singles, s.shared, s.ends), (s.lone, s.postings)
        arrays = sum(width * sum(map(len, some)) for width, some in zip((8, 4, 2), large, strict=True))
        kept = distinct if len(s) <= SMALL else self._lately
        return OBJECTS + arrays + KEPT * kept

    @property
    def _lately(self) -> int:
        return min(LATELY, 1 + (len(self.singles) + len(self.shared)) // PART)

    def places(self) -> Iterator[Place]:
        """Where each document was said."""
        return zip(self.sessions, self.seqs, strict=True)

    def find(self, nth: int, runs: Mapping[int, list[_Run]]) -> None:
        """Adds its postings of hashed terms to each one's runs; it is the `nth` of those that are searched.

        Where they stand is kept: of many small segments most hold none of a question's terms, people come
        back to the same words, and a look into large arrays misses the caches.
        """
        found, singles, wanted = self.found, len(self.singles), runs.keys()
        if len(self.at) <= SMALL:
            if not found:
                found.update(zip(chain(self.singles, self.shared), count()))
            wanted = wanted & found.keys()
        for term in wanted:
            place = found.get(term)
            if place is None:
                place = self._looked_up(term)
            if place >= singles:
                end = place - singles
                start = self.ends[end - 1] if end else 0
                runs[term].append((nth, self.postings, start, self.ends[end]))
            elif place >= 0:
                runs[term].append((nth, self.lone, place, place + 1))

    def _looked_up(self, term: int) -> int:
        """A term's number among those of one document and then those of several; -1: it is not held."""
        place = -1
        for names, before in ((self.shared, len(self.singles)), (self.singles, 0)):
            i = bisect_left(names, term)
            if i < len(names) and names[i] == term:
                place = before + i
        if len(self.found) >= self._lately:
            self.found.clear()
        self.found[term] = place
        return place

    def between(self, start: int, end: int) -> tuple[int, int]:
        """The documents of a span of time: the number of the first one, and of the one after the last."""
        return bisect_left(self.at, start), bisect_left(self.at, end)

    def terms(self) -> Iterator[int]:
        """The term of every posting: of `lone`, then of `postings`."""
        counts = map(int.__sub__, self.ends, chain((0,), self.ends))
        return chain(self.singles, chain.from_iterable(map(repeat, self.shared, counts)))


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
    terms, postings = array("I"), array("H")
    for number, head in enumerate(heads):
        low = number << 4
        names, counts = _counted(head[4])
        terms.extend(names)
        postings.extend([low | (n - 1 if 0 < n < _MOST else _MOST - 1) for n in counts])
    columns = _columns([head[:4] for head in heads])
    if len(heads) == 1:
        return _segment(*columns, terms, postings, *_NOTHING)
    return _segment(*columns, *_parted(*_sorted(terms, postings)))


def _counted(terms: Mapping[str, int]) -> tuple[Collection[int], Collection[int]]:
    """The hashed terms, each once, and how often each stands there."""
    try:
        names = list(map(zlib.crc32, map(str.encode, terms)))
    except UnicodeEncodeError:  # half of a surrogate pair
        names = list(map(hashed, terms))
    if len(set(names)) == len(names):
        return names, terms.values()
    counts = dict.fromkeys(names, 0)  # terms that share their number share their posting
    for name, often in zip(names, terms.values(), strict=True):
        counts[name] += often
    return counts.keys(), counts.values()


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
    terms, postings = array("I"), array("H")
    for s, renumbered in zip(segments, numbers, strict=True):
        new = [number | count for number in renumbered for count in range(_MOST)]  # -1 stays -1
        found = map(new.__getitem__, chain(s.lone, s.postings))
        if -1 not in renumbered:
            terms.extend(s.terms())
            postings.extend(found)
            continue
        for term, posting in zip(s.terms(), found, strict=True):
            if posting >= 0:
                terms.append(term)
                postings.append(posting)
    return _segment(*_columns([head[:4] for head in heads]), *_parted(*_sorted(terms, postings)))


_POSTING, _LOW, _HIGH, _TOP = (0, 1, 2, 3) if sys.byteorder == "little" else (3, 2, 1, 0)
"""Where a double from 2**52 on has, in units of 16 bits, a posting, its term's halves, and the exponent."""
_EXPONENT = array("H", (0x4330,))


def _sorted(terms: array[int], postings: array[int]) -> tuple[array[int], array[int]]:
    """Postings by their terms, those of a term by their numbers.

    They are sorted as floating-point numbers from 2**52 on, whose lowest 48 bits they are: Python compares
    these much faster than integers of that size, and arrays take them apart without a loop.
    """
    halves, parts = array("H", terms.tobytes()), array("H", bytes(8 * len(terms)))
    parts[_POSTING::4], parts[_TOP::4] = postings, _EXPONENT * len(terms)
    parts[_LOW::4], parts[_HIGH::4] = halves[_LOW - 1 :: 2], halves[_HIGH - 1 :: 2]
    keys = array("d", parts.tobytes()).tolist()
    keys.sort()
    parts = array("H", array("d", keys).tobytes())
    halves[_LOW - 1 :: 2], halves[_HIGH - 1 :: 2] = parts[_LOW::4], parts[_HIGH::4]
    return array("I", halves.tobytes()), parts[_POSTING::4]


def _parted(terms: array[int], postings: array[int]) -> Iterator[array[int]]:
    """The last five arrays of a segment, of sorted postings with their terms.

    Which of them are the last of their term, the only one and so on are masks of a byte each; most are made
    of others as numbers, for a loop over so many would be what a merge costs.
    """
    size, names = len(terms), terms.tolist()
    last = int.from_bytes(bytes(map(ne, names, chain(islice(names, 1, None), (-1,)))), "little")
    first = (last << 8 | 1) & ((1 << 8 * size) - 1)
    lone, final = last & first, last & ~first
    alone, ending, others = (
        mask.to_bytes(size, "little") for mask in (lone, final, lone ^ int.from_bytes(b"\1" * size))
    )
    yield array("I", list(compress(names, alone)))
    yield array("H", list(compress(postings, alone)))
    yield array("I", list(compress(names, ending)))
    yield array("I", list(compress(count(1), compress(ending, others))))
    yield array("H", list(compress(postings, others)))


def _columns(heads: Sequence[_Head]) -> Iterator[array[int]]:
    return (array(code, [head[i] for head in heads]) for i, code in enumerate(_CODES[:4]))


def _segment(*arrays: array[int]) -> Segment:
    return Segment(*arrays, length=sum(map(_LENGTH.__and__, arrays[3])))


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


def search(
    segments: Sequence[Segment], terms: Sequence[str], rows: int, between: tuple[int, int] | None
) -> Matches:
    """The documents that hold the terms: see `MemoryStore.match`.

    Terms are taken from the rarest one on while they come to `rows` postings in all. If the rarest has more
    than that, and of documents that only their time asks for, the newest are taken.
    """
    names = list(map(hashed, terms))
    runs_of: dict[int, list[_Run]] = {name: [] for name in names}
    for nth, segment in enumerate(segments):
        segment.find(nth, runs_of)
    holding = {name: _postings(runs) for name, runs in runs_of.items()}
    sizes = holding  # of those postings that may be wanted
    if between:
        runs_of = {name: list(_between(segments, runs, *between)) for name, runs in runs_of.items()}
        sizes = {name: _postings(runs) for name, runs in runs_of.items()}
    held = [(sizes[name], i, runs_of[name]) for i, name in enumerate(names) if sizes[name]]
    if between and not terms:
        spans = [segment.between(*between) for segment in segments]
        everything: list[_Run] = [(i, range(0, b << 4, 16), a, b) for i, (a, b) in enumerate(spans) if a < b]
        held.append((sum(b - a for a, b in spans), -1, everything))
    held_by: list[dict[int, int]] = [{} for _ in segments]  # terms as bits, by the document's number
    often: dict[tuple[int, int], dict[int, int]] = {}
    left = rows
    for size, i, runs in sorted(held, key=lambda one: one[:2]):
        if size > left < rows:
            break
        left -= size
        bit = 1 << i if i >= 0 else 0
        for nth, postings, start, end in _newest(segments, runs, rows) if size > rows else runs:
            documents = held_by[nth]
            for posting in postings[start:end]:
                number = posting >> 4
                documents[number] = documents.get(number, 0) | bit
                if posting & 15 and bit:
                    often.setdefault((nth, number), {})[i] = (posting & 15) + 1
    found: dict[Place, Found] = {}
    for nth, (s, documents) in enumerate(zip(segments, held_by, strict=True)):
        for number, bits in documents.items():
            length = s.lengths[number]
            found[s.sessions[number], s.seqs[number]] = _found(
                (
                    s.at[number],
                    length & _LENGTH,
                    bits,
                    often.get((nth, number), _ONCE) if often else _ONCE,
                    length > _LENGTH,
                )
            )
    return Matches(
        sum([len(s.at) for s in segments]),
        sum([s.length for s in segments]),
        [holding[name] for name in names],
        found,
    )


def _postings(runs: list[_Run]) -> int:
    return sum([end - start for _, _, start, end in runs])


def _between(segments: Sequence[Segment], runs: list[_Run], since: int, until: int) -> Iterator[_Run]:
    """Of the runs what was said in a span of time."""
    for nth, postings, start, end in runs:
        first, last = segments[nth].between(since, until)
        start = bisect_left(postings, first << 4, start, end)
        end = bisect_left(postings, last << 4, start, end)
        if start < end:
            yield nth, postings, start, end


_ONCE: Mapping[int, int] = {}
_found: Callable[[tuple[int, int, int, Mapping[int, int], bool]], Found] = partial(tuple.__new__, Found)  # pyright: ignore[reportUnknownMemberType] (of any tuple)
"""A named tuple of a tuple: its own constructor takes three times as long, and each hit needs one."""


def _newest(segments: Sequence[Segment], runs: list[_Run], rows: int) -> list[_Run]:
    """The postings of the newest documents, `rows` of them at most."""

    def when(run: _Run) -> int:
        nth, postings, _, end = run
        return segments[nth].at[postings[end - 1] >> 4]

    pool: list[tuple[int, int, int, int, int]] = []
    for run in sorted(runs, key=when, reverse=True):
        if len(pool) >= rows and (not pool or when(run) < pool[-1][0]):
            break  # and so are all that follow
        nth, postings, start, end = run
        s = segments[nth]
        for posting in postings[max(start, end - rows) : end]:
            n = posting >> 4
            pool.append((s.at[n], s.sessions[n], s.seqs[n], nth, posting))
        pool.sort(reverse=True)
        del pool[rows:]
    return [(nth, (posting,), 0, 1) for *_, nth, posting in pool]
