"""Works through what has arrived for one bot: in order within a conversation, those beside each other.

An arrival is settled when what it asks for is durable; until then it is there for the next process. What an
app sent in pieces is worked on as one, and settled together. An album's arrivals stay a little longer: what
comes of it late changes what was asked.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakValueDictionary

import orjson
from aiogram.types import Update
from pydantic import ValidationError

from duihua.arrivals import Arrival, ArrivalStore
from duihua.errors import StorageError
from duihua.redact import where
from duihua.telegram.clerk import Clerk
from duihua.telegram.gathering import TEXTS, Job, album_of, gathered, joined, whole_at
from duihua.telegram.raw import said_in
from duihua.telegram.updates import Event, Me, Moved, Pressed, Said, Stands, read

log = logging.getLogger(__name__)

BATCH = 100
"""Arrivals that are read at once."""
MOST = 2_000
"""Arrivals that are worked on or wait in memory; the others wait in the database."""
LANE = 100
"""Jobs of one conversation that are in memory: one that must wait does not take the place of all others."""
AT_ONCE, EACH = 256, 16
"""Conversations that are worked for at the same time, and those of one chat: it cannot take all places."""
AGAIN = 0.05
"""Seconds between two tries of a stop, as long as what came before it is worked on."""
IDLE = 2.0
"""Seconds between two looks when nobody says that something arrived: another process may have kept it."""
PAUSE, LONGEST = 0.5, 15.0
"""Seconds until what the database refused is tried again, and at most."""
TIDY = 15.0
"""Seconds between two looks at what was decided elsewhere."""
LATE = 30.0
"""Seconds within which a further picture of an album that was worked on still belongs to it."""
ALBUMS = 200
"""Albums that are kept for that, at most."""


@dataclass(slots=True)
class _Lane:
    """The jobs of a conversation that are worked on or wait; `more` is set when one is added.

    `later`: arrivals behind those, which are read once more when there is room.
    """

    jobs: deque[Job] = field(default_factory=deque[Job])
    later: deque[int] = field(default_factory=deque[int])
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, job: Job) -> None:
        self.jobs.append(job)
        self.more.set()


class Desk:
    """The desk of one bot; its lease must be held while it runs.

    Args:
        store: what has arrived.
        me: the bot.
        clerk: acts.
    """

    def __init__(self, store: ArrivalStore, me: Me, clerk: Clerk) -> None:
        self._store, self._me, self._clerk = store, me, clerk
        self._poked, self._room = asyncio.Event(), asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._lanes: dict[str, _Lane] = {}
        self._chats: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._albums: OrderedDict[tuple[str, int, str], list[Job]] = OrderedDict()  # asked, not settled
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._tidied, self._tidying = 0.0, cast("asyncio.Task[None] | None", None)

    def poke(self) -> None:
        """Something has arrived."""
        self._poked.set()

    async def run(self) -> None:
        """Works until it is cancelled. What it is at then is left for whoever comes next."""
        after = 0
        try:
            while True:
                self._poked.clear()
                await self._made_room()
                try:
                    batch = await self._store.arrived(self._me.source, after=after, limit=BATCH)
                except StorageError as e:
                    log.warning("what arrived for bot %d waits: %s", self._me.id, e)
                    batch = ()
                for arrival in batch:
                    after = arrival.id
                    await self._take(arrival)
                await self._close_albums()
                self._tidy()
                if len(batch) < BATCH:
                    await self._called()
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._lanes.clear()
            self._albums.clear()
            self._open = 0

    async def idle(self) -> None:
        """Returns when nothing is worked on here."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _called(self) -> None:
        try:
            async with asyncio.timeout(IDLE):
                await self._poked.wait()
        except TimeoutError:
            return

    async def _made_room(self) -> None:
        while self._open >= MOST:
            self._room.clear()
            await self._room.wait()

    # ------------------------------------------------------------ one arrival

    async def _take(self, arrival: Arrival) -> None:
        if (job := await self._read(arrival)) is None:
            return
        if self._clerk.urgent(job.event):
            self._open += 1
            self._start(self._at_once(job))
        else:
            self._queue(job)

    async def _read(self, arrival: Arrival) -> Job | None:
        """What is to be done about it; None: nothing, and it is settled."""
        try:
            event = read(Update.model_validate(_plain(arrival.body)), self._me)
        except Exception as e:  # whatever a hostile update does to the types, the next one must be heard
            error = _told(e)
            log.error("update %s for bot %d cannot be read: %s", arrival.key, self._me.id, error)
            self._start(self._unread(arrival, error))
            return None
        if event is None:
            await self._settle([arrival.id])
            return None
        return Job(arrival.id, arrival.key, event, asyncio.get_running_loop().time())

    async def _unread(self, arrival: Arrival, error: str) -> None:
        await self._settle([arrival.id], error)
        try:
            await self._clerk.unread(*said_in(arrival.body))
        except Exception as e:
            log.error("nobody was told of it: %s", where(e))

    def _queue(self, job: Job) -> None:
        name = self._clerk.conversation(job.event)
        lane = self._lanes.get(name)
        if lane is not None and (lane.later or len(lane.jobs) >= LANE):
            lane.later.append(job.arrival)
            return
        self._open += 1
        if lane is not None:
            lane.add(job)
            return
        lane = self._lanes[name] = _Lane(deque([job]))
        chat = job.event.address.chat if job.event.address else ""
        self._start(self._work(name, lane, self._chats.setdefault(chat, asyncio.Semaphore(EACH))))

    async def _work(self, name: str, lane: _Lane, chat: asyncio.Semaphore) -> None:
        try:
            async with chat, self._slots:
                while lane.jobs:
                    pieces = [lane.jobs[0]]
                    try:
                        pieces = await self._whole(lane)
                        await self._done(pieces)
                    except Exception as e:  # the lane goes on with the next one
                        await self._aside(pieces, pieces[0].event, e)
                    for job in pieces:
                        lane.jobs.remove(job)
                        self._left()
                    if len(lane.jobs) <= TEXTS:  # pieces of what comes next are to stay together
                        await self._refill(lane)
        finally:
            del self._lanes[name]

    async def _refill(self, lane: _Lane) -> None:
        """Reads what there was no room for. What the database refuses is tried until it gives it."""
        pause = PAUSE
        while lane.later and len(lane.jobs) < LANE:
            try:
                found = await self._store.arrived(self._me.source, after=lane.later[0] - 1, limit=1)
            except StorageError as e:
                log.warning("what arrived for bot %d waits: %s", self._me.id, e)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST)
                continue
            there = found and found[0].id == lane.later[0]
            job = await self._read(found[0]) if there else None
            lane.later.popleft()  # not before: what comes meanwhile is behind it
            if job is not None:
                self._open += 1
                lane.add(job)

    async def _whole(self, lane: _Lane) -> list[Job]:
        """The next jobs that are one input: what an app sends in pieces is waited for."""
        album = album_of(lane.jobs[0].event)
        while True:
            lane.more.clear()
            pieces = gathered(lane.jobs, self._albums.get(album, ()) if album else ())
            wait = whole_at(pieces) - asyncio.get_running_loop().time()
            if wait <= 0:
                return pieces
            try:
                async with asyncio.timeout(wait):
                    await lane.more.wait()
            except TimeoutError:
                pass

    async def _at_once(self, job: Job) -> None:
        try:
            await self._done([job], stopped=await self._stopped(job))
        except Exception as e:
            await self._aside([job], job.event, e)
        finally:
            self._left()

    async def _stopped(self, job: Job) -> bool:
        """Whether it has stopped something, which may be still ahead of it in its lane."""
        lane = self._lanes.get(self._clerk.conversation(job.event))
        ahead = {it.arrival for it in lane.jobs} if lane else set[int]()
        pause = PAUSE
        while True:
            try:
                if await self._clerk.stop(job.event):
                    return True
            except StorageError as e:
                log.warning("a stop waits: %s", e)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST)
                continue
            if isinstance(job.event, Pressed) or not lane:
                return False
            if ahead.isdisjoint(it.arrival for it in lane.jobs):
                return False
            await asyncio.sleep(AGAIN)  # what it is to stop has not begun yet

    async def _done(self, pieces: Sequence[Job], *, stopped: bool = False) -> None:
        """Acts and settles. What the database refuses is tried until it takes it: the lane waits."""
        pause = PAUSE
        album = album_of(pieces[0].event)
        known = self._albums.pop(album, []) if album else []
        pieces = [*known, *pieces]
        job, arrivals = joined(pieces), [piece.arrival for piece in pieces]
        while True:
            try:
                await self._act(job, stopped=stopped)
                said, albums = job.event, self._clerk.albums
                late = isinstance(said, Said) and albums.asked(said)
                if not late or (isinstance(said, Said) and albums.private(said)):
                    await self._store.settle_arrivals(arrivals)
                if late and album:
                    self._albums[album] = list(pieces)
                return
            except StorageError as e:
                log.warning("update %s waits: %s", job.key, e)
            except Exception as e:
                await self._aside(pieces, job.event, e)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    def _tidy(self) -> None:
        """Has the clerk tidy up now and then; nothing waits for that."""
        now = asyncio.get_running_loop().time()
        if now >= self._tidied + TIDY and (self._tidying is None or self._tidying.done()):
            self._tidied, self._tidying = now, self._start(self._tidied_up())

    async def _tidied_up(self) -> None:
        try:
            await self._clerk.tidy()
        except StorageError as e:
            log.warning("bot %d is not tidied up: %s", self._me.id, e)

    async def _close_albums(self) -> None:
        """Settles those to which nothing comes any more."""
        until = asyncio.get_running_loop().time() - LATE
        closed: list[int] = []
        while self._albums:
            pieces = next(iter(self._albums.values()))
            if len(self._albums) <= ALBUMS and pieces[-1].at > until:
                break
            self._albums.popitem(last=False)
            closed += [piece.arrival for piece in pieces]
        if closed:
            await self._settle(closed)

    async def _aside(self, pieces: Sequence[Job], event: Event, error: Exception) -> None:
        """Keeps what no code of ours can work on, for somebody to look at, and tells who said it."""
        log.error("update %s could not be worked on: %s", pieces[-1].key, where(error))
        await self._settle([piece.arrival for piece in pieces], f"not worked on: {type(error).__name__}")
        if isinstance(event, Said):
            try:
                await self._clerk.broken(event)
            except Exception as e:
                log.error("nor could that be told: %s", where(e))

    async def _act(self, job: Job, *, stopped: bool) -> None:
        match job.event:
            case Pressed():
                await self._clerk.pressed(job.event, job.key, stopped)
            case Moved() | Stands():
                await self._clerk.note(job.event)
            case Said() if not self._clerk.urgent(job.event):
                await self._clerk.act(job.event, job.key)
            case _:
                await self._clerk.stopped(job.event, stopped)

    async def _settle(self, arrivals: Sequence[int], error: str = "") -> None:
        try:
            await self._store.settle_arrivals(arrivals, error=error)
        except StorageError as e:  # the next process finds them
            log.warning("arrivals %s stay open: %s", arrivals, e)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"duihua desk {self._me.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _left(self) -> None:
        self._open -= 1
        self._room.set()


def _plain(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:  # half a surrogate pair, which the types refuse where it matters
        return json.loads(body)


def _told(error: Exception) -> str:
    """Why an update cannot be read, without a word of what it says."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in found[:5])
