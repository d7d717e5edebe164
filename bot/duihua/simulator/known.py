"""What a user may tell about themselves: how it is told, how it is asked for, how it is said back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from duihua.simulator.ask import Language

_I = re.IGNORECASE
_END = r"(?=[,，。.!！?？;；、\s\"”』」)）]|今年|来自|住在|喜欢|是个|我|$)"
_STOP = r"[^,，。.!！?？;；\n]"

Kind = Literal["profile", "preference", "event"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know about a user. `note` is how a summary puts it; texts hold the value as `{0}`."""

    kind: Kind
    subject: str
    told: tuple[re.Pattern[str], ...]
    asked: re.Pattern[str]
    known: dict[Language, str]
    note: dict[Language, str]
    unknown: dict[Language, str]
    thanks: dict[Language, str]


NAME = Fact(
    "profile",
    "name",
    told=(
        re.compile(r"(?<!你)我(?:的名字)?(?:就)?叫做?\s{0,2}(?!什么|啥|谁|你|他|她|不)([\w·]{1,20}?)" + _END),
        re.compile(r"我的?(?:名字|姓名)(?:叫做?|是|为|[:：])\s?(?!什么|啥|叫)([\w·]{1,20}?)" + _END),
        re.compile(r"(?:^|[请以就都,，。\s])叫我(?!什么|啥)([\w·]{1,20}?)(?=就[好行]|吧|[,，。.!！\s]|$)"),
        re.compile(r"\bmy name(?:'s| is|’s|:)\s+([\w'’.-]{1,40}(?:\s+[A-Z][\w'’-]{0,40}){0,2})", _I),
        re.compile(r"\b(?:[Cc]all me|I am called)\s+([A-Z][\w'’-]{0,40})"),
        re.compile(r"\b(?:I'm|I’m|I am|i'm)\s+([A-Z][\w'’-]{0,40})(?=[\s,.!?;]|$)"),
    ),
    asked=re.compile(
        r"我叫(?:什么|啥)|我的?名字(?:是|叫)?(?:什么|啥)|我是谁|(?:记得|知道)我(?:的名字|是谁|叫)"
        r"|\bwhat(?:'s| is|’s| was) my name\b|\bwho am i\b|\b(?:remember|know|tell me) my name\b"
        r"|\bwhat am i called\b",
        _I,
    ),
    known={"zh": "你叫{0}。", "en": "Your name is {0}."},
    note={"zh": "用户叫{0}", "en": "The user's name is {0}"},
    unknown={
        "zh": "我不知道你叫什么名字，你还没有告诉我。",
        "en": "I don't know your name; you have not told me yet.",
    },
    thanks={"zh": "你好，{0}！我记住了你的名字。", "en": "Hello, {0}! I will remember your name."},
)
HOME = Fact(
    "profile",
    "home",
    told=(
        re.compile(r"我(?:现在)?(?:就)?住在?+(?!哪|什么|不)([\w·]{2,20}?)(?=[,，。.!！?？\s]|市?的|$)"),
        re.compile(r"\bI(?: now)? live in\s+([A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*){0,2})"),
    ),
    asked=re.compile(r"我(?:现在)?住在?(?:哪|什么)|\bwhere do i live\b", _I),
    known={"zh": "你住在{0}。", "en": "You live in {0}."},
    note={"zh": "用户住在{0}", "en": "The user lives in {0}"},
    unknown={
        "zh": "我不知道你住在哪里，你还没有告诉我。",
        "en": "I don't know where you live; you have not told me yet.",
    },
    thanks={"zh": "好的，你住在{0}，我记住了。", "en": "Noted: you live in {0}."},
)
LIKING = Fact(
    "preference",
    "like",
    told=(
        re.compile(r"我(?:最|很|特别|非常)?(?:喜欢|爱)(?!什么|啥|谁|你)(" + _STOP + r"{1,40})"),
        re.compile(r"\bI (?:really )?(?:like|love)\s+(?!it\b|you\b)([^,.!?\n]{1,60})", _I),
    ),
    asked=re.compile(
        r"我(?:最|很)?(?:喜欢|爱)[^,，。.!！?？\n]{0,4}(?:什么|啥)|\bwhat do i (?:like|love)\b", _I
    ),
    known={"zh": "你喜欢{0}。", "en": "You like {0}."},
    note={"zh": "用户喜欢{0}", "en": "The user likes {0}"},
    unknown={
        "zh": "我不知道你喜欢什么，你还没有告诉我。",
        "en": "I don't know what you like; you have not told me yet.",
    },
    thanks={"zh": "好的，你喜欢{0}，我记住了。", "en": "Noted: you like {0}."},
)
BIRTHDAY = Fact(
    "profile",
    "birthday",
    told=(
        re.compile(r"我的?生日(?:是|在|:|：)?\s?(?!什么|啥|哪|几)(" + _STOP + r"{2,20})"),
        re.compile(r"\bmy birthday(?:'s| is|:)(?: on)?\s+([^,.!?\n]{2,30})", _I),
    ),
    asked=re.compile(r"我的?生日(?:是|在)?(?:什么|哪|几|啥)|\b(?:when is|when's|what is) my birthday\b", _I),
    known={"zh": "你的生日是{0}。", "en": "Your birthday is {0}."},
    note={"zh": "用户的生日是{0}", "en": "The user's birthday is {0}"},
    unknown={
        "zh": "我不知道你的生日，你还没有告诉我。",
        "en": "I don't know your birthday; you have not told me yet.",
    },
    thanks={"zh": "好的，你的生日是{0}，我记住了。", "en": "Noted: your birthday is {0}."},
)
ALLERGY = Fact(
    "profile",
    "allergy",
    told=(
        re.compile(r"我对(?!什么|啥)(" + _STOP + r"{1,20}?)(?:严重|都|也)?过敏"),
        re.compile(r"\bI(?:'m|’m| am) (?:\w+ )?allergic to\s+([^,.!?\n]{2,40})", _I),
    ),
    asked=re.compile(r"我对(?:什么|啥)[^,，。\n]{0,6}过敏|\bwhat am i allergic to\b", _I),
    known={"zh": "你对{0}过敏。", "en": "You are allergic to {0}."},
    note={"zh": "用户对{0}过敏", "en": "The user is allergic to {0}"},
    unknown={
        "zh": "我不知道你对什么过敏，你还没有告诉我。",
        "en": "I don't know what you are allergic to; you have not told me yet.",
    },
    thanks={"zh": "好的，你对{0}过敏，我记住了。", "en": "Noted: you are allergic to {0}."},
)
FACTS = (NAME, HOME, LIKING, BIRTHDAY, ALLERGY)

_FIRST_PERSON = (
    (re.compile(r"(?:用户|\buser)\s*[:：]\s*", _I), ""),  # a speaker's mark
    (re.compile(r"用户的?(?:姓名|名字)(?:叫做?|是|为|[:：])\s*"), "我叫"),
    (re.compile(r"用户(?:名叫|叫做?)"), "我叫"),
    (re.compile(r"用户"), "我"),
    (re.compile(r"\b(?:the )?user(?:'s|’s)\b", _I), "my"),
    (re.compile(r"\b(?:the )?user is ", _I), "I am "),
    (re.compile(r"\b(?:the )?user (like|love|live)s\b", _I), r"I \1"),
)


def first_person(text: str) -> str:
    """A note about the user as the user would say it: "用户叫小明" -> "我叫小明"."""
    for pattern, words in _FIRST_PERSON:
        text = pattern.sub(words, text)
    return text
