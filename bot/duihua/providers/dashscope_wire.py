"""DashScope's own wire: building a request's body, reading its answers.

Every chunk of an answer is put into the form of OpenAI's wire, which `openai_wire.ChatAnswer` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import orjson

from duihua.messages import Opaque
from duihua.ports import CallDelta, Delta, Finish, Packed
from duihua.providers.exchange import members
from duihua.providers.faults import FaultTable
from duihua.providers.openai_wire import ChatAnswer

MOST_SOURCES = 50
"""Sources of one answer that are kept."""
SOURCE_TEXT = 500
"""Characters of a source's title or name that are kept."""

_NULL, _EMPTY = b'{"role":"assistant","content":null', b'{"role":"assistant","content":""'

Growth = Literal["pieces", "whole"]
"""A stream's frames hold what is new, or (some models, when functions are offered) everything so far."""


def messages_input(packed: Packed, *, blocks: bool = False) -> bytes:
    """The `input` field of a conversation; a system text of its own becomes the first message.

    `blocks`: contents are lists, `[{"text"}]`, as the path of models that see or hear has them.
    """
    messages = packed.messages
    if packed.system:
        messages = (b'{"role":"system","content":' + packed.system + b"}", *messages)
    shaped = _in_blocks if blocks else _filled
    return b'{"messages":[' + b",".join(shaped(message) for message in messages) + b"]}"


def _filled(message: bytes) -> bytes:
    """Calls without a word have an empty content, as the platform writes them itself, and not null."""
    return _EMPTY + message[len(_NULL) :] if message.startswith(_NULL) else message


def _in_blocks(message: bytes) -> bytes:
    fields = orjson.loads(message)
    if fields.get("role") == "tool" or isinstance(fields.get("content"), list):
        return message
    fields["content"] = [{"text": text}] if (text := fields.get("content")) else []
    return orjson.dumps(fields)


def prompt_input(packed: Packed) -> bytes:
    """The `input` field for a model that takes a prompt: the question, and before it what was said in pairs.

    The messages must alternate between user and assistant and end with a user's.
    """
    texts = [_content(message) for message in packed.messages]
    pairs = [{"user": user, "bot": bot} for user, bot in zip(texts[:-1:2], texts[1::2], strict=True)]
    return orjson.dumps({"prompt": texts[-1], **({"history": pairs} if pairs else {})})


def _content(message: bytes) -> str:
    content = orjson.loads(message).get("content")
    return content if isinstance(content, str) else ""


def body(model: str, input: bytes, tools: bytes, parameters: Mapping[str, Any]) -> bytes:
    """The JSON body of a request, joined from ready pieces; `tools` is an array, empty for none."""
    parts = [b'{"model":', orjson.dumps(model), b',"input":', input, b',"parameters":{', members(parameters)]
    if tools:
        parts += (b"," if parameters else b"", b'"tools":', tools)
    return b"".join([*parts, b"}}"])


class DashScopeAnswer(ChatAnswer):
    """Reads one answer, streamed or whole, of either `result_format`; `exchange.Answer`.

    Calls are told at the end only: an answer that ran out of room may have cut their arguments, and is then
    told without them. Sources of a web search are in the `opaque` of the `Finish`, as `{"sources":
    [{"title", "url", "site_name", "index"}]}`; they are for people and are never sent back.

    Args:
        faults: the platform's error codes.
        model: the name asked for, which the answers do not repeat.
        request_id: from the answer's headers.
        growth: what a stream's frames hold.
        whole: no stream was asked for, so that a body without an end mark is a whole answer too.
    """

    def __init__(
        self,
        faults: FaultTable,
        model: str,
        request_id: str = "",
        *,
        growth: Growth = "pieces",
        whole: bool = False,
    ) -> None:
        super().__init__(faults, model, request_id)
        self._growth, self._whole = growth, whole
        self._before: dict[tuple[object, ...], str] = {}  # what the last frame held, by its place
        self._held: list[Delta] = []
        self._sources: list[dict[str, Any]] = []

    def feed(self, data: bytes) -> list[Delta]:
        """The deltas in `data`, but for calls."""
        return self._without_calls(super().feed(data))

    def close(self) -> list[Delta]:
        """What the end completes: the calls if they are whole, then the `Finish`."""
        out = self._without_calls(super().close())
        if self.error or not out or not isinstance(finish := out[-1], Finish):
            return out
        if self._sources:
            finish = replace(finish, opaque=Opaque("dashscope", {"sources": self._sources}))
        calls = [] if finish.reason == "length" else self._held
        return [*out[:-1], *calls, finish]

    def _without_calls(self, deltas: list[Delta]) -> list[Delta]:
        self._held += [delta for delta in deltas if isinstance(delta, CallDelta)]
        return [delta for delta in deltas if not isinstance(delta, CallDelta)]

    def read(self, event: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A chunk in the form of OpenAI's wire."""
        name, _, status = event.partition(" ")
        self._status = int(status) if status.isdigit() else 200
        output, code = _object(body.get("output")), body.get("code")
        id_ = {"request_id": body["request_id"]} if isinstance(body.get("request_id"), str) else {}
        if name == "error" or self._status >= 400 or (code and not choices_of(output)):
            return {"error": {"code": _text(code), "message": _text(body.get("message"))}, **id_}
        if search := _object(output.get("search_info")):
            self._keep_sources(search.get("search_results"))
        choices = [self._grown(choice) for choice in choices_of(output)]
        if self._whole and not event and len(choices) == 1 and choices[0]["finish_reason"] is None:
            choices[0]["finish_reason"] = "stop"
        return {"choices": choices, "usage": counts(body.get("usage")), **id_}

    def _grown(self, choice: dict[str, Any]) -> dict[str, Any]:
        if self._growth == "pieces":
            return choice
        index, delta = choice["index"], dict(choice["delta"])
        for name in ("content", "reasoning_content"):
            if isinstance(text := delta.get(name), str):
                delta[name] = self._new((index, name), text)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            pieces = [_object(call) for call in cast("list[Any]", calls)]
            delta["tool_calls"] = [
                self._grown_call(index, place, piece) for place, piece in enumerate(pieces)
            ]
        return {**choice, "delta": delta}

    def _grown_call(self, index: object, place: int, call: Mapping[str, Any]) -> dict[str, Any]:
        function = dict(_object(call.get("function")))
        if isinstance(arguments := function.get("arguments"), str):
            function["arguments"] = self._new((index, "call", place), arguments)
        return {**call, "index": place, "function": function}

    def _new(self, where: tuple[object, ...], text: str) -> str:
        """What `text` adds to what stood there before; a text that does not begin so is new as a whole."""
        before = self._before.get(where, "")
        self._before[where] = text
        return text[len(before) :] if text.startswith(before) else text

    def _keep_sources(self, results: object) -> None:
        found: list[dict[str, Any]] = []
        for row in cast("list[Any]", results) if isinstance(results, list) else []:
            fields = _object(row)
            kept = {name: _text(fields.get(name))[:SOURCE_TEXT] for name in ("title", "site_name")}
            url, index = fields.get("url"), fields.get("index")
            if isinstance(url, str) and url.startswith(("http://", "https://")) and len(url) <= 2_000:
                number = index if isinstance(index, int) else len(found) + 1
                found.append({**kept, "url": url, "index": number})
        self._sources = found[:MOST_SOURCES] or self._sources


def choices_of(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choices in an `output`, in the form of OpenAI's chunks: index, delta, finish reason or None.

    The text form has none and becomes one; the string "null" is no reason; some models put the reason beside
    the choices.
    """
    beside = reason(output.get("finish_reason"))
    rows = output.get("choices")
    if not isinstance(rows, list):
        text = output.get("text")
        if not isinstance(text, str):
            return []
        return [{"index": 0, "delta": {"content": text}, "finish_reason": beside}]
    found: list[dict[str, Any]] = []
    for place, row in enumerate(cast("list[Any]", rows)):
        fields = _object(row)
        index = fields.get("index")
        index = index if isinstance(index, int) else place
        ends = reason(fields.get("finish_reason")) or beside
        found.append({"index": index, "delta": _object(fields.get("message")), "finish_reason": ends})
    return found


def reason(value: object) -> str | None:
    """A finish reason, None while there is none."""
    return value if isinstance(value, str) and value not in ("", "null") else None


def counts(value: object) -> Mapping[str, Any] | None:
    """The counts of tokens under the names of OpenAI's wire."""
    if not isinstance(value, dict):
        return None
    usage = cast("dict[str, Any]", value)
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("prompt_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }


def _object(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
