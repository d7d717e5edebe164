"""A person decides by a button whether a call is made; the question then says what they decided."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from duihua.errors import DeliveryError, NotFound
from duihua.escapes import one_line
from duihua.telegram.text import Formatted, joined, split

if TYPE_CHECKING:
    from duihua.messages import Address
    from duihua.ports import Store
    from duihua.session import Session
    from duihua.telegram.updates import Pressed
    from duihua.telegram.voice import Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

_NAME = 64  # characters of a person's name


async def decided(
    event: Pressed, address: Address, session: Session, store: Store, voice: Voice, words: Catalogue
) -> str:
    """Does what a pressed button decides; returns a word about it. Raises StorageError.

    The buttons go as soon as there is nothing left to decide.

    Args:
        event: the press, with data such as `yes:1.17.0.0`.
        address: the conversation.
        session: the same.
        store: knows who people are.
        voice: changes the question.
        words: the language of whoever pressed.
    """
    verb, _, call = event.data.partition(":")
    held = next((held for held in await session.held() if held.call.id == call), None)
    if held is None:
        return await _over(event, address, voice, words.t("error.no_call"))
    if held.asker and held.asker != await store.user(address.tenant, address.front, str(event.who.id)):
        return words.t("error.not_asker")  # the buttons stay for whom they are meant for
    try:
        ticket = await session.decide(call, verb == "yes")
    except NotFound:  # erased meanwhile
        return await _over(event, address, voice, words.t("error.no_call"))
    if not ticket.new:
        return words.t("error.no_call")
    name = one_line(event.who.name, _NAME)
    line = words.t("telegram.agreed" if verb == "yes" else "telegram.declined", name=name)
    return await _over(event, address, voice, line)


async def _over(event: Pressed, address: Address, voice: Voice, line: str) -> str:
    """Takes the buttons away and adds the line, where there is room for it."""
    whole = joined([event.says, Formatted(line)])
    try:
        if event.says.text:
            text = whole if len(split(whole)) == 1 else event.says
            await voice.amend(address, event.message, text)
    except DeliveryError as e:
        log.info("buttons stay that do nothing any more: %s", e)
    return line
