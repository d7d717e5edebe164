"""Qianfan's models on the v1 wire: where each is reached, how much it takes, what it can do.

Where documents contradict each other, the smaller limit trims history (`soft`) and the larger one refuses
(`hard`). Every name is looked up without regard to case: the model's name, an alias, or the last part of its
path; any other name is taken as the path of a service of one's own, with the smallest limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from duihua.ports import Limits

SEARCH = frozenset({"disable_search", "enable_citation", "enable_trace", "trace_number"})
BASIC = frozenset({"temperature", "top_p", "penalty_score"})
OWN = BASIC | {"max_output_tokens"}  # the platform's own models
PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})


@dataclass(frozen=True, slots=True)
class Family:
    """What models of one kind accept: our option names, and the platform's fields for `extra`."""

    functions: Literal["native", "text", "none"]
    options: frozenset[str]
    extra: frozenset[str] | None
    takes_system: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `suffix` follows the wire's common path; `aliases` are lower case."""

    name: str
    suffix: str
    family: Family
    soft: Limits
    hard: Limits
    aliases: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        """Whether it takes and gives much more than the usual 8K."""
        return (self.hard.tokens or 0) > 100_000


TURBO_4 = Family("text", OWN | {"stop", "response_format"}, SEARCH)
ERNIE_4 = Family("native", OWN | {"stop", "response_format"}, SEARCH)
ERNIE_35 = Family("native", OWN | {"stop", "response_format"}, SEARCH | {"tool_choice"})
SPEED = Family("text", OWN | PENALTIES | {"stop"}, frozenset({"min_output_tokens", "tool_choice"}))
SPEED_128K = Family("text", OWN | PENALTIES | {"stop"}, frozenset({"tool_choice"}))
SPEED_APP = Family("text", OWN, frozenset({"tool_choice"}))
LITE = Family("text", OWN | PENALTIES | {"stop"}, frozenset({"min_output_tokens"}))
LITE_APP = Family("text", OWN | PENALTIES, frozenset({"min_output_tokens", "tool_choice"}))
LITE_PRO = Family("text", OWN | {"stop"}, frozenset({"tool_choice"}))
CHARACTER = Family("text", OWN | {"stop"}, frozenset())
OPEN = Family("text", BASIC | {"stop"}, frozenset({"top_k", "tool_choice"}), takes_system=False)
OPEN_LAW = Family("text", BASIC, frozenset({"tool_choice"}), takes_system=False)
CUSTOM = Family("text", OWN | {"stop"}, None)
PLUGIN = Family("none", frozenset(), frozenset({"plugins", "extra_data"}), takes_system=False)
ORCHESTRATED = Family("none", BASIC, frozenset({"plugins", "fileurl", "input_variables", "verbose"}))

L4K = Limits(8_000, 2_048)
L8K = Limits(20_000, 5_120)
LITE_8K = Limits(11_200, 7_168)
PRO_8K = Limits(24_000, 6_144)
L128K = Limits(516_096, 126_976)
SPEED_LONG = Limits(507_904, 126_976)
SHORT = Limits(4_800, None)
SMALLEST = Limits(4_800, 2_048)
UNKNOWN = Limits(None, None)

_PART = r"[a-z0-9_-][a-z0-9_.-]*"
_SUFFIX = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}|plugin/{_PART}/")
_LONGEST_NAME = 128
_FAMILIES = (
    "ernie", "deepseek", "qwen", "qwq", "llama", "bloomz", "glm", "aquila", "xuanyuan", "chatlaw", "yi",
    "mixtral", "gemma", "bge", "sqlcoder", "stable-diffusion", "irag", "flux", "fuyu",
)  # fmt: skip


def _model(
    name: str,
    suffix: str,
    family: Family,
    soft: Limits,
    hard: Limits | None = None,
    aliases: tuple[str, ...] = (),
) -> Model:
    return Model(name.lower().replace(" ", "-"), suffix, family, soft, hard or soft, aliases)


MODELS: tuple[Model, ...] = (
    _model("ERNIE-4.0-8K-Latest", "/chat/ernie-4.0-8k-latest", TURBO_4, L8K),
    _model("ERNIE-4.0-8K-0613", "/chat/ernie-4.0-8k-0613", TURBO_4, L8K),
    _model("ERNIE-4.0-Turbo-8K", "/chat/ernie-4.0-turbo-8k", TURBO_4, L8K),
    _model("ERNIE-4.0-Turbo-8K-Latest", "/chat/ernie-4.0-turbo-8k-latest", TURBO_4, L8K),
    _model("ERNIE-4.0-Turbo-8K-Preview", "/chat/ernie-4.0-turbo-8k-preview", TURBO_4, L8K),
    _model("ERNIE-Lite-AppBuilder-8K-0614", "/chat/ai_apaas_lite", LITE_APP, LITE_8K),
    _model("ERNIE-3.5-8K-0701", "/chat/ernie-3.5-8k-0701", ERNIE_35, L8K),
    _model("ERNIE-3.5-8K-0613", "/chat/ernie-3.5-8k-0613", ERNIE_35, L8K),
    _model("ERNIE-Lite-Pro-8K", "/chat/ernie-lite-pro-8k", LITE_PRO, PRO_8K),
    _model("ERNIE-Lite-8K-0922", "/chat/eb-instant", LITE_PRO, LITE_8K, aliases=("ernie-bot-turbo",)),
    _model("ERNIE-Lite-8K-0308", "/chat/ernie-lite-8k", LITE, LITE_8K),
    _model("ERNIE-Lite-V", "/chat/ernie-lite-v", LITE, LITE_8K, hard=Limits(24_000, 7_168)),
    _model("ERNIE-3.5-8K", "/chat/completions", ERNIE_35, L8K, aliases=("ernie-bot", "ernie-3.5")),
    _model("ERNIE-4.0-8K", "/chat/completions_pro", ERNIE_4, L8K, aliases=("ernie-bot-4", "ernie-4.0")),
    _model("ERNIE-4.0-8K-0329", "/chat/ernie-4.0-8k-0329", ERNIE_4, L8K),
    _model("ERNIE-4.0-8K-0104", "/chat/ernie-4.0-8k-0104", ERNIE_4, L8K),
    _model("ERNIE-4.0-8K-Preview-0518", "/chat/completions_adv_pro", ERNIE_4, L8K),
    _model("ERNIE-4.0-8K-preview", "/chat/ernie-4.0-8k-preview", ERNIE_4, L8K),
    _model("ERNIE-3.5-128K", "/chat/ernie-3.5-128k", ERNIE_35, L128K),
    _model("ERNIE-3.5-8K-preview", "/chat/ernie-3.5-8k-preview", ERNIE_35, L8K),
    _model("ERNIE-3.5-8K-0205", "/chat/ernie-3.5-8k-0205", ERNIE_35, L8K),
    _model("ERNIE-3.5-8K-0329", "/chat/ernie-3.5-8k-0329", ERNIE_35, L4K),
    _model("ERNIE-Speed-Pro-8K", "/chat/ernie-speed-pro-8k", SPEED, PRO_8K),
    _model(
        "ERNIE-Speed-8K",
        "/chat/ernie_speed",
        SPEED,
        Limits(11_200, 6_144),
        hard=PRO_8K,
        aliases=("ernie-speed",),
    ),
    _model("ERNIE-Speed-Pro-128K", "/chat/ernie-speed-pro-128k", SPEED_128K, L128K),
    _model("ERNIE-Speed-128K", "/chat/ernie-speed-128k", SPEED_128K, SPEED_LONG),
    _model("ERNIE Speed-AppBuilder", "/chat/ai_apaas", SPEED_APP, LITE_8K),
    _model("ERNIE-Tiny-8K", "/chat/ernie-tiny-8k", SPEED, PRO_8K),
    _model("ERNIE-Novel-8K", "/chat/ernie-novel-8k", SPEED, PRO_8K),
    _model(
        "ERNIE-Function-8K",
        "/chat/ernie-func-8k",
        CHARACTER,
        Limits(11_200, 6_144),
        hard=Limits(24_000, 7_168),
        aliases=("ernie-functions-8k",),
    ),
    _model("Qianfan-Dynamic-8K", "/chat/qianfan-dynamic-8k", ERNIE_35, L8K, aliases=("qianfan_dynamic_8k",)),
    _model("ERNIE-Character-8K", "/chat/ernie-char-8k", CHARACTER, PRO_8K),
    _model("ERNIE-Character-Fiction-8K", "/chat/ernie-char-fiction-8k", CHARACTER, PRO_8K),
    _model("BLOOMZ-7B", "/chat/bloomz_7b1", OPEN, SHORT),
    _model("Llama-2-7B-Chat", "/chat/llama_2_7b", OPEN, SHORT),
    _model("Llama-2-13B-Chat", "/chat/llama_2_13b", OPEN, SHORT),
    _model("Llama-2-70B-Chat", "/chat/llama_2_70b", OPEN, SHORT),
    _model("Meta-Llama-3-8B", "/chat/llama_3_8b", OPEN, SHORT),
    _model("Meta-Llama-3-70B", "/chat/llama_3_70b", OPEN, SHORT),
    _model("Qianfan-BLOOMZ-7B-compressed", "/chat/qianfan_bloomz_7b_compressed", OPEN, SHORT),
    _model("Qianfan-Chinese-Llama-2-7B", "/chat/qianfan_chinese_llama_2_7b", OPEN, SHORT),
    _model("ChatGLM2-6B-32K", "/chat/chatglm2_6b_32k", OPEN, SHORT),
    _model("AquilaChat-7B", "/chat/aquilachat_7b", OPEN, SHORT),
    _model("XuanYuan-70B-Chat-4bit", "/chat/xuanyuan_70b_chat", OPEN, SHORT),
    _model("Qianfan-Chinese-Llama-2-13B", "/chat/qianfan_chinese_llama_2_13b", OPEN, SHORT),
    _model("Qianfan-Chinese-Llama-2-70B", "/chat/qianfan_chinese_llama_2_70b", OPEN, SHORT),
    _model("ChatLaw", "/chat/chatlaw", OPEN_LAW, SHORT),
    _model("Yi-34B-Chat", "/chat/yi_34b_chat", OPEN, SHORT),
    _model("Mixtral-8x7B-Instruct", "/chat/mixtral_8x7b_instruct", OPEN, SHORT),
    _model("Gemma-7B-it", "/chat/gemma_7b_it", OPEN, SHORT),
    _model("ERNIE-3.5-4K-0205", "/chat/ernie-3.5-4k-0205", ERNIE_35, L4K),
    _model("ERNIE-4.0-Turbo-128K", "/chat/ernie-4.0-turbo-128k", TURBO_4, SPEED_LONG, hard=L128K),
    _model("ERNIE-Lite-Pro-128K", "/chat/ernie-lite-pro-128k", LITE_PRO, SPEED_LONG, hard=L128K),
    _model("ERNIE-Bot-8K", "/chat/ernie_bot_8k", ERNIE_35, L8K),  # retired by the platform
)

PLUGINS = _model("erniebot/plugin", "/erniebot/plugin", PLUGIN, SHORT)
"""The platform's own plugins, chosen by `extra={"plugins": [...]}`. The platform calls this deprecated."""


def _index() -> Mapping[str, Model]:
    found = {model.name: model for model in (*MODELS, PLUGINS)}
    for model in MODELS:
        last = model.suffix.rpartition("/")[2]
        for key in (*model.aliases, last, model.suffix.lstrip("/")):
            found.setdefault(key, model)
    return found


_BY_NAME = _index()


def find(name: str) -> Model:
    """The model of a name, an alias or a path; any other name becomes the path of a service of one's own.

    `plugin/ID` is a service that was put together of plugins in the platform's console (deprecated by it).
    """
    key = name.strip().lower().lstrip("/")
    if known := _BY_NAME.get(key) or _BY_NAME.get(key.replace(" ", "-")):
        return known
    if key.startswith("plugin/"):
        key = key.rstrip("/")
        return Model(key, f"/{key}/", ORCHESTRATED, SMALLEST, UNKNOWN)
    return Model(key, f"/{key}" if "/" in key else f"/chat/{key}", CUSTOM, SMALLEST, UNKNOWN)


def family_of(name: str) -> str:
    """Whose model it is, by its name; empty if that does not tell."""
    return next((family for family in _FAMILIES if family in name.lower()), "")


def is_path(name: str) -> bool:
    """Whether a model's name can stand in a URL: parts of letters, digits, `_`, `-`, `.`, none leading up."""
    return len(name) <= _LONGEST_NAME and _SUFFIX.fullmatch(name) is not None
