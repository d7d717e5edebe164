"""What Qianfan's v2 serves: models by name, with their limits and abilities."""

from __future__ import annotations

from duihua.simulator import qianfan_models as v1
from duihua.simulator.chat_rules import Model

_NO_PENALTY = frozenset({"penalty_score"})
_X1 = frozenset({"penalty_score", "stop", "seed", "response_format"})

_SHOWN: dict[str, Model] = {
    m.name: m
    for m in (
        Model("ernie-4.0-turbo-128k", 516_096, 126_976, tools=True),
        Model("ernie-4.0-turbo-8k", 20_000, 5_120, tools=True),
        Model("ernie-4.0-turbo-8k-latest", 20_000, 5_120),
        Model("ernie-4.0-turbo-8k-preview", 20_000, 5_120),
        Model("ernie-4.0-8k", 20_000, 5_120),
        Model("ernie-4.0-8k-latest", 20_000, 5_120),
        Model("ernie-4.0-8k-preview", 20_000, 5_120),
        Model("ernie-3.5-128k", 516_096, 126_976, tools=True),
        Model("ernie-3.5-8k", 20_000, 5_120, tools=True),
        Model("ernie-3.5-8k-preview", 20_000, 5_120),
        Model("ernie-speed-pro-128k", 516_096, 126_976, tools=True),
        Model("ernie-speed-128k", 507_904, 126_976),
        Model("ernie-speed-8k", 24_000, 6_144),
        Model("ernie-lite-pro-128k", 516_096, 126_976, tools=True),
        Model("ernie-lite-8k", 11_200, 7_168),
        Model("ernie-tiny-8k", 24_000, 6_144),
        Model("ernie-char-8k", 24_000, 6_144),
        Model("ernie-novel-8k", 24_000, 6_144),
        Model("ernie-4.5-8k-preview", 20_000, 5_120, sees=True, refused=_NO_PENALTY),
        Model("ernie-4.5-turbo-128k", 516_096, 126_976, refused=_NO_PENALTY),
        Model("ernie-4.5-turbo-vl-32k", 114_688, 28_672, sees=True, refused=_NO_PENALTY),
        Model("ernie-x1-32k", 114_688, 28_672, thinks=True, refused=_NO_PENALTY),
        Model("ernie-x1-turbo-32k", 114_688, 28_672, thinks=True, refused=_X1),
        Model("deepseek-v3", 516_096, 126_976, tools=True, refused=_NO_PENALTY),
        Model("deepseek-r1", 516_096, 126_976, thinks=True, refused=_NO_PENALTY),
        Model("qwq-32b", 114_688, 28_672, tools=True, thinks=True, refused=_NO_PENALTY),
    )
}

_DATED = {
    m.name.lower(): Model(m.name.lower(), m.characters, m.tokens)
    for m in v1.MODELS.values()
    if m.name.startswith("ERNIE-") and "system" in m.fields and m.tokens is not None
}

MODELS: dict[str, Model] = {**_DATED, **_SHOWN}
"""Name -> model: those that version 2 shows, and the dated ones of version 1."""
