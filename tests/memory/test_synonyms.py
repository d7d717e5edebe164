"""Other words for those of a question: which are looked for, and what they count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from duihua.memories import Found, Matches
from duihua.memory.questions import question
from duihua.memory.recall import LexicalRecall
from duihua.memory.saying import LIGHT, Saying
from duihua.memory.scoring import rank
from duihua.memory.synonyms import MOST, Others, others
from duihua.memory.terms import query_terms
from duihua.messages import TurnRef
from tests.memory.plain_index import PlainIndex, turn


def found(text: str) -> Sequence[str]:
    return others(text, query_terms(text))[0]


@pytest.mark.parametrize(
    ("asked", "said", "not_said"),
    [
        ("who is my boss?", "manag", "boss"),
        ("which movies did i like?", "film", "movi"),
        ("我老公喜欢什么？", "先生", "老公"),
        ("我的孩子几岁？", "娃", "孩子"),
        ("我的车多少钱", "汽车", "车"),
    ],
)
def test_a_word_is_looked_for_in_other_words(asked: str, said: str, not_said: str) -> None:
    assert said in found(asked)
    assert not_said not in found(asked)


def test_who_asks_for_a_kind_may_mean_one_of_it_but_not_the_other_way_round() -> None:
    assert "rabbit" in found("what pet have i got?")
    assert "pet" not in found("where is my rabbit?")


def test_a_word_within_a_longer_one_has_no_others() -> None:
    assert "闺蜜" in found("我朋友")
    assert "闺蜜" not in found("我男朋友")


def test_no_more_than_a_few_are_looked_for() -> None:
    asked = question("家人 爸妈 医生 旅游 车 吃 工作 学习 电影 boss movie doctor holiday car food", 0)
    assert len(asked.terms) == asked.words + MOST
    assert asked.others.terms == ((1 << MOST) - 1) << asked.words
    assert question("who is my boss?", 0, widely=False).terms == ("boss",)


def test_others_say_less_than_the_word_and_together_no_more_than_the_best_of_them() -> None:
    say = Saying([2.0, 1.0, 3.0, 1.0, 4.0], Others(0b11100, ((0b01, (0b00100, 0b11000)),)))
    assert say.together(0b00001) == say.together(0b11101) == 2.0
    assert say.together(0b00100) == LIGHT * 2.0  # it says more, but stands for the word
    assert say.together(0b01000) == 0.0  # half of a word
    assert say.together(0b11100) == LIGHT * 2.0
    assert say.together(0b00110) == 1.0 + LIGHT * 2.0
    assert say.most == 3.0


@pytest.mark.parametrize(("asked", "word"), [("who is my boss?", "boss"), ("我老公是谁？", "老公")])
def test_the_word_itself_always_wins(asked: str, word: str) -> None:
    looked = question(asked, 0)
    places = {(1, n * 10): Found(1, 10, 1 << n) for n in range(len(looked.terms))}
    everything = Found(1, 10, looked.others.terms)
    matches = Matches(100, 1_000, [1] * len(looked.terms), places | {(2, 1): everything})
    ranked = dict(rank(looked, matches))
    exact = ranked.pop((1, 10 * looked.terms.index(word)))
    assert all(score < exact for place, score in ranked.items() if place != (1, 10))


class Listening(PlainIndex):
    """Notes what it is asked for."""

    terms: Sequence[str] = ()

    async def match(self, owner: int, terms: Sequence[str], **options: Any) -> Matches:
        self.terms = terms
        return await super().match(owner, terms, **options)


async def test_only_a_question_is_looked_for_in_other_words() -> None:
    index = Listening(turn(1, "My manager is called Dana."))
    recall = LexicalRecall(index)  # type: ignore[arg-type]

    async def unasked(text: str) -> list[TurnRef | None]:
        hits = await recall.unasked(1, text, limit=6, before=None, book=index.book, there=lambda fact: False)
        return [hit.ref for hit in hits]

    assert await unasked("Who is my boss?") == [TurnRef(1, 1)]
    assert "manag" in index.terms
    assert await unasked("The boss came by.") == []
    assert "manag" not in index.terms
    assert [hit.ref for hit in await recall.search(1, "the boss")] == [TurnRef(1, 1)]
