"""Long-term memory, put together: what finds, what tells turns of it, what writes it down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from duihua.abilities import Embeddings
from duihua.brief import Usual
from duihua.calibrations import Calibrations
from duihua.composition import Composer, Words
from duihua.config import Settings
from duihua.memories import Recall
from duihua.messages import Address
from duihua.platforms import Platforms
from duihua.ports import Store
from duihua.prices import Prices
from duihua.recollection import Recollection
from duihua.summarising import NONE, Summarising
from duihua.upkeep import Upkeep


class Embed(Protocol):
    """`Able.embed`."""

    def __call__(self, texts: Sequence[str], *, model: str, query: bool) -> Awaitable[Embeddings]:
        """One vector for each text."""
        ...


class LongTermMemory:
    """What an engine has of it, by its settings.

    Args:
        settings: whether it is on, and which models it asks.
        store: where it is.
        platforms: clients.
        calibrations: how large requests come out.
        prices: of models.
        embed: embeds texts.
        titled: is told the titles of conversations.
        recall: finds past turns and facts; None: our own search over the store.
        usual: what holds for conversations that chose nothing else.
        clock: seconds since the epoch.

    Raises:
        ConfigError: one of the models' names is wrong, or its key is not set.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        platforms: Platforms,
        calibrations: Calibrations,
        prices: Prices,
        *,
        embed: Embed,
        titled: Callable[[Address, str], None],
        recall: Recall | None,
        usual: Usual,
        clock: Callable[[], float],
    ) -> None:
        from duihua.memory.recall import LexicalRecall
        from duihua_prompts import memory

        on = settings.memory == "on"
        if settings.memory_embed not in ("", NONE):
            platforms.resolve(settings.memory_embed)  # a wrong name is told now
        if settings.memory_model not in ("", NONE):
            platforms.resolve_all(settings.memory_model)
        self.recall: Recall = recall or LexicalRecall(
            store,
            timezone=usual.timezone,
            locale=usual.locale,
            clock=lambda: int(clock() * 1000),
            **_embedding(settings.memory_embed, embed),
        )
        composer = Composer(
            Words(memory.context_text, memory.recalled_text), tokens=settings.memory_tokens, notes=on
        )
        self.recollection = Recollection(store, self.recall, composer, calibrations, on=on)
        self.upkeep = Upkeep(
            store,
            self.recollection,
            on=on,
            summarise=Summarising(
                store,
                platforms.resolve,
                memory.summary_prompt,
                model=settings.memory_model,
                usual=usual.model,
                locale=usual.locale,
                prices=prices,
            ),
            timezone=usual.timezone,
            titled=titled,
        )


def _embedding(model: str, embed: Embed) -> dict[str, Any]:
    """How recall embeds texts, if a model is set for it."""
    if model in ("", NONE):
        return {}

    async def vectors(texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        return (await embed(texts, model=model, query=query)).vectors

    return {"embed": vectors, "model": model}
