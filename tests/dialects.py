"""Dialects of every shape, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from duihua.dialect import ChatDialect
from duihua.ports import Limits
from duihua.ranges import Range
from tests.wire import assert_openai, assert_plain_alternating, assert_qianfan_v1

V1_RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 1, open_low=True),
    "top_p": Range("top_p", 0, 1),
    "penalty_score": Range("penalty_score", 1, 2),
    "stop": Range("stop", 0, 4, length=20),
    "max_output_tokens": Range("max_output_tokens", 2, 2048),
    "response_format": Range("response_format", choices=("text", "json_object")),
}
V2_RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 2),
    "max_output_tokens": Range("max_tokens", 1),
    "thinking": Range("enable_thinking"),
    "response_format": Range("response_format", encode=lambda kind: {"type": kind}),
}

V1 = ChatDialect(
    "qianfan/ernie-3.5-8k",
    soft=Limits(20_000, 5_120),
    hard=Limits(20_000, 5_120),
    alternating=True,
    system="field",
    calls="function_call",
    ranges=V1_RANGES,
    extra=frozenset({"disable_search"}),
)
V1_TEXT = ChatDialect(
    "qianfan/ernie_speed",
    soft=Limits(11_200, 6_144),
    hard=Limits(24_000, 6_144),
    alternating=True,
    system="field",
    functions="text",
    ranges=V1_RANGES,
)
V1_FOLDED = ChatDialect(
    "qianfan/llama_2_7b",
    soft=Limits(4_800, None),
    hard=Limits(4_800, None),
    alternating=True,
    system="user",
    functions="none",
)
V2 = ChatDialect(
    "qianfan-v2/ernie-4.0-turbo-8k",
    soft=Limits(None, 7_168),
    hard=Limits(None, 8_192),
    ranges=V2_RANGES,
    defaults={"max_tokens": 1024},
)
V2_TEXT = ChatDialect("openai/small", soft=Limits(8_000, 500), hard=Limits(None, None), functions="text")
OPEN = ChatDialect("openai/any", soft=Limits(None, None), hard=Limits(None, None))
REASONING = ChatDialect("zhipu/glm-4.7", soft=Limits(None, None), hard=Limits(None, None), reasoning=True)

ALL: tuple[tuple[ChatDialect, Callable[[list[dict[str, Any]]], None]], ...] = (
    (V1, assert_qianfan_v1),
    (V1_TEXT, assert_plain_alternating),
    (V1_FOLDED, assert_plain_alternating),
    (V2, assert_openai),
    (V2_TEXT, assert_plain_alternating),
    (OPEN, assert_openai),
    (REASONING, assert_openai),
)
