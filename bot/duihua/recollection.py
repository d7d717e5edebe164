"""What memory knows for a turn before it is answered: notes of its path, standing wishes, what is recalled.

Notes are derived from turns and may be missing, because the window moved a moment ago or a process died
before it wrote them: then they are made here, plainly, and upkeep writes them down later.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from duihua.brief import Brief
from duihua.calibrations import Calibrations
from duihua.composition import Composer, Composition, Remembered, plain
from duihua.errors import DuihuaError
from duihua.memories import Fact, FactBook, Hit, Note, Recall, RecallsUnasked, Remembers
from duihua.memory import notes as noting
from duihua.memory.kept import forget
from duihua.messages import Address, Attachment, Turn, TurnRef, text_of
from duihua.ports import Packed, SessionInfo, Store, ToolSpec, Work
from duihua.redact import where
from duihua.remembering import OwnMemory

log = logging.getLogger(__name__)

KEPT = 512
"""Sessions and owners of which something is kept in memory."""
HITS = 6
"""Hits at most that are told unasked."""
LONGEST = 2_000
"""Characters of an input that are looked up: the beginning and the end of a longer one."""
UNKNOWN = -1
"""No version of facts."""
FAR = 2_000
"""Turns that are read at most to find where notes end."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose memory a session uses, and whether it does at all.

    `owner` is as of `keeper`; `version` is of their facts (`UNKNOWN`: they are read each time).
    """

    session: int
    generation: int
    owner: int
    version: int
    on: bool


NOBODY = Holder(0, 0, 0, 0, False)
"""Of a session that is not there yet."""


def remembers(address: Address, settings: Mapping[str, Any], memory: bool) -> bool:
    """Whether a conversation uses long-term memory; `memory` is its owner's own switch.

    It is off where the conversation or its owner turned it off, and where others read along unless it was
    turned on there.
    """
    chosen = settings.get("memory")
    if chosen in ("on", "off"):
        return chosen == "on" and (memory or address.public)
    return memory and not address.public


def keeper(address: Address, session: int, person: int) -> int:
    """Whose memory a conversation uses: the person's, or where others read along its own, minus its id.

    So nothing that was said in private comes up before others, and nothing of a group elsewhere.
    """
    return -session if address.public else person


class Recollection:
    """Reads memory for turns; keeps notes and standing wishes of the sessions at work.

    Args:
        store: where they are.
        recall: finds past turns and facts.
        composer: puts it into requests.
        calibrations: how models' tokenizers count.
        on: whether there is long-term memory at all.
    """

    def __init__(
        self, store: Store, recall: Recall, composer: Composer, calibrations: Calibrations, *, on: bool
    ) -> None:
        self._store, self._recall, self.composer, self._on = store, recall, composer, on
        self._calibrations = calibrations
        self._notes: OrderedDict[int, tuple[int, tuple[Note, ...]]] = OrderedDict()
        self._books: OrderedDict[int, tuple[FactBook, tuple[Fact, ...]]] = OrderedDict()
        self._suspects: OrderedDict[int, frozenset[tuple[TurnRef | None, int]]] = OrderedDict()

    def holder(self, of: Work | SessionInfo) -> Holder:
        """The holder of a session's memory."""
        if isinstance(of, Work):
            session, generation, address = of.turn.ref.session, of.fence.generation, of.address
        else:
            session, generation, address = of.id, of.generation, of.address
        on = self._on and remembers(address, of.settings, of.memory)
        version = UNKNOWN if address.public else of.version
        return Holder(session, generation, keeper(address, session, of.owner), version, on)

    async def of(
        self, holder: Holder, turn: Turn, past: Sequence[Turn], *, locale: str, recall: bool = True
    ) -> Remembered:
        """What memory knows for `turn`, whose window holds `past`; with `recall` also what it asks for."""
        parent = past[0].parent if past else turn.parent
        notes = await self.notes(holder, parent) if parent and self._on else ()
        if not holder.on:
            return Remembered(locale, (), notes)
        window = past[0].ref.seq if past else turn.ref.seq
        _, instructions = await self._known_of(holder)
        hits = await self._hits(holder, turn, window, instructions) if recall else ()
        return Remembered(locale, instructions, notes, hits)

    async def compose(
        self,
        holder: Holder,
        brief: Brief,
        turns: Sequence[Turn],
        tools: Sequence[ToolSpec],
        *,
        remembered: Remembered,
        start: int,
        budget: int | None = None,
        images: Mapping[str, Attachment] | None = None,
    ) -> tuple[Composition, Remembered]:
        """The next request, and what memory knows then: turns that leave the window with it may be recalled.

        Arguments as of `Composer.compose`; the sizes are by what is known of the model's tokenizer.
        """
        session, known = turns[-1].ref.session, self._calibrations
        pending: tuple[Note, ...] = ()
        while True:
            composed = self.composer.compose(
                brief.dialect,
                brief.system,
                turns,
                tools,
                remembered=remembered,
                start=start,
                budget=budget,
                scale=known.scale(brief.dialect.name, session),
                correct=None if images else partial(known.corrected, brief.dialect, session, budget=budget),
                images=images,
            )
            if not composed.pending:
                return replace(composed, pending=pending), remembered
            start, pending = composed.packed.start, (*pending, *composed.pending)
            hits = await self._hits(holder, turns[-1], start, remembered.instructions) if holder.on else ()
            notes = (*remembered.notes, *composed.pending)
            remembered = replace(remembered, notes=notes, hits=hits or remembered.hits)

    def expected(self, model: str, packed: Packed) -> int:
        """Tokens that a request most likely has: see `Calibrations.expected`."""
        return self._calibrations.expected(model, packed)

    async def _hits(
        self, holder: Holder, turn: Turn, window: int, instructions: Sequence[Fact]
    ) -> tuple[Hit, ...]:
        from duihua.memory.asking import least, told, worth_telling

        query = text_of(turn.input).strip()
        if not query or not self.composer.tokens:
            return ()
        if len(query) > LONGEST:
            query = f"{query[: LONGEST // 2]}\n{query[-LONGEST // 2 :]}"
        before = TurnRef(holder.session, window)
        try:
            book, _ = await self._known_of(holder)
            wishes = {fact.id for fact in instructions}  # in the request already, as are facts of the window

            def there(fact: Fact) -> bool:
                return fact.id in wishes or _inside(fact.sources, before)

            if isinstance(self._recall, RecallsUnasked):
                return tuple(
                    await self._recall.unasked(
                        holder.owner, query, limit=HITS, before=before, book=book, there=there
                    )
                )
            found = await self._recall.search(holder.owner, query, limit=HITS, before=before)
        except DuihuaError as e:
            log.warning("nothing is recalled: %s", e)
            return ()
        except Exception as e:  # a memory service of one's own must not cost the answer
            log.error("nothing is recalled: %s", where(e))
            return ()
        shown = {fact.id for fact in book.facts if there(fact)}
        found = [hit for hit in found if hit.fact not in shown]
        return tuple(
            worth_telling(
                least(query), found, lambda hit: hit.score, lambda hit: bool(hit.fact) or told(hit.text)
            )
        )

    async def _known_of(self, holder: Holder) -> tuple[FactBook, tuple[Fact, ...]]:
        """The holder's facts, and the standing wishes among them."""
        known = self._books.get(holder.owner)
        if known is not None and known[0].version == holder.version:
            return known
        book = await self._store.facts(holder.owner)
        known = book, tuple(fact for fact in book.facts if fact.kind == "instruction")
        _keep(self._books, holder.owner, known)
        return known

    def own(self, holder: Holder, turn: Turn) -> Remembers | None:
        """The holder's memory for skills; None: it is turned off."""
        return OwnMemory(self._store, self._recall, holder.owner, turn) if holder.on else None

    # ------------------------------------------------------------ notes

    async def notes(self, holder: Holder, parent: int) -> tuple[Note, ...]:
        """The notes of a path up to the turn `parent`, which is not in the window any more."""
        known = self._known(holder)
        chain = noting.chain(known, parent)
        if chain:
            return chain
        stored = tuple(await self._store.notes(holder.session))
        chain = noting.chain(stored, parent)
        if not chain:
            chain = await self._derived(holder, stored, parent)
        self.put(holder.session, holder.generation, (*stored, *chain))
        return chain

    async def _derived(self, holder: Holder, stored: Sequence[Note], parent: int) -> tuple[Note, ...]:
        """Notes up to `parent`, with a plain one for the turns that have none yet."""
        laid = await self.laid(holder.session, stored, parent)
        return tuple(item if isinstance(item, Note) else plain(item) for item in laid)

    async def laid(
        self, session: int, stored: Sequence[Note], parent: int
    ) -> tuple[Note | tuple[Turn, ...], ...]:
        """What stands before a window, up to the turn `parent`, as `notes.lay` tells it.

        Turns are read from the newest note on; all of them only where that note is of another path, or older
        ones are missing.
        """
        newest = max((note.upto for note in stored if note.upto <= parent), default=0)
        path = await self._store.path(session, parent, since=newest, limit=FAR)
        laid = noting.lay(stored, path)
        whole = laid and isinstance(laid[0], Note) and not laid[0].after
        if newest and not whole:
            laid = noting.lay(stored, await self._store.path(session, parent, limit=FAR))
        return laid

    def _known(self, holder: Holder) -> tuple[Note, ...]:
        known = self._notes.get(holder.session)
        return known[1] if known is not None and known[0] == holder.generation else ()

    def put(self, session: int, generation: int, notes: Sequence[Note]) -> None:
        """Keeps notes in memory, stored or not, of all paths of a session."""
        unique = {(note.upto, note.level): note for note in notes}
        _keep(self._notes, session, (generation, tuple(unique.values())))

    def made(self, session: int, generation: int, turns: Sequence[Turn]) -> list[Note]:
        """Plain notes of turns that follow each other on a path.

        Those that were made for requests stay as they are: what a platform has seen stays the same.
        """
        known = self._notes.get(session)
        kept = known[1] if known is not None and known[0] == generation else ()
        ends = {(note.first, note.after): note for note in kept if not note.level}
        places = {turn.ref.seq: place for place, turn in enumerate(turns, 1)}
        out: list[Note] = []
        while turns and (note := ends.get((turns[0].ref.seq, turns[0].parent))) is not None:
            if note.upto not in places:
                break
            out.append(note)
            turns = turns[places[note.upto] - len(places) + len(turns) :]
        return [*out, *map(plain, noting.chunks(turns))]

    def add(self, holder: Holder, notes: Sequence[Note]) -> None:
        """Keeps notes that are not stored yet."""
        self.put(holder.session, holder.generation, (*self._known(holder), *notes))

    def drop(self, session: int) -> None:
        """Forgets what is kept of a session."""
        self._notes.pop(session, None)
        self.composer.forget(session)
        forget()

    def drop_owner(self, owner: int) -> None:
        """Forgets what is kept of a person."""
        self._books.pop(owner, None)
        self._suspects.pop(owner, None)
        self.composer.forget()
        forget()

    async def suspect(self, holder: Holder, shown: Sequence[Hit]) -> None:
        """What was recalled stood in a request that was flagged, which may be its fault or not.

        What does so for the second time is taken out of memory: else it would be recalled again and again.
        """
        now = frozenset((hit.ref, hit.fact) for hit in shown)
        again = now & self._suspects.get(holder.owner, frozenset())
        _keep(self._suspects, holder.owner, now)
        if again:
            refs = [ref for ref, _ in again if ref is not None]
            await self._store.withdraw(refs, [fact for _, fact in again if fact])


def _inside(sources: Sequence[TurnRef], window: TurnRef) -> bool:
    """Whether all that a fact rests on stands in the window that begins at a turn."""
    return bool(sources) and all(ref.session == window.session and ref.seq >= window.seq for ref in sources)


def _keep(cache: OrderedDict[int, Any], key: int, value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > KEPT:
        cache.popitem(last=False)
