"""Threads for sync skills: a bounded pool from which a stuck call can be given up.

`ThreadPoolExecutor` will not do: a call that never returns keeps its place for ever, and the interpreter
waits for it at exit. Here the threads are daemons, and a call that is cancelled while it runs is *abandoned*:
its thread no longer counts, another may take the place, and the old one ends when the call returns at last.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from duihua.errors import SkillError

log = logging.getLogger(__name__)

_IDLE = 30.0  # seconds an unused thread is kept

Outcome = tuple[Any, BaseException | None]


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    owner: str
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Outcome]
    started: bool = False
    ended: bool = False
    abandoned: bool = False


class Threads:
    """At most `size` calls at once, abandoned ones not counted.

    An owner (a skill) with `patience` abandoned calls that still run is refused until one of them returns, so
    that one broken skill cannot fill the machine with threads.

    Attributes:
        abandoned: how many running calls were given up so far.
    """

    def __init__(self, size: int = 64, patience: int = 8) -> None:
        self.size, self.patience = size, patience
        self.abandoned = 0
        self._stuck: Counter[str] = Counter()
        self._waiting: deque[_Job] = deque()
        self._alive = 0
        self._idle = 0
        self._changed = threading.Condition()

    @property
    def stuck(self) -> int:
        """How many abandoned calls still run."""
        return self._stuck.total()

    async def run(self, work: Callable[[], Any], owner: str) -> Any:
        """What `work()` returns or raises, from another thread; contextvars are those of the caller.

        Cancelling abandons the call. Raises SkillError if too many earlier calls of `owner` are stuck.
        """
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        job = _Job(lambda: context.run(work), owner, loop, loop.create_future())
        self._submit(job)
        try:
            value, error = await job.future
        except asyncio.CancelledError:
            self._abandon(job)
            raise
        if error is not None:
            raise error
        return value

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._stuck[job.owner] >= self.patience:
                raise SkillError(f"{job.owner} is stuck: {self.patience} earlier calls never returned")
            self._waiting.append(job)
            self._staff()

    def _abandon(self, job: _Job) -> None:
        with self._changed:
            if not job.started:
                self._waiting.remove(job)
                return
            if job.ended:
                return
            job.abandoned = True
            self.abandoned += 1
            self._stuck[job.owner] += 1
            self._alive -= 1
            self._staff()
            stuck = self._stuck[job.owner]
        log.warning("skill %s was given up and still runs in its thread (%d such calls)", job.owner, stuck)

    def _staff(self) -> None:
        """Wakes or starts a thread if calls wait. An idle thread may have been woken for another one."""
        if self._idle:
            self._changed.notify()
        if len(self._waiting) <= self._idle or self._alive >= self.size:
            return
        self._alive += 1
        try:
            threading.Thread(target=self._serve, name="duihua-skill", daemon=True).start()
        except RuntimeError:  # the machine gives no more threads: those that are there must do
            self._alive -= 1
            if not self._alive:
                self._waiting.pop()
                raise

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            outcome: Outcome
            try:
                outcome = job.work(), None
            except BaseException as e:  # sys.exit in a skill ends neither thread nor process
                outcome = None, e
            with self._changed:
                job.ended = True
                if job.abandoned:
                    self._stuck[job.owner] -= 1
            if job.abandoned:
                return
            try:
                job.loop.call_soon_threadsafe(_settle, job.future, outcome)
            except RuntimeError:
                log.debug("the event loop closed before skill %s returned", job.owner)
            del job, outcome  # an idle thread keeps nothing alive

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._waiting:
                self._idle += 1
                woken = self._changed.wait(_IDLE)
                self._idle -= 1
                if not woken and not self._waiting:
                    self._alive -= 1
                    return None
            job = self._waiting.popleft()
            job.started = True
            return job


def _settle(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


THREADS = Threads()
"""The process's pool: threads belong to the process, whatever the number of engines."""
