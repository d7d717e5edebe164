"""Plans: what a person is about to do on a day, and how long that is worth knowing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from duihua.memory.days import DAY, read

AFTER = 30 * 86_400_000
"""How long a plan is kept after its day, ms."""
LONGEST = 120
"""Characters of a clause that tells a plan."""

# Both are matched without the date's words, wherever those stood.
_ZH = re.compile(
    r"\W*(?:(?:周|星期|礼拜)[一二三四五六日天])?(?:凌晨|早上|早晨|上午|中午|下午|傍晚|晚上)?"
    r"[\d一二三四五六七八九十两点:半刻分整]*\s*"
    r"(?:我(?:们|和\w{1,6}|跟\w{1,6})?\s*(?:已经|还|就|都|又|得|正好|(?:周|星期|礼拜)[一二三四五六日天])?\s*"
    r"(?:要|会|得|将|打算|准备|计划|预计|约了|订了|安排了|需要|有|去|飞|参加|出差|考|搬|结婚|做|面试|"
    r"过生日|出发|回|到|开始|请假)"
    r"|我的?\w{1,8}?\s*(?:是|在|定在|改到|要|会|开始|结束|到期)"
    r"|(?:要|得|打算|准备|约了)(?:去|参加|交|考|见|接|开会|回|飞|出差|面试|做|搬)"
    r"|\w{2,10}?(?:定在|约在|安排在|改到|改在|挪到)\s)"
)
_EN = re.compile(
    r"\W*(?:(?:i|we)(?:'m|'re|'ll|'ve| am| are| will| have| need| plan| got| fly| leave| start| move| "
    r"get| arrive)\b"
    r"|my (?:[\w'-]+ ){1,4}?(?:is|are|starts?|begins?|ends?|takes place|will)\b)"
)
_SMALL_TALK = re.compile(
    r"再(?:问|聊|说|来|试|看)|(?:问|告诉|找|跟)你|试试|看看|会不会|想|有空|没空|天气|下雨|下雪|降温|"
    r"刮风|很|好累|吧$|心情|"
    r"\b(?:try|ask you|tell you|let you|check|think|see|talk to you|come back|be back|get back|let's|"
    r"maybe|might|"
    r"wondering|hope|feeling|tired|busy|weather|rain|snow|sunny|not sure)\b"
)
_DONE = re.compile(r"(?<![约订排定])了|\w过(?!敏|年|生日|节|来|去)|\b(?:went|was|were|had|did)\b")
_MILESTONE = re.compile(
    r"我(?:是|在)?(?:19|20)\d{2}年\w{0,8}(?:毕业|结婚|入职|搬|来到?|离职|退休|出国|移民|买|生了|加入|开始)|"
    r"i (?:graduated|got married|moved|started|joined|retired|quit|bought|was diagnosed|had surgery|broke)\b"
    r"[^,]{0,40}\b(?:in|on) (?:[a-z]{3,9} )?(?:\d{1,2}(?:st|nd|rd|th)?,? )?(?:19|20)\d{2}"
)


_AHEAD = re.compile(
    r"^\W*(?:明天|后天|明年|下个?(?:月|周|星期|礼拜|年|学期))?[我俺咱].{0,4}?(?:快要?|马上|即将|打算|"
    r"准备|计划|将|要(?!是)|明天|后天|明年|"
    r"下个?(?:月|周|星期|礼拜|年|学期))"
    r"|^\W*(?:明天|后天|明年|下个?(?:月|周|星期|礼拜|年|学期)).{0,4}?[我俺咱]"
    r"|^\W*(?:i|we)(?:'ll| will|(?:'m|'re| am| are)[\w ]* (?:going to|about to)|(?:'m|'re| am|"
    r" are) \w+ing\b.*"
    r"\b(?:tomorrow|soon|next \w+|in (?:an?|\w+) (?:days?|weeks?|months?|years?))$)",
    re.IGNORECASE,
)
_YEARLY = re.compile(
    r"[^,]{0,12}?(?:生日|纪念日|周年|忌日|寿辰)(?![会宴派聚蛋礼餐庆])\s*(?:是|在|为|就|快|:|\d|$)|.*每年"
    r"|(?:my|our)\b[^,]{0,40}?\b(?:birthday|anniversary)(?:'s|:| is| falls)\b|.*\b(?:every|each) year\b",
    re.IGNORECASE,
)


def yearly(plain: str) -> bool:
    """Whether a clause tells of a day that comes every year."""
    return _YEARLY.match(plain) is not None


def ahead(plain: str) -> bool:
    """Whether a clause is of the time to come."""
    return _AHEAD.search(plain) is not None


def day_of(plain: str, at: int) -> int:
    """When what is told of a day is not worth keeping any more (see `plan`); without a day, a while on."""
    today = datetime.fromtimestamp(min(max(at / 1000, 0.0), 4_000_000_000.0), UTC).date()
    days, _ = read(plain.lower(), today, past=False)
    return max(_ms(max((after for _, after in days), default=today)), at) + AFTER


def plan(plain: str, at: int) -> int | None:
    """When a plan that a clause tells is not worth keeping any more.

    Args:
        plain: the clause, see `Clause`.
        at: when it was said, ms UTC.

    Returns:
        ms UTC; 0 for never (a milestone of one's life, a day of every year), None if it tells no plan.
    """
    text = plain.lower()
    if len(text) > LONGEST or _SMALL_TALK.search(text):
        return None
    if _MILESTONE.match(text):
        return 0
    today = datetime.fromtimestamp(min(max(at / 1000, 0.0), 4_000_000_000.0), UTC).date()
    days, rest = read(text, today, past=False)
    coming = [after for _, after in days if after > today + DAY]  # what is today will soon have been
    if _DONE.search(rest):
        return None
    if not coming or not (_ZH.match(rest) or _EN.match(rest)):
        return None
    return 0 if yearly(text) else _ms(max(coming)) + AFTER


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
