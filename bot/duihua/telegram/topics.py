"""Topics are conversations: `/new` opens one where there are some, and it gets a name once it has a title."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from duihua.errors import DeliveryError, StorageError

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.messages import Address
    from duihua.telegram.updates import Said
    from duihua.telegram.voice import Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

UNNAMED = "unnamed"
"""The setting of a conversation whose topic we have opened, until it is named: people's own names stay."""


async def opened(engine: ChatEngine, voice: Voice, said: Said, words: Catalogue) -> bool:
    """Opens a topic for a new conversation and says hello in it; False: there are none, or we may not.

    Cut off in the middle it leaves an empty topic behind, and opens another one when it is done again.

    Args:
        engine: the conversations.
        voice: says it.
        said: the wish.
        words: its language.
    """
    if not said.topics:
        return False
    try:
        topic = await voice.open_topic(said.address, words.t("telegram.topic.name"))
    except DeliveryError as e:
        log.info("no topic was opened: %s", e)
        return False
    address = replace(said.address, topic=str(topic))
    try:
        info = await engine.store.ensure(address, str(said.who.id), said.who.name)
        await engine.store.settings(info.id, {**info.settings, UNNAMED: True})
        engine.drop(address, info.id)
    except StorageError as e:  # the topic is there all the same, and not to be opened once more
        log.warning("a new topic keeps its name: %s", e)
    try:
        await voice.say(address, words.t("telegram.topic.hello"))
    except DeliveryError as e:
        log.info("a new topic was not greeted: %s", e)
    return True


async def unnamed(engine: ChatEngine, address: Address) -> bool:
    """Whether a conversation's topic waits for its name; asked once, it does no more. Raises StorageError."""
    info = await engine.store.session(address) if address.topic else None
    if info is None or not info.settings.get(UNNAMED):
        return False
    await engine.store.settings(info.id, {k: v for k, v in info.settings.items() if k != UNNAMED})
    engine.drop(address, info.id)
    return True
