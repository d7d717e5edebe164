"""What OpenAI's wire refuses: the checks of a chat request, with the names of the fields that are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.simulator.ask import Function
from duihua.simulator.chat_rules import (
    ANY,
    BOOLEAN,
    OBJECT,
    STRING,
    ChatRules,
    Check,
    Model,
    Refused,
    What,
    at_least,
    within,
)
from duihua.simulator.wire import as_list, as_object, is_integer, text_list

_REASONING = frozenset({"max_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty"})

MODELS: Mapping[str, Model] = {
    m.name: m
    for m in (
        Model("gpt-4.1-mini", tokens=1_047_576, tools=True, sees=True),
        Model("gpt-5-mini", tokens=272_000, tools=True, sees=True, refused=_REASONING),
        Model("deepseek-reasoner", tokens=131_072, tools=True, thinks=True),
        Model("qwq-32b", tokens=32_768, tools=True, thinks=True, aloud=True),
        Model("gemma-2-9b-it", tokens=8_192),
        Model("mistral-7b", tokens=32_768, tools=True, refused=frozenset({"stream_options", "user", "seed"})),
    )
}
NO_SYSTEM = frozenset({"gemma-2-9b-it"})
"""Models that take no system message."""

_NOT_AT_TOP = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})
_DEEPEST = 50  # schemas within schemas that are looked at
_FORMATS = ("text", "json_object", "json_schema")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


def _stop(value: Any) -> bool:
    return isinstance(value, str) or text_list(value, most=4, longest=1_000)


def _metadata(value: Any) -> bool:
    pairs = as_object(value)
    return pairs is not None and len(pairs) <= 16 and all(isinstance(v, str) for v in pairs.values())


def invalid(text: str, param: str | None = None, code: str = "") -> Refused:
    """A wrong request; many of OpenAI's errors have no code."""
    return Refused(400, code, text, param=param)


class OpenAIRules(ChatRules):
    """How the wire reads a chat request."""

    models = MODELS
    fields: Mapping[str, Check] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "stream": BOOLEAN,
        "stream_options": OBJECT,
        "temperature": within(0, 2),
        "top_p": within(0, 1),
        "n": (lambda v: is_integer(v) and 1 <= v <= 128, "should be in the range [1, 128]"),
        "stop": (_stop, "must be a text, or at most 4 of them"),
        "max_tokens": at_least(1),
        "max_completion_tokens": at_least(1),
        "presence_penalty": within(-2, 2),
        "frequency_penalty": within(-2, 2),
        "logit_bias": OBJECT,
        "logprobs": BOOLEAN,
        "top_logprobs": at_least(0),
        "user": STRING,
        "safety_identifier": STRING,
        "seed": (is_integer, "must be an integer"),
        "response_format": (lambda v: (as_object(v) or {}).get("type") in _FORMATS, "has no known type"),
        "tool_choice": ANY,
        "parallel_tool_calls": BOOLEAN,
        "reasoning_effort": (lambda v: v in _EFFORTS, "has no such value"),
        "metadata": (_metadata, "must be at most 16 pairs of strings"),
        "store": BOOLEAN,
        "service_tier": STRING,
        "verbosity": STRING,
        "prompt_cache_key": STRING,
    }

    def refuse(self, what: What, text: str) -> Refused:
        """Its own codes."""
        match what:
            case "model":
                return Refused(404, "model_not_found", text)
            case "tokens" | "characters":
                return Refused(400, "context_length_exceeded", text, param="messages")
            case "messages":
                return invalid(f"Invalid value for 'messages': {text}", "messages")
            case _:
                return invalid(text, "tools" if what == "tools" else None)

    def check(self, fields: Mapping[str, Any], model: Model) -> None:
        """The fields besides model, messages and tools; each error names its field."""
        for name, value in fields.items():
            if name in ("model", "messages", "tools"):
                continue
            rule = self.fields.get(name)
            if rule is None:
                raise invalid(f"Unknown parameter: '{name[:64]}'.", name[:64], "unknown_parameter")
            if name in model.refused:
                instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                text = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
                raise invalid(text, name, "unsupported_parameter")
            if value is not None and not rule[0](value):
                raise invalid(f"Invalid value for '{name}': {rule[1]}", name, "invalid_value")
        if fields.get("stream_options") is not None and not fields.get("stream"):
            text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise invalid(text, "stream_options")
        if fields.get("tools") is None and fields.get("tool_choice") is not None:
            raise invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
        if model.name in NO_SYSTEM:
            for message in as_list(fields.get("messages")) or []:
                if (as_object(message) or {}).get("role") in ("system", "developer"):
                    raise invalid("System role not supported")
        if fields.get("tools") is not None and not model.tools:
            raise invalid(f"{model.name} does not support tools")

    def function(self, tool: Mapping[str, Any]) -> Function | None:
        """One offered function; its schema is read all the way down."""
        function = super().function(tool)
        if function is not None:
            for key in _NOT_AT_TOP & function.schema.keys():
                text = f"schema must have type 'object' and not have '{key}' at the top level."
                raise self._schema(function.name, text)
            self._node(function.name, function.schema, 0)
        return function

    def _node(self, name: str, value: Any, depth: int) -> None:
        """Raises Refused for a schema that OpenAI refuses, also within another one."""
        node = as_object(value)
        if node is None and not isinstance(value, bool):
            raise self._schema(name, f"{value!s:.40} is not of type 'object', 'boolean'.")
        if node is None or depth > _DEEPEST:
            return
        if node.get("type") == "array" and as_object(node.get("items")) is None:
            raise self._schema(name, "array schema missing items.")
        for key in ("enum", "anyOf"):
            if key in node and not as_list(node[key]):
                raise self._schema(name, f"{key} should be a list that is not empty.")
        inner = [*(as_object(node.get("properties")) or {}).values(), *(as_list(node.get("anyOf")) or ())]
        inner += [node[key] for key in ("items", "additionalProperties") if key in node]
        for item in inner:
            self._node(name, item, depth + 1)

    def _schema(self, name: str, text: str) -> Refused:
        return invalid(
            f"Invalid schema for function '{name}': {text}", "tools", "invalid_function_parameters"
        )

    def messages(self, value: Any, model: Model) -> Any:
        """The developer's messages are those of the system."""
        items = [
            {**fields, "role": "system"} if fields and fields.get("role") == "developer" else item
            for item in as_list(value) or []
            for fields in (as_object(item),)
        ]
        return super().messages(items, model)

    def check_order(self, messages: list[Any], *, open: bool) -> None:
        """Roles are free, also at the end; only a call needs its result."""
        if open:
            raise self.refuse(
                "messages",
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
                " 'tool_call_id'.",
            )
