"""Platforms' error bodies to `ProviderError`: one order of checks, one table of codes per platform."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast

import httpx

from duihua.errors import Category, ProviderError, Side
from duihua.redact import redact

MESSAGE_LIMIT = 300
"""Characters of a platform's own words that are kept."""
LONGEST_WAIT = 120.0
"""Seconds that a platform may ask to wait; more is taken for so many."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_STATUS: Mapping[int, Category] = {
    400: "bad_request",
    401: "auth",
    402: "quota_exhausted",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "server",  # a lock was not got in time, or what is asked for is being changed: it passes
    413: "context_too_long",
    425: "server",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_DATA = re.compile(rb"^data:[ \t]*(\{.*\})[ \t]*\r?$", re.MULTILINE)
_TOO_LONG = re.compile(r"max input characters|prompt tokens too long|maximum context length", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reported:
    """What a body says about its failure: the platform's code as text, its words, its kind of error.

    `own`: it says nothing, the words are ours.
    """

    code: str
    message: str
    kind: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class FaultTable:
    """One platform's codes. What they do not tell, the HTTP status does.

    `hints` add to the platform's words what a person can do; `token_codes` refuse for tokens, not requests,
    `momentary` for requests in the same second.
    """

    provider: str
    codes: Mapping[str, Category]
    hints: Mapping[str, str] = field(default_factory=dict[str, str])
    token_codes: frozenset[str] = frozenset()
    momentary: frozenset[str] = frozenset()

    def category(self, report: Reported, status: int) -> Category:
        """What the report means."""
        found = self.refined(report, status) or self.codes.get(report.code) or self.codes.get(report.kind)
        if found:
            return found
        if _TOO_LONG.search(report.message):
            return "context_too_long"
        if status < 300 and len(report.code) == 3 and report.code.isdecimal() and report.code[0] in "45":
            status = int(report.code)  # the answer had begun when it failed: its status stands in the body
        if 300 <= status < 400:
            return "not_found"
        return _STATUS.get(status, "bad_request" if 400 <= status < 500 else "server")

    def spent(self, code: str) -> Literal["requests", "tokens"] | None:
        """Which budget a refusal for the rate says is used up; None: it was about this moment only."""
        if code in self.momentary:
            return None
        return "tokens" if code in self.token_codes or "tpm" in code.lower() else "requests"

    def report(self, body: Mapping[str, Any]) -> Reported | None:
        """The failure that a body reports, None when it reports none."""
        return report_in(body)

    def flagged(self, report: Reported) -> Side | None:
        """Whose text a refusal for its content means, None if it does not say."""
        return None

    def refined(self, report: Reported, status: int) -> Category | None:
        """The category of a code that means several things; None: the code tells."""
        return None

    def error(
        self, report: Reported, *, status: int = 200, headers: Mapping[str, str] | None = None, id: str = ""
    ) -> ProviderError:
        """The error for a report.

        Args:
            report: what the body says.
            status: HTTP status of the answer.
            headers: headers of the answer: the request's id, how long to wait.
            id: the request's id in the body.
        """
        headers = headers or {}
        words = clean(report.message) or f"the platform answered with HTTP {status}"
        hint = self.hints.get(report.code)
        given = headers.get("x-baidu-request-id") or id or headers.get("x-request-id") or ""
        return ProviderError(
            f"{words.rstrip('. 。')}. {hint}" if hint else words,
            provider=self.provider,
            category=self.category(report, status),
            retry_after=retry_after(headers),
            vendor_code=clean(report.code, 80),
            http_status=status,
            request_id=clean(given, 80),
            reported=bool(report.message) and not report.own,
            flagged=self.flagged(report),
        )


def report_in(body: Mapping[str, Any]) -> Reported | None:
    """The failure that a body reports, None when it reports none. `"error": null` and code 0 are none."""
    code = body.get("error_code")
    if code not in (None, 0, "0", ""):
        return Reported(str(code), _text(body.get("error_msg")))
    error = body.get("error")
    if isinstance(error, dict):
        fault = cast("dict[str, Any]", error)
        if fault:
            return Reported(
                _text(fault.get("code")),
                _text(fault.get("message")) or _text(fault),
                _text(fault.get("type")),
            )
    elif isinstance(error, str) and error:
        code = _text(body.get("code")) if " " in error else error  # words, or the name of the failure
        return Reported(code, _text(body.get("error_description")) or _text(body.get("message")) or error)
    if body.get("object") == "error":
        return Reported(_text(body.get("code")), _text(body.get("message")), _text(body.get("type")))
    code = body.get("code")
    if isinstance(code, str) and code and "message" in body and "choices" not in body:
        return Reported(code, _text(body["message"]))
    if "detail" in body and "choices" not in body and "result" not in body:
        return Reported("", _text(body["detail"]))
    return None


def refused(table: FaultTable, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error of an answer that is certainly one: by its HTTP status, or because it is of no use."""
    data = _object(body)
    report = table.report(data)
    if report is None and "x-bce-error-code" in headers:
        report = Reported(headers["x-bce-error-code"], headers.get("x-bce-error-message", ""))
    if report is None:
        where = f" to {headers.get('location', '')}" if 300 <= status < 400 else ""
        words = f"the platform answered with HTTP {status}{where}"
        excerpt = "" if b"<" in body[:200] else body[:MESSAGE_LIMIT].decode("utf-8", "replace")
        report = Reported("", f"{words}: {excerpt}" if excerpt.strip() else words, own=True)
    return table.error(report, status=status, headers=headers, id=request_id(data))


def request_id(body: Mapping[str, Any]) -> str:
    """The request's id that a body carries, empty if none."""
    return _text(body.get("id") or body.get("request_id") or "")


def unreachable(provider: str, error: httpx.HTTPError, *, answered: bool = False) -> ProviderError:
    """The error for a request that got no whole answer; `answered`: its beginning had come."""
    words: Mapping[type[httpx.HTTPError], str] = {
        httpx.ConnectTimeout: "no connection within the time limit",
        httpx.ReadTimeout: "no answer within the time limit",
        httpx.WriteTimeout: "the request could not be written within the time limit",
        httpx.ConnectError: "no connection",
        httpx.ProxyError: "the proxy refused or failed",
        httpx.RemoteProtocolError: "the connection was closed in mid-answer",
        httpx.ReadError: "the connection broke",
    }
    what = words.get(type(error), type(error).__name__)
    category: Category = "truncated" if answered else "network"
    if isinstance(error, httpx.TimeoutException):
        category = "timeout"
    retryable = not isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))
    tells = isinstance(error, (httpx.ConnectError, httpx.ProxyError)) or type(error) not in words
    message = f"{what}: {clean(str(error))}" if tells and str(error) else what
    return ProviderError(message, provider=provider, category=category, retryable=retryable)


def clean(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Foreign words made fit for an error: no secrets, no control characters or halves, bounded."""
    text = _CONTROL.sub(" ", redact(text[: 4 * limit])).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait that an answer asks for, by `Retry-After` (seconds, or a date) or `retry-after-ms`."""
    given = headers.get("retry-after", "")
    for value, unit in ((headers.get("retry-after-ms", ""), 0.001), (given, 1.0)):
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return min(seconds, LONGEST_WAIT)
    then = _time(given)
    now = _time(headers.get("date", "")) or time.time()  # by the platform's clock, if it tells
    return min(max(then - now, 0.0), LONGEST_WAIT) if then else None


def _time(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _object(body: bytes) -> Mapping[str, Any]:
    """The object in an error's body, which may be framed as an event of a stream."""
    if framed := _DATA.search(body):
        body = framed.group(1)
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, list) and value:  # one platform wraps its errors so
        value = cast("list[Any]", value)[0]
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
