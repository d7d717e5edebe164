"""Reads the answers of Qianfan's first wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import orjson

from duihua.errors import ProviderError
from duihua.messages import FinishReason, Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, TextDelta, ThinkingDelta
from duihua.providers import qianfan_faults
from duihua.providers.faults import report_in, request_id
from duihua.providers.reader import Item, Reader, count_of

_FINISH: Mapping[str, FinishReason] = {"length": "length", "content_filter": "flagged"}

ASIDE = frozenset({"pluginMeta", "plugin"})
"""Events of a stream that tell what plugins do; only the others, `chat` or without a name, are the answer."""


class QianfanAnswer:
    """Reads one answer of the first wire, streamed or whole; `exchange.Answer`."""

    def __init__(self, model: str, *, whole: bool = False, request_id: str = "") -> None:
        self.complete = self.done = False
        self.error: ProviderError | None = None
        self._model, self._whole, self._id = model, whole, request_id
        self._reader = Reader()
        self._calls: list[tuple[str, str]] = []  # name and arguments so far
        self._begun = self._said = False
        self._lone: Mapping[str, Any] | None = None
        self._finish: FinishReason = "stop"
        self._counts: object = None

    def feed(self, data: bytes) -> list[Delta]:
        """The deltas in `data`; neighbouring pieces of text come as one."""
        return [] if self.done or self.error else self._take(self._reader.feed(data))

    def close(self) -> list[Delta]:
        """What the end completes; the last delta is the `Finish`."""
        out = [] if self.done or self.error else self._take(self._reader.close())
        if self.error:
            return out
        if not self.done and self._lone is not None and _is_answer(self._lone):
            self._end(self._lone, [], out)  # a whole answer, though a stream was asked for
        if not self.complete:
            self.error = ProviderError(
                "the answer was cut off before its end", category="truncated", request_id=self._id
            )
            return out
        reason = "calls" if self._calls and self._finish == "stop" else self._finish
        out.append(Finish(reason, _usage(self._counts), self._model, self._id))
        return out

    def _take(self, items: list[Item]) -> list[Delta]:
        out: list[Delta] = []
        text: list[str] = []
        for name, body in items:
            if ("error_code" in body or "error" in body) and self._fails(body):
                break
            if name in ASIDE:
                continue
            if body.get("need_clear_history"):
                _flush(text, out)
                self._flag(body, out)
                break
            result = body.get("result")
            if result and isinstance(result, str):
                text.append(result)
                self._said = True
            self._counts = body.get("usage") or self._counts  # in every chunk: the last one tells
            if (call := body.get("function_call")) is not None:
                _flush(text, out)
                self._call(call, out)
            if body.get("is_end") or (self._whole and _is_answer(body)):
                self._end(body, text, out)
                break
            self._lone = None if self._begun or "is_end" in body else body
            self._begun = True
        _flush(text, out)
        if self._reader.error and not (self.done or self.error):
            self.error = self._reader.error
        return out

    def _fails(self, body: Mapping[str, Any]) -> bool:
        if report := report_in(body):
            headers = {"x-baidu-request-id": self._id} if self._id else {}
            self.error = qianfan_faults.V1.error(report, headers=headers, id=request_id(body))
        return report is not None

    def _flag(self, body: Mapping[str, Any], out: list[Delta]) -> None:
        round_ = body.get("ban_round")
        if not isinstance(round_, int) or isinstance(round_, bool):
            round_ = None
        side: Literal["input", "history"] = "history" if round_ is not None and round_ >= 0 else "input"
        out.append(Flagged(side, round_, retract=self._said))
        self._finish = "flagged"
        self._complete(body)

    def _call(self, call: object, out: list[Delta]) -> None:
        """A call as a whole, in pieces, or repeated with what came before."""
        if not isinstance(call, dict):
            return
        fields = cast("dict[str, Any]", call)
        name, arguments = fields.get("name"), fields.get("arguments")
        name = name if isinstance(name, str) else ""
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else orjson.dumps(arguments).decode()
        thoughts = fields.get("thoughts")
        if thoughts and isinstance(thoughts, str):
            out.append(ThinkingDelta(thoughts))
        if not self._calls or (name and name != self._calls[-1][0]):
            self._calls.append((name, arguments))
            out.append(CallDelta(len(self._calls) - 1, "", name, arguments))
            return
        known, so_far = self._calls[-1]
        more = arguments[len(so_far) :] if name and arguments.startswith(so_far) else arguments
        if more:
            self._calls[-1] = known, so_far + more
            out.append(CallDelta(len(self._calls) - 1, "", "", more))

    def _end(self, body: Mapping[str, Any], text: list[str], out: list[Delta]) -> None:
        reason = body.get("finish_reason")
        self._finish = _FINISH.get(reason, "stop") if isinstance(reason, str) else "stop"
        if body.get("is_truncated") and self._finish == "stop":
            self._finish = "length"
        if self._finish == "flagged":
            _flush(text, out)
            out.append(Flagged("output"))
        self._complete(body)

    def _complete(self, body: Mapping[str, Any]) -> None:
        self._id = self._id or request_id(body)
        self._counts = body.get("usage") or self._counts
        self.complete = self.done = True


def _is_answer(body: Mapping[str, Any]) -> bool:
    return "result" in body or "function_call" in body


def _flush(text: list[str], out: list[Delta]) -> None:
    if text:
        out.append(TextDelta(text[0] if len(text) == 1 else "".join(text)))
        text.clear()


def _usage(value: object) -> Usage:
    """Tokens; in streams `completion_tokens` is not reliable, the total is."""
    if not isinstance(value, dict):
        return Usage()
    counts = cast("dict[str, Any]", value)
    prompt, answer, total = (
        count_of(counts.get(f"{what}_tokens")) for what in ("prompt", "completion", "total")
    )
    return Usage(prompt, total - prompt if total > prompt else answer)
