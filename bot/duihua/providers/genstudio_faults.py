"""GenStudio's error codes. None are documented: these are OpenAI's and those of the servers behind it."""

from __future__ import annotations

from collections.abc import Mapping

from duihua.errors import Category
from duihua.providers.faults import FaultTable, Reported

_KEY = "Check GENSTUDIO_API_KEY"
_MODELS = "`duihua models genstudio` lists the models that are known, with their chips"

_CODES: Mapping[str, Category] = {
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "AuthenticationError": "auth",
    "permission_error": "permission",
    "model_not_found": "not_found",
    "NotFoundError": "not_found",
    "context_length_exceeded": "context_too_long",
    "insufficient_quota": "quota_exhausted",
    "rate_limit_exceeded": "rate_limited",
    "RateLimitError": "rate_limited",
    "overloaded": "overloaded",
    "content_filter": "moderation_input",
}


class _Faults(FaultTable):
    """Some chips' servers put the HTTP status into the body, and send it where there is no other."""

    def category(self, report: Reported, status: int) -> Category:
        """What the report means; in the midst of a stream its code is the status."""
        code = report.code
        if status < 400 and len(code) == 3 and code.isdecimal() and code >= "400":
            status = int(code)
        return super().category(report, status)


GENSTUDIO: FaultTable = _Faults(
    "genstudio",
    _CODES,
    hints={
        "invalid_api_key": _KEY,
        "401": _KEY,
        "model_not_found": _MODELS,
        "404": _MODELS,
    },
)
