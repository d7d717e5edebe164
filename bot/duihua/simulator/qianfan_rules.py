"""What Qianfan's v1 refuses: the checks of a chat request, with the platform's codes and words."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from duihua.simulator.ask import Ask, Call, Function, Message, prompt_tokens
from duihua.simulator.qianfan_models import Model
from duihua.simulator.traffic import Excess
from duihua.simulator.wire import as_list, as_object, is_integer, is_number, text_list

INVALID_ARGUMENT, INVALID_JSON, CHECK_FAILED, MESSAGES = 336001, 336002, 336003, 336006
TOO_MANY_CHARACTERS, TOO_MANY_TOKENS = 336007, 336103

Check = tuple[Callable[[Any], bool], str]
"""Whether a field's value is good, and the words when it is not."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Refused(Exception):
    """The platform's error: `code` and text; `excess` of a request that was too large."""

    def __init__(self, code: int, text: str, excess: Excess | None = None) -> None:
        super().__init__(text)
        self.code, self.text, self.excess = code, text, excess


def read(body: Any, model: Model, *, system_with_functions: bool = True) -> Ask:
    """The ask in a chat request's body. Raises Refused as the platform would refuse it."""
    fields = as_object(body)
    if fields is None:
        raise Refused(INVALID_ARGUMENT, "the request body must be a JSON object")
    if "messages" not in fields:
        raise Refused(INVALID_ARGUMENT, "messages is required")
    _check_fields(fields, model)
    functions = _functions(fields.get("functions"))
    system = fields.get("system") or ""
    if functions and system and not system_with_functions:
        raise Refused(CHECK_FAILED, "system is not supported when functions are set")
    messages = read_messages(fields["messages"], model)
    _check_size(messages, system, functions, model)
    return Ask(
        messages,
        functions,
        system,
        _choice(fields.get("tool_choice"), functions),
        parallel=False,
        paired=True,
    )


def within(low: float, high: float, *, above: bool = False) -> Callable[[Any], bool]:
    """A number in a range; `above`: `low` is no part of it."""
    return lambda v: is_number(v) and (low < v if above else low <= v) and v <= high


def whole(low: int, high: int) -> Callable[[Any], bool]:
    """An integer in a closed range."""
    return lambda v: is_integer(v) and low <= v <= high


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)


_RULES: Mapping[str, Check] = {
    "stream": (_flag, "must be a boolean"),
    "temperature": (within(0, 1, above=True), "should be in the range (0, 1]"),
    "top_p": (within(0, 1), "should be in the range [0, 1]"),
    "penalty_score": (within(1, 2), "should be in the range [1, 2]"),
    "frequency_penalty": (within(-2, 2), "should be in the range [-2, 2]"),
    "presence_penalty": (within(-2, 2), "should be in the range [-2, 2]"),
    "top_k": (whole(1, 2**31), "must be a positive integer"),
    "min_output_tokens": (whole(2, 2_048), "should be in the range [2, 2048]"),
    "stop": (lambda v: text_list(v, most=4, longest=20), "must be at most 4 texts of 1 to 20 characters"),
    "system": (is_text, "must be a string"),
    "user_id": (is_text, "must be a string"),
    "user_setting": (is_text, "must be a string"),
    "system_memory_id": (is_text, "must be a string"),
    "disable_search": (_flag, "must be a boolean"),
    "enable_citation": (_flag, "must be a boolean"),
    "enable_trace": (_flag, "must be a boolean"),
    "enable_system_memory": (_flag, "must be a boolean"),
    "trace_number": (whole(1, 10), "should be in the range [1, 10]"),
    "response_format": (lambda v: v in ("text", "json_object"), "must be text or json_object"),
    "extra_parameters": (lambda v: isinstance(v, dict), "must be an object"),
    "tools": (
        lambda v: all((as_object(t) or {}).get("type") == "web_search" for t in as_list(v) or [0]),
        "must be a list of web_search tools",
    ),
}


def check_fields(
    fields: Mapping[str, Any], known: Collection[str], name: str, rules: Mapping[str, Check] | None = None
) -> None:
    """The fields of a request, with `rules` before those of chat. Raises Refused."""
    for field, value in fields.items():
        if field not in known:
            raise Refused(CHECK_FAILED, f"{field[:64]} is not supported by {name}")
        rule = (rules or {}).get(field) or _RULES.get(field)
        if rule and not rule[0](value):
            raise Refused(CHECK_FAILED, f"{field} {rule[1]}")


def _check_fields(fields: Mapping[str, Any], model: Model) -> None:
    check_fields(fields, model.fields, model.name)
    if "max_output_tokens" in fields and not whole(2, model.most_output)(fields["max_output_tokens"]):
        raise Refused(CHECK_FAILED, f"max_output_tokens should be in the range [2, {model.most_output}]")


def _functions(value: Any) -> tuple[Function, ...]:
    if value is None:
        return ()
    items = as_list(value)
    if not items:
        raise Refused(CHECK_FAILED, "functions must be a list that is not empty")
    found: dict[str, Function] = {}
    for item in items:
        given = as_object(item) or {}
        name, description, schema = given.get("name"), given.get("description"), given.get("parameters")
        if unknown := given.keys() - {"name", "description", "parameters", "responses", "examples"}:
            raise Refused(CHECK_FAILED, f"functions has an unknown field: {sorted(unknown)[0][:64]}")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in found:
            raise Refused(CHECK_FAILED, "functions: name is missing, wrong or not unique")
        if not isinstance(description, str) or not description.strip():
            raise Refused(CHECK_FAILED, f"functions: the description of {name} can not be empty")
        parameters = as_object(schema)
        if (
            parameters is None
            or parameters.get("type") != "object"
            or not isinstance(parameters.get("properties"), dict)
        ):
            raise Refused(
                CHECK_FAILED, f"functions: the parameters of {name} must be an object with properties"
            )
        found[name] = Function(name, description, parameters)
    return tuple(found.values())


def _choice(value: Any, functions: tuple[Function, ...]) -> str:
    if value is None:
        return "auto"
    choice = as_object(value) or {}
    function = as_object(choice.get("function")) or {}
    name = function.get("name")
    if choice.get("type") != "function" or not isinstance(name, str):
        raise Refused(CHECK_FAILED, "tool_choice must name a function")
    if name not in [f.name for f in functions]:
        raise Refused(CHECK_FAILED, "tool_choice names a function that is not offered")
    return name


def read_messages(value: Any, model: Model) -> tuple[Message, ...]:
    """The messages of a request. Raises Refused unless they alternate, user first and last."""
    items = as_list(value)
    if not items:
        raise Refused(MESSAGES, "messages can not be empty")
    if len(items) % 2 == 0:
        raise Refused(MESSAGES, "the length of messages must be an odd number")
    found: list[Message] = []
    for i, item in enumerate(items):
        found.append(_message(i, item, found, model))
    return tuple(found)


def _message(i: int, item: Any, before: list[Message], model: Model) -> Message:
    fields = as_object(item)
    if fields is None:
        raise Refused(MESSAGES, "every message must be an object")
    if unknown := fields.keys() - {"role", "content", "name", "function_call"}:
        raise Refused(CHECK_FAILED, f"messages has an unknown field: {sorted(unknown)[0][:64]}")
    role, content = fields.get("role"), fields.get("content")
    if i % 2 == 1 and role != "assistant":
        raise Refused(MESSAGES, "the role of message with odd index in the messages must be assistant")
    if i % 2 == 0 and role not in ("user", "function"):
        raise Refused(
            MESSAGES, "the role of message with even index in the messages must be user or function"
        )
    if role == "function" and not model.functions:
        raise Refused(MESSAGES, f"the role function is not supported by {model.name}")
    if role == "assistant" and fields.get("function_call") is not None:
        if not model.functions:
            raise Refused(CHECK_FAILED, f"function_call is not supported by {model.name}")
        return _calling(fields)
    if "function_call" in fields:
        raise Refused(CHECK_FAILED, "function_call must be an object of an assistant's message")
    asked = before[-1].calls if before else ()
    if role == "function":
        return _result(fields, asked)
    if asked:
        raise Refused(MESSAGES, "a function_call must be followed by a message of the role function")
    if not isinstance(content, str) or not content.strip():
        raise Refused(MESSAGES, "the content of message can not be empty")
    return Message("user" if role == "user" else "assistant", content)


def _calling(fields: Mapping[str, Any]) -> Message:
    call = as_object(fields["function_call"])
    content = fields.get("content")
    if call is None or call.keys() - {"name", "arguments", "thoughts"}:
        raise Refused(CHECK_FAILED, "function_call is wrong")
    name, arguments = call.get("name"), call.get("arguments")
    if not isinstance(name, str) or not name.strip():
        raise Refused(CHECK_FAILED, "function_call's name can't be blank")
    if not isinstance(arguments, str):
        raise Refused(CHECK_FAILED, "function_call's arguments must be a string")
    if content is not None and not isinstance(content, str):
        raise Refused(MESSAGES, "the content of message must be a string")
    return Message("assistant", content or "", (Call(name, arguments),))


def _result(fields: Mapping[str, Any], asked: tuple[Call, ...]) -> Message:
    name, content = fields.get("name"), fields.get("content")
    if not asked:
        raise Refused(MESSAGES, "a message of the role function must follow a function_call")
    if name != asked[0].name:
        raise Refused(MESSAGES, "the name of a function message must be the function_call's name")
    if content is not None and not isinstance(content, str):
        raise Refused(MESSAGES, "the content of message must be a string")
    return Message("function", content or "", name=asked[0].name)


def _check_size(
    messages: tuple[Message, ...], system: str, functions: tuple[Function, ...], model: Model
) -> None:
    excess = Excess(model.suffix, prompt_tokens(messages, system, functions), model.tokens)
    if len(system) + sum(len(m.text) for m in messages) > model.characters:
        raise Refused(TOO_MANY_CHARACTERS, f"the max input characters is {model.characters}", excess)
    if model.tokens is not None and excess.tokens > model.tokens:
        raise Refused(TOO_MANY_TOKENS, "Prompt tokens too long", excess)
