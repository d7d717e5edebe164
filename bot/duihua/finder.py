"""Finds who can: which platform has an ability, and by which of its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.abilities import Ability, can
from duihua.config import Settings
from duihua.errors import NoSuchAbility
from duihua.platforms import Platforms
from duihua.providers.fallback import names

_OWN: frozenset[Ability] = frozenset({"complete", "start"})
"""What a chat model may do itself: where the platform names no usual model, it is the engine's."""


class Finder:
    """First the platforms of the usual models are asked, then those that were given, then all with a key.

    Args:
        settings: hold the keys.
        platforms: clients.
        models: the usual ones, parted by commas.
    """

    def __init__(self, settings: Settings, platforms: Platforms, models: str) -> None:
        self._settings, self._platforms, self._models = settings, platforms, models

    def find(self, ability: Ability, model: str | None) -> tuple[Any, str]:
        """The client that has the ability, and its own name of the model; None: the first that can.

        Raises:
            NoSuchAbility: nobody can, or not this one; it names who could.
            ConfigError: there is no such model, or no key for it.
        """
        if model is not None:
            client, name, _ = self._platforms.resolve(model)
            if not can(client, ability):
                raise self._nobody(ability, client.name)
            return client, name
        for platform in self._order():
            if self._may(platform, ability):
                client = self._platforms.client(platform)
                name = self.usual(client, platform, ability)
                if name is not None:
                    return client, name
        raise self._nobody(ability)

    def listing(self, platform: str | None) -> list[tuple[str, Any]]:
        """The clients that list models, by platform; of one platform alone, or of all that have a key."""
        if platform is None:
            able = [name for name in self._order() if self._may(name, "list_models")]
            return [(name, self._platforms.client(name)) for name in able]
        client = self._platforms.client(platform)
        if not can(client, "list_models"):
            raise self._nobody("list_models", platform)
        return [(platform, client)]

    def usual(self, client: Any, platform: str, ability: Ability) -> str | None:
        """The model to take where none was named; None: there is no telling."""
        own = self._own().get(platform)
        if ability == "start" and own:
            return own  # a chat like any other, only later
        usual: Mapping[Ability, str] = getattr(client, "usual", {})
        named = usual.get(ability) or (usual.get("draw") if ability == "start_drawing" else None)
        if named or ability != "moderate":
            return named or (own if ability in _OWN else None)
        return ""  # a service, not a model

    def _order(self) -> list[str]:
        from duihua.providers import registry

        with_key = (name for name in registry.PLATFORMS if registry.has_key(name, self._settings))
        return list(dict.fromkeys((*self._own(), *self._platforms.clients, *with_key)))

    def _own(self) -> dict[str, str]:
        """The platforms of the engine's models, each with the first of its models' names there."""
        own: dict[str, str] = {}
        for name in names(self._models):
            platform, _, model = name.partition("/")
            own.setdefault(platform if platform in self._platforms.clients else platform.lower(), model)
        return own

    def _may(self, platform: str, ability: Ability) -> bool:
        """Whether its client, made or not, has the ability."""
        from duihua.providers import registry

        made = self._platforms.clients.get(platform)
        return can(registry.PLATFORMS[platform].client if made is None else made, ability)

    def _nobody(self, ability: Ability, refused: str = "") -> NoSuchAbility:
        from duihua.providers import registry

        could: dict[str, tuple[str, ...]] = {}
        for platform in dict.fromkeys((*self._platforms.clients, *registry.PLATFORMS)):
            if platform != refused and self._may(platform, ability):
                ready = platform in self._platforms.clients or registry.has_key(platform, self._settings)
                could[platform] = (
                    () if ready else registry.PLATFORMS[platform].missing(self._settings).settings
                )
        return NoSuchAbility(ability, could, refused)
