"""The sky in words: the weather codes of the WMO (code table 4677, as Open-Meteo uses it)."""

from __future__ import annotations

_CODES = """
 0 晴 clear
 1 大部晴朗 mainly clear
 2 多云 partly cloudy
 3 阴 overcast
45 雾 fog
48 雾凇 rime fog
51 小毛毛雨 light drizzle
53 毛毛雨 drizzle
55 大毛毛雨 dense drizzle
56 冻毛毛雨 light freezing drizzle
57 强冻毛毛雨 freezing drizzle
61 小雨 light rain
63 中雨 rain
65 大雨 heavy rain
66 小冻雨 light freezing rain
67 冻雨 freezing rain
71 小雪 light snow
73 中雪 snow
75 大雪 heavy snow
77 米雪 snow grains
80 小阵雨 light showers
81 阵雨 showers
82 强阵雨 violent showers
85 小阵雪 light snow showers
86 大阵雪 heavy snow showers
95 雷暴 thunderstorm
96 雷暴伴小冰雹 thunderstorm with light hail
99 雷暴伴冰雹 thunderstorm with hail
"""
_WORDS = {
    int(code): (zh, en) for code, zh, en in (line.split(maxsplit=2) for line in _CODES.split("\n") if line)
}


def sky(code: int | None, locale: str) -> str:
    """What a code means, in Chinese or English."""
    zh, en = _WORDS.get(-1 if code is None else code, ("未知", "unknown"))
    return zh if locale == "zh" else en
