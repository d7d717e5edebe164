"""Alibaba DashScope on loopback: the compatible mode, OpenAI's wire with a few ways of its own.

Fragments of a call repeat an empty id; usage in a stream comes only if asked for; errors bear their code as
type too, and the request's id beside them. Source: the platform's public pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from duihua.simulator import vectors
from duihua.simulator.ask import Ask, Function, Message, estimate
from duihua.simulator.chat import ChatPlatform, ChatReply
from duihua.simulator.chat_rules import OBJECT, ChatRules, Check, Model, Refused, What
from duihua.simulator.dashscope_models import EMBEDDINGS, MODELS
from duihua.simulator.dashscope_reply import INPUT_FLAGGED, OUTPUT_FLAGGED
from duihua.simulator.dashscope_rules import SHARED, check_thinking, thinks
from duihua.simulator.faults import Fault
from duihua.simulator.traffic import Excess, Seen
from duihua.simulator.wire import as_list, as_object, event, json_response

BASE = "/dashscope/compatible-mode/v1"
FLAGGED = "data_inspection_failed"


class CompatibleRules(ChatRules):
    """How a chat request is read."""

    models = {name: model for name, model in MODELS.items() if not model.prompt}  # noqa: RUF012 (never changed)
    fields: Mapping[str, Check] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        **SHARED,
        "stream_options": OBJECT,
    }

    def refuse(self, what: What, text: str) -> Refused:
        """Its own codes."""
        if what == "model":
            return Refused(404, "model_not_found", text)
        return Refused(400, "invalid_parameter_error", text)

    def check(self, fields: Mapping[str, Any], model: Model) -> None:
        """The fields, and which models think when."""
        super().check(fields, model)
        check_thinking(self, fields, model)

    def too_large(self, what: What, text: str, excess: Excess) -> Refused:
        """The same error for all that does not fit."""
        text = f"Range of input length should be [1, {excess.limit}]"
        return super().too_large("tokens", f"<400> InternalError.Algo.InvalidParameter: {text}", excess)

    def ask(
        self,
        fields: Mapping[str, Any],
        system: str,
        messages: tuple[Message, ...],
        functions: tuple[Function, ...],
    ) -> Ask:
        """Calls come one at a time unless several are allowed."""
        return super().ask({"parallel_tool_calls": False, **fields}, system, messages, functions)


class CompatibleReply(ChatReply):
    """One answer."""

    def thinks(self) -> bool:
        """Whether a thinking model thinks about this request."""
        return thinks(self.body, MODELS[self.model.name])

    def call_frames(self) -> list[bytes]:
        """Calls in pieces; those behind the first bear an empty id, the last one an empty function."""
        frames: list[bytes] = []
        for i, call in enumerate(self.calls):
            first = {"name": call["function"]["name"], "arguments": ""}
            frames.append(
                self.chunk({"content": None, "tool_calls": [{"index": i, **call, "function": first}]})
            )
            rest: list[dict[str, str]] = [{"arguments": p} for p in self.cut(call["function"]["arguments"])]
            for function in (*rest, dict[str, str]()):
                piece = {"index": i, "id": "", "type": "function", "function": function}
                frames.append(self.chunk({"content": None, "tool_calls": [piece]}))
        return frames

    def ending(self) -> list[bytes]:
        """The last events; an answer whose text was refused ends with an error."""
        if self.fault.kind == "flag-output":
            return [event(_error(Refused(400, FLAGGED, OUTPUT_FLAGGED, FLAGGED), self.id))]
        return super().ending()


class DashScopeCompatible(ChatPlatform):
    """The compatible mode, over the shared desk."""

    name = "dashscope-compatible"
    title = "DashScope, compatible mode"
    base = BASE
    rules = CompatibleRules()
    reply = CompatibleReply

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            *super().routes(),
            web.get(f"{BASE}/models", self.list_models),
            web.post(f"{BASE}/embeddings", self.embeddings),
        ]

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"DASHSCOPE_API_KEY": self.key(), "DASHSCOPE_COMPATIBLE_BASE_URL": f"{url}{BASE}"}

    def key(self) -> str:
        """The key that is accepted."""
        return self.desk.settings.keys.dashscope

    # ------------------------------------------------------------ errors

    def unauthorized(self) -> Refused:
        """A wrong key, or none."""
        return Refused(401, "invalid_api_key", "Incorrect API key provided.")

    def limited(self, what: str) -> Refused:
        """Too many requests, or tokens, in this minute: the latter reads like a lack of money."""
        if what == "tokens":
            text = "You exceeded your current quota, please check your plan and billing details."
            return Refused(429, "insufficient_quota", text, "insufficient_quota")
        text = "You exceeded your current requests list."
        return Refused(429, "limit_requests", text, "limit_requests")

    def overloaded(self) -> Refused:
        """Too much to do."""
        return Refused(500, "internal_error", "An internal error has occured.", "internal_error")

    def flag(self, seen: Seen, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """Flagged input is an error, a flagged answer too if it comes as a whole."""
        output = fault.kind == "flag-output"
        if output and (as_object(seen.body) or {}).get("stream"):
            return None
        words = OUTPUT_FLAGGED if output else INPUT_FLAGGED
        refused = Refused(400, FLAGGED, words, FLAGGED)
        return json_response(_error(refused, self.desk.request_id()), refused.status)

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error."""
        seen.outcome = error.code
        return json_response(_error(error, self.desk.request_id()), error.status)

    # ------------------------------------------------------------ the rest

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        """Lists the models."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            self.authorize(request)
        except Refused as e:
            return self.error(seen, e)
        seen.outcome = "ok"
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "system"} for name in MODELS]
        return json_response({"object": "list", "data": listed})

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        """Gives a vector for each text."""
        seen = self.desk.traffic.saw(self.name, request)
        try:
            body = as_object(await self.opened(request, seen)) or {}
            texts, size = embedded(body.get("model"), body.get("input"), body.get("dimensions"))
        except Refused as e:
            codes = {"ModelNotFound": "model_not_found", "InvalidParameter": "invalid_parameter_error"}
            return self.error(seen, Refused(e.status, codes.get(e.code, e.code), e.text))
        seen.outcome, tokens = "ok", sum(estimate(text) for text in texts)
        data = [
            {"object": "embedding", "index": i, "embedding": vectors.vector(text, size)}
            for i, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})


def embedded(model: Any, given: Any, size: Any) -> tuple[list[str], int]:
    """The texts of a request for embeddings, and the size of their vectors. Raises Refused."""
    if not isinstance(model, str) or model not in EMBEDDINGS:
        raise Refused(404, "ModelNotFound", f"Model {model!s:.64} does not exist.")
    rows, sizes = EMBEDDINGS[model]
    items: list[Any] = [given] if isinstance(given, str) else as_list(given) or []
    texts = [item for item in items if isinstance(item, str) and item]
    if not texts or len(texts) != len(items):
        raise Refused(400, "InvalidParameter", "input must be texts that are not empty")
    if len(texts) > rows:
        text = f"batch size is invalid, it should not be larger than {rows}.: input.contents"
        raise Refused(400, "InvalidParameter", text)
    if size is not None and size not in sizes:
        raise Refused(400, "InvalidParameter", f"dimension should be one of {sizes}")
    usual = 1024 if 1024 in sizes else sizes[0]
    return texts, size or usual


def _error(error: Refused, id: str) -> dict[str, Any]:
    fault = {"code": error.code, "param": None, "message": error.text, "type": error.type}
    return {"error": fault, "id": f"chatcmpl-{id}", "request_id": id}
