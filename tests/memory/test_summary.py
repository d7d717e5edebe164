"""What models answer when they are asked for notes, as it should be and as it comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memory.notes import DIGEST, NOTE
from duihua.memory.summary import FACTS, Summary, parse
from duihua.tokens import estimate

FACT = {"kind": "profile", "subject": "name", "text": "用户叫小明。", "turn": 2}
GOOD = json.dumps({"note": "聊了旅行。", "facts": [FACT], "digest": "旧事。"}, ensure_ascii=False)
WHOLE = Summary("聊了旅行。", (FACT,), "旧事。")


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"好的，这是笔记 {{见下}}：\n{GOOD}\n希望有用！",
        f'<think>maybe {{"note": "no"}}</think>{GOOD}',
        GOOD.replace("}]", "},]").replace('旧事。"', '旧事。",\n'),
        GOOD.replace("聊了旅行。", "聊了旅行。\\u0007"),
    ],
)
def test_a_summary_is_found_in_what_stands_around_it(answer: str) -> None:
    assert parse(answer) == WHOLE


@pytest.mark.parametrize(
    "answer", ["", "抱歉，我做不到。", "{}", "[1, 2]", '{"note": ""}', '{"note": "cut o', "null"]
)
def test_no_summary_is_none(answer: str) -> None:
    assert parse(answer) is None


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"kind": "secret", "subject": 7, "text": "x", "turn": "3"}, ("other", "", "x", 3)),
        ({"text": "a\nb\x1b[2J\u202e", "turn": True}, ("other", "", "a b", 0)),
        ({"kind": ["profile"], "subject": "Home ", "text": "x", "turn": -1}, ("other", "home", "x", 0)),
        ({"kind": "event", "text": "x", "turn": 1.5}, ("event", "", "x", 0)),
    ],
)
def test_facts_of_wrong_types_are_put_right(given: dict[str, Any], read: tuple[Any, ...]) -> None:
    summary = parse(json.dumps({"facts": [given, 1, None, {"text": ""}, {"kind": "event"}]}))
    assert summary is not None
    [fact] = summary.facts
    assert tuple(fact[name] for name in ("kind", "subject", "text", "turn")) == read


def test_a_summary_is_bounded() -> None:
    facts = [{**FACT, "text": f"{n}" + "很长" * 500, "subject": "s" * 500} for n in range(50)]
    long = "这是一句话。" * 900
    summary = parse(json.dumps({"note": long, "facts": facts, "digest": long}, ensure_ascii=False))
    assert summary is None  # an answer of this size is cut, and no JSON any more
    summary = parse(
        json.dumps({"note": long[:3_000], "facts": facts[:1] * 2 + [{"text": f"{n}"} for n in range(50)]})
    )
    assert summary is not None
    assert estimate(summary.note) <= NOTE
    assert summary.note.endswith("。")
    assert len(summary.facts) == FACTS
    assert max(len(fact["text"]) for fact in summary.facts) <= 200


@pytest.mark.parametrize("piece", ['{"a":', "[", '"', '"\\', ",}", '{"note":"x",', "{", "\ud800"])
def test_hostile_answers_neither_crash_nor_take_long(piece: str) -> None:
    assert parse(piece * 20_000) is None


json_values: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=30, deadline=None)
@given(st.fixed_dictionaries({}, optional={"note": json_values, "facts": json_values, "digest": json_values}))
def test_any_json_is_read(value: dict[str, Any]) -> None:
    summary = parse(json.dumps(value))
    if summary is not None:
        assert estimate(summary.note) <= NOTE
        assert estimate(summary.digest) <= DIGEST
        (summary.note + summary.digest).encode()


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    parse(text)
    parse("{" + text + "}")
