"""Zhipu's models: how long a conversation they take, what they can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from duihua.ports import Limits

DRAWING = ("cogview-4", "cogview-4-250304", "cogview-3-flash", "glm-image")
DRAWING_LATER = frozenset({"glm-image"})
"""The models that also draw in the background."""
EMBEDDING = ("embedding-3", "embedding-2")
MODERATION = "moderation"
TOKENIZERS = (
    "glm-4.6", "glm-4.6v", "glm-4.5", "glm-4.5-air", "glm-4-0520", "glm-4-long", "glm-4-air", "glm-4-flash",
)  # fmt: skip
"""The models whose tokens the platform counts."""


@dataclass(frozen=True, slots=True)
class Model:
    """One chat model.

    Attributes:
        name: as the platform writes it.
        context: tokens of a request with its answer.
        output: tokens of the longest answer.
        functions: how it calls skills.
        thinks: it has the switch `thinking`.
        always: it thinks whatever is asked.
        sees: images in messages.
        aloud: it always thinks, between tags in the text of its answers, and there is no switch.
    """

    name: str
    context: int
    output: int
    functions: Literal["native", "text"] = "native"
    thinks: bool = False
    always: bool = False
    sees: bool = False
    aloud: bool = False

    @property
    def soft(self) -> Limits:
        """What history is trimmed to: room is left for an answer."""
        return Limits(None, self.context - min(self.output, self.context // 4))

    @property
    def hard(self) -> Limits:
        """What an input is refused for."""
        return Limits(None, self.context)


K = 1000
MODELS = (
    Model("glm-5.3", 200 * K, 131_072, thinks=True, always=True),
    Model("glm-5.2", 200 * K, 131_072, thinks=True),
    Model("glm-5.1", 200 * K, 131_072, thinks=True),
    Model("glm-5", 200 * K, 131_072, thinks=True),
    Model("glm-4.7", 200 * K, 131_072, thinks=True),
    Model("glm-4.7-flashx", 200 * K, 131_072, thinks=True),
    Model("glm-4.7-flash", 200 * K, 131_072, thinks=True),
    Model("glm-4.6", 200 * K, 131_072, thinks=True),
    Model("glm-4.5", 128 * K, 98_304, thinks=True),
    Model("glm-4.5-x", 128 * K, 98_304, thinks=True),
    Model("glm-4.5-air", 128 * K, 98_304, thinks=True),
    Model("glm-4.5-airx", 128 * K, 98_304, thinks=True),
    Model("glm-4.5-flash", 128 * K, 98_304, thinks=True),
    Model("glm-4", 128 * K, 4_095),
    Model("glm-4-plus", 128 * K, 4_095),
    Model("glm-4-0520", 128 * K, 4_095),
    Model("glm-4-air", 128 * K, 16_384),
    Model("glm-4-air-250414", 128 * K, 16_384),
    Model("glm-4-airx", 8 * K, 4_095),
    Model("glm-4-flash", 128 * K, 16_384),
    Model("glm-4-flash-250414", 128 * K, 16_384),
    Model("glm-4-flashx-250414", 128 * K, 16_384),
    Model("glm-4-long", 1000 * K, 4_095),
    Model("glm-z1-air", 128 * K, 32_768, aloud=True),
    Model("glm-z1-airx", 32 * K, 30_720, aloud=True),
    Model("glm-z1-flash", 128 * K, 32_768, aloud=True),
    Model("glm-z1-flashx", 128 * K, 32_768, aloud=True),
    Model("glm-4.6v", 128 * K, 32_768, thinks=True, sees=True),
    Model("glm-4.6v-flash", 128 * K, 32_768, thinks=True, sees=True),
    Model("glm-4.5v", 64 * K, 16_384, thinks=True, sees=True),
    Model("glm-4v-plus-0111", 16 * K, 4_095, "text", sees=True),
    Model("glm-4v-flash", 16 * K, 1_024, "text", sees=True),
    Model("charglm-4", 8 * K, 4_095, "text"),
    Model("emohaa", 8 * K, 4_095, "text"),
    Model("codegeex-4", 128 * K, 32_768, "text"),
)
_BY_NAME = {model.name: model for model in MODELS}


def find(name: str) -> Model:
    """The model of a name. One that is not known is taken for the known one whose name it begins with."""
    name = name.strip()
    known = _BY_NAME.get(name.lower())
    if known is not None:
        return known
    alike = [m for m in MODELS if name.lower().startswith(f"{m.name}-")]
    if alike:
        return replace(max(alike, key=lambda m: len(m.name)), name=name)
    return Model(name, 8 * K, 4_095, "text")


def tokenizer(name: str) -> str:
    """The model whose tokens the platform counts that is nearest to a model."""
    model = find(name)
    if model.name in TOKENIZERS:
        return model.name
    alike = [t for t in TOKENIZERS if model.name.startswith(f"{t}-")]
    if alike:
        return max(alike, key=len)
    return "glm-4.6v" if model.sees else "glm-4.6"
