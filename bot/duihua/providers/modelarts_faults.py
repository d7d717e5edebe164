"""ModelArts Studio's error codes: its own gateway's, the API gateway's, and the inference server's."""

from __future__ import annotations

from collections.abc import Mapping

from duihua.errors import Category
from duihua.providers.faults import FaultTable, Reported

_CODES: Mapping[str, Category] = {
    "ModelArts.81001": "bad_request",
    "ModelArts.81002": "auth",
    "ModelArts.81003": "auth",
    "ModelArts.81004": "permission",
    "ModelArts.81005": "quota_exhausted",
    "ModelArts.81006": "permission",
    "ModelArts.81009": "not_found",
    "ModelArts.81014": "quota_exhausted",
    "ModelArts.81101": "rate_limited",
    "ModelArts.81103": "rate_limited",
    "ModelArts.81108": "not_found",
    "ModelArts.81109": "permission",
    # sensitive content: an older and the newer code, and a prompt in a language that cannot be judged
    "ModelArts.4910": "moderation_input",
    "ModelArts.81011": "moderation_input",
    "ModelArts.81013": "moderation_input",
    "APIG.0101": "not_found",
    "APIG.0203": "server",
    "APIG.0308": "rate_limited",
    "NotFoundError": "not_found",
}

_KEY = "Check MODELARTS_API_KEY: a key is good for the region it was made in"
_ACCOUNT = "Check in the platform's console that the service is enabled and paid for"
_URL = "Check MODELARTS_BASE_URL; `duihua models` lists the models that are known"


class _Faults(FaultTable):
    """Two signs besides the codes."""

    def refined(self, report: Reported, status: int) -> Category | None:
        """Flagged content under another code, and errors in a stream that has begun with HTTP 200."""
        if report.code not in self.codes and status == 403 and "sens" in report.message.lower():
            return "moderation_input"
        late = status < 400 and len(report.code) == 3 and report.code.isascii() and report.code.isdigit()
        if late and 400 <= int(report.code) < 600:  # the inference server's code is an HTTP status
            return self.category(report, int(report.code))
        return None


FAULTS: FaultTable = _Faults(
    "modelarts",
    _CODES,
    hints={
        "ModelArts.81002": _KEY,
        "ModelArts.81003": _KEY,
        "ModelArts.81004": _ACCOUNT,
        "ModelArts.81005": _ACCOUNT,
        "ModelArts.81006": _ACCOUNT,
        "ModelArts.81014": _ACCOUNT,
        "ModelArts.81009": _URL,
        "APIG.0101": _URL,
    },
    token_codes=frozenset({"ModelArts.81103"}),
)
