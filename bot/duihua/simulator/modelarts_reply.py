"""ModelArts Studio's answers, with the small habits in which its models differ, as they do in the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.simulator.ask import estimate
from duihua.simulator.chat import ChatReply
from duihua.simulator.modelarts_rules import thinks
from duihua.simulator.wire import event

_RENAMED = frozenset({"deepseek-v3.2-exp"})  # a newer server: `reasoning` in place of `reasoning_content`
_COUNTING = frozenset({"deepseek-v3.1"})  # every chunk bears the usage so far
_UNFINISHED = frozenset({"qwen3-32b"})  # whole answers without a finish reason


class ModelArtsReply(ChatReply):
    """Answers as the inference server gives them, with each model's habits."""

    counted = 0

    def thinks(self) -> bool:
        """Whether this request is thought about."""
        return thinks(self.body, self.model)

    def head(self, *, stream: bool = False) -> dict[str, Any]:
        """Chunks bear the same object name as whole answers."""
        return super().head()

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer; its list of calls may be empty."""
        choice = super().choice()
        choice["message"] = {**self.named(choice["message"]), "tool_calls": self.calls}
        if self.model.name in _UNFINISHED and self.finish == "stop":
            del choice["finish_reason"]
        return {**choice, "logprobs": None, "stop_reason": None}

    def extras(self) -> dict[str, Any]:
        """Further fields of a whole answer."""
        return {"prompt_logprobs": None}

    def chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0) -> bytes:
        """One event of a stream."""
        choice = {"index": index, "delta": self.named(delta), "logprobs": None, "finish_reason": finish}
        usage: dict[str, Any] = {"usage": None} if self.with_usage else {}
        if self.with_usage and self.model.name in _COUNTING:
            self.counted += sum(estimate(text) for text in delta.values() if isinstance(text, str))
            usage["usage"] = self.usage() if finish else self.so_far()
        return event({**self.head(stream=True), "choices": [choice], **usage})

    def so_far(self) -> dict[str, Any]:
        """The usage of what was sent."""
        tokens = {"prompt_tokens": self.prompt, "completion_tokens": self.counted}
        return {**tokens, "total_tokens": self.prompt + self.counted}

    def ending(self) -> list[bytes]:
        """The last events; flagged output ends in a choice without a delta."""
        if self.fault.kind == "flag-output":
            return [event({"choices": [{"finish_reason": self.finish, "index": 0}]}), b"data: [DONE]\n\n"]
        frames = super().ending()
        return [*frames[:-2], frames[-1]] if self.with_usage and self.model.name in _COUNTING else frames

    def named(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a message, reasoning under this model's name for it."""
        renamed = self.model.name in _RENAMED
        return {"reasoning" if renamed and k == "reasoning_content" else k: v for k, v in fields.items()}
