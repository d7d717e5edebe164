"""Works through what has arrived for one bot: in order within a chat, chats beside each other.

An arrival is settled when what it asks for is durable; until then it is there for the next process.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import orjson
from aiogram.types import Update
from pydantic import ValidationError

from duihua.arrivals import Arrival, ArrivalStore
from duihua.errors import StorageError
from duihua.redact import where
from duihua.telegram.clerk import Clerk, Settle
from duihua.telegram.updates import Event, Me, Moved, Pressed, Said, Stands, read

log = logging.getLogger(__name__)

BATCH = 100
"""Arrivals that are read at once."""
MOST = 2_000
"""Arrivals that are worked on or wait in memory; the others wait in the database."""
AT_ONCE = 256
"""Chats that are worked for at the same time."""
IDLE = 2.0
"""Seconds between two looks when nobody says that something arrived: another process may have kept it."""
PAUSE, LONGEST = 0.5, 15.0
"""Seconds until what the database refused is tried again, and at most."""


@dataclass(frozen=True, slots=True)
class _Job:
    arrival: int
    key: str
    event: Event


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
        self._lanes: dict[str, deque[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0

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
                if len(batch) < BATCH:
                    await self._called()
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._lanes.clear()
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
        try:
            event = read(Update.model_validate(_plain(arrival.body)), self._me)
        except Exception as e:  # whatever a hostile update does to the types, the next one must be heard
            error = _told(e)
            log.error("update %s for bot %d cannot be read: %s", arrival.key, self._me.id, error)
            await self._settle(arrival.id, error)
            return
        if event is None:
            await self._settle(arrival.id)
            return
        job = _Job(arrival.id, arrival.key, event)
        self._open += 1
        if self._clerk.urgent(event):
            self._start(self._at_once(job))
        else:
            self._queue(job)

    def _queue(self, job: _Job) -> None:
        chat = job.event.address.chat if job.event.address else ""
        lane = self._lanes.get(chat)
        if lane is not None:
            lane.append(job)
            return
        lane = self._lanes[chat] = deque([job])
        self._start(self._work(chat, lane))

    async def _work(self, chat: str, lane: deque[_Job]) -> None:
        async with self._slots:
            while lane:
                await self._done(lane[0])
                lane.popleft()
                self._left()
        del self._lanes[chat]

    async def _at_once(self, job: _Job) -> None:
        chat = job.event.address.chat if job.event.address else ""
        try:
            done = await self._clerk.stop(job.event)
        except StorageError as e:
            log.warning("a stop waits: %s", e)
            done = False
        if not done and chat in self._lanes and not isinstance(job.event, Pressed):
            self._queue(job)  # what it is to stop has not begun yet
            return
        await self._done(job, stopped=done)
        self._left()

    async def _done(self, job: _Job, *, stopped: bool = False) -> None:
        """Acts and settles. What the database refuses is tried until it takes it: the lane waits."""
        pause, settled = PAUSE, False

        async def settle() -> None:
            nonlocal settled
            await self._store.settle_arrivals([job.arrival])
            settled = True

        while True:
            try:
                await self._act(job, settle, stopped=stopped)
                if not settled:
                    await settle()
                return
            except StorageError as e:
                log.warning("update %s waits: %s", job.key, e)
                if settled:
                    return
            except Exception as e:
                log.error("update %s could not be worked on: %s", job.key, where(e))
                await self._settle(job.arrival, f"not worked on: {type(e).__name__}")
                await self._apologise(job)
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    async def _apologise(self, job: _Job) -> None:
        if isinstance(job.event, Said):
            try:
                await self._clerk.broken(job.event)
            except Exception as e:  # the lane goes on with the next one
                log.error("nor could that be told: %s", where(e))

    async def _act(self, job: _Job, settle: Settle, *, stopped: bool) -> None:
        match job.event:
            case Pressed():
                await self._clerk.pressed(job.event, job.key, stopped)
            case Moved() | Stands():
                await self._clerk.note(job.event, settle)
            case Said() if not self._clerk.urgent(job.event):
                await self._clerk.act(job.event, job.key, settle)
            case _:
                await self._clerk.stopped(job.event, stopped or await self._clerk.stop(job.event))

    async def _settle(self, arrival: int, error: str = "") -> None:
        try:
            await self._store.settle_arrivals([arrival], error=error)
        except StorageError as e:  # the next process finds it
            log.warning("arrival %d stays open: %s", arrival, e)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"duihua desk {self._me.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
