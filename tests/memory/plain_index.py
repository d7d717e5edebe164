"""A memory in plain dictionaries: what recall finds is what stands in them, without any cleverness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from duihua.memories import Choice, Document, Fact, FactBook, Found, Matches, Place
from duihua.memory.asking import tells
from duihua.memory.terms import document_terms, spoken
from duihua.messages import Author, Step, Text, Turn, TurnRef


class PlainIndex:
    """The part of `MemoryStore` that recall asks, for one owner."""

    def __init__(self, *turns: Turn, facts: Sequence[Fact] = ()) -> None:
        self.turns: dict[Place, Turn] = {}
        self.documents: dict[Place, Document] = {}
        self.book = FactBook(1, tuple(facts))
        self.embedded: dict[tuple[Place, str], bytes] = {}
        for turn in turns:
            self.add(turn)

    def add(self, turn: Turn) -> None:
        place = turn.ref.session, turn.ref.seq
        self.turns[place] = turn
        if not turn.off_record:
            self.documents[place] = Document(turn.ref, turn.at, document_terms(turn), tells(spoken(turn)[0]))

    async def match(
        self,
        owner: int,
        terms: Sequence[str],
        *,
        rows: int = 400,
        between: tuple[int, int] | None = None,
        choose: Choice | None = None,
        facts: bool = False,
    ) -> Matches:
        found: dict[Place, Found] = {}
        for place, document in self.documents.items():
            counts = {i: document.terms[term] for i, term in enumerate(terms) if term in document.terms}
            within = between is None or between[0] <= document.at < between[1]
            if within and (counts or not terms):
                found[place] = held(document.at, sum(document.terms.values()), counts, document.tells)
        if not terms:
            found = dict(sorted(found.items(), key=lambda item: (item[1].at, item[0]))[-rows:])
        length = sum(sum(document.terms.values()) for document in self.documents.values())
        holding = Counter(term for document in self.documents.values() for term in document.terms)
        book = self.book if facts else None
        matches = Matches(len(self.documents), length, [holding[term] for term in terms], found, (), book)
        return replace(matches, turns=await self.said(choose(matches))) if choose else matches

    async def facts(self, owner: int, *, superseded: bool = False) -> FactBook:
        return self.book

    async def said(self, refs: Sequence[TurnRef]) -> Sequence[Turn]:
        places = [(ref.session, ref.seq) for ref in refs]
        return [self.turns[place] for place in places if place in self.turns]

    async def vectors(self, refs: Sequence[TurnRef], model: str) -> Mapping[Place, bytes]:
        places = [(ref.session, ref.seq) for ref in refs]
        return {place: self.embedded[place, model] for place in places if (place, model) in self.embedded}

    async def put_vectors(self, owner: int, model: str, given: Mapping[Place, bytes]) -> None:
        self.embedded |= {(place, model): vector for place, vector in given.items()}


def held(at: int, length: int, counts: Mapping[int, int], tells: bool = False) -> Found:
    """A document that was found, of how often each term stands in it."""
    often = {term: count for term, count in counts.items() if count > 1}
    return Found(at, length, sum(1 << term for term in counts), often, tells)


def turn(seq: int, text: str, reply: str = "", *, session: int = 1, name: str = "", **fields: Any) -> Turn:
    """A turn that was said at `at` (ms UTC, by default one turn a minute)."""
    steps = (Step((Text(reply),)),) if reply else ()
    author = Author(7, name) if name else None
    return Turn(
        TurnRef(session, seq), seq - 1, author, (Text(text),), steps, **{"at": seq * 60_000, **fields}
    )
