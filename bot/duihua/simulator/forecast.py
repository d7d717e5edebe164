"""The invented weather: a function of the place and the date alone, so that every question has one answer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Day:
    """One day's weather: WMO code, degrees Celsius, mm, percent, km/h, degrees of direction."""

    code: int
    low: float
    high: float
    rain: float
    chance: int
    wind: float
    gusts: float
    direction: int
    humidity: int
    clouds: int
    pressure: float
    uv: float
    sunrise: float  # hours after midnight, local
    sunset: float

    def temperature(self, hour: float) -> float:
        """Degrees Celsius at an hour of the day: the lowest at three, the highest at fifteen."""
        middle, swing = (self.high + self.low) / 2, (self.high - self.low) / 2
        return round(middle + swing * math.cos((hour - 15) / 24 * 2 * math.pi), 1)


# WMO code, share of days, chance of rain (percent), rain (mm), clouds (percent)
_KINDS = (
    (0, 22, 0, 0.0, 5),
    (1, 16, 5, 0.0, 20),
    (2, 18, 10, 0.0, 50),
    (3, 16, 20, 0.0, 95),
    (45, 4, 10, 0.0, 80),
    (51, 5, 45, 0.8, 85),
    (61, 8, 70, 4.0, 90),
    (63, 4, 85, 12.0, 95),
    (80, 4, 60, 5.0, 70),
    (95, 3, 80, 15.0, 90),
)
_SNOW = {51: 71, 61: 71, 63: 73, 80: 85, 95: 86}


def day_at(latitude: float, longitude: float, day: date) -> Day:
    """The weather of a place (degrees, two decimals count) on a day."""
    draw = _draws(f"{latitude:.2f} {longitude:.2f} {day.isoformat()}")
    season = math.cos((day.timetuple().tm_yday - 200) / 365.25 * 2 * math.pi) * (1 if latitude >= 0 else -1)
    distance = abs(latitude)
    mean = 28 - 0.0065 * distance**2 + season * min(16.0, 0.35 * distance) + draw(-4, 4)
    swing = draw(3, 6)
    low, high = round(mean - swing, 1), round(mean + swing, 1)
    code, chance, rain, clouds = _kind(draw(0, 100))
    code = _SNOW.get(code, code) if high < 2 else code
    wind = round(draw(4, 30), 1)
    length = _daylight(latitude, day)
    return Day(
        code=code,
        low=low,
        high=high,
        rain=round(rain * draw(0.5, 1.5), 1),
        chance=min(100, max(0, round(chance + (draw(-5, 10) if chance else 0)))),
        wind=wind,
        gusts=round(wind * draw(1.4, 2.1), 1),
        direction=round(draw(0, 359)),
        humidity=min(100, round(35 + clouds * 0.45 + draw(-8, 12))),
        clouds=clouds,
        pressure=round(draw(1000, 1030), 1),
        uv=round(max(0.0, (12 - distance / 8) * (0.75 + 0.25 * season) * (1 - clouds / 150)), 2),
        sunrise=12 - length / 2,
        sunset=12 + length / 2,
    )


def _kind(number: float) -> tuple[int, int, float, int]:
    for code, share, chance, rain, clouds in _KINDS:
        if number < share:
            return code, chance, rain, clouds
        number -= share
    return 3, 20, 0.0, 95


def _draws(seed: str) -> Callable[[float, float], float]:
    """Numbers that depend on the seed alone, on every machine and version."""
    count = 0

    def draw(low: float, high: float) -> float:
        nonlocal count
        count += 1
        digest = hashlib.blake2b(f"{seed} {count}".encode(), digest_size=8).digest()
        return low + (high - low) * int.from_bytes(digest, "big") / 2**64

    return draw


def _daylight(latitude: float, day: date) -> float:
    """Hours of daylight, by the sun's declination."""
    tilt = math.radians(-23.44) * math.cos(2 * math.pi / 365.25 * (day.timetuple().tm_yday + 10))
    angle = -math.tan(math.radians(max(-89.0, min(89.0, latitude)))) * math.tan(tilt)
    return 24 / math.pi * math.acos(max(-1.0, min(1.0, angle)))
