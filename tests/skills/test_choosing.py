"""Which of many skills are offered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from benchmarks.skills import COST, FILES, HITS, Found, judged, load, load_skills, share, ten

from duihua.messages import Call, Decision, Part, Step, Text, Turn, TurnRef
from duihua.ports import Skill, ToolSpec
from duihua.skills.choosing import EVERY, FEW, MOST, Choice, Index, choice_of, chosen

SKILLS = load_skills()
ROOM = 100_000.0


def turn(number: int, said: str | Part, answer: str = "", calls: tuple[str, ...] = ()) -> Turn:
    given = Text(said) if isinstance(said, str) else said
    steps = (Step((Text(answer),), tuple(Call(f"c{n}", n, "{}", state="done") for n in calls)),)
    return Turn(TurnRef(1, number), number - 1, input=(given,), steps=steps)


def names(choice: Choice, past: list[Turn], said: str | Part) -> set[str]:
    return {tool.name for tool in chosen(choice, past, turn(len(past) + 1, said))}


def made(name: str, description: str, schema: Any = None) -> Skill:
    async def run(arguments: Any, context: Any) -> str:
        return ""

    return Skill(ToolSpec(name, description, schema or {"type": "object", "properties": {}}), run, dict)


@pytest.fixture(scope="module")
def few() -> float:
    return asyncio.run(ten(SKILLS, load(FILES[0])))


@pytest.mark.parametrize("name", FILES)
def test_the_right_one_of_200_is_offered_for_what_ten_cost(name: str, few: float) -> None:
    found: list[Found] = asyncio.run(judged(SKILLS, load(name)))
    assert len(found) == 100
    assert share([one.hit for one in found]) >= HITS
    assert share([one.later_hit for one in found]) >= HITS
    assert max(one.tokens for one in found) <= COST * few


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("明天北京天气", "weather"),
        ("translate this: 你好", "translate"),
        ("My vehicle was fined", "traffic_fines"),
    ],
)
def test_a_question_finds_a_skill_that_is_described_in_the_other_language(said: str, name: str) -> None:
    ranked = Index(SKILLS).rank(said)
    assert name in {SKILLS[place].name for place, _ in ranked[:3]}


def test_what_is_offered_stays_as_long_as_it_fits() -> None:
    choice = choice_of(SKILLS, ROOM)
    past: list[Turn] = []
    seen: list[set[str]] = []
    for said in ("明天北京天气怎么样？", "那上海呢", "谢谢！", "Will it rain there on Friday?", "ok"):
        seen.append(names(choice, past, said))
        past.append(turn(len(past) + 1, said))
    assert "weather" in seen[0]
    assert all(one == seen[0] for one in seen)


def test_another_subject_takes_the_place_of_what_was_needed_longest_ago() -> None:
    choice = choice_of(SKILLS, ROOM)
    past = [turn(1, "明天北京天气怎么样？", calls=("weather",)), turn(2, "翻译成英文: 你好")]
    later = names(choice, past, "画一只猫")
    assert {"draw", "translate", "weather"} <= later
    assert len(later) <= MOST


def test_a_skill_that_was_called_stays_though_it_was_not_offered() -> None:
    choice = choice_of(SKILLS, ROOM)
    assert "lottery_results" not in names(choice, [], "hello")
    past = [turn(1, "hello", calls=("lottery_results", "no_such_skill"))]
    assert "lottery_results" in names(choice, past, "go on")


def test_yes_means_what_the_model_asked() -> None:
    choice = choice_of(SKILLS, ROOM)
    assert "qr_code" not in names(choice, [turn(1, "hello", "How are you?")], "yes, please")
    assert "qr_code" in names(choice, [turn(1, "hello", "Shall I make a QR code of it?")], "yes, please")


def test_a_decision_changes_nothing() -> None:
    choice = choice_of(SKILLS, ROOM)
    past = [turn(1, "What's Maria's phone number?", "It is 5.")]
    before = names(choice, past, "Send an email to Tom about the offer")
    past.append(turn(2, "Send an email to Tom about the offer", "Shall I? No joke.", ("send_email",)))
    assert names(choice, past, Decision("c", True)) == before


def test_another_process_chooses_the_same() -> None:
    choice = choice_of(SKILLS, ROOM)
    said = [one.text for name in FILES for one in load(name)][: 4 * EVERY]
    past: list[Turn] = []
    for number, subject in enumerate(said, 1):
        text = subject if number % 16 == 1 else "ok"  # what was wanted long ago is remembered by nobody
        kept = names(choice, past, text)
        if not number % 7:
            assert kept == names(choice, [replace(one, memo={}) for one in past], text)
        past.append(turn(number, text))


def test_up_to_a_threshold_all_are_offered_in_their_order() -> None:
    offered = chosen(choice_of(SKILLS[:FEW], ROOM), [], turn(1, "hello"))
    assert [tool.name for tool in offered] == [skill.name for skill in SKILLS[:FEW]]
    assert len(chosen(choice_of(SKILLS[: FEW + 1], ROOM), [], turn(1, "hello"))) <= MOST


def test_large_skills_do_not_make_a_request_large() -> None:
    large = made("weather_archive", "Weather of the past. " + "Much is to be said of it. " * 2_000)
    small = [made(f"s{number}", "Does something else.") for number in range(50)]
    choice = choice_of([large, *small, made("weather", "Weather forecast.")], 2_000)
    offered = names(choice, [], "weather?")
    assert "weather" in offered
    assert "weather_archive" not in offered


def test_a_hostile_schema_is_read_within_bounds() -> None:
    deep: dict[str, Any] = {"type": "string", "description": "bottom"}
    for _ in range(200):
        deep = {"type": "object", "properties": {"x": deep}, "description": 7, "enum": 3}
    index = Index([made("deep", "Deep.", deep), made("odd", "Odd.", {"properties": ["weather"]})])
    assert index.rank("bottom") == []
    assert [place for place, _ in index.rank("deep")] == [0]
