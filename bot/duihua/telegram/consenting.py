"""A person decides whether a call is made, by a button or in words; its question then says what they decided.

Each call has a question of its own, in a message of its own, so that one can be decided without the others.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from duihua.errors import DeliveryError, NotFound, StorageError
from duihua.escapes import one_line
from duihua.shown import arguments_of
from duihua.telegram.ledger import QUESTIONS
from duihua.telegram.methods import Button, Buttons
from duihua.telegram.text import Formatted, joined, quoted, split

if TYPE_CHECKING:
    from duihua.commands import Decided
    from duihua.engine import ChatEngine
    from duihua.messages import Address, TurnRef
    from duihua.ports import Store, StoredCall
    from duihua.session import Session
    from duihua.telegram.updates import Person, Pressed
    from duihua.telegram.voice import Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

_NAME = 64  # characters of the name of a person or a skill
_ASKS = 500  # characters of what a skill asks itself


async def questions(
    engine: ChatEngine, session: Session, ref: TurnRef, words: Catalogue
) -> dict[int, tuple[Formatted, Buttons]]:
    """What a turn asks: the part of each question -> what it says, and its buttons."""
    held = [held for held in await session.held() if held.ref == ref]
    return {
        QUESTIONS + one.index: (_question(engine, one, words), _decisions(one.call.id, words)) for one in held
    }


def _question(engine: ChatEngine, held: StoredCall, words: Catalogue) -> Formatted:
    skill = engine.registry.get(held.call.name)
    name = one_line(skill.title(words.lang) if skill is not None else held.call.name, _NAME)
    told = words.t("telegram.approve", name=name)
    if held.call.result:
        question = one_line(held.call.result, _ASKS)
        told = f"{words.t('approval.question', name=name, question=question)}\n{told}"
    # Together they leave room for what is decided: see `asking.ROOM`.
    arguments = quoted(Formatted(arguments_of(held.call.arguments, words)), expandable=False)
    return joined([Formatted(told), arguments], glue="\n")


def _decisions(call: str, words: Catalogue) -> Buttons:
    yes = Button(words.t("telegram.yes"), data=f"yes:{call}")
    return ((yes, Button(words.t("telegram.no"), data=f"no:{call}")),)


async def settled(
    what: Decided, who: Person, address: Address, engine: ChatEngine, voice: Voice, words: Catalogue
) -> None:
    """Says under the question of a call what was decided about it in words, as far as that can be done now.

    Args:
        what: the decision.
        who: whose it is; nothing is said of whoever may not decide.
        address: the conversation.
        engine: the conversations.
        voice: changes the question.
        words: the language of whoever decided.
    """
    asker, part = what.call.asker, QUESTIONS + what.call.index
    whole = joined([_question(engine, what.call, words), Formatted(_verdict(who, words, yes=what.approve))])
    try:
        if asker and asker != await engine.store.user(address.tenant, address.front, str(who.id)):
            return
        store, _ = await engine.session(address).kept()
        message = next((it.external for it in await store.shown(what.call.ref) if it.part == part), "")
        if message:
            await voice.amend(address, int(message), whole)
    except (DeliveryError, StorageError) as e:  # the command is not to be run once more for that
        log.info("buttons stay that do nothing any more: %s", e)


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
        return await _over(event, address, voice, await _why(session, call, words))
    if held.asker and held.asker != await store.user(address.tenant, address.front, str(event.who.id)):
        return words.t("error.not_asker")  # the buttons stay for whom they are meant for
    try:
        ticket = await session.decide(call, verb == "yes")
    except NotFound:  # erased meanwhile
        return await _over(event, address, voice, words.t("error.no_call"))
    if not ticket.new:
        return words.t("error.no_call")
    return await _over(event, address, voice, _verdict(event.who, words, yes=verb == "yes"))


async def _why(session: Session, call: str, words: Catalogue) -> str:
    """Why nothing is to be decided about a call any more. Raises StorageError."""
    lapsed = await session.lapsed(call)
    return words.t(f"approval.{lapsed.result}" if lapsed is not None else "error.no_call")


def _verdict(who: Person, words: Catalogue, *, yes: bool) -> str:
    return words.t("telegram.agreed" if yes else "telegram.declined", name=one_line(who.name, _NAME))


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
