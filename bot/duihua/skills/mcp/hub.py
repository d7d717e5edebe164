"""All MCP servers of an engine: one task owns their connections and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from duihua.ports import Skill
from duihua.redact import know
from duihua.skills.mcp.links import Link
from duihua.skills.mcp.servers import Server, check_installed
from duihua.skills.mcp.tools import named

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
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Starts the servers, without waiting for them."""
        if self.links and self._task is None:
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
        await asyncio.gather(task, return_exceptions=True)

    def publish(self) -> None:
        """Gives the skills of all servers their names, and hands them on."""
        offers = [one for link in self.links for one in link.offers]
        self._use(named(offers, self._taken(), self._owners))

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for link in self.links:
                group.create_task(link.run(), name=f"duihua-mcp {link.server.name}")
