"""Recall over a store: plans the question, ranks what the index finds, reads the best and quotes them."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from math import hypot
from operator import itemgetter, mul

from duihua.memories import Fact, FactBook, Found, Hit, Matches, MemoryStore, Place
from duihua.memory import asking
from duihua.memory.questions import Question, question
from duihua.memory.quoting import day, quote
from duihua.memory.scoring import REACH, rank, weights
from duihua.memory.terms import spoken
from duihua.messages import Turn, TurnRef

log = logging.getLogger(__name__)

Embed = Callable[[Sequence[str], bool], Awaitable[Sequence[Sequence[float]]]]
"""Texts as vectors; True: they ask, and do not answer."""

BLENDED = 50
"""Turns whose meaning is compared when there is an embedder."""
LEXICAL = 0.75
"""The share of the words in a blended score; the rest is the meaning's."""
EMBEDDED = 1_000
"""Characters of a turn that are embedded."""
SPARE = 6
"""Turns that are read beyond those wanted, for some that are gone or say the same."""
APART = 0.5
"""A neighbour whose score is a larger share of a hit's than this is told as a hit of its own."""
ASKED, UNASKED, REMARKED = 300, 200, 48
"""Terms in documents that are looked at for a search; for a question that is no search; for a remark."""
OF_DAYS = 500
"""Documents that are looked at for their day alone: the newest ones of a longer time."""
EDGE = 50
"""Documents that are looked at when only the first or the last of all is asked for."""


class LexicalRecall:
    """Finds past turns and facts by their words, and with `embed` also by their meaning.

    Args:
        store: where they are.
        timezone: of the people who ask; None: this machine's.
        locale: the language in which a quotation says who spoke (`zh`, else English).
        embed: optional; when it fails, words alone decide.
        model: whose vectors these are: those of another model are not compared with them.
        clock: the time now, ms UTC.
    """

    def __init__(
        self,
        store: MemoryStore,
        *,
        timezone: tzinfo | None = None,
        locale: str = "zh",
        embed: Embed | None = None,
        model: str = "",
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._zone = timezone or datetime.now().astimezone().tzinfo
        self._locale = locale
        self._embed, self._model = embed, model
        self._clock = clock

    async def search(
        self, owner: int, query: str, *, limit: int = 8, before: TurnRef | None = None
    ) -> Sequence[Hit]:
        """The best hits, the best one first: see `Recall.search`."""
        return await self._search(owner, query, limit, before)

    async def unasked(
        self,
        owner: int,
        query: str,
        *,
        limit: int,
        before: TurnRef | None,
        book: FactBook,
        there: Callable[[Fact], bool],
    ) -> Sequence[Hit]:
        """The best hits that are worth telling unasked: see `RecallsUnasked`."""
        floor = asking.least(query)
        return await self._search(owner, query, limit, before, floor, book, there)

    async def _search(
        self,
        owner: int,
        query: str,
        limit: int,
        before: TurnRef | None,
        floor: float = 0.0,
        book: FactBook | None = None,
        there: Callable[[Fact], bool] = lambda fact: False,
    ) -> Sequence[Hit]:
        if limit < 1 or not query.strip():
            return ()
        now = self._clock()
        asked = question(query, now, self._zone, widely=floor != asking.REMARK)
        rows = ASKED if not floor else REMARKED if floor == asking.REMARK else UNASKED
        plan = _Plan(asked, limit, before, floor, book, there, now, self._embed is None)
        if plan.plain and asked.terms and not asked.spans:  # all in one transaction
            lacks = book is None
            matches = await self._store.match(owner, asked.terms, rows=rows, choose=plan.choose, facts=lacks)
        else:
            plan.book = book or await self._store.facts(owner)
            matches, within = await self._look(owner, asked, now, rows)
            ranked = plan.ranked(matches, within)
            if self._embed and ranked:
                ranked = await self._blended(self._embed, owner, query, ranked)
            plan.told(matches, ranked)
        hits = [
            Hit(
                score, f"{day(fact.last_seen, self._zone)} {fact.text}".strip(), fact.last_seen, None, fact.id
            )
            for score, fact in plan.facts
        ]
        hits += await self._quoted(plan, matches)
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    # ------------------------------------------------------------ looking

    async def _look(
        self, owner: int, asked: Question, now: int, rows: int
    ) -> tuple[Matches, Mapping[Place, Found] | None]:
        """What the index knows of the terms, and the documents of the days, if it is asked for days."""
        matches = Matches(0, 0, (), {})
        if asked.terms:
            matches = await self._store.match(owner, asked.terms, rows=rows)
        if asked.spans:
            within: dict[Place, Found] = {}
            for start, end in asked.spans:
                within |= {p: found for p, found in matches.found.items() if start <= found.at < end}
                within |= (await self._store.match(owner, (), rows=OF_DAYS, between=(start, end))).found
            return matches, within
        if asked.order and not asked.terms:
            return await self._edge(owner, now, oldest=asked.order == "oldest"), None
        return matches, None

    async def _edge(self, owner: int, now: int, *, oldest: bool) -> Matches:
        """The first or the last documents of all.

        A store gives the newest of a span: so the first are those before a time that has few before it.
        """
        found = await self._store.match(owner, (), rows=EDGE, between=(0, now + 1))
        low, high = 0, now + 1
        while oldest and len(found.found) >= EDGE and high - low > 1:
            middle = (low + high) // 2
            tried = await self._store.match(owner, (), rows=EDGE, between=(0, middle))
            if tried.found:
                found, high = tried, middle
            else:
                low = middle
        return found

    # ------------------------------------------------------------ meaning

    async def _blended(
        self, embed: Embed, owner: int, query: str, ranked: list[tuple[Place, float]]
    ) -> list[tuple[Place, float]]:
        """The ranking with the meaning of its best turns, or as it is when the embedder fails."""
        try:
            near = await self._nearness(embed, owner, query, [place for place, _ in ranked[:BLENDED]])
        except Exception as e:  # a platform's trouble must not cost the memory
            log.warning("nothing was embedded, words alone decide: %s", type(e).__name__)
            return ranked
        share = (1 - LEXICAL) * ranked[0][1]  # of the best score, as a cosine is of 1
        scores = [
            (place, LEXICAL * score + share * max(near.get(place, 0.0), 0.0)) for place, score in ranked
        ]
        return sorted(scores, key=lambda item: -item[1])

    async def _nearness(
        self, embed: Embed, owner: int, query: str, places: Sequence[Place]
    ) -> dict[Place, float]:
        """The cosine between the question and each turn that says something."""
        refs = [TurnRef(*place) for place in places]
        kept = await self._store.vectors(refs, self._model)
        vectors = {place: _unpacked(vector) for place, vector in kept.items()}
        lacking = [ref for ref in refs if (ref.session, ref.seq) not in vectors]
        turns = [turn for turn in await self._store.said(lacking) if _shown(turn)] if lacking else []
        texts = ["\n".join(filter(None, spoken(turn)))[:EMBEDDED] for turn in turns]
        asking = embed([query[:EMBEDDED]], True)
        made: Sequence[Sequence[float]] = ()
        if texts:  # clients cut them into as many requests as their model wants
            (asked,), made = await asyncio.gather(asking, embed(texts, False))
        else:
            (asked,) = await asking
        fresh = {
            (turn.ref.session, turn.ref.seq): array("f", vector)
            for turn, vector in zip(turns, made, strict=True)
        }
        if fresh:
            packed = {place: _packed(vector) for place, vector in fresh.items()}
            await self._store.put_vectors(owner, self._model, packed)
        question = array("f", asked)
        return {place: _cosine(question, vector) for place, vector in (vectors | fresh).items()}

    # ------------------------------------------------------------ telling

    async def _quoted(self, plan: _Plan, matches: Matches) -> list[Hit]:
        """The best turns that are there, each text once, with the neighbours that add to the answer."""
        asked, limit, ranked = plan.asked, plan.limit, plan.turns
        read = {(turn.ref.session, turn.ref.seq): turn for turn in matches.turns}
        hits: list[Hit] = []
        texts: set[tuple[str, str]] = set()
        for some in (ranked[:limit], ranked[limit:]):  # the others only if some of these tell nothing
            if not some or len(hits) == limit:
                break
            beside = plan.beside(some, matches.found)
            wanted = {near for place, _ in some for near in (place, *beside[place])}
            turns = await self._store.said([TurnRef(*place) for place in sorted(wanted - read.keys())])
            read |= {(turn.ref.session, turn.ref.seq): turn for turn in turns}
            there = {place: (turn, said) for place, turn in read.items() if (said := _shown(turn))}
            for place, score in some:
                turn, said = there.get(place, (None, None))
                if turn is None or said is None or said in texts or len(hits) == limit:
                    continue
                texts.add(said)
                together = [there[p] for p in sorted({place, *beside[place]}) if p in there]
                words = asked.terms[: asked.words]
                text = quote(
                    together, words, turn.at, self._zone, self._locale, turn.ref, plan.outdated(matches)
                )
                hits.append(Hit(min(score, 1.0), text, turn.at, turn.ref))
        return hits


@dataclass(slots=True)
class _Plan:
    """What is wanted of what the index finds, and then: the `facts` and the `turns` to tell, the best first.

    `floor`: the least score of what nobody asked for, 0 if somebody did. `book`: None if it is to come with
    what the index finds. `plain`: words alone decide.
    """

    asked: Question
    limit: int
    before: TurnRef | None
    floor: float
    book: FactBook | None
    there: Callable[[Fact], bool]
    now: int
    plain: bool
    facts: list[tuple[float, Fact]] = field(default_factory=list[tuple[float, Fact]])
    turns: list[tuple[Place, float]] = field(default_factory=list[tuple[Place, float]])

    def choose(self, matches: Matches) -> list[TurnRef]:
        """The turns to read: see `MemoryStore.match`."""
        self.told(matches, self.ranked(matches))
        best = self.turns[: self.limit]
        beside = self.beside(best, matches.found)
        wanted = {near for place, _ in best for near in (place, *beside[place])}
        return [TurnRef(*place) for place in sorted(wanted)]

    def ranked(
        self, matches: Matches, within: Mapping[Place, Found] | None = None
    ) -> list[tuple[Place, float]]:
        """The places that have left the window, the best one first."""
        before = (self.before.session, self.before.seq) if self.before else None
        if not self.plain:
            return rank(self.asked, matches, within, before=before)
        return rank(self.asked, matches, within, least=self.floor, top=self.limit + SPARE, before=before)

    def told(self, matches: Matches, ranked: Sequence[tuple[Place, float]]) -> None:
        """Decides what is told of what answers: if nobody asked for it, only what is worth it."""
        book = self.book or matches.book or FactBook(0)
        known = asking.known(book, self.asked, weights(matches), self.now)
        found: list[tuple[float, Fact | Place]] = []
        found += [(score, fact) for score, fact in known if not self.there(fact)][: self.limit]
        found += [(score, place) for place, score in ranked[: self.limit + SPARE]]
        if self.floor:
            found.sort(key=lambda one: -one[0])
            found = list(asking.worth_telling(self.floor, found, itemgetter(0), partial(_tells, matches)))
        self.facts = [(score, one) for score, one in found if isinstance(one, Fact)]
        self.turns = [(one, score) for score, one in found if not isinstance(one, Fact)]

    def outdated(self, matches: Matches) -> Mapping[Place, Sequence[tuple[Fact, Fact]]]:
        """See `FactBook`."""
        book = self.book or matches.book
        return book.outdated if book else {}

    def beside(
        self, some: Sequence[tuple[Place, float]], found: Mapping[Place, Found]
    ) -> dict[Place, list[Place]]:
        """The neighbours that are told together with a place: they hold other terms, and are no hits."""
        scores = dict(self.turns[: self.limit])
        return {
            place: [
                near
                for near in _beside(place, found, self.asked.others.terms)
                if _past(near, self.before) and scores.get(near, 0.0) < score * APART
            ]
            for place, score in some
        }


def _tells(matches: Matches, found: tuple[float, Fact | Place]) -> bool:
    """Whether a fact or a turn tells something; a turn that only its neighbours speak for may do so."""
    one = found[1]
    return isinstance(one, Fact) or one not in matches.found or matches.found[one].tells


def _past(place: Place, before: TurnRef | None) -> bool:
    """Whether a turn has left the window."""
    return before is None or place[0] != before.session or place[1] < before.seq


def _shown(turn: Turn) -> tuple[str, str] | None:
    """What was said in a turn if it may be shown: a neighbour of what was found need not be in the index."""
    if turn.off_record or turn.state not in ("done", "stopped"):
        return None
    said = spoken(turn)
    return said if any(said) else None


def _beside(place: Place, found: Mapping[Place, Found], others: int) -> list[Place]:
    """The neighbours that hold terms which the turn lacks, and not just `others` (see `Question`)."""
    held = others | (found[place].terms if place in found else 0)
    out: list[Place] = []
    for step in sorted(REACH, key=abs):
        near = (place[0], place[1] + step)
        if near in found and found[near].terms & ~held:
            held |= found[near].terms
            out.append(near)
    return out


def _cosine(one: array[float], other: array[float]) -> float:
    size = hypot(*one) * hypot(*other)
    return sum(map(mul, one, other)) / size if size and len(one) == len(other) else 0.0


def _packed(vector: array[float]) -> bytes:
    out = vector[:]
    if sys.byteorder == "big":
        out.byteswap()
    return out.tobytes()


def _unpacked(data: bytes) -> array[float]:
    vector = array("f", data)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
