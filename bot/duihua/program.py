"""What the program's commands share: settings, the engine, a simulator where no key is, complaints."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from duihua.errors import MissingKey

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.engine import ChatEngine
    from duihua.ports import Store
    from duihua_prompts import Catalogue


def complain(line: str) -> None:
    """Says on stderr, in one line, what went wrong."""
    from duihua.escapes import one_line

    print(one_line(line, 2000), file=sys.stderr, flush=True)


def load_settings(*, serves: bool = False) -> Settings:
    """The settings, with logging as they want it.

    Unless DUIHUA_LOG_LEVEL is set nothing is logged: whoever chats gets one clear line for each fault.

    Args:
        serves: nobody looks on, so what goes wrong is logged in any case: from WARNING on.
    """
    from duihua import redact
    from duihua.config import Settings

    settings = Settings.load()
    if serves or "log_level" in settings.model_fields_set:
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        redact.install()
    else:
        logging.getLogger().addHandler(logging.NullHandler())
    return settings


async def make_engine(
    model: str | None, settings: Settings, words: Catalogue, stack: AsyncExitStack
) -> ChatEngine:
    """The engine, on a simulator of its own if no platform that is named has a key."""
    from duihua.engine import ChatEngine
    from duihua.providers.fallback import names
    from duihua_prompts import key_settings

    try:
        return ChatEngine(model, settings=settings)
    except MissingKey as e:
        named = {name.partition("/")[0] for name in names(model or settings.model)}
        if any(has_part_of_a_key(settings, provider) for provider in {e.provider, *named}):
            raise
        from duihua.simulator import Simulator

        simulator = await stack.enter_async_context(Simulator())
        engine = ChatEngine(model, settings=settings.replaced(simulator.settings()))
        complain(words.t("chat.simulator", settings=key_settings(words, e)))
        return engine


def has_part_of_a_key(settings: Settings, provider: str) -> bool:
    """Whether someone means to use the platform itself: then what is missing is an error."""
    from pydantic import SecretStr

    prefix = provider.partition("-")[0] + "_"
    return any(
        isinstance(value, SecretStr) and bool(value.get_secret_value())
        for name, value in settings
        if name.startswith(prefix)
    )


async def make_able_engine(
    model: str | None, settings: Settings, words: Catalogue, stack: AsyncExitStack
) -> ChatEngine:
    """The engine for what is not chat: any platform with a key will do, not only that of DUIHUA_MODEL."""
    return await make_engine(model or _model_with_key(settings), settings, words, stack)


def _model_with_key(settings: Settings) -> str | None:
    """A model of the first platform with a key, None if there is none, or DUIHUA_MODEL's own has one."""
    from duihua.providers import registry
    from duihua.providers.fallback import names

    if any(registry.has_key(registry.split(name)[0], settings) for name in names(settings.model)):
        return None
    known = (info for info in registry.models(settings) if "chat" in info.abilities)
    return next((m.name for m in known if registry.has_key(m.name.partition("/")[0], settings)), None)


@asynccontextmanager
async def store_alone(settings: Settings) -> AsyncGenerator[Store]:
    """The database alone: what stands in it needs no platform."""
    from duihua_storage import open_store

    store = open_store(settings.database_url, synchronous=settings.sqlite_synchronous)
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()
