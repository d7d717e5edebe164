"""What Qianfan's v2 refuses: the checks of a chat request, with HTTP status, code and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.simulator.chat_rules import (
    ANY,
    BOOLEAN,
    EMPTY_MODEL,
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
from duihua.simulator.qianfan_v2_models import MODELS
from duihua.simulator.wire import as_object, is_integer, is_number, text_list


def _metadata(value: Any) -> bool:
    pairs = as_object(value)
    return pairs is not None and len(pairs) <= 16 and all(isinstance(v, str) for v in pairs.values())


LARGEST_IMAGE = 10 << 20
"""Bytes of an image as base64 text."""
_FORMATS = ("text", "json_object", "json_schema")
_CODES: Mapping[What, tuple[int, str]] = {
    "body": (400, "malformed_json"),
    "model": (401, "invalid_model"),
    "field": (400, "invalid_argument"),
    "tools": (400, "invalid_argument"),
    "messages": (400, "invalid_messages"),
    "characters": (400, "characters_too_long"),
    "tokens": (400, "tokens_too_long"),
}


class QianfanV2Rules(ChatRules):
    """How v2 reads a chat request."""

    models = MODELS
    alternate = True
    fields: Mapping[str, Check] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "stream": BOOLEAN,
        "stream_options": OBJECT,
        "user": STRING,
        "metadata": (_metadata, "must be at most 16 pairs of strings"),
        "web_search": OBJECT,
        "response_format": (lambda v: (as_object(v) or {}).get("type") in _FORMATS, "has no known type"),
        "temperature": within(0, 2),
        "top_p": within(0, 1),
        "penalty_score": within(1, 2),
        "max_tokens": at_least(1),
        "max_completion_tokens": at_least(1),
        "seed": (lambda v: is_integer(v) and 0 < v < 2_147_483_647, "should be in the range (0, 2147483647)"),
        "stop": (lambda v: text_list(v, most=4, longest=20), "must be at most 4 texts of 1 to 20 characters"),
        "frequency_penalty": within(-2, 2),
        "presence_penalty": within(-2, 2),
        "repetition_penalty": (lambda v: is_number(v) and v > 0, "should be larger than 0"),
        "tool_choice": ANY,
        "parallel_tool_calls": BOOLEAN,
        "enable_thinking": BOOLEAN,
        "thinking_budget": at_least(100),
        "thinking_strategy": STRING,
        "reasoning_effort": (lambda v: v in ("low", "medium", "high"), "must be low, medium or high"),
    }

    def refuse(self, what: What, text: str) -> Refused:
        """Its own codes; a model that does not exist is 401."""
        status, code = (400, "invalid_model") if text == EMPTY_MODEL else _CODES[what]
        return Refused(status, code, "Prompt tokens too long" if what == "tokens" else text)

    def image(self, url: str, model: Model) -> str:
        """What is seen in an image part: a data URL, or an address."""
        if model.sees and url.startswith(("http://", "https://")):
            return "[image]"
        try:
            seen = super().image(url, model)
        except Refused as e:
            raise Refused(400, "invalid_image_url", e.text) if model.sees else e from None
        if len(url) > LARGEST_IMAGE:
            raise Refused(400, "invalid_image_url", "the image is larger than 10 MB")
        return seen
