"""Standing wishes: what shall hold from now on."""

from __future__ import annotations

import re

from duihua.memory.clauses import folded
from duihua.memory.statements import canonical

_PLEASE = (
    r"(?:请|麻烦|拜托|烦请|希望|我希望|我要|我想|你|您|你们|帮我|给我|要|一定|千万|务必|可以|能|能不能|,|\s)*"
)
_EVER = (
    r"(?:以后|今后|往后|此后|从现在(?:开始|起)|从今(?:天|以后|往后|后)?(?:开始|起)?|从下(?:次|"
    r"一[句条个]\w{0,2})(?:开始|起)|"
    r"接下来的?(?:对话|聊天|回答)(?:里|中)?|每次|每一次|每回|始终|永远|一律|任何时候|无论何时|下次)"
)
_DO_ZH = (
    r"(?:都|也|就|一律|尽量|统一|默认|直接|先|只|要|,|\s)*(?:(?:你|您|请|必须|务必)(?!是|们|说过|觉得|"
    r"喜欢)|用(?!不)|别|不要|不许|不准|"
    r"不用(?:再)?(?:叫|说|回|加|解释|道歉|重复|翻译|提|问|给)|给我|跟我|和我|对我|叫我|管我|称呼|回答|"
    r"回复|回我|说(?!不定|吧|了)|讲|提醒|帮我|"
    r"当我|在回|在每|涉及|遇到|(?:如果|只要)?我(?:问|说|发|提|让|叫)|把\w{1,8}(?:写|翻|改|放|换|列))"
)
_DO_EN = (
    r"(?:answer|reply|respond|use|call|speak|write|talk|say|add|give|include|start|begin|end|finish|"
    r"be|keep|show|tell|"
    r"ask|put|mention|send|make|explain|format|address|translate|refer|provide|avoid|do|let|remind|"
    r"suggest|recommend|"
    r"treat|quote|cite|round|convert|assume|check|sign|stay|remember|limit|stop|swear|apologi[sz]e|"
    r"share|repeat|"
    r"greet|summari[sz]e|prefer|consider|follow|don't|do not|please|never|always|only|you)"
)
_WISHES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_PLEASE}{_EVER},?\s*(?!再说|见|聊|吧|呢|$){_DO_ZH}",
        rf"{_PLEASE}{_EVER}(?!我(?:想|要|会|打算))[^,。!?]{{1,30}},\s*(?:你|您|就|都)*(?:请|别|不要|"
        rf"务必|一定要|用)",
        rf"{_PLEASE}(?:别|不要|不许|不准)(?:再|总是?|老是?|每次都?)(?:用|叫我|称呼我|加|发|给我|对我|"
        rf"跟我|提|说\w|讲\w|使用|回复|写|推荐|道歉|重复)",
        rf"{_PLEASE}(?:记住|记得|记下|记好|牢记|别忘了|不要忘了|不要忘记|别忘记)(?![了吗没过的])"
        rf"(?:这一?点|下来|一下)?[,:\s]*(?!我们?(?:说过|聊过|吗)|上次|刚才|吗|没有)\S\S",
        rf"(?:please\s+|you (?:should|must|can)\s+|i(?:'d like| would like| want| need) you "
        rf"to\s+)*(?:always|never)\s+{_DO_EN}\b",
        r"(?:please\s+)?(?:from now on|from here on(?: out)?|going forward|henceforth|in (?:the "
        r")?future|from today(?: on)?|"
        r"for all future \w+|whenever i|every time i|each time i)\b(?!,?\s*i(?:'ll| will| am|'m| want "
        r"to| plan| hope| can)\b)[,\s]*\w",
        rf"(?:please\s+|you (?:should|must)\s+|i(?:'d like| would like| want) you "
        rf"to\s+)*{_DO_EN}\b[^.!?\n]*\b(?:from now on|from here on|"
        r"going forward|in (?:the )?future|every time|at all times|in all (?:your|future) \w+|for the "
        r"rest of (?:this|our) \w+)\W*$",
        r"(?:please\s+|you (?:should|must)\s+|(?:and\s+)?)*(?:remember|keep in mind|bear in mind|"
        r"don't forget|do not forget|make a note)"
        r"(?:\s+(?:that|this|to)\b|:|,)*\s+(?!when|the time|how|what|me\b|that time|last|us\b|you\b|"
        r"it\b|this\b)\w+ ?\w",
        r"(?:please\s+)?(?:don't|do not|stop)\s+(?:ever\s+|keep\s+)?(?:call(?:ing)?|us(?:e|ing)|"
        r"say(?:ing)?|add(?:ing)?|send(?:ing)?|apologi[sz](?:e|ing)|mention(?:ing)?|writ(?:e|ing))\b"
        r"[^.!?\n]*\b(?:again|any ?more|ever|with me)\W*$",
    )
)
_LATER = re.compile(
    r",\s*(?:你)?(?:以后|今后|从现在起|从现在开始)(?:都|也|就|一直)*(?:这样|如此|照此|这么)", re.IGNORECASE
)
_IMPERATIVE = re.compile(rf"{_PLEASE}{_DO_ZH}", re.IGNORECASE)
_REMEMBER = re.compile(
    rf"{_PLEASE}(?:记住|记得|记下|记好|牢记|别忘了|不要忘了|不要忘记|别忘记)(?:这一?点|下来|一下)?[,:\s]*|"
    r"(?:please\s+)?(?:remember|keep in mind|bear in mind|don't forget|do not forget|make a note)"
    r"(?:\s+that\b|\s+this\b|:|,)*\s+",
    re.IGNORECASE,
)
_ASPECTS = (
    (
        "reply:language",
        re.compile(
            r"(?:用|说|讲|以|使用)(?:简体|繁体)?(?:中文|英文|英语|日语|日文|法语|德语|韩语|西班牙语|"
            r"俄语|粤语|普通话|汉语|双语|"
            r"文言文)|\b(?:in|use|speak|to) (?:\w+ )?(?:english|chinese|mandarin|japanese|french|german|"
            r"spanish|korean|russian|italian|portuguese)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "reply:length",
        re.compile(
            r"简短|简洁|简单点|详细|长一点|短一点|精简|\d+个?字以内|"
            r"\b(?:short|brief(?:ly)?|concise(?:ly)?|detailed|long|under \d+ words|one sentence)\b",
            re.IGNORECASE,
        ),
    ),
    ("reply:emoji", re.compile(r"表情|emoji", re.IGNORECASE)),
    ("reply:format", re.compile(r"markdown|列表|要点|表格|bullet|plain text|纯文本", re.IGNORECASE)),
    ("nickname", re.compile(r"(?:叫|称呼|喊)我|\bcall me\b|address me", re.IGNORECASE)),
)


def wish(rest: str) -> bool:
    """Whether a clause, with the rest of its sentence, is a standing wish."""
    plain = folded(rest[:400])
    if any(pattern.match(plain) for pattern in _WISHES):
        return True
    return bool(_IMPERATIVE.match(plain) and _LATER.search(plain))


_LIFTED = re.compile(
    r"(?:please |and |now |actually |,)*(?:stop|quit|no need to|there's no need to|no more|"
    r"forget (?:what i said )?about|"
    r"you (?:don't|do not|needn't|no longer)(?: have to| need to)?) (?P<en>[^.!?\n]+?)"
    r"(?: any ?more| any longer| now| from now on|,? please)*"
    r"|you (?:can|may) (?P<again>[^.!?\n]+?) again|(?:please )?(?:don't|do not) (?P<not>[^.!?\n]+?) any ?more"
    r"|(?:你|请|以后|今后|现在|可以|也|就|,)*(?:不用|不必|不需要|无需|别|不要)(?!的|管|说|问|客气|谢|担心)"
    r"(?:再(?P<anew>[^,。!?\n]+?)了?|(?P<zh>[^,。!?\n]+?)了)[吧啊]?"
    r"|(?:你|以后|今后|现在|又|也|,)*可以(?:再|又|重新|继续)?(?P<may>[^,。!?\n]+?)了",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"\b(?:always|all|every|the|so|that|using|your|answers?|repl\w+)\b|[都总再]|每次", re.IGNORECASE
)


def lifted(text: str) -> str:
    """Which wish a clause takes back ("stop answering briefly", "不用加表情了"); empty: none."""
    plain = folded(text).strip(" .!;~。")
    found = _LIFTED.fullmatch(plain) if len(plain) <= 200 else None
    if not found or wish(text):
        return ""
    what = canonical(_ALL.sub(" ", next(filter(None, found.groups()), "")))
    return what if len(what) > 1 else ""


def remembered(text: str) -> str:
    """What is to be remembered, without the words that ask for it; empty if it is another wish."""
    found = _REMEMBER.match(folded(text))
    return text[found.end() :] if found else ""


def aspect(text: str) -> str:
    """What a wish is about, where a later one about the same takes its place: empty if that is not known."""
    named = [name for name, pattern in _ASPECTS if pattern.search(text)]
    return named[0] if len(named) == 1 else ""
