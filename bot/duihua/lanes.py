"""Who works when: one lane per claimed session, all lanes side by side.

A lane drains its session, turn by turn in the order of arrival, as long as it holds the session's lease.
A ticker takes up sessions that nobody works on (a crash, a lost wake-up); a renewer prolongs the leases of
lanes that really run, and learns what other processes want: that a turn stop, or that a lease is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import os
import random
import secrets
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from duihua.errors import StorageError, Superseded
from duihua.messages import TurnRef
from duihua.ports import Store, Work
from duihua.redact import where

log = logging.getLogger(__name__)

T = TypeVar("T")

TICK = 1.0
"""Seconds between two looks for sessions without a worker."""

SWEEP = 3_600
"""Ticks between two sweeps of old inbox keys."""


def machine() -> str:
    """Names this machine, since its last start, as far as processes see each other."""
    facts = [socket.gethostname()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        try:
            facts.append(read())
        except OSError:
            facts.append("")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


class Lane:
    """One claimed session and the task that works on it."""

    __slots__ = ("session", "stop", "task", "token", "turn")

    def __init__(self, session: int, token: str) -> None:
        self.session, self.token = session, token
        self.turn: TurnRef | None = None
        self.stop: Callable[[], None] | None = None  # stops the running turn
        self.task: asyncio.Task[None] | None = None


class Lanes:
    """The lanes of this process.

    Args:
        store: where sessions are claimed.
        run: works on one turn; returns the session's next one, taken with the same lease, or None.
        lease: seconds that a claim lasts without renewal.
    """

    def __init__(
        self, store: Store, run: Callable[[Work, Lane], Awaitable[Work | None]], *, lease: float
    ) -> None:
        self._store, self._run = store, run
        self.lease = int(lease * 1000)
        self._prefix = f"{machine()}:{os.getpid()}:{secrets.token_hex(4)}/"
        self._numbers = itertools.count(1)
        self._lanes: dict[str, Lane] = {}
        self._claims: set[asyncio.Future[Any]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._renewer: asyncio.Task[None] | None = None
        self.recovered: deque[TurnRef] = deque(maxlen=256)
        """The newest turns that were taken over from another claim: whoever began them shows nothing more."""
        self._closing = False

    def token(self) -> str:
        """A new name for every claim."""
        return f"{self._prefix}{next(self._numbers)}"

    def open(self) -> None:
        """Starts ticker and renewer."""
        self._closing = False
        self._ticker = asyncio.create_task(self._tick(), name="duihua ticker")
        self._renewer = asyncio.create_task(self._renew(), name="duihua renewer")

    async def aclose(self, timeout: float) -> None:
        """Lets running turns finish for `timeout` seconds; what is still running is handed over."""
        self._closing = True
        await _ended([self._ticker])
        await asyncio.gather(*self._claims, return_exceptions=True)
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        await _ended([*tasks, self._renewer])

    async def claiming(self, claim: Coroutine[Any, Any, T], begin: Callable[[T], None]) -> T:
        """Carries out what may claim a session, then `begin`s its lane, even if the caller is cancelled.

        A claim without a lane would keep everybody from its session until the lease has run out.
        """

        def begin_alone(task: asyncio.Future[T]) -> None:
            if not task.cancelled() and task.exception() is None:
                begin(task.result())

        task = asyncio.ensure_future(claim)
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)
        try:
            claimed = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(begin_alone)
            raise
        begin(claimed)  # here and not in the task: so the caller can listen before the lane runs
        return claimed

    def start(self, work: Work) -> None:
        """Works on a claimed session until it has no more inputs."""
        lane = Lane(work.turn.ref.session, work.fence.token)
        self._lanes[lane.token] = lane
        lane.task = asyncio.create_task(self._drain(lane, work), name=f"duihua session {lane.session}")

    async def wake(self, session: int) -> None:
        """Takes the session up if it has work that nobody does."""
        if self._closing:
            return
        claim = self._store.claim(session, self.token(), lease=self.lease)
        await self.claiming(claim, lambda work: self.start(work) if work else None)

    def stop(self, ref: TurnRef) -> None:
        """Stops a turn if it runs here."""
        for lane in self._lanes.values():
            if lane.turn == ref and lane.stop:
                lane.stop()

    async def abandon(self, session: int) -> None:
        """Cancels what runs here for a session whose turns were erased."""
        lanes = [lane for lane in self._lanes.values() if lane.session == session]
        tasks = [lane.task for lane in lanes if lane.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in lanes:  # one that had not begun has not gone by itself
            self._lanes.pop(lane.token, None)

    async def _drain(self, lane: Lane, work: Work) -> None:
        next_work: Work | None = work
        try:
            while next_work is not None:
                lane.turn = next_work.turn.ref
                if next_work.fence.attempt > 1:
                    self.recovered.append(lane.turn)
                next_work = await self._run(next_work, lane)
                if next_work is not None and self._closing:
                    break
        except Superseded:
            return  # another claim holds the session now, or it was erased
        except StorageError as e:
            log.error("session %d: %s; the turn will be taken up again", lane.session, e)
        except Exception as e:
            log.error("session %d: %s\nthe turn will be taken up again", lane.session, where(e))
        finally:
            # Nothing to release after a plain end: then the lease is gone already and this is a no-op.
            self._lanes.pop(lane.token, None)
            if next_work is not None:
                await self._release(lane)

    async def _release(self, lane: Lane) -> None:
        try:
            await asyncio.shield(self._store.release(lane.session, lane.token))
        except StorageError as e:
            log.warning("session %d keeps its lease until it runs out: %s", lane.session, e)

    async def _tick(self) -> None:
        rng = random.Random()
        for number in itertools.count():
            try:
                if number % 10 == 0:
                    await self._bury()
                for session in await self._store.due():
                    try:
                        await self.wake(session)
                    except Exception as e:  # that session alone: the others must not wait for it
                        log.error("session %d cannot be taken up: %s", session, where(e))
                if number % SWEEP == SWEEP - 1:
                    await self._store.sweep()
            except StorageError as e:
                log.warning("looking for waiting sessions failed: %s", e)
            except Exception as e:
                log.error("looking for waiting sessions failed: %s", where(e))
            await asyncio.sleep(TICK * rng.uniform(0.8, 1.2))

    async def _bury(self) -> None:
        """Gives back the leases of dead processes of this machine: nobody waits for them to run out."""
        for session, token in await self._store.leases():
            if self.fate(token) == "dead":
                await self._store.release(session, token)
                await self.wake(session)

    def fate(self, token: str) -> Literal["own", "alive", "dead", "elsewhere"]:
        """What is known of the process that made a claim; of another machine's nothing is."""
        if token.startswith(self._prefix):
            return "own"
        where, _, rest = token.partition(":")
        pid = rest.partition(":")[0]
        if where != self._prefix.partition(":")[0] or not pid.isdigit():
            return "elsewhere"
        return "alive" if _alive(int(pid)) else "dead"

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.lease / 4000)
            lanes = {lane: lane.turn for lane in self._lanes.values()}
            if not lanes:
                continue
            try:
                claims = [(lane.session, lane.token) for lane in lanes]
                held = {h.token: h for h in await self._store.renew(claims, lease=self.lease)}
            except StorageError as e:
                log.warning("renewing %d leases failed: %s", len(lanes), e)
                continue
            except Exception as e:
                log.error("renewing %d leases failed: %s", len(lanes), where(e))
                continue
            for lane, turn in lanes.items():
                if lane.token not in held:
                    if lane.task:
                        lane.task.cancel()
                elif held[lane.token].stop and lane.stop and lane.turn == turn:  # not the one after it
                    lane.stop()


async def _ended(tasks: Sequence[asyncio.Task[None] | None]) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # nothing there asks without harm
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether the process has ended and only its parent does not know yet: `kill -9` leaves such."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:  # another system, or gone in this moment: the lease runs out by itself
        return False
    return fields[:1] in ([b"Z"], [b"X"])
