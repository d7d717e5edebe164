"""What the simulated Zhipu serves: models by name, and how its background work turns out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from duihua.simulator.chat_rules import Model

_OLD = frozenset({"thinking", "reasoning_effort", "tool_stream"})
_SMALL = frozenset({"reasoning_effort", "tool_stream"})
_NO_EFFORT = frozenset({"reasoning_effort"})


def _thinks(names: str, tokens: int, refused: frozenset[str], *, sees: bool = False) -> list[Model]:
    return [
        Model(name, tokens=tokens, tools=True, thinks=True, sees=sees, refused=refused)
        for name in names.split()
    ]


def _plain(names: str, tokens: int, *, tools: bool = True, sees: bool = False) -> list[Model]:
    return [Model(name, 8 * tokens, tokens, tools=tools, sees=sees, refused=_OLD) for name in names.split()]


def _aloud(names: str, tokens: int) -> list[Model]:
    return [replace(model, thinks=True, aloud=True) for model in _plain(names, tokens)]


MODELS: dict[str, Model] = {
    m.name: m
    for m in (
        *_thinks("glm-5.3 glm-5.2", 200_000, frozenset()),
        *_thinks("glm-5.1 glm-5 glm-4.7 glm-4.7-flashx glm-4.7-flash glm-4.6", 200_000, _NO_EFFORT),
        *_thinks("glm-4.5 glm-4.5-x glm-4.5-air glm-4.5-airx glm-4.5-flash", 128_000, _SMALL),
        *_thinks("glm-4.6v glm-4.6v-flash", 128_000, _SMALL, sees=True),
        *_thinks("glm-4.5v", 64_000, _SMALL, sees=True),
        *_plain("glm-4 glm-4-plus glm-4-0520 glm-4-air glm-4-air-250414", 128_000),
        *_plain("glm-4-flash glm-4-flash-250414 glm-4-flashx-250414", 128_000),
        *_plain("glm-4-airx", 8_000),
        *_plain("glm-4-long", 1_000_000),
        *_aloud("glm-z1-air glm-z1-flash glm-z1-flashx", 128_000),
        *_aloud("glm-z1-airx", 32_000),
        *_plain("glm-4v-plus-0111 glm-4v-flash", 16_000, tools=False, sees=True),
        *_plain("charglm-4 emohaa", 8_000, tools=False),
        *_plain("codegeex-4", 128_000, tools=False),
    )
}
"""Name -> model."""

_ANSWERS = {
    "": 4_095,
    **dict.fromkeys(("glm-5", "glm-4.7", "glm-4.6"), 131_072),
    **{"glm-4.5": 98_304, "glm-4.6v": 32_768, "glm-4.5v": 16_384, "codegeex": 32_768},
    **{"glm-z1": 32_768, "glm-z1-airx": 30_720},
    **{"glm-4-air": 16_384, "glm-4-airx": 4_095, "glm-4-flash": 16_384, "glm-4v-flash": 1_024},
}
"""How names begin -> tokens of the longest answer; the longest beginning counts."""


def longest_answer(model: str) -> int:
    """Tokens of the longest answer that a model may be asked for."""
    return _ANSWERS[max(filter(model.startswith, _ANSWERS), key=len)]


ALWAYS_THINKS = frozenset({"glm-5.3"})
"""They refuse to have their thinking switched off."""
SERVED_BY = {"glm-4.6": "glm-4.7"}
"""Work in the background is done by another model than was asked for."""
FAILS = frozenset({"glm-4.5-airx"})
"""Work in the background comes to nothing."""
COUNTED = frozenset(
    {"glm-4.6", "glm-4.6v", "glm-4.5", "glm-4.5-air", "glm-4-0520", "glm-4-long", "glm-4-air", "glm-4-flash"}
)
"""The models whose tokens are counted."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The sizes in pixels that a model draws: each side, what it is a multiple of, the whole area."""

    least: int
    most: int
    step: int
    area: int


DRAWING: dict[str, Canvas] = {
    **dict.fromkeys(("cogview-4", "cogview-4-250304", "cogview-3-flash"), Canvas(512, 2048, 16, 2**21)),
    "glm-image": Canvas(1024, 2048, 32, 2**22),
}


@dataclass(frozen=True, slots=True)
class Embedding:
    """An embedding model: tokens of one text, numbers of a vector, the usual one first."""

    tokens: int
    sizes: tuple[int, ...]


EMBEDDING: dict[str, Embedding] = {
    "embedding-3": Embedding(3_072, (2048, 1024, 512, 256)),
    "embedding-2": Embedding(512, (1024,)),
}
MODERATION = "moderation"
