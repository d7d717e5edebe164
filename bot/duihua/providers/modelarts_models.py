"""Models of ModelArts Studio: context lengths, functions, how their thinking is switched.

The platform documents the ones in the table; a service of one's own may have any name and model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from duihua.ports import Limits
from duihua.providers.platform import ModelInfo

Switch = Literal["", "thinking", "enable_thinking"]
"""The name in `chat_template_kwargs` that turns thinking on and off; empty: it cannot be switched."""

UNKNOWN_CONTEXT = 8_192
"""Tokens that a model that is not in the table is trusted with."""


@dataclass(frozen=True, slots=True)
class Model:
    """One chat model.

    Attributes:
        name: as the platform spells it.
        context: tokens of a request with its answer, None if not documented.
        answer: tokens of an answer, if nothing else is asked for.
        temperature: what the platform advises.
        functions: how it calls skills.
        switch: how thinking is switched.
        exclusive: it cannot think and call functions in one request.
        single: it gives one answer only, and no beam search.
        thinks: it has thoughts that come apart from the answer.
        sees: it takes images.
    """

    name: str
    context: int | None = None
    answer: int = 2_048
    temperature: float = 0.6
    functions: Literal["native", "text"] = "text"
    switch: Switch = ""
    exclusive: bool = False
    single: bool = False
    thinks: bool = False
    sees: bool = False

    @property
    def soft(self) -> Limits:
        """What is left beside the answer: its room is reserved by asking for it."""
        return Limits(None, (self.context or UNKNOWN_CONTEXT) - self.answer)

    @property
    def hard(self) -> Limits:
        """What never fits."""
        return Limits(None, self.context)


def _deepseek(name: str, context: int, *, switch: Switch = "", single: bool = False) -> Model:
    return Model(
        name,
        context,
        8_192,
        functions="native",
        switch=switch,
        exclusive=bool(switch),
        single=single,
        thinks=bool(switch) or "r1" in name.lower(),
    )


MODELS = (
    _deepseek("DeepSeek-V3", 65_536, single=True),
    _deepseek("DeepSeek-R1", 65_536, single=True),
    _deepseek("deepseek-r1-250528", 65_536, single=True),
    _deepseek("deepseek-v3.1", 131_072, switch="thinking"),
    _deepseek("deepseek-v3.2-exp", 65_536, switch="thinking"),
    Model("qwen2.5-vl-7b", 32_768, 4_096, 0.2, sees=True),
    Model("qwen2.5-vl-72b", 32_768, 4_096, 0.2, sees=True),
    Model("qwen3-32b", 32_768, 4_096),
    Model("qwen3-235b-a22b", 32_768, 4_096),
    Model("qwen3-30b-a3b", 131_072, 8_192, switch="enable_thinking", thinks=True),
)
EMBEDDING = "bge-m3"
DRAWING = "qwen-image"
EDITING = "qwen_image_edit"

_BY_NAME: Mapping[str, Model] = {model.name.lower(): model for model in MODELS}
_SWITCHES: Mapping[str, Switch] = {
    "deepseek-v3.1": "thinking",
    "deepseek-v3.2": "thinking",
    "qwen3-": "enable_thinking",
}
"""How names begin whose models' templates have a switch, in a service of one's own too."""


def find(name: str) -> Model:
    """The model of a name; one that is not in the table calls functions as text, in a small context."""
    name = name.strip()
    known = _BY_NAME.get(name.lower())
    if known is not None:
        return known
    starts = (start for start in _SWITCHES if name.lower().startswith(start))
    return Model(name, switch=_SWITCHES.get(next(starts, ""), ""), sees="-vl-" in name.lower())


def infos() -> list[ModelInfo]:
    """The models as they are listed."""
    found = [_info(m.name, m.functions, m.soft, m.hard, *_abilities(m)) for m in MODELS]
    found.append(_info(EMBEDDING, "none", Limits(None, 8_192), Limits(None, 8_192), "embed"))
    for name in (DRAWING, EDITING):  # a longer prompt is cut, one that is longer still is refused
        found.append(_info(name, "none", Limits(None, 800), Limits(None, 2_000), "draw"))
    return found


def _info(
    name: str, functions: Literal["native", "text", "none"], soft: Limits, hard: Limits, *abilities: str
) -> ModelInfo:
    family = re.split("[-_.0-9]", name.lower(), maxsplit=1)[0]
    return ModelInfo(
        f"modelarts/{name}", functions, soft, hard, family=family, abilities=frozenset(abilities)
    )


def _abilities(model: Model) -> Iterator[str]:
    yield from ("chat", "complete")
    if model.thinks:
        yield "thinking"
    if model.sees:
        yield "images"
