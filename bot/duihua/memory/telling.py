"""How much a sentence tells that is worth keeping, by its looks alone.

What tells: numbers, dates, names, what people say of themselves, standing wishes. What does not: greetings,
questions, requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from duihua.memory.kept import kept

_TERM = re.compile(
    r"[^\W\d_\u3400-\u9fff]+(?:['’][^\W\d_\u3400-\u9fff]+)*|\d+(?:[:.：/-]\d+)*|[\u3400-\u9fff]+"
)
_NUMBER = re.compile(
    r"[A-Za-z]*\d+(?:[:.：/,#-]?[A-Za-z\d]+)*"
    r"|[一二两三四五六七八九十百千万]{1,6}[月日号点岁年块元次斤楼路层克米]|第[一二两三四五六七八九十百]+"
    r"|(?=[一二两三四五六七八九]*[十百千万])(?!千万|万一|十分)[零一二两三四五六七八九十百千万]{2,}"
    r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|hundred|thousand|million|dozen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-\w+)?|twice|third|(?:four|fif|six|seven|eigh|nin|ten)th)\b",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"[\dA-Za-z一二两三四五六七八九十百千万]")
_NAME = re.compile(r"(?<=[a-z\d,;:)’'\"] )[A-Z][\w’'-]+|《[^》]{1,30}》|[“\"「][^”\"」]{1,30}[”\"」]")
_LATIN = re.compile(r"[A-Za-z][A-Za-z\d]+")
_LOWER = re.compile(r"[a-z]")
# Pairs of patterns, for Chinese and for English in lower case: one that takes both is many times slower.
_WHEN = (
    re.compile(r"(?:周|星期|礼拜)[一二三四五六日天末]|[明后昨前]天|[明后去前]年|[上下这本]个?(?:月|周|星期)"),
    re.compile(
        r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|tonight|yesterday"
        r"|(?:next|last|this) (?:week|weekend|month|year|spring|summer|autumn|fall|winter)"
        r"|january|february|march|april|june|july|august|september|october|november|december)\b"
    ),
)
_AM = re.compile(
    r"我(?:们|家)?(?:的|是|有|在|叫|对|从|不)"
    r"|\b(?:I am|I['’]m an?|I have|I can['’]?t|I don['’]t|my \w+ (?:is|are))\b"
)
_HAN = re.compile(r"[\u3400-\u9fff]")
_SELF = re.compile(r"我|咱|俺|\b(?:I|[Mm]y|[Mm]ine|[Ww]e|[Oo]ur|I['’](?:m|ve|ll|d))\b")
_TOLD = (
    re.compile(
        r"叫|名字|姓|生日|出生|属[鼠牛虎兔龙蛇马羊猴鸡狗猪]|住|老家|搬|来自|工作|上班|公司|学校|专业|读书|毕业|过敏"
        r"|忌口|不吃|不喝|喜欢|喜爱|最爱|讨厌|害怕|养了|结婚|离婚|怀孕|女儿|儿子|孩子|老婆|老公|妻子|丈夫|男友|女友"
        r"|对象|爸|妈|父亲|母亲|哥|姐|弟|妹|爷爷|奶奶|外公|外婆|同事|老板|朋友|邻居|猫|狗|电话|号码|密码|地址|邮箱"
        r"|车牌|航班|火车|高铁|会议|开会|考试|面试|手术|预约|约了|打算|计划|准备去|订了|买了|正在学|会说|擅长|爱好"
        r"|身高|体重|血型|星座|纪念日|截止|出差|旅行|医生|医院|住院|病|药|受伤|受过伤|疼|戒|信[佛教]|退休|创业|加班"
    ),
    re.compile(
        r"\b(?:names?|called|live[sd]?|born|birthday|work(?:s|ed|ing)?|job|company|school|stud(?:y|ies|ied|ying)"
        r"|majors?|allergic|vegetarian|vegan|likes?|loves?|hates?|prefers?|favou?rite|afraid|married|divorced"
        r"|pregnant|engaged|daughter|son|kids?|child(?:ren)?|wife|husband|partner|girlfriend|boyfriend|mother|father"
        r"|mom|mum|dad|brother|sister|grand\w+|aunt|uncle|cousin|friend|boss|colleague|neighbou?r|cat|dog|phone"
        r"|number|password|address|e-?mail|flight|train|meeting|exam|interview|surgery|appointment|plan(?:s|ning)?"
        r"|booked|bought|moved|moving|learning|speaks?|plays?|hobby|hobbies|tall|weighs?|anniversary|deadline"
        r"|doctor|hospital|medicine|pills?|hurt|injured|sprained|broke|pain|grew|retired|visit(?:ing|ed)?|trip)\b"
    ),
)
_WISH = re.compile(
    r"记住|记得我|别忘|以后|今后|从现在起|每次(?:回|都要|都请)|一律|永远|不要再|别再"
    r"|\b(?:remember|don['’]t forget|from now on|always|never|keep in mind)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:叫|姓|名|选了?|改成|换成?|定在|约在|搬到|放在|就是|从来|最)(?=[^了过着的]{2})"
    r"|^(?!(?:It|This|That|He|She|There|Everything|Everyone|Nothing|Something|What|Who)\b)"
    r"[A-Z][a-z]+ [a-z]+s\b"  # somebody does something
    r"|\b(?:named?|called|changed to|chose|picked|always|never|only|best|most)\b"
)
_QUESTION = re.compile(
    r"[?？]\W*$|[吗呢么][。.!！\s]*$|^\W*(?:什么|怎么|怎样|如何|为什么|为啥|谁|哪|几|多少|是不是|有没有|能不能|可不可以)"
    r"|^\W*(?:what|how|why|who|when|where|which|can|could|would|will|do|does|did|is|are|should)\b",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"^\W*(?:谢谢|多谢|感谢|哈哈|请|帮|给我|替我|麻烦|讲讲|说说|聊聊|介绍|解释|翻译|写一?[段首篇个封]"
    r"|推荐|告诉我|再来|继续|换|试试)"
    r"|^\W*(?:thanks|thank you|lol|haha|please|tell me|give me|show me|write|explain|translate|recommend"
    r"|suggest|help|continue|go on|list)\b",
    re.IGNORECASE,
)
_END = re.compile(r"[^。！!；;\n?？]+[?？]?")
KEPT = 4_096
"""Sentences whose looks are kept."""
READ = 2_000
"""Characters of a text in which a question is looked for."""
_COMMON = """
the a an and or but if of to in on at by for with from as is are was were be been am do does did
have has had not no yes ok okay it its this that these those he she they them his her their you your
i me my we our us so very just really can could will would should what how why when where who which
there here then than too also about some any all more most much many one thanks thank hi hello
please well good great nice sure i'm it's don't let's know think get got go like today
"""
_PLAIN = frozenset(_COMMON.split())
_PLAIN_HAN = frozenset(
    "的了是在和也就都很吧啊呢吗嘛哦嗯呀哈么这那你我他她它们有没不要会能可以说看想好个一还再又谢对"
)


def chinese(text: str) -> bool:
    """Whether a line counts as Chinese."""
    return _HAN.search(text) is not None


def asks(text: str) -> bool:
    """Whether a text asks for something: a question or a request."""
    return any(_QUESTION.search(one) or _REQUEST.search(one) for one in _END.findall(text[:READ]))


class Looks(NamedTuple):
    """What a sentence shows of itself: its terms, what its looks are worth, the share that counts."""

    about: frozenset[str]
    gain: float
    share: float


@kept
@lru_cache(maxsize=KEPT)
def looks(text: str) -> Looks:
    """The looks of a sentence; kept, because a line is weighed again with each summary that it goes into."""
    about = terms(text)
    if not about:
        return Looks(about, 0.0, 0.0)
    gain = 0.0
    if _COUNTS.search(text):
        gain += 1.3 * min(3, sum(1 for _ in _NUMBER.finditer(text)))
    gain += 1.1 * min(3, _names(text))
    gain += 0.8 * min(2, len(_all(_WHEN, text)))
    if _AM.search(text):
        gain += 0.7
    gain += 0.8 * min(2, sum(1 for _ in _NAMED.finditer(text)))
    told = min(2, len(set(_all(_TOLD, text))))
    if _SELF.search(text):
        gain += 1.0 + 1.2 * told
    else:
        gain += 0.6 * told
    wish = _WISH.search(text) is not None
    if wish:
        gain += 2.0
    asked = 0.3 if _QUESTION.search(text) else 0.5 if not wish and _REQUEST.search(text) else 1.0
    return Looks(about, gain, asked)


def terms(text: str) -> frozenset[str]:
    """What a sentence is about: its words and numbers, and of Chinese its pairs of characters."""
    return frozenset(_terms(text))


def _terms(text: str) -> Iterator[str]:
    for match in _TERM.finditer(text):
        run = match.group().lower()
        if not _HAN.match(run):
            if run not in _PLAIN:
                yield run
            continue
        for first, second in pairwise(run):
            if first not in _PLAIN_HAN or second not in _PLAIN_HAN:
                yield first + second


def worth(text: str, often: Mapping[str, int]) -> float:
    """What a sentence is worth keeping, from 0.

    Args:
        text: the sentence.
        often: in how many sentences of the talk each of its terms stands.
    """
    about, gain, share = looks(text)
    if not about:
        return 0.0
    fresh = sum(1 for term in about if often.get(term, 1) == 1)
    total = (0.3 + 0.15 * min(8, fresh) + gain) * share
    return total * (0.4 + 0.6 * fresh / len(about))


def _all(patterns: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> list[str]:
    """What a pair of patterns finds in a text, in lower case."""
    chinese, english = patterns
    lower = text.lower()
    found = [] if text.isascii() else chinese.findall(lower)
    return found + english.findall(lower) if _LOWER.search(lower) else found


def _names(text: str) -> int:
    names = sum(1 for _ in _NAME.finditer(text))
    if chinese(text):  # a foreign word among Chinese ones is mostly a name
        names += sum(1 for _ in _LATIN.finditer(text))
    return names
