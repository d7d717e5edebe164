"""What Zhipu refuses: the checks of a chat request, with its codes and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

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
from duihua.simulator.zhipu_models import ALWAYS_THINKS, MODELS, longest_answer

MOST_TOOLS = 128
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUILT_IN = {"web_search": "enable", "retrieval": "knowledge_id", "mcp": "server_label"}
"""What the platform does itself, and what its entry must have."""
_CODES: Mapping[What, str] = {
    "body": "1210",
    "model": "1211",
    "field": "1210",
    "tools": "1214",
    "messages": "1214",
    "characters": "1261",
    "tokens": "1261",
}


def _typed(*types: str) -> Check:
    return lambda v: (as_object(v) or {}).get("type") in types, f"must have a type: {', '.join(types)}"


class ZhipuRules(ChatRules):
    """How the platform reads a chat request."""

    models: ClassVar[Mapping[str, Model]] = MODELS
    images = "base64"
    fields: ClassVar[Mapping[str, Check]] = {
        "stream": BOOLEAN,
        "stream_options": OBJECT,
        "request_id": STRING,
        "user_id": (lambda v: isinstance(v, str) and 6 <= len(v) <= 128, "must have 6 to 128 characters"),
        "do_sample": BOOLEAN,
        "temperature": within(0, 1),
        "top_p": within(0.01, 1),
        "max_tokens": at_least(1),
        "stop": (lambda v: text_list(v, most=1, longest=10_000), "must be a list of one text"),
        "seed": (is_integer, "must be an integer"),
        "tool_choice": (lambda v: v == "auto", "only auto is supported"),
        "tool_stream": BOOLEAN,
        "thinking": _typed("enabled", "disabled"),
        "reasoning_effort": (lambda v: v in _EFFORTS, "is not known"),
        "response_format": _typed("text", "json_object"),
        "sensitive_word_check": OBJECT,
        "meta": OBJECT,
        "watermark_enabled": BOOLEAN,
        "extra": ANY,
    }

    def refuse(self, what: What, text: str) -> Refused:
        """Its own codes; a size is refused in the same words, whatever is too large."""
        words = "Prompt exceeds max length" if what in ("tokens", "characters") else text
        return Refused(400, _CODES[what], words)

    def check(self, fields: Mapping[str, Any], model: Model) -> None:
        """The fields besides model, messages and tools."""
        super().check(fields, model)
        most = longest_answer(model.name)
        if fields.get("max_tokens", 1) > most:
            raise self.refuse("field", f"max_tokens should be in the range [1, {most}]")
        if fields.get("tool_stream") and not fields.get("stream"):
            raise self.refuse("field", "tool_stream is only allowed when stream is true")
        switch = (as_object(fields.get("thinking")) or {}).get("type")
        if switch == "disabled" and model.name in ALWAYS_THINKS:
            raise self.refuse("field", f"{model.name} does not support disabling thinking")

    def functions(self, value: Any, model: Model) -> tuple[Function, ...]:
        """The offered functions, among what the platform does itself."""
        if len(as_list(value) or ()) > MOST_TOOLS:
            raise self.refuse("tools", f"tools: at most {MOST_TOOLS}")
        return super().functions(value, model)

    def function(self, tool: Mapping[str, Any]) -> Function | None:
        """One offered function; it needs a description and parameters."""
        kind = tool.get("type")
        if isinstance(kind, str) and kind in _BUILT_IN:
            given = as_object(tool.get(kind))
            if given is None or _BUILT_IN[kind] not in given:
                raise self.refuse("tools", f"tools: {kind}.{_BUILT_IN[kind]} is missing")
            return None
        function = super().function(tool)
        given = as_object(tool.get("function")) or {}
        if not given.get("description") or "parameters" not in given:
            raise self.refuse("tools", "tools: a function needs a description and parameters")
        return function

    def text(self, fields: Mapping[str, Any], model: Model) -> str:
        """A model that does not see takes texts alone, no lists of parts."""
        if as_list(fields.get("content")) is not None and not model.sees:
            raise self.refuse("messages", "the content of message must be a string")
        return super().text(fields, model)

    def image(self, url: str, model: Model) -> str:
        """What is seen in an image part: base64 text, or an address."""
        if model.sees and url.startswith(("http://", "https://")):
            return "[image]"
        return super().image(url, model)


def searches(body: Mapping[str, Any]) -> bool:
    """Whether a request has the platform search the web and tell what it found."""
    for item in as_list(body.get("tools")) or ():
        search = as_object((as_object(item) or {}).get("web_search")) or {}
        if search.get("enable") and search.get("search_result"):
            return True
    return False
