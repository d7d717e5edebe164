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
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress, count, islice, repeat
from operator import ne
from typing import Literal, Protocol

from duihua.memories import Document, Found, Matches, Place

CAPACITY = 1 << 12
"""Documents that a segment can hold."""
OBJECTS = 1_500
"""Bytes of a segment without its numbers, about."""
_CODES: tuple[Literal["q", "I", "H"], ...] = ("q", "q", "I", "I", "I", "H", "I", "I", "H")
_NOTHING = array("I"), array("I"), array("H")
_COUNTS = struct.Struct("<4I")
_LENGTH = (1 << 31) - 1
_MOST = 16  # a count that is larger is taken for this


class Part(Protocol):
    """What is searched: documents in the order of their time, and then of their places."""

    @property
    def at(self) -> array[int]:
        """When each was said."""
        ...

    @property
    def sessions(self) -> array[int]:
        """Where each was said."""
        ...

    @property
    def seqs(self) -> array[int]:
        """Which turn each is."""
        ...

    @property
    def lengths(self) -> array[int]:
        """How many terms each has; the highest bit: it tells something."""
        ...

    @property
    def length(self) -> int:
        """Their lengths together."""
        ...

    def __len__(self) -> int: ...

    def find(self, runs: Mapping[int, list[Run]]) -> None:
        """Adds its postings of hashed terms to each one's runs."""
        ...


Run = tuple[Part, Sequence[int], int, int]
"""Postings of a part, from one place to before another."""


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

    def __len__(self) -> int:
        return len(self.at)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        s = self
        large = (s.at, s.sessions), (s.seqs, s.lengths, s.singles, s.shared, s.ends), (s.lone, s.postings)
        return OBJECTS + sum(
            width * sum(map(len, some)) for width, some in zip((8, 4, 2), large, strict=True)
        )

    def places(self) -> Iterator[Place]:
        """Where each document was said."""
        return zip(self.sessions, self.seqs, strict=True)

    def find(self, runs: Mapping[int, list[Run]]) -> None:
        """Adds its postings of hashed terms to each one's runs."""
        singles, shared, ends = self.singles, self.shared, self.ends
        many, several = len(singles), len(shared)
        if len(self.at) == 1:  # its terms are in no order
            for term in runs.keys() & set(singles):
                i = singles.index(term)
                runs[term].append((self, self.lone, i, i + 1))
            return
        for term, those in runs.items():
            i = bisect_left(shared, term)
            if i < several and shared[i] == term:
                those.append((self, self.postings, ends[i - 1] if i else 0, ends[i]))
                continue
            i = bisect_left(singles, term)
            if i < many and singles[i] == term:
                those.append((self, self.lone, i, i + 1))

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
    parts: Sequence[Part], terms: Sequence[str], rows: int, between: tuple[int, int] | None
) -> Matches:
    """The documents that hold the terms: see `MemoryStore.match`.

    Terms are taken from the rarest one on while they come to `rows` postings in all. If the rarest has more
    than that, and of documents that only their time asks for, the newest are taken.
    """
    names = list(map(hashed, terms))
    runs_of: dict[int, list[Run]] = {name: [] for name in names}
    for part in parts:
        part.find(runs_of)
    holding = {name: _postings(runs) for name, runs in runs_of.items()}
    sizes = holding  # of those postings that may be wanted
    if between:
        runs_of = {name: list(_between(runs, *between)) for name, runs in runs_of.items()}
        sizes = {name: _postings(runs) for name, runs in runs_of.items()}
    held = [(sizes[name], i, runs_of[name]) for i, name in enumerate(names) if sizes[name]]
    if between and not terms:
        every: list[Run] = [(part, range(0, len(part) << 4, 16), 0, len(part)) for part in parts]
        every = list(_between(every, *between))
        held.append((_postings(every), -1, every))
    held_by: dict[Part, dict[int, int]] = defaultdict(dict)  # terms as bits, by the document's number
    often: dict[tuple[Part, int], dict[int, int]] = {}
    left = rows
    for size, i, runs in sorted(held, key=lambda one: one[:2]):
        if size > left < rows:
            break
        left -= size
        bit = 1 << i if i >= 0 else 0
        for part, postings, start, end in _newest(runs, rows) if size > rows else runs:
            documents = held_by[part]
            for posting in postings[start:end]:
                number = posting >> 4
                documents[number] = documents.get(number, 0) | bit
                if posting & 15 and bit:
                    often.setdefault((part, number), {})[i] = (posting & 15) + 1
    found: dict[Place, Found] = {}
    for part, documents in held_by.items():
        at, sessions, seqs, lengths = part.at, part.sessions, part.seqs, part.lengths
        for number, bits in documents.items():
            length = lengths[number]
            counts = often.get((part, number), _ONCE) if often else _ONCE
            found[sessions[number], seqs[number]] = _found(
                (at[number], length & _LENGTH, bits, counts, length > _LENGTH)
            )
    return Matches(
        sum(map(len, parts)),
        sum([part.length for part in parts]),
        [holding[name] for name in names],
        found,
    )


def _postings(runs: list[Run]) -> int:
    return sum([end - start for _, _, start, end in runs])


def _between(runs: list[Run], since: int, until: int) -> Iterator[Run]:
    """Of the runs what was said in a span of time."""
    for part, postings, start, end in runs:
        first, last = bisect_left(part.at, since), bisect_left(part.at, until)
        start = bisect_left(postings, first << 4, start, end)
        end = bisect_left(postings, last << 4, start, end)
        if start < end:
            yield part, postings, start, end


_ONCE: Mapping[int, int] = {}
_found: Callable[[tuple[int, int, int, Mapping[int, int], bool]], Found] = partial(tuple.__new__, Found)  # pyright: ignore[reportUnknownMemberType] (of any tuple)
"""A named tuple of a tuple: its own constructor takes three times as long, and each hit needs one."""


def _newest(runs: list[Run], rows: int) -> list[Run]:
    """The postings of the newest documents, `rows` of them at most."""

    def when(run: Run) -> int:
        part, postings, _, end = run
        return part.at[postings[end - 1] >> 4]

    pool: list[tuple[int, int, int, int, int]] = []
    for nth, run in sorted(enumerate(runs), key=lambda one: when(one[1]), reverse=True):
        if len(pool) >= rows and (not pool or when(run) < pool[-1][0]):
            break  # and so are all that follow
        part, postings, start, end = run
        for posting in postings[max(start, end - rows) : end]:
            n = posting >> 4
            pool.append((part.at[n], part.sessions[n], part.seqs[n], nth, posting))
        pool.sort(reverse=True)
        del pool[rows:]
    return [(runs[nth][0], (posting,), 0, 1) for *_, nth, posting in pool]
