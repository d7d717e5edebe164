"""Which messages of a front end show which turn: values and the border to storage. Types only.

Where a platform lets messages be changed, a turn that is done again changes what it showed before instead
of saying it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from duihua.messages import Attachment, Part, TurnRef


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of an answer, `part` from 0. `external` is its id there; empty: it was about to be sent.

    If the process died at that moment, the message may be there without anybody knowing its id.
    """

    part: int
    external: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """An input as found by its key; if it was edited since, its latest edit.

    `seq` is the turn that took it. 0: it waits, and `parts` are what it says so far. `place` is its place
    among the inputs that are answered together, from 0: see `joining.amended`.
    """

    session: int
    inbox: int
    seq: int
    parts: tuple[Part, ...] = ()
    place: int = 0


class ShownStore(Protocol):
    """What a store keeps of shown messages: one method, one transaction."""

    async def show(self, ref: TurnRef, part: int, external: str = "") -> None:
        """Writes down that a part is about to be sent, or, with its id, that it was.

        What was about to be sent and surely was not is taken back by `unshow`: begun once more without that,
        it may have come already, and `lost` tells of it.

        Nothing is written for a turn that was erased. A turn that was cleared while it ran keeps its rows:
        what stands in its messages must still be taken back.
        """
        ...

    async def shown(self, ref: TurnRef) -> Sequence[Shown]:
        """The messages of a turn's answer, by part."""
        ...

    async def unshow(self, ref: TurnRef, parts: Sequence[int]) -> None:
        """These are no more, or were surely not sent; what may have come besides stays in doubt."""
        ...

    async def reshow(self, ref: TurnRef, to: TurnRef) -> None:
        """Another turn of the session takes over the messages; nothing happens if it has some of its own."""
        ...

    async def shown_in(self, session: int, external: str) -> int:
        """The number of the turn that a message belongs to; 0: none."""
        ...

    async def edited(self, ref: TurnRef) -> bool:
        """Whether another turn stands in the place of this one, or will: see `Session.edit`."""
        ...

    async def owed_before(self, ref: TurnRef) -> bool:
        """Whether something from before a turn of its session is still to be sent."""
        ...

    async def lost(self, *, limit: int = 100) -> Sequence[tuple[TurnRef, int]]:
        """(turn, part) of finished turns' messages that may have come once more than is known.

        They were about to be sent and nobody learned whether they were: left so, or begun again. None that
        the outbox still owes: whoever takes that up again comes by them.
        """
        ...

    async def taken(self, tenant: str, source: str, source_id: str) -> Taken | None:
        """What became of an input with this key; None: there is none, it was erased, or its key is swept."""
        ...

    async def known(self, tenant: str, source: str, ids: Sequence[str]) -> Sequence[str]:
        """Those of the ids by which something was handed in: `taken` may tell what became of it."""
        ...

    async def amend(
        self,
        tenant: str,
        source: str,
        source_id: str,
        parts: tuple[Part, ...],
        attachments: Sequence[Attachment] = (),
    ) -> bool:
        """Replaces what a waiting input says; False: no such input waits (any more), nothing is changed.

        Attachments that `parts` name no more are dropped, `attachments` are new.
        """
        ...
