"""What the user told about themselves earlier in the list: a name, a liking, a place to live."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from duihua.simulator.ask import Ask, Language, language
from duihua.simulator.intents import question_of

READ = 2_000
"""Characters of each message that are searched."""

_I = re.IGNORECASE
_END = r"(?=[,，。.!！?？;；、\s\"”』」)）]|今年|来自|住在|喜欢|是个|我|$)"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to remember: how it is told, how it is asked for, and how it is said back."""

    told: tuple[re.Pattern[str], ...]
    asked: re.Pattern[str]
    noted: tuple[re.Pattern[str], ...]  # as notes in the system text put it
    known: dict[Language, str]
    unknown: dict[Language, str]
    thanks: dict[Language, str]


NAME = Fact(
    told=(
        re.compile(r"(?<!你)我(?:的名字)?(?:就)?叫做?\s{0,2}(?!什么|啥|谁|你|他|她|不)([\w·]{1,20}?)" + _END),
        re.compile(r"我的(?:名字|姓名)(?:是|为)(?!什么|啥)([\w·]{1,20}?)" + _END),
        re.compile(r"(?:^|[请以就都,，。\s])叫我(?!什么|啥)([\w·]{1,20}?)(?=就[好行]|吧|[,，。.!！\s]|$)"),
        re.compile(r"\bmy name(?:'s| is|’s)\s+([\w'’.-]{1,40}(?:\s+[A-Z][\w'’-]{0,40}){0,2})", _I),
        re.compile(r"\b(?:[Cc]all me|I am called)\s+([A-Z][\w'’-]{0,40})"),
        re.compile(r"\b(?:I'm|I’m|I am|i'm)\s+([A-Z][\w'’-]{0,40})(?=[\s,.!?;]|$)"),
    ),
    asked=re.compile(
        r"我叫(?:什么|啥)|我的?名字(?:是|叫)?(?:什么|啥)|我是谁|(?:记得|知道)我(?:的名字|是谁|叫)"
        r"|\bwhat(?:'s| is|’s| was) my name\b|\bwho am i\b|\b(?:remember|know|tell me) my name\b"
        r"|\bwhat am i called\b",
        _I,
    ),
    noted=(
        re.compile(r"用户(?:的名字|姓名)?(?:叫|是|名叫|为|:|：)\s*(?:叫)?([\w·]{1,20}?)" + _END),
        re.compile(r"\b[Uu]ser(?:'s|’s) name(?: is|:)\s+([\w'’-]{1,40})"),
    ),
    known={"zh": "你叫{0}。", "en": "Your name is {0}."},
    unknown={
        "zh": "我不知道你叫什么名字，你还没有告诉我。",
        "en": "I don't know your name; you have not told me yet.",
    },
    thanks={"zh": "你好，{0}！我记住了你的名字。", "en": "Hello, {0}! I will remember your name."},
)
HOME = Fact(
    told=(
        re.compile(r"我(?:现在)?(?:就)?住在?+(?!哪|什么|不)([\w·]{2,20}?)(?=[,，。.!！?？\s]|市?的|$)"),
        re.compile(r"\bI(?: now)? live in\s+([A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*){0,2})"),
    ),
    asked=re.compile(r"我(?:现在)?住在?(?:哪|什么)|\bwhere do i live\b", _I),
    noted=(),
    known={"zh": "你住在{0}。", "en": "You live in {0}."},
    unknown={
        "zh": "我不知道你住在哪里，你还没有告诉我。",
        "en": "I don't know where you live; you have not told me yet.",
    },
    thanks={"zh": "好的，你住在{0}，我记住了。", "en": "Noted: you live in {0}."},
)
LIKING = Fact(
    told=(
        re.compile(r"我(?:最|很|特别|非常)?(?:喜欢|爱)(?!什么|啥|谁|你)([^,，。.!！?？\n]{1,40})"),
        re.compile(r"\bI (?:really )?(?:like|love)\s+(?!it\b|you\b)([^,.!?\n]{1,60})", _I),
    ),
    asked=re.compile(
        r"我(?:最|很)?(?:喜欢|爱)[^,，。.!！?？\n]{0,4}(?:什么|啥)|\bwhat do i (?:like|love)\b", _I
    ),
    noted=(),
    known={"zh": "你喜欢{0}。", "en": "You like {0}."},
    unknown={
        "zh": "我不知道你喜欢什么，你还没有告诉我。",
        "en": "I don't know what you like; you have not told me yet.",
    },
    thanks={"zh": "好的，你喜欢{0}，我记住了。", "en": "Noted: you like {0}."},
)
FACTS = (NAME, HOME, LIKING)


def recalled(ask: Ask) -> str:
    """The answer to a question about the user, or thanks for being told; empty if it is neither."""
    question, said = question_of(ask.question), ask.said
    tongue = language(question)
    for fact in FACTS:
        if fact.asked.search(question):
            value = find(fact, said) or _noted(fact, ask.system)
            return fact.known[tongue].format(value) if value else fact.unknown[tongue]
    for fact in FACTS:
        if value := find(fact, [question]):
            return fact.thanks[tongue].format(value)
    return ""


def find(fact: Fact, said: Sequence[str]) -> str:
    """What the user last said about it, empty if nothing."""
    for text in reversed(said):
        ends = [(m.end(), m.group(1)) for p in fact.told for m in p.finditer(text[-READ:])]
        if ends:
            return max(ends)[1].strip(" .'’")
    return ""


def _noted(fact: Fact, system: str) -> str:
    found = [(m.end(), m.group(1)) for p in fact.noted for m in p.finditer(system)]
    return max(found)[1] if found else ""
