"""What was asked before, when more of it comes, or its message says something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from duihua.messages import Attachment, FileText, Media, Part, Text, TurnRef
from duihua.telegram.incoming import pointed_at

if TYPE_CHECKING:
    from duihua.ports import Store
    from duihua.session import Session
    from duihua.telegram.updates import Said


@dataclass(frozen=True, slots=True)
class Before:
    """An input that was asked before: what it says so far, and its turn; 0: it waits."""

    parts: tuple[Part, ...]
    turn: int = 0


async def asked_before(said: Said, store: Store, source: str) -> Before | None:
    """The input of a message, as it stands now; None: there is none.

    Args:
        said: the message.
        store: where inputs are kept.
        source: of the bot's inputs.
    """
    taken = await store.taken(said.address.tenant, source, said.key)
    if taken is None:
        return None
    if not taken.seq:
        return Before(taken.parts)
    turn = await store.turn(TurnRef(taken.session, taken.seq))
    return Before(turn.input, taken.seq) if turn is not None else None


async def revise(
    said: Said,
    session: Session,
    store: Store,
    key: tuple[str, str],
    wanted: Callable[[Sequence[Part]], Sequence[Part | Attachment]],
) -> None:
    """Lets what was asked say something else; if its turn has begun, it is done anew, as a sibling.

    Args:
        said: the message.
        session: where it was said.
        store: where inputs are kept.
        key: source and id of the change.
        wanted: what it is to say, of what it says; empty: that stays.

    Raises:
        As `Session.edit`.
    """
    for _ in range(2):  # between two looks it may be taken
        before = await asked_before(said, store, key[0])
        parts = wanted(before.parts) if before is not None else ()
        if before is None or not parts:
            return
        if before.turn:
            await session.edit(before.turn, parts, key=key)
            return
        if await session.amend(parts, key=(key[0], said.key)):
            return


def holds_all(parts: Sequence[Part], said: Said, text: str) -> bool:
    """Whether an input holds all pieces of a message that says `text` without a command.

    Each picture, document or recording is one part of it, whether or not it could be read.
    """
    if len(said.sent) < 2:
        return True
    media = sum(not message.text for message in said.sent)
    pointed = len(pointed_at(said.sent[0]))
    held = sum(isinstance(part, Text | Media | FileText) for part in parts)
    return held >= media + pointed + len(said.pieces(text))


def reworded(parts: Sequence[Part], said: Said, text: str) -> tuple[Part, ...]:
    """An input whose message says `text` now, or its first piece does; what came with it stays.

    Empty: it says the same as before, a link's preview came, say.
    """
    came, spoken = list[Part](), list[Part]()
    for part in parts:
        if isinstance(part, Text) and not part.text.endswith("\n"):  # what was read of a file ends its line
            spoken.append(part)
        elif isinstance(part, Text | Media | FileText):
            came.append(part)
    now = [*map(Text, said.pieces(text)), *spoken[1:]]
    return () if now == spoken else (*([said.quote] if said.quote else ()), *came, *now)
