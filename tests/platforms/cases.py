"""The models that every platform is tried with, and what differs between them. A platform adds its lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One model on one wire.

    model: `provider/model`. input_side, output_side: what the platform says of flagged input and output
    (`side` of HistoryCleared), whole_side: of output that is not streamed, empty: the same.
    retracts: what was shown of flagged output must be taken back.
    names_history: it tells that an older turn was meant, not the question. parallel: two calls come in one
    answer. thinks: reasoning comes apart from the answer. teaches: so many
    refusals tell the client what the model lacks. errors: fault -> category of the failed turn.
    """

    model: str
    input_side: str = "input"
    output_side: str = "output"
    whole_side: str = ""
    retracts: bool = True
    names_history: bool = False
    parallel: bool = True
    thinks: bool = False
    teaches: int = 0
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.model


CASES = (
    Case("qianfan/ernie-3.5-8k", output_side="input", names_history=True, parallel=False, thinks=True),
    Case("qianfan-v2/ernie-4.0-turbo-8k", names_history=True),
    Case("qianfan-v2/ernie-4.5-turbo-vl-32k", names_history=True, parallel=False),
    Case("modelarts/DeepSeek-R1", whole_side="input", thinks=True),
    Case("modelarts/deepseek-v3.1", whole_side="input"),
    Case("modelarts/qwen3-32b", whole_side="input", parallel=False),
    Case("genstudio/qwq-32b", thinks=True),
    Case("genstudio/qwen1.5-72b-chat@nvidia", parallel=False),
    Case("genstudio/chatglm2-6b-32k@enflame", parallel=False),
    Case("genstudio/llama-2-7b-chat@biren", parallel=False),
    Case("openai/gpt-4.1-mini"),
    Case("openai/qwq-32b", thinks=True),
    Case("openai/gemma-2-9b-it", parallel=False, teaches=2),
    Case("zhipu/glm-4.7", names_history=True, thinks=True),
    Case("zhipu/glm-4.6v", names_history=True, thinks=True, settings=(("ZHIPU_AUTH", "jwt"),)),
    Case("zhipu/charglm-4", names_history=True, parallel=False),
    Case("dashscope/qwen-plus"),
    Case("dashscope/qwen3-vl-plus"),
    Case("dashscope/dolly-12b-v2", parallel=False),
    Case("dashscope-compatible/deepseek-r1", thinks=True),
)
