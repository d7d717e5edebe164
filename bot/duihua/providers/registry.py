"""Which platforms there are, what they need, which models they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from duihua.config import Settings
from duihua.errors import ConfigError, MissingKey
from duihua.ports import Limiter, Limits, Provider
from duihua.providers import qianfan_faults, qianfan_models, qianfan_v2_models
from duihua.providers.http import Transport
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken, Auth, BearerKey, KeyPair, MintedBearer
from duihua.providers.qianfan_v2 import QianfanV2
from duihua.providers.retry import Retry

IAM = "https://iam.bj.baidubce.com"
CONSOLE = "https://qianfan.baidubce.com"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `duihua models`: what the model is called, how it calls skills, how much it takes."""

    name: str
    functions: Literal["native", "text", "none"]
    soft: Limits
    hard: Limits
    path: str = ""


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
        settings: keys and base URLs.
        limiter: shared by all who use the same account; None: nothing is limited.
        transport: carries the requests and stays open; None: one is made, and closed with the provider.
        retry: when and how to try again.

    Raises:
        ConfigError: an unknown platform, a wrong base URL.
        MissingKey: the platform's key is not set; the error names the settings that would do.
    """
    make = _known(name.partition("/")[0])
    proxy = settings.proxy.get_secret_value() if settings.proxy else None
    common: dict[str, Any] = {"limiter": limiter, "retry": retry, "owned": transport is None}
    return make(settings, transport or Transport(proxy=proxy), common)


def models(settings: Settings) -> list[ModelInfo]:
    """The models that are known without asking a platform, those of platforms with a key first."""
    found = {
        "qianfan": [
            ModelInfo(f"qianfan/{m.name}", m.family.functions, m.soft, m.hard, m.suffix)
            for m in qianfan_models.MODELS
        ],
        "qianfan-v2": [
            ModelInfo(f"qianfan-v2/{m.name}", m.functions, m.soft, m.hard) for m in qianfan_v2_models.MODELS
        ],
    }
    order = sorted(found, key=lambda name: not has_key(name, settings))
    return [info for name in order for info in found[name]]


def has_key(name: str, settings: Settings) -> bool:
    """Whether a platform's key is set."""
    pair = settings.qianfan_access_key_id and settings.qianfan_access_key_secret
    if name == "qianfan":
        return bool(pair or (settings.qianfan_api_key and settings.qianfan_secret_key))
    return bool(pair or settings.qianfan_bearer_token)


def _known(provider: str) -> Callable[[Settings, httpx.AsyncBaseTransport, dict[str, Any]], Provider]:
    make = PLATFORMS.get(provider.strip().lower())
    if make is None:
        known = ", ".join(PLATFORMS)
        raise ConfigError(
            f"there is no platform {provider[:80]!r}; known are {known}. Write provider/model",
            "config_platform",
            name=provider[:80],
            known=known,
        )
    return make


def _qianfan(settings: Settings, transport: httpx.AsyncBaseTransport, common: dict[str, Any]) -> Provider:
    base = _url("QIANFAN_BASE_URL", settings.qianfan_base_url)
    keys = _keys(settings)
    auth: Auth | None = keys
    if settings.qianfan_api_key and settings.qianfan_secret_key:
        pair = settings.qianfan_api_key, settings.qianfan_secret_key
        auth = AccessToken(transport, base, *pair, qianfan_faults.V1)
    if auth is None:
        raise MissingKey(
            "qianfan",
            _missing(
                settings,
                ("QIANFAN_API_KEY", "QIANFAN_SECRET_KEY"),
                ("QIANFAN_ACCESS_KEY_ID", "QIANFAN_ACCESS_KEY_SECRET"),
            ),
        )
    return Qianfan(transport, auth, base_url=base, keys=keys, list_url=_beside(base, CONSOLE), **common)


def _qianfan_v2(settings: Settings, transport: httpx.AsyncBaseTransport, common: dict[str, Any]) -> Provider:
    base = _url("QIANFAN_V2_BASE_URL", settings.qianfan_v2_base_url)
    auth: Auth
    if settings.qianfan_bearer_token:
        auth = BearerKey(settings.qianfan_bearer_token)
    elif keys := _keys(settings):
        auth = MintedBearer(transport, _beside(base, IAM), keys, qianfan_faults.V2)
    else:
        pair = ("QIANFAN_ACCESS_KEY_ID", "QIANFAN_ACCESS_KEY_SECRET")
        raise MissingKey("qianfan-v2", _missing(settings, ("QIANFAN_BEARER_TOKEN",), pair))
    return QianfanV2(transport, auth, base_url=base, **common)


PLATFORMS: Mapping[str, Callable[[Settings, httpx.AsyncBaseTransport, dict[str, Any]], Provider]] = {
    "qianfan": _qianfan,
    "qianfan-v2": _qianfan_v2,
}


def _keys(settings: Settings) -> KeyPair | None:
    access, secret = settings.qianfan_access_key_id, settings.qianfan_access_key_secret
    return KeyPair(access, secret) if access and secret else None


def _missing(settings: Settings, *ways: tuple[str, ...]) -> tuple[str, ...]:
    """What to set: the rest of a way that was begun, else every way."""
    for way in ways:
        absent = [name for name in way if not getattr(settings, name.lower())]
        if len(absent) < len(way):
            return tuple(absent)
    return tuple(" and ".join(way) for way in ways)


def _url(setting: str, value: str) -> str:
    try:
        url = httpx.URL(urlsplit(value).geturl())
    except (ValueError, httpx.InvalidURL):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError(f"{setting} must be a URL such as https://host/path", "config_url", setting=setting)
    return value.rstrip("/")


def _beside(base: str, usual: str) -> str:
    """Scheme and host of a platform's other services: at a gateway or simulator, the gateway's own."""
    url = httpx.URL(base)
    if url.host.endswith(".baidubce.com"):
        return usual
    return f"{url.scheme}://{url.netloc.decode()}"
