"""What time it is, where the user is or elsewhere. No network."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from duihua.skills.contract import Context, SkillError
from duihua.skills.schema import skill

WEEKDAYS = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}

_REGIONS = ("Asia", "Europe", "America", "Africa", "Australia", "Pacific", "Atlantic", "Indian", "Antarctica")
_OFFSET = re.compile(r"(?:utc|gmt)\s*(?:([+-])\s*(\d{1,2})(?::?(\d{2}))?)?", re.IGNORECASE)
_PLACES = {  # what no zone is named after, and Chinese names
    "Asia/Shanghai": "北京 上海 广州 深圳 天津 重庆 成都 杭州 南京 武汉 西安 苏州 中国 "
    "beijing guangzhou shenzhen tianjin chengdu hangzhou nanjing wuhan xian china",
    "Asia/Urumqi": "乌鲁木齐",
    "Asia/Hong_Kong": "香港 hongkong",
    "Asia/Macau": "澳门 macao",
    "Asia/Taipei": "台北 台湾 taiwan",
    "Asia/Tokyo": "东京 大阪 京都 日本 osaka kyoto japan",
    "Asia/Seoul": "首尔 汉城 釜山 韩国 busan korea",
    "Asia/Singapore": "新加坡",
    "Asia/Kuala_Lumpur": "吉隆坡 马来西亚 malaysia",
    "Asia/Bangkok": "曼谷 泰国 thailand",
    "Asia/Ho_Chi_Minh": "胡志明市 河内 越南 hanoi vietnam",
    "Asia/Jakarta": "雅加达",
    "Asia/Manila": "马尼拉 菲律宾 philippines",
    "Asia/Kolkata": "新德里 德里 孟买 印度 delhi new_delhi mumbai bangalore india",
    "Asia/Dubai": "迪拜 阿布扎比 abu_dhabi",
    "Asia/Riyadh": "利雅得",
    "Asia/Tehran": "德黑兰 伊朗 iran",
    "Asia/Jerusalem": "耶路撒冷 特拉维夫 tel_aviv israel",
    "Europe/Istanbul": "伊斯坦布尔 土耳其 ankara turkey",
    "Europe/Moscow": "莫斯科",
    "Europe/London": "伦敦 英国 爱丁堡 edinburgh england uk",
    "Europe/Paris": "巴黎 法国 france",
    "Europe/Berlin": "柏林 慕尼黑 法兰克福 汉堡 德国 munich frankfurt hamburg germany",
    "Europe/Rome": "罗马 米兰 意大利 milan italy",
    "Europe/Madrid": "马德里 巴塞罗那 西班牙 barcelona spain",
    "Europe/Amsterdam": "阿姆斯特丹 荷兰 netherlands",
    "Europe/Zurich": "苏黎世 日内瓦 瑞士 geneva switzerland",
    "Europe/Vienna": "维也纳",
    "Europe/Stockholm": "斯德哥尔摩",
    "Europe/Athens": "雅典",
    "Europe/Kyiv": "基辅 kiev",
    "Africa/Cairo": "开罗 埃及 egypt",
    "Africa/Johannesburg": "约翰内斯堡 开普敦 cape_town",
    "Africa/Nairobi": "内罗毕",
    "America/New_York": "纽约 华盛顿 波士顿 迈阿密 费城 washington boston miami philadelphia atlanta",
    "America/Chicago": "芝加哥 休斯敦 达拉斯 houston dallas austin",
    "America/Denver": "丹佛",
    "America/Los_Angeles": "洛杉矶 旧金山 西雅图 拉斯维加斯 圣地亚哥 硅谷 "
    "san_francisco seattle las_vegas san_diego",
    "America/Toronto": "多伦多 蒙特利尔 渥太华 montreal ottawa",
    "America/Vancouver": "温哥华",
    "America/Mexico_City": "墨西哥城",
    "America/Sao_Paulo": "圣保罗 里约热内卢 rio_de_janeiro",
    "America/Argentina/Buenos_Aires": "布宜诺斯艾利斯",
    "Pacific/Honolulu": "檀香山 夏威夷 hawaii",
    "Pacific/Auckland": "奥克兰 惠灵顿 新西兰 wellington new_zealand",
    "Australia/Sydney": "悉尼 堪培拉 canberra",
    "Australia/Melbourne": "墨尔本",
}
_ZONES = {word: zone for zone, words in _PLACES.items() for word in words.split()}


@skill(effect="read", timeout=5, title={"zh": "查看时间", "en": "Clock"})
async def clock(
    ctx: Context,
    place: Annotated[
        str, Field(description="An IANA zone (Asia/Tokyo) or a city (东京, New York); empty: the user's own")
    ] = "",
) -> dict[str, str]:
    """Tells the current date, weekday and time, for the user or for another place."""
    # Async without an await: it reads one small file at most, a thread would cost more.
    there = zone(place) if place.strip() else ctx.timezone
    now = datetime.fromtimestamp(ctx.clock() if ctx.clock else time.time(), UTC).astimezone(there)
    return {
        "date": now.date().isoformat(),
        "time": now.strftime("%H:%M:%S"),
        "weekday": WEEKDAYS["zh" if ctx.locale == "zh" else "en"][now.weekday()],
        "zone": str(now.tzinfo),
        "utc_offset": now.isoformat(timespec="seconds")[-6:],
    }


def zone(place: str) -> tzinfo:
    """The time zone of an IANA name, a city, or an offset like `UTC+8`.

    Raises:
        SkillError: nothing is known by this name.
    """
    place = place.strip()[:100]
    if offset := _OFFSET.fullmatch(place):
        sign, hours, minutes = offset.groups()
        span = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        if span <= timedelta(hours=14):
            return timezone(-span if sign == "-" else span)
    name = re.sub(r"[\s_-]+", "_", re.sub(r"['.]|[,，].*", "", place).strip())
    known = _ZONES.get(name.lower()) or _ZONES.get(name.removesuffix("市"))
    names = [known] if known else [place, *(f"{region}/{_titled(name)}" for region in _REGIONS)]
    for candidate in names:
        try:
            return ZoneInfo(candidate)
        except (OSError, ValueError, KeyError):  # no such file, a folder, not a name, not found
            continue
    raise SkillError(f"no time zone is known for {place!r}: give an IANA zone, for example Asia/Tokyo")


def _titled(name: str) -> str:
    words = name.lower().split("_")
    return "_".join(word if word in ("of", "es") else word.capitalize() for word in words)
