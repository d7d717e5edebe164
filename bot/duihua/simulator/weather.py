"""Open-Meteo on loopback: forecast and geocoding, with invented weather.

Source: the service's public documentation. Errors are HTTP 400 with `{"error": true, "reason": ...}`; a name
that is not found is an answer without `results`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web

from duihua.simulator import cities
from duihua.simulator.cities import City
from duihua.simulator.forecast import Day, day_at
from duihua.simulator.wire import Desk, json_response

PLATFORM = "open-meteo"
MOST_DAYS, PAST_DAYS = 16, 92

_Hour = Callable[[Day, float], float]
HOURLY: Mapping[str, tuple[_Hour, str]] = {
    "temperature_2m": (lambda d, h: d.temperature(h), "°C"),
    "apparent_temperature": (lambda d, h: round(d.temperature(h) - d.wind / 10, 1), "°C"),
    "dew_point_2m": (lambda d, h: round(d.temperature(h) - (100 - d.humidity) / 5, 1), "°C"),
    "relative_humidity_2m": (lambda d, h: d.humidity, "%"),
    "is_day": (lambda d, h: int(d.sunrise <= h < d.sunset), ""),
    "precipitation": (lambda d, h: round(d.rain / 24, 1), "mm"),
    "precipitation_probability": (lambda d, h: d.chance, "%"),
    "rain": (lambda d, h: round(d.rain / 24, 1) if d.code < 70 or d.code > 86 else 0.0, "mm"),
    "showers": (lambda d, h: 0.0, "mm"),
    "snowfall": (lambda d, h: round(d.rain / 24, 1) if 70 <= d.code <= 86 and d.code != 80 else 0.0, "cm"),
    "weather_code": (lambda d, h: d.code, "wmo code"),
    "cloud_cover": (lambda d, h: d.clouds, "%"),
    "pressure_msl": (lambda d, h: d.pressure, "hPa"),
    "surface_pressure": (lambda d, h: d.pressure, "hPa"),
    "wind_speed_10m": (lambda d, h: d.wind, "km/h"),
    "wind_gusts_10m": (lambda d, h: d.gusts, "km/h"),
    "wind_direction_10m": (lambda d, h: d.direction, "°"),
    "visibility": (lambda d, h: 24_000.0 if d.code != 45 else 400.0, "m"),
    "uv_index": (lambda d, h: d.uv, ""),
}
DAILY: Mapping[str, tuple[Callable[[Day, date], Any], str]] = {
    "weather_code": (lambda d, _: d.code, "wmo code"),
    "temperature_2m_max": (lambda d, _: d.high, "°C"),
    "temperature_2m_min": (lambda d, _: d.low, "°C"),
    "temperature_2m_mean": (lambda d, _: round((d.low + d.high) / 2, 1), "°C"),
    "apparent_temperature_max": (lambda d, _: round(d.high - d.wind / 10, 1), "°C"),
    "apparent_temperature_min": (lambda d, _: round(d.low - d.wind / 10, 1), "°C"),
    "precipitation_sum": (lambda d, _: d.rain, "mm"),
    "rain_sum": (lambda d, _: 0.0 if 71 <= d.code <= 77 or 85 <= d.code <= 86 else d.rain, "mm"),
    "snowfall_sum": (lambda d, _: d.rain if 71 <= d.code <= 77 or 85 <= d.code <= 86 else 0.0, "cm"),
    "precipitation_hours": (lambda d, _: float(round(d.rain)), "h"),
    "precipitation_probability_max": (lambda d, _: d.chance, "%"),
    "precipitation_probability_mean": (lambda d, _: d.chance // 2, "%"),
    "precipitation_probability_min": (lambda d, _: d.chance // 4, "%"),
    "wind_speed_10m_max": (lambda d, _: d.wind, "km/h"),
    "wind_gusts_10m_max": (lambda d, _: d.gusts, "km/h"),
    "wind_direction_10m_dominant": (lambda d, _: d.direction, "°"),
    "uv_index_max": (lambda d, _: d.uv, ""),
    "relative_humidity_2m_mean": (lambda d, _: d.humidity, "%"),
    "cloud_cover_mean": (lambda d, _: d.clouds, "%"),
    "sunrise": (lambda d, day: _clock(day, d.sunrise), "iso8601"),
    "sunset": (lambda d, day: _clock(day, d.sunset), "iso8601"),
    "daylight_duration": (lambda d, _: round((d.sunset - d.sunrise) * 3600, 2), "s"),
}
_OLD_NAMES = {
    "weathercode": "weather_code",
    "windspeed_10m": "wind_speed_10m",
    "windspeed_10m_max": "wind_speed_10m_max",
    "windgusts_10m_max": "wind_gusts_10m_max",
    "winddirection_10m": "wind_direction_10m",
    "winddirection_10m_dominant": "wind_direction_10m_dominant",
    "relativehumidity_2m": "relative_humidity_2m",
    "cloudcover": "cloud_cover",
}
_UNITS: Mapping[str, tuple[str, Mapping[str, tuple[str, Callable[[float], float]]]]] = {
    # parameter: (unit that is converted, value -> (its unit, how))
    "temperature_unit": ("°C", {"celsius": ("°C", float), "fahrenheit": ("°F", lambda v: v * 1.8 + 32)}),
    "wind_speed_unit": (
        "km/h",
        {
            "kmh": ("km/h", float),
            "ms": ("m/s", lambda v: v / 3.6),
            "mph": ("mp/h", lambda v: v / 1.609344),
            "kn": ("kn", lambda v: v / 1.852),
        },
    ),
    "precipitation_unit": ("mm", {"mm": ("mm", float), "inch": ("inch", lambda v: v / 25.4)}),
}


class _Wrong(Exception):
    """The reason why a query is refused."""


class Weather:
    """Forecast and geocoding, over the shared desk."""

    name = PLATFORM
    title = "Open-Meteo"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"DUIHUA_SKILL_WEATHER_FORECAST_URL": url, "DUIHUA_SKILL_WEATHER_GEOCODING_URL": url}

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.get("/v1/forecast", self.forecast), web.get("/v1/search", self.search)]

    async def forecast(self, request: web.Request) -> web.StreamResponse:
        """The weather of a place: current, hourly, daily, as asked."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            body = forecast(_joined(request), self.desk.settings.clock())
        except _Wrong as e:
            seen.outcome = "400"
            return json_response({"error": True, "reason": str(e)}, status=400)
        seen.outcome = "ok"
        return json_response(body)

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Places of a name."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            found = search(request.query)
        except _Wrong as e:
            seen.outcome = "400"
            return json_response({"error": True, "reason": str(e)}, status=400)
        seen.outcome = "ok" if found else "nothing"
        results: dict[str, Any] = {"results": found} if found else {}
        return json_response({**results, "generationtime_ms": 0.5})


def search(query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The geocoder's results for a query."""
    if "name" not in query:
        raise _Wrong("Value of type 'String' required for key 'name'.")
    count = _integer(query, "count", 10)
    if not 1 <= count <= 100:
        raise _Wrong(f"Parameter count must be between 1 and 100. Given: {count}")
    zh = query.get("language", "en").lower().startswith("zh")
    country = query.get("countryCode", "").upper()
    found = [c for c in cities.named(query["name"]) if country in ("", c.country)]
    return [_place(c, zh) for c in found[:count]]


def forecast(query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The forecast's body for a query, at a time."""
    latitude = _degrees(query, "latitude", 90)
    longitude = _degrees(query, "longitude", 180)
    name, zone = _zone(query.get("timezone", "GMT"), latitude, longitude)
    local = now.astimezone(zone)
    days = _days(query, local.date())
    units = {parameter: _unit(query, parameter) for parameter in _UNITS}
    offset = local.utcoffset() or timedelta()
    body: dict[str, Any] = {
        "latitude": round(latitude, 4),
        "longitude": round(longitude, 4),
        "generationtime_ms": 0.05,
        "utc_offset_seconds": int(offset.total_seconds()),
        "timezone": name,
        "timezone_abbreviation": local.tzname() or "GMT",
        "elevation": float(round(abs(latitude * 7 + longitude * 3) % 200)),
    }
    at = [day_at(latitude, longitude, day) for day in days]
    today, hour = day_at(latitude, longitude, local.date()), local.hour + local.minute / 60
    if query.get("current_weather") == "true":
        names = {
            "temperature": "temperature_2m",
            "windspeed": "wind_speed_10m",
            "winddirection": "wind_direction_10m",
        }
        names |= {"is_day": "is_day", "weathercode": "weather_code"}
        values = {k: _converted(HOURLY[v][0](today, hour), HOURLY[v][1], units)[0] for k, v in names.items()}
        body["current_weather"] = {"time": _quarter(local), "interval": 900, **values}
    if wanted := _variables(query, "current", HOURLY):
        values = {v: _converted(HOURLY[k][0](today, hour), HOURLY[k][1], units) for v, k in wanted}
        body["current_units"] = {
            "time": "iso8601",
            "interval": "seconds",
            **{v: u for v, (_, u) in values.items()},
        }
        body["current"] = {"time": _quarter(local), "interval": 900, **{v: x for v, (x, _) in values.items()}}
    if wanted := _variables(query, "hourly", HOURLY):
        times = [f"{day.isoformat()}T{h:02d}:00" for day in days for h in range(24)]
        columns = {
            v: [_converted(HOURLY[k][0](d, h), HOURLY[k][1], units) for d in at for h in range(24)]
            for v, k in wanted
        }
        _add(body, "hourly", times, columns)
    if wanted := _variables(query, "daily", DAILY):
        columns = {
            v: [_converted(DAILY[k][0](d, day), DAILY[k][1], units) for d, day in zip(at, days, strict=True)]
            for v, k in wanted
        }
        _add(body, "daily", [day.isoformat() for day in days], columns)
    return body


def _add(
    body: dict[str, Any], name: str, times: Sequence[str], columns: Mapping[str, list[tuple[Any, str]]]
) -> None:
    body[f"{name}_units"] = {"time": "iso8601", **{v: column[0][1] for v, column in columns.items()}}
    body[name] = {"time": times, **{v: [x for x, _ in column] for v, column in columns.items()}}


def _joined(request: web.Request) -> dict[str, str]:
    """The query with repeated parameters joined by commas, as the service takes them."""
    return {name: ",".join(request.query.getall(name)) for name in request.query}


def _degrees(query: Mapping[str, str], name: str, most: int) -> float:
    if not query.get(name):
        raise _Wrong(f"Value of type 'String' required for key '{name}'.")
    try:
        value = float(query[name])
    except ValueError:
        raise _Wrong(
            f"Data corrupted at path '{name}'. Cannot read a number from {query[name][:40]}."
        ) from None
    if not math.isfinite(value) or abs(value) > most:
        raise _Wrong(f"{name.title()} must be in range of -{most} to {most}°. Given: {value}.")
    return value


def _zone(name: str, latitude: float, longitude: float) -> tuple[str, tzinfo]:
    if name == "auto":
        near = cities.nearest(latitude, longitude)
        if near is None:
            hours = round(longitude / 15)
            label = f"Etc/GMT{-hours:+d}" if hours else "GMT"  # its sign counts westwards
            return label, timezone(timedelta(hours=hours))
        name = near.timezone
    try:
        return name, ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Wrong(f"Invalid timezone: {name[:64]}") from None


def _days(query: Mapping[str, str], today: date) -> list[date]:
    first, last = query.get("start_date"), query.get("end_date")
    if first is None and last is None:
        ahead, back = _integer(query, "forecast_days", 7), _integer(query, "past_days", 0)
        if not 0 <= ahead <= MOST_DAYS:
            raise _Wrong(f"Forecast days is invalid. Allowed range 0 to {MOST_DAYS}. Given {ahead}.")
        if not 0 <= back <= PAST_DAYS:
            raise _Wrong(f"Past days is invalid. Allowed range 0 to {PAST_DAYS}. Given {back}.")
        return [today + timedelta(n) for n in range(-back, ahead)]
    if "forecast_days" in query:
        raise _Wrong("Parameter 'forecast_days' is mutually exclusive with 'start_date' and 'end_date'")
    if first is None or last is None:
        raise _Wrong("Both 'start_date' and 'end_date' must be set")
    start, end = _date(first), _date(last)
    earliest, latest = today - timedelta(PAST_DAYS), today + timedelta(MOST_DAYS - 1)
    for name, day in (("start_date", start), ("end_date", end)):
        if not earliest <= day <= latest:
            raise _Wrong(f"Parameter '{name}' is out of allowed range from {earliest} to {latest}")
    if end < start:
        raise _Wrong("End-date must be larger or equals than start-date")
    return [start + timedelta(n) for n in range((end - start).days + 1)]


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Wrong("Invalid date format. Make sure to use 'YYYY-MM-DD'") from None


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 9:
        raise _Wrong(f"Data corrupted at path '{name}'. Cannot read an integer from {text[:40]}.")
    return int(text)


def _variables(query: Mapping[str, str], block: str, known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name as asked, name in the table) of each variable of a block."""
    wanted: list[tuple[str, str]] = []
    for name in filter(None, query.get(block, "").split(",")):
        key = _OLD_NAMES.get(name, name)
        if key not in known:
            raise _Wrong(f"Data corrupted at path '{block}'. No variable is called {name[:64]}.")
        wanted.append((name, key))
    return wanted


def _unit(query: Mapping[str, str], parameter: str) -> tuple[str, str, Callable[[float], float]]:
    base, choices = _UNITS[parameter]
    wanted = query.get(parameter) or next(iter(choices))
    if wanted not in choices:
        raise _Wrong(f"Data corrupted at path '{parameter}'. No unit is called {wanted[:64]}.")
    return base, *choices[wanted]


def _converted(
    value: Any, unit: str, units: Mapping[str, tuple[str, str, Callable[[float], float]]]
) -> tuple[Any, str]:
    for base, shown, convert in units.values():
        if unit == base and shown != base:
            return round(convert(value), 1 if base != "mm" else 3), shown
    return value, unit


def _clock(day: date, hours: float) -> str:
    minutes = min(24 * 60 - 1, max(0, round(hours * 60)))
    return f"{day.isoformat()}T{minutes // 60:02d}:{minutes % 60:02d}"


def _quarter(local: datetime) -> str:
    return local.replace(minute=local.minute // 15 * 15).strftime("%Y-%m-%dT%H:%M")


def _place(city: City, zh: bool) -> dict[str, Any]:
    country = cities.COUNTRIES[city.country]
    return {
        "id": city.id,
        "name": city.zh if zh else city.en,
        "latitude": city.latitude,
        "longitude": city.longitude,
        "elevation": float(round(abs(city.latitude * 7 + city.longitude * 3) % 200)),
        "feature_code": "PPLA",
        "country_code": city.country,
        "timezone": city.timezone,
        "population": city.population * 1000,
        "country": country[0] if zh else country[1],
    }
