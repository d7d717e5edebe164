"""GenStudio as a platform: its key, its limits, the models it is known for."""

from __future__ import annotations

import httpx

from duihua.config import Settings
from duihua.ports import Provider, Quota
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.genstudio import GenStudio, functions_of
from duihua.providers.genstudio_models import LATER, MODELS, Place
from duihua.providers.platform import ModelInfo, Platform, checked_url


def quotas(settings: Settings) -> tuple[Quota, ...]:
    """What the platform lets one key do."""
    return (
        Quota("requests", settings.genstudio_requests_per_minute, 60.0),
        Quota("requests", settings.genstudio_requests_per_day, 86_400.0),
        Quota("tokens", settings.genstudio_tokens_per_minute, 60.0),
    )


def _make(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    base = checked_url("GENSTUDIO_BASE_URL", settings.genstudio_base_url)
    if not settings.genstudio_api_key:
        raise PLATFORM.missing(settings)
    return GenStudio(
        transport,
        BearerKey(settings.genstudio_api_key),
        base_url=base,
        line=line,
        native_tools=settings.genstudio_native_tools,
        limits=quotas(settings),
    )


def _models(settings: Settings) -> list[ModelInfo]:
    native = frozenset(name.lower() for name in settings.genstudio_native_tools)
    places = [place for m in MODELS for place in (Place(m), *(Place(m, chip) for chip in m.chips))]
    return [_info(place, native) for place in (*places, *(Place(m) for m in LATER))]


def _info(place: Place, native: frozenset[str]) -> ModelInfo:
    model, found = place.model, {"chat"}
    found |= {"images"} if place.plain and model.sees else set()
    found |= {"thinking"} if model.thinking != "never" else set()
    found |= {"count_tokens", "measure"} if model.chips else set()
    return ModelInfo(
        f"genstudio/{place.name}",
        functions_of(place, native),
        model.soft,
        model.hard,
        path=place.path if place.chip else "",
        family=model.family,
        chip=place.chip,
        abilities=frozenset(found),
    )


PLATFORM = Platform("genstudio", "GENSTUDIO", (("GENSTUDIO_API_KEY",),), _make, _models, client=GenStudio)
