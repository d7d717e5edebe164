"""What a session's handle can do with memory: see it, switch it, forget, export, talk privately."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from duihua.errors import NotFound
from duihua.memories import Fact, Hit
from duihua.messages import Address, Turn, TurnRef, text_of

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.ports import SessionInfo

MOST = 50
"""Facts and turns that one wish to forget finds, at most."""


class MemorySession(ABC):
    """The verbs of memory. In a conversation that several people share, its own memory is meant."""

    __slots__ = ()

    address: Address

    @abstractmethod
    async def _here(self) -> ChatEngine:
        """The engine that keeps the conversation."""

    @abstractmethod
    async def _made(self) -> SessionInfo:
        """The session, made if it is not there."""

    async def remembers(self) -> bool:
        """Whether long-term memory is on for this conversation."""
        engine = await self._here()
        return engine.recollection.holder(await self._made()).on

    async def remember(self, on: bool) -> None:
        """Turns long-term memory on or off: the person's own, or that of a shared conversation.

        What is remembered stays; what is said while it is off is never remembered.
        """
        engine, info = await self._here(), await self._made()
        await engine.upkeep.flush(info.id)  # what was said until now counts as it was
        if not info.address.shared:
            await engine.store.switch_memory(info.owner, on)
        if info.address.shared or "memory" in info.settings:
            values = {**info.settings, "memory": "on" if on else "off"}
            await engine.store.settings(info.id, values)
            engine.drop(self.address, info.id)

    async def facts(self, *, superseded: bool = False) -> list[Fact]:
        """What is known, oldest first; `superseded`: also what was true once."""
        engine, owner = await self._owner()
        return list((await engine.store.facts(owner, superseded=superseded)).facts)

    async def search(self, query: str, *, limit: int = 8) -> list[Hit]:
        """Past turns and facts about `query`, the best first."""
        engine, owner = await self._owner()
        return list(await engine.recall.search(owner, query, limit=limit))

    async def mentions(self, words: str) -> tuple[list[Fact], list[Turn]]:
        """The facts and remembered turns in which every one of the words stands."""
        engine, owner = await self._owner()
        wanted = words.casefold().split()

        def holds(text: str) -> bool:
            return all(word in text.casefold() for word in wanted)

        book = await engine.store.facts(owner, superseded=True)
        hits = await engine.recall.search(owner, words, limit=MOST)
        turns = await engine.store.said([hit.ref for hit in hits if hit.ref is not None])
        facts = [fact for fact in book.facts if holds(fact.text)]
        return facts, [turn for turn in turns if holds(f"{text_of(turn.input)}\n{turn.text}")]

    async def since(self, seconds: float) -> list[Turn]:
        """The turns of this conversation, on all its paths, that began within the last `seconds`."""
        engine, info = await self._here(), await self._made()
        return list(await engine.store.since(info.id, int((time.time() - seconds) * 1000)))

    async def forget_these(self, facts: Sequence[int], turns: Sequence[TurnRef] = ()) -> int:
        """Erases facts and turns of this memory's own with everything derived; returns how many."""
        engine, owner = await self._owner()
        count = await engine.store.drop_facts(owner, list(facts)) if facts else 0
        return count + await engine.erase(turns)

    async def forget_everything(self) -> int:
        """Erases everything about the person (or the shared conversation); returns the sessions erased."""
        engine, info = await self._here(), await self._made()
        if info.address.shared:
            raise NotFound("person", self.address.key)
        return await engine.forget_person(info.owner)

    async def export(self) -> Mapping[str, Any]:
        """Everything stored about the person, as plain data."""
        engine, info = await self._here(), await self._made()
        return await engine.store.export(info.owner)

    async def _owner(self) -> tuple[ChatEngine, int]:
        engine, info = await self._here(), await self._made()
        await engine.upkeep.flush(info.id)
        return engine, engine.recollection.holder(info).owner
