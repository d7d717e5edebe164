"""How people ask for what is known about them: facts answer by their words and by what they are about.

And how much must speak for something before it is told unasked: little when someone asks about themselves,
much when they only talk.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TypeVar

from duihua.memories import Fact, FactBook
from duihua.memory.extract import sentences
from duihua.memory.questions import Question
from duihua.memory.telling import worth
from duihua.memory.terms import plain, query_terms, terms

ASKED = 0.9
"""The least score of a fact that was asked for with one of its phrases."""

OWN, OPEN, REMARK = 0.12, 0.18, 0.4
"""The least score of a hit that is told unasked: to a question about oneself, to any other, to a remark."""
NEAR = 0.5
"""Beside the best hit, those are told that have this share of its score."""
FEW = 2
"""Hits at most that are told to a remark, and those that tell little to a question about anything else."""
TELLS = 2.6
"""What a sentence is worth that tells something of somebody; a remark recalls nothing else."""

LOOKED_AT = 240
"""Characters of what was said in which something is told."""

_ASKS = re.compile(
    r"[?？]|[吗呢]\W*$|什么|啥|怎么|怎样|如何|哪|谁|几[点号岁个月]|多[少大久长高重远]|是不是|有没有|记不记得"
    r"|记得|提醒|告诉|说说看"
    r"|\b(?:what|who|whom|whose|which|when|where|why|how|remember|remind|tell me|look up|find out)\b",
    re.IGNORECASE,
)
_NOT_ASKED = re.compile(
    r"不(?:知道|清楚|晓得)[^，。！；?？]*|\b(?:no idea|not sure|don['’]t know) \w+", re.IGNORECASE
)
_OWN = re.compile(
    r"我|咱|俺|记得|上次|上回|之前|以前|说过|提过"
    r"|\b(?:I|me|my|mine|we|us|our|ours|remember|remind|last time|again)\b",
    re.IGNORECASE,
)
_DAY = re.compile(r"^\d{4}-\d\d-\d\d ")

# A fact's subject, or what follows the last colon in it, and the words by which it is asked for.
ASKING: Mapping[str, str] = {
    "name": "名字 姓名 全名 叫 称呼 name called call | 我是谁 | who am i",
    "nickname": "昵称 外号 小名 绰号 称呼 叫 nickname name called call",
    "home": "住 住在 家 家在 居住 城市 地址 搬 搬家 live home city town address moved place",
    "origin": "老家 家乡 籍贯 出生 来自 从哪里来 hometown from born grow origin | 哪里人 | 哪儿人"
    " | where am i from",
    "birthday": "生日 出生 出生日期 生辰 过生日 birthday birth born date",
    "age": "岁 几岁 多大 年纪 年龄 岁数 old age years | how old am i",
    "job": "工作 职业 上班 公司 行业 职位 做什么 干什么 job work profession occupation career company"
    " | for a living",
    "study": "学 专业 大学 学校 读书 study major school university college degree",
    "allergy": "过敏 忌口 不能吃 不能碰 饮食 allergy allergic eat avoid food",
    "no allergy": "过敏 忌口 allergy allergic",
    "like": "喜欢 最喜欢 爱 爱好 兴趣 喜好 口味 偏好 like love enjoy favorite favourite hobby interest",
    "dislike": "不喜欢 讨厌 不爱 怕 不吃 忌口 dislike hate avoid afraid",
    "taste": "喜欢 爱 爱吃 爱好 讨厌 不吃 like love favorite favourite hate prefer",
    "have": "有 养 宠物 孩子 家里 pet child own family",
    "is": "吃 饮食 婚姻 血型 星座 diet eat married vegetarian",
    "instruction": "要求 规则 规矩 习惯 怎么回答 回答 以后 记住 rule instruction answer reply always",
}


@cache
def _asking(topic: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The terms by which a topic is asked for, and the phrases that ask for nothing else."""
    words, *phrases = ASKING.get(topic, "").split("|")
    return frozenset(terms(words)), tuple(phrase.strip() for phrase in phrases)


def topics(fact: Fact) -> tuple[str, ...]:
    """The keys of `ASKING` that fit a fact."""
    wanted = "instruction" if fact.kind == "instruction" else fact.subject.rpartition(":")[2]
    return (wanted,) if wanted in ASKING else ()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of an owner, by what asks for them: terms, and the topics that phrases ask for."""

    facts: Sequence[Fact]
    by_term: Mapping[str, Sequence[int]]
    by_topic: Mapping[str, Sequence[int]]


def askable(book: FactBook) -> Facts:
    """The facts of a book; worked out once."""
    kept: Facts | None = book.memo.get("askable")
    if kept is not None:
        return kept
    by_term, by_topic = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for number, fact in enumerate(book.facts):
        held = {*terms(fact.text), *query_terms(plain(fact.subject))}
        for topic in topics(fact):
            held |= _asking(topic)[0]
            by_topic[topic].append(number)
        for term in held:
            by_term[term].append(number)
    made = book.memo["askable"] = Facts(book.facts, dict(by_term), dict(by_topic))
    return made


def known(book: FactBook, question: Question, weights: Sequence[float], now: int) -> list[tuple[float, Fact]]:
    """Facts with the share of the question that they answer, the best first; of the same share the newest.

    Args:
        book: of one owner; what has expired by `now` (ms UTC) answers nothing.
        question: what is asked.
        weights: how much each of its terms says.
        now: ms UTC.
    """
    if not book.facts:
        return []
    index = askable(book)
    words = question.terms[: question.words]
    total = sum(weights[: len(words)])
    shares: dict[int, float] = {}
    for word, weight in zip(words, weights, strict=False):
        for number in index.by_term.get(word, ()):
            shares[number] = shares.get(number, 0.0) + weight
    scores = {number: share / total for number, share in shares.items()} if total else {}
    bare = " ".join(question.text.split()).strip(" ?？!！。.")
    for topic, numbers in index.by_topic.items():
        if any(phrase in bare for phrase in _asking(topic)[1]):
            scores.update((number, max(scores.get(number, 0.0), ASKED)) for number in numbers)
    out = [
        (score, fact)
        for number, score in scores.items()
        if score and not 0 < (fact := index.facts[number]).expires <= now and not fact.superseded_by
    ]
    return sorted(out, key=lambda item: (-item[0], -item[1].last_seen, -item[1].id))


def least(text: str) -> float:
    """The least score of what is told to an input unasked."""
    if _ASKS.search(_NOT_ASKED.sub("", text)) is None:
        return REMARK
    return OWN if _OWN.search(text) else OPEN


T = TypeVar("T")


def worth_telling(
    floor: float, found: Sequence[T], score: Callable[[T], float], tells: Callable[[T], bool]
) -> Sequence[T]:
    """Those of what was found, the best first, that are told unasked.

    Args:
        floor: the `least` score for the input.
        found: the best first.
        score: of one of them.
        tells: whether one of them tells something of itself.
    """
    near = NEAR * max(map(score, found), default=0.0)
    good = [one for one in found if score(one) >= max(floor, near)]
    if floor == OWN:
        return good
    if floor == OPEN:
        return [*good[:FEW], *filter(tells, good[FEW:])]
    return list(islice(filter(tells, good), FEW))


def told(quoted: str) -> bool:
    """Whether a quotation of a turn tells something of somebody."""
    return any(worth(part[:LOOKED_AT], {}) >= TELLS for part in _DAY.sub("", quoted).split(" / "))


def tells(text: str) -> bool:
    """Whether a sentence of what was said in a turn tells something of somebody; the beginning decides."""
    return any(worth(sentence, {}) >= TELLS for sentence in sentences(text[:LOOKED_AT]))
