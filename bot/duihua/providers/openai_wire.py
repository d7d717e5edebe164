"""What every OpenAI-like chat wire shares: building the request's body, reading its answers.

A platform subclasses `ChatAnswer` for what it adds (moderation flags, its own error table).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import orjson

from duihua.errors import ProviderError
from duihua.messages import FinishReason, Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, Packed, TextDelta, ThinkingDelta
from duihua.providers.exchange import members
from duihua.providers.faults import FaultTable, request_id
from duihua.providers.reader import Item, Reader, count_of
from duihua.providers.thinktags import ThinkTags

_BROKEN = frozenset({"error", "network_error"})
"""Finish reasons of answers that failed on their way."""
_FINISH: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "calls",
    "function_call": "calls",
    "content_filter": "flagged",
    "sensitive": "flagged",
}
_NO_CHOICE: list[Any] = [{}]
"""Stands for the choices of a chunk that has none: a sign of sensitive content may come so."""


def finish_of(reason: object) -> FinishReason:
    """A wire's finish reason as one of ours; what is not known is an end like any other."""
    return _FINISH.get(reason, "stop") if isinstance(reason, str) else "stop"


def chat_body(
    model: str,
    packed: Packed,
    tools: bytes,
    options: Mapping[str, Any],
    *,
    stream: bool,
    counted: bool = True,
) -> bytes:
    """The JSON body of a chat request, joined from ready pieces.

    Args:
        model: as the platform names it.
        packed: the conversation; a system text of its own becomes the first message.
        tools: a JSON array, empty for none.
        options: further fields.
        stream: whether to ask for a stream.
        counted: whether to ask for the count of tokens at a stream's end.
    """
    messages = packed.messages
    if packed.system:
        messages = (b'{"role":"system","content":' + packed.system + b"}", *messages)
    parts = [b'{"model":', orjson.dumps(model), b',"messages":[', b",".join(messages), b"]"]
    if stream:
        parts.append(b',"stream":true')
        parts += [b',"stream_options":{"include_usage":true}'] if counted else []
    if tools:
        parts += (b',"tools":', tools)
    elif "tool_choice" in options:  # refused without tools, which the last step of a turn has not
        options = {name: value for name, value in options.items() if name != "tool_choice"}
    if options:
        parts += (b",", members(options))
    parts.append(b"}")
    return b"".join(parts)


class ChatAnswer:
    """Reads one answer, streamed or whole; `exchange.Answer`.

    Args:
        faults: the platform's error codes.
        model: the name asked for, used when the answer has none.
        request_id: from the answer's headers.
    """

    tags: ClassVar[Sequence[tuple[str, str]]] = ()
    """Between which reasoning stands in the text; see `ThinkTags`."""

    def __init__(self, faults: FaultTable, model: str, request_id: str = "") -> None:
        self.complete = self.done = False
        self.error: ProviderError | None = None
        self.said = self.thought = False
        self._faults, self._model, self._id = faults, model, request_id
        self._reader = Reader()
        self._split = ThinkTags(self.tags) if self.tags else None
        self._calls: list[_Call] = []
        self._others: dict[int, list[str]] = {}  # texts of further answers, by their index
        self._dropped: set[int] = set()  # further answers that were flagged
        self._finish: FinishReason = "stop"
        self._counts: object = None
        self._status = 200  # of the last chunk, where chunks tell one

    def read(self, event: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A chunk, or a whole answer, in the form of OpenAI's wire; a wire of another form translates it."""
        return body

    def flagged(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> tuple[Flagged, bool] | None:
        """A platform's own sign of sensitive content, and whether this chunk's text may be shown."""
        return None

    def failed(self, body: Mapping[str, Any], choice: Mapping[str, Any]) -> ProviderError | None:
        """The error that a finish reason tells of; None: it ends the answer like any other."""
        reason = choice.get("finish_reason")
        if not isinstance(reason, str) or reason not in _BROKEN:
            return None
        words = f"the model did not finish its answer: {reason}"
        return ProviderError(words, category="server", vendor_code=reason, request_id=self._id)

    def feed(self, data: bytes) -> list[Delta]:
        """The deltas in `data`; neighbouring pieces of text come as one."""
        return [] if self.done or self.error else self._take(self._reader.feed(data))

    def close(self) -> list[Delta]:
        """What the end completes; the last delta is the `Finish`."""
        out = [] if self.done or self.error else self._take(self._reader.close())
        if self.error:
            return out
        if not (self.complete or self._reader.done):
            self.error = ProviderError(
                "the answer was cut off before its end", category="truncated", request_id=self._id
            )
            return out
        pieces = _Pieces(out)
        if self._split and self._finish != "flagged":
            self._parted(*self._split.close(), pieces)
            pieces.flush()
        reason = "calls" if self._calls and self._finish == "stop" else self._finish
        kept = sorted(self._others.keys() - self._dropped)
        others = tuple(self._bare("".join(self._others[index])) for index in kept)
        out.append(Finish(reason, usage_of(self._counts), self._model, self._id, alternatives=others))
        return out

    def _take(self, items: list[Item]) -> list[Delta]:
        out: list[Delta] = []
        pieces = _Pieces(out)
        for event, item in items:
            body = self.read(event, item)
            choices = body.get("choices")
            if (not choices or "error" in body or "error_code" in body) and self._fails(body):
                break
            if body.get("usage") or "x_groq" in body:
                self._count(body)
            for choice in cast("list[Any]", choices) if choices and isinstance(choices, list) else _NO_CHOICE:
                if isinstance(choice, dict):
                    self._choice(body, cast("dict[str, Any]", choice), pieces)
            if self.done or self.error:
                break
        pieces.flush()
        self.done = self.done or self._reader.done
        if self._reader.error and not (self.done or self.error):
            self.error = self._reader.error
        return out

    def _fails(self, body: Mapping[str, Any]) -> bool:
        if report := self._faults.report(body):
            headers = {"x-request-id": self._id} if self._id else {}
            self.error = self._faults.error(report, status=self._status, headers=headers, id=request_id(body))
        return report is not None

    def _count(self, place: Mapping[str, Any]) -> None:
        """Counts stand in the last chunk, or grow in every one: the last are the answer's."""
        counts = place.get("usage")
        if not counts and isinstance(own := place.get("x_groq"), dict):
            counts = cast("dict[str, Any]", own).get("usage")
        if counts and isinstance(counts, dict):
            self._counts = cast("object", counts)

    def _choice(self, body: Mapping[str, Any], choice: Mapping[str, Any], pieces: _Pieces) -> None:
        index = choice.get("index")
        if isinstance(index, int) and index > 0:  # one of several answers: the first is the one that is told
            _, text = _said(choice)
            others = self._others.setdefault(index, [])
            if finish_of(choice.get("finish_reason")) == "flagged":
                self._dropped.add(index)
            elif text:
                others.append(text)
            return
        if "usage" in choice:
            self._count(choice)
        flag = self.flagged(body, choice)
        if flag is None or flag[1]:
            self._delta(choice, pieces)
        if flag is not None:
            pieces.add(flag[0])
        if flag is not None and flag[0].stop:
            self._finish = "flagged"
            self.complete = self.done = True
        elif self.done:
            pass
        elif (reason := choice.get("finish_reason")) or "message" in choice:
            self.error = self.failed(body, choice)
            if self.error:
                return
            self._finish = finish_of(reason)
            self.complete = True
            if self._finish == "flagged":
                pieces.add(Flagged("output", retract=self.said))
                self.done = True
        if self.complete:
            self._id = self._id or request_id(body)
            model = body.get("model")
            self._model = model if isinstance(model, str) and model else self._model

    def _delta(self, choice: Mapping[str, Any], pieces: _Pieces) -> None:
        fields, text = _said(choice)
        alone = bool(text) and len(fields) == 1  # nearly every piece
        thought = "" if alone else _thought(fields)
        if text and self._split:
            inside, text = self._split.feed(text)
            thought += inside
            if self._split.over:
                self._split = None
        if thought or not self.said:
            self._parted(thought, text, pieces)
        elif text:
            pieces.text(text)
        if alone:
            return
        if calls := fields.get("tool_calls"):
            for call in cast("list[Any]", calls) if isinstance(calls, list) else ():
                if isinstance(call, dict):
                    self._call(cast("dict[str, Any]", call), pieces)
        if (refusal := fields.get("refusal")) and isinstance(refusal, str):
            pieces.add(Flagged("output"))
            self._finish = "flagged"
            self.complete = self.done = True

    def _parted(self, thought: str, text: str, pieces: _Pieces) -> None:
        """Reasoning and text; the line breaks that some models begin them with are nobody's words."""
        thought = thought if self.thought else thought.lstrip("\r\n")
        if thought:
            self.thought = True
            pieces.add(ThinkingDelta(thought))
        text = text if self.said else text.lstrip("\r\n")
        if text:
            self.said = True
            pieces.text(text)

    def _bare(self, text: str) -> str:
        """A whole text without the reasoning in it."""
        if not self.tags:
            return text
        split = ThinkTags(self.tags)
        return (split.feed(text)[1] + split.close()[1]).lstrip("\r\n")

    def _call(self, piece: Mapping[str, Any], pieces: _Pieces) -> None:
        """A piece of a call. Index, id or name may be missing; a new id or name begins a new call.

        A call that is told again as a whole is told once; ids that two calls share become different. What is
        no function the platform does itself: it only tells of it.
        """
        if piece.get("type") not in (None, "", "function"):
            return
        function = piece.get("function")
        fields = cast("dict[str, Any]", function) if isinstance(function, dict) else {}
        id_, name, arguments = (
            _string(v) for v in (piece.get("id"), fields.get("name"), fields.get("arguments"))
        )
        at = self._place(piece.get("index"), id_, name)
        if at is None:
            at = len(self._calls)
            self._calls.append(_Call(piece.get("index")))
        known = self._calls[at]
        id_, name = "" if known.id else id_, "" if known.name else name
        twin = bool(id_) and any(call.id == id_ for call in self._calls)
        known.id, known.name = known.id or id_, known.name or name
        arguments = known.add(arguments)
        id_ = f"{id_}-{at}" if twin else id_
        if id_ or name or arguments:
            pieces.add(CallDelta(at, id_, name, arguments))

    def _place(self, index: object, id_: str, name: str) -> int | None:
        """Which known call a piece belongs to; None: it begins a new one."""
        for at in range(len(self._calls) - 1, -1, -1):
            known = self._calls[at]
            if index is not None and known.index is not None and index != known.index:
                continue
            if name and known.name and name != known.name:
                continue
            if id_ and known.id:
                if id_ == known.id:
                    return at
                continue
            if index is None and name and known.name:
                return None
            return at
        return None


class _Call:
    """What is known of a call whose pieces come."""

    __slots__ = ("_parts", "_size", "id", "index", "name")

    def __init__(self, index: object) -> None:
        self.index, self.id, self.name = index, "", ""
        self._parts: list[str] = []
        self._size = 0

    def add(self, arguments: str) -> str:
        """The arguments in a piece; none if it repeats those that are complete already."""
        if arguments and len(arguments) == self._size and arguments == "".join(self._parts):
            try:
                if isinstance(orjson.loads(arguments), dict):
                    return ""
            except orjson.JSONDecodeError:
                pass
        self._parts.append(arguments)
        self._size += len(arguments)
        return arguments


class _Pieces:
    """Collects deltas; neighbouring pieces of text, or of reasoning, become one."""

    __slots__ = ("_out", "_text")

    def __init__(self, out: list[Delta]) -> None:
        self._out = out
        self._text: list[str] = []

    def text(self, text: str) -> None:
        self._text.append(text)

    def add(self, delta: Delta) -> None:
        if self._text:
            self.flush()
        last = self._out[-1] if self._out else None
        if isinstance(delta, ThinkingDelta) and isinstance(last, ThinkingDelta):
            self._out[-1] = ThinkingDelta(last.text + delta.text)
        else:
            self._out.append(delta)

    def flush(self) -> None:
        if self._text and (text := "".join(self._text)):
            self._out.append(TextDelta(text))
        self._text.clear()


def _said(choice: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The message or piece of one in a choice, and its text."""
    delta = choice.get("delta") or choice.get("message")
    if not isinstance(delta, dict):
        return {}, ""
    fields = cast("dict[str, Any]", delta)
    content = fields.get("content")
    return fields, content if isinstance(content, str) else _text_of(content)


def _thought(fields: Mapping[str, Any]) -> str:
    """The reasoning in a message or a piece of one: some servers give it twice, under two names."""
    for name in ("reasoning_content", "reasoning"):
        if (value := fields.get(name)) and isinstance(value, str):
            return value
    details = fields.get("reasoning_details")
    rows = cast("list[Any]", details) if details and isinstance(details, list) else []
    texts = (
        cast("dict[str, Any]", row).get("text") or cast("dict[str, Any]", row).get("summary")
        for row in rows
        if isinstance(row, dict)
    )
    return "".join(text for text in texts if isinstance(text, str))


def _text_of(content: object) -> str:
    """The text of content that comes as a list of parts."""
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    texts = (cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def usage_of(value: object) -> Usage:
    """The counts of tokens under the names of OpenAI's wire, or of those who changed them."""
    if not isinstance(value, dict):
        return Usage()
    counts = cast("dict[str, Any]", value)
    asked = _count(counts, "prompt_tokens") or _count(counts, "input_tokens")
    said = _count(counts, "completion_tokens") or _count(counts, "output_tokens")
    cached = _count(counts.get("prompt_tokens_details"), "cached_tokens")
    cached = cached or _count(counts, "prompt_cache_hit_tokens") or _count(counts, "cached_tokens")
    thought = _count(counts.get("completion_tokens_details"), "reasoning_tokens")
    if thought and _count(counts, "total_tokens") == asked + said + thought:
        said += thought  # the sum tells that reasoning was counted apart
    return Usage(asked, said, cached, thought)


def _count(counts: object, name: str) -> int:
    return count_of(cast("dict[str, Any]", counts).get(name)) if isinstance(counts, dict) else 0
