"""The planted facts: their file is as its readers expect it; what would prove nothing is refused."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest
from benchmarks.planted import DATA, judged, load
from benchmarks.small_talk import talk


def test_the_file_holds_long_conversations_in_two_languages() -> None:
    conversations = load(DATA / "planted.jsonl")
    assert len(conversations) == 20
    assert {c.language for c in conversations} == {"zh", "en", "mixed"}
    assert all(60 <= len(c.turns) <= 120 for c in conversations)
    planted = [one for c in conversations for one in c.planted]
    assert len({one.ask for one in planted}) == len({one.fact for one in planted}) == len(planted) >= 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"turn": 1},
        {"turn": 3},
        {"fact": "小红"},
        {"ask": "我叫小明吗？"},
    ],
)
def test_a_fact_that_proves_nothing_is_refused(tmp_path: Any, wrong: dict[str, Any]) -> None:
    turns = [["你好", "你好！"], ["我叫小明。", "你好！"]]
    good = {"turn": 2, "fact": "小明", "ask": "我叫什么？"}
    file = tmp_path / "file.jsonl"
    file.write_text(json.dumps({"id": "a", "language": "zh", "turns": turns, "planted": [good]}))
    assert load(file)[0].planted[0].fact == "小明"
    file.write_text(json.dumps({"id": "a", "language": "zh", "turns": turns, "planted": [{**good, **wrong}]}))
    with pytest.raises(ValueError, match="a, turn"):
        load(file)


async def test_a_name_is_in_the_request_after_its_turn_has_left(tmp_path: Any) -> None:
    turns = [["我叫欧阳若溪。", "你好！"], *([said, "好。" * 150] for said, _ in islice(talk("zh", 1), 6))]
    planted = [{"turn": 1, "fact": "欧阳若溪", "ask": "我叫什么名字？"}]
    file = tmp_path / "file.jsonl"
    file.write_text(json.dumps({"id": "a", "language": "zh", "turns": turns, "planted": planted}))
    assert [(v.found, v.early) for v in await judged(load(file), 2_048)] == [(True, False)]


def test_small_talk_is_varied_and_always_the_same() -> None:
    for language in ("zh", "en"):
        turns = list(islice(talk(language, 7), 500))
        assert turns == list(islice(talk(language, 7), 500))
        assert len({said for said, _ in turns}) > 250
