"""The calls of MCP clients: how often each client may, and the audit of what it did."""

from __future__ import annotations

from dataclasses import dataclass, replace

from duihua.errors import NotFound
from duihua.escapes import one_line
from duihua.messages import Address, Author, Call
from duihua.ports import Skill, Store
from duihua.skills.gate import Gate

FRONT = "mcp"
CLIENTS = 200
"""Clients that are told apart, at most: a client says itself what it is called."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client: the session where its calls stand, and it as a person."""

    session: int
    author: Author


class Ledger:
    """Counts and writes down calls, each for the client that made it.

    Args:
        store: where the audit stands; it is open.
        gate: counts.
    """

    def __init__(self, store: Store, gate: Gate) -> None:
        self.store, self._gate = store, gate
        self._clients: dict[str, Client] = {}

    async def client(self, name: str) -> Client:
        """The client that calls itself so."""
        name = one_line(name, 64) or "client"
        if name not in self._clients and len(self._clients) >= CLIENTS:
            name = "others"
        if name not in self._clients:
            info = await self.store.ensure(Address(FRONT, name), name, name)
            self._clients[name] = Client(info.id, Author(info.owner, name))
        return self._clients[name]

    async def begin(self, client: Client, call: Call, approved: bool) -> str:
        """Writes a call down; returns the id that it has in the audit.

        Raises:
            StorageError: it cannot be written down.
        """
        try:
            return await self.store.log_call(client.session, call, approved=approved)
        except NotFound:  # the client was erased meanwhile
            self._clients.clear()
            again = await self.client(client.author.name)
            return await self.store.log_call(again.session, call, approved=approved)

    def too_often(self, skill: Skill, client: Client) -> str:
        """Counts a call; why it comes too soon after others, or empty."""
        return self._gate.too_often(skill, client.author.id)

    async def end(self, id_: str, call: Call, took: float) -> None:
        """Writes down what became of a call; `took`: seconds."""
        await self.store.log_result(replace(call, id=id_), round(took * 1000))
