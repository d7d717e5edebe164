from __future__ import annotations

import pytest

from duihua.simulator.ask import Ask, Call, Message
from duihua.simulator.faults import Fault, Faults, command, without_command


def ask(*said: str) -> Ask:
    messages: list[Message] = []
    for text in said:
        messages += [Message("user", text), Message("assistant", "好的。")]
    return Ask(tuple(messages[:-1]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!flag", ("flag", None)),
        ("!flag-output", ("flag-output", None)),
        ("!slow 50 你好", ("slow", 50)),
        ("你好 !cut 2", ("cut", 2)),
        ("!ratelimit\n你好", ("", None)),
        ("你好\n!ratelimit", ("ratelimit", None)),
        ("!flagged", ("", None)),
        ("wow!flag", ("", None)),
        ("!flag-outputs", ("", None)),
        ("!LONG 3", ("", None)),
        ("", ("", None)),
    ],
)
def test_reads_a_command_in_the_last_line(text: str, expected: tuple[str, int | None]) -> None:
    assert command(text) == expected


@pytest.mark.parametrize(
    ("text", "rest"), [("!slow 50 你好", "你好"), ("!flag", "!flag"), ("早\n!cut", "早"), ("你好", "你好")]
)
def test_takes_the_command_out(text: str, rest: str) -> None:
    assert without_command(text) == rest


@pytest.mark.parametrize("name", ["ratelimit", "overload", "expire", "cut", "timeout"])
def test_a_counted_fault_fails_the_first_requests(name: str) -> None:
    faults = Faults()
    kinds = [faults.take(ask(f"!{name} 2"), "p").kind for _ in range(4)]
    assert kinds == [name, name, "", ""]


def test_once_is_the_default() -> None:
    faults = Faults()
    assert [faults.take(ask("!cut"), "p").kind for _ in range(3)] == ["cut", "", ""]


def test_other_messages_users_and_platforms_count_apart() -> None:
    faults = Faults()
    assert faults.take(ask("!cut"), "p").kind == "cut"
    assert faults.take(ask("早", "!cut"), "p").kind == "cut"
    assert faults.take(ask("!cut"), "q").kind == "cut"
    assert faults.take(ask("!cut"), "p", "someone").kind == "cut"
    assert faults.take(ask("!cut"), "p").kind == ""


def test_down_never_ends_unless_numbered() -> None:
    faults = Faults()
    assert [faults.take(ask("!down"), "p").kind for _ in range(3)] == ["down"] * 3
    assert [faults.take(ask("!down 1"), "p").kind for _ in range(2)] == ["down", ""]


def test_a_fault_in_an_earlier_message_is_over() -> None:
    assert Faults().take(ask("!down", "你好"), "p") == Fault()


def test_poison_is_found_later_with_its_round() -> None:
    faults = Faults()
    assert faults.take(ask("早", "!poison 秘密"), "p") == Fault()
    assert faults.take(ask("早", "!poison 秘密", "午"), "p") == Fault("history", 1)
    assert faults.take(ask("!poison", "早", "午", "晚"), "p") == Fault("history", 0)
    assert faults.take(ask("早", "晚"), "p") == Fault()


@pytest.mark.parametrize(("paired", "round_"), [(True, 2), (False, 1)])
def test_a_result_begins_a_round_where_the_wire_counts_pairs(paired: bool, round_: int) -> None:
    call = (Message("assistant", calls=(Call("f", "{}"),)), Message("function", "1", name="f"))
    told = (
        Message("assistant", "好"),
        Message("user", "!poison"),
        Message("assistant", "好"),
        Message("user", "晚"),
    )
    messages = (Message("user", "早"), *call, *told)
    assert Faults().take(Ask(messages, paired=paired), "p") == Fault("history", round_)


def test_the_new_input_is_flagged_before_the_history() -> None:
    assert Faults().take(ask("!poison", "!flag"), "p") == Fault("flag")


def test_clearing_counts_anew() -> None:
    faults = Faults()
    assert faults.take(ask("!cut"), "p").kind == "cut"
    faults.clear()
    assert faults.take(ask("!cut"), "p").kind == "cut"
