"""Qianfan v1's door: who may come in, what is said to those who may not, the faults that all answers share.

HTTP 200 for nearly everything, errors as `{"error_code", "error_msg"}`. Source: the platform's public pages
and its own SDK.
"""

from __future__ import annotations

import hashlib
from typing import Any

from aiohttp import web

from duihua.simulator import signature, wire
from duihua.simulator.ask import Ask
from duihua.simulator.faults import Fault
from duihua.simulator.qianfan_rules import INVALID_JSON, Refused
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, json_response

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


class Door:
    """What every path of the platform does before and after its own work."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.tokens: dict[str, float] = {}  # token -> when it ends, by the simulator's clock

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

    def authorized(self, request: web.Request) -> int:
        """0 if the request may pass, else the error's code."""
        token = request.query.get("access_token")
        if token is None and "Authorization" in request.headers:
            return BAD_SIGNATURE if self.signature_fault(request) else 0
        if not token:
            return BAD_TOKEN
        ends = self.tokens.get(token)
        if ends is None:
            return UNKNOWN_TOKEN
        return 0 if self.desk.now() < ends else EXPIRED_TOKEN

    def signature_fault(self, request: web.Request) -> str:
        """Why a request is not rightly signed; empty if it is."""
        keys, url = self.desk.settings.keys, request.rel_url
        known = {keys.access_key_id: keys.access_key_secret}
        now = self.desk.settings.clock()
        return signature.fault(
            request.method, url.raw_path, url.raw_query_string, request.headers, known, now
        )

    async def opened(self, request: web.Request, seen: Seen) -> Any:
        """The JSON body of a POST that may pass. Raises Refused."""
        self.admit(request)
        try:
            return await wire.read_body(request, seen)
        except ValueError:
            raise Refused(INVALID_JSON, "Invalid JSON") from None

    def admit(self, request: web.Request) -> None:
        """Raises Refused unless it is a POST that may pass."""
        if request.method != "POST":
            raise refused(WRONG_METHOD)
        if code := self.authorized(request):
            raise refused(code)

    # ------------------------------------------------------------ answers

    async def meet(
        self, request: web.Request, seen: Seen, ask: Ask, *, user: str, service: str, prompt: int
    ) -> tuple[Fault, web.StreamResponse | None]:
        """The fault of a request, and the answer if the fault leaves nothing else to say.

        Args:
            request: as it came.
            seen: is told the outcome.
            ask: what is asked.
            user: an end user's id: faults are counted for each.
            service: whose rate limit counts.
            prompt: tokens of the request.

        Raises:
            Refused: the fault, or the rate limit.
        """
        fault = self.desk.faults.take(ask, PLATFORM, user)
        seen.outcome = fault.kind or "ok"
        match fault.kind:
            case "down":
                return fault, wire.down()
            case "timeout":
                return fault, await wire.never()
            case "ratelimit":
                raise refused(QPS_LIMIT)
            case "overload":
                raise refused(OVERLOADED)
            case "expire":
                token = request.query.get("access_token")
                if token:
                    self.expire(token)
                raise refused(EXPIRED_TOKEN if token else BAD_SIGNATURE)
            case _:
                pass
        if passed := self.desk.rates.take(service, prompt, self.desk.now()):
            raise refused(RPM_LIMIT if passed == "requests" else TPM_LIMIT)
        return fault, None

    async def send(self, request: web.Request, body: bytes, service: str, fault: Fault) -> web.StreamResponse:
        """Sends a whole answer as the fault wants it: halved, late, broken."""
        headers = self.headers(service)
        if fault.kind == "cut":
            return await wire.half(request, body, headers)
        await wire.wait(fault)
        return wire.whole(body[: len(body) // 2] if fault.kind == "malformed" else body, headers)

    async def stream(
        self, request: web.Request, frames: list[bytes], service: str, fault: Fault
    ) -> web.StreamResponse:
        """Sends a stream as the fault wants it: cut, slow."""
        pause = fault.number / 1000 if fault.kind == "slow" else 0.0
        cut_after = (len(frames) + 1) // 2 if fault.kind == "cut" else None
        return await wire.stream(request, frames, self.headers(service), pause=pause, cut_after=cut_after)

    def headers(self, service: str) -> dict[str, str]:
        """The limits, what remains of them, and the request's id."""
        limits, (requests, tokens) = self.desk.settings, self.desk.rates.left(service)
        return {
            "X-Ratelimit-Limit-Requests": str(limits.requests_per_minute),
            "X-Ratelimit-Limit-Tokens": str(limits.tokens_per_minute),
            "X-Ratelimit-Remaining-Requests": str(requests),
            "X-Ratelimit-Remaining-Tokens": str(tokens),
            "X-Baidu-Request-Id": self.desk.request_id(),
        }

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error."""
        seen.outcome = str(error.code)
        id_ = self.desk.request_id()
        body = {"error_code": error.code, "error_msg": error.text, "id": id_}
        return json_response(body, headers={"X-Baidu-Request-Id": id_})


def gateway_error(seen: Seen, reason: str) -> web.Response:
    """The gateway's answer to a wrong signature: the reason stands in the headers."""
    code = reason.split(",", 1)[0]
    seen.outcome = code
    status = 404 if code == "NotFound" else 403
    headers = {"X-Bce-Error-Code": code, "X-Bce-Error-Message": reason}
    return json_response({"code": code, "message": reason}, status=status, headers=headers)


def refused(code: int) -> Refused:
    """The platform's error for a code with one meaning."""
    return Refused(code, _TEXTS[code])


def _oauth_error(seen: Seen, error: str, description: str, status: int) -> web.Response:
    seen.outcome = error
    return json_response({"error": error, "error_description": description}, status=status)
