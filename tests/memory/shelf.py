"""Facts as a store keeps them, in memory: for tests of what is found and what agrees with what."""

from __future__ import annotations

from typing import Any

from duihua.memories import Fact, FactChange, Finding
from duihua.memory.facts import found_in, reconcile
from duihua.messages import Text, Turn, TurnRef

AT = 1_715_000_000_000  # 6 May 2024, a Monday
DAY = 86_400_000


def turn(text: str, seq: int = 1, **fields: Any) -> Turn:
    return Turn(TurnRef(1, seq), input=(Text(text),), **{"at": AT + seq, **fields})


class Shelf:
    """Facts as a store keeps them, in memory."""

    def __init__(self) -> None:
        self.facts: dict[int, Fact] = {}

    @property
    def valid(self) -> list[Fact]:
        return [f for f in self.facts.values() if not f.superseded_by]

    @property
    def texts(self) -> list[str]:
        return [f.text for f in self.valid]

    def hear(self, *findings: Finding, now: int = AT) -> tuple[FactChange, ...]:
        changes = reconcile(self.valid, findings, now)
        written: list[int] = []
        for change in changes:
            f = change.finding
            written.append(change.known or len(self.facts) + 1)
            if change.known:
                old = self.facts[change.known]
                sources = tuple(sorted({*old.sources, *f.sources}))
                self.facts[old.id] = Fact(
                    *(old.id, 1, old.kind, old.subject, old.text, sources, max(f.confidence, old.confidence)),
                    old.first_seen,
                    max(old.last_seen, f.at),
                    max(old.expires, f.expires),
                )
                continue
            id_ = len(self.facts) + 1
            self.facts[id_] = Fact(
                *(id_, 1, f.kind, f.subject, f.text, f.sources, f.confidence, f.at, f.at, f.expires)
            )
            for replaced in (written[-id_ - 1] if id_ < 0 else id_ for id_ in change.replaces):
                old = self.facts[replaced]
                self.facts[replaced] = Fact(
                    *(old.id, 1, old.kind, old.subject, old.text, old.sources, old.confidence),
                    *(old.first_seen, old.last_seen, old.expires, id_),
                )
        return changes

    def told(self, *texts: str) -> list[str]:
        for text in texts:
            self.hear(*found_in(turn(text, len(self.facts) + 100)))
        return self.texts
