"""Date words, Chinese and English, as the days that they name for someone who says them today."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

Days = tuple[date, date]
"""From the first day to before the second."""
DAY = timedelta(days=1)
WEEK = 7 * DAY


def _numbered(words: str, first: int = 0) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), first)}


_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九十")} | {"〇": 0, "两": 2, "兩": 2}
_AMOUNTS = {
    **_numbered("one two three four five six seven eight nine ten eleven twelve", 1),
    **{
        "a": 1,
        "an": 1,
        "几": 4,
        "幾": 4,
        "few": 4,
        "a few": 4,
        "several": 5,
        "couple of": 2,
        "a couple of": 2,
    },
}
_VAGUE = frozenset({"几", "幾", "半", "few", "a few", "several", "couple of", "a couple of"})
_MONTHS = _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)
_WEEKDAYS = {
    **_numbered("mon tue wed thu fri sat sun"),
    **_numbered("一 二 三 四 五 六 日"),
    **_numbered("1 2 3 4 5 6 7"),
    "天": 6,
}
_SHIFTS = {
    "上上": -2,
    "上": -1,
    "last": -1,
    "past": -1,
    "previous": -1,
    "下": 1,
    "下下": 2,
    "next": 1,
}  # all else: 0
_YEARS = {"前年": -2, "去年": -1, "今年": 0, "明年": 1}
_NEAR = {
    "大前天": -3, "前天": -2, "前日": -2, "前晚": -2, "昨天": -1, "昨日": -1, "昨晚": -1, "昨夜": -1,
    "昨儿": -1, "今天": 0, "今日": 0, "今早": 0, "今晚": 0, "今晨": 0, "今儿": 0, "明天": 1, "明日": 1,
    "明早": 1, "明晚": 1, "后天": 2, "後天": 2, "大后天": 3, "大後天": 3,
    "day before yesterday": -2, "yesterday": -1, "last night": -1, "today": 0, "tonight": 0,
    "this morning": 0, "this afternoon": 0, "this evening": 0, "tomorrow": 1, "day after tomorrow": 2,
}  # fmt: skip


def read(text: str, today: date, *, past: bool) -> tuple[list[Days], str]:
    """The days that a text in lower case names, in its order, and the text with spaces in their place.

    A bare weekday stays in the text: it may mean any of them ("what do I do on Fridays").
    `past`: a day without its year is the newest one up to today, else the one that lies nearest. What is no
    day (`2月30日`), or one before 1900 or after 2199, stays text.
    """
    found: list[tuple[int, Days]] = []
    reader = _Reader(today, past)
    hints = {*text, *_WORDS.findall(text)}
    for triggers, pattern, meaning in _RULES:
        if triggers.isdisjoint(hints):
            continue
        taken: list[re.Match[str]] = []
        for match in pattern.finditer(text):
            try:
                days = meaning(reader, match)
            except (ValueError, OverflowError, KeyError):  # no such day
                continue
            if not 1900 <= days[0].year <= days[1].year < 2200:
                continue
            found.append((match.start(), days))
            if meaning not in _RECURRING or match[1]:
                taken.append(match)
        if taken:
            text = _without(text, taken)
    found.sort(key=lambda item: item[0])
    return [days for _, days in found], text


def _without(text: str, taken: list[re.Match[str]]) -> str:
    pieces: list[str] = []
    end = 0
    for match in taken:
        pieces += (text[end : match.start()], " " * (match.end() - match.start()))
        end = match.end()
    return "".join((*pieces, text[end:]))


def _number(word: str) -> int:
    if word.isdecimal():
        return int(word)
    if word in _AMOUNTS:
        return _AMOUNTS[word]
    tens, ten, ones = word.partition("十")
    if not ten:
        return _DIGITS[word]
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)


def _one(day: date) -> Days:
    return day, day + DAY


def _month(year: int, month: int) -> Days:
    """A month; month 0 is December of the year before."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)


def _year(year: int) -> Days:
    return date(year, 1, 1), date(year + 1, 1, 1)


def _shift(word: str | None) -> int:
    return _SHIFTS.get(word or "", 0)


@dataclass(frozen=True, slots=True)
class _Reader:
    today: date
    past: bool

    def year(self, word: str) -> int:
        return self.today.year + _YEARS[word] if word in _YEARS else int(word.rstrip("年"))

    def dated(self, year: str | None, month: int, day: int = 0) -> Days:
        """A day, or a month (day 0); without a year the one that is meant."""

        def make(year: int) -> Days:
            return _one(date(year, month, day)) if day else _month(year, month)

        if not 1 <= month <= 12 or not 0 <= day <= 31:
            raise ValueError(f"no such day: {month}-{day}")
        if year:
            return make(self.year(year))
        known: list[Days] = []  # the newest first
        for number in range(self.today.year + 1, self.today.year - 9, -1):
            try:
                known.append(make(number))
            except ValueError:  # 29 February
                continue
        if self.past:
            known = [days for days in known if days[0] <= self.today]
        return min(known, key=lambda days: abs(days[0] - self.today))

    def this_or_last(self, found: Days, length: timedelta) -> Days:
        """What comes every `length`, as it is meant without more words."""
        later = self.past and found[0] > self.today
        return (found[0] - length, found[1] - length) if later else found

    def weekday(self, shift: str | None, day: int) -> Days:
        monday = self.today - DAY * self.today.weekday()
        found = _one(monday + DAY * day + WEEK * _shift(shift))
        return found if shift else self.this_or_last(found, WEEK)

    def weekend(self, shift: str | None) -> Days:
        saturday = self.today + DAY * (5 - self.today.weekday()) + WEEK * _shift(shift)
        found = saturday, saturday + 2 * DAY
        return found if shift else self.this_or_last(found, WEEK)

    def zh_weekday(self, match: re.Match[str]) -> Days:
        return self.weekend(match[1]) if match[2] == "末" else self.weekday(match[1], _WEEKDAYS[match[2]])

    def en_weekday(self, match: re.Match[str]) -> Days:
        day = _WEEKDAYS[match[2][:3]]
        if _shift(match[1]) < 0:  # the last one before today, whatever week that was in
            return _one(self.today - DAY * ((self.today.weekday() - day - 1) % 7 + 1))
        return self.weekday(match[1], day)

    def shifted(self, match: re.Match[str]) -> Days:
        shift, unit = match.groups()
        if unit == "weekend":
            return self.weekend(shift)
        if unit == "month":
            return _month(self.today.year, self.today.month + _shift(shift))
        if unit == "year":
            return _year(self.today.year + _shift(shift))
        monday = self.today - DAY * self.today.weekday() + WEEK * _shift(shift)
        return monday, monday + WEEK

    def month_shifted(self, match: re.Match[str]) -> Days:
        found = _month(self.today.year, self.today.month + _shift(match[1]))
        return _one(found[0].replace(day=_number(match[2]))) if match[2] else found

    def day_of_month(self, match: re.Match[str]) -> Days:
        day = _number(match[1])
        earlier = self.past and day > self.today.day
        first, _ = _month(self.today.year, self.today.month - earlier)
        return _one(first.replace(day=day))

    def en_month(self, match: re.Match[str]) -> Days:
        shift, month, year, other, of_year = match.groups()
        found = self.dated(year or of_year, _MONTHS[(month or other)[:3]])
        if shift == "next" and found[0] <= self.today:
            return _month(found[0].year + 1, found[0].month)
        return found

    def ago(self, match: re.Match[str]) -> Days:
        """So long ago: the longer the unit, the less exactly it is meant."""
        amount, unit = match.groups()
        vague = amount in _VAGUE
        if amount == "半":
            amount, unit = {"年": ("6", "月"), "月": ("15", "天")}[unit]
        number = _number(amount)
        if unit in ("天", "日", "day"):
            day, slack = self.today - DAY * number, 3 * DAY if vague else 0 * DAY
            return day - slack, min(day + DAY + slack, max(self.today, day + DAY))
        if unit in ("月", "month"):
            first, after = _month(self.today.year, self.today.month - number)
            return (first - 30 * DAY, min(after + 30 * DAY, self.today)) if vague else (first, after)
        if unit in ("年", "year"):
            first, after = _year(self.today.year - number)
            return (_year(first.year - 2)[0], after) if vague else (first, after)
        day, slack = self.today - WEEK * number, DAY * (10 if vague else 3)
        return day - slack, min(day + DAY + slack, self.today)

    def ahead(self, match: re.Match[str]) -> Days:
        """In so long: as exactly as it is said."""
        number, unit = _number(match[1]), match[2]
        if unit == "month":
            return _month(self.today.year, self.today.month + number)
        if unit == "year":
            return _year(self.today.year + number)
        day = self.today + (WEEK if unit == "week" else DAY) * number
        return day, day + (WEEK if unit == "week" else DAY)

    def near(self, match: re.Match[str]) -> Days:
        return _one(self.today + DAY * _NEAR[match[1]])

    def lately(self, match: re.Match[str]) -> Days:
        unit = {"天": 1, "日": 1, "day": 1, "月": 31, "month": 31, "年": 366, "year": 366}.get(match[2], 7)
        return self.today - DAY * (_number(match[1]) * unit), self.today + DAY

    def zh_date(self, match: re.Match[str]) -> Days:
        year, month, day = match.groups()
        return self.dated(year, _number(month), _number(day) if day else 0)

    def slashed(self, match: re.Match[str]) -> Days:
        one, other, year = match.groups()
        month, day = (other, one) if int(one) > 12 else (one, other)
        return self.dated(year, int(month), int(day))


# ---------------------------------------------------------------- rules

_N = "([0-9]{1,2}|[一二三四五六七八九十]{1,3})"
_MANY = "(?<![0-9])([0-9]{1,3}|[一二两兩三四五六七八九十]{1,3}|[几幾半])"
_UNIT = "(天|日|周|週|星期|礼拜|禮拜|月|年)"
_WEEKS = "(?:周|週|星期|礼拜|禮拜)"
_ZH_SHIFT = "(上上|下下|[上这這本下])"
_NO_NUMBER = "(?<![0-9一二三四五六七八九十第])"
_EN_UNIT = "(day|week|month|year)s?"
_ZH_YEAR = r"(?:(\d{4}年|[前去今明]年)的?)?"
_MONTH = (
    "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_OF_YEAR = r"(?:,?\s+(?:in\s+|of\s+)?(\d{4})\b)?"
_AMOUNT = "(\\d{1,3}|(?:a )?couple of|(?:a )?few|several|an?|" + "|".join(tuple(_AMOUNTS)[:12]) + ")"
_DAY_NAMES = "monday tuesday wednesday thursday friday saturday sunday"
_MONTH_NAMES = (
    "jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july august "
    "september october november december"
)
_WORDS = re.compile("[a-z]+")
_RECURRING = (_Reader.zh_weekday, _Reader.en_weekday)

_Meaning = Callable[[_Reader, re.Match[str]], Days]


def _rule(triggers: str, pattern: str, meaning: _Meaning) -> tuple[frozenset[str], re.Pattern[str], _Meaning]:
    words = triggers.split() if triggers.isascii() else triggers
    return frozenset(words), re.compile(pattern), meaning


# Which words or characters have to stand in a text for a pattern to be looked for, the pattern, and what it
# means. The first that fits has the words: the longer forms come first.
_RULES = (
    _rule(
        "- / .",
        r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)",
        lambda r, m: r.dated(m[1], int(m[3]), int(m[4])),
    ),
    _rule("/", r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)", _Reader.slashed),
    _rule("月", rf"(?<!\d){_ZH_YEAR}{_NO_NUMBER}{_N}月份?的?{_N}[日号號]", _Reader.zh_date),
    _rule("月", rf"(?<!\d){_ZH_YEAR}{_NO_NUMBER}{_N}月()(?![天球亮光])份?", _Reader.zh_date),
    _rule("月", rf"{_ZH_SHIFT}[个個]?月(?:的?{_N}[日号號])?", _Reader.month_shifted),
    _rule("前", rf"{_MANY}[个個]?多?{_UNIT}(?:之|以)?前", _Reader.ago),
    _rule("近", rf"最?近{_MANY}[个個]?{_UNIT}", _Reader.lately),
    _rule("前", "前[几幾两]天|前些天|前些日子|前阵子", lambda r, _: (r.today - 10 * DAY, r.today)),
    _rule("other", "the other day", lambda r, _: (r.today - 10 * DAY, r.today)),
    _rule(
        "周週期拜",
        rf"(?<![四一两几]){_ZH_SHIFT}?[个個]?{_WEEKS}([一二三四五六日天末1-7])(?!年)",
        _Reader.zh_weekday,
    ),
    _rule("周週期拜", rf"{_ZH_SHIFT}[个個]?({_WEEKS})", _Reader.shifted),
    _rule("前昨今明后後", "(大前天|[前昨今明][天日晚早晨夜儿]|大?[后後]天)", _Reader.near),
    _rule("年", r"(?<!\d)(\d{4}|[前去今明])年(?!前|后|後)", lambda r, m: _year(r.year(f"{m[1]}年"))),
    _rule(
        "号號",
        rf"{_NO_NUMBER}{_N}[号號](?![线線楼店院门門机機码碼球台选選手桌电電车車])",
        _Reader.day_of_month,
    ),
    _rule(
        _MONTH_NAMES,
        rf"\b{_MONTH}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b{_OF_YEAR}",
        lambda r, m: r.dated(m[3], _MONTHS[m[1][:3]], int(m[2])),
    ),
    _rule(
        _MONTH_NAMES,
        rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b\.?{_OF_YEAR}",
        lambda r, m: r.dated(m[3], _MONTHS[m[2][:3]], int(m[1])),
    ),
    _rule(
        _MONTH_NAMES,
        rf"\b(?:in|of|since|during|early|late|mid|(last|this|next))[\s-]+{_MONTH}\b{_OF_YEAR}"
        rf"|\b{_MONTH},?\s+(\d{{4}})\b",
        _Reader.en_month,
    ),
    _rule("ago back earlier", rf"\b{_AMOUNT}\s+{_EN_UNIT}\s+(?:ago|back|earlier)\b", _Reader.ago),
    _rule("in", rf"\b(?:with)?in\s+{_AMOUNT}\s+{_EN_UNIT}(?:'s? time)?\b(?!\s+(?:ago|back))", _Reader.ahead),
    _rule("last past", rf"\b(?:last|past)\s+{_AMOUNT}\s+{_EN_UNIT}\b", _Reader.lately),
    _rule(
        _DAY_NAMES,
        rf"\b(?:(last|this|past|previous|next)\s+|on\s+)?({_DAY_NAMES.replace(' ', '|')})\b",
        _Reader.en_weekday,
    ),
    _rule(
        "last this past previous next",
        r"\b(last|this|past|previous|next)\s+(weekend|week|month|year)\b",
        _Reader.shifted,
    ),
    _rule(
        "day yesterday night today tonight this tomorrow",
        r"\b(day (?:before yesterday|after tomorrow)|yesterday|last night|today|tonight"
        r"|this (?:morning|afternoon|evening)|tomorrow)\b",
        _Reader.near,
    ),
    _rule(
        "in of since during year",
        r"\b(?:in|of|since|during|year)\s+((?:19|20)\d\d)\b",
        lambda r, m: _year(int(m[1])),
    ),
)
