"""Baidu Qianfan v1 on loopback: OAuth tokens, signed requests, chat, the service list, the token counter.

The wire: HTTP 200 for nearly everything, errors as `{"error_code", "error_msg"}`, streams of server-sent
events that end with `is_end: true`. Source: the platform's public pages and its own SDK.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from duihua.simulator import brain, signature, wire
from duihua.simulator.ask import Answer, Ask, cut, estimate
from duihua.simulator.faults import Fault
from duihua.simulator.qianfan_models import CUSTOM, MODELS, Model
from duihua.simulator.qianfan_rules import INVALID_ARGUMENT, INVALID_JSON, Refused, prompt_tokens, read
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_object, event, json_response

PLATFORM = "qianfan"
SERVICE = "/rpc/2.0/ai_custom/v1/wenxinworkshop"

UNSUPPORTED, WRONG_METHOD = 3, 336101
BAD_SIGNATURE, BAD_TOKEN, UNKNOWN_TOKEN, EXPIRED_TOKEN = 14, 100, 110, 111
QPS_LIMIT, OVERLOADED, RPM_LIMIT, TPM_LIMIT = 18, 336100, 336501, 336502
_TEXTS = {
    UNSUPPORTED: "Unsupported openapi method",
    WRONG_METHOD: "Invalid HTTP Method",
    BAD_SIGNATURE: "IAM Certification failed",
    BAD_TOKEN: "Invalid parameter",
    UNKNOWN_TOKEN: "Access token invalid or no longer valid",
    EXPIRED_TOKEN: "Access token expired",
    QPS_LIMIT: "Open api qps request limit reached",
    OVERLOADED: "the service is under high load, please try again later",
    RPM_LIMIT: "Rate limit reached for RPM",
    TPM_LIMIT: "Rate limit reached for TPM",
}


class Qianfan:
    """Version 1 of the platform, over the shared desk."""

    name = PLATFORM
    title = "Qianfan v1"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.tokens: dict[str, float] = {}  # token -> when it ends, by the simulator's clock

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        keys = self.desk.settings.keys
        return {
            "QIANFAN_API_KEY": keys.api_key,
            "QIANFAN_SECRET_KEY": keys.secret_key,
            "QIANFAN_BASE_URL": url,
        }

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            web.route("*", "/oauth/2.0/token", self.token),
            web.route("*", SERVICE + "/chat/{suffix}", self.chat),
            web.route("*", SERVICE + "/tokenizer/erniebot", self.count_tokens),
            web.route("*", "/wenxinworkshop/service/list", self.services),
            web.route("*", "/rpc/{rest:.*}", self.unsupported),
        ]

    # ------------------------------------------------------------ tokens and signatures

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Gives an access token for the API key and its secret, in the query or a form."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        fields = dict(request.query)
        if request.content_type == "application/x-www-form-urlencoded":
            try:
                fields |= {k: v for k, v in (await request.post()).items() if isinstance(v, str)}
            except (ValueError, LookupError):
                return _oauth_error(seen, "invalid_request", "the form cannot be read", 400)
        if fields.get("grant_type") != "client_credentials":
            return _oauth_error(
                seen, "unsupported_grant_type", "The authorization grant type is not supported", 400
            )
        keys = self.desk.settings.keys
        if fields.get("client_id") != keys.api_key:
            return _oauth_error(seen, "invalid_client", "unknown client id", 401)
        if fields.get("client_secret") != keys.secret_key:
            return _oauth_error(seen, "invalid_client", "Client authentication failed", 401)
        lifetime = self.desk.settings.token_lifetime
        ends = self.desk.now() + lifetime
        mark = hashlib.sha256(f"{id(self)} {self.desk.number()}".encode()).hexdigest()[:32]
        token = f"24.{mark}.{lifetime}.{int(ends)}.282335-0"
        self.tokens[token] = ends
        seen.outcome = "ok"
        return json_response(
            {
                "refresh_token": f"25.{mark}.315360000.{int(ends)}.282335-0",
                "expires_in": lifetime,
                "session_key": "",
                "access_token": token,
                "scope": "public ai_custom_yiyan_com",
                "session_secret": "",
            }
        )

    def expire(self, token: str | None = None) -> None:
        """Lets a token end now; None: every token that was given."""
        for name in [token] if token else list(self.tokens):
            self.tokens[name] = 0.0

    def _authorized(self, request: web.Request) -> int:
        """0 if the request may pass, else the error's code."""
        token = request.query.get("access_token")
        if token is None and "Authorization" in request.headers:
            return BAD_SIGNATURE if self._signature_fault(request) else 0
        if not token:
            return BAD_TOKEN
        ends = self.tokens.get(token)
        if ends is None:
            return UNKNOWN_TOKEN
        return 0 if self.desk.now() < ends else EXPIRED_TOKEN

    def _signature_fault(self, request: web.Request) -> str:
        keys, url = self.desk.settings.keys, request.rel_url
        known = {keys.access_key_id: keys.access_key_secret}
        now = self.desk.settings.clock()
        return signature.fault(
            request.method, url.raw_path, url.raw_query_string, request.headers, known, now
        )

    # ------------------------------------------------------------ chat

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answers a list of messages, whole or as a stream."""
        suffix = request.match_info["suffix"]
        seen = self.desk.traffic.saw(PLATFORM, request)
        seen.model = suffix
        try:
            self._admit(request)
            model = MODELS.get(suffix)
            if model is None:
                raise _refused(UNSUPPORTED)
            body = await _json(request, seen)
            ask = read(body, model, system_with_functions=self.desk.settings.system_with_functions)
            return await self._answer(request, seen, ask, body, model)
        except Refused as e:
            return self._error(seen, e)

    def _admit(self, request: web.Request) -> None:
        if request.method != "POST":
            raise _refused(WRONG_METHOD)
        if code := self._authorized(request):
            raise _refused(code)

    async def _answer(
        self, request: web.Request, seen: Seen, ask: Ask, body: Mapping[str, Any], model: Model
    ) -> web.StreamResponse:
        ask = brain.prepared(ask, self.desk.settings.clock())
        fault = self.desk.faults.take(ask, PLATFORM, str(body.get("user_id", "")))
        seen.outcome = fault.kind or "ok"
        match fault.kind:
            case "down":
                return wire.down()
            case "timeout":
                return await wire.never()
            case "ratelimit":
                raise _refused(QPS_LIMIT)
            case "overload":
                raise _refused(OVERLOADED)
            case "expire":
                token = request.query.get("access_token")
                if token:
                    self.expire(token)
                raise _refused(EXPIRED_TOKEN if token else BAD_SIGNATURE)
            case _:
                pass
        prompt = prompt_tokens(ask.messages, ask.system)
        if passed := self.desk.rates.take(model.suffix, prompt, self.desk.now()):
            raise _refused(RPM_LIMIT if passed == "requests" else TPM_LIMIT)
        reply = _Reply(self.desk, model, body, fault, prompt, ask)
        headers = self._headers(model.suffix)
        if body.get("stream"):
            frames = reply.frames()
            pause = fault.number / 1000 if fault.kind == "slow" else 0.0
            cut_after = (len(frames) + 1) // 2 if fault.kind == "cut" else None
            return await wire.stream(request, frames, headers, pause=pause, cut_after=cut_after)
        whole = reply.whole()
        if fault.kind == "cut":
            return await wire.half(request, whole, headers)
        await wire.wait(fault)
        return wire.whole(whole, headers)

    def _headers(self, suffix: str) -> dict[str, str]:
        limits, (requests, tokens) = self.desk.settings, self.desk.rates.left(suffix)
        return {
            "X-Ratelimit-Limit-Requests": str(limits.requests_per_minute),
            "X-Ratelimit-Limit-Tokens": str(limits.tokens_per_minute),
            "X-Ratelimit-Remaining-Requests": str(requests),
            "X-Ratelimit-Remaining-Tokens": str(tokens),
            "X-Baidu-Request-Id": self.desk.request_id(),
        }

    # ------------------------------------------------------------ the rest

    async def count_tokens(self, request: web.Request) -> web.StreamResponse:
        """Counts the tokens of a prompt."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        try:
            self._admit(request)
            fields = as_object(await _json(request, seen)) or {}
            prompt = fields.get("prompt")
            if not isinstance(prompt, str) or not prompt:
                raise Refused(INVALID_ARGUMENT, "prompt is required")
        except Refused as e:
            return self._error(seen, e)
        seen.outcome, tokens = "ok", estimate(prompt)
        return json_response(
            {
                "id": self.desk.request_id(),
                "object": "tokenizer.erniebot",
                "created": int(self.desk.now()),
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )

    async def services(self, request: web.Request) -> web.StreamResponse:
        """Lists the chat services; only a signed request may ask."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        if request.method != "POST":
            return self._error(seen, _refused(WRONG_METHOD))
        if reason := self._signature_fault(request):
            return gateway_error(seen, reason)
        seen.outcome = "ok"
        listed = [_service(m) for m in MODELS.values()]
        common = [s for s in listed if not s["url"].endswith(CUSTOM)]
        custom = [s for s in listed if s["url"].endswith(CUSTOM)]
        return json_response(
            {"log_id": str(self.desk.number()), "result": {"common": common, "custom": custom}}
        )

    async def unsupported(self, request: web.Request) -> web.StreamResponse:
        """Every other path of the interface."""
        seen = self.desk.traffic.saw(PLATFORM, request)
        code = self._authorized(request) or UNSUPPORTED
        return self._error(seen, _refused(code))

    def _error(self, seen: Seen, error: Refused) -> web.Response:
        seen.outcome = str(error.code)
        id_ = self.desk.request_id()
        body = {"error_code": error.code, "error_msg": error.text, "id": id_}
        return json_response(body, headers={"X-Baidu-Request-Id": id_})


class _Reply:
    """One answer in the wire's form."""

    def __init__(
        self, desk: Desk, model: Model, body: Mapping[str, Any], fault: Fault, prompt: int, ask: Ask
    ) -> None:
        self.fault, self.prompt, self.pieces = fault, prompt, desk.settings.pieces
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
            text = orjson.dumps({"answer": text}).decode()
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
        body = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "result": self.answer.text,
            "is_truncated": self.truncated,
            "need_clear_history": False,
            "finish_reason": self.finish,
            "usage": self._usage(self._size()),
            **self._calling(),
            **self.ban,
        }
        data = orjson.dumps(body)
        return data[: len(data) // 2] if self.fault.kind == "malformed" else data

    def frames(self) -> list[bytes]:
        """The events of a stream; the last one has `is_end: true`. A refusal is that one alone."""
        if self.fault.kind in ("flag", "history"):
            refused = self._chunk(0, self.answer.text, self._size())
            return [event(refused | {"is_end": True, "finish_reason": self.finish, **self.ban})]
        pieces = cut(self.answer.text, self.pieces) if self.answer.text else []
        if self.fault.kind == "flag-output":
            pieces = pieces[: max(1, len(pieces) // 2)]
        frames: list[bytes] = []
        said, size = 0, self._size()
        for piece in pieces:
            said = min(size, said + estimate(piece))
            frames.append(event(self._chunk(len(frames), piece, said)))
        if self.answer.calls:
            frames.append(event(self._chunk(len(frames), "", size) | self._calling()))
        if self.fault.kind == "malformed":
            return [*frames[: len(frames) // 2], wire.BROKEN]
        last = self._chunk(len(frames), "", size)
        last |= {"is_end": True, "is_truncated": self.truncated, "finish_reason": self.finish, **self.ban}
        return [*frames, event(last)]

    def _chunk(self, number: int, piece: str, said: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "sentence_id": number,
            "is_end": False,
            "is_truncated": False,
            "result": piece,
            "need_clear_history": False,
            "usage": self._usage(said),
        }

    def _calling(self) -> dict[str, Any]:
        if not self.answer.calls:
            return {}
        call = self.answer.calls[0]
        thoughts = f"I call {call.name}."
        return {"function_call": {"name": call.name, "thoughts": thoughts, "arguments": call.arguments}}

    def _size(self) -> int:
        return estimate(self.answer.text) + sum(estimate(c.name + c.arguments) for c in self.answer.calls)

    def _usage(self, said: int) -> dict[str, int]:
        return {"prompt_tokens": self.prompt, "completion_tokens": said, "total_tokens": self.prompt + said}


def gateway_error(seen: Seen, reason: str) -> web.Response:
    """The gateway's answer to a wrong signature: the reason stands in the headers."""
    code = reason.split(",", 1)[0]
    seen.outcome = code
    status = 404 if code == "NotFound" else 403
    headers = {"X-Bce-Error-Code": code, "X-Bce-Error-Message": reason}
    return json_response({"code": code, "message": reason}, status=status, headers=headers)


async def _json(request: web.Request, seen: Seen) -> Any:
    try:
        return await wire.read_body(request, seen)
    except ValueError:
        raise Refused(INVALID_JSON, "Invalid JSON") from None


def _refused(code: int) -> Refused:
    return Refused(code, _TEXTS[code])


def _oauth_error(seen: Seen, error: str, description: str, status: int) -> web.Response:
    seen.outcome = error
    return json_response({"error": error, "error_description": description}, status=status)


def _service(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "url": f"https://aip.baidubce.com{SERVICE}/chat/{model.suffix}",
        "apiType": "chat",
        "chargeStatus": "OPENED",
        "versionList": [{"trainType": model.suffix, "serviceStatus": "Done"}],
    }
