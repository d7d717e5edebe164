"""Rules for what people say of themselves in Chinese."""

from __future__ import annotations

import re

from duihua.memory.statements import DATE, NAME, Rule, Statement, mine, of_kin, rule

_ADVERBS = (
    r"(?:现在|目前|今年|今天|明天|昨天|前天|去年|前年|上个?(?:月|周|星期|学期)|\d+年前|其实|真的?|就|"
    r"已经|刚|才|一直|从小|从来|"
    r"也|都|还|最近|平时|平常|特别|非常|很|比较|最|挺|超级?|有点儿?|更|蛮|十分|一向|向来|总|经常|常|"
    r"通常|快要?|马上|终于|"
    r"本来|原来|又|可|呢|啊|呀|,)*"
)
ME = rf"{_ADVERBS}(?:我(?!们)|本人|俺|咱){_ADVERBS}"
MY = rf"{_ADVERBS}我(?:的|家的?|们家的?|们的)?(?:[一这那][只条位个]\w?)?"
KIN = (
    r"(?:双胞胎|大|小|老|二|三)?(?:女儿|儿子|老婆|妻子|太太|老公|丈夫|先生|爱人|媳妇|男朋友|女朋友|"
    r"男友|女友|对象|未婚[妻夫]|"
    r"爸爸?|妈妈?|父亲|母亲|爷爷|奶奶|外公|外婆|姥姥|姥爷|哥哥?|弟弟?|姐姐?|妹妹?|孩子|宝宝|孙子|孙女|"
    r"侄子|侄女|外甥女?|"
    r"叔叔|舅舅|阿姨|姑姑|表[哥姐弟妹]|堂[哥姐弟妹]|室友|同事|老板|领导|朋友|闺蜜|同桌|老师|导师|房东|"
    r"邻居|猫咪?|狗狗?|"
    r"小[猫狗]|兔子|仓鼠|乌龟|鹦鹉|金鱼|宠物|鸟)"
)
_VAGUE = (
    r"意思|问题|想法|看法|理解|观点|疑问|回答|话|猜测|感觉|错|天|情况|意见|建议|要求|请求|结论|答案|"
    r"代码|思路|前提|重点|印象|"
    r"假设|需求|疑惑|困惑|目的|心情|直觉|选择|做法"
)
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱郭何罗宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪"
    "田任姜范姚谭廖邹熊金陆郝孔崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易武乔贺赖龚庞樊殷施陶洪翟倪严牛温芦俞章鲁葛"
    "韦毕聂焦"
)
_PROFESSION = (
    r"(?:师|员|生|医|工|家|者|警察|护士|教授|经理|主管|总监|老板|司机|厨子|会计|农民|军人|秘书|翻译|"
    r"导演|模特|保安|主播|"
    r"博主|企业主|码农)"
)
_LIKE = r"(?:喜欢|喜爱|热爱|酷爱|钟爱|偏爱|爱|爱好|迷上了|偏好)"
_HATE = (
    r"(?:不喜欢|不太喜欢|讨厌|不爱|厌恶|恨(?!不)|害怕|怕(?!是|等|会|又|你|自己|再|来不)|受不了|不吃|"
    r"不喝|不能吃|不能喝|吃不了|"
    r"不碰|戒了|戒掉了|"
    r"不想再)"
)
_AGAIN = r"(?:不再|再也不|已经不|现在不|以后不)(?:喜欢|爱|想|吃|喝|玩|看|听)"


def _favourite(found: re.Match[str]) -> Statement | None:
    said = mine(found)
    return said and Statement("preference", f"my:最喜欢的{said.subject.removeprefix('my:')}", said.value)


def _most(found: re.Match[str]) -> Statement | None:
    """What one likes best: of its sort (the last character: of colours 色) that is one at a time."""
    said = rule("preference", "like", taste=True)(found)
    if said is None or not 2 <= len(found["v"]) <= 4 or said.value.isascii():
        return said
    return Statement("preference", f"best:{said.value[-1]}", said.value)


RULES: tuple[Rule, ...] = (
    # one's name
    (
        rf"{ME}(?:的?(?:中文|英文|全|真|大|本)?名(?:字|儿)?(?:就?(?:叫做?|是|为))|(?:名叫|叫做?|全名叫?|"
        rf"改名叫做?|改名为|姓.名)){NAME}",
        rule("profile", "name", name=True),
    ),
    (
        rf"(?:你|您|大家|请|以后|可以|就|直接|都|他们|朋友们?)*(?:叫我|称呼我为?|喊我|管我叫){NAME}",
        rule("profile", "nickname", name=True),
    ),
    (
        rf"我是(?P<v>(?:[{SURNAMES}][\u4e00-\u9fff]{{1,2}}|[小老阿][{SURNAMES}明红刚华丽强芳军]))"
        r"(?<![的了生人员师白])[\s.!~。]*$",
        rule("profile", "name", name=True),
    ),
    # where one lives and comes from
    (
        rf"{ME}(?:居?住|定居|生活)(?:在|到|于)(?P<v>(?!酒店|宾馆|旅馆|一起)\w{{2,24}}?)(?:居住|生活|定居)?",
        rule("profile", "home"),
    ),
    (
        rf"{ME}(?:住|定居|居住)(?P<v>(?![在到于得过了不进院校宿酒宾旅民一两几半没下]|\d)\w{{2,12}}?)",
        rule("profile", "home"),
    ),
    (
        rf"{ME}在(?P<v>\w{{2,16}}?)(?:生活|居住|定居|住)",
        rule("profile", "home"),
    ),
    (
        rf"(?:{ME}|我们?家?){_ADVERBS}(?:搬|搬家)(?:到|去|来|回)了?"
        r"(?P<v>(?!\w*(?:办公|座位|工位|隔壁|宿舍|房间))\w{2,24}?)(?:住|生活|居住|定居)?",
        rule("profile", "home"),
    ),
    (
        rf"{ME}的?家(?:住|就?在)(?P<v>\w{{2,24}}?)",
        rule("profile", "home"),
    ),
    (
        rf"{ME}(?:的?(?:老家|家乡)(?:在|是)|来自|出生[在于]|是从)(?P<v>[^\W\d]\w{{1,20}}?)(?:来的|人)?",
        rule("profile", "origin"),
    ),
    (
        rf"{ME}(?:是)?在(?P<v>[^\W\d]\w{{1,12}}?)(?:长大|出生)的?",
        rule("profile", "origin"),
    ),
    (
        rf"{ME}是(?P<v>[^\W\d_]{{2,6}})人",
        rule("profile", "origin"),
    ),
    # birthday and age
    (
        rf"{ME}的?(?:生日|出生日期)(?:是|在|:|为)?(?P<v>(?:{DATE}).{{0,20}}?)",
        rule("profile", "birthday"),
    ),
    (
        rf"{ME}是?(?:在|于)?(?P<v>(?:{DATE}).{{0,16}}?)(?:出生|生)(?:的|人)?",
        rule("profile", "birthday"),
    ),
    (
        rf"{ME}(?:有|是|满)?(?P<v>\d{{1,3}}|[一二三四五六七八九十]{{1,3}})(?:周?岁|多岁)",
        rule("profile", "age"),
    ),
    # work and study
    (
        rf"{ME}(?:是|当|做)了?(?:一|1)?(?:名|个|位)?(?P<v>(?!说|想|不|在|要|来|第|去|问|怎)"
        rf"[\w ]{{0,14}}{_PROFESSION})"
        r"(?<!先生)(?<!陌生)(?<!大家)",
        rule("profile", "job"),
    ),
    (
        rf"{ME}在(?P<v>(?!家里?|努力|认真|拼命|加班|这|那|想)[\w &]{{2,24}}?)"
        r"(?:工作|上班|任职|就职|实习|教书|当\w{2,6})",
        rule("profile", "workplace"),
    ),
    (
        rf"{ME}在(?P<v>(?!家里?|努力|认真|这|那|想)[\w &]{{2,24}}?)(?:读书|上学|念书|读研|读博)",
        rule("profile", "study"),
    ),
    (
        rf"{ME}(?:是)?(?:做|从事|干)(?P<v>\w{{2,14}}?(?:工作|行业|这一?行|职业|研究))的?",
        rule("profile", "job"),
    ),
    (
        rf"{ME}在学(?:习)?(?P<v>(?!校|生)[\w ]{{2,16}}?)(?<!时)(?<!时候)",
        rule("profile", "learning"),
    ),
    # health
    (
        rf"{ME}对(?P<v>[\w、 ]{{1,24}}?)(?:已经|都)?不(?:再)?过敏",
        rule("profile", "no allergy"),
    ),
    (
        rf"{ME}(?:严重|轻微|会)?对(?P<v>[\w、 ]{{1,24}}?)(?:严重|会|重度|有|轻微|都)?过敏",
        rule("profile", "allergy"),
    ),
    (
        rf"{ME}(?P<v>(?!没|不|好像|可能|是不)[^\W\d]{{2,8}}?)(?:严重)?过敏",
        rule("profile", "allergy"),
    ),
    (
        rf"{ME}(?:是|有|得了|患有)(?P<v>\w{{0,6}}(?:糖尿病|高血压|哮喘|近视|色盲|乳糖不耐受?|鼻炎|失眠症?|"
        rf"素食者|素食主义者|左撇子|独生子女?|单身|单亲|[ABO]{{1,2}}型血|\w\w座))",
        rule("profile", "is"),
    ),
    (
        rf"{ME}(?P<v>吃素|已婚|未婚|单身|离异|属[鼠牛虎兔龙蛇马羊猴鸡狗猪]|不吃[肉辣]|信\w{{1,2}}教)",
        rule("profile", "is"),
    ),
    # likings
    (
        rf"{ME}(?:{_AGAIN})(?P<v>[^,]{{1,40}}?)",
        rule("preference", "dislike", taste=True),
    ),
    (
        rf"(?!.{{0,6}}(?:今[天晚早]|[明昨]天|昨晚|早上|晚上|中午)){ME}{_HATE}(?:吃|喝)?(?P<v>[^,]{{1,40}}?)",
        rule("preference", "dislike", taste=True),
    ),
    (
        rf"{ME}(?:不再讨厌|不讨厌|不再怕|不再?害怕|不怕){_ADVERBS}(?P<v>[^,]{{1,40}}?)",
        rule("preference", "like", taste=True),
    ),
    (
        rf"{ME}最{_LIKE}的(?P<x>\w{{1,10}}?)(?:就?是|叫)(?P<v>[^,]{{1,40}}?)",
        _favourite,
    ),
    (
        rf"{ME}(?<=最){_LIKE}(?P<v>(?!情|上网|人|国|的)[^,]{{1,40}}?)",
        _most,
    ),
    (
        rf"{ME}{_LIKE}(?:上了?|的是)?(?P<v>(?!情|上网|人|国)[^,]{{1,40}}?)",
        rule("preference", "like", taste=True),
    ),
    # one's people, animals and things
    (  # beside whoever they are
        rf"{MY}(?P<x>{KIN})就?是(?P<v>(?:个|名|位|一[个名位])?(?![{SURNAMES}]\w{{1,2}}$)\w{{0,10}}{_PROFESSION})",
        of_kin("what"),
    ),
    (
        rf"{MY}(?P<x>{KIN})(?:的?名字)?(?:就?(?:叫做?|名叫|是叫|是)|的?名字(?:叫|是))(?P<v>(?!我|不|说|"
        rf"很|在|因为|个)\w{{1,16}}?)",
        of_kin(""),
    ),
    (
        rf"{MY}(?P<x>{KIN})(?P<v>姓\w{{1,3}})",
        of_kin(""),
    ),
    (
        rf"{MY}(?P<x>{KIN})今年(?P<v>[\d一二三四五六七八九十]{{1,3}})了",
        of_kin("age"),
    ),
    (
        rf"{MY}(?P<x>{KIN}){_ADVERBS}(?:有)?(?P<v>[\d一二三四五六七八九十]{{1,3}})(?:周?岁|个月)(?:大|"
        r"半)?",
        of_kin("age"),
    ),
    (
        rf"{MY}(?P<x>{KIN})的生日(?:是|在)?(?P<v>[^,]{{2,20}}?)",
        of_kin("birthday"),
    ),
    (
        rf"{MY}(?P<x>{KIN}){_ADVERBS}(?:住在|搬到了?)(?P<v>\w{{2,20}}?)",
        of_kin("home"),
    ),
    (
        rf"{MY}(?P<x>{KIN}){_ADVERBS}(?P<v>(?:在\w{{2,14}}(?:工作|上班|上学|读书|读\w{{1,4}})|"
        rf"上(?:小学|初中|高中|大学|幼儿园)\w{{0,5}}))",
        of_kin("job"),
    ),
    (
        rf"{MY}(?P<x>{KIN})对(?P<v>\w{{1,16}}?)(?:严重)?过敏",
        of_kin("allergy"),
    ),
    (
        rf"{MY}(?P<x>{KIN}){_ADVERBS}(?P<v>(?:喜欢|爱|讨厌|不喜欢|不吃|怕)(?!我|你|这|那)"
        rf"[^,]{{1,20}}?)",
        of_kin("taste"),
    ),
    (
        rf"(?:{ME}|我们?家|家里){_ADVERBS}(?:有|养了?)(?P<v>(?:[\d一二两三四五六七八九十]+)(?:只|条|个|位|"
        rf"匹)\w{{0,4}}?{KIN}(?:[,]?\s*(?:名字)?叫\w{{1,12}})?)",
        rule("profile", "have"),
    ),
    (
        rf"我的(?P<x>(?!(?:{_VAGUE})(?:就?是|:|"
        rf"叫))(?:(?![很但把不被让也都太])[\w·]){{1,12}}?)(?:号码?)?(?:就?是|:|叫做?|为)"
        rf"(?P<v>(?!我|说|因为|由于|不|从|在于|错的?|对的?|好的?|要|想|为了|让|帮)[^,]{{1,60}}?)",
        mine,
    ),
    (
        r"我们的?(?P<x>\w{0,4}纪念日)(?:就?是|在|:|为)(?P<v>[^,]{2,20}?)",
        mine,
    ),
    (
        r"(?:\w{0,8}的)?(?P<x>(?!错误|端口|状态|版本)\w{0,6}?(?:密码|口令|卡号|账号|确认码|取件码|门牌|"
        r"车牌|邮箱|手机号?|电话)号?)"
        r"(?:就?是|改成了?|换成了?|为|:)(?P<v>(?=[^,]*[A-Za-z0-9])[^,]{3,40}?)",
        mine,
    ),
)
"""The first one that matches counts."""
