"""Message lists that others made."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from duihua.foreign import turns_from_messages
from duihua.messages import Call, Media, Text, Turn, TurnRef, call_id
from tests.dialects import ALL
from tests.strategies import foreign_lists
from tests.wire import loaded


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def asked(*ids: str) -> list[dict[str, Any]]:
    return [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]


def calls(turns: tuple[Turn, ...]) -> list[Call]:
    return [call for turn in turns for step in turn.steps for call in step.calls]


def test_a_plain_list() -> None:
    system, turns = turns_from_messages([user("a"), said("b"), user("c")])
    assert system == ""
    assert [(t.ref, t.parent, t.text, t.state) for t in turns] == [
        (TurnRef(0, 1), 0, "b", "done"),
        (TurnRef(0, 2), 1, "", "stopped"),
    ]


def test_system_texts_are_gathered() -> None:
    messages = [{"role": "system", "content": "a"}, user("x"), {"role": "developer", "content": "b"}]
    assert turns_from_messages(messages)[0] == "a\nb"


def test_every_user_message_is_a_turn() -> None:
    _, turns = turns_from_messages([user("a"), user("b"), said("c")])
    assert [t.input for t in turns] == [(Text("a"),), (Text("b"),)]


def test_a_leading_answer_has_a_turn_of_its_own() -> None:
    _, turns = turns_from_messages([said("welcome"), user("a")])
    assert (turns[0].input, turns[0].text) == ((), "welcome")


def test_results_find_their_calls_by_id() -> None:
    messages = [
        user("a"),
        said(None, tool_calls=asked("x", "y")),
        {"role": "tool", "tool_call_id": "y", "content": "2"},
        {"role": "tool", "tool_call_id": "x", "content": "1"},
    ]
    _, turns = turns_from_messages(messages)
    assert [(c.id, c.result, c.state) for c in calls(turns)] == [
        (call_id(TurnRef(0, 1), 0, 0), "1", "done"),
        (call_id(TurnRef(0, 1), 0, 1), "2", "done"),
    ]


def test_results_find_their_calls_by_name() -> None:
    messages = [
        user("a"),
        said(None, function_call={"name": "f", "arguments": {"x": 1}}),
        {"role": "function", "name": "f", "content": {"ok": True}},
    ]
    (call,) = calls(turns_from_messages(messages)[1])
    assert (call.arguments, call.result) == ('{"x": 1}', '{"ok": true}')


def test_orphans_are_left_out_and_open_calls_are_unknown() -> None:
    messages = [
        {"role": "tool", "tool_call_id": "z", "content": "?"},
        user("a"),
        said("hm", tool_calls=asked("x")),
        {"role": "function", "name": "g", "content": "?"},
    ]
    _, turns = turns_from_messages(messages)
    assert [(c.state, c.result) for c in calls(turns)] == [("unknown", "")]


def test_a_result_counts_once_and_not_for_an_earlier_turn() -> None:
    wanted = {"name": "f", "arguments": "{}"}
    result = {"role": "function", "name": "f", "content": "late"}
    _, turns = turns_from_messages([user("a"), said(None, function_call=wanted), user("b"), result])
    assert [c.state for c in calls(turns)] == ["unknown"]
    answered = [user("a"), said(None, function_call=wanted), {**result, "content": "1"}, result]
    assert [c.result for c in calls(turns_from_messages(answered)[1])] == ["1"]


def test_parts_become_parts() -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:..."}},
        None,
    ]
    _, turns = turns_from_messages([{"role": "user", "content": content}])
    assert turns[0].input == (Text("look"), Media("image", "", ""))


def test_unknown_roles_are_users() -> None:
    _, turns = turns_from_messages([{"role": "critic", "content": "no"}, {"content": "who"}])
    assert [t.input for t in turns] == [(Text("no"),), (Text("who"),)]


@given(foreign_lists, st.sampled_from(ALL))
def test_whatever_comes_in_can_be_packed(messages: list[dict[str, Any]], kind: Any) -> None:
    dialect, check = kind
    system, turns = turns_from_messages(messages)
    assert [t.ref.seq for t in turns] == list(range(1, len(turns) + 1))
    current = Turn(TurnRef(0, len(turns) + 1), len(turns), input=(Text("the question"),), state="running")
    packed = dialect.pack(system, (*turns, current))
    check(loaded(packed))
    assert loaded(packed)[-1]["content"].endswith("the question")
