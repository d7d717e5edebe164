"""All MCP servers of an engine: one task owns their connections and ends with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import orjson

from duihua.errors import DuihuaError
from duihua.ports import Skill, Store
from duihua.redact import know
from duihua.skills.mcp.links import Link
from duihua.skills.mcp.servers import Server, check_installed
from duihua.skills.mcp.tools import named

log = logging.getLogger(__name__)

STATE = "mcp_names"
"""Where the store keeps who has which name: it must not change between a question and the consent to it."""
NAMES = 2_000
"""Names that are remembered, at most."""
CLOSING = 5.0
"""Seconds that servers have to end in, all together."""


class Hub:
    """The servers.

    Args:
        servers: in the order in which they get their names.
        use: is given all the skills there are whenever they change.
        taken: names that are not to be had.

    Raises:
        ConfigError: the package that this needs is not installed.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        use: Callable[[Sequence[Skill]], None],
        taken: Callable[[], Collection[str]] = tuple,
    ) -> None:
        if servers:
            check_installed()
        for server in servers:
            know(server.secrets)
        self.links = tuple(Link(server, self.publish) for server in servers)
        self._use, self._taken = use, taken
        self._owners: dict[str, tuple[str, str]] = {}
        self._store: Store | None = None
        self._keeping: set[asyncio.Task[None]] = set()
        self._kept = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def open(self, store: Store | None = None) -> None:
        """Starts the servers, without waiting for them; `store` keeps who has which name."""
        if not self.links or self._task is not None:
            return
        if store is not None:
            kept: dict[str, tuple[str, str]] = orjson.loads(await store.get_state(STATE) or b"{}")
            self._owners = {name: (server, tool) for name, (server, tool) in kept.items()}
        self._store = store
        self._task = asyncio.create_task(self._run(), name="duihua-mcp")

    async def settled(self, seconds: float) -> None:
        """Waits until every server was tried once, at most so long."""
        if all(link.tried.is_set() for link in self.links):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(link.tried.wait() for link in self.links))

    async def aclose(self) -> None:
        """Closes every connection and ends every child."""
        task, self._task = self._task, None
        if task is None:
            return
        for link in self.links:
            link.close()
        await asyncio.wait((task,), timeout=CLOSING)
        task.cancel()
        await asyncio.gather(task, *self._keeping, return_exceptions=True)

    def publish(self) -> None:
        """Gives the skills of all servers their names, and hands them on."""
        offers = [one for link in self.links for one in link.offers]
        before = len(self._owners)
        self._use(named(offers, self._taken(), self._owners))
        for name in list(self._owners)[:-NAMES]:
            del self._owners[name]
        if self._store is not None and len(self._owners) != before:
            task = asyncio.create_task(self._keep(self._store, orjson.dumps(self._owners)))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def _keep(self, store: Store, names: bytes) -> None:
        try:
            async with self._kept:
                await store.put_state(STATE, names)
        except DuihuaError as e:
            log.warning("the names of MCP tools are not kept: %s", e)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for link in self.links:
                group.create_task(link.run(), name=f"duihua-mcp {link.server.name}")
