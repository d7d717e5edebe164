"""The weather forecast of Open-Meteo: free, without a key, for every city of the world.

Documented at https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/geocoding-api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill
from duihua_skills._days import index_of
from duihua_skills._sky import sky
from duihua_skills.clock import WEEKDAYS

_DAYS = 7
_HOSTS = ("api.open-meteo.com", "geocoding-api.open-meteo.com")
_LARGEST = 500_000  # bytes of an answer
_FIELDS = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_probability_max"
# what the gazetteer leaves out: it has 北京, not 北京市
_SUFFIX = re.compile(r"(?<=[\u3400-\u9fff]{2})(?:特别行政区|自治区|自治州|地区|市|县|区|省|州)$")


class Settings(BaseModel):
    """Where the two services are: DUIHUA_SKILL_WEATHER_FORECAST_URL, DUIHUA_SKILL_WEATHER_GEOCODING_URL."""

    forecast_url: str = Field("https://api.open-meteo.com", pattern="^https?://")
    geocoding_url: str = Field("https://geocoding-api.open-meteo.com", pattern="^https?://")


class _Place(BaseModel):
    name: str
    latitude: float
    longitude: float
    country: str = ""
    country_code: str = ""
    admin1: str = ""
    population: int = 0


class _Places(BaseModel):
    results: list[_Place] = []


class _Daily(BaseModel):
    time: list[date] = Field(min_length=1)
    weather_code: list[int | None]
    temperature_2m_max: list[float | None]
    temperature_2m_min: list[float | None]
    precipitation_probability_max: list[float | None] = []


class _Forecast(BaseModel):
    daily: _Daily


Answer = TypeVar("Answer", bound=BaseModel)


@skill(effect="read", timeout=20, hosts=_HOSTS, settings=Settings, title={"zh": "查询天气", "en": "Weather"})
async def weather(
    city: Annotated[str, Field(description="The city, in Chinese or English: 北京, Paris, Portland, Oregon")],
    ctx: Context,
    day: Annotated[
        str, Field(description="today, tomorrow, 后天, a weekday, or a date (2025-03-08), in the city's time")
    ] = "today",
    days: Annotated[int, Field(ge=1, le=_DAYS, description="How many days from then on, 1 to 7")] = 1,
) -> dict[str, Any]:
    """Tells the weather of a city, today or on the next days: conditions, temperature, chance of rain."""
    place = await _find(city, ctx)
    daily = await _forecast(place, ctx)
    if (first := index_of(day, daily.time)) is None:
        today, span = daily.time[0], f"{daily.time[0]} ... {daily.time[-1]}"
        zh = f"没有“{day[:40]}”的预报：当地今天是 {today}，预报范围是 {span}。请写日期，例如 {today}。"
        en = f"No forecast for {day[:40]!r}: it is {today} there now, the forecast covers {span}."
        raise _error(ctx, zh, f"{en} Give a date, for example {today}.")
    reports = [_report(daily, i, ctx.locale) for i in range(first, min(first + days, len(daily.time)))]
    name = {"city": place.name} | ({"country": place.country} if place.country else {})
    return {**name, **reports[0]} if days == 1 else {**name, "days": reports}


async def _find(city: str, ctx: Context) -> _Place:
    name, _, region = (part.strip() for part in city.replace("，", ",").partition(","))
    language = "zh" if re.search(r"[\u3400-\u9fff]", name) else "en"
    for text in dict.fromkeys(text[:100] for text in (name, _SUFFIX.sub("", name)) if text):
        query = {"name": text, "count": "10", "language": language, "format": "json"}
        places = (await _get(ctx.settings.geocoding_url, "/v1/search", query, _Places, ctx)).results
        if places:
            return max(places, key=lambda place: _fit(place, text, region))
    zh = f"找不到城市“{city[:60]}”。请换个写法，或写明国家。"
    raise _error(ctx, zh, f"No city named {city[:60]!r} was found.")


def _fit(place: _Place, name: str, region: str) -> tuple[bool, bool, int]:
    """The place that was named exactly, in the region that was named; among several the largest."""
    regions = {part.casefold() for part in (place.country, place.country_code, place.admin1)}
    return region.casefold() in regions, place.name.casefold() == name.casefold(), place.population


async def _forecast(place: _Place, ctx: Context) -> _Daily:
    at = {"latitude": f"{place.latitude:.4f}", "longitude": f"{place.longitude:.4f}"}
    # in the city's own zone: the first day is its today
    query = {**at, "daily": _FIELDS, "timezone": "auto", "forecast_days": str(_DAYS)}
    return (await _get(ctx.settings.forecast_url, "/v1/forecast", query, _Forecast, ctx)).daily


async def _get(url: str, path: str, query: Mapping[str, str], kind: type[Answer], ctx: Context) -> Answer:
    assert ctx.http is not None  # every engine gives one
    body = bytearray()
    try:
        async with ctx.http.stream("GET", url.rstrip("/") + path, params=query, timeout=10) as response:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _LARGEST:
                    break
        if response.status_code == 429:
            raise _error(ctx, "天气服务太忙，请稍后再试。", "The weather service is busy; try later.")
        return kind.model_validate_json(bytes(body) if response.is_success and len(body) <= _LARGEST else b"")
    except httpx.HTTPError:
        zh = "连不上天气服务，请稍后再试。"
        raise _error(ctx, zh, "The weather service cannot be reached; try later.") from None
    except ValidationError:
        zh = "天气服务的回答无法使用，请稍后再试。"
        raise _error(ctx, zh, "The weather service gave no usable answer; try later.") from None


def _report(daily: _Daily, index: int, locale: str) -> dict[str, Any]:
    day = daily.time[index]
    return {
        "date": day.isoformat(),
        "weekday": WEEKDAYS["zh" if locale == "zh" else "en"][day.weekday()],
        "weather": sky(_at(daily.weather_code, index), locale),
        "min_c": _at(daily.temperature_2m_min, index),
        "max_c": _at(daily.temperature_2m_max, index),
        "rain_percent": _at(daily.precipitation_probability_max, index),
    }


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _error(ctx: Context, zh: str, en: str) -> SkillError:
    return SkillError(zh if ctx.locale == "zh" else en)
