"""What a clause says about whoever says it, and in which form that is compared.

A rule is bound to the clause's beginning, where the subject stands: "he said I am called X" and "if I lived
in X" never match. What follows is checked for being a value: no pronoun, no question, nothing that passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from duihua.memories import FactKind

SINGLE = frozenset({"name", "nickname", "home", "origin", "birthday", "age", "job", "workplace", "study"})
"""Subjects of which one has one; those that begin with `my:`, `best:` or `reply:` as well."""


Ending = tuple[str, str]
"""A subject that ends (`my:dog*`: all that begin with it), and of which value: empty for any."""
_EXACT = frozenset({"like", "dislike", "allergy", "learning"})
"""Subjects whose value is one thing: who gave up decaf still drinks coffee."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a clause says: `value` is the object in canonical form, to compare it by.

    `ends`: what holds no more because of it. `loose`: it is worth nothing unless that was known.
    """

    kind: FactKind
    subject: str
    value: str
    ends: tuple[Ending, ...] = ()
    loose: bool = False


def ended(said: Statement, *, denied: bool = False) -> Statement:
    """That what is said holds no more; `denied`: does not hold, which is news only if it was known."""
    over = () if said.subject in ("like", "dislike") else ((said.subject, said.value),)
    loose = denied and said.subject != "allergy"
    return Statement(said.kind, f"no {said.subject}", said.value, over, loose)


def ends(ending: Ending, subject: str, value: str) -> bool:
    """Whether an ending is one of what is said of a subject."""
    over, named = ending
    if not (subject.startswith(over[:-1]) if over.endswith("*") else subject == over):
        return False
    if not named or named == value:
        return True
    if over in _EXACT:
        return False
    if over == "wish":
        return named in value or _stems(named) <= _stems(value)
    if not named.isascii():
        return named in value
    return _singular(named) <= _singular(value)


def _singular(text: str) -> frozenset[str]:
    return frozenset(term[:-1] if len(term) > 3 and term.endswith("s") else term for term in terms_of(text))


def _stems(text: str) -> frozenset[str]:
    return frozenset(term[:5] for term in terms_of(text))


_STATES = {
    **dict.fromkeys(("single", "单身", "未婚"), ("marriage", "single")),
    **dict.fromkeys(("married", "已婚", "结婚", "领证", "remarried", "复婚"), ("marriage", "married")),
    **dict.fromkeys(("divorced", "离异", "离婚", "separated"), ("marriage", "divorced")),
    **dict.fromkeys(("engaged", "订婚"), ("marriage", "engaged")),
    **dict.fromkeys(("脱单", "有女朋友", "有男朋友", "有对象", "谈恋爱"), ("marriage", "taken")),
    **dict.fromkeys(("widowed",), ("marriage", "widowed")),
    **dict.fromkeys(("vegetarian", "吃素", "素食者", "素食主义者", "pescatarian"), ("diet", "vegetarian")),
    **dict.fromkeys(("vegan",), ("diet", "vegan")),
    **dict.fromkeys(("eat meat", "eating meat", "吃肉", "吃荤", "开荤", "不吃素"), ("diet", "meat")),
}
"""Of what one is, what excludes each other: of which sort it is, and in one word of both languages."""


def state(value: str) -> tuple[str, str]:
    """Of what one is: in which respect, and in the word that stands for it in both languages."""
    return _STATES.get(value, (f"is:{value}", value))


_SPELLING = re.compile(r"\b(fav|col|flav|neighb|hon|harb|behavi|hum)our")


def spelt(text: str) -> str:
    """A text in one spelling: `favorite color` is `favourite colour`."""
    return _SPELLING.sub(r"\1or", text).replace("grey", "gray").replace("theatre", "theater")


Make = Callable[[re.Match[str]], Statement | None]
"""Makes a statement of a match (`v`: the value, `x`: whose it is), unless that is none after all."""
Rule = tuple[str, Make]
"""A pattern for the beginning of a clause up to its `TAIL`."""

NAME = r"(?P<v>[^\W\d_]{1,4}·?[^\W\d_]{0,8}|[A-Za-z][\w.'-]{0,24}(?: [A-Z][\w.'-]{0,24}){0,3})"
TAIL = r"(?:就好|就行|就可以|即可|吧|啊|呀|哦|哈|呢|了|就是了|please|for short|from now on)?[\s.~!。;]*$"
DATE = (
    r"(?:\d{1,4}\s*年)?(?:农历|阴历|阳历|公历)?\s*(?:\d{1,2}|[一二三四五六七八九十]{1,3}|正|腊)\s*月|"
    r"\d{1,4}[-/.]\d{1,2}|\d{4}|\d{1,2}(?:st|nd|rd|th)?\b|春节|中秋|元宵|除夕|元旦|今天|明天|后天|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|christmas|halloween|new year|today|tomorrow"
)

_NOT_A_VALUE = re.compile(
    r"(?:你|您|他|她|它|这|那|此|啥|某|刚才|上面|前面|哪)|(?:it|this|that|these|those|you|your|him|"
    r"her|them|he|"
    r"she|they|the way|how|what|when|where|which|who|not|to know|to ask|to see you)\b",
    re.IGNORECASE,
)
_NOT_A_NAME = re.compile(
    r"[了不过着得起醒去来做干回吃喝个声一车]|外卖|滴滴|出租|救护|代驾|快递|服务员|妈妈|爸爸|什么|大家|我|"
    r"(?:later|back|when|if|tomorrow|again|soon|today|now|at|on|by|an?|the|in|not|to|crazy|stupid|maybe|"
    r"anytime|asap|up|out|over)\b",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"(?:not|so|too|very|really|still|always|broken|dead|slow|late|down|gone|over|here|there|fine|ok|"
    r"okay|back|"
    r"full|empty|stuck|lost|ready|sore|wrong|due|just|about to|tired|hungry|busy|sick|bored|sorry|sure|"
    r"confused|curious|afraid|happy|sad|done|glad|good|great|bad|alone|unable|able|\w+ing)\b",
    re.IGNORECASE,
)
_HABIT = re.compile(  # what one is besides one's work
    r"(?:消费|初学|使用|爱好|旁观|患|幸存|志愿|素食|受害)者|会员|成员|(?:玩|买|卖|行|大|专|到)家|先生|"
    r"(?:陌|独|新|学)生子?女?$|"
    r"小白|\b(?:beginner|reader|member|believer|learner|supporter|thinker|stranger|foreigner|customer|"
    r"user|owner)\b",
    re.IGNORECASE,
)


def rule(kind: FactKind, subject: str, *, name: bool = False, taste: bool = False) -> Make:
    """A rule whose value stands in the clause as it is."""

    def make(found: re.Match[str]) -> Statement | None:
        value = found["v"].strip(" .!。;~")
        if not value or (_NOT_A_NAME.match(value) if name else _NOT_A_VALUE.match(value)):
            return None
        if (name and _NOT_A_NAME.fullmatch(value[-1])) or (subject == "job" and _HABIT.search(value)):
            return None
        flat = flavour(canonical(value)) if taste else canonical(value)
        return Statement(kind, subject, flat) if flat else None

    return make


_OWN = {
    **dict.fromkeys(("名字", "全名", "姓名", "真名", "name", "full name"), "name"),
    **dict.fromkeys(("小名", "昵称", "外号", "nickname"), "nickname"),
    **dict.fromkeys(("老家", "家乡", "hometown"), "origin"),
    **dict.fromkeys(("职业", "工作", "job", "profession", "occupation"), "job"),
    **dict.fromkeys(("major", "专业"), "study"),
    **dict.fromkeys(("生日", "birthday"), "birthday"),
    **dict.fromkeys(("年龄", "age"), "age"),
}


def mine(found: re.Match[str]) -> Statement | None:
    """My X is Y."""
    noun, value = canonical(found["x"]), found["v"].strip(" .!。;~")
    if not noun or not value or _NOT_A_VALUE.match(value) or _PASSING.match(value):
        return None
    kind: FactKind = "preference" if re.match(r"最(?:喜欢|爱)|favou?rite", noun) else "profile"
    return Statement(kind, _OWN.get(noun) or f"my:{noun[:32]}", canonical(value))


def of_kin(aspect: str) -> Make:
    """What is said of one's people and animals."""

    def make(found: re.Match[str]) -> Statement | None:
        said = mine(found)
        return said and Statement(
            said.kind, f"{said.subject}:{aspect}" if aspect else said.subject, said.value
        )

    return make


def is_single(subject: str) -> bool:
    """Whether one has one of it at a time."""
    return subject in SINGLE or subject.startswith(("my:", "best:", "reply:"))


_UNSEEN = re.compile(  # U+200D joins pictures, too: of a family it makes one
    "[\u00ad\u034f\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]|(?<=\\w)\u200d|\u200d(?=\\w)"
)


def visible(text: str) -> str:
    """A text without the characters that nobody sees: within a word they would hide it from every rule."""
    return text if text.isascii() else _UNSEEN.sub("", text)


def canonical(text: str) -> str:
    """A text to compare by: one width and case, without punctuation, articles and particles at its end."""
    flat = unicodedata.normalize("NFKC", visible(text)).casefold()
    flat = re.sub(r"[^\w\s]|_", " ", flat)
    flat = re.sub(r"\b(?:an?|the|my)\b", " ", flat)
    flat = re.sub(r"\s+", " ", flat).strip()
    flat = re.sub(r"(?<=[\u3400-\u9fff])\s+|\s+(?=[\u3400-\u9fff])", "", flat)
    return re.sub(r"(?<=.)[了啊呀哦呢吧嘛哈的]+$", "", flat)


def flavour(value: str) -> str:
    """What is liked, without how one enjoys it: eating apples and apples are one."""
    bare = re.sub(
        r"^(?:吃|喝|看|听|玩|打|抽|(?:to )?(?:eat|drink|watch|play|smok)(?:e|ing)?\s+)(?=.)", "", value
    )
    return re.sub(r"(?:very much|a lot|so much|the most|anymore|any more|at all)$", "", bare).strip()


_TERM = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]+")


def terms_of(text: str) -> frozenset[str]:
    """Words, and pairs of neighbouring Chinese characters (a single one alone)."""
    out: set[str] = set()
    for run in _TERM.findall(canonical(text)):
        if run[0] < "\u3400" or run[0] > "\u9fff" or len(run) == 1:
            out.add(run)
        else:
            out.update(run[i : i + 2] for i in range(len(run) - 1))
    return frozenset(out)
