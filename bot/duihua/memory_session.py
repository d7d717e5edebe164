"""What a session's handle can do with memory: see it, switch it, forget, export, talk privately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from duihua.memories import Fact, Hit
from duihua.memory.naming import holding, quoted
from duihua.messages import Turn, TurnRef, text_of
from duihua.place import Handle

if TYPE_CHECKING:
    from duihua.engine import ChatEngine


class MemorySession(Handle):
    """The verbs of memory. Where others read along, the conversation's own memory is meant."""

    __slots__ = ()

    async def remembers(self) -> bool:
        """Whether long-term memory is on for this conversation."""
        engine, info = await self._place.made()
        return engine.recollection.holder(info).on

    async def remember(self, on: bool) -> bool:
        """Turns long-term memory on or off: the person's own, or where others read along the conversation's.

        What is remembered stays; what is said while it is off is never remembered. Returns whether it is on
        now: where the installation has it off, nobody can turn it on.
        """
        engine, info = await self._place.person()
        await engine.upkeep.settle(info.id)  # what was said until now counts as it was
        if not info.address.public:
            await engine.store.switch_memory(info.owner, on)
        if info.address.public or "memory" in info.settings:
            values = {**info.settings, "memory": "on" if on else "off"}
            await engine.store.settings(info.id, values)
            engine.drop(self.address, info.id)
        return await self.remembers()

    async def facts(self, *, superseded: bool = False) -> list[Fact]:
        """What is known, oldest first; `superseded`: also what was true once."""
        engine, owner = await self._owner()
        return list((await engine.store.facts(owner, superseded=superseded)).facts)

    async def search(self, query: str, *, limit: int = 8) -> list[Hit]:
        """Past turns and facts about `query`, the best first."""
        engine, owner = await self._owner()
        return list(await engine.recall.search(owner, query, limit=limit))

    async def mentions(self, words: str) -> tuple[list[Fact], list[Turn]]:
        """All facts and turns in which every one of the words stands, remembered or not.

        Looked at are the turns of all of the person's conversations, on all their paths, with their calls;
        where others read along, those of this conversation alone.
        """
        engine, _ = await self._owner()
        holds = holding(words)
        turns: list[Turn] = []
        for session in await self._own_sessions():
            turns += [turn for turn in await engine.store.since(session, 0) if holds(_said(turn))]
        return [fact for fact in await self._own_facts() if holds(fact.text)], turns

    async def _owners(self) -> list[int]:
        """Whose facts this handle may rule: the person's, and those of their own conversations in groups."""
        engine, owner = await self._owner()
        _, info = await self._place.made()
        if info.address.public:
            return [owner]
        known = await engine.store.sessions(info.owner)
        return [owner, *(-one.id for one in known if one.address.public and not one.address.shared)]

    async def _own_facts(self) -> list[Fact]:
        engine, _ = await self._place.made()
        books = [await engine.store.facts(one, superseded=True) for one in await self._owners()]
        return [fact for book in books for fact in book.facts]

    async def _own_sessions(self) -> list[int]:
        """The sessions whose turns this handle may rule."""
        engine, info = await self._place.made()
        if info.address.public:
            return [info.id]
        owned = await engine.store.sessions(info.owner)
        return [one.id for one in owned if not one.address.shared]

    async def between(self, start: datetime, end: datetime) -> list[Turn]:
        """The turns of this conversation, on all its paths, that began from `start` to before `end`."""
        engine, info = await self._place.made()
        first, last = (int(moment.timestamp() * 1000) for moment in (start, end))
        return [turn for turn in await engine.store.since(info.id, first) if turn.at < last]

    async def staying(self, start: datetime, end: datetime) -> list[Fact]:
        """The facts that were to stay when a turn here was forgotten, and were said in that time alone."""
        _, info = await self._place.made()
        first, last = (int(moment.timestamp() * 1000) for moment in (start, end))
        said = {turn.ref for turn in await self.between(start, end)}
        return [
            fact
            for fact in await self._own_facts()
            if info.id in fact.stays and said.issuperset(fact.sources)
            if first <= fact.first_seen and fact.last_seen < last
        ]

    async def answering(self) -> bool:
        """Whether something that was said here has no answer yet: memory knows of it when it has one."""
        _, info = await self._place.look()
        return info is not None and info.pending > 0

    async def behind(self, facts: Sequence[Fact]) -> list[Turn]:
        """The turns that go when these facts are forgotten: they rest on them, or stand there word for word.

        The same holds for what they replaced: else that would be found in its turn as if it were still true.
        """
        engine, _ = await self._owner()
        gone = with_history(facts, await self._own_facts())
        sources = {ref for fact in gone for ref in fact.sources}
        stands = quoted([fact.text for fact in gone])
        turns: list[Turn] = []
        for session in await self._own_sessions() if gone else ():
            everything = await engine.store.since(session, 0)
            turns += [turn for turn in everything if turn.ref in sources or stands(_said(turn))]
        return turns

    async def resting(self, facts: Sequence[Fact], turns: Sequence[Turn] = ()) -> list[Fact]:
        """The facts that go when these facts and turns are forgotten.

        They are these facts, what they replaced, and those that rest on these turns alone.
        """
        known = await self._own_facts()
        gone = {turn.ref for turn in turns}
        alone = [fact for fact in known if fact.sources and not fact.stays and gone.issuperset(fact.sources)]
        also = {fact.id for fact in (*with_history(facts, known), *alone)}
        return [fact for fact in known if fact.id in also]

    async def forget_these(self, facts: Sequence[Fact], turns: Sequence[TurnRef] = ()) -> int:
        """Erases facts and turns of this memory's own with everything derived; returns how many.

        A fact goes with the turns `behind` it, but what else was learnt from these stays. With `turns` go
        the facts that rest on them alone.
        """
        engine, _ = await self._place.made()
        said = [turn.ref for turn in await self.behind(facts)]
        own = await self._own_sessions()
        mine = [ref for ref in turns if ref.session in own]
        return await engine.roster.forget_these(await self._owners(), [fact.id for fact in facts], said, mine)

    async def forget_everything(self) -> int:
        """Erases everything about the person; returns the sessions erased.

        In a conversation that several people share: that conversation, with all that is remembered of it.
        """
        engine, info = await self._place.person()
        here, there = await self._place.made()
        if here is not engine:
            await here.forget_person(there.owner)
        if not info.address.shared:
            return await engine.forget_person(info.owner)
        await engine.roster.forget(info)
        return 1

    async def export(self) -> Mapping[str, Any]:
        """Everything stored about the person, as plain data."""
        engine, _ = await self._place.person()
        return await engine.store.export(await self._place.speaker())

    async def _owner(self) -> tuple[ChatEngine, int]:
        engine, info = await self._place.made()
        await engine.upkeep.settle(info.id)
        return engine, engine.recollection.holder(info).owner


def with_history(facts: Sequence[Fact], known: Sequence[Fact]) -> list[Fact]:
    """Those of the known facts that are these, or led to them."""
    gone = {fact.id for fact in facts}
    later = {fact.id: fact.superseded_by for fact in known}

    def leads(id_: int) -> bool:
        while id_ and id_ not in gone:
            id_ = later.get(id_, 0)
        return bool(id_)

    return [fact for fact in known if leads(fact.id)]


def _said(turn: Turn) -> str:
    """All words of a turn, those of its calls included."""
    calls = [text for step in turn.steps for call in step.calls for text in (call.arguments, call.result)]
    return "\n".join([text_of(turn.input), turn.text, *calls])
