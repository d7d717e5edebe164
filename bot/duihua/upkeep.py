"""After the reply: what was said is indexed, facts are found, turns that left the window get their notes.

Nothing is queued. What is left to do can be seen in what is stored (`sessions.kept`, a window without notes),
so a process that dies loses none of it: the next one finds it. Everything is written on top of the session's
generation, so that nothing of an erased turn comes back.

The index and the facts that rules find cost no request. A note costs one for each chunk of turns; it waits
until the session is idle, the next input cuts it off, and after `CUTS` times, or where no model answers, the
plain extract is what stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from itertools import groupby

from duihua.composition import plain
from duihua.errors import DuihuaError, StorageError
from duihua.memories import Chore, Document, FactChange, Finding, Kept, Note
from duihua.memory import notes as noting
from duihua.memory.summary import Summary
from duihua.messages import Address, Turn, TurnRef, text_of
from duihua.ports import Store
from duihua.recollection import FAR, Recollection, keeper, remembers
from duihua.redact import where
from duihua.titles import title_of

log = logging.getLogger(__name__)

IDLE = 0.3
"""Seconds after a turn until its upkeep begins, if no other input comes."""
AT_ONCE = 16
"""Turns of a session after which upkeep waits no longer."""
LOOK = 60.0
"""Seconds between two looks for sessions whose upkeep nobody did."""
CUTS = 3
"""How often inputs cut off the making of a note until it is a plain extract."""
BATCH = 50
"""Turns that are indexed in one transaction."""
TRIES = 3
"""Attempts to write beside others who write, too."""

Summarise = Callable[[Chore, Sequence[Turn], Sequence[Note]], Awaitable[tuple[Summary, str] | None]]
"""Asks a model for the note of a chunk of turns (given the notes that go into the digest), and its name."""


class Upkeep:
    """The upkeep of an engine's sessions.

    Args:
        store: where it is written.
        recollection: keeps the notes in memory.
        on: whether there is long-term memory at all.
        timezone: of the people who talk; None: this machine's.
        titled: told when a conversation has got its title.
        summarise: asks a model; None answers mean that there is none, or that it does not answer.
    """

    def __init__(
        self,
        store: Store,
        recollection: Recollection,
        *,
        on: bool,
        summarise: Summarise,
        timezone: tzinfo | None = None,
        titled: Callable[[Address, str], None] = lambda address, title: None,
    ) -> None:
        self._titled = titled
        self._store, self._recollection, self._on, self._zone = store, recollection, on, timezone
        self._summarise = summarise
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._asking: dict[int, asyncio.Task[tuple[Summary, str] | None]] = {}
        self._turns: Counter[int] = Counter()  # ended, and their upkeep has not begun
        self._cuts: Counter[int] = Counter()
        self._windows: dict[int, tuple[int, int]] = {}
        self._looker: asyncio.Task[None] | None = None
        self._closing = False

    def open(self) -> None:
        """Takes up what an earlier process left, and now and then what others leave."""
        self._closing = False
        self._looker = asyncio.create_task(self._look(), name="duihua upkeep")

    async def aclose(self) -> None:
        """Finishes what costs no request; notes are made by whoever comes next."""
        self._closing = True
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.gather(self._looker, return_exceptions=True)
        for asked in list(self._asking.values()):
            asked.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for session in list(self._turns):
            await self._attempt(session, notes=False)

    # ------------------------------------------------------------ when

    def ended(self, session: int) -> None:
        """A turn has ended; upkeep begins when the session is idle for a moment."""
        self._turns[session] += 1
        if not self._closing and session not in self._tasks:
            self._wait(session)

    def begun(self, session: int) -> None:
        """An input has come: a request for a note must not be in its way."""
        if (asked := self._asking.get(session)) is not None:
            self._cuts[session] += 1
            asked.cancel()

    async def flush(self, session: int | None = None) -> None:
        """Does the upkeep of one session, or of all whose turns ended here, now."""
        for one in [session] if session is not None else list({*self._turns, *self._tasks}):
            if (task := self._tasks.get(one)) is not None:
                await asyncio.wait((task,))
            if (timer := self._timers.pop(one, None)) is not None:
                timer.cancel()
            await self._attempt(one)

    async def settle(self, session: int) -> None:
        """Indexes what was said in a session until now, and finds facts in it; asks no model."""
        await self._attempt(session, notes=False)

    def drop(self, session: int) -> None:
        """Forgets what is known of a session."""
        self._windows.pop(session, None)
        self._cuts.pop(session, None)
        if (asked := self._asking.get(session)) is not None:
            asked.cancel()

    def _wait(self, session: int) -> None:
        if (timer := self._timers.pop(session, None)) is not None:
            timer.cancel()
        if self._turns[session] >= AT_ONCE:
            self._start(session, busy=True)
        else:
            loop = asyncio.get_running_loop()
            self._timers[session] = loop.call_later(IDLE, self._start, session)

    def _start(self, session: int, *, busy: bool = False) -> None:
        self._timers.pop(session, None)
        work = self._attempt(session, busy=busy)
        task = asyncio.create_task(work, name=f"duihua upkeep {session}")
        self._tasks[session] = task

        def done(task: asyncio.Task[None]) -> None:
            del self._tasks[session]
            if session in self._turns and not self._closing:  # more have ended meanwhile
                self._wait(session)

        task.add_done_callback(done)

    async def _attempt(self, session: int, *, notes: bool = True, busy: bool = False) -> None:
        self._turns.pop(session, None)
        try:
            chore = await self._index(session)
            if notes and chore is not None:
                await self._note(chore, busy=busy)
        except _Cut:
            pass  # seen again after the next turn
        except (StorageError, DuihuaError) as e:
            log.warning("the upkeep of session %d waits: %s", session, e)
        except Exception as e:
            log.error("the upkeep of session %d failed: %s", session, where(e))

    async def take_up(self) -> None:
        """Does the upkeep that nobody else does: that of processes that have died."""
        for session in await self._store.unkept():
            if session not in self._tasks and session not in self._turns:
                await self._attempt(session)

    async def _look(self) -> None:
        while True:
            try:
                await self.take_up()
            except StorageError as e:
                log.warning("looking for sessions without upkeep failed: %s", e)
            await asyncio.sleep(LOOK)

    # ------------------------------------------------------------ index and facts

    async def _index(self, session: int) -> Chore | None:
        """Indexes ended turns and finds facts in them until none is left; returns what was read last."""
        failed = 0
        while (chore := await self._store.chore(session, limit=BATCH)) is not None and chore.turns:
            kept = await self._kept(chore)
            if not await self._store.keep(chore, kept):
                failed += 1
                if failed == TRIES:  # others do it, or it is being erased: whatever is left is found again
                    return None
                continue
            if kept.title and not chore.title:
                self._titled(chore.address, kept.title)
            if len(chore.turns) < BATCH:
                break
        return chore

    async def _kept(self, chore: Chore) -> Kept:
        upto = chore.turns[-1].ref.seq
        title = chore.title or _title(chore.turns)
        if not self._on or not remembers(chore.address, chore.settings, chore.memory):
            silent = tuple(turn.ref.seq for turn in chore.turns)
            return Kept(upto, off_record=silent, title=title)
        owner = keeper(chore.address, chore.session, chore.owner)
        from duihua.memory import facts as finding  # its rules take a tenth of a second to compile
        from duihua.memory.asking import tells
        from duihua.memory.terms import document_terms, spoken

        told = [turn for turn in chore.turns if on_record(turn)]
        zone = self._zone or datetime.now().astimezone().tzinfo
        documents = [
            Document(turn.ref, turn.at, document_terms(turn, zone), tells(spoken(turn)[0])) for turn in told
        ]
        findings = [one for turn in told for one in finding.found_in(turn)]
        version, changes = await self._changes(owner, findings) if findings else (0, ())
        return Kept(upto, owner, version, tuple(documents), changes, title=title)

    async def _changes(self, owner: int, findings: Sequence[Finding]) -> tuple[int, tuple[FactChange, ...]]:
        from duihua.memory import facts as finding

        book = await self._store.facts(owner)
        return book.version, finding.reconcile(book.facts, findings, int(time.time() * 1000))

    # ------------------------------------------------------------ notes

    async def _note(self, chore: Chore, *, busy: bool) -> None:
        """Writes the notes of turns that have left the window, if there are such.

        `busy`: the next input would cut a request off, so that it is not begun.
        """
        session, seen = chore.session, (chore.generation, chore.window_from)
        if not self._on or not chore.window_from or self._windows.get(session) == seen:
            return
        if busy and self._cuts[session] < CUTS:
            self._cuts[session] += 1
            return
        first = await self._store.turn(TurnRef(session, chore.window_from))
        if first is None or not first.parent:
            return
        stored = tuple(await self._store.notes(session))
        laid = await self._recollection.laid(session, stored, first.parent)
        for bare, items in groupby(laid, lambda item: not isinstance(item, Note)):
            left = [turn for item in items if not isinstance(item, Note) for turn in item] if bare else []
            while left:
                chunk = noting.chunks(left)[0]
                asked = None if busy else await self._asked(chore, chunk, stored)
                if asked is None:
                    chunk = left
                    notes = self._recollection.made(session, chore.generation, left)
                else:
                    notes = [
                        noting.note_of(chunk, asked[0].note, asked[1]) if asked[0].note else plain(chunk)
                    ]
                for note in notes:
                    if not (stored := await self._write(chore, stored, note, asked)):
                        return  # something was erased meanwhile
                if asked is not None:
                    await self._found(chore, chunk, asked[0])
                self._cuts.pop(session, None)
                left = left[len(chunk) :]
        self._recollection.put(session, chore.generation, stored)
        self._windows[session] = seen
        while len(self._windows) > FAR:
            self._windows.pop(next(iter(self._windows)))

    async def _write(
        self, chore: Chore, stored: tuple[Note, ...], note: Note, asked: tuple[Summary, str] | None
    ) -> tuple[Note, ...]:
        """Writes a note, and the digest if one is due; returns what is stored then: nothing if it may not."""
        new: list[Note] = [note]
        gone: tuple[Note, ...] = ()
        if (due := noting.fold((*noting.chain(stored, note.after), note))) is not None:
            digest, gone = due
            if asked is not None and asked[0].digest:
                digest = replace(digest, text=asked[0].digest, by=asked[1])
            new.append(digest)
        if not await self._store.put_notes(chore.session, chore.generation, new, gone):
            return ()
        return tuple(one for one in (*stored, *new) if one not in gone)

    async def _asked(
        self, chore: Chore, chunk: Sequence[Turn], stored: Sequence[Note]
    ) -> tuple[Summary, str] | None:
        """A model's summary of a chunk, and of the notes that go into a digest with it; None: it has none."""
        session, told = chore.session, [turn for turn in chunk if on_record(turn)]
        if self._closing or not told or self._cuts[session] >= CUTS:
            return None
        due = noting.fold((*noting.chain(stored, chunk[0].parent), noting.note_of(chunk, "")))
        folding = due[1] if due else ()
        task = asyncio.ensure_future(self._summarise(chore, told, folding))
        self._asking[session] = task
        try:
            return await task
        except asyncio.CancelledError:
            if task.cancelled() and not _cancelled():
                raise _Cut from None
            raise
        finally:
            task.cancel()
            del self._asking[session]

    async def _found(self, chore: Chore, chunk: Sequence[Turn], summary: Summary) -> None:
        """Keeps the facts that a model found, if the conversation may be remembered."""
        if not self._on or not remembers(chore.address, chore.settings, chore.memory):
            return
        from duihua.memory import facts as finding

        findings = finding.from_model(summary.facts, [turn for turn in chunk if on_record(turn)])
        if not findings:
            return
        owner = keeper(chore.address, chore.session, chore.owner)
        for _ in range(TRIES):
            version, changes = await self._changes(owner, findings)
            if not changes or await self._store.put_facts(owner, version, changes):
                return


class _Cut(Exception):
    """A request for a note was cut off by an input."""


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def on_record(turn: Turn) -> bool:
    """Whether long-term memory may know of a turn: it was not flagged, withdrawn or said off the record."""
    return not turn.off_record and turn.state != "cleared" and turn.finish != "flagged"


def _title(turns: Sequence[Turn]) -> str:
    """The beginning of the first thing that was asked."""
    for turn in turns:
        if on_record(turn) and (title := title_of(text_of(turn.input))):
            return title
    return ""
