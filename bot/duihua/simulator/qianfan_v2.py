"""Baidu Qianfan v2 on loopback: chat with a bearer key, tools, flags, reasoning, models, IAM bearers.

The wire is like OpenAI's, with `flag` and `ban_round` in the choice, and usage in a stream only if asked for.
Source: the platform's public pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from duihua.simulator import brain, signature, wire
from duihua.simulator.ask import Answer, Ask, cut, estimate
from duihua.simulator.faults import Fault
from duihua.simulator.qianfan import gateway_error
from duihua.simulator.qianfan_rules import prompt_tokens
from duihua.simulator.qianfan_v2_models import MODELS, Model
from duihua.simulator.qianfan_v2_rules import Refused, read
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_object, event, json_response

PLATFORM = "qianfan-v2"

_SHOWN, _RETRACT = 2, 4
"""Flags: the chat must stop but its text may be shown; what was shown must be taken back."""


class QianfanV2:
    """Version 2 of the platform, over the shared desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.minted: dict[str, float] = {}  # bearer -> when it ends, by the simulator's clock

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            web.route("*", "/v2/chat/completions", self.chat),
            web.get("/v2/models", self.models),
            web.get("/v1/BCE-BEARER/token", self.bearer),
        ]

    # ------------------------------------------------------------ bearers

    async def bearer(self, request: web.Request) -> web.StreamResponse:
        """Makes a short-lived bearer for a signed request."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        keys, url, now = self.desk.settings.keys, request.rel_url, self.desk.settings.clock()
        known = {keys.access_key_id: keys.access_key_secret}
        reason = signature.fault(
            request.method, url.raw_path, url.raw_query_string, request.headers, known, now
        )
        if reason:
            return gateway_error(seen, reason)
        wanted = request.query.get("expireInSeconds", "")
        seconds = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else 0
        if not 0 < seconds <= 2_592_000:
            return gateway_error(seen, "InvalidParameter, cause: expireInSeconds is out of range.")
        seen.outcome = "ok"
        seconds = min(seconds, self.desk.settings.token_lifetime)
        mark = hashlib.sha256(f"{id(self)} {self.desk.number()}".encode()).hexdigest()[:40]
        token = f"bce-v3/ALTAK-minted/{mark}"
        self.minted[token] = self.desk.now() + seconds
        return json_response(
            {
                "userId": "simulator",
                "token": token,
                "status": "enable",
                "createTime": _zulu(self.desk.now()),
                "expireTime": _zulu(self.minted[token]),
            }
        )

    def _bearer_of(self, request: web.Request) -> str:
        """The request's bearer. Raises Refused if it is not good."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        good = token == self.desk.settings.keys.bearer_token or self.desk.now() < self.minted.get(token, 0.0)
        if kind.lower() != "bearer" or not good:
            raise _unauthorized()
        return token

    # ------------------------------------------------------------ chat

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answers a list of messages, whole or as a stream."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            if request.method != "POST":
                raise Refused(405, "method_not_supported", "Only POST requests are accepted")
            bearer = self._bearer_of(request)
            try:
                body = await wire.read_body(request, seen)
            except ValueError:
                raise Refused(400, "malformed_json", "Invalid JSON") from None
            ask, model = read(body)
            seen.model = model.name
            return await self._answer(request, seen, ask, body, model, bearer)
        except Refused as e:
            return self._error(seen, e)

    async def _answer(
        self,
        request: web.Request,
        seen: Seen,
        ask: Ask,
        body: Mapping[str, Any],
        model: Model,
        bearer: str,
    ) -> web.StreamResponse:
        ask = brain.prepared(ask, self.desk.settings.clock())
        fault = self.desk.faults.take(ask, PLATFORM, str(body.get("user", "")))
        seen.outcome = fault.kind or "ok"
        match fault.kind:
            case "down":
                return wire.down()
            case "timeout":
                return await wire.never()
            case "ratelimit":
                raise _limited("Rate limit reached for RPM", "rpm_rate_limit_exceeded")
            case "overload":
                raise Refused(500, "dispatch_internal_error", "the service is overloaded", "Internal_error")
            case "expire":
                self.minted.pop(bearer, None)
                raise _unauthorized()
            case _:
                pass
        prompt = prompt_tokens(ask.messages, ask.system)
        if passed := self.desk.rates.take(model.name, prompt, self.desk.now()):
            code = "rpm_rate_limit_exceeded" if passed == "requests" else "tpm_rate_limit_exceeded"
            raise _limited(f"Rate limit reached for {code[:3].upper()}", code)
        reply = _Reply(self.desk, model, body, fault, prompt, ask)
        headers = self._headers(model.name)
        if body.get("stream"):
            frames = reply.frames()
            pause = fault.number / 1000 if fault.kind == "slow" else 0.0
            cut_after = len(frames) // 2 if fault.kind == "cut" else None
            return await wire.stream(request, frames, headers, pause=pause, cut_after=cut_after)
        whole = reply.whole()
        if fault.kind == "cut":
            return await wire.half(request, whole, headers)
        await wire.wait(fault)
        return wire.whole(whole, headers)

    def _headers(self, model: str) -> dict[str, str]:
        limits, (requests, tokens) = self.desk.settings, self.desk.rates.left(model)
        return {
            "X-Ratelimit-Limit-Requests": str(limits.requests_per_minute),
            "X-Ratelimit-Limit-Input-Tokens": str(limits.tokens_per_minute),
            "X-Ratelimit-Limit-Output-Tokens": str(limits.tokens_per_minute),
            "X-Ratelimit-Remaining-Requests": str(requests),
            "X-Ratelimit-Remaining-Input-Tokens": str(tokens),
            "X-Ratelimit-Remaining-Output-Tokens": str(tokens),
            "X-Baidu-Request-Id": self.desk.request_id(),
        }

    # ------------------------------------------------------------ the rest

    async def models(self, request: web.Request) -> web.StreamResponse:
        """Lists the models."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            self._bearer_of(request)
        except Refused as e:
            return self._error(seen, e)
        seen.outcome = "ok"
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "baidu"} for name in MODELS]
        return json_response({"object": "list", "data": listed})

    def _error(self, seen: Seen, error: Refused) -> web.Response:
        seen.outcome = error.code
        id_ = self.desk.request_id()
        body = {"error": {"code": error.code, "message": error.text, "type": error.type}, "id": id_}
        return json_response(body, status=error.status, headers={"X-Baidu-Request-Id": id_})


class _Reply:
    """One answer in the wire's form."""

    def __init__(
        self, desk: Desk, model: Model, body: Mapping[str, Any], fault: Fault, prompt: int, ask: Ask
    ) -> None:
        self.model, self.fault, self.prompt, self.pieces = model.name, fault, prompt, desk.settings.pieces
        self.id, self.created = desk.request_id(), int(desk.now())
        options = as_object(body.get("stream_options")) or {}
        self.with_usage = bool(options.get("include_usage"))
        self.flag: dict[str, Any] = {}
        self.thinking, self.finish = "", "stop"
        self.calls: list[dict[str, Any]] = []
        if fault.kind in ("flag", "history"):
            round_ = -1 if fault.kind == "flag" else fault.number + desk.settings.ban_base
            self.flag, self.finish = {"flag": _SHOWN, "ban_round": round_}, "content_filter"
            self.answer = Answer(brain.refusal(ask))
            return
        answer = brain.reply(ask, fault)
        most = body.get("max_tokens", body.get("max_completion_tokens"))
        text, truncated = wire.limited(answer.text, body.get("stop"), most)
        if (as_object(body.get("response_format")) or {}).get("type") in (
            "json_object",
            "json_schema",
        ) and text:
            text = orjson.dumps({"answer": text}).decode()
        self.answer = Answer(text, answer.calls)
        if model.thinks and body.get("enable_thinking", True):
            self.thinking = brain.thoughts(ask)
        if fault.kind == "flag-output":
            self.flag, self.finish = {"flag": _RETRACT}, "content_filter"
        elif answer.calls:
            self.finish = "tool_calls"
        elif truncated:
            self.finish = "length"
        self.calls = [
            {
                "id": f"call_{desk.number():08x}",
                "type": "function",
                "function": {"name": c.name, "arguments": c.arguments},
            }
            for c in answer.calls
        ]

    def whole(self) -> bytes:
        """The body of an answer without a stream."""
        message: dict[str, Any] = {"role": "assistant", "content": self.answer.text}
        if self.thinking:
            message["reasoning_content"] = self.thinking
        if self.calls:
            message["tool_calls"] = self.calls
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "flag": 0, **self.flag}
        body = {**self._head(), "choices": [choice], "usage": self._usage()}
        data = orjson.dumps(body)
        return data[: len(data) // 2] if self.fault.kind == "malformed" else data

    def frames(self) -> list[bytes]:
        """The events of a stream: role, thoughts, text, calls, the finish, usage if wanted, `[DONE]`."""
        frames = [self._chunk({"role": "assistant", "content": ""})]
        frames += [self._chunk({"reasoning_content": p}) for p in self._cut(self.thinking)]
        pieces = self._cut(self.answer.text)
        if self.fault.kind == "flag-output":
            pieces = pieces[: max(1, len(pieces) // 2)]
        frames += [self._chunk({"content": p}) for p in pieces]
        for i, call in enumerate(self.calls):
            function = {"name": call["function"]["name"], "arguments": ""}
            frames.append(self._chunk({"tool_calls": [{"index": i, **call, "function": function}]}))
            for piece in self._cut(call["function"]["arguments"]):
                frames.append(self._chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]}))
        if self.fault.kind == "malformed":
            return [*frames[: (len(frames) + 1) // 2], wire.BROKEN]
        frames.append(self._chunk({}, {"finish_reason": self.finish, **self.flag}))
        if self.with_usage:
            frames.append(event({**self._head(), "choices": [], "usage": self._usage()}))
        return [*frames, b"data: [DONE]\n\n"]

    def _cut(self, text: str) -> list[str]:
        return cut(text, self.pieces) if text else []

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": "chat.completion", "created": self.created, "model": self.model}

    def _chunk(self, delta: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": None, **(more or {})}
        usage: dict[str, Any] = {"usage": None} if self.with_usage else {}
        return event({**self._head(), "choices": [choice], **usage})

    def _usage(self) -> dict[str, Any]:
        reasoning = estimate(self.thinking)
        said = estimate(self.answer.text) + sum(estimate(c.name + c.arguments) for c in self.answer.calls)
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt,
            "completion_tokens": said + reasoning,
            "total_tokens": self.prompt + said + reasoning,
        }
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        return usage


def _unauthorized() -> Refused:
    return Refused(401, "invalid_iam_token", "Invalid IAM token")


def _limited(text: str, code: str) -> Refused:
    return Refused(429, code, text, "rate_limit_exceeded")


def _zulu(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
