"""What Qianfan's v2 refuses: the checks of a chat request, with HTTP status, code and words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from duihua.simulator.ask import Ask, Call, Function, Message
from duihua.simulator.qianfan_rules import prompt_tokens
from duihua.simulator.qianfan_v2_models import MODELS, Model
from duihua.simulator.wire import as_list, as_object, is_integer, is_number, text_list

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS = frozenset(
    {
        *(
            "model",
            "messages",
            "stream",
            "stream_options",
            "user",
            "metadata",
            "web_search",
            "response_format",
        ),
        *("temperature", "top_p", "penalty_score", "max_tokens", "max_completion_tokens", "seed", "stop"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty"),
        *("tools", "tool_choice", "parallel_tool_calls"),
        *("enable_thinking", "thinking_budget", "thinking_strategy", "reasoning_effort"),
    }
)


class Refused(Exception):
    """The platform's error: HTTP status, code, text and type."""

    def __init__(self, status: int, code: str, text: str, type_: str = "invalid_request_error") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.type = status, code, text, type_


def read(body: Any) -> tuple[Ask, Model]:
    """The ask in a chat request's body, and the model asked. Raises Refused as the platform would."""
    fields = as_object(body)
    if fields is None:
        raise Refused(400, "malformed_json", "the request body must be a JSON object")
    name = fields.get("model")
    if not isinstance(name, str) or not name:
        raise Refused(400, "invalid_model", "model is empty")
    model = MODELS.get(name)
    if model is None:
        text = f"The model {name[:64]} does not exist or you do not have access to it"
        raise Refused(401, "invalid_model", text)
    _check_fields(fields, model)
    functions = _functions(fields.get("tools"), model)
    system, messages = _messages(fields.get("messages"), model)
    _check_size(messages, system, model)
    ask = Ask(
        messages,
        functions,
        system,
        _choice(fields.get("tool_choice"), functions),
        parallel=fields.get("parallel_tool_calls", True),
    )
    return ask, model


def _within(low: float, high: float) -> Callable[[Any], bool]:
    return lambda v: is_number(v) and low <= v <= high


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _metadata(value: Any) -> bool:
    pairs = as_object(value)
    return pairs is not None and len(pairs) <= 16 and all(isinstance(v, str) for v in pairs.values())


_FORMATS = ("text", "json_object", "json_schema")
_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "stream": (_flag, "must be a boolean"),
    "temperature": (_within(0, 2), "should be in the range [0, 2]"),
    "max_tokens": (lambda v: is_integer(v) and v >= 1, "should be at least 1"),
    "max_completion_tokens": (lambda v: is_integer(v) and v >= 1, "should be at least 1"),
    "stream_options": (_object, "must be an object"),
    "top_p": (_within(0, 1), "should be in the range [0, 1]"),
    "penalty_score": (_within(1, 2), "should be in the range [1, 2]"),
    "frequency_penalty": (_within(-2, 2), "should be in the range [-2, 2]"),
    "presence_penalty": (_within(-2, 2), "should be in the range [-2, 2]"),
    "repetition_penalty": (lambda v: is_number(v) and v > 0, "should be larger than 0"),
    "seed": (lambda v: is_integer(v) and 0 < v < 2_147_483_647, "should be in the range (0, 2147483647)"),
    "stop": (lambda v: text_list(v, most=4, longest=20), "must be at most 4 texts of 1 to 20 characters"),
    "parallel_tool_calls": (_flag, "must be a boolean"),
    "web_search": (_object, "must be an object"),
    "response_format": (lambda v: (as_object(v) or {}).get("type") in _FORMATS, "has no known type"),
    "metadata": (_metadata, "must be at most 16 pairs of strings"),
    "enable_thinking": (_flag, "must be a boolean"),
    "thinking_budget": (lambda v: is_integer(v) and v >= 100, "should be at least 100"),
    "thinking_strategy": (lambda v: isinstance(v, str), "must be a string"),
    "reasoning_effort": (lambda v: v in ("low", "medium", "high"), "must be low, medium or high"),
    "user": (lambda v: isinstance(v, str), "must be a string"),
}


def _argument(text: str) -> Refused:
    return Refused(400, "invalid_argument", text)


def _check_fields(fields: Mapping[str, Any], model: Model) -> None:
    for name, value in fields.items():
        if name not in _FIELDS:
            raise _argument(f"unknown field: {name[:64]}")
        if name in model.refused:
            raise _argument(f"{name} is not supported by {model.name}")
        rule = _RULES.get(name)
        if rule and not rule[0](value):
            raise _argument(f"{name} {rule[1]}")
    if "stream_options" in fields and not fields.get("stream"):
        raise _argument("stream_options is only allowed when stream is true")


def _functions(value: Any, model: Model) -> tuple[Function, ...]:
    if value is None:
        return ()
    if not model.tools:
        raise _argument(f"tools is not supported by {model.name}")
    items = as_list(value)
    if not items:
        raise _argument("tools must be a list that is not empty")
    found: dict[str, Function] = {}
    for item in items:
        tool = as_object(item) or {}
        given = as_object(tool.get("function")) or {}
        name, schema = (
            given.get("name"),
            as_object(given.get("parameters", {"type": "object", "properties": {}})),
        )
        if (
            tool.get("type") != "function"
            or not isinstance(name, str)
            or not _NAME.fullmatch(name)
            or name in found
        ):
            raise _argument("tools: type or name is missing, wrong or not unique")
        if schema is None or schema.get("type") != "object":
            raise _argument(f"tools: the parameters of {name} must be of type object")
        found[name] = Function(name, str(given.get("description", "")), schema)
    return tuple(found.values())


def _choice(value: Any, functions: tuple[Function, ...]) -> str:
    if value is None:
        return "auto"
    if value in ("none", "auto", "required"):
        return str(value) if functions else "none"
    choice = as_object(value) or {}
    name = (as_object(choice.get("function")) or {}).get("name")
    if (
        choice.get("type") != "function"
        or not isinstance(name, str)
        or name not in [f.name for f in functions]
    ):
        raise _argument("tool_choice must be none, auto, required or an offered function")
    return name


def _shape(text: str) -> Refused:
    return Refused(400, "invalid_messages", text)


def _messages(value: Any, model: Model) -> tuple[str, tuple[Message, ...]]:
    items = as_list(value)
    if not items:
        raise _shape("messages can not be empty")
    system: list[str] = []
    found: list[Message] = []
    open_calls: dict[str, str] = {}  # call id -> function, of the calls that have no result yet
    for item in items:
        fields = as_object(item)
        if fields is None:
            raise _shape("every message must be an object")
        role, text = fields.get("role"), _text(fields)
        if open_calls and role != "tool":
            raise _shape("every tool call must be followed by its tool message")
        match role:
            case "system":
                system.append(_filled(text))
            case "user":
                found.append(Message("user", _filled(text)))
            case "assistant":
                calls = _calls(fields, model)
                open_calls = {c.id: c.name for c in calls}
                found.append(Message("assistant", text if calls else _filled(text), calls))
            case "tool":
                id_ = fields.get("tool_call_id")
                name = open_calls.pop(id_, None) if isinstance(id_, str) else None
                if name is None:
                    raise _shape("the tool_call_id of a tool message answers no tool call")
                found.append(Message("function", text, name=name))
            case _:
                raise _shape("the role of message must be system, user, assistant or tool")
    if not found or found[0].role != "user":
        raise _shape("the first message must be of the role user or system")
    if open_calls or found[-1].role == "assistant":
        raise _shape("the last message must be of the role user or tool")
    for before, after in pairwise(found):
        if before.role == after.role and after.role != "function":
            raise _shape("the roles user and assistant must alternate")
        if (before.role, after.role) == ("function", "user"):
            raise _shape("a tool message must be followed by the assistant")
    return "\n".join(system), tuple(found)


def _text(fields: Mapping[str, Any]) -> str:
    content = fields.get("content")
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for item in as_list(content) or [None]:
        part = as_object(item) or {}
        text = part.get("text")
        if part.get("type") != "text" or not isinstance(text, str):
            raise _shape("the content of message must be a text or a list of texts")
        parts.append(text)
    return "".join(parts)


def _filled(text: str) -> str:
    if not text.strip():
        raise _shape("the content of message can not be empty")
    return text


def _calls(fields: Mapping[str, Any], model: Model) -> tuple[Call, ...]:
    value = fields.get("tool_calls")
    if value is None:
        return ()
    items = as_list(value)
    if not items or not model.tools:
        raise _shape("tool_calls must be a list that is not empty, of a model that has tools")
    calls: dict[str, Call] = {}
    for item in items:
        call = as_object(item) or {}
        function = as_object(call.get("function")) or {}
        id_, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
        if not isinstance(id_, str) or not id_ or id_ in calls:
            raise _shape("tool_calls: id is missing or not unique")
        if not isinstance(name, str) or not name or not isinstance(arguments, str):
            raise _shape("tool_calls: the function's name or arguments are missing")
        calls[id_] = Call(name, arguments, id_)
    return tuple(calls.values())


def _check_size(messages: tuple[Message, ...], system: str, model: Model) -> None:
    if len(system) + sum(len(m.text) for m in messages) > model.characters:
        raise Refused(400, "characters_too_long", f"the max input characters is {model.characters}")
    if prompt_tokens(messages, system) > model.tokens:
        raise Refused(400, "tokens_too_long", "Prompt tokens too long")
