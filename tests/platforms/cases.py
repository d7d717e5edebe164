"""The models that every platform is tried with, and what differs between them. A platform adds its lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One model on one wire.

    model: `provider/model`. input_side, output_side: what the platform says of flagged input and output
    (`side` of HistoryCleared). retracts: what was shown of flagged output must be taken back.
    names_history: it tells that an older turn was meant, not the question. parallel: two calls come in one
    answer. thinks: reasoning comes apart from the answer. errors: fault -> category of the failed turn.
    """

    model: str
    input_side: str = "input"
    output_side: str = "output"
    retracts: bool = True
    names_history: bool = False
    parallel: bool = True
    thinks: bool = False
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.model


CASES = (
    Case("qianfan/ernie-3.5-8k", output_side="input", names_history=True, parallel=False, thinks=True),
    Case("qianfan-v2/ernie-4.0-turbo-8k", names_history=True),
    Case("dashscope/qwen-plus"),
    Case("dashscope/qwen3-vl-plus"),
    Case("dashscope/dolly-12b-v2", parallel=False),
    Case("dashscope-compatible/deepseek-r1", thinks=True),
)
