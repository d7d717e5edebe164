"""The platforms that an engine talks to: their clients, what a model's name comes to, and how each does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from duihua.compare import expanded
from duihua.config import Settings
from duihua.contexts import Contexts, fitted, measurable
from duihua.errors import DuihuaError
from duihua.ports import Dialect, Limiter, Provider, Store
from duihua.providers.fallback import STATE, Circuits, Health, dump, load, names

log = logging.getLogger(__name__)

REMEMBERED = 4_096
"""Models whose client is kept by their names: people may name any number of them."""


class Platforms:
    """Clients by platform, made when they are first needed.

    Args:
        settings: keys and addresses.
        store: keeps what other processes and the next start want to know.
        contexts: how long a conversation each model takes.
        given: clients that are used instead of our own.
        limiter: keeps within the platforms' rates; None: one of our own.

    Attributes:
        clients: those that are in use; none is ever taken away.
        circuits: which of them are worth asking.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        contexts: Contexts,
        *,
        given: Mapping[str, Provider] | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._settings, self._store, self._contexts = settings, store, contexts
        self.clients: dict[str, Provider] = dict(given or {})
        self.limiter = limiter or _limiter()
        self.circuits = Circuits(changed=self._keep)
        self._models: dict[str, tuple[Provider, str]] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._one_by_one = asyncio.Lock()

    def client(self, platform: str) -> Provider:
        """The client of a platform.

        Raises:
            ConfigError: no such platform, or (MissingKey) its key is not set.
        """
        found = self.clients.get(platform)
        if found is None:
            from duihua.providers import registry

            found = self.clients[platform] = registry.create(platform, self._settings, self.limiter)
        return found

    def resolve(self, name: str) -> tuple[Provider, str, Dialect]:
        """Client, model and dialect of `provider/model`; raises as `client`."""
        found = self._models.get(name)
        if found is None:
            platform, _, model = name.partition("/")
            if platform not in self.clients:
                from duihua.providers import registry  # brings httpx along: not for `import duihua`

                platform, model = registry.split(name)
            if len(self._models) >= REMEMBERED:
                self._models.clear()
            found = self._models[name] = (self.client(platform), model)
        provider, model = found
        return provider, model, self.fit(f"{provider.name}/{model}", provider.dialect(model))

    def resolve_all(self, models: str) -> list[tuple[Provider, str, Dialect]]:
        """Client, model and dialect of each model of `a,b,c`; raises as `client`."""
        return [self.resolve(name) for name in names(models)]

    def spelled(self, models: Sequence[str]) -> list[str]:
        """The names of models, with `genstudio/MODEL@*` written out as one name for each chip."""
        from duihua.providers import registry

        return expanded(models, [info.name for info in registry.models(self._settings) if info.chip])

    def fit(self, name: str, dialect: Dialect) -> Dialect:
        """The dialect with the context length that its platform told, if it did."""
        return fitted(dialect, self._contexts.of(name))

    async def load(self, models: str) -> None:
        """Takes up what was found out earlier about these models. Raises StorageError."""
        for provider, model, _ in self.resolve_all(models):
            if measurable(provider):
                await self._contexts.load(f"{provider.name}/{model}")

    def measure(self, models: str) -> None:
        """Sees to it that the context lengths of models in use are known; nobody has to wait for it."""
        for name in names(models):
            try:
                provider, model, _ = self.resolve(name)
            except DuihuaError:  # the turn has told it
                continue
            self._contexts.look(f"{provider.name}/{model}", provider, model)

    def health(self) -> list[Health]:
        """How each platform that is in use does."""
        return [self.circuits.health(name) for name in self.clients]

    async def aclose(self) -> None:
        """Closes the clients, all of them whatever one of them raises."""
        async with AsyncExitStack() as last:
            for provider in self.clients.values():
                last.push_async_callback(provider.aclose)
            await asyncio.gather(*self._keeping, return_exceptions=True)

    def _keep(self, provider: str) -> None:
        """A circuit opened or closed: keeps it for other processes, beside what they keep of others."""

        async def keep() -> None:
            try:
                async with self._one_by_one:
                    known = {health.provider: health for health in load(await self._store.get_state(STATE))}
                    known[provider] = self.circuits.health(provider)
                    await self._store.put_state(STATE, dump(known.values()))
            except DuihuaError as e:
                log.warning("the state of %s is not kept: %s", provider, e)

        task = asyncio.create_task(keep())
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)


def _limiter() -> Limiter:
    from duihua.providers.limiter import RateLimiter

    return RateLimiter()
