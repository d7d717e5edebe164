"""What DashScope serves: models by name, with their limits and abilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from duihua.simulator.chat_rules import Model


@dataclass(frozen=True, slots=True)
class Qwen(Model):
    """One model of the platform.

    Attributes:
        thinking: when it thinks: if asked, unless told not to, always.
        stream_only: an answer that thinks must be a stream.
        multimodal: it has the path of models that see or hear.
        prompt: it takes a prompt and gives a text, and knows neither messages nor their result format.
        whole_calls: with functions its stream repeats everything so far: it refuses `incremental_output`.
        newer: its result format is `message` unless another is asked for.
    """

    thinking: Literal["", "asked", "default", "always"] = ""
    stream_only: bool = False
    multimodal: bool = False
    prompt: bool = False
    whole_calls: bool = False
    newer: bool = False


def _qwen(name: str, tokens: int, **more: object) -> Qwen:
    thinks = bool(more.get("thinking"))
    return Qwen(name, 10_000_000, tokens, thinks=thinks, **more)  # pyright: ignore[reportArgumentType]


_OPEN_THINKERS = ("qwen3-235b-a22b", "qwen3-32b", "qwen3-30b-a3b", "qwen3-14b", "qwen3-8b")
_INSTRUCTED = (
    "qwen2.5-72b-instruct",
    "qwen2.5-32b-instruct",
    "qwen2.5-14b-instruct",
    "qwen2.5-7b-instruct",
    "qwen-max-latest",
    "qwen-coder-plus",
)

MODELS: dict[str, Qwen] = {
    m.name: m
    for m in (
        _qwen("qwen-max", 30_720, tools=True),
        _qwen("qwen-plus", 129_024, tools=True, thinking="asked"),
        _qwen("qwen-plus-latest", 129_024, tools=True, thinking="asked"),
        _qwen("qwen-turbo", 98_304, tools=True, thinking="asked"),
        _qwen("qwen-flash", 995_904, tools=True, thinking="asked", newer=True),
        _qwen("qwen3-max", 258_048, tools=True, newer=True),
        _qwen("qwen3-coder-plus", 997_952, tools=True, newer=True),
        _qwen("qwen3-coder-flash", 997_952, tools=True, newer=True),
        *(
            _qwen(n, 98_304, tools=True, thinking="default", stream_only=True, newer=True)
            for n in _OPEN_THINKERS
        ),
        _qwen("qwq-plus", 98_304, tools=True, thinking="always", stream_only=True, newer=True),
        _qwen("deepseek-r1", 98_304, tools=True, thinking="always", newer=True),
        _qwen("deepseek-v3", 57_344, tools=True, newer=True),
        _qwen("deepseek-v3.1", 98_304, tools=True, thinking="asked", newer=True),
        *(_qwen(n, 129_024, tools=True) for n in _INSTRUCTED),
        _qwen("qwen2-72b-instruct", 128_000, tools=True, whole_calls=True),
        _qwen("qwen-long", 9_000_000),
        _qwen("qwen-math-plus", 3_072),
        *(_qwen(n, 6_000) for n in ("qwen1.5-72b-chat", "qwen1.5-14b-chat", "qwen-14b-chat", "qwen-7b-chat")),
        _qwen("qwen-72b-chat", 30_000),
        _qwen("qwen-vl-max", 129_024, sees=True, multimodal=True, newer=True),
        _qwen("qwen-vl-plus", 129_024, sees=True, multimodal=True, newer=True),
        _qwen("qwen3-vl-plus", 258_048, tools=True, sees=True, multimodal=True, thinking="asked", newer=True),
        _qwen(
            "qwen3-vl-flash", 258_048, tools=True, sees=True, multimodal=True, thinking="asked", newer=True
        ),
        _qwen("qvq-max", 98_304, sees=True, multimodal=True, thinking="always", stream_only=True, newer=True),
        _qwen("dolly-12b-v2", 2_000, prompt=True),
    )
}
COUNTED = frozenset({"qwen-turbo", "qwen-plus", "qwen-7b-chat", "qwen-14b-chat", "qwen-72b-chat"})
"""The models that the tokenizer knows."""
EMBEDDINGS = {
    "text-embedding-v4": (10, (2048, 1536, 1024, 768, 512, 256, 128, 64)),
    "text-embedding-v3": (10, (1024, 768, 512, 256, 128, 64)),
    "text-embedding-v2": (25, (1536,)),
    "text-embedding-v1": (25, (1536,)),
}
"""Model -> most texts of a request, sizes of a vector."""
TASK_PICTURES = frozenset(
    {
        "wanx-v1",
        "wanx2.0-t2i-turbo",
        "wanx2.1-t2i-turbo",
        "wanx2.1-t2i-plus",
        "wan2.2-t2i-flash",
        "wan2.2-t2i-plus",
        "wan2.5-t2i-preview",
    }
)
"""Image models that work as tasks."""
PICTURES = frozenset({"qwen-image", "qwen-image-plus", "wan2.6-t2i"})
"""Image models that answer at once, or as tasks at a path of their own."""
