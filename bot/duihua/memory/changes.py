"""How people say that something has changed: what held before is read by the same rules as what holds.

"I no longer live in Rome" is "I live in Rome", ended; "I became a teacher" is "I'm a teacher". So whatever
the rules of both languages understand, they understand of its end and of its beginning, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from duihua.memory.chinese import ME

_AGO = (
    r"(?:right )?now|nowadays|these days|currently|at the moment|as of (?:now|today)|recently|lately|already|"
    r"instead|again|after all|for good|for now|any ?more|any longer|today|yesterday|"
    r"(?:this|last) (?:week|weekend|month|year|spring|summer|autumn|fall|winter|night|morning)|"
    r"(?:an?|two|three|four|five|six|a few|several|some|\d+) (?:day|week|month|year)s? ago"
)
_LATE = re.compile(rf"(?:,?\s+(?:{_AGO}))+(?=[\s.!~。;]*$)", re.IGNORECASE)
_EARLY = re.compile(
    r"^(?:(?:(?:right )?now|nowadays|these days|currently|at the moment|as of (?:now|today)|recently|lately|"
    r"since then|finally|actually|in fact|(?:as )?it (?:turns|turned) out|turns out)(?: that)?,?\s+)+",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"(?<=\w)\s+(?:(?:now|currently|already|finally|just|recently|actually|officially|presently|also)\s+)+",
    re.IGNORECASE,
)
_BEGINNING = 24
"""Characters in which an English adverb after the subject ends: further on it is part of what is said."""
_NOW_ZH = re.compile(r"现在|目前|如今|已经|早就|早已|终于|后来|眼下|从此|[了啦](?=[\s.!~。;]*$)")


def timeless(plain: str) -> str:
    """A clause without the words that only say since when it holds: `now`, `any more`, `现在`, `…了`."""
    if not plain.isascii():
        return _NOW_ZH.sub("", plain)
    plain = _LATE.sub("", _EARLY.sub("", plain))
    head = plain[:_BEGINNING]
    return _BETWEEN.sub(" ", head) + plain[_BEGINNING:] if " " in head else plain


@dataclass(frozen=True, slots=True)
class Reading:
    """A clause as one that the rules can read. `ended`: what it says does not hold (any more).

    `leads`: the beginning of what the next clause says if it goes on ("my name isn't Bob, *it's* Rob").
    """

    plain: str
    ended: bool
    leads: str = ""


_I = r"(?P<i>i|we)"
_HAVE = r"(?:'ve| have| had)?(?: just| recently| finally)?"
_ENDED = tuple(
    (re.compile(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (rf"{_I}(?P<be>'m|'re| am| are|'ve| have)? no longer (?P<v>.+)", "{i}{be} {v}"),
        (rf"{_I} (?:do not|don't|didn't|did not)(?: really| actually| even)? (?P<v>.+)", "{i} {v}"),
        (rf"{_I}(?P<be>'m|'re| am| are) (?:not|never)(?: really| actually)? (?P<v>.+)", "{i}{be} {v}"),
        (rf"{_I} used to be (?P<v>.+)", "{i}'m {v}"),
        (rf"{_I} used to (?P<v>.+)", "{i} {v}"),
        (
            rf"{_I}{_HAVE} (?:stopped|quit|given up|gave up|finished) (?:being )?"
            r"(?P<v>(?:an? |working|living|studying|learning|majoring).*)",
            "{i}'m {v}",
        ),
        (rf"{_I}{_HAVE} moved (?:out of|away from|from) (?P<v>(?:(?! to\b).)+)", "{i} live in {v}"),
        (r"(?P<my>my [\w' -]{1,40}?)(?: is|'s|s)(?:n't| not| no longer) (?P<v>.+)", "{my} is {v}"),
        (r"(?:please )?(?:don't|do not|stop) call(?:ing)? me (?P<v>.+)", "call me {v}"),
        (
            rf"(?:{ME})(?:再也|已经|并|都|也)*(?:不再|不|"
            rf"没有?)(?=[是住当做在叫姓对养吃信有])(?!是不)(?P<v>.+)",
            "我{v}",
        ),
        (rf"(?:{ME})(?:再也|已经|都|也)*(?:不再|不)(?P<v>学[^会习完].*)", "我在{v}"),
        (r"(?P<my>我的?[^\W不]{1,10}?)不(?:再)?是(?P<v>.+)", "{my}是{v}"),
        (rf"(?:{ME})?我?(?:以前|曾经?|从前|过去|原先|之前)(?P<v>(?:[是住当做叫对养]|在(?!学)).+)", "我{v}"),
        (r"(?:请|你|以后|今后|,)*(?:别|不要|不用)再?(?:叫|称呼|喊)我(?P<v>.+)", "叫我{v}"),
    )
)
_MANY = (
    r"(?:\w+ )?(?:daughter|son|child|kid|baby|twin|cat|dog|puppy|kitten|rabbit|bunny|hamster|parrot|tortoise|"
    r"turtle|horse|fish|bird|pet|friend|cousin|nephew|niece|colleague|coworker|neighbou?r|brother|sister)s?\b"
)
"""Of these one may have a new one beside the old one."""
_BEGUN = tuple(
    (re.compile(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (rf"{_I}{_HAVE} (?:got|gotten|been) (?P<v>(?:re)?married|divorced|engaged|separated)", "{i}'m {v}"),
        (rf"{_I}{_HAVE} (?P<v>married|divorced|separated)", "{i}'m {v}"),
        (rf"{_I}{_HAVE} (?:became|become|turned into|turned|went|gone) (?P<v>.+)", "{i}'m {v}"),
        (rf"{_I}{_HAVE} been promoted to (?P<v>.+)", "{i}'m a {v}"),
        (rf"{_I}{_HAVE} got a job as (?P<v>an? .+)", "{i}'m {v}"),
        (rf"{_I}{_HAVE} got a (?:new )?job (?P<v>(?:at|with) .+)", "{i} work {v}"),
        (
            rf"{_I}{_HAVE} (?:started|begun|began) (?:to )?"
            r"(?P<v>(?:work|liv|study|learn|major)(?:e|ing)? .+)",
            "{i}'m {v}",
        ),
        (
            rf"{_I}{_HAVE} (?:(?:come|grown|learned|learnt|started|begun|began) to|started) "
            r"(?P<v>like|love|enjoy|adore|prefer|hate|dislike|loathe|lik|lov|enjoy|ador|"
            r"hat)(?:ing)? (?P<w>.+)",
            "{i} {v} {w}",
        ),
        (rf"{_I}{_HAVE} moved from .+? to (?P<v>.+)", "{i} live in {v}"),
        (
            rf"{_I}{_HAVE} (?:changed|updated|reset|renewed|"
            rf"switched) my (?P<x>[\w' -]{{1,30}}?)(?: from .+?)?"
            r" to (?P<v>.+)",
            "my {x} is {v}",
        ),
        (
            r"my (?P<x>[\w' -]{1,30}?)(?:'s| has| have)?(?: been| was| were| is)? (?:just )?"
            r"(?:changed|switched|updated|renamed)(?: from .+?)? to (?P<v>.+)",
            "my {x} is {v}",
        ),
        (rf"my (?:new|current|latest) (?!{_MANY})(?P<v>.+)", "my {v}"),
        (rf"(?:{ME})(?:改名字?|更名)(?:叫做?|成|为|作|是)(?P<v>.+)", "我叫{v}"),
        (
            rf"(?:{ME})(?:转行|改行|转岗|转职|转)(?:去|来)?(?:做|当|干|成|为)了?(?P<v>.+)",
            "我是{v}",
        ),
        (rf"(?:{ME})(?:改当|改做|成为|变成|当上|做上|升职?[为到成]?|晋升[为到成]?)了?(?P<v>.+)", "我是{v}"),
        (
            rf"(?:{ME})(?:从\w+?)?(?:跳槽[到去]|入职)了?(?P<v>\w+?)(?:工作|上班|任职)?",
            "我在{v}工作",
        ),
        (rf"(?:{ME})(?:从\w+?)?(?:转专业[到学]?|换专业[到学]?)了?(?P<v>.+)", "我在学{v}"),
        (
            r"我(?:已经|又|刚刚?|们)?把?(?:我?的)?(?P<x>[^\W把被]{1,10}?)(?:已经)?(?:改|换|变|更新|更改|"
            r"升级)(?:成|为|到|作)了?(?P<v>.+)",
            "我的{x}是{v}",
        ),
        (r"我的?新的?(?P<v>.+)", "我的{v}"),
    )
)
_HEAD = re.compile(r"(?:i|we|my|please|don't|do not|stop)\b", re.IGNORECASE)
_HINT = re.compile(
    r"no longer|n't\b|\bnot\b|\bnever\b|used to|stopp|\bquit\b|g[ai]ven? up|finished|moved|becom|becam|"
    r"turned|"
    r"went|gone|promoted|\bgot|been|start|beg[au]n|come to|grown|learn|chang|updated|reset|renew|switch|"
    r"married|"
    r"divorced|separated|\bnew\b|current|latest|\bstop"
)
_HINT_ZH = re.compile(r"[不没别以曾从过原之改更转变换升成当跳入新]")
_STEMS = {"lik": "like", "lov": "love", "ador": "adore", "hat": "hate"}


_OVER = re.compile(
    r"no longer|any ?more|any longer|used to|stopp|\bquit\b|g[ai]ven? up|finished|moved|now\b|以前|曾|"
    r"从前|过去|原先|之前|"
    r"不再|再也|已经|早就|现在|[了啦][\s.!~。;]*$",
    re.IGNORECASE,
)


def is_over(plain: str) -> bool:
    """Whether a clause says that something is over, and not only that it is not so."""
    return _OVER.search(plain) is not None


def readings(bare: str) -> list[Reading]:
    """How a clause (`timeless`) can be read as an end or a beginning; nothing for most clauses."""
    if not (_HEAD.match(bare) and _HINT.search(bare.lower()) if bare.isascii() else _HINT_ZH.search(bare)):
        return []
    out: list[Reading] = []
    for ended, frames in ((True, _ENDED), (False, _BEGUN)):
        for pattern, template in frames:
            if found := pattern.fullmatch(bare.strip(" .!~。;")):
                groups = {name: text or "" for name, text in found.groupdict().items()}
                value = groups["v"]
                leads = template.format_map({**groups, "v": ""}) if ended else ""
                groups["v"] = _STEMS.get(value.lower(), value)
                out.append(Reading(template.format_map(groups), ended, leads))
    return out


_EXCHANGED = re.compile(
    rf"(?:{ME}|我们?)(?:又|刚)?换了?(?:个|一个|新)?(?P<zh>[^\W新了]{{1,6}})了?"
    rf"|{_I}{_HAVE} (?:changed|got|have|switched) (?:my|an?) (?:new )?(?P<en>[\w' -]{{2,30}})",
    re.IGNORECASE,
)
_NEW_ONE = re.compile(
    r"(?:现在|目前|如今)?的?新?的?[^\W是叫姓]{0,6}?(?=[是叫姓])|(?:现在|新的?)(?=[^\W是叫姓])"
    r"|(?:it's|it is|the new one is|the new \w+(?: \w+)? is|now it's)(?= )",
    re.IGNORECASE,
)
_CORRECTED = re.compile(r"(?:而|应该|应当|其实)?是|(?:it's|it is|it should be|but)(?= )", re.IGNORECASE)


def continued(before: str, plain: str) -> str:
    """What a clause says that goes on after a change that the one `before` told; empty if it does not.

    "换手机号了，新号码是…" says what the number is, and "my name isn't Bob, it's Rob" the name.
    """
    corrected, renewed = _CORRECTED.match(plain), _NEW_ONE.match(plain)
    if not corrected and not renewed:
        return ""
    bare = timeless(before).strip(" .!~。;")
    if renewed and (found := _EXCHANGED.fullmatch(bare)):
        return (f"我的{found['zh']}" if found["zh"] else f"my {found['en']} is") + plain[renewed.end() :]
    lead = next((one.leads for one in readings(bare) if one.leads.startswith(("my ", "我的", "我"))), "")
    if not corrected or not lead:
        return ""
    return lead.rstrip() + (" " if lead.isascii() else "") + plain[corrected.end() :]


def follows(plain: str) -> bool:
    """Whether a clause tells a change of its author's, so that the next clause may go on without `I`."""
    return _MOVED.match(plain) is not None


_MOVED = re.compile(
    rf"(?:{ME}|我们家?|我们?)(?:都|也|又|刚|已经)*(?:搬家|搬走|离开|换|改|转|跳|辞|不)"
    rf"|{_I}{_HAVE} (?:moved|changed|switched|left|quit)\b",
    re.IGNORECASE,
)
