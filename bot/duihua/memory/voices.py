"""Whose words follow: the author's own, or those of a person or a text of theirs, or of a pasted letter.

It reads text whose punctuation is folded to ASCII.
"""

from __future__ import annotations

import re

from duihua.memory.chinese import KIN as _KIN_ZH
from duihua.memory.chinese import SURNAMES
from duihua.memory.english import KIN as _KIN_EN

_HEADING = re.compile(
    r"(?:(?:我|再|来|先|想|要|顺便|做个|一个|小小?|,|\s)*(?:补充|更正|纠正|备注|(?:自我|个人)?(?:介绍|简介))"
    r"(?:一?[下点句]|说明)?|(?:一些|有些)?关于我(?:自己|本人)?(?:的(?:事|情况|一切))?"
    r"|(?:(?:a (?:little|bit)|some(?:thing)?|more|facts|all|and|ok|okay|here's|so)\s+)*about (?:me|myself)"
    r"|(?:(?:small|quick|little|minor|an?|one|another|life|status)\s+)*(?:updates?|corrections?)"
    r"(?:\s+(?:on|about) (?:me|myself))?)\s*",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"^(?:请|麻烦|帮我|你要|一定要?|千万|,|\s)*(?:记住|记得|记下|记好|牢记|别忘了|不要忘了)(?!的|你|"
    r"我)|^(?:请)?注意$|^另外$|^对了$|^以后|^今后|^从现在|我的[^,:]{1,8}$|"
    r"^(?:please )?(?:remember|note|keep in mind|don't forget)\b|"
    r"^fyi|^btw|by the way|^p\.?s\.?$|^from now on|^always|^my [\w ]{1,24}$",
    re.IGNORECASE,
)
_PEOPLE_ZH = (
    rf"(?:{_KIN_ZH}|教授|医生|大夫|律师|教练|客户|顾客|病人|学生|同学|队友|网友|伙伴|搭档|助理|秘书|经理|主管|上司|"
    r"师傅|师父|前[任夫妻]|家人|亲戚|父母|爸妈|公公|婆婆|岳[父母]|丈[人母]|嫂子|姐夫|姑|姨|伯|婶|舅|兄弟|姐妹|哥们|"
    r"偶像|女神|男神|机器人)"
)
_PEOPLE_EN = (
    rf"(?:{_KIN_EN}|(?:professor|doctor|therapist|lawyer|coach|trainer|client|customer|patient|student|tutor|mentor|"
    r"supervisor|assistant|mate|buddy|pal|bestie|classmate|teammate|housemate|room-mate|co-worker|lead|director|ceo|"
    r"recruiter|tenant|guest|host|family|folks|ex|crush|date|guy|girl|man|mama|mommy|mummy|daddy|papa|granny|nana|"
    r"gran|stepmom|stepdad|stepmother|stepfather|\w+-in-law|in-laws|godmother|godfather|bot|chatbot|opponent)s?)"
)
_TEXTS_ZH = (
    r"(?:歌词|歌|小说|作文|邮件|电邮|(?<!微)信|信件|来信|回信|情书|简历|求职信|台词|剧本|诗歌?|故事|文章|论文|日记|翻译|译文|作业|"
    r"文案|稿子?|草稿|演讲稿?|讲稿|课文|段子|短信|消息|留言|评论|回复|角色|人物|人设|主角|原文|文本|例句|造句|提示词|对话|周记|散文)"
)
_TEXTS_EN = (
    r"(?:lyrics?|song|poem|poetry|verse|haiku|story|novel|fiction|fanfic|letter|e-?mail|essay|translation|homework|"
    r"assignment|character|protagonist|hero|heroine|persona|script|screenplay|dialogue?|monologue|speech|draft|text|"
    r"message|reply|response|answer|comment|review|article|paper|thesis|blog|post|tweet|caption|resume|résumé|cv|"
    r"cover letter|chapter|paragraph|sentence|quote|transcript|prompt|example|joke|diary|journal|toast|vows?|"
    r"report|summary|abstract|dream)s?"
)
_THEIRS = re.compile(
    rf"我的(?!最)[^的]{{0,4}}(?:{_PEOPLE_ZH}[^的]{{0,4}}(?<!生日|名字|姓名|电话|号码|地址|年龄|职业)"
    rf"|{_TEXTS_ZH}(?:内容|如下|全文|初稿|开头|结尾)?)$"
    rf"|^my (?!fav).*\b(?:{_PEOPLE_EN}(?: (?-i:[A-Z])\w*)?"
    rf"|{_TEXTS_EN}(?: (?:to|for|from|of|so|about|in|idea)\b.*)?)$",
    re.IGNORECASE,
)
_CALLED = re.compile(  # a person's name and no words of theirs, an address and no letter
    rf"\s*(?:(?:[{SURNAMES}]|小|老|阿)[^\W\da-zA-Z_我你是很好]{{1,2}}|(?P<twice>[^\W\da-zA-Z_好对是嗯哈])(?P=twice)"
    r"|(?!(?:I|Hi|Hey|Hello|Yes|No|Yeah|Ok|Okay|Oh|Well|Sure|Thanks|Please|My|Good|Great|Always|Never|Call|Sorry)\b)"
    r"[A-Z][\w'-]+(?:(?:,| and|) [A-Z][\w'-]+){0,3}|[\w.+-]+@[\w.-]+)[\s.!。;]*"
)

_SALUTED = re.compile(
    r"^[ \t]*(?:(?P<formal>"
    r"(?:dear(?! (?:assistant|bot|ai|chatgpt|claude)\b)|to whom it may concern)\b[^\n:]{0,40}[,:!]?"
    r"|(?:尊敬的|敬爱的|亲爱的)[^,:。!\n]{1,20}[,:!]?)"
    r"|(?:hi|hello|hey|good (?:morning|afternoon|evening)) (?!there|again)"
    r"[^\n,:!.?]{1,30}[,:!-]{1,2})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_SIGNED = re.compile(
    r"^[ \t]*(?:(?:all the |with )?(?:very )?(?:best |kind(?:est)? |warm(?:est)? )?(?:regards|wishes)|best"
    r"|(?:yours )?(?:sincerely|truly|faithfully)(?: yours)?|with love|love|xoxo"
    r"|此致|敬礼|敬上|谨上|祝好|顺颂\w{2})"
    r"(?:,[ \t]*(?-i:[A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,2})?|[.!])?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)


def is_heading(label: str) -> bool:
    """Whether a label only announces what its author says next: `Update`, `About me`, `补充`."""
    return _HEADING.fullmatch(label) is not None


def is_own(label: str, said: str) -> bool:
    """Whether a label like `my phone` or `remember` stands before words of its author's own.

    Not so `my mom` and `my lyrics`, unless what is `said` after it is only how they are called.
    """
    return bool(_OWN.search(label)) and not (_THEIRS.search(label) and not _CALLED.fullmatch(said))


def letter(text: str) -> int:
    """Where a pasted letter begins, or ends with its sender's name: what follows is not its author's own.

    Whoever begins with "Hi Duihua," greets whom they talk to, unless they sign as one signs a letter.
    """
    signed = _SIGNED.search(text)
    for found in _SALUTED.finditer(text):
        if found["formal"] or text[: found.start()].strip() or _SIGNED.search(text, found.end()):
            return found.start()
    return signed.start() if signed else len(text)
