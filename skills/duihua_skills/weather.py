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

_DAYS = 7
_LARGEST = 500_000  # bytes of an answer
_FIELDS = ("weather_code", "temperature_2m_max", "temperature_2m_min", "precipitation_probability_max")
_WEEKDAYS = ("一1", "二2", "三3", "四4", "五5", "六6", "日天7")
_ENGLISH = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RELATIVE = {
    **dict.fromkeys(("", "today", "now", "tonight", "今天", "今日", "今晚", "现在", "今"), 0),
    **dict.fromkeys(("tomorrow", "tomorrow night", "明天", "明日", "明晚", "明"), 1),
    **dict.fromkeys(("day after tomorrow", "the day after tomorrow", "后天", "後天", "后日"), 2),
    "大后天": 3,
    "大後天": 3,
}
_SUFFIXES = ("特别行政区", "自治区", "自治州", "地区", "市", "县", "区", "省", "州")

# WMO weather interpretation codes: Chinese, English
_WORDS = {
    0: ("晴", "clear"),
    1: ("大部晴朗", "mainly clear"),
    2: ("多云", "partly cloudy"),
    3: ("阴", "overcast"),
    45: ("雾", "fog"),
    48: ("雾凇", "rime fog"),
    51: ("小毛毛雨", "light drizzle"),
    53: ("毛毛雨", "drizzle"),
    55: ("大毛毛雨", "dense drizzle"),
    56: ("冻毛毛雨", "light freezing drizzle"),
    57: ("强冻毛毛雨", "freezing drizzle"),
    61: ("小雨", "light rain"),
    63: ("中雨", "rain"),
    65: ("大雨", "heavy rain"),
    66: ("小冻雨", "light freezing rain"),
    67: ("冻雨", "freezing rain"),
    71: ("小雪", "light snow"),
    73: ("中雪", "snow"),
    75: ("大雪", "heavy snow"),
    77: ("米雪", "snow grains"),
    80: ("小阵雨", "light showers"),
    81: ("阵雨", "showers"),
    82: ("强阵雨", "violent showers"),
    85: ("小阵雪", "light snow showers"),
    86: ("大阵雪", "heavy snow showers"),
    95: ("雷暴", "thunderstorm"),
    96: ("雷暴伴小冰雹", "thunderstorm with light hail"),
    99: ("雷暴伴冰雹", "thunderstorm with hail"),
}


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


@skill(
    effect="read",
    timeout=20,
    hosts=("api.open-meteo.com", "geocoding-api.open-meteo.com"),
    settings=Settings,
)
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
    first = _first(day, daily.time, ctx)
    reports = [_report(daily, i, ctx) for i in range(first, min(first + days, len(daily.time)))]
    name = {"city": place.name} | ({"country": place.country} if place.country else {})
    return {**name, **reports[0]} if days == 1 else {**name, "days": reports}


async def _find(city: str, ctx: Context) -> _Place:
    name, _, region = (part.strip() for part in city.replace("，", ",").partition(","))
    chinese = re.search(r"[\u3400-\u9fff]", name) is not None
    tries = [name]
    for suffix in _SUFFIXES:  # the gazetteer has 北京, not 北京市
        if chinese and name.endswith(suffix) and len(name) > len(suffix) + 1:
            tries.append(name.removesuffix(suffix))
            break
    for text in (text[:100] for text in tries if text):
        query = {"name": text, "count": "10", "language": "zh" if chinese else "en", "format": "json"}
        places = (await _get(ctx.settings.geocoding_url, "/v1/search", query, _Places, ctx)).results
        if places:
            return max(places, key=lambda place: _fit(place, text, region))
    raise SkillError(
        _say(
            ctx,
            f"找不到城市“{city[:60]}”。请换个写法，或写明国家。",
            f"No city named {city[:60]!r} was found.",
        )
    )


def _fit(place: _Place, name: str, region: str) -> tuple[bool, bool, int]:
    """The place that was named exactly, in the region that was named; among several the largest."""
    regions = {part.casefold() for part in (place.country, place.country_code, place.admin1)}
    return region.casefold() in regions, place.name.casefold() == name.casefold(), place.population


async def _forecast(place: _Place, ctx: Context) -> _Daily:
    query = {
        "latitude": f"{place.latitude:.4f}",
        "longitude": f"{place.longitude:.4f}",
        "daily": ",".join(_FIELDS),
        "timezone": "auto",  # days begin at the city's midnight, the first is its today
        "forecast_days": str(_DAYS),
    }
    return (await _get(ctx.settings.forecast_url, "/v1/forecast", query, _Forecast, ctx)).daily


async def _get(url: str, path: str, query: Mapping[str, str], kind: type[Answer], ctx: Context) -> Answer:
    if ctx.http is None:
        raise RuntimeError("the weather skill needs Context.http")
    body = bytearray()
    try:
        async with ctx.http.stream("GET", url.rstrip("/") + path, params=query, timeout=10) as response:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _LARGEST:
                    break
        if response.status_code == 429:
            raise SkillError(
                _say(ctx, "天气服务太忙，请稍后再试。", "The weather service is busy; try later.")
            )
        if response.is_success and len(body) <= _LARGEST:
            return kind.model_validate_json(bytes(body))
    except httpx.HTTPError:
        raise SkillError(
            _say(ctx, "连不上天气服务，请稍后再试。", "The weather service cannot be reached; try later.")
        ) from None
    except ValidationError:
        pass
    raise SkillError(
        _say(
            ctx,
            "天气服务的回答无法使用，请稍后再试。",
            "The weather service gave no usable answer; try later.",
        )
    )


def _first(day: str, days: list[date], ctx: Context) -> int:
    """The index of the day that is meant; `days` begin with the city's today."""
    text = re.sub(r"[\s_]+", " ", day.strip().lower())
    index = _RELATIVE.get(text)
    if index is None:
        index = next((i for i, candidate in enumerate(days) if _means(text, candidate)), None)
    if index is None and (
        later := re.fullmatch(r"(?:in )?\+?(\d{1,3}) ?(?:days?|天)(?: later|后|以后|之后)?", text)
    ):
        index = int(later[1])
    if index is not None and index < len(days):
        return index
    span = f"{days[0]} ... {days[-1]}"
    raise SkillError(
        _say(
            ctx,
            f"没有“{day[:40]}”的预报：当地今天是 {days[0]}，预报范围是 {span}。请写日期，例如 {days[0]}。",
            f"No forecast for {day[:40]!r}: it is {days[0]} there now, the forecast covers {span}. "
            f"Give a date, for example {days[0]}.",
        )
    )


def _means(text: str, day: date) -> bool:
    """Whether a date or a weekday, as people write it, means this day."""
    if found := re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", text):
        return tuple(map(int, found.groups())) == (day.year, day.month, day.day)
    if found := re.fullmatch(r"(\d{1,2})[-/.月](\d{1,2})[日号]?", text):
        return (int(found[1]), int(found[2])) == (day.month, day.day)
    if found := re.fullmatch(r"(\d{1,2})[日号]", text):
        return int(found[1]) == day.day
    if found := re.fullmatch(r"(?:这|本)?(?:周|星期|礼拜)(.)", text):
        return found[1] in _WEEKDAYS[day.weekday()]
    if found := re.fullmatch(r"(?:(?:on|this) )?([a-z]{3,9})\.?", text):
        return _ENGLISH[day.weekday()].startswith(found[1])
    return False


def _report(daily: _Daily, index: int, ctx: Context) -> dict[str, Any]:
    day, zh = daily.time[index], ctx.locale == "zh"
    code = _at(daily.weather_code, index)
    words = _WORDS.get(int(code), ("未知", "unknown")) if code is not None else ("未知", "unknown")
    return {
        "date": day.isoformat(),
        "weekday": "星期" + _WEEKDAYS[day.weekday()][0] if zh else _ENGLISH[day.weekday()].title(),
        "weather": words[0 if zh else 1],
        "min_c": _at(daily.temperature_2m_min, index),
        "max_c": _at(daily.temperature_2m_max, index),
        "rain_percent": _at(daily.precipitation_probability_max, index),
    }


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _say(ctx: Context, zh: str, en: str) -> str:
    return zh if ctx.locale == "zh" else en
