"""Alibaba DashScope on loopback: its own wire.

A stream is asked for by a header, its events have an id, a name, a status and data without spaces, usage is
in each of them and `finish_reason` is the text "null" until the end. Errors are objects with code and
message, framed as an event where a stream was asked for. Source: the platform's public pages and SDK.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from duihua.simulator import wire
from duihua.simulator.chat import ChatPlatform
from duihua.simulator.chat_rules import Refused
from duihua.simulator.dashscope_reply import FLAGGED, INPUT_FLAGGED, OUTPUT_FLAGGED, DashScopeReply, frame
from duihua.simulator.dashscope_rules import DashScopeRules, flat
from duihua.simulator.faults import Fault
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import json_response

BASE = "/dashscope/api/v1"
TEXT = f"{BASE}/services/aigc/text-generation/generation"
MULTIMODAL = f"{BASE}/services/aigc/multimodal-generation/generation"
NOT_ASYNC = "current user api does not support asynchronous calls."
NOT_SYNC = "current user api does not support synchronous calls."


class DashScope(ChatPlatform):
    """The platform's own wire, over the shared desk."""

    name = "dashscope"
    title = "DashScope"
    base = BASE
    rules = DashScopeRules()
    reply = DashScopeReply

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.route("*", TEXT, self.chat), web.route("*", MULTIMODAL, self.chat)]

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program here."""
        return {"DASHSCOPE_API_KEY": self.key(), "DASHSCOPE_BASE_URL": f"{url}{BASE}"}

    def key(self) -> str:
        """The key that is accepted."""
        return self.desk.settings.keys.dashscope

    def prepare(self, request: web.Request, body: Any) -> Any:
        """The request laid flat; chat has no tasks."""
        if enabled(request, "X-DashScope-Async"):
            raise Refused(403, "AccessDenied", NOT_ASYNC)
        stream = enabled(request, "X-DashScope-SSE")
        return flat(body, stream=stream, multimodal=request.path == MULTIMODAL)

    # ------------------------------------------------------------ errors

    def unauthorized(self) -> Refused:
        """A wrong key, or none."""
        return Refused(401, "InvalidApiKey", "Invalid API-key provided.")

    def limited(self, what: str) -> Refused:
        """Too many requests or tokens in this minute."""
        if what == "tokens":
            text = "Allocated quota exceeded, please increase your quota limit."
            return Refused(429, "Throttling.AllocationQuota", text)
        return Refused(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")

    def overloaded(self) -> Refused:
        """Too much to do."""
        return Refused(503, "ModelUnavailable", "Model is unavailable, please try again later.")

    def malformed_body(self) -> Refused:
        """The body is no JSON."""
        return Refused(400, "BadRequest.IllegalInput", "Required body invalid, please check the request body")

    def wrong_method(self) -> Refused:
        """Not a POST."""
        return Refused(405, "InvalidParameter", "Request method is not supported.")

    def flag(self, seen: Seen, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """Flagged input is an error, of the past one inside a stream; flagged output ends its stream."""
        output = fault.kind == "flag-output"
        if output and enabled(request, "X-DashScope-SSE"):
            return None
        words = OUTPUT_FLAGGED if output else INPUT_FLAGGED
        late = fault.kind == "history"
        text = f"<400> InternalError.Algo.DataInspectionFailed: {words}" if late else words
        return self._refusal(seen, Refused(400, FLAGGED, text), late=late)

    def error(self, seen: Seen, error: Refused) -> web.Response:
        """The body of an error."""
        seen.outcome = error.code
        return self._refusal(seen, error, late=error.status == 429)

    def _refusal(self, seen: Seen, error: Refused, *, late: bool) -> web.Response:
        """An error, as an event where a stream was asked for; `late`: its HTTP status was 200 already."""
        body = {"code": error.code, "message": error.text, "request_id": self.desk.request_id()}
        if not any(k.lower() == "x-dashscope-sse" and v.lower() == "enable" for k, v in seen.headers.items()):
            return json_response(body, error.status)
        event = frame(1, body, name="error", status=error.status)
        status = 200 if late else error.status
        return web.Response(body=event, status=status, headers={"Content-Type": wire.EVENTS})


def enabled(request: web.Request, header: str) -> bool:
    """Whether a header switches something on."""
    return request.headers.get(header, "").lower() == "enable"
