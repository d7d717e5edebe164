"""What is said later supersedes what it contradicts, and leaves alone what it is compatible with."""

from __future__ import annotations

import pytest
from benchmarks.contradicted import DATA, GOALS, load

from duihua.memories import Fact
from duihua.memory.agreement import joined
from duihua.memory.facts import found_in, from_model
from duihua.memory.kept import forget
from duihua.memory.rules import stated
from duihua.messages import TurnRef
from tests.memory.shelf import AT, DAY, Shelf, turn


@pytest.mark.parametrize(("name", "goal"), GOALS.items())
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one batch"])
def test_pairs_of_statements_are_judged_right(name: str, goal: float, at_once: bool) -> None:
    pairs = load(DATA / name)
    assert len({pair.first + pair.then for pair in pairs}) == len(pairs)
    for old, least in (("gone", 60), ("stays", 40)):
        of = [pair for pair in pairs if pair.old == old]
        assert len(of) >= least
        wrong = []
        for pair in of:
            shelf, said = (
                Shelf(),
                [found_in(turn(text, seq)) for seq, text in enumerate((pair.first, pair.then), 1)],
            )
            for findings in [(*said[0], *said[1])] if at_once else said:
                shelf.hear(*findings)
            if not pair.right(list(shelf.facts.values())):
                wrong.append(pair)
        assert 100 * (1 - len(wrong) / len(of)) >= goal, wrong


@pytest.mark.parametrize(
    ("told", "holds"),
    [
        (("I live in Rome", "I no longer live in Rome", "I live in Milan"), ["I live in Milan"]),
        (("I have a dog", "I don't have a dog any more", "I have a dog"), ["I have a dog"]),
        (("I live in Milan", "I no longer live in Rome"), ["I live in Milan", "I no longer live in Rome"]),
        (("我是护士", "我辞职了", "我现在是老师"), ["我现在是老师"]),
        (("My favorite color is blue", "My favourite colour is red"), ["My favourite colour is red"]),
        (("我的手机是华为", "我的手机号是13800001111"), ["我的手机是华为", "我的手机号是13800001111"]),
        (
            (
                "My sister's name is Ann",
                "My sister is a nurse",
                "My sister is in Paris",
                "My sister is a vet",
            ),
            ["My sister's name is Ann", "My sister is in Paris", "My sister is a vet"],
        ),
        (
            ("My birthday is May 5", "My birthday is next week"),
            ["My birthday is May 5", "My birthday is next week"],
        ),
        (("我的生日是5月5号", "我的生日是下周五"), ["我的生日是5月5号", "我的生日是下周五"]),
        (("My birthday is May 5", "My birthday is May 6"), ["My birthday is May 6"]),
        (("我妈妈叫小红", "我妈妈是护士", "我妈妈是医生"), ["我妈妈叫小红", "我妈妈是医生"]),
        (("My anniversary is June 12", "My anniversary is June 13"), ["My anniversary is June 13"]),
    ],
)
def test_an_end_is_history_itself_once_something_begins(told: tuple[str, ...], holds: list[str]) -> None:
    shelf = Shelf()
    assert shelf.told(*told) == holds
    again = [found for seq, text in enumerate(told) for found in found_in(turn(text, seq))]
    assert shelf.hear(*again) == ()  # said before all that


@pytest.mark.parametrize(
    "text", ["I left Acme", "I'm not a nurse", "我离开北京了", "考试取消了", "不用加表情了"]
)
def test_what_ends_nothing_known_is_no_fact(text: str) -> None:
    assert Shelf().told(text) == []


def test_of_one_batch_each_replaced_one_is_history() -> None:
    shelf = Shelf()
    texts = ("I love tea", "I live in Rome", "I live in Milan", "I hate tea now", "I live in Nice")
    shelf.hear(*(found for seq, text in enumerate(texts, 1) for found in found_in(turn(text, seq))))
    assert {fact.text: fact.superseded_by for fact in shelf.facts.values()} == {
        **{"I love tea": 4, "I live in Rome": 3, "I live in Milan": 5},
        **{"I hate tea now": 0, "I live in Nice": 0},
    }


def test_an_end_counts_between_two_people_who_are_one() -> None:
    def of(number: int, text: str) -> list[Fact]:
        return [Fact(number, 1, f.kind, f.subject, f.text, last_seen=number) for f in found_in(turn(text))]

    assert joined(of(1, "I work at Acme"), of(2, "I left Acme")) == ({}, {1: 2})
    assert joined(of(2, "I left Acme"), of(1, "I work at Acme")) == ({}, {1: 2})
    assert joined(of(1, "I left Acme"), of(2, "I work at Acme")) == ({}, {})


def test_a_model_ends_nothing_that_the_person_did_not_end() -> None:
    heard = (turn("我住在北京"), turn("我不住北京了", 2))
    fact = {"kind": "profile", "subject": "home", "text": "用户不住北京了"}
    assert from_model([fact | {"turn": 1}], heard) == ()
    assert len(from_model([fact | {"turn": 2}], heard)) == 1


# -------------------------------------------------------------- plans, days of every year, unseen characters


@pytest.mark.parametrize("text", ["I'm moving to Nice next month", "我明天搬到上海", "我下个月要搬到上海"])
def test_what_will_be_is_a_plan_that_expires(text: str) -> None:
    [found] = found_in(turn(text))
    assert (found.kind, found.subject) == ("event", "plan")
    assert AT < found.expires < AT + 100 * DAY


@pytest.mark.parametrize(
    "text",
    [
        *(
            "My wedding anniversary is on 12 June",
            "Our anniversary is June 12",
            "My mum's birthday is on May 30",
        ),
        *(
            "我的结婚纪念日是6月12日",
            "我们的结婚纪念日是6月12日",
            "我奶奶的忌日是5月30日",
            "My birthday is May 20",
        ),
    ],
)
def test_a_day_of_every_year_does_not_expire(text: str) -> None:
    assert [found.expires for found in found_in(turn(text))] == [0]


def test_a_party_on_such_a_day_does() -> None:
    [party] = found_in(turn("My birthday party is on May 20"))
    assert party.expires > AT


@pytest.mark.parametrize(
    "text", ["I live in Ro\u200bme", "I li\u00adve\ufeff in Rome", "\u2068I\u2069 live in R\u200dome"]
)
def test_characters_that_nobody_sees_hide_nothing(text: str) -> None:
    assert Shelf().told("I live in Paris", text) == ["I live in Rome"]


def test_pictures_that_are_joined_stay_joined() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert Shelf().told(f"I love hiking {family}") == [f"I love hiking {family}"]


def test_forgetting_leaves_no_text_in_the_process() -> None:
    Shelf().told("I live in Quiddlewick")
    misses = stated.cache_info().misses
    forget()
    assert stated.cache_info().currsize == 0 < misses


def test_sources_of_one_batch_are_of_their_own_facts() -> None:
    shelf = Shelf()
    shelf.hear(*found_in(turn("I live in Rome", 1)), *found_in(turn("I no longer live in Rome", 2)))
    assert [fact.sources for fact in shelf.facts.values()] == [(TurnRef(1, 1),), (TurnRef(1, 2),)]
