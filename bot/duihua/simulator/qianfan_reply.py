"""Answers of Qianfan v1, whole and as streams, in the form of each of its paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from duihua.simulator import brain, wire
from duihua.simulator.ask import Answer, Ask, cut, estimate
from duihua.simulator.faults import Fault
from duihua.simulator.wire import Desk, event


class Reply:
    """One answer of a chat.

    Args:
        desk: what the platforms share.
        body: the request.
        fault: what happens to it.
        ask: what the brain is asked.
    """

    kind: ClassVar[str] = "chat.completion"

    def __init__(self, desk: Desk, body: Mapping[str, Any], fault: Fault, ask: Ask) -> None:
        self.body, self.fault, self.pieces = body, fault, desk.settings.pieces
        self.prompt = ask.prompt
        self.id, self.created = desk.request_id(), int(desk.now())
        self.ban: dict[str, Any] = {}
        self.finish, self.truncated = "normal", False
        if fault.kind in ("flag", "history"):
            round_ = -1 if fault.kind == "flag" else fault.number + desk.settings.ban_base
            self.ban = {"need_clear_history": True, "ban_round": round_}
            self.answer = Answer(brain.refusal(ask))
            return
        answer = brain.reply(ask, fault)
        text, self.truncated = wire.limited(answer.text, body.get("stop"), body.get("max_output_tokens"))
        if body.get("response_format") == "json_object" and text:
            text = wire.as_json(text)
        self.answer = Answer(text, answer.calls)
        if fault.kind == "flag-output":
            self.ban = {"need_clear_history": True, "ban_round": -1}
            self.finish = "content_filter"
        elif answer.calls:
            self.finish = "function_call"
        elif self.truncated:
            self.finish = "length"

    def whole(self) -> bytes:
        """The body of an answer without a stream."""
        return orjson.dumps(
            {
                "id": self.id,
                "object": self.kind,
                "created": self.created,
                "result": self.answer.text,
                **self.state(end=True),
                "usage": self.usage(self._size()),
                **self._calling(),
                **self.extras(),
            }
        )

    def frames(self) -> list[bytes]:
        """The events of a stream; the last one has `is_end: true`. A refusal is that one alone."""
        if self.fault.kind in ("flag", "history"):
            return [self.frame(0, self.answer.text, self._size(), end=True)]
        pieces = cut(self.answer.text, self.pieces) if self.answer.text else []
        if self.fault.kind == "flag-output":
            pieces = pieces[: max(1, len(pieces) // 2)]
        frames: list[bytes] = []
        said, size = 0, self._size()
        for piece in pieces:
            said = min(size, said + estimate(piece))
            frames.append(self.frame(len(frames), piece, said))
        if self.answer.calls:
            frames.append(self.frame(len(frames), "", size, **self._calling()))
        if self.fault.kind == "malformed":
            return [*frames[: len(frames) // 2], wire.BROKEN]
        return [*frames, self.frame(len(frames), "", size, end=True, **self.extras())]

    def frame(self, number: int, piece: str, said: int, *, end: bool = False, **more: Any) -> bytes:
        """One event of a stream."""
        return event(
            {
                "id": self.id,
                "object": self.kind,
                "created": self.created,
                "sentence_id": number,
                "is_end": end,
                "result": piece,
                **self.state(end=end),
                "usage": self.usage(said),
                **more,
            }
        )

    # ------------------------------------------------------------ what paths differ in

    def state(self, *, end: bool) -> dict[str, Any]:
        """How the answer ended, as far as is known before its end."""
        if not end:
            return {"is_truncated": False, "need_clear_history": False}
        ended = {"is_truncated": self.truncated, "need_clear_history": False, "finish_reason": self.finish}
        return {**ended, **self.ban}

    def extras(self) -> dict[str, Any]:
        """Further fields of the last chunk, or of a whole answer."""
        return {}

    def usage(self, said: int) -> dict[str, Any]:
        """What was taken so far."""
        return {"prompt_tokens": self.prompt, "completion_tokens": said, "total_tokens": self.prompt + said}

    def _calling(self) -> dict[str, Any]:
        if not self.answer.calls:
            return {}
        call = self.answer.calls[0]
        thoughts = f"I call {call.name}."
        return {"function_call": {"name": call.name, "thoughts": thoughts, "arguments": call.arguments}}

    def _size(self) -> int:
        return estimate(self.answer.text) + sum(estimate(c.name + c.arguments) for c in self.answer.calls)


class CompletionReply(Reply):
    """A text that was completed: it tells by `is_safe` alone whether the prompt was flagged."""

    kind = "completion"

    def state(self, *, end: bool) -> dict[str, Any]:
        """Whether the prompt is safe."""
        return {"is_safe": 0 if self.ban and end else 1}
