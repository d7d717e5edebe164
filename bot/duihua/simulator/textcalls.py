"""Functions offered in plain words: found in the system text, called by two lines, answered by the user.

Models without a field for functions are told about them in the system text and answer

    Action: name
    Action Input: {json}

The result comes back as the next user message. Here such a conversation becomes one with real calls, so that
the brain need not know; the description is recognised by names and schemas, not by its wording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from duihua.simulator.ask import Answer, Ask, Call, Function, Message

_CONVENTION = re.compile(r"Action\s*:.*?Action\s+Input\s*:", re.DOTALL | re.IGNORECASE)
_ACTION = re.compile(
    r"^[ \t]*Action[ \t]*[:：][ \t]*(?P<name>[\w.-]+)[ \t]*\r?\n[ \t]*Action[ \t]+Input[ \t]*[:：][ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_HEADED = re.compile(
    r"^[\w \t-]{0,40}?(?:observation|result|output|观察|结果|返回)[^:：\n{]{0,60}[:：]\s*", re.IGNORECASE
)
_NAME_LINE = re.compile(
    r"^[\s\-*#>•\d.、)(]*(?:(?:tool|name|function|skill|action|工具|函数|技能|名称|名字)\s*[:：]\s*)?"
    r"[`\"'*\[]*(?P<name>[A-Za-z_][\w.-]{0,63})[`\"'*\]]*\s*(?P<mark>[:：—–(（,，-]|$)?"
)
_NO_NAME = re.compile(
    r"(?:tools?|names?|functions?|skills?|action|parameters?|params|schema|arg(?:ument)?s?|input|json|output|description"
    r"|examples?|note|the|an?|use|call|when|observation)",
    re.IGNORECASE,
)
_SCHEMA_KEYS = ("parameters", "schema", "input_schema", "arguments", "inputSchema")
_MOST = 400  # braces looked at in a system text


def normalised(ask: Ask) -> Ask:
    """The same ask with functions, calls and results in their own places, if they stand in the text."""
    if ask.functions:
        return ask
    ask = _system_apart(ask)
    messages = _with_calls(ask.messages)
    offered = tuple(_described(ask.system)) if _CONVENTION.search(ask.system) else ()
    if not offered and messages == ask.messages:
        return ask
    return replace(
        ask, messages=messages, functions=offered, parallel=False, as_text=bool(offered), paired=True
    )


def rendered(ask: Ask, answer: Answer) -> Answer:
    """The answer in the form that the ask's wire can carry."""
    if not ask.as_text or not answer.calls:
        return answer
    call = answer.calls[0]
    return Answer(f"{answer.text}\nAction: {call.name}\nAction Input: {call.arguments}".lstrip())


def _system_apart(ask: Ask) -> Ask:
    """For models without a system text: the description stands at the head of the first message."""
    if ask.system or not ask.messages or not _CONVENTION.search(first := ask.messages[0].text):
        return ask
    system, _, question = first.rpartition("\n\n")
    if ask.messages[0].role != "user" or not system:
        return ask
    return replace(ask, system=system, messages=(Message("user", question), *ask.messages[1:]))


def _with_calls(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A user message right after an action is that action's result."""
    found: list[Message] = []
    for message in messages:
        if message.role == "assistant" and (action := _ACTION.search(message.text)):
            call = Call(action["name"], message.text[action.end() :].strip())
            message = Message("assistant", message.text[: action.start()].strip(), (call,))
        elif message.role == "user" and found and (asked := found[-1].calls):
            message = Message("function", _HEADED.sub("", message.text.strip(), count=1), name=asked[0].name)
        found.append(message)
    return tuple(found)


def _described(system: str) -> Iterator[Function]:
    """The functions that a system text describes: whole JSON objects, or a name followed by a schema."""
    seen: set[str] = set()
    for before, value in _objects(system):
        function = _whole(value) or _schema_after(before, value)
        if function and function.name not in seen:
            seen.add(function.name)
            yield function


def _objects(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects in a text, each with the text between it and the one before."""
    decoder, at, since = json.JSONDecoder(), 0, 0
    for _ in range(_MOST):
        at = text.find("{", at)
        if at < 0:
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        yield text[since:at], cast("dict[str, Any]", value)
        at = since = end


def _whole(value: dict[str, Any]) -> Function | None:
    inner = value.get("function")
    if isinstance(inner, dict):
        value = cast("dict[str, Any]", inner)
    name = value.get("name")
    schema = next((value[k] for k in _SCHEMA_KEYS if isinstance(value.get(k), dict)), None)
    if not isinstance(name, str) or schema is None:
        return None
    return Function(name, str(value.get("description", "")), schema)


def _schema_after(before: str, value: dict[str, Any]) -> Function | None:
    if value.get("type") != "object" and "properties" not in value:
        return None
    strong = weak = ""
    for line in before.splitlines():
        found = _NAME_LINE.match(line)
        if not found or _NO_NAME.fullmatch(found["name"]):
            continue
        if found["mark"] is not None:
            strong = found["name"]
        weak = found["name"]
    name = strong or weak
    return Function(name, before.strip()[-2_000:], value) if name else None
