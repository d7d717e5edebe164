"""What an engine can do beyond chat: who can is found, and asked, within the deadline of a turn."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from duihua.abilities import (
    Ability,
    Completes,
    Completion,
    Count,
    CountsTokens,
    Drawing,
    Draws,
    Embeddings,
    Embeds,
    Judgement,
    Listed,
    ListsModels,
    Moderates,
    Transcribes,
    Transcription,
    can,
)
from duihua.codec import sound
from duihua.compare import Piece, Result, compare
from duihua.config import Settings
from duihua.errors import NoSuchAbility, ProviderError
from duihua.finder import Finder
from duihua.messages import Cost, Usage
from duihua.options import ModelOptions
from duihua.platforms import Platforms
from duihua.ports import Dialect, Limits, Provider
from duihua.prices import Prices
from duihua.providers.fallback import Health, names
from duihua.tokens import estimate

if TYPE_CHECKING:
    from duihua.providers.platform import ModelInfo
    from duihua_prompts import Persona, PersonaLibrary

_UNCOUNTABLE = frozenset({"bad_request", "not_found"})


class Able(ABC):
    """The abilities of an engine. A model is `provider/model`; None: the first platform that can.

    The first is the engine's own platform, then those that were given to it, then those that have a key. All
    methods raise ProviderError (the platform refused, or did not answer), NoSuchAbility (it names who could)
    and ConfigError.
    """

    settings: Settings
    model: str
    platforms: Platforms
    prices: Prices
    finder: Finder
    personas: PersonaLibrary
    locale: str

    @abstractmethod
    def check_open(self) -> None:
        """Raises DuihuaError if the engine is not running."""
        ...

    def resolve(self, name: str) -> tuple[Provider, str, Dialect]:
        """Client, model and dialect of `provider/model`."""
        return self.platforms.resolve(name)

    def platform(self, name: str) -> Provider:
        """The client of a platform, made when it is first needed."""
        return self.platforms.client(name)

    def health(self) -> list[Health]:
        """How each platform that is in use here does: its circuit breaker, and why it is open."""
        return self.platforms.health()

    def estimate_cost(self, model: str, input_tokens: int, output_tokens: int) -> Cost | None:
        """What a request to `provider/model` would cost; None: its price is not known."""
        return self.prices.cost(model, Usage(input_tokens, output_tokens))

    # ------------------------------------------------------------ abilities

    async def complete(
        self, prompt: str, *, model: str | None = None, options: Mapping[str, Any] | None = None
    ) -> Completion:
        """The text that follows `prompt`; `options` are the platform's own fields."""
        client, name = self._able("complete", model)
        completes: Completes = client
        return await completes.complete(
            name, sound(prompt), options=dict(options or {}), deadline=self._deadline()
        )

    async def moderate(self, text: str, *, model: str | None = None) -> Judgement:
        """What a moderation service says about `text`."""
        client, name = self._able("moderate", model)
        moderates: Moderates = client
        return await moderates.moderate(name, sound(text), deadline=self._deadline())

    async def embed(
        self, texts: str | Sequence[str], *, model: str | None = None, query: bool = False
    ) -> Embeddings:
        """One vector for each text, in their order; `query`: they ask, and do not answer."""
        listed = [texts] if isinstance(texts, str) else list(texts)
        client, name = self._able("embed", model)
        embeds: Embeds = client
        return await embeds.embed(name, [sound(t) for t in listed], deadline=self._deadline(), query=query)

    async def draw(
        self,
        prompt: str,
        *,
        model: str | None = None,
        n: int | None = None,
        size: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Drawing:
        """Images of `prompt`, `n` of them, of a `size` such as `1024x1024`.

        `options` are the platform's own fields. What is drawn may be bytes or a URL that lives some hours.
        """
        client, name = self._able("draw", model)
        draws: Draws = client
        fields = drawn_with(n, size, options)
        return await draws.draw(name, sound(prompt), options=fields, deadline=self._deadline())

    async def transcribe(
        self,
        audio: bytes,
        *,
        name: str = "audio.wav",
        mime: str = "audio/wav",
        language: str = "",
        model: str | None = None,
    ) -> Transcription:
        """The words of a recording; `language` is a code such as `zh`, empty: unknown."""
        client, model_name = self._able("transcribe", model)
        transcribes: Transcribes = client
        return await transcribes.transcribe(
            model_name, audio, name=name, mime=mime, language=language, deadline=self._deadline()
        )

    async def count_tokens(self, text: str, *, model: str | None = None) -> Count:
        """How many tokens `text` has for `model`, None: for the engine's own; nobody else's count would do.

        Where the platform does not count, or not for this model, the value is an estimate and says so.
        """
        self.check_open()
        client, name, dialect = self.resolve(model or names(self.model)[0])
        if can(client, "count_tokens"):
            counts: CountsTokens = client  # pyright: ignore[reportAssignmentType]
            try:
                tokens = await counts.count_tokens(name, sound(text), deadline=self._deadline())
                return Count(tokens, True, dialect.name)
            except ProviderError as e:
                if e.category not in _UNCOUNTABLE:
                    raise
        return Count(ceil(estimate(text)), False, dialect.name)

    def compare(
        self, question: str, models: Sequence[str], *, options: ModelOptions | None = None
    ) -> AsyncIterator[Piece | Result]:
        """Asks several models at once, with the persona's system text; nothing is stored.

        Yields:
            Pieces of text as they come, and one `Result` for each model.
        """
        self.check_open()
        persona: Persona = self.personas.get(self.settings.persona)
        return compare(
            question,
            self.platforms.spelled(models),
            self.platforms.resolve,
            system=persona.render(locale=self.locale, user=""),
            options=options,
            seconds=self.settings.turn_timeout,
            priced=self.prices.cost,
        )

    async def models(self, platform: str | None = None, *, live: bool = False) -> list[ModelInfo]:
        """The models that are known, those of platforms with a key first.

        Args:
            platform: of this one only.
            live: asks the platforms too (the one named, else all that have a key and can tell): adds models
                that were not known and context lengths.
        """
        from duihua.providers import registry

        known = {
            info.name: info
            for info in registry.models(self.settings)
            if platform in (None, info.name.partition("/")[0])
        }
        if not live:
            return list(known.values())
        self.check_open()
        for name, client in self.finder.listing(platform):
            lists: ListsModels = client
            listed = await lists.list_models(deadline=self._deadline())
            known |= {info.name: info for one in listed for info in _listed(name, client, one, known)}
        return list(known.values())

    # ------------------------------------------------------------ who can

    def has(self, ability: Ability, model: str | None = None) -> bool:
        """Whether that can be asked for: by `model`, or of any platform that has a key.

        Raises:
            ConfigError: there is no such model, or no key for it.
        """
        try:
            self._able(ability, model)
        except NoSuchAbility:
            return False
        return True

    def _able(self, ability: Ability, model: str | None) -> tuple[Any, str]:
        """The client that has the ability, and its own name of the model."""
        self.check_open()
        return self.finder.find(ability, model)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.settings.turn_timeout


def drawn_with(n: int | None, size: str | None, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a drawing; what is given by name wins."""
    named = {"n": n, "size": size}
    return {**(options or {}), **{name: value for name, value in named.items() if value is not None}}


def _listed(platform: str, client: Any, one: Listed, known: Mapping[str, ModelInfo]) -> list[ModelInfo]:
    """The lines of a model that its platform lists: one, or one for each chip."""
    from duihua.providers.platform import ModelInfo

    lines: list[ModelInfo] = []
    for chip in one.chips or ("",):
        own = f"{one.name}@{chip}" if chip else one.name
        line = known.get(f"{platform}/{own}")
        if line is None:
            dialect: Dialect = client.dialect(own)
            line = ModelInfo(
                f"{platform}/{own}",
                dialect.functions,
                dialect.soft,
                dialect.hard,
                family=one.family,
                chip=chip,
                abilities=frozenset(),  # it is not told what it does
            )
        if one.context:
            line = replace(line, hard=Limits(line.hard.characters, one.context))
        lines.append(line)
    return lines
