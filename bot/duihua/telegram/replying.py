"""Where a reply goes on: behind the answer that it points at, be it the last one or one further up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from duihua.messages import Quote
from duihua.telegram.revising import opener
from duihua.telegram.updates import Me, Said

if TYPE_CHECKING:
    from duihua.session import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Thread:
    """What a message replies to, and where the conversation stands.

    `turn`: the turn that it points at, by its question or its answer; 0: none. `behind`: the turn that the
    message will be behind, as far as is known; 0: whatever comes until then.
    """

    turn: int = 0
    behind: int = 0

    @property
    def after(self) -> int | None:
        """The turn to go on from, for `Session.submit`."""
        return self.behind if self.behind and self.behind == self.turn else None

    def told(self, said: Said, parts: Sequence[T], parent: int | None = None) -> list[T]:
        """What is said, without a quote of all that stands right before it anyway.

        Args:
            said: the message.
            parts: its words.
            parent: the turn that it is behind; None: as it will be.
        """
        known = self.turn and (self.behind if parent is None else parent) == self.turn
        return [part for part in parts if not (known and not said.chosen and isinstance(part, Quote))]


async def thread_of(said: Said, session: Session, me: Me) -> Thread:
    """What a message replies to: an answer of the bot, or what somebody said to it."""
    if not said.reply:
        return Thread()
    store, info = await session.kept()
    if info is None:
        return Thread()
    turn = await store.shown_in(info.id, str(said.reply))
    if not turn:
        replied = await opener(replace(said, message=said.reply, origin=""), store, me.source)
        taken = await store.taken(said.address.tenant, me.source, replied.key) if replied else None
        turn = taken.seq if taken is not None and taken.session == info.id else 0
    if turn <= 0:  # of a command or a reminder, or it waits itself
        return Thread()
    # Replied to the last answer while others wait, it is behind those, as anything else that is said.
    return Thread(turn, turn if turn != info.head or not info.pending else 0)
