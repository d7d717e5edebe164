"""Hands inputs in: they are checked, given what was overheard before them, and made durable."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from duihua.errors import InputTooLong, PrivateSession
from duihua.escapes import one_line
from duihua.messages import Address, Attachment, Author, InputKind, Options, Part, Quote, Speaker, Text
from duihua.naming import speaker
from duihua.options import ModelOptions
from duihua.place import Place
from duihua.ports import Input

if TYPE_CHECKING:
    from duihua.engine import ChatEngine

HEARD, LINE, ROOM = 50, 300, 4_000
"""Messages that are overheard in a conversation, characters of each, and characters that a turn is given."""
HEARD_FOR = 24 * 3_600_000
"""Ms for which they are kept."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """An accepted input: it is durable. `new` is False if the same input was accepted before.

    `private`: it is kept in memory alone (see `Session.private`).
    """

    session: int
    inbox: int
    new: bool = True
    private: bool = False


async def checked(
    place: Place, content: str | Sequence[Part | Attachment], options: ModelOptions | None = None
) -> tuple[tuple[Part, ...], tuple[Attachment, ...]]:
    """What is said as parts, with the attachments that come with it; refused if no model takes it."""
    engine = await place.engine()
    given = (Text(content),) if isinstance(content, str) else tuple(content)
    files = tuple(part for part in given if isinstance(part, Attachment))
    parts = tuple(part.part if isinstance(part, Attachment) else part for part in given)
    if place.address.shared and not any(isinstance(part, Speaker) for part in parts):
        parts = (speaker(place.name), *parts)
    await engine.check(place.address, parts, options)
    if options is not None and (values := options.plain()):
        parts = (*parts, Options(values))
    return parts, files


async def accept(
    place: Place,
    kind: InputKind,
    parts: tuple[Part, ...],
    *,
    reply_to: int | None = None,
    key: tuple[str, str] | None = None,
    attachments: tuple[Attachment, ...] = (),
    heard: int = 0,
) -> Ticket:
    """Writes an input down; `key` names it for ever, `heard` is the last that was overheard before it."""
    source, source_id = key or ("local", secrets.token_hex(16))
    author = Author(0, place.name) if place.external or place.name else None
    input = Input(
        source=source,
        source_id=source_id,
        address=place.address,
        author=author,
        external=place.external,
        kind=kind,
        parts=parts,
        reply_to=reply_to,
        attachments=attachments,
        heard=heard,
    )
    engine = await place.engine()
    try:
        accepted = await engine.accept(input)
    except PrivateSession:  # another process made it so: what was known of it here is old
        engine.drop(place.address, 0)
        engine = await place.engine()
        accepted = await engine.accept(input)
    ticket = Ticket(accepted.session, accepted.inbox, accepted.new, engine is not place.home)
    if kind == "message" and accepted.work is None:
        await _interrupt(engine, place.address, ticket)
    return ticket


async def overhear(place: Place, text: str, key: str) -> None:
    """Keeps something that was said, but not to the model; nothing before there is a conversation."""
    engine, info = await place.look()
    if info is not None:
        said = place.external, speaker(place.name).name, one_line(text, LINE)
        await engine.store.overhear(info.id, key, *said, most=HEARD, age=HEARD_FOR)


async def overheard(place: Place, parts: tuple[Part, ...]) -> tuple[tuple[Quote, ...], int]:
    """What was overheard, as far as there is room for it beside `parts`, and up to which id that is."""
    if not place.address.shared:
        return (), 0
    engine, info = await place.look()
    heard = await engine.store.overheard(info.id, age=HEARD_FOR) if info else ()
    lines: list[Quote] = []
    room = ROOM
    for one in reversed(heard):
        if (room := room - len(one.text)) < 0:
            break
        lines.insert(0, Quote(one.text, one.name))
    if lines:
        try:
            await engine.check(place.address, (*lines, *parts), None)
        except InputTooLong:
            lines = []
    return tuple(lines), heard[-1].id if heard else 0


async def _interrupt(engine: ChatEngine, address: Address, ticket: Ticket) -> None:
    """Stops the answer that an input waits for, if the session is to have it so."""
    if (await engine.roster.settings(address)).get("meanwhile") != "interrupt":
        return
    ref = await engine.store.stop(ticket.session, waiting=ticket.inbox)
    if ref is not None:
        engine.lanes.stop(ref)
