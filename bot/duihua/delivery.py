"""Sends what the front ends owe: the outbox, in order within a session, sessions beside each other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from duihua.errors import DeliveryError, Gone, NotSent, SendUnknown, StorageError
from duihua.escapes import one_line
from duihua.ports import Frontend, Send, Store
from duihua.redact import redact, where

log = logging.getLogger(__name__)

IDLE = 5.0
"""Seconds between two looks at the outbox when nobody says that there is something in it."""

AT_ONCE = 20
"""Messages on their way at the same time."""

PATIENCE = 45.0
"""Seconds after which a send is given up: it may have arrived."""

LEASE = 60_000
"""Milliseconds after which a send whose outcome nobody wrote down is handed out again; above `PATIENCE`."""

_WHY = 200  # characters of a refusal that are logged
_APART = 100  # ms by which two clocks, and what was done at the same time, may be apart
_MARGIN = 0.01  # seconds: the database's clock must have passed the time, too


class Delivery:
    """The sending side of the outbox for the front ends of this process.

    The store hands out only the oldest open row of a session, so rows may be sent side by side.

    Attributes:
        failed: messages that were refused for good since the process began.
    """

    def __init__(self, store: Store, fronts: Mapping[str, Frontend]) -> None:
        self._store, self._fronts = store, fronts
        self._poked = asyncio.Event()
        self._taking = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._began = 0.0  # when the first ones were taken; 0: none were
        self.failed = 0

    def open(self) -> None:
        """Starts sending."""
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="duihua delivery")

    def poke(self) -> None:
        """There is something to send."""
        self._poked.set()

    async def flush(self) -> None:
        """Sends what is owed now, and returns when it is sent."""
        while True:
            await self._take()
            if not self._sending:
                return
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)

    async def take_back(self, source: str) -> None:
        """What a process that is dead now was sending for a source need not wait for the end of its lease.

        Args:
            source: as an `ArrivalStore` has it; its sessions' keys begin with it.
        """
        async with self._taking:
            ours = (time.monotonic() - self._began) * 1000 + _APART if self._began else 0.0
            await self._store.take_back(source, within=int(LEASE - ours))
        self.poke()

    async def aclose(self) -> None:
        """Sends what is owed now, then stops."""
        if self._task is None:
            return
        self._closing = True
        self.poke()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except StorageError as e:
            log.warning("the outbox stays as it is: %s", e)
        if self._sending:
            await asyncio.wait(self._sending)

    async def _run(self) -> None:
        while not self._closing:
            self._poked.clear()
            try:
                await self._take()
            except StorageError as e:
                log.warning("sending waits: %s", e)
            except Exception as e:
                log.error("sending waits: %s", where(e))
            try:
                async with asyncio.timeout(IDLE):
                    await self._poked.wait()
            except TimeoutError:
                continue

    async def _take(self) -> None:
        """Begins to send what is due, as far as there is room."""
        async with self._taking:
            room = AT_ONCE - len(self._sending)
            if not self._fronts or room <= 0:
                return
            self._began = self._began or time.monotonic()
            for send in await self._store.take_sends(list(self._fronts), lease=LEASE, limit=room):
                task = asyncio.create_task(self._one(send), name=f"duihua send {send.id}")
                self._sending.add(task)
                task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self.poke()  # the next one of that session, or of those that found no room

    async def _one(self, send: Send) -> None:
        try:
            await self._attempt(send)
        except StorageError as e:
            log.warning("it was not written down what became of message %d: %s", send.id, e)

    async def _attempt(self, send: Send) -> None:
        front, settle = self._fronts[send.address.front], self._store.settle_send
        try:
            async with asyncio.timeout(PATIENCE):
                external = await front.send(send, self._store)
        except NotSent as e:
            await settle(send.id, "pending", delay=int(e.retry_after * 1000), error=str(e))
            if e.retry_after < IDLE and not self._closing:
                asyncio.get_running_loop().call_later(e.retry_after + _MARGIN, self.poke)
        except (SendUnknown, TimeoutError) as e:
            await settle(send.id, "unknown", error=str(e) or "timeout")
        except Gone as e:  # who blocks a bot is nothing to look after
            log.info("message %d has nobody to go to", send.id)
            await settle(send.id, "failed", error=str(e))
        except DeliveryError as e:
            self.failed += 1
            why = one_line(redact(str(e)), _WHY)
            log.error("message %d of session %d is lost: %s", send.id, send.ref.session, why)
            await settle(send.id, "failed", error=str(e))
        except Exception as e:
            log.error("front end %s failed to send: %s", front.name, where(e))
            await settle(send.id, "unknown", error="internal")
        else:
            await settle(send.id, "sent", external_id=external)
