"""What an engine can do beyond chat: who can is found, and asked, within the deadline of a turn."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
from duihua.config import Settings
from duihua.errors import NoSuchAbility, ProviderError
from duihua.messages import Cost, Usage
from duihua.platforms import Platforms
from duihua.ports import Dialect, Limits, Provider
from duihua.prices import Prices
from duihua.providers.fallback import Health, names
from duihua.tokens import estimate

if TYPE_CHECKING:
    from duihua.providers.platform import ModelInfo

_OWN: frozenset[Ability] = frozenset({"complete", "start"})
"""What a chat model may do itself: where the platform names no usual model, it is the engine's."""
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
        for name, client in self._listing(platform):
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
        if model is not None:
            client, name, _ = self.resolve(model)
            if not can(client, ability):
                raise self._nobody(ability, client.name)
            return client, name
        for platform in self._order():
            if self._may(platform, ability):
                client = self.platform(platform)
                name = self._usual(client, platform, ability)
                if name is not None:
                    return client, name
        raise self._nobody(ability)

    def _order(self) -> list[str]:
        from duihua.providers import registry

        with_key = (name for name in registry.PLATFORMS if registry.has_key(name, self.settings))
        return list(dict.fromkeys((*self._own(), *self.platforms.clients, *with_key)))

    def _own(self) -> dict[str, str]:
        """The platforms of the engine's models, each with the first of its models' names there."""
        own: dict[str, str] = {}
        for name in names(self.model):
            platform, _, model = name.partition("/")
            own.setdefault(platform if platform in self.platforms.clients else platform.lower(), model)
        return own

    def _may(self, platform: str, ability: Ability) -> bool:
        """Whether its client, made or not, has the ability."""
        from duihua.providers import registry

        made = self.platforms.clients.get(platform)
        return can(registry.PLATFORMS[platform].client if made is None else made, ability)

    def _usual(self, client: Any, platform: str, ability: Ability) -> str | None:
        """The model to take where none was named; None: there is no telling."""
        own = self._own().get(platform)
        if ability == "start" and own:
            return own  # a chat like any other, only later
        usual: Mapping[Ability, str] = getattr(client, "usual", {})
        named = usual.get(ability) or (usual.get("draw") if ability == "start_drawing" else None)
        if named or ability != "moderate":
            return named or (own if ability in _OWN else None)
        return ""  # a service, not a model

    def _nobody(self, ability: Ability, refused: str = "") -> NoSuchAbility:
        from duihua.providers import registry

        could: dict[str, tuple[str, ...]] = {}
        for platform in dict.fromkeys((*self.platforms.clients, *registry.PLATFORMS)):
            if platform != refused and self._may(platform, ability):
                ready = platform in self.platforms.clients or registry.has_key(platform, self.settings)
                could[platform] = (
                    () if ready else registry.PLATFORMS[platform].missing(self.settings).settings
                )
        return NoSuchAbility(ability, could, refused)

    def _listing(self, platform: str | None) -> list[tuple[str, Any]]:
        self.check_open()
        if platform is None:
            able = [name for name in self._order() if self._may(name, "list_models")]
            return [(name, self.platform(name)) for name in able]
        client = self.platform(platform)
        if not can(client, "list_models"):
            raise self._nobody("list_models", platform)
        return [(platform, client)]

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
