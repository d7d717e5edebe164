from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memories import Fact, FactChange, Finding
from duihua.memory.facts import LONGEST, MOST, found_in, from_model, joined, reconcile
from duihua.messages import Call, Options, Quote, Step, Text, Turn, TurnRef

AT = 1_715_000_000_000  # 6 May 2024, a Monday
DAY = 86_400_000


def turn(text: str, seq: int = 1, **fields: Any) -> Turn:
    return Turn(TurnRef(1, seq), input=(Text(text),), **{"at": AT + seq, **fields})


def subjects(text: str) -> list[str]:
    return [f"{f.kind[:3]} {f.subject}".strip() for f in found_in(turn(text))]


TRUE = {
    # names
    "我叫小明": ["pro name"],
    "你好，我叫李明，很高兴认识你": ["pro name"],
    "我的名字是王小红。": ["pro name"],
    "我名字叫陈晨": ["pro name"],
    "大家好，我是张伟": ["pro name"],
    "叫我老王就好": ["pro nickname"],
    "你可以叫我Amy": ["pro nickname"],
    "我叫 Lucy，你呢？": ["pro name"],
    "我叫「小雨」": ["pro name"],
    "我女兒叫小芳": ["pro my:女儿"],
    "My name is Alice.": ["pro name"],
    "Hi, my name's Bob Smith!": ["pro name"],
    "Please call me Liz": ["pro nickname"],
    "I'm called Mohammed": ["pro name"],
    "I go by Max": ["pro nickname"],
    # homes
    "我住在杭州市西湖区": ["pro home"],
    "我现在住在北京，今天天气怎么样？": ["pro home"],
    "我上个月刚搬到深圳": ["pro home"],
    "我家在成都": ["pro home"],
    "我来自哈尔滨": ["pro origin"],
    "我老家在湖南": ["pro origin"],
    "我是四川人": ["pro origin"],
    "I live in Berlin": ["pro home"],
    "I just moved to New York City": ["pro home"],
    "I'm originally from Porto.": ["pro origin"],
    "we live near Lyon": ["pro home"],
    # birthdays and ages
    "我的生日是5月2号": ["pro birthday"],
    "我生日是1990年3月14日": ["pro birthday"],
    "我是1988年出生的": ["pro birthday"],
    "我今年三十岁了": ["pro age"],
    "我35岁": ["pro age"],
    "My birthday is on March 3rd": ["pro birthday"],
    "I was born in 1975.": ["pro birthday"],
    "I'm 42 years old": ["pro age"],
    "I just turned thirty": ["pro age"],
    # work
    "我是一名护士": ["pro job"],
    "我在一家医院工作": ["pro job"],
    "我是做软件测试工作的，你好": ["pro job"],
    "我在北京大学读书": ["pro job"],
    "I'm a software engineer": ["pro job"],
    "I work as a nurse in a hospital": ["pro job"],
    "I work at Siemens": ["pro job"],
    # family and pets
    "我女儿叫朵朵": ["pro my:女儿"],
    "我女儿叫朵朵，今年五岁，喜欢画画": ["pro my:女儿"],
    "我老婆是老师": ["pro my:老婆"],
    "我儿子今年上小学三年级": ["pro my:儿子:job"],
    "我家猫叫咪咪": ["pro my:猫"],
    "我养了两只猫": ["pro have"],
    "我妈妈的生日是10月1日": ["pro my:妈妈:birthday"],
    "my dog is called Rex": ["pro my:dog"],
    "My wife's name is Anna": ["pro my:wife"],
    "my son is 6 years old": ["pro my:son:age"],
    "My sister lives in Madrid": ["pro my:sister:home"],
    "I have two kids": ["pro have"],
    "I have a dog named Bella": ["pro have"],
    # likings and allergies
    "我喜欢喝咖啡": ["pre like"],
    "我特别喜欢爬山": ["pre like"],
    "我不喜欢香菜": ["pre dislike"],
    "我讨厌下雨天": ["pre dislike"],
    "我不再喜欢咖啡了": ["pre dislike"],
    "我最喜欢的颜色是蓝色": ["pre my:最喜欢的颜色"],
    "我对花生过敏": ["pro allergy"],
    "我海鲜过敏": ["pro allergy"],
    "我吃素": ["pro is"],
    "I love hiking": ["pre like"],
    "I really don't like cilantro": ["pre dislike"],
    "I no longer like coffee": ["pre dislike"],
    "I'm a big fan of jazz": ["pre like"],
    "My favorite color is green": ["pre my:favorite color"],
    "I'm allergic to peanuts": ["pro allergy"],
    "I have a severe nut allergy": ["pro allergy"],
    "I'm vegetarian": ["pro is"],
    # my X is Y
    "我的车牌号是京A12345": ["pro my:车牌"],
    "我的手机是华为": ["pro my:手机"],
    "My wifi password is hunter2": ["pro my:wifi password"],
    "my blood type is O": ["pro my:blood type"],
    # plans
    "我下周三去上海出差": ["eve plan"],
    "明天我要考试": ["eve plan"],
    "我的面试是下周五": ["eve my:面试"],
    "我6月15号结婚": ["eve plan"],
    "I'm flying to Paris next Friday": ["eve plan"],
    "I have a dentist appointment on May 23rd": ["eve plan"],
    "We are moving house in two weeks": ["eve plan"],
    # standing wishes
    "以后都用英文回答": ["ins reply:language"],
    "从现在起叫我老板": ["ins nickname"],
    "请记住我对芒果过敏": ["ins allergy"],
    "记住，我的车牌是京A12345": ["ins my:车牌"],
    "请记得我住在三楼": ["ins home"],
    "每次回答都不要超过三句话": ["ins"],
    "永远不要用表情符号": ["ins reply:emoji"],
    "以后都用英文回答我好吗？": ["ins reply:language"],
    "用英文回答，以后都这样": ["ins reply:language"],
    "Always answer in French": ["ins reply:language"],
    "From now on, keep your answers short.": ["ins reply:length"],
    "Please remember that I hate cilantro": ["ins dislike"],
    "never call me sir": ["ins nickname"],
    "Use metric units from now on": ["ins"],
    "Don't use emojis ever again": ["ins reply:emoji"],
    # several, and mixed languages
    "我叫李雷，今年28岁，住在南京，对虾过敏": ["pro name", "pro age", "pro home", "pro allergy"],
    "My name is Tom and I live in Leeds and I like tea": ["pro name", "pro home", "pre like"],
    "我在Google工作，平时喜欢打篮球": ["pro job", "pre like"],
    "我喜欢 machine learning": ["pre like"],
}  # fmt: skip

NOT = (
    # questions
    "我叫什么名字？", "我叫什么", "你知道我叫小明吗？", "我住在哪里", "我今年几岁", "我的生日是哪天？", "我喜欢什么来着",
    "我女儿叫什么？", "我是不是叫小明", "我叫小明，对吗？", "what is my name?", "Do you know where I live?",
    "My name is Bob, right?", "Am I allergic to peanuts?", "How old am I", "is my dog called Rex?",
    "Do you remember my birthday?", "你还记得我喜欢咖啡吗",
    # what somebody else said
    "他说我叫小明", "他说，我叫小明", "我妈妈说我喜欢吃鱼", "你之前说过: 我叫小明", "你之前说过我住在北京", "老师问：我叫什么",
    "用户：我叫小明", "小明：我住在上海", "User: my name is Bob", "He said my name is Bob", "She told me I live in a dream",
    "The text says \"I live in Berlin\"", "“我叫小明”是什么意思", "> 我叫小明", "```\nmy name is Bob\n```",
    "[2024-05-01] 我叫小明", "- 2024-05-01 我叫小明", "According to the note, I live in Rome", "听说我喜欢你",
    # suppositions and play
    "如果我叫小明", "假如我住在月球，我喜欢什么？", "要是我30岁就好了，我住在北京", "If I lived in Paris I'd be happy",
    "suppose my name is Bob", "I would live in Rome", "I wish I was 20", "假装你是医生，我对花生过敏", "比如，我喜欢吃鱼",
    # text to be worked on
    "翻译：我叫小明。我住在北京。", "请把这句话翻译成英文：我喜欢猫", "Translate: I live in Berlin. I like cats.",
    "帮我写一首诗。我喜欢春天", "Proofread this text: my name is Bob", "下面是一段文字：我是老师", "写个故事：我叫阿宝",
    # other things that look like it
    "我叫外卖了", "我叫了一辆车", "我叫他来", "叫我起床", "我喜欢你", "我喜欢这个", "我不喜欢这个答案", "我爱你", "我是说真的",
    "我的意思是再来一次", "我的问题是怎么学英语", "我的代码是错的", "我不知道", "我想吃饭", "我住酒店", "我们去吃饭吧",
    "你叫小明", "他住在北京", "她喜欢咖啡", "小明今年30岁", "今天天气真好", "谢谢你", "继续", "好的", "hello there",
    "I'm tired", "I'm a bit lost", "I am so happy", "I'm 30 minutes late", "I'm working on it", "I like it", "I love you",
    "I like your answer", "I live in fear", "my computer is broken", "my bus is late", "my question is simple",
    "my point is that it works", "my head is spinning", "call me later", "You live in Berlin", "He likes tea", "I have a question",
    "I'd like a coffee", "I was wondering about cats", "I need help", "thanks", "my code is not working", "I'm sorry",
    # no plans, no standing wishes
    "明天天气怎么样", "明天会下雨", "我明天再问你", "I'll try it tomorrow", "see you on Friday", "以后再说吧", "以后我想当医生",
    "记住了吗", "我记住了", "我记得你", "never mind", "I always eat late", "remember me?", "Always a pleasure", "Never heard of it",
    "你记得我叫小明吗？", "用英文回答", "answer in English please", "别说了", "不要了",
)  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_what_a_person_says_of_themselves_is_found(text: str) -> None:
    assert subjects(text) == TRUE[text]


@pytest.mark.parametrize("text", NOT)
def test_what_they_do_not_claim_is_no_fact(text: str) -> None:
    assert subjects(text) == []
