"""The front ends of an engine: those that are live are shown its turns, those that have titles get them."""

from __future__ import annotations

import asyncio
import logging

from duihua.messages import Address
from duihua.ports import Entitling, Frontend, Store, Work
from duihua.redact import where
from duihua.relay import Channel

log = logging.getLogger(__name__)


class Frontends:
    """What is shown beside the outbox. It may fail: the outbox is complete alone.

    Args:
        store: the ledger of what shows a turn.

    Attributes:
        attached: the front ends by name.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.attached: dict[str, Frontend] = {}
        self._live: set[str] = set()
        self._views: set[asyncio.Task[None]] = set()
        self._titles: set[asyncio.Task[None]] = set()

    def attach(self, front: Frontend, *, live: bool) -> None:
        """Takes a front end in; `live`: it is shown the turns of its addresses."""
        self.attached[front.name] = front
        if live:
            self._live.add(front.name)

    def share(self, others: Frontends) -> None:
        """Has the same front ends as another engine, from now on."""
        self.attached, self._live = others.attached, others._live

    def show(self, channel: Channel, work: Work) -> None:
        """Lets the front end of a turn's address show it as it goes on."""
        front = self.attached.get(work.address.front)
        if front is None or front.name not in self._live:
            return
        task = asyncio.create_task(self._present(front, work.address, channel))
        self._views.add(task)
        task.add_done_callback(self._views.discard)

    def entitle(self, address: Address, title: str) -> None:
        """Lets the front end of a conversation show its title."""
        front = self.attached.get(address.front)
        if not isinstance(front, Entitling):
            return
        task = asyncio.create_task(_entitle(address.front, front, address, title))
        self._titles.add(task)
        task.add_done_callback(self._titles.discard)

    async def aclose(self) -> None:
        """Cuts the views off, and waits for titles."""
        for task in self._views:
            task.cancel()
        await asyncio.gather(*self._views, *self._titles, return_exceptions=True)

    async def _present(self, front: Frontend, address: Address, channel: Channel) -> None:
        with channel.reader() as queue:
            try:
                await front.present(channel.ref, address, aiter(queue), self._store)
            except Exception as e:
                log.error("front end %s failed to show a turn: %s", front.name, where(e))


async def _entitle(name: str, front: Entitling, address: Address, title: str) -> None:
    try:
        await front.entitle(address, title)
    except Exception as e:  # a name is not worth more than a line in the log
        log.error("front end %s failed to show a title: %s", name, where(e))
