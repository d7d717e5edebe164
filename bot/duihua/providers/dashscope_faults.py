"""DashScope's error codes, of the native wire and of the compatible one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from duihua.errors import Category
from duihua.providers.faults import FaultTable, Reported

_PREFIXES: Sequence[tuple[str, Category]] = (
    # the longer of two that begin alike stands first; codes are compared in lower case
    ("datainspectionfailed", "moderation_input"),
    ("data_inspection_failed", "moderation_input"),
    ("arrearage", "quota_exhausted"),
    ("invalidapikey", "auth"),
    ("invalid_api_key", "auth"),
    ("allocationquota.freetieronly", "quota_exhausted"),
    ("accessdenied", "permission"),
    ("access_denied", "permission"),
    ("model.accessdenied", "permission"),
    ("workspace.accessdenied", "permission"),
    ("modelnotfound", "not_found"),
    ("model_not_found", "not_found"),
    ("model_not_supported", "not_found"),
    ("workspacenotfound", "not_found"),
    ("requesttimeout", "timeout"),
    ("badrequest.toolarge", "context_too_long"),
    ("badrequest", "bad_request"),
    ("invalidparameter", "bad_request"),
    ("invalid_parameter", "bad_request"),
    ("invalidurl", "bad_request"),
    ("invalid_request", "bad_request"),
    ("unsupportedoperation", "bad_request"),
    ("throttling", "rate_limited"),
    ("limit_requests", "rate_limited"),
    ("limit_burst_rate", "rate_limited"),
    ("ratequota", "rate_limited"),
    ("limitrequests", "rate_limited"),
    ("insufficient_quota", "rate_limited"),  # tokens of this minute, not money
    ("commoditynotpurchased", "quota_exhausted"),
    ("prepaidbilloverdue", "quota_exhausted"),
    ("postpaidbilloverdue", "quota_exhausted"),
    ("modelunavailable", "overloaded"),
    ("modelservingerror", "server"),
    ("modelservicefailed", "server"),
    ("internalerror", "server"),
    ("internal_error", "server"),
    ("internal_server_error", "server"),
    ("systemerror", "server"),
)
_INSPECTED = re.compile(r"data_?inspection_?failed|may contain inappropriate content", re.IGNORECASE)
_ANSWER = re.compile(r"(?<!input or )\boutput\b", re.IGNORECASE)  # "Input or output data" names neither
_TOO_LONG = re.compile(r"range of input length should be|input length .{0,40}exceed", re.IGNORECASE)
_SPENT = re.compile(r"free allocated quota exceeded|free tier .{0,40}exhausted", re.IGNORECASE)
_NO_MODEL = re.compile(r"model not exist|model .{0,80}does not exist", re.IGNORECASE)
_BAD_INPUT = re.compile(
    r"role must be|list index out of range|invalidparameter|content length", re.IGNORECASE
)

_KEYS = "Check DASHSCOPE_API_KEY; a key is good for one region, whose base URL is DASHSCOPE_BASE_URL"
_ACCOUNT = "Check in the platform's console that the model is enabled and the account is in credit"
_MODELS = "`duihua models` lists the models that are known"
_PATH = "Models that see or hear are asked at another path than those of text alone"


def _by_prefix(name: str) -> Category | None:
    for prefix, category in _PREFIXES:
        if name.startswith(prefix):
            return category
    return None


class Faults(FaultTable):
    """Codes come with endings (`Throttling.RateQuota`), and some words tell more than the code."""

    def refined(self, report: Reported, status: int) -> Category | None:
        """The category by the code's beginning, in either case, and by the words."""
        words = report.message
        if _INSPECTED.search(f"{report.code} {words}"):
            return "moderation_output" if _ANSWER.search(words) else "moderation_input"
        if _SPENT.search(words):
            return "quota_exhausted"
        if _TOO_LONG.search(words):
            return "context_too_long"
        for name in (report.code.lower(), report.kind.lower()):
            found = _by_prefix(name)
            if found == "bad_request" and _NO_MODEL.search(words):
                return "not_found"
            if found == "server" and name.startswith("internalerror.algo") and _BAD_INPUT.search(words):
                return "bad_request"
            if found:
                return found
        return None


_HINTS = {
    "InvalidApiKey": _KEYS,
    "invalid_api_key": _KEYS,
    "Arrearage": _ACCOUNT,
    "AccessDenied": _ACCOUNT,
    "AccessDenied.Unpurchased": _ACCOUNT,
    "Model.AccessDenied": _ACCOUNT,
    "ModelNotFound": _MODELS,
    "model_not_found": _MODELS,
    "InvalidURL": _PATH,
}
_TOKENS = frozenset({"Throttling.AllocationQuota", "insufficient_quota"})
_MOMENTARY = frozenset({"Throttling.BurstRate", "limit_burst_rate"})

NATIVE: FaultTable = Faults("dashscope", {}, _HINTS, _TOKENS, _MOMENTARY)
COMPATIBLE: FaultTable = Faults("dashscope-compatible", {}, _HINTS, _TOKENS, _MOMENTARY)
