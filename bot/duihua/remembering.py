"""The memory of whoever is talking, as skills use it: one holder, one turn, nobody else's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from duihua.errors import SkillError
from duihua.memories import Finding, Hit, Recall
from duihua.messages import Text, Turn
from duihua.ports import Store

LONGEST = 500
"""Characters of a fact."""
SURE = 0.35
"""Facts with a score below this are not what was meant to be forgotten."""
TRIES = 3


class OwnMemory:
    """`memories.Remembers` for the turn at work.

    Args:
        store: where facts are.
        recall: finds facts and turns.
        owner: whose memory.
        turn: in which the skill is called; what is remembered rests on it.
    """

    def __init__(self, store: Store, recall: Recall, owner: int, turn: Turn) -> None:
        self._store, self._recall, self._owner, self._turn = store, recall, owner, turn

    async def remember(self, text: str) -> None:
        """Keeps a fact.

        Raises:
            SkillError: there is nothing in it, or it is too long for a fact.
        """
        from duihua.memory import facts as finding  # its rules take a tenth of a second to compile

        said = " ".join(text.split())
        if not said:
            raise SkillError("There is nothing to remember in that.")
        if len(said) > LONGEST:
            raise SkillError(f"Too long for a fact: at most {LONGEST} characters. Keep to one sentence.")
        now, refs = int(time.time() * 1000), (self._turn.ref,)
        found = finding.found_in(replace(self._turn, input=(Text(said),), steps=(), state="done", memo={}))
        findings = [replace(one, sources=refs, confidence=1.0, at=now) for one in found]
        findings = findings or [Finding("other", "", said, refs, 1.0, now)]
        for _ in range(TRIES):
            book = await self._store.facts(self._owner)
            changes = finding.reconcile(book.facts, findings, now)
            if not changes or await self._store.put_facts(self._owner, book.version, changes):
                return
        raise SkillError("Memory is busy; try again.")

    async def recall(self, query: str, *, limit: int = 5) -> Sequence[Hit]:
        """What is known about `query`, the best first."""
        return await self._recall.search(self._owner, query, limit=limit)

    async def forget(self, query: str) -> Sequence[str]:
        """Erases the facts that `query` names; returns their texts.

        What they rest on stays in its conversation, but memory knows of it no more.
        """
        hits = await self._recall.search(self._owner, query, limit=20)
        meant = {hit.fact for hit in hits if hit.fact and hit.score >= SURE}
        book = await self._store.facts(self._owner)
        gone = [fact for fact in book.facts if fact.id in meant]
        if gone:  # and what they rest on, and this very wish: else the same would be found in them again
            refs = {ref for fact in gone for ref in fact.sources} | {self._turn.ref}
            await self._store.drop_facts(self._owner, [fact.id for fact in gone], sorted(refs))
            await self._store.scrub()
        return [fact.text for fact in gone]
