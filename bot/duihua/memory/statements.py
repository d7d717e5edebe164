"""What a clause says about whoever says it, by rules of general Chinese and English.

A rule is bound to the clause's beginning, where the subject stands: "he said I am called X" and "if I lived in
X" never match. What follows is checked for being a value: no pronoun, no question, nothing that passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from duihua.memories import FactKind
from duihua.memory.clauses import HIDDEN

SINGLE = frozenset({"name", "nickname", "home", "origin", "birthday", "age", "job"})
"""Subjects of which one has one; those that begin with `my:` or `reply:` as well."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a clause says: `value` is the object in canonical form, to compare it by."""

    kind: FactKind
    subject: str
    value: str


_ADVERBS = (
    r"(?:现在|目前|今年|今天|明天|昨天|前天|去年|前年|上个?(?:月|周|星期|学期)|\d+年前|其实|真的?|就|已经|刚|才|一直|从小|从来|也|都|还|最近|平时|平常|特别|非常|很|比较|最|"
    r"挺|超级?|有点儿?|更|蛮|十分|一向|向来|总|经常|常|通常|快要?|马上|终于|本来|原来|又|可|呢|啊|呀|,)*"
)
_ME = rf"(?:我(?!们)|本人|俺|咱){_ADVERBS}"
_BE = r"(?:'m| am| is|'s)"
_OFTEN = (
    r"(?:(?:really|absolutely|also|actually|just|still|always|usually|often|mostly|currently|now|very|much|"
    r"especially|particularly|definitely|personally|truly|do|kind of|totally|both|recently|generally)\s+)*"
)
_KIN_ZH = (
    r"(?:双胞胎|大|小|老|二|三)?(?:女儿|儿子|老婆|妻子|太太|老公|丈夫|先生|爱人|媳妇|男朋友|女朋友|男友|女友|对象|未婚[妻夫]|爸爸?|妈妈?|"
    r"父亲|母亲|爷爷|奶奶|外公|外婆|姥姥|姥爷|哥哥?|弟弟?|姐姐?|妹妹?|孩子|宝宝|孙子|孙女|侄子|侄女|外甥女?|叔叔|舅舅|阿姨|姑姑|"
    r"表[哥姐弟妹]|堂[哥姐弟妹]|室友|同事|老板|领导|朋友|闺蜜|同桌|老师|导师|房东|邻居|猫咪?|狗狗?|小[猫狗]|兔子|仓鼠|乌龟|鹦鹉|金鱼|宠物|鸟)"
)
_KIN_EN = (
    r"(?:(?:older|younger|elder|little|big|twin|best|eldest|oldest|youngest|other|first|second|late|new|old|pet|"
    r"ex)[- ])*(?:daughter|son|wife|husband|partner|spouse|girlfriend|boyfriend|fianc[eé]e?|mother|mom|mum|father|"
    r"dad|parents?|brother|sister|grandmother|grandma|grandfather|grandpa|uncle|aunt|cousin|nephew|niece|kids?|"
    r"child|children|baby|twins?|granddaughter|grandson|friend|roommate|flatmate|boss|manager|colleague|coworker|"
    r"teacher|neighbou?r|landlord|cat|dog|puppy|kitten|rabbit|bunny|hamster|parrot|tortoise|turtle|horse|fish|bird|"
    r"pet|goldfish|guinea pig)s?"
)
_NOT_A_VALUE = re.compile(
    r"(?:你|您|他|她|它|这|那|此|啥|某|刚才|上面|前面|哪)|(?:it|this|that|these|those|you|your|him|her|them|he|she|they|"
    r"the way|how|what|when|where|which|who|not|to know|to ask|to see you)\b",
    re.I,
)
_NOT_A_NAME = re.compile(
    r"[了不过着得起醒去来做干回吃喝个声一车]|外卖|滴滴|出租|救护|代驾|快递|服务员|妈妈|爸爸|什么|大家|我|"
    r"(?:later|back|when|if|tomorrow|again|soon|today|now|at|on|by|an?|the|in|not|to|crazy|stupid|maybe|anytime|asap|up|"
    r"out|over)\b",
    re.I,
)
_PASSING = re.compile(
    r"(?:not|so|too|very|really|still|always|broken|dead|slow|late|down|gone|over|here|there|fine|ok|okay|back|"
    r"full|empty|stuck|lost|ready|sore|wrong|due|killing|just|being|about to|going|getting|getting|due|tired|"
    r"hungry|busy|sick|bored|sorry|sure|confused|curious|afraid|happy|sad|done|glad|good|great|bad|alone|unable|"
    r"able|trying|looking|\w+ing)\b",
    re.I,
)
_VAGUE_ZH = (
    r"意思|问题|想法|看法|理解|观点|疑问|回答|话|猜测|感觉|错|天|情况|意见|建议|要求|请求|结论|答案|代码|思路|前提|重点|印象|"
    r"假设|需求|疑惑|困惑|目的|心情|直觉|选择|做法"
)
_VAGUE_EN = (
    r"question|point|guess|bad|apolog\w+|code|understanding|problem|issue|concern|thinking|opinion|idea|request|"
    r"mistake|suggestion|fault|answer|assumption|thought|thoughts|goodness|god|back|head|only|first|last|next|"
    r"computer|internet|script|program|query|take|impression|feeling|intention|hope|turn|pleasure|bet|mind|"
    r"theory|conclusion|experience|main|biggest|current|example|function|file|output|error"
)
_NAME = r"(?P<v>[^\W\d_]{1,4}·?[^\W\d_]{0,8}|[A-Za-z][\w.'-]{0,24}(?: [A-Z][\w.'-]{0,24}){0,3})"
_TAIL = r"(?:就好|就行|就可以|即可|吧|啊|呀|哦|哈|呢|了|就是了|please|for short|from now on)?[\s.~!。;]*$"
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱郭何罗宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范"
    "姚谭廖邹熊金陆郝孔崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易武乔贺赖龚庞樊殷施陶洪翟倪严牛温芦俞章鲁葛韦毕聂焦"
)
_DATE = (
    r"(?:\d{1,4}\s*年)?(?:农历|阴历|阳历|公历)?\s*(?:\d{1,2}|[一二三四五六七八九十]{1,3}|正|腊)\s*月|\d{1,4}[-/.]\d{1,2}|\d{4}|"
    r"\d{1,2}(?:st|nd|rd|th)?\b|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|[春中元]节|除夕|元旦|中秋|"
    r"christmas|halloween|new year|今天|明天|后天|today|tomorrow"
)
_PROFESSION_ZH = r"(?:师|员|生|医|工|家|者|警察|护士|教授|经理|主管|总监|老板|司机|厨子|会计|农民|军人|秘书|翻译|导演|模特|保安|主播|博主|公务员|企业主|码农)"
_PROFESSION_EN = (
    r"(?:\w{2,}(?:ist|ian|wright|smith|man|woman)|\w+(?:eer|ctor|tor|ker|cher|ter|ger|ner|der|ver|mer|per|yer|iter|"
    r"cer|rer|ler|aker|sher|ser)|nurse|chef|student|intern|clerk|accountant|consultant|assistant|pilot|cook|judge|"
    r"soldier|ceo|cto|freelance|undergrad|postdoc|phd student|surgeon|architect|scientist|vet|au pair|attendant|agent)"
)


def _taste(value: str) -> str:
    """What is liked, without how one enjoys it: eating apples and apples are one."""
    bare = re.sub(r"^(?:吃|喝|看|听|玩|打|(?:to )?(?:eat|drink|watch|play)(?:ing)?\s+)(?=.)", "", value)
    return re.sub(r"(?:very much|a lot|so much|the most|anymore|any more|at all)$", "", bare).strip()


def canonical(text: str) -> str:
    """A text to compare by: one width and case, without punctuation, articles and particles at its end."""
    flat = unicodedata.normalize("NFKC", text).casefold()
    flat = re.sub(r"[^\w\s]|_", " ", flat)
    flat = re.sub(r"\b(?:an?|the|my)\b", " ", flat)
    flat = re.sub(r"\s+", " ", flat).strip()
    flat = re.sub(r"(?<=[\u3400-\u9fff])\s+|\s+(?=[\u3400-\u9fff])", "", flat)
    return re.sub(r"(?<=.)[了啊呀哦呢吧嘛哈的]+$", "", flat)


_LOOSE = re.compile(r"[“”「」『』\"]|(?<=[\u3400-\u9fff])\s+|\s+(?=[\u3400-\u9fff])")

Make = Callable[[re.Match[str]], Statement | None]


def _rule(kind: FactKind, subject: str, *, name: bool = False, taste: bool = False) -> Make:
    def make(found: re.Match[str]) -> Statement | None:
        value = found["v"].strip(" .!。;~")
        if not value or (_NOT_A_NAME.match(value) if name else _NOT_A_VALUE.match(value)):
            return None
        if name and _NOT_A_NAME.fullmatch(value[-1]):
            return None
        flat = _taste(canonical(value)) if taste else canonical(value)
        return Statement(kind, subject, flat) if flat else None

    return make


def _mine(found: re.Match[str]) -> Statement | None:
    """My X is Y, and what is said of one's people and animals."""
    groups = found.groupdict()
    noun, value = canonical(groups["x"]), groups["v"].strip(" .!。;~")
    if not noun or not value or _NOT_A_VALUE.match(value) or _PASSING.match(value):
        return None
    kind: FactKind = "preference" if re.match(r"最(?:喜欢|爱)|favou?rite", noun) else "profile"
    plain = {
        "名字": "name",
        "全名": "name",
        "姓名": "name",
        "name": "name",
        "full name": "name",
        "真名": "name",
    }
    plain |= {"小名": "nickname", "昵称": "nickname", "外号": "nickname", "nickname": "nickname"}
    plain |= {
        "生日": "birthday",
        "birthday": "birthday",
        "年龄": "age",
        "age": "age",
        "职业": "job",
        "工作": "job",
    }
    plain |= {"profession": "job", "job": "job", "occupation": "job", "老家": "origin", "家乡": "origin"}
    plain |= {"hometown": "origin"}
    aspect = groups.get("of") or ""
    subject = plain.get(noun) or f"my:{noun[:32]}{aspect}"
    return Statement(kind, subject, canonical(value))


def _of_kin(aspect: str) -> Make:
    def make(found: re.Match[str]) -> Statement | None:
        said = _mine(found)
        return said and Statement(
            said.kind, f"{said.subject}:{aspect}" if aspect else said.subject, said.value
        )

    return make


_MY = r"我(?:的|家的?|们家的?|们的)?(?:一只|这只|那只)?"
_LIKE_ZH = r"(?:喜欢|喜爱|热爱|酷爱|钟爱|偏爱|爱|爱好|迷上了|偏好)"
_HATE_ZH = r"(?:不喜欢|不太喜欢|讨厌|不爱|厌恶|恨(?!不)|害怕|怕(?!是)|受不了|不吃|不喝|不能吃|不能喝|吃不了|不碰|戒了|戒掉了|不想再)"
_AGAIN_ZH = r"(?:不再|再也不|已经不|现在不|以后不)(?:喜欢|爱|想|吃|喝|玩|看|听)"

_RULES: tuple[tuple[re.Pattern[str], Make], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), make)
    for pattern, make in (
        # one's name
        (rf"{_ME}(?:的?(?:中文|英文|全|真|大|本)?名(?:字|儿)?(?:就?(?:叫做?|是|为))|(?:名叫|叫做?|全名叫?|改名叫?做?|改名为|姓.名)){_NAME}{_TAIL}", _rule("profile", "name", name=True)),
        (rf"(?:你|您|大家|请|以后|可以|就|直接|都|他们|朋友们?)*(?:叫我|称呼我为?|喊我|管我叫){_NAME}{_TAIL}", _rule("profile", "nickname", name=True)),
        (rf"我是(?P<v>(?:[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}|[小老阿][{_SURNAMES}明红刚华丽强芳军]))(?<![的了生人员师白])[\s.!~。]*$", _rule("profile", "name", name=True)),
        (rf"my (?:full |real |first |given |legal |actual )?name(?: is|'s|:){_OFTEN} {_NAME}{_TAIL}", _rule("profile", "name", name=True)),
        (rf"i(?:'m| am) (?:called|named) {_NAME}{_TAIL}", _rule("profile", "name", name=True)),
        (rf"(?:i go by|(?:please |you can |just |everyone )*calls? me|(?:my )?friends call me) {_NAME}{_TAIL}", _rule("profile", "nickname", name=True)),
        # where one lives and comes from
        (rf"{_ME}(?:居?住|定居|生活)(?:在|到|于)(?P<v>(?!酒店|宾馆|旅馆|一起)\w{{2,24}}?)(?:居住|生活|定居)?{_TAIL}", _rule("profile", "home")),
        (rf"{_ME}(?:搬|搬家)(?:到|去|来|回)了?(?P<v>\w{{2,24}}?)(?:住|生活|居住|定居)?{_TAIL}", _rule("profile", "home")),
        (rf"{_ME}的?家(?:住|就?在)(?P<v>\w{{2,24}}?){_TAIL}", _rule("profile", "home")),
        (rf"{_ME}(?:的?(?:老家|家乡)(?:在|是)|来自|出生[在于]|是从)(?P<v>[^\W\d]\w{{1,20}}?)(?:来的|人)?{_TAIL}", _rule("profile", "origin")),
        (rf"{_ME}是(?P<v>[^\W\d_]{{2,6}})人{_TAIL}", _rule("profile", "origin")),
        (rf"(?:i|we)(?:'m|'re|'ve| am| are| have)? ?{_OFTEN}(?:lives?|reside|living|based|moved|relocated|settled|moving) (?:back )?(?:in|to|near|at) (?P<v>(?!fear|hope|peace|the (?:moment|past|present|future|now)|an? \w*world)[^\W\d][\w .'-]{{1,40}}?)(?: now| currently| these days| at the moment)?{_TAIL}", _rule("profile", "home")),
        (rf"i(?:'m| am| come)? {_OFTEN}(?:originally )?from (?!the (?:team|future)|now|here|there)(?P<v>[A-Za-z][\w .'-]{{1,40}}){_TAIL}", _rule("profile", "origin")),
        (rf"i was born in (?P<v>[A-Z][\w .'-]{{1,40}}){_TAIL}", _rule("profile", "origin")),
        # birthday and age
        (rf"{_ME}的?(?:生日|出生日期)(?:是|在|:|为)?(?P<v>(?:{_DATE}).{{0,20}}?){_TAIL}", _rule("profile", "birthday")),
        (rf"{_ME}是?(?:在|于)?(?P<v>(?:{_DATE}).{{0,16}}?)(?:出生|生)(?:的|人)?{_TAIL}", _rule("profile", "birthday")),
        (rf"my (?:birthday|date of birth)(?: is|'s|:| falls)?(?: on)?(?: the)? (?P<v>(?:{_DATE}).{{0,24}}?){_TAIL}", _rule("profile", "birthday")),
        (rf"i was born (?:on|in)(?: the)? (?P<v>(?:{_DATE}).{{0,24}}?){_TAIL}", _rule("profile", "birthday")),
        (rf"{_ME}(?:有|是|满)?(?P<v>\d{{1,3}}|[一二三四五六七八九十]{{1,3}})(?:周?岁|多岁){_TAIL}", _rule("profile", "age")),
        (rf"i(?:'m| am| just turned| turned| is) {_OFTEN}(?P<v>\d{{1,3}}|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty)(?:[- ]\w+)?)(?: years? old| yo| years of age)?{_TAIL}", _rule("profile", "age")),
        (rf"i(?:'m| am) {_OFTEN}(?:an? )?(?P<v>vegetarian|vegan|pescatarian|diabetic|left-handed|colou?r-?blind|lactose intolerant|gluten intolerant|celiac|asthmatic|muslim|jewish|christian|buddhist|hindu|single|married|divorced|widowed|pregnant|an only child|only child|introvert|extrovert|night owl|morning person){_TAIL}", _rule("profile", "is")),
        # work and study
        (rf"{_ME}(?:是|当|做)了?(?:一|1)?(?:名|个|位)?(?P<v>(?!说|想|不|在|要|来|第|去|问|怎)[\w ]{{0,14}}{_PROFESSION_ZH})(?<!先生)(?<!陌生)(?<!大家){_TAIL}", _rule("profile", "job")),
        (rf"{_ME}在(?P<v>(?!家里?|努力|认真|拼命|加班|这|那|想)[\w &]{{2,24}}?(?:工作|上班|任职|就职|实习|读书|上学|念书|读研|读博|教书|当\w{{2,6}})){_TAIL}", _rule("profile", "job")),
        (rf"{_ME}(?:是)?(?:做|从事|干)(?P<v>\w{{2,14}}?(?:工作|行业|这一?行|职业|研究))的?{_TAIL}", _rule("profile", "job")),
        (rf"i(?:'m| am| is| work as| worked? as) {_OFTEN}(?:working as )?(?:an? )?(?P<v>(?!not\b|bit\b|little\b|lot\b|fan\b|lover\b|beginner|reader|member|believer|never\b|after\b|over\b|under\b|either\b|rather\b|better\b|together\b|number\b|wonder)(?:[\w-]+ ){{0,3}}{_PROFESSION_EN})(?: (?:at|in|for|from|with|of) [\w .&'-]{{2,40}})?{_TAIL}", _rule("profile", "job")),
        (rf"i(?:'m| am)? ?{_OFTEN}(?:work(?:ing)?|interning|employed) (?:as|for|at|in|with) (?!night|home|the (?:morning|evening|moment|same)|it\b|this|that|my (?:project|thesis|code)|an? (?:project|problem))(?P<v>[\w .&'-]{{2,48}}){_TAIL}", _rule("profile", "job")),
        (rf"i(?:'m| am)? {_OFTEN}(?:study|studying|majoring in|major in) (?!for|hard|it|this|that|tonight|today)(?P<v>[\w .&'-]{{2,40}}){_TAIL}", _rule("profile", "my:study")),
        # health
        (rf"{_ME}对(?P<v>[\w、 ]{{1,24}}?)(?:已经|都)?不(?:再)?过敏{_TAIL}", _rule("profile", "no allergy")),
        (rf"{_ME}(?:严重|轻微|会)?对(?P<v>[\w、 ]{{1,24}}?)(?:严重|会|重度|有|轻微|都)?过敏{_TAIL}", _rule("profile", "allergy")),
        (rf"{_ME}(?P<v>(?!没|不|好像|可能|是不)[^\W\d]{{2,8}}?)(?:严重)?过敏{_TAIL}", _rule("profile", "allergy")),
        (rf"i(?:'m| am| is)? {_OFTEN}(?:severely |deathly |highly |badly |mildly )?allergic to (?P<v>[\w ,'-]{{2,60}}){_TAIL}", _rule("profile", "allergy")),
        (rf"i(?:'ve| have| got|'ve got| have got| suffer from)+ (?:an? )?(?:severe |bad |serious |mild )?(?P<v>[\w-]{{3,20}}(?: \w+)?) allerg(?:y|ies){_TAIL}", _rule("profile", "allergy")),
        (rf"i(?:'m| am) (?:not|no longer) allergic to (?P<v>[\w ,'-]{{2,60}}?)(?: any ?more)?{_TAIL}", _rule("profile", "no allergy")),
        (rf"{_ME}(?:是|有|得了|患有)(?P<v>\w{{0,6}}(?:糖尿病|高血压|哮喘|近视|色盲|乳糖不耐受?|鼻炎|失眠症?|素食者|素食主义者|左撇子|独生子女?|单身|单亲|[ABO]{{1,2}}型血|\w\w座)){_TAIL}", _rule("profile", "is")),
        (rf"{_ME}(?P<v>吃素|已婚|未婚|单身|离异|属[鼠牛虎兔龙蛇马羊猴鸡狗猪]|不吃[肉辣]|信\w{{1,2}}教){_TAIL}", _rule("profile", "is")),
        # likings
        (rf"{_ME}(?:{_AGAIN_ZH})(?P<v>[^,]{{1,40}}?){_TAIL}", _rule("preference", "dislike", taste=True)),
        (rf"{_ME}{_HATE_ZH}(?:吃|喝)?(?P<v>[^,]{{1,40}}?){_TAIL}", _rule("preference", "dislike", taste=True)),
        (rf"{_ME}(?:不再讨厌|不讨厌|不再怕){_ADVERBS}(?P<v>[^,]{{1,40}}?){_TAIL}", _rule("preference", "like", taste=True)),
        (rf"{_ME}最{_LIKE_ZH}的(?P<x>\w{{1,10}}?)(?:就?是|叫)(?P<v>[^,]{{1,40}}?){_TAIL}", lambda m: _favourite(m)),
        (rf"{_ME}{_LIKE_ZH}(?:上了?|的是)?(?P<v>(?!情|上网|人|国)[^,]{{1,40}}?){_TAIL}", _rule("preference", "like", taste=True)),
        (rf"i(?:'ve)? {_OFTEN}(?:no longer |don't (?:really )?|do not |never |can't stand |cannot stand |can't bear |stopped |quit |gave up |hate|dislike|detest|loathe|avoid)(?:(?:like|love|enjoy|liking|eat|drink|eating|drinking|watch|play|smoking)s?\b)?s? ?(?P<v>[^,]{{2,60}}?){_TAIL}", lambda m: _disliked(m)),
        (rf"i {_OFTEN}(?:like|love|enjoy|prefer|adore)s? (?P<v>[^,]{{2,60}}?){_TAIL}", _rule("preference", "like", taste=True)),
        (rf"i(?:'m| am) {_OFTEN}(?:a (?:big|huge|great) fan of|fond of|into|crazy about|keen on|passionate about|obsessed with) (?P<v>[^,]{{2,60}}?){_TAIL}", _rule("preference", "like", taste=True)),
        # one's people, animals and things
        (rf"{_MY}(?P<x>{_KIN_ZH})(?:的?名字)?(?:就?(?:叫做?|名叫|是叫|是)|的?名字(?:叫|是))(?P<v>(?!我|不|说|很|在|因为|个)\w{{1,16}}?){_TAIL}", _of_kin("")),
        (rf"{_MY}(?P<x>{_KIN_ZH}){_ADVERBS}(?:有)?(?P<v>[\d一二三四五六七八九十]{{1,3}})(?:周?岁|个月)(?:大|半)?{_TAIL}", _of_kin("age")),
        (rf"{_MY}(?P<x>{_KIN_ZH})的生日(?:是|在)?(?P<v>[^,]{{2,20}}?){_TAIL}", _of_kin("birthday")),
        (rf"{_MY}(?P<x>{_KIN_ZH}){_ADVERBS}(?:住在|搬到了?)(?P<v>\w{{2,20}}?){_TAIL}", _of_kin("home")),
        (rf"{_MY}(?P<x>{_KIN_ZH}){_ADVERBS}(?P<v>(?:在\w{{2,14}}(?:工作|上班|上学|读书|读\w{{1,4}})|上(?:小学|初中|高中|大学|幼儿园)\w{{0,5}})){_TAIL}", _of_kin("job")),
        (rf"{_MY}(?P<x>{_KIN_ZH})对(?P<v>\w{{1,16}}?)(?:严重)?过敏{_TAIL}", _of_kin("allergy")),
        (rf"{_MY}(?P<x>{_KIN_ZH}){_ADVERBS}(?P<v>(?:喜欢|爱|讨厌|不喜欢|不吃|怕)(?!我|你|这|那)[^,]{{1,20}}?){_TAIL}", _of_kin("taste")),
        (rf"(?:{_ME}|我们?家|家里){_ADVERBS}(?:有|养了?)(?P<v>(?:[\d一二两三四五六七八九十]+)(?:只|条|个|位|匹)\w{{0,4}}?{_KIN_ZH}(?:[,]?\s*(?:名字)?叫\w{{1,12}})?){_TAIL}", _rule("profile", "have")),
        (rf"my (?P<x>{_KIN_EN})(?:'s|s')? (?:name(?: is|'s)|is (?:called|named)|are (?:called|named)|called|named|goes by) (?P<v>[A-Z][\w' -]{{0,40}}?){_TAIL}", _of_kin("")),
        (rf"my (?P<x>{_KIN_EN})(?:'s|s')? (?:birthday|anniversary) (?:is|falls)(?: on)? (?P<v>[\w ,]{{2,30}}?){_TAIL}", _of_kin("birthday")),
        (rf"my (?P<x>{_KIN_EN})(?: [A-Z]\w+)? (?:is|just turned|turned) (?P<v>\d{{1,3}}|\w+teen|\w+ty(?:-\w+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?: (?:years?|months?|weeks?) old)?{_TAIL}", _of_kin("age")),
        (rf"my (?P<x>{_KIN_EN})(?: [A-Z]\w+)? (?:lives?|is living|moved) (?:in|to|near) (?P<v>[\w .'-]{{2,40}}?){_TAIL}", _of_kin("home")),
        (rf"my (?P<x>{_KIN_EN})(?: [A-Z]\w+)? (?P<v>(?:works?|studies) (?:as|at|for|in) [\w .'-]{{2,40}}?){_TAIL}", _of_kin("job")),
        (rf"my (?P<x>{_KIN_EN})(?: [A-Z]\w+)? is (?:\w+ )?allergic to (?P<v>[\w ,'-]{{2,40}}?){_TAIL}", _of_kin("allergy")),
        (rf"my (?P<x>{_KIN_EN})(?: [A-Z]\w+)? (?P<v>(?:really |absolutely )?(?:likes?|loves?|hates?|enjoys?|prefers?) (?!me|you|it|this|that)[\w '-]{{2,40}}?){_TAIL}", _of_kin("taste")),
        (rf"(?:i|we)(?:'ve| have| own| got)+ (?P<v>(?:an?|one|two|three|four|five|\d) (?:[\w-]+ ){{0,2}}{_KIN_EN}(?: (?:named|called) [A-Z][\w ]+)?){_TAIL}", _rule("profile", "have")),
        (rf"我的(?P<x>(?!(?:{_VAGUE_ZH})(?:就?是|:|叫))[\w·]{{1,12}}?)(?:号码?)?(?:就?是|:|叫做?|为)(?P<v>(?!我|说|因为|由于|不|从|在于|错的?|对的?|好的?|要|想|为了|让|帮)[^,]{{1,60}}?){_TAIL}", _mine),
        (rf"my (?P<x>(?!(?:{_VAGUE_EN})\b)(?:[\w'-]+ ){{0,3}}?(?!(?:{_VAGUE_EN})\b)[\w'-]+)(?: is|'s|:| are) (?P<v>[^,]{{1,60}}?){_TAIL}", _mine),
    )
)  # fmt: skip


def _favourite(found: re.Match[str]) -> Statement | None:
    said = _mine(found)
    return said and Statement("preference", f"my:最喜欢的{said.subject.removeprefix('my:')}", said.value)


def _disliked(found: re.Match[str]) -> Statement | None:
    if re.match(
        r"i\b.{0,20}?\b(?:never|don't|do not)\b(?: really)?(?! (?:really )?(?:like|love|enjoy|eat|drink|play|watch))",
        found[0],
        re.I,
    ):
        return None
    return _rule("preference", "dislike", taste=True)(found)


@lru_cache(maxsize=4_096)
def stated(plain: str) -> Statement | None:
    """What a clause (`Clause.plain`) says of whoever says it, None if nothing that lasts."""
    if len(plain) > 200 or HIDDEN in plain:
        return None
    plain = _LOOSE.sub("", plain)
    for pattern, make in _RULES:
        if (found := pattern.match(plain)) and (said := make(found)):
            return said
    return None
