"""What the platforms insist on, written independently of the code that packs: import these in other tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from duihua.ports import Packed


def loaded(packed: Packed) -> list[dict[str, Any]]:
    """The messages of a packing as plain data."""
    assert len(packed.messages) == len(packed.rounds)
    return [orjson.loads(message) for message in packed.messages]


def assert_filled(message: dict[str, Any], *, calls: str) -> None:
    content = message["content"]
    if content is None:
        assert message.get(calls), f"empty content: {message}"
    else:
        assert isinstance(content, str)
        assert content.strip(), f"empty content: {message}"


def assert_qianfan_v1(messages: Sequence[dict[str, Any]]) -> None:
    """Odd count, user or function on odd places, assistant on even, each call answered at once, in JSON."""
    assert len(messages) % 2 == 1, f"{len(messages)} messages"
    assert messages[0]["role"] == "user"
    asked: str | None = None
    for place, message in enumerate(messages):
        assert_filled(message, calls="function_call")
        if place % 2:
            assert set(message) <= {"role", "content", "function_call"}
            assert message["role"] == "assistant"
            asked = None
            if "function_call" in message:
                asked = message["function_call"]["name"]
                assert asked
                assert asked.strip()
                assert isinstance(orjson.loads(message["function_call"]["arguments"]), dict)
        elif message["role"] == "function":
            assert set(message) == {"role", "content", "name"}
            assert message["name"] == asked, "a result without its call"
            assert isinstance(orjson.loads(message["content"]), dict)
        else:
            assert set(message) == {"role", "content"}
            assert message["role"] == "user"
            assert asked is None, "a call without its result"


def assert_openai(messages: Sequence[dict[str, Any]]) -> None:
    """System first if at all, then user; ends with user or tool; every call answered, in order, at once."""
    rest = list(messages[1:] if messages[0]["role"] == "system" else messages)
    assert rest[0]["role"] == "user"
    assert rest[-1]["role"] in ("user", "tool")
    open_calls: list[str] = []
    seen: set[str] = set()
    before = ""
    for message in messages:
        assert_filled(message, calls="tool_calls")
        role = message["role"]
        if role == "tool":
            assert set(message) == {"role", "content", "tool_call_id"}
            assert message["tool_call_id"] == open_calls.pop(0), "a result without its call"
        else:
            assert not open_calls, "a call without its result"
            assert role in ("user", "assistant") or (role == "system" and message is messages[0])
            assert role != before, f"two messages of {role} in a row"
            assert (before, role) != ("tool", "user"), "a question right after a result"
        for call in message.get("tool_calls", ()):
            assert role == "assistant"
            assert call["type"] == "function"
            assert call["id"]
            assert call["id"] not in seen
            assert call["function"]["name"]
            assert isinstance(orjson.loads(call["function"]["arguments"]), dict)
            seen.add(call["id"])
            open_calls.append(call["id"])
        before = role
    assert not open_calls, "a call without its result"


def assert_plain_alternating(messages: Sequence[dict[str, Any]]) -> None:
    """Only user and assistant with plain text, in turn, odd count; a system message may stand first."""
    rest = list(messages[1:] if messages[0]["role"] == "system" else messages)
    assert len(rest) % 2 == 1
    for place, message in enumerate(rest):
        assert set(message) == {"role", "content"}
        assert message["role"] == ("assistant" if place % 2 else "user")
        assert message["content"].strip()


def characters(messages: Sequence[dict[str, Any]]) -> int:
    """Contents, names and arguments of calls: what counts against a limit in characters."""
    total = 0
    for message in messages:
        total += len(message["content"] or "")
        calls = [call["function"] for call in message.get("tool_calls", ())]
        if "function_call" in message:
            calls.append(message["function_call"])
        total += sum(len(call["name"]) + len(call["arguments"]) for call in calls)
    return total
