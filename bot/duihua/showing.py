"""Which messages of a front end show which turn: values and the border to storage. Types only.

Where a platform lets messages be changed, a turn that is done again changes what it showed before instead
of saying it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from duihua.messages import TurnRef


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of an answer, `part` from 0. `external` is its id there; empty: it was about to be sent.

    If the process died at that moment, the message may be there without anybody knowing its id.
    """

    part: int
    external: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """An input as found by its key. `seq` is the turn that took it, 0: it waits."""

    session: int
    inbox: int
    seq: int


class ShownStore(Protocol):
    """What a store keeps of shown messages: one method, one transaction."""

    async def show(self, ref: TurnRef, part: int, external: str = "") -> None:
        """Writes down that a part is about to be sent, or, with its id, that it was."""
        ...

    async def shown(self, ref: TurnRef) -> Sequence[Shown]:
        """The messages of a turn's answer, by part."""
        ...

    async def unshow(self, ref: TurnRef, parts: Sequence[int]) -> None:
        """These are no more."""
        ...

    async def reshow(self, ref: TurnRef, to: TurnRef) -> None:
        """Another turn's answer takes over the messages, where it has none of its own yet."""
        ...

    async def shown_in(self, session: int, external: str) -> int:
        """The number of the turn that a message belongs to; 0: none."""
        ...

    async def lost(self, *, limit: int = 100) -> Sequence[tuple[TurnRef, int]]:
        """(turn, part) of finished turns' messages that were about to be sent and never confirmed."""
        ...

    async def taken(self, tenant: str, source: str, source_id: str) -> Taken | None:
        """What became of an input with this key; None: there is none, or its key is swept."""
        ...
