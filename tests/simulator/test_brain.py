from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from duihua.simulator import brain
from duihua.simulator.ask import Answer, Ask, Call, Function, Message
from duihua.simulator.faults import Fault

from .conftest import FUNCTIONS

TUESDAY = datetime(2026, 3, 10, 12, tzinfo=UTC)
OFFERED = tuple(Function(f["name"], f["description"], f["parameters"]) for f in FUNCTIONS)


def ask(
    *said: str, functions: tuple[Function, ...] = (), more: tuple[Message, ...] = (), **given: Any
) -> Ask:
    messages: list[Message] = []
    for text in said:
        messages += [Message("user", text), Message("assistant", "好的。")]
    return brain.prepared(Ask((*messages[:-1], *more), functions, **given), TUESDAY)


def answer(*said: str, **given: Any) -> str:
    return brain.reply(ask(*said, **given)).text


def called(*said: str, **given: Any) -> list[tuple[str, dict[str, Any]]]:
    given.setdefault("functions", OFFERED)
    return [(c.name, json.loads(c.arguments)) for c in brain.reply(ask(*said, **given)).calls]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("我叫小明", "我叫什么名字?"), "小明"),
        (("你好,我叫小明,今年八岁。", "今天真好", "你还记得我的名字吗?"), "小明"),
        (("我的名字是李雷", "我是谁?"), "李雷"),
        (("叫我老王就好", "我叫啥?"), "老王"),
        (("我叫小明", "其实我叫小红", "我叫什么?"), "小红"),
        (("my name is Ann", "What is my name?"), "Ann"),
        (("Hi, I'm Ann.", "what's my name"), "Ann"),
        (("Call me Bob, please", "Who am I?"), "Bob"),
        (("我叫 Ann", "what is my name?"), "Ann"),
        (("我住在杭州。", "我住在哪里?"), "杭州"),
        (("I live in San Francisco.", "Where do I live?"), "San Francisco"),
        (("我喜欢下棋", "我喜欢什么?"), "下棋"),
        (("I like green tea", "What do I like?"), "green tea"),
    ],
)
def test_recalls_what_the_list_still_holds(said: tuple[str, ...], expected: str) -> None:
    assert expected in answer(*said)


@pytest.mark.parametrize(
    ("question", "expected"),
    [("我叫什么名字?", "不知道"), ("What is my name?", "don't know"), ("我住在哪?", "不知道")],
)
def test_says_that_it_was_never_told(question: str, expected: str) -> None:
    assert expected in answer("今天真好", question)


def test_reads_a_name_from_notes_in_the_system_text() -> None:
    assert "小明" in answer("我叫什么名字?", system="你是助手。\n用户叫小明,喜欢下棋。")


def test_a_persona_is_not_the_user() -> None:
    assert "不知道" in answer("我叫什么名字?", system="我叫小度,是一个助手。")


def test_full_width_punctuation_reads_the_same() -> None:
    assert "小明" in answer("你好\uff0c我叫小明\uff01", "我叫什么名字\uff1f")
    assert called("12*\uff083+4\uff09等于多少\uff1f") == [("calculator", {"expression": "12*(3+4)"})]
    assert called("北京天气怎么样\uff1f", "那后天呢\uff1f") == [("weather", {"city": "北京", "day": "后天"})]


@pytest.mark.parametrize(("said", "count"), [(("早",), "1"), (("早", "午", "晚"), "3")])
def test_echoes_with_the_count_of_user_turns(said: tuple[str, ...], count: str) -> None:
    text = answer(*said)
    assert said[-1] in text
    assert count in text


def test_echoes_in_the_language_of_the_question() -> None:
    assert answer("hello there").startswith("You said")
    assert answer("你好").startswith("你说")


def test_two_equal_asks_have_equal_answers() -> None:
    assert brain.reply(ask("讲个故事")) == brain.reply(ask("讲个故事"))


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("北京今天天气怎么样?", "weather", {"city": "北京", "day": "今天"}),
        ("明天上海会下雨吗?", "weather", {"city": "上海", "day": "明天"}),
        ("帮我查一下北京市的天气", "weather", {"city": "北京"}),
        ("What's the weather in Paris tomorrow?", "weather", {"city": "Paris", "day": "tomorrow"}),
        (
            "Will it rain in New York the day after tomorrow?",
            "weather",
            {"city": "New York", "day": "day after tomorrow"},
        ),
        (
            "what is the weather like in springfield today?",
            "weather",
            {"city": "springfield", "day": "today"},
        ),
        ("阿特兰蒂斯今天天气怎么样?", "weather", {"city": "阿特兰蒂斯", "day": "今天"}),
        ("周五深圳天气如何?", "weather", {"city": "深圳", "day": "2026-03-13"}),
        ("3天后广州天气?", "weather", {"city": "广州", "day": "3天后"}),
        ("12*(3+4)等于多少?", "calculator", {"expression": "12*(3+4)"}),
        ("what is 2^10?", "calculator", {"expression": "2^10"}),
        ("12×(3+4)等于多少?", "calculator", {"expression": "12*(3+4)"}),
        ("3加4等于几?", "calculator", {"expression": "3+4"}),
        ("How much is 12 times 7?", "calculator", {"expression": "12*7"}),
        ("1.5 + 2 =", "calculator", {"expression": "1.5 + 2"}),
        ("现在几点?", "clock", {}),
        ("what time is it?", "clock", {}),
        ("What time is it in Tokyo?", "clock", {"place": "Asia/Tokyo"}),
        ("今天星期几?", "clock", {}),
    ],
)
def test_calls_the_function_that_fits(question: str, name: str, arguments: dict[str, Any]) -> None:
    assert called(question) == [(name, arguments)]


@pytest.mark.parametrize(
    ("said", "city", "day"),
    [
        (("北京今天天气怎么样?", "那后天呢?"), "北京", "后天"),
        (("北京今天天气怎么样?", "那上海呢?"), "上海", "今天"),
        (("北京今天天气怎么样?", "那上海呢?", "那明天呢?"), "上海", "明天"),
        (("What's the weather in Paris?", "And tomorrow?"), "Paris", "tomorrow"),
        (("What's the weather in Paris?", "How about London?"), "London", None),
        (("我住在杭州", "明天天气怎么样?"), "杭州", "明天"),
        (("北京天气怎么样?", "谢谢", "明天会下雨吗?"), "北京", "明天"),
    ],
)
def test_a_follow_up_takes_the_rest_from_before(said: tuple[str, ...], city: str, day: str | None) -> None:
    assert called(*said) == [("weather", {"city": city} | ({"day": day} if day else {}))]


@pytest.mark.parametrize(
    "question", ["今天天气真好", "我在2026-03-10出生", "打我电话 138-1234", "I like rain", "你好", "!!"]
)
def test_calls_nothing_unasked(question: str) -> None:
    assert called(question) == []


def test_asks_for_the_city() -> None:
    assert "城市" in answer("今天天气怎么样?", functions=OFFERED)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"location": {"type": "string"}, "days_ahead": {"type": "integer"}},
            {"location": "北京", "days_ahead": 2},
        ),
        ({"地点": {"type": "string"}, "日期": {"type": "string"}}, {"地点": "北京", "日期": "后天"}),
        (
            {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
            {"city": "北京", "days": 3},
        ),
        ({"q": {"type": "string"}}, {"q": "北京"}),
        (
            {"city": {"type": "string"}, "day": {"anyOf": [{"enum": ["today", "后天"]}, {"type": "null"}]}},
            {"city": "北京", "day": "后天"},
        ),
        (
            {"city": {"type": "string"}, "date": {"type": "string", "format": "date"}},
            {"city": "北京", "date": "2026-03-12"},
        ),
    ],
)
def test_fills_the_parameters_that_the_schema_has(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    offered = Function(
        "get_weather", "天气", {"type": "object", "properties": schema, "required": list(schema)[:1]}
    )
    assert called("北京后天天气怎么样?", functions=(offered,)) == [("get_weather", expected)]


@pytest.mark.parametrize(
    ("result", "question", "expected"),
    [
        ('{"city": "北京", "max_c": 21.5}', "北京天气怎么样?", ["北京", "21.5"]),
        ('{"result": "84"}', "12*7等于多少?", ["84", "12*7"]),
        ("Sunny, 20 degrees", "What's the weather in Paris?", ["Sunny, 20 degrees"]),
        ('{"error": "no such city"}', "What's the weather in Paris?", ["did not work", "no such city"]),
    ],
)
def test_says_a_result_as_a_sentence(result: str, question: str, expected: list[str]) -> None:
    more = (Message("assistant", calls=(Call("f", "{}"),)), Message("function", result, name="f"))
    said = brain.reply(ask(question, functions=OFFERED, more=more))
    assert not said.calls
    assert all(words in said.text for words in expected)


def test_choice_none_calls_nothing() -> None:
    assert called("北京今天天气怎么样?", choice="none") == []


def test_choice_forces_a_function() -> None:
    assert [name for name, _ in called("你好", choice="clock")] == ["clock"]


def test_two_calls_at_once_and_one_by_one() -> None:
    fault = Fault("twocalls")
    first = ask("!twocalls", functions=OFFERED)
    assert len(brain.reply(first, fault).calls) == 2
    serial = ask("!twocalls", functions=OFFERED, parallel=False)
    one = brain.reply(serial, fault).calls
    assert one == brain.reply(first, fault).calls[:1]
    more = (Message("assistant", calls=one), Message("function", "晴", name=one[0].name))
    again = ask("!twocalls", functions=OFFERED, parallel=False, more=more)
    assert brain.reply(again, fault).calls == brain.reply(first, fault).calls[1:]


def test_two_calls_of_the_only_function_differ() -> None:
    calls = brain.reply(ask("!twocalls", functions=OFFERED[:1]), Fault("twocalls")).calls
    assert len({c.arguments for c in calls}) == 2


def test_bad_arguments_first_then_good_ones_then_an_answer() -> None:
    fault, question = Fault("badargs"), "!badargs 北京天气怎么样?"
    broken = brain.reply(ask(question, functions=OFFERED), fault).calls[0]
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.arguments)
    more = (
        Message("assistant", calls=(broken,)),
        Message("function", '{"error":"not JSON"}', name="weather"),
    )
    good = brain.reply(ask(question, functions=OFFERED, more=more), fault).calls[0]
    assert json.loads(good.arguments) == {"city": "北京"}
    more += (Message("assistant", calls=(good,)), Message("function", "晴朗", name="weather"))
    assert "晴朗" in brain.reply(ask(question, functions=OFFERED, more=more), fault).text


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_long_answer_has_exactly_its_length(size: int) -> None:
    assert len(brain.reply(ask("!long"), Fault("long", size)).text) == size


def test_reads_the_last_paragraph_alone() -> None:
    assert called("记得:北京今天天气怎么样?\n\n12*7等于多少?") == [("calculator", {"expression": "12*7"})]


DESCRIBED = {
    "one line each": "You may use functions.\nAction: name\nAction Input: {json}\n\n"
    + "\n".join(f"- {f['name']}: {f['description']} {json.dumps(f['parameters'])}" for f in FUNCTIONS),
    "whole objects": "你可以使用函数。\nAction: 名字\nAction Input: {json}\n"
    + json.dumps(FUNCTIONS, ensure_ascii=False),
    "name, then schema": "Note: be brief.\nAction: x\nAction Input: {}\n"
    + "\n".join(
        f"### {f['name']}\n{f['description']}\nParameters: {json.dumps(f['parameters'])}\n" for f in FUNCTIONS
    ),
}


@pytest.mark.parametrize("system", DESCRIBED.values(), ids=DESCRIBED)
@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("北京今天天气怎么样?", "weather", {"city": "北京", "day": "今天"}),
        ("12*7等于多少?", "calculator", {"expression": "12*7"}),
    ],
)
def test_calls_functions_described_in_text_by_two_lines(
    system: str, question: str, name: str, arguments: dict[str, Any]
) -> None:
    lines = answer(question, system=system).split("\n")
    assert lines[0] == f"Action: {name}"
    assert json.loads(lines[1].removeprefix("Action Input: ")) == arguments
    assert len(lines) == 2


def test_recognises_the_result_of_a_call_in_text() -> None:
    more = (
        Message("assistant", 'Action: weather\nAction Input: {"city": "北京"}'),
        Message("user", "Observation: 晴朗"),
    )
    said = ask("北京今天天气怎么样?", system=DESCRIBED["one line each"], more=more)
    assert "晴朗" in brain.reply(said).text
    assert "Action" not in brain.reply(said).text
    assert len(said.said) == 1


def test_finds_the_description_at_the_head_of_the_first_message() -> None:
    text = DESCRIBED["one line each"] + "\n\n北京今天天气怎么样?"
    assert answer(text).startswith("Action: weather")


def test_text_functions_need_the_convention() -> None:
    assert brain.reply(ask("北京天气怎么样?", system=json.dumps(FUNCTIONS))) == Answer(
        answer("北京天气怎么样?")
    )


DICE = Function(
    "roll_dice",
    "Rolls.",
    {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 1},
            "colour": {"enum": ["red", "green"]},
            "note": {"type": "string"},
        },
        "required": ["count"],
    },
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("用 roll_dice 掷 3 个", {"count": 3, "note": "掷 3 个"}),
        ('Roll dice, 2 green ones, "for luck"!', {"count": 2, "colour": "green", "note": "for luck"}),
        ("请roll-dice。", {"count": 1}),
    ],
)
def test_a_function_that_is_named_is_called(question: str, expected: dict[str, Any]) -> None:
    assert called(question, functions=(*OFFERED, DICE)) == [("roll_dice", expected)]


def test_a_function_whose_name_is_but_part_of_a_word_is_not_called() -> None:
    assert called("I like xroll_dice and scrolls", functions=(DICE,)) == []


def test_functions_that_are_offered_are_tokens_of_the_request() -> None:
    assert ask("hi", functions=OFFERED).prompt > ask("hi").prompt + 10 * len(OFFERED)
