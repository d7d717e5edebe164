"""A weather service on loopback that speaks Open-Meteo's wire: forecast and geocoding."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

TODAY = date(2025, 3, 7)  # a Friday, in the city's zone; no machine's today

PLACES: dict[str, list[dict[str, Any]]] = {
    "北京": [
        {"name": "北京", "latitude": 25.1, "longitude": 99.9, "country": "中国", "population": 900},
        {"name": "北京", "latitude": 39.9, "longitude": 116.4, "country": "中国", "population": 18960744},
    ],
    "Paris": [
        {"name": "Paris", "latitude": 48.85, "longitude": 2.35, "country": "France", "population": 2138551},
        {
            "name": "Paris",
            "latitude": 33.66,
            "longitude": -95.5,
            "country": "United States",
            "admin1": "Texas",
        },
    ],
}


@dataclass
class WeatherService:
    url: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None

    @property
    def settings(self) -> dict[str, str]:
        return {"forecast_url": self.url, "geocoding_url": self.url + "/"}

    async def search(self, request: web.Request) -> web.Response:
        self.requests.append(dict(request.query))
        found = PLACES.get(request.query["name"])
        return self._answer({"results": found} if found else {"generationtime_ms": 0.4})

    async def forecast(self, request: web.Request) -> web.Response:
        self.requests.append(dict(request.query))
        days = [TODAY + timedelta(days=i) for i in range(int(request.query["forecast_days"]))]
        daily = {
            "time": [day.isoformat() for day in days],
            "weather_code": [61 + 2 * (i % 3) for i in range(len(days))],
            "temperature_2m_max": [float(request.query["latitude"])] * len(days),
            "temperature_2m_min": [i - 2.5 for i in range(len(days))],
            "precipitation_probability_max": [10 * i for i in range(len(days) - 1)] + [None],
        }
        return self._answer({"timezone": "Asia/Shanghai", "daily": daily})

    def _answer(self, value: Any) -> web.Response:
        if self.body is not None or self.status != 200:
            return web.Response(body=self.body or b"", status=self.status)
        return web.json_response(value)


@pytest.fixture
async def service() -> AsyncIterator[WeatherService]:
    service = WeatherService()
    app = web.Application()
    app.router.add_get("/v1/search", service.search)
    app.router.add_get("/v1/forecast", service.forecast)
    async with TestServer(app) as server:
        service.url = str(server.make_url("")).rstrip("/")
        yield service
