"""The calls of MCP clients: how often each client may, and the audit of what it did."""

from __future__ import annotations

import time
from dataclasses import replace

from duihua.errors import NotFound
from duihua.escapes import one_line
from duihua.messages import SETTLED, Address, Author, Call
from duihua.ports import Skill, Store
from duihua.skills.gate import Gate

FRONT = "mcp"
CLIENTS = 200
"""Clients that are told apart, at most: a client says itself what it is called."""


class Ledger:
    """Counts and writes down calls, each for the client that made it.

    Args:
        store: where the audit stands; it is open.
        gate: counts.
    """

    def __init__(self, store: Store, gate: Gate) -> None:
        self.store, self._gate = store, gate
        self._clients: dict[str, tuple[int, Author]] = {}

    async def begin(self, client: str, call: Call, approved: bool) -> tuple[Call, Author]:
        """Writes a call down; returns it with its id, and the client as a person.

        Raises:
            StorageError: it cannot be written down.
        """
        client = one_line(client, 64) or "client"
        session, author = await self._known(client)
        try:
            id_ = await self.store.log_call(session, call, approved=approved)
        except NotFound:  # it was erased meanwhile
            self._clients.clear()
            session, author = await self._known(client)
            id_ = await self.store.log_call(session, call, approved=approved)
        return replace(call, id=id_), author

    def too_often(self, skill: Skill, author: Author) -> str:
        """Counts a call; why it comes too soon after others, or empty."""
        return self._gate.too_often(skill, author.id)

    async def end(self, call: Call, began: float) -> None:
        """Writes down what became of a call that `began` at this `time.monotonic()`."""
        settled = call if call.state in SETTLED else replace(call, state="failed")
        await self.store.log_result(settled, round((time.monotonic() - began) * 1000))

    async def _known(self, client: str) -> tuple[int, Author]:
        if client not in self._clients and len(self._clients) >= CLIENTS:
            client = "others"
        if client not in self._clients:
            info = await self.store.ensure(Address(FRONT, client), client, client)
            self._clients[client] = (info.id, Author(info.owner, client))
        return self._clients[client]
