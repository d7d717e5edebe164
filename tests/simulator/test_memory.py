"""What the simulated model knows of memory: notes that are asked for, recalled lines, skills that keep."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from duihua.simulator import Simulator, brain
from duihua.simulator.ask import Ask, Function, Message
from duihua_prompts.memory import context_text, recalled_text, summary_prompt

from .conftest import V1, users
from .test_brain import OFFERED, answer, ask, called

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def skill(name: str, slot: str) -> Function:
    return Function(
        name, "", {"type": "object", "properties": {slot: {"type": "string"}}, "required": [slot]}
    )


KEEPING = (skill("forget", "query"), skill("recall", "query"), skill("remember", "text"))


def summed_up(locale: str, turns: list[tuple[str, str]], old: tuple[str, ...] = ()) -> dict[str, Any]:
    system, user = summary_prompt(locale, turns, old)
    text = brain.reply(brain.prepared(Ask((Message("user", user),), system=system), NOON)).text
    return json.loads(text)


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_a_request_for_notes_is_answered_with_one_object(locale: str) -> None:
    turns = [("今天天气真好？", "是的。"), ("我叫小明，住得很远。\n我对花生过敏。", "你好小明，我叫小度。")]
    found = summed_up(locale, turns)
    assert set(found) == {"note", "facts"}
    assert "小明" in found["note"]
    assert "天气" not in found["note"]
    assert found["facts"] == [
        {"kind": "profile", "subject": "name", "text": "用户叫小明", "turn": 2},
        {"kind": "profile", "subject": "allergy", "text": "用户对花生过敏", "turn": 2},
    ]


def test_notes_of_english_talk_are_english() -> None:
    found = summed_up(
        "en", [("Hi, I'm Ann. I really like green tea.", "Hello!"), ("Always answer briefly.", "")]
    )
    assert [(f["text"], f["turn"]) for f in found["facts"]] == [
        ("The user's name is Ann", 1),
        ("The user likes green tea", 1),
        ("Always answer briefly.", 2),
    ]
    assert found["facts"][-1]["kind"] == "instruction"


def test_a_digest_is_made_of_the_old_notes_alone() -> None:
    found = summed_up("zh", [("我叫小明", "好")], ("用户：我住在杭州。", "用户：我养了一只猫。"))
    assert "杭州" in found["digest"]
    assert "猫" in found["digest"]
    assert "小明" not in found["digest"]
    assert [f["subject"] for f in found["facts"]] == ["name"]


def test_nothing_worth_keeping_is_nothing() -> None:
    assert summed_up("zh", [("你好吗？", "好")]) == {"note": "", "facts": []}


async def test_a_note_stays_as_it_is_where_json_is_wanted(v1: V1) -> None:
    system, user = summary_prompt("zh", [("我叫小明", "好")])
    body = {
        "messages": [{"role": "user", "content": user}],
        "system": system,
        "response_format": "json_object",
    }
    assert json.loads((await v1.send(body))["result"])["facts"][0]["text"] == "用户叫小明"


def before(question: str, *lines: str, locale: str = "zh") -> str:
    return f"{recalled_text(locale, lines)}\n\n{question}"


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_recalled_lines_are_known(locale: str) -> None:
    assert "小明" in answer(before("我叫什么名字?", "2026-05-02 你说过：我叫小明。", locale=locale))
    assert "Ann" in answer(before("What is my name?", "2026-05-02 you said: my name is Ann.", locale=locale))


def test_what_was_said_wins_over_what_was_recalled() -> None:
    question = before("我叫什么名字?", "2026-05-02 你说过：我叫小明。")
    assert "小红" in answer("其实我叫小红", "好", question)


def test_the_latest_of_the_recalled_lines_wins() -> None:
    lines = ("2026-05-02 你说过：我叫小明。", "2026-05-09 你说过：我叫小红。", "2025-01-01 用户叫小刚")
    assert "小红" in answer(before("我叫什么?", *lines))


def test_recalled_lines_are_no_wishes_and_are_not_said_back() -> None:
    lines = ("2026-05-02 你问过：北京今天天气怎么样？", "2026-05-03 12*7等于多少?")
    assert called(before("你好呀", *lines)) == []
    text = answer(before("hello there", *lines))
    assert text.startswith('You said: "hello there"')


def test_a_text_of_two_paragraphs_is_not_taken_apart() -> None:
    assert "小明" in answer("大家好\n\n我叫小明\n\n今天见到你很高兴", "我叫什么?")


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_notes_in_the_system_text_are_known(locale: str) -> None:
    system = "我叫小度,是一个助手。\n\n" + context_text(
        locale, [], "用户：我住在杭州。", ["用户：大家好，我叫小明。\n助手：你好。"]
    )
    assert "小明" in answer("我叫什么名字?", system=system)
    assert "杭州" in answer("我住在哪里?", system=system)
    other = context_text(locale, ["以后都简短"], "用户：今天刮了一天风，我去江边走了走。", [])
    assert "不知道" in answer("我叫什么名字?", system=other)


@pytest.mark.parametrize("wish", ["以后都用英文回答", "From now on, answer in English."])
def test_a_standing_wish_is_obeyed(wish: str) -> None:
    system = context_text("zh", [wish], "", [])
    assert answer("你好", system=system).startswith("You said")
    assert answer("以后请都用中文回答我", "hello", system=system).startswith("你说")


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("记住我对花生过敏", "remember", {"text": "我对花生过敏"}),
        ("请帮我记一下：车停在B2层", "remember", {"text": "车停在B2层"}),
        ("Remember that I park on level B2.", "remember", {"text": "I park on level B2."}),
        ("你还记得我上次说的餐厅吗", "recall", {"query": "我上次说的餐厅"}),
        ("Do you remember the restaurant I liked?", "recall", {"query": "the restaurant I liked"}),
        ("忘掉我的生日", "forget", {"query": "我的生日"}),
        ("把我的生日忘掉", "forget", {"query": "我的生日"}),
        ("Forget my birthday.", "forget", {"query": "my birthday"}),
    ],
)
def test_memory_is_kept_found_and_forgotten_when_that_is_asked(
    question: str, name: str, arguments: dict[str, Any]
) -> None:
    assert called(question, functions=(*KEEPING, *OFFERED)) == [(name, arguments)]


@pytest.mark.parametrize(
    "question",
    ["别忘了我", "我忘了带伞", "我记得昨天很热", "Don't forget it", "我喜欢回忆", "can you remember?"],
)
def test_memory_is_left_alone_unasked(question: str) -> None:
    assert called(question, functions=(*KEEPING, *OFFERED)) == []


def test_what_is_known_needs_no_function() -> None:
    assert called("我叫小明", "你还记得我的名字吗?", functions=KEEPING) == []
    assert called("你还记得我的名字吗?", functions=KEEPING) == [("recall", {"query": "我的名字"})]


def test_a_question_is_answered_from_what_a_function_found() -> None:
    found = Message("function", '{"found":["2026-05-02 你说过：我叫小明。"]}', name="recall")
    more = (
        Message("assistant", calls=brain.reply(ask("你还记得我的名字吗?", functions=KEEPING)).calls),
        found,
    )
    assert brain.reply(ask("你还记得我的名字吗?", functions=KEEPING, more=more)).text == "你叫小明。"


@pytest.mark.parametrize("fault", ["twocalls", "badargs"])
@pytest.mark.parametrize("offered", [OFFERED, OFFERED[1:2], ()])
def test_skills_of_memory_change_no_call_that_is_shown(fault: Any, offered: tuple[Function, ...]) -> None:
    question = ask(f"!{fault} 你好", functions=offered)
    more = ask(f"!{fault} 你好", functions=(*KEEPING, *offered))
    if offered:
        assert brain.reply(more, brain.Fault(fault)) == brain.reply(question, brain.Fault(fault))


async def test_prompts_are_counted_against_the_limit(simulator: Simulator, v1: V1) -> None:
    await v1.send({"messages": users("你好呀")})
    await v1.send({"messages": users(before("你好呀", "2026-05-02 你说过：我叫小明。"))})
    assert "error_code" in await v1.send({"messages": users("x y 1 " * 3_000)})
    sizes = simulator.prompts["qianfan/completions"]
    assert (sizes.requests, sizes.exceeded, sizes.limit) == (3, 1, 5_120)
    assert sizes.largest == sizes.last > 5_120
    assert sizes.total > sizes.last
    async with v1.http.get(f"{simulator.url}/_simulator/prompts") as r:
        assert (await r.json())["qianfan/completions"]["exceeded"] == 1
    simulator.reset()
    assert simulator.prompts == {}
