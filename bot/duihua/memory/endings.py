"""Rules for what ends something without naming what held: one quits, parts, sells, gives away, calls off.

Each says which subjects end (see `Ending`). Where the words alone may mean something else ("I left Rome"), it
is `loose`: worth nothing unless it ends what is known.
"""

from __future__ import annotations

import re

from duihua.memory import chinese, english
from duihua.memory.chinese import ME, MY
from duihua.memory.statements import Ending, Make, Rule, Statement, canonical, flavour

WORK = ("job", "workplace")
_PARTNERS = (
    *(
        "girlfriend",
        "boyfriend",
        "partner",
        "husband",
        "wife",
        "spouse",
        "fiance",
        "fiancé",
        "fiancee",
        "fiancée",
    ),
    *(
        "女朋友",
        "男朋友",
        "女友",
        "男友",
        "对象",
        "老公",
        "老婆",
        "丈夫",
        "妻子",
        "太太",
        "先生",
        "爱人",
        "未婚妻",
        "未婚夫",
        "媳妇",
    ),
)
_ANIMALS = re.compile(
    r"(?:cat|dog|puppy|kitten|rabbit|bunny|hamster|parrot|tortoise|turtle|horse|fish|bird|pet|goldfish|"
    r"guinea pig)s?$|[猫狗兔]|仓鼠|乌龟|鹦鹉|金鱼|宠物|鸟"
)


def _over(subject: str, *ends: Ending, loose: bool = False, value: str = "") -> Make:
    def make(found: re.Match[str]) -> Statement | None:
        named = canonical(found.groupdict().get("v") or "")
        over = tuple((one, wanted or named) for one, wanted in ends)
        return Statement("profile", subject, value or named, over, loose)

    return make


def _all(*subjects: str) -> tuple[Ending, ...]:
    return tuple((subject, "") for subject in subjects)


def _single(state: str) -> Make:
    """One's marriage is over, and with it whom one was married to."""

    def make(found: re.Match[str]) -> Statement | None:
        return Statement("profile", "is", state, tuple((f"my:{one}*", "") for one in _PARTNERS))

    return make


def _parted(found: re.Match[str]) -> Statement | None:
    """One is together with somebody no more."""
    named = canonical(found["v"] or "")
    noun = re.sub(r"^我的?", "", named)
    over = [(f"my:{one}*", "" if not named or one == noun else named) for one in _PARTNERS]
    return Statement("profile", "parted", named, (*over, ("is", "taken")), found[0][-1] in "开分掰")


def _gone(found: re.Match[str]) -> Statement | None:
    """An animal that died or a thing that was given away; of a person, what they did and where they lived."""
    noun = re.sub(r"^(?:old|new|own|other|旧|老) ?", "", canonical(found["x"]))
    if not noun or re.match(r"(?:it|this|that|job|lunch|dinner|way|time|mind|temper)\b", noun):
        return None
    one = noun.removesuffix("s") if noun.isascii() else noun
    if re.fullmatch(rf"(?:{english.KIN}|{chinese.KIN})", noun) and not _ANIMALS.search(noun):
        return Statement("profile", "gone", noun, ((f"my:{one}:*", ""),), True)
    over = ((f"my:{one}*", ""), (f"my:{noun}*", ""), ("have", one), ("my:*", one))
    return Statement("profile", "gone", noun, over, True)


def _off(found: re.Match[str]) -> Statement | None:
    """Something planned that was called off or put off."""
    noun = canonical(found["x"])
    if not noun or len(noun) < 2:
        return None
    return Statement("event", "plan", noun, (("event", noun),), True)


def _no_taste(found: re.Match[str]) -> Statement | None:
    """One does it no more: whether one liked it or not, it is over."""
    value = flavour(canonical(found["v"]))
    return Statement("preference", "no like", value, (("like", value), ("learning", value)), True)


def _eats_again(found: re.Match[str]) -> Statement | None:
    value = flavour(canonical(found["v"]))
    return Statement("preference", "no dislike", value, (("dislike", value), ("is", f"不吃{value}")), True)


def _switched(found: re.Match[str]) -> Statement | None:
    """From one thing to another: of which sort they are shows what was known."""
    old = canonical(found["v"])
    over = tuple((one, old) for one in (*WORK, "study", "learning", "like", "my:*"))
    return Statement("profile", "switched", canonical(found["to"]), over, True)


_HAVE = r"(?:'ve| have| had)?(?: just| recently| finally| sadly)*"
_WHEN_ZH = r"(?:昨天|前天|今天|上周|上个?月|去年|今年|刚刚?|最近|不小心|都|全|也|又|给|已经|被)*"
CHINESE: tuple[Rule, ...] = (
    # work and study
    (
        rf"{ME}(?:把工作)?(?:辞(?:职|掉?了?工作|了)|离职|失业|下岗|被?裁员?|被(?:裁掉?|炒了?|炒鱿鱼|"
        rf"开除|辞退)|退休|没工作|"
        r"不上班|不干|丢了工作)",
        _over("no job", *_all(*WORK)),
    ),
    (
        rf"{ME}改学(?P<v>[^\W了]{{1,12}}?)",
        lambda found: Statement("profile", "learning", canonical(found["v"]), _all("learning")),
    ),
    (
        rf"{ME}从(?P<v>\w{{2,16}}?)(?:跳|换|转|调|转学|改)[到去成](?P<to>\w{{2,16}}?)",
        _switched,
    ),
    (
        rf"{ME}从(?P<v>\w{{2,16}}?)(?:辞职|离职|离开|退休|辞|走|出来)",
        _over("no workplace", ("workplace", "")),
    ),
    (
        rf"(?:{ME}|我们){_WHEN_ZH}就?(?:离开|搬离|搬出)(?P<v>\w{{2,16}}?)",
        _over("left", ("workplace", ""), ("home", ""), ("study", ""), loose=True),
    ),
    (
        rf"{ME}(?:从(?P<v>\w{{2,16}}?))?(?:大学|研究生|本科|博士|硕士)?(?:毕业|退学|休学|肄业)",
        _over("no study", ("study", ""), ("job", "学生")),
    ),
    # marriage and love
    (
        rf"(?:{ME}|我们)(?:(?:和|跟|与|同(?![学事桌伴乡行]))(?P<v>\w{{1,8}}?))?{_WHEN_ZH}离(?:了)?婚",
        _single("离婚"),
    ),
    (
        rf"(?:{ME}|我们)(?:(?:和|跟|与|同(?![学事桌伴乡行]))(?P<v>\w{{1,8}}?))?{_WHEN_ZH}(?:分手|分开|"
        rf"分|闹掰|掰)",
        _parted,
    ),
    (
        rf"{ME}(?:被(?P<v>\w{{1,8}}?))(?:甩|分手)",
        _parted,
    ),
    (
        rf"(?:{ME}|我们)(?:(?:和|跟|与|同(?![学事桌伴乡行]))\w{{1,8}}?)?{_WHEN_ZH}(?:上个?月|去年|今年|"
        rf"上周)?(?P<v>结婚|领证|订婚|复婚)(?=$|[\s.!~。;])",
        _over("is"),
    ),
    (
        rf"{ME}(?P<v>脱单|有(?:男|女)朋友|有对象|谈恋爱)(?=$|[\s.!~。;])",
        _over("is"),
    ),
    # animals and things
    (
        rf"{MY}(?P<x>{chinese.KIN}){_WHEN_ZH}(?:去世|过世|死|走丢|跑丢|丢|跑|没|不见|送人|送走|"
        rf"送给\w{{1,6}}|卖)掉?",
        _gone,
    ),
    (
        rf"(?:{ME}|我们?家?)把(?:我的?|家里的?)?(?P<x>[^\W我的]{{1,8}}?){_WHEN_ZH}"
        r"(?:送人|送走|送给\w{1,6}|卖给\w{1,6}|卖|扔|丢|弄丢|退|捐|处理)掉?",
        _gone,
    ),
    (
        rf"{ME}(?:不|没)再?(?:养|有)(?P<x>{chinese.KIN})",
        _gone,
    ),
    # what was planned
    (
        r"(?:我的?|我们的?)?(?P<x>[^\W我的了被]{2,10}?)(?:已经|被|又|也|都|临时)*(?:取消|泡汤|"
        r"(?:改期|推迟|延期|延后|提前)(?:[到至].{1,16})?|"
        r"(?:改[到在]|[挪推延]到).{1,16})",
        _off,
    ),
    (
        rf"{ME}(?:[^\W不]{{0,6}})不(?P<x>(?:去|飞|回|参加|考|搬到?)\w{{2,12}}?)",
        _off,
    ),
    # likings
    (
        rf"{ME}(?:把(?P<v>\w{{1,8}}?)(?:给|都)?戒掉?|[^\W戒]{{0,3}}?戒掉?了?(?P<w>[^\W掉了]{{1,8}}))",
        lambda found: Statement("preference", "dislike", flavour(canonical(found["v"] or found["w"]))),
    ),
    (
        rf"{ME}(?:不|没)再?(?P<v>[打玩看弹跑练踢听写画唱跳游骑滑下][^\W的得过到见起]{{1,8}})",
        _no_taste,
    ),
    (
        rf"{ME}(?:又|能|可以|敢|开始|重新|也)+(?:吃|喝)(?P<v>\w{{1,10}}?)",
        _eats_again,
    ),
    (
        rf"{ME}(?:又|能|可以|开始|重新)*(?P<v>吃肉|吃荤|开荤)",
        _over("is"),
    ),
    # health
    (
        rf"{ME}(?:的|对)?(?P<v>[^\W不]{{1,16}}?)(?:的)?过敏{_WHEN_ZH}(?:好|消失|治好|痊愈|没|康复)",
        _over("no allergy", ("allergy", "")),
    ),
)
ENGLISH: tuple[Rule, ...] = (
    # work and study
    (
        rf"i{_HAVE} (?:quit|left|resigned from|lost|given up|gave up|been fired from) my (?:old |day |"
        rf"current )?"
        r"(?:job|position|post|work)\b.{0,30}?",
        _over("no job", *_all(*WORK)),
    ),
    (
        rf"i(?:{_HAVE} (?:resigned|quit|retired|been fired|been laid off|been made redundant)"
        r"| (?:got|was) (?:fired|sacked|laid off|let go|made redundant)"
        r"|(?:'m| am) (?:retired|unemployed|out of work|out of a job|jobless|between jobs))"
        r"(?: (?:in|at the end of|early|on) [\w ]{2,20}?)?",
        _over("no job", *_all(*WORK)),
    ),
    (
        rf"i(?:{_HAVE} (?:resigned|retired|been fired|been laid off)| (?:got|was) (?:fired|sacked|laid off))"
        r" from (?P<v>[\w .&'-]{2,48}?)",
        _over("no workplace", ("workplace", "")),
    ),
    (
        rf"(?:i|we){_HAVE} left (?P<v>(?-i:[A-Z])[\w .&'-]{{1,40}}?)",
        _over("left", ("workplace", ""), ("home", ""), ("study", ""), loose=True),
    ),
    (
        r"(?P<v>(?-i:[A-Z])[\w .&'-]{1,40}?)(?: has| have| just)* (?:let me go|fired me|sacked me|"
        r"laid me off)",
        _over("left", ("workplace", ""), loose=True),
    ),
    (
        rf"i{_HAVE} (?:graduated|dropped out|finished (?:school|college|university|uni|my (?:degree|"
        rf"studies)))"
        r"(?: (?:in|of|this|with) (?!\d|the year)[a-z ]{2,30}?)?",
        _over("no study", *_all("study"), ("job", "student")),
    ),
    (
        rf"i{_HAVE} (?:graduated|dropped out) (?:from|of) (?P<v>[\w .&'-]{{2,40}}?)",
        _over("no study", ("study", ""), ("workplace", "")),
    ),
    (
        rf"i{_HAVE} (?:switched|changed|transferred|converted|gone|"
        rf"went)(?: over)? from (?P<v>[\w .&'-]{{2,40}}?)"
        r" to (?P<to>[\w .&'-]{2,40}?)",
        _switched,
    ),
    # marriage and love
    (
        r"(?:i|we)(?:'m|'re| am| are) (?:a )?(?:divorced|divorcee|separated)"
        r"|(?:i|we)(?:'ve| have)? (?:got|gotten|have|been|just|recently|finally|\s)*divorced"
        r"|my (?:husband|wife|spouse|partner) and i(?: have|'ve)?(?: got| just)? (?:divorced|split up|"
        r"separated|parted)"
        r"|(?:my|our) divorce (?:is|was|has been|became) (?:final|finali[sz]ed|done)",
        _single("divorced"),
    ),
    (
        rf"i{_HAVE} (?:broke|broken|split) up with (?:my )?(?P<v>[\w' -]{{2,30}}?)"
        rf"|i{_HAVE} (?:left|dumped) my (?P<w>boyfriend|girlfriend|partner|husband|wife)",
        lambda found: (
            _parted(found)
            if found["v"]
            else Statement(
                "profile", "parted", canonical(found["w"]), ((f"my:{canonical(found['w'])}*", ""),)
            )
        ),
    ),
    (
        rf"(?:my )?[\w' -]{{2,30}} and i{_HAVE} (?:got |gotten |both )*(?P<v>married|engaged)",
        _over("is"),
    ),
    (
        r"(?:my )?(?P<v>[\w'-]{2,20}) (?:and i|and me)(?: have|'ve)?(?: just| recently)?"
        r" (?:broke|broken|split) up",
        _parted,
    ),
    (
        r"(?:my )?(?P<v>(?!nobody|they|he\b|she\b)[\w'-]{2,20}) (?:broke up with|dumped|left) me",
        _parted,
    ),
    # animals and things
    (
        rf"(?:my|our) (?P<x>{english.KIN})(?: (?-i:[A-Z]\w+))?(?: has| have|'s| just| sadly| recently)*"
        r" (?:died|passed away|passed|ran away|is dead|was put down|got lost|is gone|went missing)",
        _gone,
    ),
    (
        rf"(?:i|we){_HAVE} (?:sold|got rid of|gotten rid of|given away|gave away|donated|rehomed|lost|"
        rf"put down|"
        r"traded in|scrapped|gave up) (?:my|our|the) (?P<x>[\w' -]{2,30}?)",
        _gone,
    ),
    (
        rf"(?:i|we){_HAVE} (?:gave|given) (?:my|our|the) (?P<x>[\w' -]{{2,30}}?) (?:away|"
        rf"to \w[\w ]{{1,20}}?)",
        _gone,
    ),
    # what was planned
    (
        r"(?:my|the|our) (?P<x>[\w' -]{2,40}?)(?: (?:on|for|at) .{2,40}?)?(?:'s| is| are| was| were|"
        r" has| have| got)"
        r"(?: been)? (?:cancell?ed|called off|postponed|moved|rescheduled|pushed back|brought forward|"
        r"put off)"
        r"(?: (?:to|until|by|for|from) .{2,40}?)?",
        _off,
    ),
    (
        rf"(?:i|we){_HAVE} (?:cancell?ed|called off|postponed|rescheduled|put off) (?:my|the|"
        rf"our) (?P<x>[\w' -]{{2,40}}?)"
        r"(?: (?:to|until|on|for|from) .{2,40}?)?",
        _off,
    ),
    (
        r"(?:i|we)(?:'m| am|'re| are) (?:not|no longer) (?P<x>(?:go|fly|mov|travel|com|meet|see|visit|"
        r"start)\w*ing? "
        r"[^,]{2,50}?)",
        _off,
    ),
    # likings
    (
        rf"i{_HAVE} (?:gone|went) off (?P<v>[^,]{{2,40}}?)|i(?:'m| am) over (?P<w>(?!it|him|her|the|"
        rf"you)[^,]{{2,40}}?)",
        lambda found: Statement("preference", "dislike", flavour(canonical(found["v"] or found["w"]))),
    ),
    (
        rf"i{_HAVE} (?:started |begun )?(?:to )?(?P<v>eat(?:ing)? meat)",
        _over("is"),
    ),
    # health
    (
        rf"i{_HAVE} (?:outgrown|outgrew|got over|gotten over) my (?P<v>[\w-]{{2,20}}(?: \w+)?) allergy"
        r"|my (?P<w>[\w-]{2,20}) allergy (?:is|has) (?:gone|disappeared|cured|away)",
        lambda found: Statement(
            "profile",
            "no allergy",
            canonical(found["v"] or found["w"]),
            (("allergy", canonical(found["v"] or found["w"])),),
        ),
    ),
)
"""The first one that matches counts."""

_HEAD = re.compile(r"(?:i|we|my|our|the)\b|.{2,40} (?:me\b|and i\b)", re.IGNORECASE)
_HINT = re.compile(
    r"quit|left|resign|lost|g[ai]ven? |fired|retired|laid|let me go|let go|graduat|dropped|finished|"
    r"switch|chang|"
    r"transfer|convert|went|gone|divorc|separat|split|broke|part|dumped|die|passed|ran away|put down|"
    r"dead|missing|"
    r"sold|rid of|donat|rehomed|traded|scrapped|cancel|called off|postpon|moved|resched|pushed|brought|"
    r"put off|"
    r"not |no longer|unemploy|jobless|out of|between jobs|redundant|sacked|over |eat|outgr|got over|gotten|"
    r"allergy (?:is|has)|married|engaged"
)
_HINT_ZH = re.compile(
    r"[辞离失世毕下裁跳换转调学炒退分甩掰死丢跑没送卖扔弃捐改推延取泡戒吃喝能婚证走开休肄脱友象恋不好]"
)


def may_end(plain: str) -> bool:
    """Whether a clause has a word without which no rule here matches: most have none."""
    if not plain.isascii():
        return _HINT_ZH.search(plain) is not None
    return _HEAD.match(plain) is not None and _HINT.search(plain.lower()) is not None
