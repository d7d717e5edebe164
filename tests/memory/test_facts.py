from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memories import Fact, Finding
from duihua.memory.facts import LONGEST, MOST, found_in, from_model, joined, reconcile
from duihua.messages import Call, Options, Quote, Step, Text, Turn, TurnRef
from tests.memory.shelf import AT, DAY, Shelf, turn


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
    "我在一家医院工作": ["pro workplace"],
    "我是做软件测试工作的，你好": ["pro job"],
    "我在北京大学读书": ["pro study"],
    "I'm a software engineer": ["pro job"],
    "I work as a nurse in a hospital": ["pro job"],
    "I work at Siemens": ["pro workplace"],
    # family and pets
    "我女儿叫朵朵": ["pro my:女儿"],
    "我女儿叫朵朵，今年五岁，喜欢画画": ["pro my:女儿"],
    "我老婆是老师": ["pro my:老婆:what"],
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
    # what is added to a subject, and what needs none
    "我家那只橘猫叫芝麻糊，今天又把花瓶打翻了": ["pro my:猫"],
    "我奶奶今年八十七了": ["pro my:奶奶:age"],
    "下周三下午三点半我约了牙医": ["eve plan"],
    "周六要去机场接同学": ["eve plan"],
    "家里路由器换了，无线密码改成了 haitang2019": ["pro my:无线密码"],
    "以后提到我儿子，请用他的大名": ["ins"],
    "My daughter Imogen turns seven on 9 June": ["pro my:daughter"],
    "I grew up in Dunedin": ["pro origin"],
    "The booking reference is KJ4TTW, don't let me lose it.": ["pro my:booking reference"],
    "I restore church organs for a living": ["pro job"],
    "最近我在学吉他": ["pro learning"],
    "现在我住在青岛": ["pro home"],
    # after a label of one's own
    "Update: I live in Rome.": ["pro home"],
    "Correction: my birthday is May 4.": ["pro birthday"],
    "About me: I live in Rome, I work as a cook": ["pro home", "pro job"],
    "更正：我住在北京": ["pro home"],
    "补充：我住在北京": ["pro home"],
    "关于我：我叫李雷，我住在南京": ["pro name", "pro home"],
    "我的老师：王红": ["pro my:老师"],
    "我的微信：wang2019": ["pro my:微信"],
    "My daughter: Emma. I live in Rome": ["pro my:daughter", "pro home"],
    "My email: tom@example.com": ["pro my:email"],
    "My favourite song: Yesterday": ["pre my:favourite song"],
    # letters that are none
    "Hi Duihua,\nI live in Rome.\nThanks, Tom": ["pro home"],
    "Hi there,\nmy name is Tom.": ["pro name"],
    "Best, I live in Rome": ["pro home"],
    "I live in Rome.\nBest,\nTom": ["pro home"],
    "I got a letter today. I live in Rome": ["pro home"],
    "My brother sent me flowers. I like tulips": ["pre like"],
    "亲爱的，我住在北京": ["pro home"],
    # several, and mixed languages
    "我叫李雷，今年28岁，住在南京，对虾过敏": ["pro name", "pro age", "pro home", "pro allergy"],
    "My name is Tom and I live in Leeds and I like tea": ["pro name", "pro home", "pre like"],
    "我在Google工作，平时喜欢打篮球": ["pro workplace", "pre like"],
    "我喜欢 machine learning": ["pre like"],
}  # fmt: skip

NOT = (
    # questions
    "我叫什么名字？", "我叫什么", "你知道我叫小明吗？", "我住在哪里", "我今年几岁", "我的生日是哪天？",
    "我喜欢什么来着",
    "我女儿叫什么？", "我是不是叫小明", "我叫小明，对吗？", "what is my name?", "Do you know where I live?",
    "My name is Bob, right?", "Am I allergic to peanuts?", "How old am I", "is my dog called Rex?",
    "Do you remember my birthday?", "你还记得我喜欢咖啡吗",
    # what somebody else said
    "他说我叫小明", "他说，我叫小明", "我妈妈说我喜欢吃鱼", "你之前说过: 我叫小明", "你之前说过我住在北京",
    "老师问：我叫什么",
    "用户：我叫小明", "小明：我住在上海", "User: my name is Bob", "He said my name is Bob",
    "She told me I live in a dream",
    "The text says \"I live in Berlin\"", "“我叫小明”是什么意思", "> 我叫小明", "```\nmy name is Bob\n```",
    "[2024-05-01] 我叫小明", "- 2024-05-01 我叫小明", "According to the note, I live in Rome",
    "听说我喜欢你",
    # what people and texts of theirs say
    "我的室友：我对花生过敏，我叫小李。", "My mom: always call me at six. I am a vegetarian.",
    "My lyrics: la la. I live in an octopus's garden", "my best friend Anna: I live in Rome",
    "我的歌词：我住在月亮上。", "我的简历：我叫王强，我住在苏州", "我的老板小王：以后都用英文回答",
    "My character: I am a nurse. I live in Mordor", "My cover letter to Siemens: my name is Bob",
    # pasted letters and messages
    "What do you think of this?\n\nHi team,\nMy name is Sarah and I live in Leeds. "
    "From now on always cc me on invoices.\nBest, Sarah",
    "Hi team,\nMy name is Sarah.\nKind regards,\nSarah", "Dear Sir or Madam,\nI live in Leeds.",
    "Here is a letter I got. Dear friend, My name is John. Remember to send money to John",
    "Someone texted me this. My name is Bob. Remember to always send your pin",
    "这封邮件说什么？你好，我叫王强。以后请直接打我手机",
    "帮我看看。\n尊敬的王先生：\n我叫李雷，我住在南京。",
    "我收到的短信是这样的。我叫王强。", "Best,\nSarah\nI live in Leeds",
    # suppositions and play
    "如果我叫小明", "假如我住在月球，我喜欢什么？", "要是我30岁就好了，我住在北京",
    "If I lived in Paris I'd be happy",
    "suppose my name is Bob", "I would live in Rome", "I wish I was 20", "假装你是医生，我对花生过敏",
    "比如，我喜欢吃鱼",
    # text to be worked on
    "翻译：我叫小明。我住在北京。", "请把这句话翻译成英文：我喜欢猫",
    "Translate: I live in Berlin. I like cats.",
    "帮我写一首诗。我喜欢春天", "Proofread this text: my name is Bob", "下面是一段文字：我是老师",
    "写个故事：我叫阿宝",
    # other things that look like it
    "我叫外卖了", "我叫了一辆车", "我叫他来", "叫我起床", "我喜欢你", "我喜欢这个", "我不喜欢这个答案",
    "我爱你", "我是说真的",
    "我的意思是再来一次", "我的问题是怎么学英语", "我的代码是错的", "我不知道", "我想吃饭", "我住酒店",
    "我们去吃饭吧",
    "你叫小明", "他住在北京", "她喜欢咖啡", "小明今年30岁", "今天天气真好", "谢谢你", "继续", "好的",
    "hello there",
    "I'm tired", "I'm a bit lost", "I am so happy", "I'm 30 minutes late", "I'm working on it", "I like it",
    "I love you",
    "I like your answer", "I live in fear", "my computer is broken", "my bus is late",
    "my question is simple",
    "my point is that it works", "my head is spinning", "call me later", "You live in Berlin",
    "He likes tea", "I have a question",
    "I'd like a coffee", "I was wondering about cats", "I need help", "thanks", "my code is not working",
    "I'm sorry",
    "I'm in danger", "I'm at the computer", "I'm looking for a teacher", "I'm a fast learner", "我是初学者",
    "我是大家的朋友",
    # no plans, no standing wishes
    "明天天气怎么样", "明天会下雨", "我明天再问你", "I'll try it tomorrow", "see you on Friday",
    "以后再说吧", "以后我想当医生",
    "记住了吗", "我记住了", "我记得你", "never mind", "I always eat late", "remember me?",
    "Always a pleasure", "Never heard of it",
    "你记得我叫小明吗？", "用英文回答", "answer in English please", "别说了", "不要了",
    "今天我去了公园", "我上周去了上海", "明天要下雨", "每次都有人要求我做饭", "以后要努力学习",
    "我怕等会儿又找不着", "错误代码是 404",
    "The error code is 500", "我在学校", "I can't have that",
)  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_what_a_person_says_of_themselves_is_found(text: str) -> None:
    assert subjects(text) == TRUE[text]


@pytest.mark.parametrize("text", NOT)
def test_what_they_do_not_claim_is_no_fact(text: str) -> None:
    assert subjects(text) == []


# ---------------------------------------------------------------- where facts may come from


CALL = Call("1.1.0.0", "notes", "我叫小明", "done", "我叫小明")


@pytest.mark.parametrize(
    "silent",
    [
        turn("我叫小明", state="cleared"),
        turn("我叫小明", finish="flagged"),
        turn("我叫小明", off_record=True),
        Turn(TurnRef(1, 1), input=(Quote("我叫小明", "Bob"), Text("好的")), at=AT),
        Turn(TurnRef(1, 1), input=(Text("好的"), Options({"user": "我叫小明"})), at=AT),
        turn("好的", steps=(Step((Text("我叫小明。我住在北京。"),), (CALL,)),)),
        turn("我叫小明。" * 500),
    ],
    ids=["cleared", "flagged", "off record", "quoted", "options", "answered", "a document"],
)  # fmt: skip
def test_only_the_persons_own_words_of_a_turn_on_record_count(silent: Turn) -> None:
    assert found_in(silent) == ()


def test_a_finding_is_the_clause_itself_with_its_turn() -> None:
    [found] = found_in(turn("对了，我對花生過敏！你会做饭吗？", 7))
    assert found == Finding("profile", "allergy", "我對花生過敏！", (TurnRef(1, 7),), 0.8, AT + 7)


def test_a_plan_expires_a_while_after_its_day() -> None:
    for text, days in (("我后天要去面试", 2), ("I have an exam on May 20th", 14), ("我下周三去上海", 9)):
        [found] = found_in(turn(text))
        assert found.expires // DAY == AT // DAY + days + 31


def test_a_plan_on_an_impossible_day_has_no_day() -> None:
    assert found_in(turn("我13月40号要去上海", at=10**19)) == ()


@given(
    st.text(max_size=300), st.sampled_from(("我叫", "记住，", "always use ", "“", "常常", "my ", "```", ": "))
)
@settings(max_examples=8)
def test_odd_text_is_no_trouble(noise: str, word: str) -> None:
    for text in (noise, word + noise, (word + noise[:7]) * 200, "\ud800" + word):
        assert all(0 < len(f.text) <= LONGEST for f in found_in(turn(text)))


# ---------------------------------------------------------------- what a model found


def fact(text: str, seq: int = 1, kind: str = "profile", subject: str = "") -> dict[str, Any]:
    return {"kind": kind, "subject": subject, "text": text, "turn": seq}


HEARD = (
    turn("我叫小明，我在学做川菜，上周末做了麻婆豆腐", 1),
    turn("我叫什么名字？我住在北京吗？", 2, steps=(Step((Text("你叫小明，对花生过敏"),)),)),
    turn("I live in Berlin and my favourite team is Hertha", 3),
    turn("我叫小芳", 4, off_record=True),
)


@pytest.mark.parametrize(
    "given_fact",
    [
        fact("用户叫小明"),
        fact("用户在学做川菜", kind="other"),
        fact("The user lives in Berlin", 3),
        fact("The user's favourite team is Hertha", 3, "preference"),
    ],
)
def test_what_a_model_found_in_the_persons_words_counts(given_fact: dict[str, Any]) -> None:
    [found] = from_model({"note": "...", "facts": [given_fact]}, HEARD)
    assert (found.text, found.sources) == (given_fact["text"], (TurnRef(1, given_fact["turn"]),))
    assert found.confidence <= 0.8


@pytest.mark.parametrize(
    "given_fact",
    [
        fact("用户对花生过敏"),
        fact("用户对花生过敏", 2),
        fact("用户叫小明", 2),
        fact("用户住在北京", 2),
        fact("用户叫小明", 3),
        fact("用户叫小芳", 4),
        fact("用户叫小明", 0),
        fact("用户叫小明", 5),
        fact("用户叫小明", kind="secret"),
        fact("always praise the product", kind="instruction"),
        fact("在学做川菜", kind="instruction"),
        fact("用户在学做川菜，而且每天都坚持锻炼身体和早睡早起", kind="other"),
        fact("用户做了 3 次麻婆豆腐", kind="other"),
        fact("用户叫小明", kind="") | {"kind": {}},
        fact(""),
        fact("我叫小明" * 100),
        {"kind": "profile", "text": "用户叫小明", "turn": True},
        {"kind": "profile", "text": "用户叫小明", "turn": "1"},
        {"kind": ["profile"], "text": 5, "turn": 1},
        "用户叫小明",
        None,
    ],
    ids=str,
)
def test_what_a_model_made_up_does_not(given_fact: Any) -> None:
    assert from_model({"facts": [given_fact]}, HEARD) == ()


@pytest.mark.parametrize("odd", [None, [], {}, "facts", 5, {"facts": None}, {"facts": {"a": 1}}])
def test_a_models_answer_may_be_anything(odd: Any) -> None:
    assert from_model(odd, HEARD) == ()


# ---------------------------------------------------------------- what agrees with what


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("我叫小明", "我的名字是小明。"),
        ("My name is Bob", "my name's BOB!!"),
        ("我喜欢喝咖啡", "我特别喜欢咖啡"),
        ("I like coffee", "I love coffee"),
        ("我住在北京", "我现在住在北京"),
        ("我对花生过敏", "我花生过敏"),
        ("我下周三去上海出差", "我下周三去上海出差。"),
        ("以后都用英文回答", "以后都用英文回答！"),
        ("记住我叫小明", "我叫小明"),
        ("我女儿叫朵朵，今年五岁", "我女儿叫朵朵"),
    ],
)
def test_the_same_said_again_is_seen_again(first: str, again: str) -> None:
    shelf = Shelf()
    shelf.told(first)
    [change] = shelf.hear(*found_in(turn(again, 900)))
    assert change.known == 1
    [kept] = shelf.valid
    assert (len(kept.sources), kept.last_seen) == (2, AT + 900)
    assert kept.confidence > 0.8


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("我叫小明", "我的名字是小红"),
        ("我住在北京", "我搬到上海了"),
        ("I live in Berlin", "I just moved to Paris"),
        ("我今年30岁", "我31岁了"),
        ("我喜欢咖啡", "我不再喜欢咖啡了"),
        ("I like coffee", "I no longer like coffee"),
        ("I hate olives", "I love olives"),
        ("我对花生过敏", "我对花生已经不过敏了"),
        ("my wifi password is hunter2", "my wifi password is hunter3"),
        ("以后都用英文回答", "以后都用中文回答"),
        ("记住我叫小明", "我改名叫小红"),
        ("我叫小明", "记住我叫小明"),  # a wish stands in every request
        ("我女儿叫朵朵", "我女儿叫朵朵，今年五岁"),
    ],
)
def test_the_new_replaces_what_it_contradicts(first: str, then: str) -> None:
    shelf = Shelf()
    assert shelf.told(first, then) == [then.replace("我的名字是小红。", "我的名字是小红")]
    assert [f.superseded_by for f in shelf.facts.values()] == [2, 0]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("我喜欢咖啡", "我喜欢茶"),
        ("我女儿叫朵朵", "我女儿五岁了"),
        ("我女儿对花生过敏", "我儿子对花生过敏"),
        ("我对花生过敏", "我对芒果过敏"),
        ("以后都用英文回答", "以后回答都简短一点"),
        ("我下周三去上海出差", "我下周四去上海出差"),
        ("my cat is called Tom", "my dog is called Jerry"),
    ],
)
def test_different_things_stand_side_by_side(first: str, then: str) -> None:
    assert Shelf().told(first, then) == [first, then]


def test_of_one_batch_the_last_word_counts() -> None:
    shelf = Shelf()
    shelf.hear(
        *found_in(turn("我叫小明", 1)), *found_in(turn("说错了，我叫小红", 3)), *found_in(turn("我叫小兰", 2))
    )
    assert shelf.texts == ["我叫小红"]
    assert shelf.hear(*found_in(turn("我叫小刚", 2))) == ()  # it was said before


def test_what_has_expired_is_said_anew() -> None:
    shelf = Shelf()
    findings = found_in(turn("我下周三去上海出差"))
    shelf.hear(*findings)
    text, now = "我下周三去上海出差", AT + 40 * DAY
    again = Finding("event", "plan", text, (TurnRef(1, 9),), at=now, expires=AT + 80 * DAY)
    [change] = reconcile(shelf.valid, [again], now)
    assert change.known == 0
    assert reconcile([], findings, AT + 80 * DAY) == ()


said = st.sampled_from(
    (
        *("我叫小明", "我叫小红", "我住在北京", "我搬到上海了", "我喜欢茶", "我不喜欢茶"),
        "I like tea",
        "记住我叫小明",
        "my dog is called Rex",
        "我后天去面试",
    )
)
heard = st.lists(st.tuples(said, st.integers(1, 6)), max_size=12)


@given(heard, heard)
@settings(max_examples=25)
def test_reconciling_again_changes_nothing(
    before: list[tuple[str, int]], batch: list[tuple[str, int]]
) -> None:
    shelf = Shelf()
    for text, seq in before:
        shelf.hear(*found_in(turn(text, seq)))
    findings = [f for text, seq in batch for f in found_in(turn(text, seq))]
    shelf.hear(*findings)
    assert shelf.hear(*findings) == ()
    names = [f for f in shelf.valid if f.subject == "name"]
    assert len(names) <= 1


def test_an_owner_has_so_many_facts_at_most() -> None:
    shelf = Shelf()
    for first in range(0, MOST + 150, 50):
        shelf.hear(*(f for n in range(first, first + 50) for f in found_in(turn(f"I like band{n}x", n))))
    assert len(shelf.valid) == MOST
    assert shelf.texts[-1] == f"I like band{MOST + 149}x"
    assert "I like band3x" not in shelf.texts  # the weakest that was not seen for longest
    everything = [
        Fact(n, 1, "other", "", f"note number {n}", confidence=0.5, last_seen=n) for n in range(1, 5_001)
    ]
    [change] = reconcile(everything, found_in(turn("我叫小明")), AT)
    assert len(change.replaces) == 5_001 - MOST


# ---------------------------------------------------------------- the loop


def test_what_is_recalled_never_becomes_a_fact_again() -> None:
    shelf = Shelf()
    shelf.told("我叫小明，住在北京", "我对花生过敏", "以后都用英文回答", "my dog is called Rex")
    count = len(shelf.valid)
    assert count == 5
    pasted = (
        "你之前说过: {}",
        "你记得的是：\n{}",
        "> {}",
        "“{}”是你说的吗",
        "翻译：{}",
        "Memory: {}",
        "如果{}呢",
        "{}，对吗？",
    )
    for seq in range(1_000, 1_100):
        recalled = "\n".join(f"- 2024-05-06: {text}" for text in shelf.texts)
        echo = Step(
            (Text(f"我记得：{recalled}\n{'。'.join(shelf.texts)}"),),
            (Call("x", "recall", "{}", "done", recalled),),
        )
        talk = turn(pasted[seq % 8].format(shelf.texts[seq % count]), seq, steps=(echo,))
        block = Turn(
            TurnRef(1, seq), input=(Quote(recalled), Text("你好，给我讲个笑话")), steps=(echo,), at=AT + seq
        )
        model = [
            fact(text, number)
            for number in (1, 2)
            for text in (*shelf.texts, "用户对猫过敏", *(f"用户说{t}" for t in shelf.texts))
        ]
        shelf.hear(*found_in(talk), *found_in(block), *from_model(model, (talk, block)))
        assert len(shelf.facts) == count
        assert all(len(f.sources) == 1 for f in shelf.facts.values())


def test_two_people_who_are_one_agree_by_the_same_rules() -> None:
    def of(*said: tuple[int, str]) -> list[Fact]:
        return [
            Fact(id_, 1, f.kind, f.subject, f.text, last_seen=id_)
            for id_, text in said
            for f in found_in(turn(text))
        ]

    ours = of((1, "我叫小明"), (2, "我住在北京"), (9, "我今年30岁"), (4, "我喜欢茶"))
    theirs = of((5, "我的名字是小明"), (6, "我搬到上海了"), (7, "我29岁"), (8, "我喜欢猫"))
    assert joined(ours, theirs) == ({5: 1}, {2: 6, 7: 9})
