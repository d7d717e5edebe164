"""Models of Qianfan's OpenAI-like wire: limits and abilities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from duihua.ports import Limits
from duihua.providers import qianfan_models as v1

TOOLS = frozenset(
    {
        "ernie-4.0-turbo-128k",
        "ernie-4.0-turbo-8k",
        "ernie-3.5-128k",
        "ernie-3.5-8k",
        "ernie-speed-pro-128k",
        "ernie-lite-pro-128k",
        "qwq-32b",
        "deepseek-v3",
    }
)
"""The models that are documented to call functions."""

RETIRED = frozenset({"ernie-bot-8k"})
OTHERS = (
    *("deepseek-v3", "deepseek-r1", "qwq-32b"),
    *("ernie-4.5-8k-preview", "ernie-4.5-turbo-128k", "ernie-4.5-turbo-vl-32k"),
    *("ernie-x1-32k", "ernie-x1-turbo-32k"),
)
THINKING = frozenset({"deepseek-r1", "qwq-32b", "ernie-x1-32k", "ernie-x1-turbo-32k"})
"""The models that think before they answer."""
_LACKS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("deepseek", "qwq", "ernie-x1", "ernie-4.5"), frozenset({"penalty_score"})),
    "ernie-x1-turbo": frozenset({"penalty_score", "stop", "seed", "response_format"}),
}
"""How names begin whose models do not take these options."""
_SEES = re.compile(r"-vl\b|^ernie-4\.5-8k|^llama-4")
"""Names of models that take images."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model; `soft` trims history, `hard` refuses an input."""

    name: str
    functions: Literal["native", "text"]
    soft: Limits
    hard: Limits

    @property
    def lacks(self) -> frozenset[str]:
        """The options that it does not take."""
        begins = max((b for b in _LACKS if self.name.startswith(b)), key=len, default="")
        return _LACKS.get(begins, frozenset())

    @property
    def sees(self) -> bool:
        """Whether it takes images."""
        return _SEES.search(self.name.lower()) is not None


def _own() -> Mapping[str, Model]:
    found: dict[str, Model] = {}
    for m in v1.MODELS:
        if m.name.startswith("ernie-") and "appbuilder" not in m.name and m.name not in RETIRED:
            path = m.suffix.rpartition("/")[2]
            for name in (m.name, path) if path.startswith("ernie-") else (m.name,):
                found[name] = Model(name, "native" if name in TOOLS else "text", m.soft, m.hard)
    # no limits are documented: trim as for the usual 8K, leave the rest to the platform
    for name in OTHERS:
        found[name] = Model(name, "native" if name in TOOLS else "text", v1.L8K, v1.UNKNOWN)
    return found


_BY_NAME = _own()
MODELS = tuple(_BY_NAME.values())


def find(name: str) -> Model:
    """The model of a name; an unknown one is sent as it is, with the smallest limits."""
    return _BY_NAME.get(name.strip().lower()) or Model(name.strip(), "text", v1.SMALLEST, v1.UNKNOWN)
