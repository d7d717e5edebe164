"""What recall tells: of turns and facts, in Chinese and English."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from duihua.memories import Fact, FactBook, Hit
from duihua.memory.quoting import LIMIT, excerpt
from duihua.memory.recall import LexicalRecall
from duihua.messages import Turn, TurnRef
from tests.memory.plain_index import PlainIndex, turn


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW = ms("2023-06-20T10:00")


def talk(session: int, day: str, *lines: tuple[str, str]) -> list[Turn]:
    """Two people talk: one line of one of them in each turn."""
    at = ms(day)
    return [
        turn(seq, text, session=session, name=name, at=at + seq * 60_000)
        for seq, (name, text) in enumerate(lines, 1)
    ]


ENGLISH = [
    *talk(
        1,
        "2023-05-08T13:56",
        ("Caroline", "Hey Mel! Good to see you! How have you been?"),
        ("Melanie", "I'm swamped with the kids and work. What's up with you?"),
        ("Caroline", "I went to a support group yesterday and it was so powerful."),
        ("Melanie", "Wow, that's cool! What happened that was so awesome?"),
        ("Caroline", "The stories were inspiring. I'm thinking about a career in counseling."),
        ("Melanie", "I painted that lake sunrise last year. It is special to me."),
    ),
    *talk(
        2,
        "2023-05-25T13:14",
        ("Melanie", "I ran a charity race for mental health last Saturday."),
        ("Caroline", "That must have been rewarding. I'm looking into adoption agencies."),
        ("Melanie", "We bought a puppy for the children. They named him Oscar."),
        ("Caroline", "I love dogs! What breed is he?"),
        ("Melanie", "A golden retriever."),
    ),
    *talk(
        3,
        "2023-06-09T19:55",
        ("Caroline", "I moved here four years ago from Sweden, my home country."),
        ("Melanie", "I signed up for a pottery class yesterday."),
        ("Caroline", "What kind of pot did you make?"),
        ("Melanie", "A black and white bowl."),
    ),
]
CHINESE = [
    turn(1, "你好，我今天去绿禾公园散步了", "真好，看到了什么？", session=5, at=ms("2023-05-02T12:00")),
    turn(2, "看到一朵樱花和一只松鼠", "真可爱！", session=5, at=ms("2023-05-02T12:01")),
    turn(1, "我心情不好", "试试深呼吸、听音乐、和朋友聊天", session=6, at=ms("2023-05-20T12:00")),
    turn(2, "推荐一本科幻小说吧", "推荐《三体》，作者刘慈欣", session=6, at=ms("2023-05-20T12:01")),
    turn(1, "昨天我买了一条红色的连衣裙", "一定很好看", session=7, at=ms("2023-06-19T09:00")),
]


def recall(*turns: Turn, facts: Sequence[Fact] = (), **options: Any) -> LexicalRecall:
    return LexicalRecall(PlainIndex(*turns, facts=facts), timezone=UTC, clock=lambda: NOW, **options)  # type: ignore[arg-type]


async def best(question: str, *turns: Turn, **options: Any) -> Hit:
    return (await recall(*turns, **options).search(1, question))[0]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When did Caroline go to the support group?", (1, 3)),
        ("What did Caroline do on 7 May 2023?", (1, 3)),  # the day it happened, told on the next
        ("When did Melanie run a charity race?", (2, 1)),
        ("Which country did Caroline move from?", (3, 1)),
        ("What did Melanie sign up for?", (3, 2)),
        ("What did Melanie paint?", (1, 6)),
        ("What pet did Melanie buy for her child?", (2, 3)),  # bought, children
        ("What did you recommend me for reading?", (6, 2)),
        ("What field would Caroline like to have a career in?", (1, 5)),
    ],
)
async def test_english_questions(question: str, expected: tuple[int, int]) -> None:
    reply = replace(CHINESE[3], steps=turn(2, "", "I recommend reading The Three-Body Problem").steps)
    hit = await best(question, *ENGLISH, *CHINESE[:3], reply, CHINESE[4])
    assert hit.ref == TurnRef(*expected)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("我在绿禾公园看到了什么景色？", (5, 2)),
        ("你给我推荐过哪本科幻小说？", (6, 2)),
        ("5月20号我心情怎么样", (6, 1)),
        ("前天我买了什么？", (7, 1)),  # it was bought on the day before it was told
        ("我们第一次聊天聊了什么？", (5, 1)),
        ("你告诉过我哪些放松的办法，深呼吸？", (6, 1)),
    ],
)
async def test_chinese_questions(question: str, expected: tuple[int, int]) -> None:
    refs = [hit.ref for hit in await recall(*CHINESE).search(1, question, limit=2)]
    assert TurnRef(*expected) in refs


async def test_a_hit_tells_the_day_who_spoke_and_what_stands_around() -> None:
    hit = await best("今天去绿禾公园散步，可爱吗", *CHINESE, locale="zh")
    assert hit.text == (
        "2023-05-02 用户：你好，我今天去绿禾公园散步了 / 助手：真可爱！"  # what says nothing is left out
    )
    english = await best("Which breed of dog?", *ENGLISH, locale="en")
    assert english.text.startswith("2023-05-25 Caroline: I love dogs!")


async def test_an_answer_is_told_with_the_request_for_it() -> None:
    hit = await best("我要过科幻小说吗", *CHINESE, locale="zh")
    assert hit.text == "2023-05-20 用户：推荐一本科幻小说吧 / 助手：推荐《三体》，作者刘慈欣"


async def test_what_is_in_the_window_is_not_told_again() -> None:
    hits = await recall(*CHINESE).search(1, "绿禾公园的松鼠", before=TurnRef(5, 2))
    assert [hit.ref for hit in hits] == [TurnRef(5, 1)]
    assert "松鼠" not in hits[0].text


async def test_what_is_off_the_record_is_not_told_beside_what_is_found() -> None:
    secret = replace(CHINESE[1], off_record=True)
    hits = await recall(CHINESE[0], secret).search(1, "绿禾公园")
    assert [hit.ref for hit in hits] == [TurnRef(5, 1)]
    assert "松鼠" not in hits[0].text


async def test_the_same_text_is_told_once() -> None:
    again = [turn(1, "绿禾公园很美", "是的", session=session) for session in (11, 12, 13)]
    assert len(await recall(*again).search(1, "绿禾公园")) == 1


async def test_no_score_is_above_1() -> None:
    again = turn(1, "绿禾公园，绿禾公园，绿禾公园", session=11, at=ms("2023-06-19T09:00"))
    assert (await best("昨天的绿禾公园", again, *CHINESE)).score == 1.0


async def test_small_talk_recalls_nothing_that_counts() -> None:
    hits = await recall(*CHINESE, *ENGLISH).search(1, "谢谢你，今天辛苦了！")
    assert all(hit.score < 0.25 for hit in hits)


TALK = [
    line.strip()
    for line in """
    我女儿叫果果，九月份上一年级
    今天下了点小雨，我去江边走了走
    昨天跟小王继续聊天，很开心
    我住在杭州，家里养了一只猫
    谢谢你陪我聊天，今天很好
    下周三下午三点半我约了牙医
    我妈让我继续学钢琴
    好的，明天早上八点见客户
    我对花生过敏，从小就这样
    你好厉害，这首诗写得真好
    My dog is called Waffles
    I had a great day at work today
    How are the trains on Friday?
    Thanks to you I found my keys again
    I feel good, the doctor was happy with me
    We go on holiday to Whitby in May
    Hello Kitty is my daughter's favourite
    The meeting is at 10:05, nobody manages ten sharp
    Nice weather, we sat outside
    I said good night to the kids and slept at once""".splitlines()
    if line.strip()
]
REMARKS = (
    "你好|谢谢|谢谢你，今天辛苦了！|继续|好的，继续吧|哈哈，有道理|晚安，明天见|嗯嗯，我知道了|早上好呀|在吗？|你真厉害"
    "|hello how are you today?|Thanks a lot!|ok, go on|good night|That's great, thank you|Hi there|lol"
    "|yes, please continue|How are you?|Nice to meet you|I see, thanks|bye, see you tomorrow|今天天气真好"
)


async def unasked(finder: LexicalRecall, text: str) -> Sequence[Hit]:
    book = FactBook(1, FACTS)
    return await finder.unasked(1, text, limit=6, before=None, book=book, there=lambda fact: False)


async def test_plain_remarks_recall_next_to_nothing() -> None:
    lines = [turn(n, text + "！" * (n // 20), "好的") for n, text in enumerate((TALK * 3)[:50])]
    finder = recall(*lines, facts=FACTS)
    told = {remark: [hit.text for hit in await unasked(finder, remark)] for remark in REMARKS.split("|")}
    assert sum(map(len, told.values())) <= 2, told


async def test_a_question_is_told_for_less_than_a_remark() -> None:
    lines = [turn(n, text, "好的") for n, text in enumerate(TALK, 1)]
    finder = recall(*lines, turn(60, "橱柜台面最后选了岩板"))
    question, remark = "我家厨房的台面用的是什么材料来着？", "我觉得台面真难擦，擦了三遍，烦死了"
    assert "岩板" in (await unasked(finder, question))[0].text
    assert not await unasked(finder, remark)


def fact(number: int, subject: str, text: str, **fields: Any) -> Fact:
    return Fact(number, 1, "profile", subject, text, last_seen=ms("2023-05-01T00:00"), **fields)


FACTS = (
    fact(1, "name", "我叫小明"),
    fact(2, "home", "我住在杭州"),
    fact(3, "my:女儿:age", "我女儿今年五岁"),
    fact(4, "job", "I work as a nurse"),
    fact(5, "birthday", "My birthday is May 4th"),
    fact(6, "allergy", "我对花生过敏"),
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("你还记得我叫什么名字吗？", 1),
        ("我是谁？", 1),
        ("What's my name?", 1),
        ("我住在哪里？", 2),
        ("where do I live", 2),
        ("我女儿多大了？", 3),
        ("what is my profession?", 4),
        ("我的生日是几月几号？", 5),
        ("有什么东西我不能吃？", 6),
    ],
)
async def test_facts_answer_to_the_words_people_ask_by(question: str, expected: int) -> None:
    hit = await best(question, *CHINESE, facts=FACTS)
    assert (hit.fact, hit.ref) == (expected, None)
    assert hit.text == f"2023-05-01 {FACTS[expected - 1].text}"


async def test_what_has_expired_answers_nothing() -> None:
    assert not await recall(facts=[replace(FACTS[0], expires=NOW)]).search(1, "我叫什么名字")


# ---------------------------------------------------------------- embeddings


class Embedder:
    """Texts about the sea are alike."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []

    async def __call__(self, texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        self.asked.append((len(texts), query))
        return [[1.0, 0.0] if "海" in text or "ocean" in text else [0.0, 1.0] for text in texts]


SEA = (
    turn(1, "假期去玩水", session=21),
    turn(1, "假期去海边玩", session=22),
    turn(1, "假期去爬山", session=23),
)


async def test_meaning_decides_among_equals_and_is_asked_for_once() -> None:
    embed = Embedder()
    finder = recall(*SEA, embed=embed, model="m")
    assert (await finder.search(1, "ocean 假期"))[0].ref == TurnRef(22, 1)
    await finder.search(1, "ocean 假期")
    assert embed.asked == [(1, True), (3, False), (1, True)]


async def test_an_embedder_that_fails_leaves_the_words(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        raise OSError("secret text")

    with caplog.at_level(logging.INFO):
        hits = await recall(*SEA, embed=broken, model="m").search(1, "海边")
    assert hits[0].ref == TurnRef(22, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "nothing was embedded, words alone decide: OSError"
    ]


# ---------------------------------------------------------------- extracts


def test_a_long_text_is_cut_around_what_answers() -> None:
    text = "闲话很多。" * 200 + "密码本放在书架第三层。" + "还有别的话。" * 200
    shown = excerpt(text, ["书架", "密码"])
    assert "密码本放在书架第三层。" in shown
    assert shown.startswith("…")
    assert len(shown) <= LIMIT + 2


def test_a_huge_text_with_everything_asked_for_is_cut_fast() -> None:
    assert len(excerpt("茶水" * 10**6, ["茶水", "水茶"] * 50)) <= LIMIT + 2
