"""Models of DashScope: limits, forms of their requests, abilities. Any other name is sent as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from duihua.abilities import Ability
from duihua.fragments import Functions
from duihua.ports import Limits

Thinks = Literal["never", "asked", "unless told not to", "always"]

UNKNOWN = Limits(None, None)


@dataclass(frozen=True, slots=True)
class Model:
    """One model that chats.

    Attributes:
        name: as the platform has it.
        tokens: the most of one request, as documented for the oldest version that the name stands for.
        functions: how it calls skills.
        family: whose model it is.
        thinks: whether it reasons before it answers; `asked`: when `enable_thinking` is set.
        stream_only: while it thinks, it answers as a stream only.
        multimodal: it is asked at the path of models that see or hear.
        sees: it takes images.
        prompt: it takes a prompt and answers with a text, instead of messages.
        whole_calls: when functions are offered, each frame of a stream repeats everything so far.
        hard: whether `tokens` is the most it takes under any version.
    """

    name: str
    tokens: int | None
    functions: Functions = "native"
    family: str = "qwen"
    thinks: Thinks = "never"
    stream_only: bool = False
    multimodal: bool = False
    sees: bool = False
    prompt: bool = False
    whole_calls: bool = False
    hard: bool = True

    @property
    def soft_limits(self) -> Limits:
        """What history is trimmed to."""
        return Limits(None, self.tokens)

    @property
    def hard_limits(self) -> Limits:
        """What an input is refused for."""
        return Limits(None, self.tokens) if self.hard else UNKNOWN


def _vision(name: str, tokens: int, functions: Functions = "text", *, thinks: Thinks = "never") -> Model:
    return Model(name, tokens, functions, thinks=thinks, multimodal=True, sees=True)


def _open(name: str, tokens: int) -> Model:
    return Model(name, tokens, thinks="unless told not to", stream_only=True)


MODELS: tuple[Model, ...] = (
    Model("qwen-max", 30_720, hard=False),
    Model("qwen-max-latest", 129_024),
    Model("qwen3-max", 258_048),
    Model("qwen-plus", 129_024, thinks="asked", hard=False),
    Model("qwen-plus-latest", 129_024, thinks="asked", hard=False),
    Model("qwen-turbo", 98_304, thinks="asked", hard=False),
    Model("qwen-flash", 995_904, thinks="asked"),
    Model("qwen-long", 9_000_000, "text"),
    Model("qwen3-coder-plus", 997_952),
    Model("qwen3-coder-flash", 997_952),
    Model("qwen-coder-plus", 129_024),
    Model("qwen-math-plus", 3_072, "text"),
    Model("qwq-plus", 98_304, thinks="always", stream_only=True),
    _open("qwen3-235b-a22b", 98_304),
    _open("qwen3-32b", 98_304),
    _open("qwen3-30b-a3b", 98_304),
    _open("qwen3-14b", 98_304),
    _open("qwen3-8b", 98_304),
    Model("qwen2.5-72b-instruct", 129_024),
    Model("qwen2.5-32b-instruct", 129_024),
    Model("qwen2.5-14b-instruct", 129_024),
    Model("qwen2.5-7b-instruct", 129_024),
    Model("qwen2-72b-instruct", 128_000, whole_calls=True),
    Model("qwen1.5-72b-chat", 6_000, "text"),
    Model("qwen1.5-14b-chat", 6_000, "text"),
    Model("qwen-72b-chat", 30_000, "text"),
    Model("qwen-14b-chat", 6_000, "text"),
    Model("qwen-7b-chat", 6_000, "text"),
    _vision("qwen-vl-max", 129_024),
    _vision("qwen-vl-plus", 129_024),
    _vision("qwen3-vl-plus", 258_048, "native", thinks="asked"),
    _vision("qwen3-vl-flash", 258_048, "native", thinks="asked"),
    replace(_vision("qvq-max", 98_304, thinks="always"), stream_only=True),
    Model("deepseek-r1", 98_304, family="deepseek", thinks="always"),
    Model("deepseek-v3", 57_344, family="deepseek"),
    Model("deepseek-v3.1", 98_304, family="deepseek", thinks="asked"),
    Model("dolly-12b-v2", 2_000, "text", family="dolly", prompt=True),
)
_BY_NAME = {model.name: model for model in MODELS}

EMBEDDINGS = {
    "text-embedding-v4": 10,
    "text-embedding-v3": 10,
    "text-embedding-v2": 25,
    "text-embedding-v1": 25,
}
"""Model -> the most texts of one request."""
PICTURES: tuple[str, ...] = (
    "wanx2.1-t2i-turbo",
    "wanx2.1-t2i-plus",
    "wanx2.0-t2i-turbo",
    "wanx-v1",
    "wan2.2-t2i-flash",
    "wan2.2-t2i-plus",
    "wan2.5-t2i-preview",
    "qwen-image",
    "qwen-image-plus",
    "wan2.6-t2i",
)
COUNTED = frozenset({"qwen-turbo", "qwen-plus", "qwen-7b-chat", "qwen-14b-chat", "qwen-72b-chat"})
"""The models whose tokens the platform counts; `text-embedding-v2` besides, which does not chat."""

USUAL: dict[Ability, str] = {
    "complete": "qwen-turbo",
    "embed": "text-embedding-v4",
    "draw": "wanx2.1-t2i-turbo",
    "count_tokens": "qwen-turbo",
}


def find(name: str) -> Model:
    """The model of a name, or of the name that its dated version begins with; else what the name tells."""
    name = name.strip()
    if found := _BY_NAME.get(name.lower()):
        return found
    stem = max((known for known in _BY_NAME if name.lower().startswith(f"{known}-")), key=len, default="")
    if stem:  # a dated or sized version: it does what its kin does, with limits of its own
        return replace(_BY_NAME[stem], name=name, hard=False)
    sees = any(word in name.lower() for word in ("-vl", "qvq", "omni"))
    return Model(name, 6_000, "text", family="", multimodal=sees, sees=sees, hard=False)


def draws_at_once(name: str) -> bool:
    """Whether an image model answers in the same request; the others work as tasks."""
    return name.lower().startswith(("qwen-image", "wan2.6-t2i", "z-image"))
