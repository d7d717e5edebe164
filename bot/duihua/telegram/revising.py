"""What was asked before, when more of it comes, or its message says something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from duihua.joining import amended, parted
from duihua.messages import Attachment, FileText, Media, Opaque, Part, Quote, Speaker, Text, TurnRef
from duihua.telegram.incoming import pointed_at
from duihua.telegram.place import FRONT

if TYPE_CHECKING:
    from duihua.ports import Store
    from duihua.session import Session
    from duihua.telegram.updates import Said


NEAR = 50
"""Messages of a chat among which the first piece of an input is looked for."""


@dataclass(frozen=True, slots=True)
class Before:
    """An input that was asked before.

    Attributes:
        parts: what it says so far.
        turn: the turn that answers it; 0: it waits.
        parent: the turn before that one; None: it waits.
        all: what is said with it in the same turn.
        place: its place there, from 0.
    """

    parts: Sequence[Part]
    turn: int = 0
    parent: int | None = None
    all: Sequence[Part] = ()
    place: int = 0


async def asked_before(said: Said, store: Store, source: str) -> Before | None:
    """The input of a message, as it stands now; None: there is none.

    Args:
        said: the message.
        store: where the conversation is kept.
        source: of the bot's inputs.
    """
    taken = await store.taken(said.address.tenant, source, said.key)
    if taken is None:
        return None
    turn = await store.turn(TurnRef(taken.session, taken.seq)) if taken.seq else None
    if taken.seq and turn is None:
        return None
    whole = turn.input if turn is not None else taken.parts
    inputs = parted(whole)
    own = inputs[taken.place] if taken.place < len(inputs) else ()
    return Before(own, taken.seq, turn.parent if turn is not None else None, whole, taken.place)


async def revise(
    said: Said,
    session: Session,
    key: tuple[str, str],
    wanted: Callable[[Before], Sequence[Part | Attachment]],
) -> None:
    """Lets what was asked say something else; if its turn has begun, it is done anew, as a sibling.

    Args:
        said: the message.
        session: where it was said.
        key: source and id of the change.
        wanted: what it is to say, without who says it; empty: what it says stays.

    Raises:
        As `Session.edit`.
    """
    store, _ = await session.kept()
    for _ in range(2):  # between two looks it may be taken
        before = await asked_before(said, store, key[0])
        own = wanted(before) if before is not None else ()
        if before is None or not own:
            return
        parts = amended(before.all, before.place, (*_led(before.parts), *own))
        if before.turn:
            await session.edit(before.turn, parts, key=key)
            return
        if await session.amend(parts, key=(key[0], said.key)):
            return


def _led(parts: Sequence[Part]) -> Sequence[Part]:
    """What stands before the words of somebody in a group: what was overheard until then, and their name."""
    end = next((place for place, part in enumerate(parts, 1) if isinstance(part, Speaker)), 0)
    return parts[:end]


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


def reworded(parts: Sequence[Part], said: Said, text: str, *, later: bool = False) -> tuple[Part, ...]:
    """An input whose message says `text` now, or one of its messages does; what came with it stays.

    Empty: it says the same as before, a link's preview came, say.

    Args:
        parts: what it says so far.
        said: the message that was edited.
        text: what it says now, without a command.
        later: it is not the first one of the input: what that one quotes stays.
    """
    came, spoken, quotes = list[Part](), list[Text](), list[Part]()
    for part in parts[len(_led(parts)) :]:
        if isinstance(part, Text) and not part.text.endswith("\n"):  # what was read of a file ends its line
            spoken.append(part)
        elif isinstance(part, Text | Media | FileText):
            came.append(part)
        elif isinstance(part, Quote):
            quotes.append(part)
    made = _made_of(parts)
    if made is not None and len(made.spoken) == len(spoken):
        now, made = _replaced(spoken, made, said.message, text)
    else:
        now = [*map(Text, said.pieces(text)), *spoken[1:]]
    if now == spoken:
        return ()
    quotes = quotes if later else [said.quote] if said.quote else []
    return (*quotes, *came, *now, *([made.part] if made else ()))


# ---------------------------------------------------------------- inputs of several messages


@dataclass(frozen=True, slots=True)
class _Made:
    """Of which messages an input was made, and which of them its pieces of text come from."""

    sent: tuple[int, ...]
    spoken: tuple[int, ...]

    @property
    def part(self) -> Opaque:
        """As it is kept with the input, which no model sees."""
        return Opaque(FRONT, {"sent": list(self.sent), "spoken": list(self.spoken)})


def made_of(said: Said, text: str) -> tuple[Opaque, ...]:
    """What is to be kept of the messages of an input that says `text`; empty: it is one message."""
    if len(said.sent) < 2:
        return ()
    spoken = said.spoken if len(said.spoken) == len(said.pieces(text)) else ()
    return (_Made(tuple(message.message_id for message in said.sent), spoken).part,)


def _made_of(parts: Sequence[Part]) -> _Made | None:
    data = next((part.data for part in parts if isinstance(part, Opaque) and part.provider == FRONT), None)
    return _Made(tuple(data["sent"]), tuple(data["spoken"])) if data else None


async def opener(said: Said, store: Store, source: str) -> Said | None:
    """The first message of the input that a message is, or is a piece of; None: it is of none.

    The pieces stand near to each other in their chat, with others between them.
    """
    numbers = range(said.message, max(0, said.message - NEAR), -1)
    near = {one.key: one for number in numbers for one in (replace(said, message=number),)}
    there = set(await store.known(said.address.tenant, source, list(near)))
    for first in (one for key, one in near.items() if key in there):
        if first.message == said.message:
            return said
        before = await asked_before(first, store, source)
        made = _made_of(before.parts) if before is not None else None
        if made is not None and said.message in made.sent:
            return first
    return None


def _replaced(pieces: Sequence[Text], made: _Made, message: int, text: str) -> tuple[list[Text], _Made]:
    """The pieces of a text, and where they come from, when one of the messages says something else."""
    by = dict(zip(made.spoken, (piece.text for piece in pieces), strict=True))
    lead = "" if message in by and not by[message].startswith("\n") else "\n"
    by[message] = lead + text.strip() if text.strip() else ""
    ids = [one for one in sorted(by) if by[one]]
    texts = [by[one] for one in ids]
    first, rest = texts[:1], texts[1:]
    now = [Text(one) for one in (*(one.lstrip("\n") for one in first), *rest)]
    return now, replace(made, spoken=tuple(ids))
