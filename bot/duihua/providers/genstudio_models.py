"""GenStudio's models: how much each takes, on which chips it runs, and where a name leads.

`MODEL` alone is the platform's OpenAI-like service, `MODEL@CHIP` the same model on one chip, `mif-...` a
deployment of one's own. Models with chips are as the platform listed them in April 2024; it lists the present
ones itself. A name that is not here is sent as it is, with the smallest limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from duihua.errors import ProviderError
from duihua.ports import Limits

CHIPS = ("nvidia", "amd", "iluvatar", "metax", "moorethreads", "biren", "enflame")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What may stand in a path: nothing that leads elsewhere."""
_SEES = re.compile(r"-vl-|^glm-\d[\d.]*v", re.ASCII)
_FAMILIES = ("megrez", "glm", "llama", "qwen", "qwq", "baichuan", "deepseek", "kimi", "minimax")


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        name: in lower case.
        context: tokens of a request with its answer, 0 if not documented.
        chips: where it runs besides the OpenAI-like service; the first is the usual one.
        thinking: `on` and `off` are what it does unless told otherwise; `always` and `never` stay so.
    """

    name: str
    context: int = 0
    chips: tuple[str, ...] = ()
    thinking: Literal["never", "always", "on", "off"] = "never"

    @property
    def family(self) -> str:
        """Whose model it is."""
        found = next((family for family in _FAMILIES if family in self.name.lower()), "")
        return "qwen" if found == "qwq" else found

    @property
    def switched(self) -> bool:
        """Whether a request can turn its thinking on and off."""
        return self.thinking in ("on", "off")

    @property
    def sees(self) -> bool:
        """Whether it takes images."""
        return bool(_SEES.search(self.name.lower()))

    @property
    def soft(self) -> Limits:
        """History is trimmed to this, so that an answer has room."""
        context = self.context or SMALLEST
        return Limits(None, context - min(4_096, context // 4))

    @property
    def hard(self) -> Limits:
        """A larger input is refused."""
        return Limits(None, self.context or None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads. `chip` is empty for the OpenAI-like service and for a deployment."""

    model: Model
    chip: str = ""

    @property
    def name(self) -> str:
        """`MODEL` or `MODEL@CHIP`."""
        return f"{self.model.name}@{self.chip}" if self.chip else self.model.name

    @property
    def plain(self) -> bool:
        """Whether it is the OpenAI-like service, where requests may hold more."""
        return not self.chip and not self.deployed

    @property
    def deployed(self) -> bool:
        """Whether it is a deployment of one's own."""
        return not self.chip and self.model.name.startswith("mif-")

    @property
    def path(self) -> str:
        """The path of its API, behind the base.

        Raises:
            ProviderError: bad_request: the name or the chip would lead elsewhere.
        """
        parts = (self.model.name, self.chip) if self.chip else (self.model.name,) if self.deployed else ()
        for part in parts:
            if not _NAME.fullmatch(part):
                raise ProviderError(
                    f"{part[:80]!r} cannot stand in a path: write genstudio/MODEL@CHIP in letters, digits, "
                    "dots and dashes",
                    provider="genstudio",
                    category="bad_request",
                )
        if self.deployed:
            return f"/deployment/{self.model.name}"
        return f"/{self.model.name}/{self.chip}" if self.chip else "/v1"


SMALLEST = 4_096
_TWO = ("nvidia", "amd")
_GLM2 = ("nvidia", "enflame")

MODELS = (
    Model("infini-megrez-7b", 4_096, _TWO),
    Model("chatglm2-6b", 32_768, _GLM2),
    Model("chatglm2-6b-32k", 32_768, _GLM2),
    Model("chatglm3-6b", 8_192, _TWO),
    Model("chatglm3-6b-32k", 32_768, _TWO),
    Model("chatglm3-6b-base", 32_768, _TWO),
    Model("chatglm3", 8_192, ("nvidia",)),
    Model("llama-2-7b-chat", 4_096, ("nvidia", "amd", "iluvatar", "metax", "moorethreads", "biren")),
    Model("llama-2-13b-chat", 4_096, _TWO),
    Model("llama-2-70b-chat", 4_096, _TWO),
    Model("llama-2-70b", 4_096, _TWO),
    Model("qwen-7b-chat", 32_768, ("nvidia", "amd", "iluvatar")),
    Model("qwen-14b-chat", 8_192, _TWO),
    Model("qwen-72b", 32_768, _TWO),
    Model("qwen-72b-chat", 32_768, _TWO),
    Model("qwen1.5-1.8b-chat", 32_768, ("nvidia",)),
    Model("qwen1.5-4b-chat", 32_768, ("nvidia",)),
    Model("qwen1.5-7b-chat", 32_768, ("nvidia",)),
    Model("qwen1.5-14b-chat", 32_768, ("nvidia",)),
    Model("qwen1.5-72b-chat", 32_768, ("nvidia",)),
    Model("qwen1.5-72b", 32_768, ("nvidia",)),
    Model("baichuan2-7b-chat", 4_096, ("nvidia",)),
    Model("baichuan2-13b-chat", 4_096, ("nvidia",)),
    Model("baichuan2-13b-base", 4_096, ("nvidia",)),
)
"""The models with chips."""

LATER = (
    Model("qwq-32b", 65_536, thinking="always"),
    Model("deepseek-r1", 65_536, thinking="always"),
    Model("deepseek-v3", 65_536),
    Model("deepseek-v3.1", 131_072, thinking="off"),
    Model("qwen3-8b", 131_072, thinking="off"),
    Model("qwen3-14b", 131_072, thinking="always"),
    Model("qwen3-32b", 131_072, thinking="off"),
    Model("qwen3-30b-a3b", 131_072, thinking="off"),
    Model("qwen3-235b-a22b", 131_072, thinking="off"),
    Model("glm-4.5", 131_072, thinking="on"),
    Model("glm-4.5-air", 131_072, thinking="on"),
    Model("glm-4.5v", 131_072, thinking="on"),
)
"""Models of the OpenAI-like service that came later; it has more."""

_BY_NAME = {model.name: model for model in (*MODELS, *LATER)}


def find(name: str) -> Place:
    """Where `MODEL`, `MODEL@CHIP` or `mif-...` leads; any name is answered."""
    model, _, chip = name.strip().partition("@")
    model = model.strip()
    return Place(_BY_NAME.get(model.lower()) or Model(model), chip.strip().lower())
