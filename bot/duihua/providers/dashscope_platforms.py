"""DashScope's two wires as platforms: their key, where they are, which models they have."""

from __future__ import annotations

import httpx

from duihua.config import Settings
from duihua.ports import Limits, Provider
from duihua.providers import dashscope_models as models
from duihua.providers.auth import BearerKey
from duihua.providers.dashscope import DashScope
from duihua.providers.dashscope_compatible import DashScopeCompatible
from duihua.providers.exchange import Line
from duihua.providers.platform import ModelInfo, Platform, checked_url

_NO_LIMITS = Limits(None, None)


def _native(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    if settings.dashscope_api_key is None:
        raise NATIVE.missing(settings)
    base = checked_url("DASHSCOPE_BASE_URL", settings.dashscope_base_url)
    return DashScope(transport, BearerKey(settings.dashscope_api_key), base_url=base, line=line)


def _compatible(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    if settings.dashscope_api_key is None:
        raise COMPATIBLE.missing(settings)
    base = checked_url("DASHSCOPE_COMPATIBLE_BASE_URL", settings.dashscope_compatible_base_url)
    return DashScopeCompatible(transport, BearerKey(settings.dashscope_api_key), base_url=base, line=line)


def _native_models(settings: Settings) -> list[ModelInfo]:
    chat = [_chats("dashscope", model, models.COUNTED) for model in models.MODELS]
    return [
        *chat,
        *(_other("dashscope", name, "embed") for name in models.EMBEDDINGS),
        *(_other("dashscope", name, "draw") for name in models.PICTURES),
    ]


def _compatible_models(settings: Settings) -> list[ModelInfo]:
    name = "dashscope-compatible"
    chat = [_chats(name, model, frozenset()) for model in models.MODELS if not model.prompt]
    return [*chat, *(_other(name, model, "embed") for model in models.EMBEDDINGS)]


def _chats(platform: str, model: models.Model, counted: frozenset[str]) -> ModelInfo:
    abilities = {"chat"}
    abilities |= {"images"} if model.sees else set()
    abilities |= {"thinking"} if model.thinks != "never" else set()
    if platform == "dashscope" and not model.multimodal:
        abilities.add("complete")
    abilities |= {"count_tokens"} if model.name in counted else set()
    return ModelInfo(
        f"{platform}/{model.name}",
        model.functions,
        model.soft_limits,
        model.hard_limits,
        family=model.family,
        abilities=frozenset(abilities),
    )


def _other(platform: str, name: str, ability: str) -> ModelInfo:
    family = name.partition("-")[0].rstrip("0123456789.")
    return ModelInfo(
        f"{platform}/{name}", "none", _NO_LIMITS, _NO_LIMITS, family=family, abilities=frozenset({ability})
    )


_WAYS = (("DASHSCOPE_API_KEY",),)
NATIVE = Platform("dashscope", "DASHSCOPE", _WAYS, _native, _native_models, client=DashScope)
COMPATIBLE = Platform(
    "dashscope-compatible", "DASHSCOPE", _WAYS, _compatible, _compatible_models, client=DashScopeCompatible
)
