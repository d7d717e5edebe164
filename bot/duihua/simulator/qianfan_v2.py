"""Baidu Qianfan v2 on loopback: chat with a bearer key, tools, flags, reasoning, models, IAM bearers.

The wire is like OpenAI's, with `flag` and `ban_round` in the choice, and usage in a stream only if asked for.
Source: the platform's public pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from duihua.simulator import signature
from duihua.simulator.chat import ChatPlatform, ChatReply
from duihua.simulator.chat_rules import Refused
from duihua.simulator.qianfan_door import gateway_error
from duihua.simulator.qianfan_v2_models import MODELS
from duihua.simulator.qianfan_v2_rules import QianfanV2Rules
from duihua.simulator.qianfan_v2_services import EMBEDDERS, PAINTERS, QianfanV2Services
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, event, json_response

PLATFORM = "qianfan-v2"

_SHOWN, _RETRACT = 2, 4
"""Flags: the chat must stop but its text may be shown; what was shown must be taken back."""


class QianfanV2Reply(ChatReply):
    """Adds `flag` and `ban_round` to the choice that ends the answer."""

    def flags(self) -> dict[str, Any]:
        """The fields of a choice that was flagged."""
        if self.flagged:
            ban = -1 if self.fault.kind == "flag" else self.fault.number + self.desk.settings.ban_base
            return {"flag": _SHOWN, "ban_round": ban}
        return {"flag": _RETRACT} if self.fault.kind == "flag-output" else {}

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer."""
        return {**super().choice(), "flag": 0, **self.flags()}

    def chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0) -> bytes:
        """One event of a stream; the flag stands in the last choice."""
        choice = {"index": index, "delta": delta, "finish_reason": finish, **(self.flags() if finish else {})}
        usage: dict[str, Any] = {"usage": None} if self.with_usage else {}
        return event({**self.head(), "choices": [choice], **usage})

    def head(self, *, stream: bool = False) -> dict[str, Any]:
        """Chunks bear the same object name as whole answers."""
        return super().head()


class QianfanV2(ChatPlatform):
    """Version 2 of the platform, over the shared desk."""

    name = PLATFORM
    title = "Qianfan v2"
    base = "/v2"
    rules = QianfanV2Rules()
    reply = QianfanV2Reply

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.minted: dict[str, float] = {}  # bearer -> when it ends, by the simulator's clock

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            *super().routes(),
            web.get("/v2/models", self.models),
            *QianfanV2Services(self).routes(),
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

    def key(self) -> str:
        """The bearer that does not end."""
        return self.desk.settings.keys.bearer_token

    def authorize(self, request: web.Request) -> None:
        """The key, or a bearer that was minted and has not ended."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        good = token == self.key() or self.desk.now() < self.minted.get(token, 0.0)
        if kind.lower() != "bearer" or not good:
            raise self.unauthorized()

    def unauthorized(self) -> Refused:
        """A wrong bearer, or none."""
        return Refused(401, "invalid_iam_token", "Invalid IAM token")

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"QIANFAN_BEARER_TOKEN": self.key(), "QIANFAN_V2_BASE_URL": f"{url}{self.base}"}

    # ------------------------------------------------------------ chat

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return Refused(400, "malformed_json", "Invalid JSON")

    def limited(self, what: str) -> Refused:
        """Too many requests or tokens in this minute."""
        word = "rpm" if what == "requests" else "tpm"
        text = f"Rate limit reached for {word.upper()}"
        return Refused(429, f"{word}_rate_limit_exceeded", text, "rate_limit_exceeded")

    def overloaded(self) -> Refused:
        """Too much to do."""
        return Refused(500, "dispatch_internal_error", "the service is overloaded", "Internal_error")

    def expired(self, request: web.Request) -> Refused:
        """A minted bearer ends for good, a key only for this once."""
        self.minted.pop(request.headers.get("Authorization", "").partition(" ")[2].strip(), None)
        return self.unauthorized()

    def headers(self, model: str) -> dict[str, str]:
        """The limits, what remains of them, and the request's id."""
        limits = self.desk.settings
        requests, tokens = self.desk.rates.left(f"{self.name}/{model}")
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
            self.authorize(request)
        except Refused as e:
            return self.error(seen, e)
        seen.outcome = "ok"
        names = (*MODELS, *EMBEDDERS, *PAINTERS)
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": ""} for name in names]
        return json_response({"object": "list", "data": listed})

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error."""
        seen.outcome = error.code
        id_ = self.desk.request_id()
        body = {"error": {"code": error.code, "message": error.text, "type": error.type}, "id": id_}
        return json_response(body, status=error.status, headers={"X-Baidu-Request-Id": id_})


def _zulu(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
