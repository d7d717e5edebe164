"""What of a message its author claims: clauses without questions, quotations, suppositions and pasted text.

A person's message holds much that they do not claim of themselves: what others said, what is to be
translated, what would be if. Only a clause that stands for itself may become a fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from duihua.memory.statements import visible
from duihua.memory.voices import is_heading, is_own, letter

MOST = 2_000
"""Characters: what is longer is a document, not what somebody says of themselves."""
HIDDEN = "\ufffc"
"""Stands in `Clause.plain` for what is somebody else's."""

_PAIRS = str.maketrans(
    "\u2019\uff07，：；？！（）\u3000歡記從現後歲討厭對過愛這個們說問嗎麼請總點號兒媽爺貓養來爾會長應該稱業讀學員師醫畫樂聽會還沒",
    "'',:;?!() 欢记从现后岁讨厌对过爱这个们说问吗么请总点号儿妈爷猫养来尔会长应该称业读学员师医画乐听会还没",
)
_FENCE = re.compile(r"```.{0,2000}?(?:```|\Z)", re.DOTALL)
_FOREIGN_LINE = re.compile(
    r"^[ \t]*(?:[>|#<{\[]|(?:[-*•·]|\d+[.)、])?[ \t]*[(\[]?\d{4}[-/.年]\d).*$", re.MULTILINE
)
_QUOTED = re.compile(r"“[^”\n]{1,300}”|「[^」\n]{1,300}」|『[^』\n]{1,300}』|\"[^\"\n]{1,300}\"")
_FIRST_PERSON = re.compile(r"我|咱|\b(?:I|my|me|mine)\b")
_SENTENCE = re.compile(r"(?:[^。!?;\n.]|\.(?!\s|$))+(?:[。!?;.]+|$|(?=\n))", re.MULTILINE)
_CLAUSE = re.compile(
    r"[,，]\s*|\s+-{1,2}\s+|\s*—+\s*"
    r"|\s+(?:and|but|so|because|though)\s+"
    r"(?!i(?:'ve| have| just| finally| got| both)* "  # Ann and I broke up
    r"(?:broke|split|divorced|separated|parted|married|engaged)\b)"
    r"(?=(?:i|i'm|i've|my|we|our|please|call|also|live|work)\b)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:(?:嗨|嘿|你好|您好|大家好|哈喽|早上好|晚上好|其实|对了|顺便说一下|顺便说一句|顺便|补充一下|"
    r"说起来|嗯+|哦|噢|啊|哈+|"
    r"那个|不过|但是|但|可是|而且|并且|另外|还有|然后|所以|因为|因此|虽然|好的|好吧|好|谢谢|首先|我说|"
    r"我跟你说|我告诉你|告诉你|"
    r"老实说|说实话|说真的|自我介绍一下|介绍一下|更正一下|不对|不是)(?=[^\w]|我|你|叫|请|以|记|从|每|"
    r"别|不)[\s,:!~]*"
    r"|(?:hi|hello|hey|there|well|oh|ok|okay|so|and|but|also|actually|anyway|btw|by the way|honestly|"
    r"to be honest|just so you know|fyi|for the record|ps|p\.s\.|yes|"
    r"no(?! (?:more|need)\b)|yeah|sure|thanks|thank you|sorry|because|additionally|besides)(?:[\s,:!]+|$))+",
    re.IGNORECASE,
)
_LABEL = re.compile(r"([^:,\n]{1,40}?)[:](?!\d|//)")
_MATERIAL = re.compile(
    r"翻译|润色|改写|续写|校对|造句|缩写|扮演|假装|假设你|想象你|"
    r"(?:写|讲|编|续|作|唱)[^,]{0,12}(?:故事|小说|剧本|诗|信|台词|歌词|作文|文案|文章|邮件|日记|段子)|"
    r"这(?:句话|段话|段文字|篇文章|封信)|(?:[这那][封条份首篇段则]|收到[的这])[^,。]{0,8}"
    r"(?:信|邮件|消息|短信|简历|歌词|留言|微信|通知|帖子|评论)|"
    r"(?:下面|以下|下列)(?:是|的|这|内容|文字|句子)|"
    r"\b(?:translat|proofread|paraphras|rewrite|rephrase|summari[sz]|role-?play|pretend|imagine you|"
    r"the following|this (?:text|sentence|paragraph|e-?mail|letter|phrase|word)\b|text below|as follows|"
    r"\b(?:letter|e-?mail|message|text|note|dm|voicemail|resume|cv)s? "
    r"(?:that |which )?(?:i|we)(?:'ve| have| just)* (?:got|received|found)|\bhere(?:'s| is) (?:an?|"
    r"the|my|this) (?:\w+ ){0,2}"
    r"(?:letter|e-?mail|message|text|lyrics|poem|story|essay|resume|cv)\b|"
    r"\b(?:texted|messaged|e-?mailed|dmed|sent|wrote)(?: to)? me "
    r"(?:this|the following|an? (?:\w+ )?(?:text|message|e-?mail|letter|note|poem|dm))\b|"
    r"\b(?:write|tell|compose|make up|create)\b[^,]{0,30}\b(?:story|poem|lyrics|dialogue|essay|letter|"
    r"e-?mail|song))",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"如果|假如|假设|假定|要是|倘若|若是|万一|比如|例如|譬如|比方|想象|设想|就像|好像|仿佛|梦见|梦到|"
    r"开玩笑|的话$|"
    r"\b(?:if|suppos(?:e|ing)|imagine|assum(?:e|ing)|say that|let's say|hypothetically|for (?:example|"
    r"instance)|"
    r"e\.g\.|i wish|would|dream(?:ed|t)|(?:just|only) (?:kidding|joking))\b",
    re.IGNORECASE,
)
_KIN_SAYS = r"(?:我(?:的|家|们)?(?:[^\W\da-z_]{1,4}))"
_REPORTED = re.compile(
    rf"(?:(?![我用请别不要每都给])[^,]{{1,8}}?|{_KIN_SAYS}|我听[^,]{{0,6}})(?<!来)(?<!再)(?:说|问|讲|"
    rf"告诉|回答|写道|写着|提到|表示|声称|自称|以为|认为)"
    r"|(?:你|您)[^,]{0,8}(?:说过|写的|记的|知道)"
    r"|(?!i\b)(?:[\w']+ ){0,4}(?:said|says|say|told|tells|asked|asks|claims?|claimed|wrote|writes|"
    r"thinks?|thought|"
    r"heard|replied|answered)\b|according to\b|(?:you|we)\b[^,]{0,30}\b(?:know|remember|mentioned)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"什么|啥|谁|哪|怎么|怎样|咋|为何|如何|是否|何时|几(?:岁|点|个|时|号|月)|多少|多大|多高|多重|"
    r"吗\W*$|么\W*$|呢\W*$|"
    r"([是有会能要对可好])不\1|有没有|\?\s*$"
)
_TAG = re.compile(
    r"(?:对吗|对吧|对不对|是吗|是吧|是不是|没错吧|right|correct|isn't it|am i right|true|yes|no)\W*\?*\s*$",
    re.I,
)
_POLITE = re.compile(
    r"(?:好吗|可以吗|行吗|好不好|行不行|可以么|好么|ok|okay|alright|please|deal|will you|could you)\W*$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause as its author claims it.

    `text` is verbatim from the first word on, but for characters that nobody sees; `plain` the same (its
    characters one by one, quotations hidden, Traditional characters of common words simplified); `rest` is
    verbatim from here to the sentence's end. `supposed`: it depends on an if, so that only a wish may stand
    in it. `asked`: its sentence is a question that asks politely; the same holds. `first`: the first one of
    its sentence; `greeted`: after a greeting.
    """

    text: str
    plain: str
    rest: str
    supposed: bool = False
    first: bool = True
    greeted: bool = False


def folded(text: str) -> str:
    """A text with its punctuation in ASCII and common Traditional characters simplified, one for one."""
    return text.translate(_PAIRS)


def claimed(text: str) -> Iterator[Clause]:
    """The clauses of a message that its author claims, in their order."""
    if len(text) > MOST:
        return
    text = visible(text)
    plain = _hidden(folded(text))
    plain = plain[: letter(plain)]
    for found in _SENTENCE.finditer(plain):
        sentence = found[0]
        label = _LABEL.match(sentence)
        if label and _MATERIAL.search(label[1]):
            return
        start = 0
        if label and is_heading(label[1].strip()):
            start = label.end()
        elif label and not is_own(label[1].strip(), sentence[label.end() :]):
            return  # what follows are words that somebody else said, or that something is to be done with
        yield from _clauses(text[found.start() + start : found.end()], sentence[start:])
        if _MATERIAL.search(sentence):
            return


def _hidden(plain: str) -> str:
    def hide(found: re.Match[str]) -> str:
        return HIDDEN * len(found[0])

    plain = _FOREIGN_LINE.sub(hide, _FENCE.sub(hide, plain))
    return _QUOTED.sub(lambda found: hide(found) if _FIRST_PERSON.search(found[0]) else found[0], plain)


def _clauses(text: str, plain: str) -> Iterator[Clause]:
    asks = plain.rstrip().endswith("?")
    cuts = [0, *(found.end() for found in _CLAUSE.finditer(plain)), len(plain)]
    ends = [*(found.start() for found in _CLAUSE.finditer(plain)), len(plain)]
    if _TAG.search(plain) and len(cuts) > 2:
        return  # "..., right?": they want to know whether it is so
    supposed = greeted = False
    first = True
    for index, (start, end) in enumerate(zip(cuts, ends, strict=False)):
        start += len(plain[start:end]) - len(plain[start:end].lstrip())
        opened = _OPENING.match(plain, start, end)
        if opened:
            greeted |= _is_greeting(opened[0])
            start = opened.end()
        piece = plain[start:end].rstrip()
        if not piece.strip(" .。!;~"):
            continue
        last = index == len(ends) - 1
        if _ASKED.search(piece) or (asks and last):
            if _POLITE.search(piece.rstrip("? ")):
                yield Clause(text[start:end].strip(), piece, text[start:].strip(), True, first, greeted)
            first = False
            continue
        if _REPORTED.match(piece) and not _WISH.match(piece):
            return  # and so is all that follows
        supposed |= bool(_SUPPOSED.search(piece))
        yield Clause(text[start:end].strip(), piece, text[start:].strip(), supposed, first, greeted)
        if _MATERIAL.search(piece):
            return
        first = False


_WISH = re.compile(
    r"(?:请|麻烦|你|您|要|千万|一定){0,3}(?:以后|今后|往后|从现在|从今|记|牢记|每次|始终|永远|一律|"
    r"总是|别|不要)|"
    r"(?:please\s+)?(?:always|never|remember|from now|don't|do not|keep in mind)",
    re.I,
)


def _is_greeting(text: str) -> bool:
    return bool(re.search(r"你好|您好|大家好|嗨|嘿|哈喽|早上好|晚上好|介绍|\b(?:hi|hello|hey)\b", text, re.I))
