"""Sends what the front ends owe: the outbox, row by row, in order within a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from itertools import groupby

from duihua.errors import DeliveryError, Gone, NotSent, SendUnknown, StorageError
from duihua.ports import Frontend, Send, Store

log = logging.getLogger(__name__)

IDLE = 5.0
"""Seconds between two looks at the outbox when nobody says that there is something in it."""

LEASE = 60_000
"""Milliseconds after which a send whose outcome nobody wrote down is handed out again."""


class Delivery:
    """The sending side of the outbox for the front ends of this process."""

    def __init__(self, store: Store, fronts: Mapping[str, Frontend]) -> None:
        self._store, self._fronts = store, fronts
        self._poked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Starts sending."""
        self._task = asyncio.create_task(self._run(), name="duihua delivery")

    def poke(self) -> None:
        """There is something to send."""
        self._poked.set()

    async def flush(self) -> None:
        """Sends what is owed now."""
        async with self._one_at_a_time:
            while await self._round():
                pass

    async def aclose(self) -> None:
        """Sends what is owed now, then stops."""
        if self._task is None:
            return
        async with self._one_at_a_time:  # a round that is cut leaves what it took to nobody for a minute
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self.flush()
        except StorageError as e:
            log.warning("the outbox stays as it is: %s", e)

    async def _run(self) -> None:
        while True:
            self._poked.clear()
            try:
                await self.flush()
            except StorageError as e:
                log.warning("sending waits: %s", e)
            try:
                async with asyncio.timeout(IDLE):
                    await self._poked.wait()
            except TimeoutError:
                continue

    async def _round(self) -> int:
        if not self._fronts:
            return 0
        sends = await self._store.take_sends(list(self._fronts), lease=LEASE)
        sessions = groupby(sorted(sends, key=lambda s: (s.ref, s.part, s.id)), key=lambda s: s.ref.session)
        await asyncio.gather(*(self._session(list(group)) for _, group in sessions))
        return len(sends)

    async def _session(self, sends: Sequence[Send]) -> None:
        for send in sends:
            await self._one(send)

    async def _one(self, send: Send) -> None:
        front = self._fronts[send.address.front]
        try:
            external = await front.send(send)
        except NotSent as e:
            delay = int(e.retry_after * 1000)
            await self._store.settle_send(send.id, "pending", delay=delay, error=str(e))
        except SendUnknown as e:
            await self._store.settle_send(send.id, "unknown", error=str(e))
        except Gone as e:
            await self._store.settle_send(send.id, "failed", error=str(e))
        except DeliveryError as e:
            await self._store.settle_send(send.id, "failed", error=str(e))
        except Exception:
            log.exception("front end %s failed to send", front.name)
            await self._store.settle_send(send.id, "unknown", error="internal")
        else:
            await self._store.settle_send(send.id, "sent", external_id=external)
