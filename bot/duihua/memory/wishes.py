"""Standing wishes and plans: what shall hold from now on, and what is to happen on a day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from duihua.memory.clauses import folded

DAY = 86_400_000
AFTER = 30 * DAY
"""How long a plan is kept after its day, ms."""

_PLEASE = (
    r"(?:请|麻烦|拜托|烦请|希望|我希望|我要|我想|你|您|你们|帮我|给我|要|一定|千万|务必|可以|能|能不能|,|\s)*"
)
_EVER = (
    r"(?:以后|今后|往后|此后|从现在(?:开始|起)|从今(?:天|以后|往后|后)?(?:开始|起)?|从下(?:次|一[句条个]\w{0,2})(?:开始|起)|"
    r"接下来的?(?:对话|聊天|回答)(?:里|中)?|每次|每一次|每回|始终|永远|一律|任何时候|无论何时|下次)"
)
_DO_ZH = (
    r"(?:你|您|请|都|就|也|要|用|只|别|不要|不用|不许|不准|不必|必须|务必|一律|尽量|在|当|把|给我|跟我|和我|对我|叫我|管我|称呼|回答|回复|说|讲|"
    r"聊|提醒|帮我|涉及|遇到|先|直接|统一|默认|我(?:问|说|发|提|让|叫|给)|如果|回我|不)"
)
_DO_EN = (
    r"(?:answer|reply|respond|use|call|speak|write|talk|say|add|give|include|start|begin|end|finish|be|keep|show|tell|"
    r"ask|put|mention|send|make|explain|format|address|translate|refer|provide|avoid|do|let|remind|suggest|recommend|"
    r"treat|quote|cite|round|convert|assume|check|sign|stay|remember|limit|stop|swear|apologi[sz]e|share|repeat|"
    r"greet|summari[sz]e|prefer|consider|follow|don't|do not|please|never|always|only|you)"
)
_WISHES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_PLEASE}{_EVER},?\s*(?!再说|见|聊|吧|呢|$){_DO_ZH}",
        rf"{_PLEASE}(?:别|不要|不许|不准)(?:再|总是?|老是?|每次都?)(?:用|叫我|称呼我|加|发|给我|对我|跟我|提|说\w|讲\w|使用|回复|写|推荐|道歉|重复)",
        rf"{_PLEASE}(?:记住|记得|记下|记好|牢记|别忘了|不要忘了|不要忘记|别忘记)(?![了吗没过的])(?:这一?点|下来|一下)?[,:\s]*(?!我们?(?:说过|聊过|吗)|上次|刚才|吗|没有)\S\S",
        rf"(?:please\s+|you (?:should|must|can)\s+|i(?:'d like| would like| want| need) you to\s+)*(?:always|never)\s+{_DO_EN}\b",
        r"(?:please\s+)?(?:from now on|from here on(?: out)?|going forward|henceforth|in (?:the )?future|from today(?: on)?|"
        r"for all future \w+|whenever i|every time i|each time i)\b(?!,?\s*i(?:'ll| will| am|'m| want to| plan| hope| can)\b)[,\s]*\w",
        rf"(?:please\s+|you (?:should|must)\s+|i(?:'d like| would like| want) you to\s+)*{_DO_EN}\b[^.!?\n]*\b(?:from now on|from here on|"
        r"going forward|in (?:the )?future|every time|at all times|in all (?:your|future) \w+|for the rest of (?:this|our) \w+)\W*$",
        r"(?:please\s+|you (?:should|must)\s+|(?:and\s+)?)*(?:remember|keep in mind|bear in mind|don't forget|do not forget|make a note)"
        r"(?:\s+(?:that|this|to)\b|:|,)*\s+(?!when|the time|how|what|me\b|that time|last|us\b|you\b|it\b|this\b)\w+ ?\w",
        r"(?:please\s+)?(?:don't|do not|stop)\s+(?:ever\s+|keep\s+)?(?:call(?:ing)?|us(?:e|ing)|say(?:ing)?|add(?:ing)?|send(?:ing)?|apologi[sz](?:e|ing)|mention(?:ing)?|writ(?:e|ing))\b"
        r"[^.!?\n]*\b(?:again|any ?more|ever|with me)\W*$",
    )
)
_LATER = re.compile(
    r",\s*(?:你)?(?:以后|今后|从现在起|从现在开始)(?:都|也|就|一直)*(?:这样|如此|照此|这么)", re.IGNORECASE
)
_IMPERATIVE = re.compile(rf"{_PLEASE}{_DO_ZH}", re.IGNORECASE)
_REMEMBER = re.compile(
    rf"{_PLEASE}(?:记住|记得|记下|记好|牢记|别忘了|不要忘了|不要忘记|别忘记)(?:这一?点|下来|一下)?[,:\s]*|"
    r"(?:please\s+)?(?:remember|keep in mind|bear in mind|don't forget|do not forget|make a note)(?:\s+that\b|\s+this\b|:|,)*\s+",
    re.IGNORECASE,
)
_ASPECTS = (
    ("reply:language", re.compile(r"(?:用|说|讲|以|使用)(?:简体|繁体)?(?:中文|英文|英语|日语|日文|法语|德语|韩语|西班牙语|俄语|粤语|普通话|汉语|双语|文言文)|\b(?:in|use|speak|to) (?:\w+ )?(?:english|chinese|mandarin|japanese|french|german|spanish|korean|russian|italian|portuguese)\b", re.I)),
    ("reply:length", re.compile(r"简短|简洁|简单点|详细|长一点|短一点|精简|\d+个?字以内|\b(?:short|brief|concise|detailed|long|under \d+ words|one sentence)\b", re.I)),
    ("reply:emoji", re.compile(r"表情|emoji", re.I)),
    ("reply:format", re.compile(r"markdown|列表|要点|表格|bullet|plain text|纯文本", re.I)),
    ("nickname", re.compile(r"(?:叫|称呼|喊)我|\bcall me\b|address me", re.I)),
)  # fmt: skip


def wish(rest: str) -> bool:
    """Whether a clause, with the rest of its sentence, is a standing wish."""
    plain = folded(rest[:400])
    if any(pattern.match(plain) for pattern in _WISHES):
        return True
    return bool(_IMPERATIVE.match(plain) and _LATER.search(plain))


def remembered(text: str) -> str:
    """What is to be remembered, without the words that ask for it; empty if it is another wish."""
    found = _REMEMBER.match(folded(text))
    return text[found.end() :] if found else ""


def aspect(text: str) -> str:
    """What a wish is about, where a later one about the same takes its place: empty if that is not known."""
    named = [name for name, pattern in _ASPECTS if pattern.search(text)]
    return named[0] if len(named) == 1 else ""


# ---------------------------------------------------------------- plans

_WEEKDAYS_ZH = "一二三四五六日"
_WEEKDAYS_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS_EN = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_EN = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH_EN = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?"
)
_ZH_WHEN = re.compile(
    r"(?P<rel>今天|今晚|明天|明晚|明早|后天|大后天)|(?P<week>下下|下|这|本)?个?(?:周|星期|礼拜)(?P<day>[一二三四五六日天末])|"
    r"(?P<weeks>下下?)个?(?:周|星期|礼拜)|(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?:(?P<dom>\d{1,2})[日号]?)?|"
    r"(?P<nextmonth>下个?月)(?:(?P<ndom>\d{1,2})[日号])?|(?P<thismonth>\d{1,2})号|(?P<yearrel>明年|今年|年底)|"
    r"(?P<holiday>国庆|春节|暑假|寒假|五一|中秋|元旦|月底|周末)"
)
_EN_WHEN = re.compile(
    rf"(?P<rel>\btoday\b|\btonight\b|\bday after tomorrow\b|\btomorrow\b)|\b(?P<next>next |this |on |coming )(?P<day>{_WEEKDAY_EN})\b|"
    rf"\b(?P<unit>(?:next|this) (?:week(?:end)?|month|year|summer|winter|spring|fall|autumn))\b|\bin (?P<n>\d{{1,2}}|two|three|a|four|five|six) "
    rf"(?P<span>days?|weeks?|months?)\b|\b(?:on |in )?(?:the )?(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? )?(?P<mon>{_MONTH_EN})"
    rf"(?: (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b)?(?:,? (?P<year>\d{{4}}))?\b|(?P<iso>\b\d{{4}}-\d{{2}}-\d{{2}}\b)",
    re.IGNORECASE,
)


def _some(pattern: re.Pattern[str]) -> str:
    """A pattern as a part of others: without its groups' names."""
    return f"(?:{re.sub(r'[?]P<[a-z0-9]+>', '?:', pattern.pattern)})"


_PLAN_ZH = re.compile(
    rf"(?:{_some(_ZH_WHEN)}\w{{0,6}}?)?(?:我(?:们)?|我和\w{{1,6}}|我(?:的|家)?\w{{1,4}})(?:已经|还|就|都)?(?:{_some(_ZH_WHEN)}\w{{0,6}}?)?"
    r"(?:要|会|得|将|打算|准备|计划|预计|约了|订了|安排了|需要|有|去|飞|参加|出差|考|搬|结婚|做手术|面试|过生日|出发|回|到|开始|请假|的)"
)
_PLAN_EN = re.compile(
    rf"(?:{_some(_EN_WHEN)},? )?(?:(?:i|we)(?:'m|'re|'ll|'ve| am| are| will| have| need| plan| has| got| fly| leave| start| move| get)\b|"
    r"my (?:[\w'-]+ ){1,4}(?:is|are|starts?|begins?|ends?|takes place|will)\b)",
    re.IGNORECASE,
)
_SMALL_TALK = re.compile(
    r"再(?:问|聊|说|来|试|看)|(?:问|告诉|找|跟)你|试试|看看|会不会|想|有空|没空|天气|很|好累|吧$|心情|"
    r"\b(?:try|ask you|tell you|let you|check|think|see|talk to you|come back|be back|get back|let's|maybe|might|"
    r"wondering|hope|feeling|tired|busy|weather|rain|snow|sunny|not sure)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"我(?:是|在)?(?P<year>(?:19|20)\d{2})年\w{0,8}(?:毕业|结婚|入职|搬|来到?|离职|退休|出国|移民|买|生了|加入|开始)|"
    r"i (?:graduated|got married|moved|started|joined|retired|quit|bought|was diagnosed|had surgery|broke)\b[^,]{0,40}\b(?:in|on) "
    rf"(?:{_MONTH_EN} )?(?:\d{{1,2}}(?:st|nd|rd|th)?,? )?(?:19|20)\d{{2}}",
    re.IGNORECASE,
)


def plan(plain: str, at: int) -> int | None:
    """When a plan that a clause tells need not be kept any more (ms UTC); 0: never; None: it tells none."""
    if _PAST.match(plain):
        return 0
    if len(plain) > 120 or _SMALL_TALK.search(plain) or not (_PLAN_ZH.match(plain) or _PLAN_EN.match(plain)):
        return None
    last = day_of(plain, at)
    return None if last is None else last + DAY + AFTER


def day_of(plain: str, at: int) -> int | None:
    """The last day that a date in the text can mean, as the ms UTC at which it begins; None: there is none."""
    try:
        today = datetime.fromtimestamp(at / 1000, UTC).date()
    except (OverflowError, ValueError, OSError):
        return None
    found = _ZH_WHEN.search(plain)
    day = _zh(found, today) if found else None
    if day is None and (found := _EN_WHEN.search(plain)):
        day = _en(found, today)
    return None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _zh(found: re.Match[str], today: date) -> date | None:
    given = found.groupdict()
    if rel := given["rel"]:
        return today + timedelta({"今": 0, "明": 1, "后": 2, "大": 3}[rel[0]])
    if day := given["day"]:
        number = 6 if day in "天末" else _WEEKDAYS_ZH.index(day)
        return _weekday(
            today, number, {"下下": 2, "下": 1}.get(given["week"] or "", 0), fixed=bool(given["week"])
        )
    if given["weeks"]:
        return _weekday(today, 6, len(given["weeks"]), fixed=True)
    if given["month"]:
        return _coming(today, int(given["month"]), int(given["dom"] or 0), int(given["year"] or 0))
    if given["nextmonth"]:
        month = today.month % 12 + 1
        return _coming(today, month, int(given["ndom"] or 0), today.year + (month == 1))
    if given["thismonth"]:
        dom = int(given["thismonth"])
        month = today.month if dom >= today.day else today.month % 12 + 1
        return _coming(today, month, dom, 0)
    if rel := given["yearrel"]:
        return date(today.year + (rel == "明年"), 12, 31)
    return _holiday(today, given["holiday"] or "")


def _holiday(today: date, name: str) -> date | None:
    months = {
        "国庆": 10,
        "春节": 2,
        "暑假": 8,
        "寒假": 2,
        "五一": 5,
        "中秋": 10,
        "元旦": 1,
        "月底": today.month,
    }
    return _coming(today, months[name], 0, 0) if name in months else _weekday(today, 6, 0, fixed=True)


def _en(found: re.Match[str], today: date) -> date | None:
    given = found.groupdict()
    if rel := given["rel"]:
        return today + timedelta({"today": 0, "tonight": 0, "tomorrow": 1}.get(rel.lower(), 2))
    if day := given["day"]:
        later = given["next"].lower().startswith("next")
        return _weekday(today, _WEEKDAYS_EN.index(day[:3].lower()), 1 if later else 0, fixed=later)
    if unit := given["unit"]:
        days = {"week": 14, "weekend": 14, "month": 62, "year": 730}
        return today + timedelta(days.get(unit.lower().split()[1], 400))
    if count := given["n"]:
        number = {"a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}.get(count.lower()) or int(
            count
        )
        return today + timedelta(number * {"d": 1, "w": 7, "m": 31}[given["span"][0].lower()])
    if month := given["mon"]:
        dom = given["d1"] or given["d2"]
        if month.lower() in ("may", "march") and not dom and not found[0].lower().startswith("in "):
            return None  # the verbs
        return _coming(today, _MONTHS_EN.index(month[:3].lower()) + 1, int(dom or 0), int(given["year"] or 0))
    return _iso(given["iso"])


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _weekday(today: date, number: int, weeks: int, *, fixed: bool) -> date:
    monday = today - timedelta(today.weekday())
    day = monday + timedelta(number + 7 * weeks)
    return day if fixed or day >= today else day + timedelta(7)


def _coming(today: date, month: int, dom: int, year: int) -> date | None:
    """The next such day; the month's last day where none is named."""
    if not 1 <= month <= 12 or not 0 <= dom <= 31 or year > 2200:
        return None
    year = year or today.year + (month < today.month or (month == today.month and 0 < dom < today.day))
    first = date(year + month // 12, month % 12 + 1, 1)
    last = first - timedelta(1)
    return last.replace(day=min(dom, last.day)) if dom else last
