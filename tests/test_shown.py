from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.asking import shown
from duihua.events import (
    AnyEvent,
    ApprovalRequested,
    HistoryCleared,
    Notice,
    Retracted,
    TextDelta,
    TurnFinished,
    TurnRestarted,
    TurnSnapshot,
    TurnStarted,
)
from duihua.messages import Media
from duihua.plain import Plain
from duihua.shown import Change, Shown, alternatives, sentence
from duihua_prompts import Catalogue

AT: dict[str, Any] = {"session": "s", "turn": 1}


def seen(*events: AnyEvent) -> tuple[str, list[Change | None]]:
    shown = Shown()
    changes = [shown.apply(event) for event in events]
    return shown.text, changes


def test_pieces_follow_each_other() -> None:
    assert seen(TurnStarted(**AT), TextDelta(**AT, text="a"), TextDelta(**AT, text="b"))[0] == "ab"


def test_a_step_begins_a_line() -> None:
    events = (TextDelta(**AT, text="wait"), TextDelta(**AT, step=1, text="sunny"))
    text, changes = seen(*events, TurnFinished(**AT, text="wait\nsunny"))
    assert text == "wait\nsunny"
    assert changes[-1] is None


def test_a_silent_step_begins_no_line() -> None:
    assert seen(TextDelta(**AT, step=1, text="sunny"))[0] == "sunny"


@pytest.mark.parametrize("event", [TurnRestarted(**AT), Retracted(**AT)])
def test_a_void_text_is_replaced(event: AnyEvent) -> None:
    assert seen(TextDelta(**AT, text="old"), event)[1][-1] == Change("", replaces=True)


@pytest.mark.parametrize("event", [TurnRestarted(**AT), Retracted(**AT)])
def test_nothing_shown_is_nothing_replaced(event: AnyEvent) -> None:
    assert seen(event)[1] == [None]


def test_a_snapshot_adds_what_is_missing() -> None:
    assert seen(TextDelta(**AT, text="so"), TurnSnapshot(**AT, text="so far"))[1][-1] == Change(" far")


def test_a_snapshot_replaces_what_differs() -> None:
    changes = seen(TextDelta(**AT, text="so"), TurnSnapshot(**AT, text="new"))[1]
    assert changes[-1] == Change("new", replaces=True)


def test_an_answer_without_pieces_comes_with_the_end() -> None:
    assert seen(TurnStarted(**AT), TurnFinished(**AT, text="whole"))[0] == "whole"


def test_an_empty_end_takes_nothing_back() -> None:
    assert seen(TextDelta(**AT, text="a"), TurnFinished(**AT, text=""))[1][-1] is None


EVENTS = st.one_of(
    st.builds(lambda t, s: TextDelta(**AT, text=t, step=s), st.text("ab\n", max_size=3), st.integers(0, 2)),
    st.builds(lambda t: TurnSnapshot(**AT, text=t), st.text("ab\n", max_size=4)),
    st.just(TurnRestarted(**AT)),
    st.just(Retracted(**AT)),
)


@given(st.lists(EVENTS), st.text("ab\n", min_size=1, max_size=6))
def test_changes_applied_in_order_are_what_is_shown(events: list[AnyEvent], whole: str) -> None:
    shown, text = Shown(), ""
    for event in (*events, TurnFinished(**AT, text=whole)):
        if (change := shown.apply(event)) is not None:
            text = change.text if change.replaces else text + change.text
        assert text == shown.text
    assert text.endswith(whole)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("policy", ["clear", "drop_turn"])
@pytest.mark.parametrize("side", ["input", "output", "history"])
def test_cleared_content_gets_a_kind_sentence(lang: str, policy: str, side: str) -> None:
    line = sentence(HistoryCleared(**AT, policy=policy, side=side, turns=2), Catalogue(lang))
    assert len(line) > 20


def test_who_consents_sees_the_whole_arguments_and_no_tricks() -> None:
    arguments = '{"to": "' + "x" * 500 + '", "sum": "\x1b[2J\u202e1"}'
    line = sentence(ApprovalRequested(**AT, call="1", name="pay", arguments=arguments), Catalogue("en"))
    assert '• sum: "\\u001b[2J\\u202e1"' in line
    assert "\x1b" not in line


def test_who_consents_hears_the_skills_question() -> None:
    event = ApprovalRequested(**AT, call="1", name="pay", arguments="{}", question="All of\x1b[2J it?")
    assert "All of it?" in sentence(event, Catalogue("en"))


def test_no_argument_hides_behind_another() -> None:
    padded = json.dumps({"note": "a" * 30_000 + "!", "to": "mallory", "b" * 9_000: 10**3_000})
    text = shown(padded) or ""
    assert len(text) <= 2_000
    assert "• to: mallory\n" in text
    note = re.search(r"• note: (a+)…\[\+(\d+)\]…(a+!)\n", text)
    assert note is not None
    assert len(note[1]) + int(note[2]) + len(note[3]) == 30_001
    assert shown('{"to": "\\u006dallory", "x": "a\u202eb\u2800"}') == (
        '• to: mallory\n• x: "a\\u202eb\\u2800"'
    )
    assert shown(json.dumps({f"name {n}": n for n in range(1_000)})) is None
    assert shown(json.dumps({"x" * 999 + y + "x" * 999: y for y in "ab"})) is None
    assert shown("[" * 100_000) is not None
    assert shown("no JSON") == "• no JSON"
    assert shown(json.dumps({"pairs": [[n, n] for n in range(140)]})) is not None
    assert shown(json.dumps({"emoji": "😀" * 5_000})) is not None
    assert len((shown(json.dumps({"emoji": "😀" * 5_000})) or "").encode("utf-16-le")) <= 4_000


def test_arguments_are_shown_as_people_write_them() -> None:
    arguments = {
        "to": "小安",
        "sum": 120,
        "id": "120",
        "body": "Dear Ann, ❤️\n\nsee you.",
        "event": {"start": "8:00", "with": ["Bob", "Eve, too"], "rooms": [{"name": "A"}]},
        "trick": f"5{' ' * 40}sum: 1",
    }
    assert shown(json.dumps(arguments)) == (
        '• to: 小安\n• sum: 120\n• id: "120"\n• body:\n    Dear Ann, ❤️\n    \n    see you.\n'
        '• event.start: 8:00\n• event.with: [Bob, "Eve, too"]\n• event.rooms[1].name: A\n'
        '• trick: "5' + r"\u0020" * 40 + 'sum: 1"'
    )


@given(st.dictionaries(st.text("ab.•\n :\u200b"), st.text('a•\n :"\u3000') | st.integers(), max_size=5))
def test_no_value_looks_like_another_argument(arguments: dict[str, Any]) -> None:
    lines = (shown(json.dumps(arguments)) or "").split("\n")
    assert sum(line.startswith("• ") for line in lines) == len(arguments)
    assert all(line.startswith(("• ", "    ")) and "•" not in line[1:] for line in lines if arguments)


@pytest.mark.parametrize(("finish", "code"), [("stopped", "notice.stopped"), ("length", "notice.cut")])
def test_an_answer_that_ends_early_says_so(finish: str, code: str) -> None:
    words = Catalogue("zh")
    assert sentence(TurnFinished(**AT, text="x", finish=finish), words) == words.t(code)


def test_an_answer_without_a_word_is_no_silence_unless_it_brings_a_file() -> None:
    words = Catalogue("zh")
    end = TurnFinished(**AT, text=" \n")
    assert sentence(end, words) == words.t("notice.empty")
    assert sentence(replace(end, attachments=(Media("image", "a1", "image/png"),)), words) == ""


def test_other_events_need_no_sentence() -> None:
    assert sentence(TextDelta(**AT, text="x"), Catalogue("en")) == ""
    assert sentence(TurnFinished(**AT, text="x"), Catalogue("en")) == ""


def test_a_notice_is_said_by_its_code() -> None:
    words = Catalogue("en")
    assert sentence(Notice(**AT, code="trimmed"), words) == words.t("notice.trimmed")


def test_other_answers_are_numbered_from_two() -> None:
    words = Catalogue("en")
    end = TurnFinished(**AT, text="one", alternatives=("two", "three"))
    assert alternatives(end, words) == ["Another answer (2): two", "Another answer (3): three"]
    assert alternatives(TextDelta(**AT, text="x"), words) == []


def test_a_pipe_shows_other_answers_below_the_first_without_control_characters() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    view = Plain(Catalogue("en"), out, err)
    view.event(TextDelta(**AT, text="one"))
    view.event(TurnFinished(**AT, text="one", alternatives=("two\x1b[2J",)))
    assert out.getvalue().decode() == "one\nAnother answer (2): two\n"
    assert err.getvalue() == b""
