"""Answers for benchmarks: ready bytes, looked up by what the request asks, with as little work as can be.

A request is hardly read: the last message decides between a plain answer, `!long N` and, when functions are
offered and the last message is the user's, a call. Every answer goes out in one write, so the server's share
of a benchmark stays small; `GET /_simulator/cpu` tells it.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

import orjson
from aiohttp import web
from multidict import CIMultiDict

from duihua.simulator import brain, calling, intents, phrasing
from duihua.simulator.ask import Answer, Ask, Call, Function, Message, cut
from duihua.simulator.faults import LONGEST
from duihua.simulator.qianfan_door import PLATFORM, SERVICE
from duihua.simulator.qianfan_v2 import PLATFORM as PLATFORM_V2
from duihua.simulator.wire import EVENTS, JSON, Desk, event, json_response

PIECES = 3
"""Pieces of a plain answer, unless the simulator was given another number."""

KEPT = 256  # ready answers

_STREAM = re.compile(rb'"stream"\s*:\s*true')
_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_FUNCTIONS = re.compile(rb'"(?:functions|tools)"\s*:\s*\[')
_LONG = re.compile(r"!long[ \t]+(\d{1,7})\b")
_PLAIN = "这是一个现成的回答，用来测量速度。"
_EVENT_HEADERS = CIMultiDict({"Content-Type": EVENTS})
_JSON_HEADERS = CIMultiDict({"Content-Type": JSON})
_DECODER = json.JSONDecoder()


class Speed:
    """The chat paths of both versions, over ready bytes."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.ready: dict[object, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        """Where it answers, before the strict platforms."""
        return [
            web.post(SERVICE + "/chat/{suffix}", self.v1),
            web.post("/v2/chat/completions", self.v2),
        ]

    async def v1(self, request: web.Request) -> web.Response:
        """A chat request of version 1."""
        self.desk.traffic.count(PLATFORM, request.path)
        if "access_token=" not in request.query_string and "Authorization" not in request.headers:
            return json_response({"error_code": 100, "error_msg": "Invalid parameter"})
        return self._answer(await request.read(), 1)

    async def v2(self, request: web.Request) -> web.Response:
        """A chat request of version 2."""
        self.desk.traffic.count(PLATFORM_V2, request.path)
        if "Authorization" not in request.headers:
            error = {
                "code": "invalid_iam_token",
                "message": "Invalid IAM token",
                "type": "invalid_request_error",
            }
            return json_response({"error": error}, status=401)
        return self._answer(await request.read(), 2)

    def _answer(self, body: bytes, version: int) -> web.Response:
        last = _last_message(body)
        if last is None:
            error = {"error_code": 336002, "error_msg": "Invalid JSON"}
            return json_response(
                error if version == 1 else {"error": {"code": "malformed_json"}}, 200 if version == 1 else 400
            )
        streams = _STREAM.search(body) is not None
        usage = version == 2 and streams and _USAGE.search(body) is not None
        text = last.get("content")
        text = text if isinstance(text, str) else ""
        asked = last.get("role") == "user"
        key: object
        if asked and (found := _LONG.search(text[-200:])):
            size = min(int(found.group(1)), LONGEST)
            key = (version, streams, usage, size)
            make = lambda: Answer(phrasing.long(size, "zh"))  # noqa: E731 (called below, if at all)
        elif asked and ("天气" in text or "weather" in text) and (offered := _FUNCTIONS.search(body)):
            key = (version, streams, usage, text, _offer(body, offered.start()))
            make = lambda: Answer(calls=_call(body, text))  # noqa: E731 (called below, if at all)
        else:
            key = (version, streams, usage)
            make = lambda: Answer(_PLAIN)  # noqa: E731 (called below, if at all)
        data = self.ready.get(key)
        if data is None:
            if len(self.ready) >= KEPT:
                self.ready.clear()
            data = self.ready[key] = self._render(make(), version, streams, usage)
        return web.Response(body=data, headers=_EVENT_HEADERS if streams else _JSON_HEADERS)

    def _render(self, answer: Answer, version: int, streams: bool, usage: bool) -> bytes:
        count = self.desk.settings.pieces
        if count is None and len(answer.text) <= 100:
            count = PIECES
        pieces = cut(answer.text, count) if answer.text else []
        if version == 1:
            return _v1(answer, pieces) if streams else _v1_whole(answer)
        return _v2(answer, pieces, usage) if streams else _v2_whole(answer)


def _last_message(body: bytes) -> dict[str, Any] | None:
    """The last message of a request, without reading what is before it."""
    role = body.rfind(b'"role"')
    start = body.rfind(b"{", 0, role) if role >= 0 else -1
    if start >= 0:
        try:
            value, _ = _DECODER.raw_decode(body[start:].decode())
        except ValueError:
            value = None
        if isinstance(value, dict) and "role" in value:
            return cast("dict[str, Any]", value)
    try:
        whole: Any = orjson.loads(body)
        last: Any = whole["messages"][-1]
    except (ValueError, LookupError, TypeError):
        return None
    return cast("dict[str, Any]", last) if isinstance(last, dict) else None


def _offer(body: bytes, at: int) -> bytes:
    """The bytes that hold the functions, as a key: equal offers have equal bytes."""
    messages = body.find(b'"messages"', at)
    return body[at:messages] if messages >= 0 else body[at:]


def _call(body: bytes, text: str) -> tuple[Call, ...]:
    value: Any = orjson.loads(body)
    offered: list[Any] = value.get("functions") or [tool["function"] for tool in value["tools"]]
    functions = tuple(Function(f["name"], f.get("description", ""), f.get("parameters", {})) for f in offered)
    ask = Ask((Message("user", text),), functions)
    found = calling.calls(ask, intents.wishes([text])) or list(brain.reply(ask).calls)
    return tuple(found[:1] or [calling.call(functions[0], calling.minimal(functions[0]))])


_V1 = {"id": "as-0000000000", "object": "chat.completion", "created": 1_700_000_000}
_V1_END = {"is_truncated": False, "need_clear_history": False}
_V2 = {"id": "as-0000000000", "object": "chat.completion", "created": 1_700_000_000, "model": "speed"}
_USED = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}


def _v1_call(answer: Answer) -> dict[str, Any]:
    if not answer.calls:
        return {}
    call = answer.calls[0]
    return {"function_call": {"name": call.name, "arguments": call.arguments}}


def _v1_whole(answer: Answer) -> bytes:
    return orjson.dumps({**_V1, "result": answer.text, **_V1_END, **_v1_call(answer), "usage": _USED})


def _v1(answer: Answer, pieces: list[str]) -> bytes:
    chunks = [{"result": piece} for piece in pieces] + (
        [{"result": "", **_v1_call(answer)}] if answer.calls else []
    )
    frames = [
        event({**_V1, "sentence_id": i, "is_end": False, **_V1_END, **chunk, "usage": _USED})
        for i, chunk in enumerate(chunks)
    ]
    end = {**_V1, "sentence_id": len(frames), "is_end": True, **_V1_END, "result": "", "usage": _USED}
    return b"".join([*frames, event(end)])


def _v2_calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "index": i,
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": c.name, "arguments": c.arguments},
        }
        for i, c in enumerate(answer.calls)
    ]


def _v2_whole(answer: Answer) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.calls:
        message["tool_calls"] = _v2_calls(answer)
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if answer.calls else "stop"}
    return orjson.dumps({**_V2, "choices": [choice], "usage": _USED})


def _v2(answer: Answer, pieces: list[str], usage: bool) -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": p} for p in pieces)]
    if answer.calls:
        deltas.append({"tool_calls": _v2_calls(answer)})
    frames = [event({**_V2, "choices": [{"index": 0, "delta": d, "finish_reason": None}]}) for d in deltas]
    reason = "tool_calls" if answer.calls else "stop"
    frames.append(event({**_V2, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
    if usage:
        frames.append(event({**_V2, "choices": [], "usage": _USED}))
    return b"".join([*frames, b"data: [DONE]\n\n"])
