"""Units of measure: `5 km in miles`, `3*4 kg to lb`, `100华氏度是多少摄氏度`. Exact factors."""

from __future__ import annotations

import re
from decimal import Decimal

from duihua.skills.contract import SkillError

_UNITS = {  # what they measure: factor to the first, names
    "length": "1 m meter meters metre metres 米 公尺|1000 km kilometer kilometers kilometre kilometres 公里"
    " 千米|0.01 cm centimeter centimeters 厘米 公分|0.001 mm millimeter millimeters 毫米"
    "|1609.344 mi mile miles 英里|0.9144 yd yard yards 码|0.3048 ft foot feet 英尺|0.0254 inch inches 英寸"
    "|1852 nmi 海里|500 里 华里",
    "mass": "1 kg kilogram kilograms 公斤 千克|0.001 g gram grams 克|0.000001 mg 毫克|1000 t tonne tonnes 吨"
    "|0.45359237 lb lbs pound pounds 磅|0.028349523125 oz ounce ounces 盎司|0.5 斤 市斤|0.05 两",
    "volume": "1 l liter liters litre litres 升|0.001 ml milliliter milliliters 毫升|1000 m3 立方米"
    "|3.785411784 gal gallon gallons 加仑|0.2365882365 cup cups 杯",
    "area": "1 m2 平方米 平米|1000000 km2 平方公里|10000 ha hectare hectares 公顷"
    "|4046.8564224 acre acres 英亩|0.09290304 ft2 平方英尺",
    "time": "1 s sec second seconds 秒|60 min minute minutes 分钟|3600 h hour hours 小时|86400 day days 天"
    "|604800 week weeks 周 星期",
    "speed": "1 m/s 米每秒|0.27777777777777777777777777777778 km/h kmh 公里每小时|0.44704 mph 英里每小时",
    "data": "1 b byte bytes 字节|1000 kb|1000000 mb|1000000000 gb|1000000000000 tb|1024 kib|1048576 mib"
    "|1073741824 gib|1099511627776 tib",
    "temperature": "c 摄氏度 celsius °c ℃|f 华氏度 fahrenheit °f ℉|k kelvin 开尔文",
}
_KNOWN = {
    name: (kind, line.split()[0])
    for kind, lines in _UNITS.items()
    for line in lines.split("|")
    for name in (line.split() if kind == "temperature" else line.split()[1:])
}
_NAME = r"([a-z°℃℉\u4e00-\u9fff]+(?:/[a-z])?[23²³]?)"
_ASKED = re.compile(
    rf"(.+?)\s*{_NAME}\s*(?:\b(?:in|to|into|as)\b|->|→|=|等于多少|是多少|换算?成|转成|合多少|为多少)\s*{_NAME}\s*[?？=]*",
    re.IGNORECASE | re.DOTALL,
)
_ZERO = Decimal("273.15")


def asked(text: str) -> tuple[str, str, str] | None:
    """Amount, unit and wanted unit of a conversion; None: it is none.

    Raises:
        SkillError: the units do not measure the same.
    """
    found = _ASKED.fullmatch(text.strip()[:1000])
    if found is None:
        return None
    amount, given, wanted = found[1], *(name.lower().translate(_POWERS) for name in found.groups()[1:])
    if given not in _KNOWN or wanted not in _KNOWN:
        return None
    if _KNOWN[given][0] != _KNOWN[wanted][0]:
        raise SkillError(
            f"{given} is {_KNOWN[given][0]}, {wanted} is {_KNOWN[wanted][0]}: they do not convert"
        )
    return amount, given, wanted


_POWERS = str.maketrans("²³", "23")


def converted(amount: Decimal, given: str, wanted: str) -> Decimal:
    """An amount in another unit of the same kind."""
    (kind, one), (_, other) = _KNOWN[given], _KNOWN[wanted]
    if kind != "temperature":
        return amount * Decimal(one) / Decimal(other)
    kelvin = {"c": amount + _ZERO, "f": (amount - 32) * 5 / 9 + _ZERO, "k": amount}[one]
    return {"c": kelvin - _ZERO, "f": (kelvin - _ZERO) * 9 / 5 + 32, "k": kelvin}[other]
