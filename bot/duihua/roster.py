"""The sessions of an engine: what is kept of them in memory, and how they and their people are erased."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from duihua.history import History
from duihua.lanes import Lanes
from duihua.messages import Address, TurnRef
from duihua.ports import SessionInfo, Store
from duihua.recollection import Recollection
from duihua.relay import Relay
from duihua.upkeep import Upkeep

REMEMBERED = 4_096
"""Sessions whose settings are kept in memory."""


class Roster:
    """One for all sessions of an engine.

    Args:
        store: where they are.
        lanes: where their turns run.
        relay: tells readers.
        history: keeps turns in memory, as `recollection` and `upkeep` keep what is remembered.
    """

    def __init__(
        self,
        store: Store,
        lanes: Lanes,
        relay: Relay,
        history: History,
        recollection: Recollection,
        upkeep: Upkeep,
    ) -> None:
        self._store, self._lanes, self._relay = store, lanes, relay
        self._history, self._recollection, self._upkeep = history, recollection, upkeep
        self._settings: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    async def settings(self, address: Address) -> Mapping[str, Any]:
        """The session's own settings, as last seen."""
        key = f"{address.tenant}:{address.key}"
        found = self._settings.get(key)
        if found is None:
            info = await self._store.session(address)
            found = info.settings if info else dict[str, Any]()
            self._settings[key] = found
            while len(self._settings) > REMEMBERED:
                self._settings.popitem(last=False)
        return found

    def drop(self, address: Address, session: int) -> None:
        """Forgets what is kept in memory of a session."""
        self._settings.pop(f"{address.tenant}:{address.key}", None)
        self._drop(session)

    async def forget(self, info: SessionInfo) -> int:
        """Erases a session's turns with everything derived from them; returns how many."""
        count = await self._store.erase(info.id)
        await self._end(info)
        await self._store.scrub()
        return count

    async def forget_turns(self, turns: Sequence[TurnRef]) -> int:
        """Erases turns with everything derived from them; returns how many turns."""
        return await self.forget_these((), (), (), turns)

    async def forget_these(
        self, owners: Sequence[int], facts: Sequence[int], said: Sequence[TurnRef], turns: Sequence[TurnRef]
    ) -> int:
        """Erases facts and turns with everything derived from them: see `MemoryStore.forget_these`."""
        count = await self._store.forget_these(owners, facts, said, turns)
        for session in {ref.session for ref in (*said, *turns)}:
            self._drop(session)
        for owner in owners:
            self._recollection.drop_owner(owner)
        await self._store.scrub()
        return count

    async def forget_person(self, user: int) -> tuple[int, Sequence[SessionInfo]]:
        """Erases the person with this users.id; returns how many sessions went, and those that were known."""
        sessions = await self._store.sessions(user)
        count = await self._store.forget_user(user)
        for info in sessions:
            await self._end(info)
        self._recollection.drop_owner(user)
        await self._store.scrub()
        return count, sessions

    async def move_chat(self, address: Address, chat: str) -> None:
        """A chat has got another id: its conversations go there, with all that they have and owe."""
        for session, old in await self._store.move_chat(address, chat):
            self.drop(old, session)
            self.drop(replace(old, chat=chat), session)

    async def unhear_chat(self, address: Address) -> None:
        """Erases what was overheard in all conversations of a chat, and was not given to a model yet."""
        await self._store.unhear_chat(address)
        await self._store.scrub()

    async def _end(self, info: SessionInfo) -> None:
        """Ends what runs here for a session whose turns were erased; its readers are told."""
        await self._lanes.abandon(info.id)
        self._relay.end(info.id)
        self.drop(info.address, info.id)

    def _drop(self, session: int) -> None:
        self._history.drop(TurnRef(session, 0))
        self._recollection.drop(session)
        self._upkeep.drop(session)
