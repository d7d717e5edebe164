"""Well-known cities, Chinese and English, with their place and time zone: what the weather service knows."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """A place on earth: degrees north and east, IANA time zone, people (thousands)."""

    id: int
    zh: str
    en: str
    latitude: float
    longitude: float
    timezone: str
    country: str
    population: int
    aliases: tuple[str, ...] = ()


COUNTRIES: dict[str, tuple[str, str]] = {
    "CN": ("中国", "China"),
    "HK": ("香港", "Hong Kong"),
    "MO": ("澳门", "Macao"),
    "TW": ("台湾", "Taiwan"),
    "JP": ("日本", "Japan"),
    "KR": ("韩国", "South Korea"),
    "SG": ("新加坡", "Singapore"),
    "TH": ("泰国", "Thailand"),
    "VN": ("越南", "Vietnam"),
    "MY": ("马来西亚", "Malaysia"),
    "ID": ("印度尼西亚", "Indonesia"),
    "PH": ("菲律宾", "Philippines"),
    "IN": ("印度", "India"),
    "AE": ("阿拉伯联合酋长国", "United Arab Emirates"),
    "TR": ("土耳其", "Türkiye"),
    "EG": ("埃及", "Egypt"),
    "ZA": ("南非", "South Africa"),
    "KE": ("肯尼亚", "Kenya"),
    "RU": ("俄罗斯", "Russia"),
    "GB": ("英国", "United Kingdom"),
    "FR": ("法国", "France"),
    "DE": ("德国", "Germany"),
    "IT": ("意大利", "Italy"),
    "ES": ("西班牙", "Spain"),
    "NL": ("荷兰", "Netherlands"),
    "CH": ("瑞士", "Switzerland"),
    "AT": ("奥地利", "Austria"),
    "SE": ("瑞典", "Sweden"),
    "IS": ("冰岛", "Iceland"),
    "US": ("美国", "United States"),
    "CA": ("加拿大", "Canada"),
    "MX": ("墨西哥", "Mexico"),
    "BR": ("巴西", "Brazil"),
    "AR": ("阿根廷", "Argentina"),
    "AU": ("澳大利亚", "Australia"),
    "NZ": ("新西兰", "New Zealand"),
}

_TABLE = """
北京 Beijing 39.9075 116.39723 Asia/Shanghai CN 18960 Peking
上海 Shanghai 31.22222 121.45806 Asia/Shanghai CN 24874
广州 Guangzhou 23.11667 113.25 Asia/Shanghai CN 16096 Canton
深圳 Shenzhen 22.54554 114.0683 Asia/Shanghai CN 17494
杭州 Hangzhou 30.29365 120.16142 Asia/Shanghai CN 9236
南京 Nanjing 32.06167 118.77778 Asia/Shanghai CN 7165
苏州 Suzhou 31.30408 120.59538 Asia/Shanghai CN 6715
成都 Chengdu 30.66667 104.06667 Asia/Shanghai CN 13568
重庆 Chongqing 29.56026 106.55771 Asia/Shanghai CN 7457
武汉 Wuhan 30.58333 114.26667 Asia/Shanghai CN 10392
西安 Xi'an 34.25833 108.92861 Asia/Shanghai CN 6501 Xian
天津 Tianjin 39.14222 117.17667 Asia/Shanghai CN 11090
沈阳 Shenyang 41.79222 123.43278 Asia/Shanghai CN 7026
大连 Dalian 38.91222 121.60222 Asia/Shanghai CN 4914
哈尔滨 Harbin 45.75 126.65 Asia/Shanghai CN 5242
长春 Changchun 43.88 125.32278 Asia/Shanghai CN 4714
济南 Jinan 36.66833 116.99722 Asia/Shanghai CN 5606
青岛 Qingdao 36.06488 120.38042 Asia/Shanghai CN 5600
郑州 Zhengzhou 34.75778 113.64861 Asia/Shanghai CN 6461
长沙 Changsha 28.19874 112.97087 Asia/Shanghai CN 5630
厦门 Xiamen 24.47979 118.08187 Asia/Shanghai CN 4617
福州 Fuzhou 26.06139 119.30611 Asia/Shanghai CN 3740
合肥 Hefei 31.86389 117.28083 Asia/Shanghai CN 5055
昆明 Kunming 25.03889 102.71833 Asia/Shanghai CN 5273
贵阳 Guiyang 26.58333 106.71667 Asia/Shanghai CN 4021
南宁 Nanning 22.81667 108.31667 Asia/Shanghai CN 5293
海口 Haikou 20.03421 110.34651 Asia/Shanghai CN 2256
三亚 Sanya 18.24306 109.505 Asia/Shanghai CN 1031
兰州 Lanzhou 36.05701 103.83987 Asia/Shanghai CN 3013
乌鲁木齐 Urumqi 43.80096 87.60046 Asia/Urumqi CN 4335
拉萨 Lhasa 29.65 91.1 Asia/Shanghai CN 868
香港 Hong_Kong 22.27832 114.17469 Asia/Hong_Kong HK 7492 Hongkong
澳门 Macau 22.20056 113.54611 Asia/Macau MO 650 Macao
台北 Taipei 25.04776 121.53185 Asia/Taipei TW 7872
东京 Tokyo 35.6895 139.69171 Asia/Tokyo JP 9733
大阪 Osaka 34.69379 135.50107 Asia/Tokyo JP 2754
京都 Kyoto 35.02107 135.75385 Asia/Tokyo JP 1464
首尔 Seoul 37.566 126.9784 Asia/Seoul KR 10349
新加坡 Singapore 1.28967 103.85007 Asia/Singapore SG 5638
曼谷 Bangkok 13.75398 100.50144 Asia/Bangkok TH 5105
河内 Hanoi 21.0245 105.84117 Asia/Ho_Chi_Minh VN 8053
吉隆坡 Kuala_Lumpur 3.1412 101.68653 Asia/Kuala_Lumpur MY 1453
雅加达 Jakarta -6.21462 106.84513 Asia/Jakarta ID 8540
马尼拉 Manila 14.6042 120.9822 Asia/Manila PH 1600
新德里 New_Delhi 28.63576 77.22445 Asia/Kolkata IN 317 Delhi
孟买 Mumbai 19.07283 72.88261 Asia/Kolkata IN 12691 Bombay
迪拜 Dubai 25.07725 55.30927 Asia/Dubai AE 3790
伊斯坦布尔 Istanbul 41.01384 28.94966 Europe/Istanbul TR 15701
开罗 Cairo 30.06263 31.24967 Africa/Cairo EG 9606
内罗毕 Nairobi -1.28333 36.81667 Africa/Nairobi KE 4397
开普敦 Cape_Town -33.92584 18.42322 Africa/Johannesburg ZA 4772
莫斯科 Moscow 55.75222 37.61556 Europe/Moscow RU 10381
伦敦 London 51.50853 -0.12574 Europe/London GB 8961
巴黎 Paris 48.85341 2.3488 Europe/Paris FR 2138
柏林 Berlin 52.52437 13.41053 Europe/Berlin DE 3426
慕尼黑 Munich 48.13743 11.57549 Europe/Berlin DE 1260 München
罗马 Rome 41.89193 12.51133 Europe/Rome IT 2318 Roma
马德里 Madrid 40.4165 -3.70256 Europe/Madrid ES 3255
巴塞罗那 Barcelona 41.38879 2.15899 Europe/Madrid ES 1620
阿姆斯特丹 Amsterdam 52.37403 4.88969 Europe/Amsterdam NL 741
苏黎世 Zurich 47.36667 8.55 Europe/Zurich CH 341 Zürich
维也纳 Vienna 48.20849 16.37208 Europe/Vienna AT 1691 Wien
斯德哥尔摩 Stockholm 59.32938 18.06871 Europe/Stockholm SE 1515
雷克雅未克 Reykjavik 64.13548 -21.89541 Atlantic/Reykjavik IS 118
纽约 New_York 40.71427 -74.00597 America/New_York US 8804 New_York_City NYC
洛杉矶 Los_Angeles 34.05223 -118.24368 America/Los_Angeles US 3898
旧金山 San_Francisco 37.77493 -122.41942 America/Los_Angeles US 864
西雅图 Seattle 47.60621 -122.33207 America/Los_Angeles US 737
芝加哥 Chicago 41.85003 -87.65005 America/Chicago US 2720
波士顿 Boston 42.35843 -71.05977 America/New_York US 653
华盛顿 Washington 38.89511 -77.03637 America/New_York US 689
多伦多 Toronto 43.70643 -79.39864 America/Toronto CA 2794
温哥华 Vancouver 49.24966 -123.11934 America/Vancouver CA 600
墨西哥城 Mexico_City 19.42847 -99.12766 America/Mexico_City MX 12294
圣保罗 São_Paulo -23.5475 -46.63611 America/Sao_Paulo BR 12400 Sao_Paulo
布宜诺斯艾利斯 Buenos_Aires -34.61315 -58.37723 America/Argentina/Buenos_Aires AR 2891
悉尼 Sydney -33.86785 151.20732 Australia/Sydney AU 4627
墨尔本 Melbourne -37.814 144.96332 Australia/Melbourne AU 4917
奥克兰 Auckland -36.84853 174.76349 Pacific/Auckland NZ 417
"""


def _read(index: int, line: str) -> City:
    zh, en, latitude, longitude, timezone, country, people, *aliases = line.split()
    names = tuple(a.replace("_", " ") for a in aliases)
    return City(
        1_000_001 + index,
        zh,
        en.replace("_", " "),
        float(latitude),
        float(longitude),
        timezone,
        country,
        int(people),
        names,
    )


CITIES: tuple[City, ...] = tuple(_read(i, line) for i, line in enumerate(_TABLE.strip().splitlines()))

_BY_NAME: dict[str, City] = {
    name.casefold(): city for city in CITIES for name in (city.zh, city.en, *city.aliases)
}
_ANY = re.compile(
    "|".join(
        re.escape(name) if name[0] > "\u2e80" else rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])"
        for name in sorted(_BY_NAME, key=len, reverse=True)
    ),
    re.IGNORECASE,
)


def mentioned(text: str) -> tuple[str, City] | None:
    """The first known city in a text: as it was written, and the city."""
    found = _ANY.search(text)
    return (found.group(), _BY_NAME[found.group().casefold()]) if found else None


def named(name: str) -> list[City]:
    """Cities of that name, exact for one or two letters, else also by its beginning; the largest first."""
    key = name.strip().casefold()
    if key.endswith("市") and len(key) > 2:
        key = key[:-1]
    exact = _BY_NAME.get(key)
    if len(key) < (2 if key and key[0] > "\u2e80" else 3):
        return [exact] if exact else []
    found = {c.id: c for n, c in _BY_NAME.items() if n.startswith(key)}
    if exact:
        found[exact.id] = exact
    return sorted(found.values(), key=lambda c: (c is not exact, -c.population))


def nearest(latitude: float, longitude: float) -> City | None:
    """The known city within about two degrees of a point."""
    near = [c for c in CITIES if abs(c.latitude - latitude) < 2 and abs(c.longitude - longitude) < 2]
    return min(
        near, key=lambda c: (c.latitude - latitude) ** 2 + (c.longitude - longitude) ** 2, default=None
    )
