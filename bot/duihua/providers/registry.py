"""Which platforms there are; making their clients."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from duihua.config import Settings
from duihua.errors import ConfigError
from duihua.ports import Limiter, Provider
from duihua.providers import (
    dashscope_platforms,
    genstudio_platform,
    modelarts,
    openai_compatible,
    qianfan_platforms,
    zhipu,
)
from duihua.providers.exchange import Line, Timeouts
from duihua.providers.http import Transport
from duihua.providers.platform import ModelInfo, Platform
from duihua.providers.retry import Retry

PLATFORMS: Mapping[str, Platform] = {
    platform.name: platform
    for platform in (
        qianfan_platforms.V1,
        qianfan_platforms.V2,
        modelarts.PLATFORM,
        genstudio_platform.PLATFORM,
        openai_compatible.PLATFORM,
        zhipu.PLATFORM,
        dashscope_platforms.NATIVE,
        dashscope_platforms.COMPATIBLE,
    )
}


def split(name: str) -> tuple[str, str]:
    """The platform and the platform's own name of a model: `provider/model`.

    Raises:
        ConfigError: no such platform, or no model.
    """
    provider, _, model = name.strip().partition("/")
    _known(provider)
    if not model.strip("/ "):
        raise ConfigError(
            f"{name!r} names no model: write provider/model, for example qianfan/ernie-3.5-8k",
            "config_model",
            name=name,
        )
    return provider.lower(), model


def create(
    name: str,
    settings: Settings,
    limiter: Limiter | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    retry: Retry | None = None,
) -> Provider:
    """The client of a platform.

    Args:
        name: the platform, or `provider/model`.
        settings: keys, base URLs, proxies, time-outs.
        limiter: shared by all who use the same account; None: nothing is limited.
        transport: carries the requests and stays open; None: one is made, and closed with the provider.
        retry: when and how to try again.

    Raises:
        ConfigError: an unknown platform, a wrong base URL.
        MissingKey: the platform's key is not set; the error names the settings that would do.
    """
    platform = _known(name.partition("/")[0])
    own = platform.own(settings, "proxy")
    proxy, setting = (own, f"{platform.prefix}_PROXY") if own else (settings.proxy, "DUIHUA_PROXY")
    usual = Timeouts()
    line = Line(
        limiter=limiter,
        retry=retry or Retry(),
        streaming=settings.stream,
        timeouts=Timeouts(
            platform.own(settings, "connect_timeout") or usual.connect,
            platform.own(settings, "timeout") or usual.silence,
            max(usual.whole, platform.own(settings, "timeout") or 0),
        ),
        owned=transport is None,
    )
    carrier = transport or Transport(proxy=proxy.get_secret_value() if proxy else None, setting=setting)
    return platform.make(settings, carrier, line)


def models(settings: Settings) -> list[ModelInfo]:
    """The models that are known without asking a platform, those of platforms with a key first."""
    order = sorted(PLATFORMS.values(), key=lambda platform: not platform.has_key(settings))
    return [info for platform in order for info in platform.models(settings)]


def has_key(name: str, settings: Settings) -> bool:
    """Whether a platform's key is set."""
    return PLATFORMS[name].has_key(settings)


def _known(provider: str) -> Platform:
    platform = PLATFORMS.get(provider.strip().lower())
    if platform is None:
        known = ", ".join(PLATFORMS)
        raise ConfigError(
            f"there is no platform {provider[:80]!r}; known are {known}. Write provider/model",
            "config_platform",
            name=provider[:80],
            known=known,
        )
    return platform
