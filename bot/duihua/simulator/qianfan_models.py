"""What Qianfan's v1 serves: models by path suffix, with their limits and the fields that each accepts."""

from __future__ import annotations

from dataclasses import dataclass

_ALL = frozenset(
    {"messages", "stream", "temperature", "top_p", "penalty_score", "user_id", "extra_parameters"}
)
_ERNIE = _ALL | {"system", "max_output_tokens"}
_SEARCH = frozenset(
    {"stop", "disable_search", "enable_citation", "enable_trace", "trace_number", "response_format",
     "enable_system_memory", "system_memory_id", "user_setting"}
)  # fmt: skip
_PENALTIES = frozenset({"frequency_penalty", "presence_penalty"})
_PLUGINS = frozenset({"tools", "tool_choice"})
_FULL = _ERNIE | _SEARCH | {"functions", "tool_choice"}
_FUNCTIONS = _ERNIE | _SEARCH | {"functions"}
_SPEED = _ERNIE | _PLUGINS | _PENALTIES | {"stop", "min_output_tokens"}
_LITE = _ERNIE | _PENALTIES | {"stop", "min_output_tokens"}
_OPEN = _ALL | _PLUGINS | {"stop", "top_k"}


@dataclass(frozen=True, slots=True)
class Model:
    """One chat service. Limits count messages and system text together; None: no limit is stated."""

    suffix: str
    name: str
    characters: int
    tokens: int | None
    fields: frozenset[str]

    @property
    def functions(self) -> bool:
        """Whether it calls functions."""
        return "functions" in self.fields

    @property
    def most_output(self) -> int:
        """The largest `max_output_tokens`."""
        return 4_096 if "128k" in self.suffix else 2_048


def _rows(characters: int, tokens: int | None, fields: frozenset[str], table: str) -> list[Model]:
    pairs = (line.split(" ", 1) for line in table.strip().splitlines())
    return [Model(suffix, name, characters, tokens, fields) for suffix, name in pairs]


MODELS: dict[str, Model] = {
    m.suffix: m
    for m in (
        *_rows(20_000, 5_120, _FULL, """
completions ERNIE-3.5-8K
ernie-3.5-8k-0701 ERNIE-3.5-8K-0701
ernie-3.5-8k-0613 ERNIE-3.5-8K-0613
ernie-3.5-8k-preview ERNIE-3.5-8K-preview
ernie-3.5-8k-0205 ERNIE-3.5-8K-0205
qianfan-dynamic-8k Qianfan-Dynamic-8K"""),
        *_rows(8_000, 2_048, _FULL, """
ernie-3.5-8k-0329 ERNIE-3.5-8K-0329
ernie-3.5-4k-0205 ERNIE-3.5-4K-0205"""),
        *_rows(516_096, 126_976, _FULL, "ernie-3.5-128k ERNIE-3.5-128K"),
        *_rows(20_000, 5_120, _FUNCTIONS, """
completions_pro ERNIE-4.0-8K
ernie-4.0-8k-0329 ERNIE-4.0-8K-0329
ernie-4.0-8k-0104 ERNIE-4.0-8K-0104
completions_adv_pro ERNIE-4.0-8K-Preview-0518
ernie-4.0-8k-preview ERNIE-4.0-8K-preview"""),
        *_rows(20_000, 5_120, _ERNIE | _SEARCH, """
ernie-4.0-8k-latest ERNIE-4.0-8K-Latest
ernie-4.0-8k-0613 ERNIE-4.0-8K-0613
ernie-4.0-turbo-8k ERNIE-4.0-Turbo-8K
ernie-4.0-turbo-8k-latest ERNIE-4.0-Turbo-8K-Latest
ernie-4.0-turbo-8k-preview ERNIE-4.0-Turbo-8K-Preview"""),
        *_rows(516_096, 126_976, _ERNIE | _SEARCH, "ernie-4.0-turbo-128k ERNIE-4.0-Turbo-128K"),
        *_rows(24_000, 6_144, _SPEED, """
ernie_speed ERNIE-Speed-8K
ernie-speed-pro-8k ERNIE-Speed-Pro-8K
ernie-tiny-8k ERNIE-Tiny-8K
ernie-novel-8k ERNIE-Novel-8K"""),
        *_rows(516_096, 126_976, _ERNIE | _PLUGINS | _PENALTIES | {"stop"}, """
ernie-speed-pro-128k ERNIE-Speed-Pro-128K
ernie-lite-pro-128k ERNIE-Lite-Pro-128K"""),
        *_rows(507_904, 126_976, _ERNIE | _PLUGINS | _PENALTIES | {"stop"}, """
ernie-speed-128k ERNIE-Speed-128K"""),
        *_rows(24_000, 6_144, _ERNIE | _PLUGINS | {"stop"}, "ernie-lite-pro-8k ERNIE-Lite-Pro-8K"),
        *_rows(11_200, 7_168, _ERNIE | _PLUGINS | {"stop"}, "eb-instant ERNIE-Lite-8K-0922"),
        *_rows(11_200, 7_168, _LITE, """
ernie-lite-8k ERNIE-Lite-8K-0308
ernie-lite-v ERNIE-Lite-V"""),
        *_rows(11_200, 7_168, _ERNIE | {"tool_choice", "tools"}, "ai_apaas ERNIE Speed-AppBuilder"),
        *_rows(
            11_200, 7_168, _ERNIE | _PENALTIES | _PLUGINS | {"min_output_tokens"},
            "ai_apaas_lite ERNIE-Lite-AppBuilder-8K-0614",
        ),
        *_rows(24_000, 6_144, _ERNIE | {"stop"}, """
ernie-func-8k ERNIE-Function-8K
ernie-char-8k ERNIE-Character-8K
ernie-char-fiction-8k ERNIE-Character-Fiction-8K"""),
        *_rows(4_800, None, _OPEN, """
bloomz_7b1 BLOOMZ-7B
llama_2_7b Llama-2-7B-Chat
llama_2_13b Llama-2-13B-Chat
llama_2_70b Llama-2-70B-Chat
llama_3_8b Meta-Llama-3-8B
llama_3_70b Meta-Llama-3-70B
qianfan_bloomz_7b_compressed Qianfan-BLOOMZ-7B-compressed
qianfan_chinese_llama_2_7b Qianfan-Chinese-Llama-2-7B
qianfan_chinese_llama_2_13b Qianfan-Chinese-Llama-2-13B
qianfan_chinese_llama_2_70b Qianfan-Chinese-Llama-2-70B
chatglm2_6b_32k ChatGLM2-6B-32K
aquilachat_7b AquilaChat-7B
xuanyuan_70b_chat XuanYuan-70B-Chat-4bit
chatlaw ChatLaw
yi_34b_chat Yi-34B-Chat
mixtral_8x7b_instruct Mixtral-8x7B-Instruct
gemma_7b_it Gemma-7B-it"""),
        *_rows(11_200, 5_120, _ERNIE | {"stop"}, "duihua_custom my-service"),
    )
}  # fmt: skip
"""Path suffix -> model. The last one stands for a service that a user tuned and published."""

CUSTOM = "duihua_custom"
