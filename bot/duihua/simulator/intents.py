"""What a question asks for: weather, arithmetic or the time, with the words that a function will need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from duihua.simulator import cities, reminders

Kind = Literal["weather", "arithmetic", "time", "remember", "recall", "forget", "remind", "draw", "fetch"]

READ = 1_000
"""Characters of a message that are searched: intents stand near the beginning, texts may be huge."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that is asked for.

    `city` as it was written; `day` the word for the day as it was written and `offset` its distance from
    today, None if no day was named; `span` the number of days wanted, 0 if only one. `words` is what to keep,
    to look for, to forget, to draw, to read or to be reminded of: then `day` is when, `expression` the rule;
    `action` and `number` tell to list reminders, or which one to cancel.
    """

    kind: Kind
    city: str = ""
    day: str = ""
    offset: int | None = None
    span: int = 0
    expression: str = ""
    words: str = ""
    action: str = ""
    number: int = 0


_DIGITS = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7}
_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_EN_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"大后[天日]"), 3),
    (re.compile(r"后[天日]|day after tomorrow", re.I), 2),
    (re.compile(r"明[天日儿]|明早|明晚|\btomorrow\b", re.I), 1),
    (re.compile(r"今[天日儿]|今早|今晚|\b(?:today|tonight)\b", re.I), 0),
)
_LATER = re.compile(r"([1-7一两二三四五六七])\s*天(?:之?后|以后)|\bin ([1-7]) days\b", re.I)
_WEEKDAY = re.compile(
    r"(下?)(?:周|星期|礼拜)([一二三四五六日天])|\b(next )?(" + "|".join(_EN_WEEKDAYS) + r")\b", re.I
)
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_SPAN = re.compile(
    r"(?:未来|接下来|近)\s*([1-7一两二三四五六七])\s*天|\bnext ([1-7]|two|three|four|five|six|seven) days\b",
    re.I,
)
_WEEK = re.compile(
    r"[这本下]周(?![一二三四五六日天末])|[一未]来?[个]?(?:一周|星期)|\b(?:this|next|for the) week\b", re.I
)
_EN_DIGITS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}

_WEATHER = re.compile(
    r"天气|气温|下雨|下雪|带伞|几度|多少度|\b(?:weather|forecast|rain(?:ing|y)?|snow(?:ing)?|umbrella)\b",
    re.I,
)
_ASKING = re.compile(
    r"[?？]|吗|呢|怎么样|怎样|如何|什么|多少|几[点度号]|查|看看|告诉|预报|会不会|是否|要不要"
    r"|\b(?:what|how|will|is|does|tell|show|check|give|get|forecast|do|should)\b",
    re.I,
)
_FOLLOW = re.compile(
    r"^(?:那么?|还有|再).{1,16}$|^.{1,12}呢[?？。!！]?$|^(?:and|what about|how about|then)\b.{1,60}$", re.I
)
_NOISE = re.compile(
    r"请问一?下?|请|帮我|帮忙|麻烦你?|查一下|查查|查询|查|看一下|看看|告诉我|我想知道|想知道|知道|你|那么?|现在|最近|这几天"
    r"|[的在]|会不会|会"
)
_ZH_PLACE = re.compile(r"([\u3400-\u9fff·]{2,10})(?:天气|气温|下雨|下雪|几度|多少度)")
_NO_PLACE = re.compile(
    r"^(?:外面|这里|那里|这儿|那儿|当地|本地|这边|那边|我们?这?里?|一下|未来.*|接下来.*|本周|这周|下周|全国|各地)$"
)
_EN_PLACE = re.compile(r"\b(?:in|for|at|of)\s+((?:[A-Z][\w'’.-]*)(?:\s+[A-Z][\w'’.-]*)*)")
_EN_LOWER_PLACE = re.compile(
    r"\b(?:weather|forecast|rain|snow|raining|snowing)\b.{0,20}?\b(?:in|for|at)\s+([a-z][a-z' -]{1,30}?)"
    r"(?=\s+(?:today|tonight|tomorrow|now|on|the day|in|next|this)\b|[?？.!！,，]|$)"
)
_EN_NOT_PLACE = re.compile(r"^(?:the|me|my|us|it|here|there|today|tomorrow|next|this|a|an)\b", re.I)

_TIME = re.compile(
    r"几点|什么时[间候]了|(?:现在|当前|北京)的?(?:时间|日期)|几月几[号日]|今天.{0,3}几[号日]|星期几|周几|礼拜几"
    r"|\bwhat(?:'s| is|’s)?(?: the)?(?: current)? (?:time|date|day)\b(?! of)"
    r"|\bcurrent (?:time|date)\b|\btell me the time\b",
    re.I,
)

_REMEMBER = re.compile(
    r"^(?:那就?|请|麻烦|帮我|给我|替我|你要?|一定要?|务必){0,4}(?:记住|记一下|记下来?|牢记)(?:了|一下|这[点件个]事?)?"
    r"[，,：:\s]*(.{2,})$"
    r"|^(?:please |can you |could you |hey,? ){0,2}(?:remember|keep in mind|make a note|note)"
    r"(?: that\b|\s*[:,]|(?= (?:i|i'm|my|we|our)\b))\s*(.{2,})$",
    re.I | re.S,
)
_RECALL = re.compile(
    r"(?<!我)(?:(?:记不)?记得|想[得不]?起来|(?:上次|上回|之前|以前|曾经).{0,8}(?:说|提|讲|聊|告诉))"
    r".{0,60}(?:什么|哪|谁|几|多少|吗|[?？])"
    r"|\b(?:do|can) you (?:still )?(?:remember|recall)\b.{3,}"
    r"|\b(?:what|which|where|when|who)\b.{0,60}\bI (?:told|mentioned|said)\b",
    re.I,
)
_RECALL_NOISE = re.compile(
    r"^(?:请问)?[你您]?[还可]?(?:(?:记不)?记得|想[得不]?起来)(?!吗)|[吗呢么]?[?？。.!！\s]*$"
    r"|^(?:do|can) you (?:still )?(?:remember|recall)\s*",
    re.I,
)
_FORGET = re.compile(
    r"^(?:请|麻烦|帮我|你|那就?){0,3}(?:忘掉|忘记|忘了|别再?记着?)(?!吧|它|了)[，,：:\s]*(.{2,})$"
    r"|^(?:请|麻烦|帮我|你){0,3}把(.{2,}?)(?:都|给|全)*(?:忘掉|忘记|忘了)"
    r"|^(?:please )?forget (?:about |that )?((?!it\b|about it).{2,})$",
    re.I | re.S,
)

_DRAW = re.compile(
    r"^(?:请|帮我|给我|麻烦你?){0,3}画(?:一?[张幅只个])?(.{1,200})$|^(?:please )?draw (?:me )?(.{2,200})$",
    re.I,
)
_PAGE = re.compile(r"\bhttps?://[^\s\u3000-\u9fff\uff00-\uffef]{3,500}", re.I)

_WORDS = (
    (re.compile(r"×|✕"), "*"),
    (re.compile(r"÷"), "/"),
    (re.compile(r"（"), "("),
    (re.compile(r"）"), ")"),
    (re.compile(r"(?<=[\d)])\s*(?:加上?|\bplus\b)\s*(?=[\d(])", re.I), "+"),
    (re.compile(r"(?<=[\d)])\s*(?:减去?|\bminus\b)\s*(?=[\d(])", re.I), "-"),
    (re.compile(r"(?<=[\d)])\s*(?:乘以?|\btimes\b|\bmultiplied by\b|[xX])\s*(?=[\d(])", re.I), "*"),
    (re.compile(r"(?<=[\d)])\s*(?:除以|\bdivided by\b|\bover\b)\s*(?=[\d(])", re.I), "/"),
    (re.compile(r"(?<=[\d)])\s*(?:\bto the power of\b)\s*(?=[\d(])", re.I), "**"),
    (re.compile(r"(?<=[\d)])\s*的\s*(\d{1,3})\s*次方"), r"**\1"),
)
_RUN = re.compile(r"[\d(.][\d\s.()+\-*/^%]*[\d)]|\d")
_OPERATION = re.compile(r"[\d)]\s*(?:\*\*|//|[-+*/^%])\s*[-(]*\s*[\d.]")
_COUNTING = re.compile(
    r"等于|多少|是几|得几|计算|算|[=＝?？]"
    r"|\b(?:what|calculate|compute|evaluate|how much|equals?|solve)\b",
    re.I,
)


def wishes(said: Sequence[str], today: date | None = None) -> list[Wish]:
    """What the last of the user's messages asks for; a short follow-up takes the rest from those before."""
    if not said:
        return []
    text = question_of(said[-1])
    found = _direct(text, today)
    if not found:
        return _followed(said, today)
    return [_placed(w, said, today) if w.kind == "weather" and not w.city else w for w in found]


def question_of(text: str) -> str:
    """The last paragraph of a message: before it a client may put what it remembers, or its instructions."""
    return text.rstrip().rpartition("\n\n")[2].strip()[:READ]


def _direct(text: str, today: date | None) -> list[Wish]:
    if wish := _of_memory(text):
        return [wish]
    if reminder := reminders.wanted(text, today):
        asked = Wish("remind", day=reminder.at, expression=reminder.rule, words=reminder.text)
        return [replace(asked, action=reminder.action, number=reminder.number)]
    found: list[Wish] = []
    if picture := _DRAW.search(text):
        found.append(Wish("draw", words=_first(picture).strip(" 。.!！")))
    if page := _PAGE.search(text):
        found.append(Wish("fetch", words=page.group()))
    known = cities.mentioned(text)
    if _WEATHER.search(text) and (known or _ASKING.search(text)):
        day, offset = _day(text, today)
        found.append(Wish("weather", known[0] if known else _place(text), day, offset, _span(text)))
    if expression := _expression(text):
        found.append(Wish("arithmetic", expression=expression))
    if _TIME.search(text):
        found.append(Wish("time", known[0] if known and known[0] not in ("北京",) else ""))
    return found


def _of_memory(text: str) -> Wish | None:
    """What a client's memory should keep, look for or forget, if that is said plainly."""
    asks = text.endswith(("?", "？", "吗"))
    if not asks and (found := _REMEMBER.search(text)):
        return Wish("remember", words=_first(found).strip())
    if not asks and (found := _FORGET.search(text)):
        return Wish("forget", words=_first(found).strip(" 。.!！~"))
    if _RECALL.search(text):
        return Wish("recall", words=_RECALL_NOISE.sub("", text).strip(" ，,") or text)
    return None


def _first(found: re.Match[str]) -> str:
    return next((group for group in found.groups() if group), "")


def _followed(said: Sequence[str], today: date | None) -> list[Wish]:
    text = question_of(said[-1])
    if len(said) < 2 or not _FOLLOW.match(text):
        return []
    known, (day, offset), span = cities.mentioned(text), _day(text, today), _span(text)
    if not known and offset is None and not span:
        return []
    for earlier in wishes(said[-11:-1], today):
        if earlier.kind == "weather":
            city = known[0] if known else earlier.city
            if offset is None and not span:
                return [replace(earlier, city=city)]
            return [Wish("weather", city, day, offset, span)]
        if earlier.kind == "time" and known:
            return [Wish("time", known[0])]
    return []


def _placed(wish: Wish, said: Sequence[str], today: date | None) -> Wish:
    for text in reversed(said[-11:-1]):
        for earlier in _direct(question_of(text), today):
            if earlier.kind == "weather" and earlier.city:
                return replace(wish, city=earlier.city)
    return wish


def _day(text: str, today: date | None) -> tuple[str, int | None]:
    for pattern, offset in _DAYS:
        if found := pattern.search(text):
            return found.group(), offset
    if found := _LATER.search(text):
        number = found.group(1) or found.group(2)
        return found.group(), _DIGITS.get(number) or int(number)
    if today is None:
        return "", None
    if found := _ISO.search(text):
        try:
            day = date(*(int(part) for part in found.groups()))
        except ValueError:
            return "", None
        return day.isoformat(), (day - today).days
    if found := _WEEKDAY.search(text):
        zh, en = found.group(2), found.group(4)
        wanted = _WEEKDAYS[zh] if zh else _EN_WEEKDAYS.index(en.lower())
        offset = (wanted - today.weekday()) % 7
        if found.group(1):  # 下周三 is the one of next week, whatever today is
            offset = 7 - today.weekday() + wanted
        return (today + timedelta(offset)).isoformat(), offset
    return "", None


def _span(text: str) -> int:
    if found := _SPAN.search(text):
        number = (found.group(1) or found.group(2)).lower()
        return _DIGITS.get(number) or _EN_DIGITS.get(number) or int(number)
    return 7 if _WEEK.search(text) else 0


def _place(text: str) -> str:
    """A place that is in no table, as well as it can be told; empty if none is named."""
    if found := _EN_PLACE.search(text):
        return "" if _EN_NOT_PLACE.match(found.group(1)) else found.group(1).rstrip(".")
    if found := _EN_LOWER_PLACE.search(text):
        return "" if _EN_NOT_PLACE.match(found.group(1)) else found.group(1).strip()
    for pattern, _ in _DAYS:
        text = pattern.sub("", text)
    text = _WEEKDAY.sub("", _LATER.sub("", _SPAN.sub("", text)))
    found = _ZH_PLACE.search(_NOISE.sub("", text))
    if not found or _NO_PLACE.match(found.group(1)):
        return ""
    return found.group(1)


def _expression(text: str) -> str:
    counting = _COUNTING.search(text)
    text = _ISO.sub(" ", text)
    for pattern, sign in _WORDS:
        text = pattern.sub(sign, text)
    runs = [run.group().strip() for run in _RUN.finditer(text)]
    runs = [run for run in runs if _OPERATION.search(run)]
    if not runs:
        return ""
    longest = _balanced(max(runs, key=len))
    alone = longest == text.strip().rstrip("=＝?？ 。.!！")
    return longest if counting or alone else ""


def _balanced(run: str) -> str:
    """Without the brackets that do not close: "(2^10)" of "what is (2^10" stays readable."""
    while run.count("(") > run.count(")") and run.startswith("("):
        run = run[1:].lstrip()
    while run.count(")") > run.count("(") and run.endswith(")"):
        run = run[:-1].rstrip()
    return run
