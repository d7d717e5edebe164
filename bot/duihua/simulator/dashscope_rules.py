"""What DashScope refuses: the checks of a request of its own wire, with its codes and words.

A request is laid flat first: `input` and `parameters` beside the model, and `stream` from the header.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from duihua.simulator.ask import Ask, Function, Message
from duihua.simulator.chat_rules import (
    ANY,
    BOOLEAN,
    OBJECT,
    ChatRules,
    Check,
    Model,
    Refused,
    What,
    at_least,
    within,
)
from duihua.simulator.dashscope_models import MODELS, Qwen
from duihua.simulator.traffic import Excess
from duihua.simulator.wire import as_list, as_object, is_integer, is_number

NO_INPUT = "Either prompt or messages must exist and cannot both be none"
OUT_OF_TURN = "Role must be user or assistant and Content length must be greater than 0"
OLD = ("qwen-7b", "qwen-14b", "qwen-72b", "qwen1.5")
"""How models are named whose user and assistant must take turns."""
WRONG_PATH = "url error, please check url!"


def _stop(value: Any) -> bool:
    items = as_list(value)
    return isinstance(value, str) or (items is not None and all(isinstance(i, str | int) for i in items))


_FORMATS = ("text", "json_object", "json_schema")
SHARED: Mapping[str, Check] = {
    "stream": BOOLEAN,
    "temperature": (lambda v: is_number(v) and 0 <= v < 2, "should be in [0.0, 2.0)"),
    "top_p": (lambda v: is_number(v) and 0 < v <= 1, "should be in (0.0, 1.0]"),
    "top_k": at_least(0),
    "max_tokens": at_least(1),
    "seed": (lambda v: is_integer(v) and 0 <= v < 2**31, "should be in [0, 2147483647]"),
    "stop": (_stop, "must be a text or a list"),
    "presence_penalty": within(-2, 2),
    "n": (lambda v: is_integer(v) and 1 <= v <= 4, "should be in [1, 4]"),
    "logprobs": BOOLEAN,
    "top_logprobs": at_least(0),
    "tool_choice": ANY,
    "parallel_tool_calls": BOOLEAN,
    "enable_search": BOOLEAN,
    "search_options": OBJECT,
    "enable_thinking": BOOLEAN,
    "thinking_budget": at_least(1),
    "response_format": (lambda v: (as_object(v) or {}).get("type") in _FORMATS, "has no known type"),
}
"""The fields that both wires have."""


class DashScopeRules(ChatRules):
    """How a flat request is read."""

    models: Mapping[str, Qwen] = MODELS  # pyright: ignore[reportIncompatibleVariableOverride]
    fields: Mapping[str, Check] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        **SHARED,
        "repetition_penalty": (lambda v: is_number(v) and v > 0, "should be larger than 0.0"),
        "result_format": (lambda v: v in ("text", "message"), "must be text or message"),
        "incremental_output": BOOLEAN,
    }

    def refuse(self, what: What, text: str) -> Refused:
        """Nearly everything is an InvalidParameter."""
        if what == "model":
            return Refused(404, "ModelNotFound", text)
        return Refused(400, "InvalidParameter", text)

    def check(self, fields: Mapping[str, Any], model: Model) -> None:
        """The fields, and what some models do not take together."""
        super().check(fields, model)
        check_thinking(self, fields, model)
        qwen = MODELS[model.name]
        streamed, whole = fields.get("stream"), fields.get("incremental_output") is not True
        if qwen.prompt and fields.get("result_format", "text") != "text":
            raise self.refuse("field", f"result_format is not supported by {model.name}")
        if not fields.get("tools"):
            return
        if result_format(fields) != "message":
            raise self.refuse("tools", 'result_format must be "message" when tools are given')
        if streamed and qwen.whole_calls and not whole:
            raise self.refuse("tools", "incremental_output must be false when tools are given")

    def too_large(self, what: What, text: str, excess: Excess) -> Refused:
        """The same error for all that does not fit."""
        text = f"Range of input length should be [1, {excess.limit}]"
        return super().too_large("tokens", text, excess)

    def ask(
        self,
        fields: Mapping[str, Any],
        system: str,
        messages: tuple[Message, ...],
        functions: tuple[Function, ...],
    ) -> Ask:
        """Calls come one at a time unless several are allowed."""
        return super().ask({"parallel_tool_calls": False, **fields}, system, messages, functions)

    def messages(self, value: Any, model: Model) -> tuple[str, tuple[Message, ...]]:
        """A system message stands first, or nowhere."""
        for place, item in enumerate(as_list(value) or ()):
            if place and (as_object(item) or {}).get("role") == "system":
                raise self.refuse("messages", "the system message must be the first")
        system, found = super().messages(value, model)
        if model.name.startswith(OLD) and any(a.role == b.role for a, b in pairwise(found)):
            raise self.refuse("messages", OUT_OF_TURN)
        return system, found

    def text(self, fields: Mapping[str, Any], model: Model) -> str:
        """A content is a text, or at the path of models that see a list of texts and images without types."""
        content = fields.get("content")
        if isinstance(content, str):
            return content
        parts = as_list(content)
        if parts is None or not MODELS[model.name].multimodal:
            raise self.refuse("messages", "the content of message must be a string")
        found: list[str] = []
        for item in parts:
            match item:
                case {"text": str(text), **rest} if not rest:
                    found.append(text)
                case {"image": str(image), **rest} if not rest and fields.get("role") == "user":
                    found.append(self.image(image, model))
                case _:
                    raise self.refuse("messages", "the content of message must be texts and images")
        return "".join(found)


def check_thinking(rules: ChatRules, fields: Mapping[str, Any], model: Model) -> None:
    """Which models think when, and how they answer then."""
    qwen = MODELS[model.name]
    wanted = fields.get("enable_thinking")
    if wanted is not None and not qwen.thinking:
        raise Refused(400, "InvalidParameter.NotSupportEnableThinking", f"{model.name} does not think")
    if wanted is False and qwen.thinking == "always":
        raise rules.refuse("field", "The value of the enable_thinking parameter is restricted to True.")
    if not thinks(fields, qwen):
        return
    if not fields.get("stream") and qwen.stream_only:
        text = "parameter.enable_thinking must be set to false for non-streaming calls"
        raise rules.refuse("field", text)
    if fields.get("stream") and fields.get("incremental_output", True) is False:
        text = 'The incremental_output parameter must be "true" when enable_thinking is true'
        raise rules.refuse("field", text)


def thinks(fields: Mapping[str, Any], qwen: Qwen) -> bool:
    """Whether a request makes the model think."""
    if not qwen.thinking:
        return False
    return qwen.thinking == "always" or bool(fields.get("enable_thinking", qwen.thinking == "default"))


def result_format(fields: Mapping[str, Any]) -> str:
    """The form of the answer: older models give a text unless asked otherwise."""
    qwen = MODELS[str(fields["model"])]
    return fields.get("result_format") or ("message" if qwen.newer or qwen.multimodal else "text")


def flat(body: Any, *, stream: bool, multimodal: bool) -> dict[str, Any]:
    """A request laid flat. Raises Refused.

    Args:
        body: the JSON value that came.
        stream: the header that asks for a stream was there.
        multimodal: it came to the path of models that see or hear.
    """
    fields = as_object(body) or {}
    if unknown := sorted(fields.keys() - {"model", "input", "parameters"}):
        raise Refused(400, "InvalidParameter", f"unknown field: {unknown[0][:64]}")
    given, parameters = as_object(fields.get("input")), as_object(fields.get("parameters", {}))
    if given is None or parameters is None:
        raise Refused(400, "InvalidParameter", NO_INPUT)
    qwen = MODELS.get(str(fields.get("model")))
    if qwen is not None and qwen.multimodal != multimodal:
        raise Refused(400, "InvalidParameter", WRONG_PATH)
    messages = given.get("messages")
    if qwen is not None and qwen.prompt and messages is not None:
        raise Refused(400, "InvalidParameter", f"{qwen.name} takes a prompt, not messages")
    if messages is None:
        messages = _prompted(given)
    return {**parameters, "model": fields.get("model"), "messages": messages, "stream": stream}


def _prompted(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    prompt = given.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise Refused(400, "InvalidParameter", NO_INPUT)
    messages: list[dict[str, Any]] = []
    for item in as_list(given.get("history", [])) or []:
        match item:
            case {"user": str(user), "bot": str(bot)}:
                messages += [{"role": "user", "content": user}, {"role": "assistant", "content": bot}]
            case _:
                raise Refused(400, "InvalidParameter", "history must be pairs of user and bot")
    return [*messages, {"role": "user", "content": prompt}]
