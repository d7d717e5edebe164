"""Zhipu's error codes. They decide, not the HTTP status: 429 stands for moments, days and unpaid bills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from duihua.errors import Category, Side
from duihua.providers.faults import FaultTable, Reported, report_in

_SIDES: Mapping[str, Side] = {"user": "input", "assistant": "output", "history": "history"}
_KEY = "Check ZHIPU_API_KEY, and ZHIPU_AUTH: bearer sends the key itself, jwt needs the form id.secret"
_CLOCK = "Check this machine's clock: with ZHIPU_AUTH=jwt a key is good for minutes only"
_ACCOUNT = "Check in the platform's console that the account is active and in credit"
_LATER = "The account's share is used up for now; it comes back at the time that the platform names"

_CODES: Mapping[str, Category] = {
    "500": "server",
    "1000": "auth",
    "1001": "auth",
    "1002": "auth",
    "1003": "auth",
    "1004": "auth",
    "1110": "permission",
    "1111": "permission",
    "1112": "permission",
    "1113": "quota_exhausted",
    "1120": "server",  # the account cannot be read for the moment
    "1121": "permission",
    "1200": "bad_request",
    "1210": "bad_request",
    "1211": "not_found",
    "1212": "bad_request",
    "1213": "bad_request",
    "1214": "bad_request",
    "1215": "bad_request",
    "1220": "permission",
    "1221": "not_found",
    "1222": "not_found",
    "1230": "server",
    "1231": "bad_request",  # a request with this id is under way
    "1234": "server",
    "1261": "context_too_long",
    "1300": "permission",
    "1301": "moderation_input",
    "1302": "rate_limited",
    "1303": "rate_limited",
    "1304": "quota_exhausted",
    "1305": "overloaded",
    "1308": "quota_exhausted",
    "1309": "quota_exhausted",
    "1310": "quota_exhausted",
}


class _Faults(FaultTable):
    """A refusal for its content says beside the error whose text was meant."""

    def report(self, body: Mapping[str, Any]) -> Reported | None:
        """The failure that a body reports; for flagged content its kind is the side."""
        report = report_in(body)
        if report is None or report.code not in ("1300", "1301"):
            return report
        return replace(report, kind=flagged_side(body) or "")

    def flagged(self, report: Reported) -> Side | None:
        """Whose text was meant."""
        return next((side for side in _SIDES.values() if side == report.kind), None)

    def refined(self, report: Reported, status: int) -> Category | None:
        """A policy's refusal is about content if it says whose; some statuses are the platform's own."""
        if self.flagged(report):
            return "moderation_output" if report.kind == "output" else "moderation_input"
        if status == 434 and report.code not in self.codes:
            return "permission"
        return None


def flagged_side(body: Mapping[str, Any]) -> Side | None:
    """Whose text `content_filter` (of an answer) or `contentFilter` (of an error) names; None: nobody's.

    Levels go from 0, the most severe, to 3: the most severe is meant, and of equals what stays longest.
    """
    found: list[tuple[int, int, Side]] = []
    entries = body.get("content_filter") or body.get("contentFilter")
    for entry in cast("list[Any]", entries) if isinstance(entries, list) else []:
        fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        role, level = fields.get("role"), fields.get("level")
        side = _SIDES.get(role) if isinstance(role, str) else None
        if side is not None:
            order = ("history", "input", "output").index(side)
            found.append((level if isinstance(level, int) else 0, order, side))
    return min(found)[2] if found else None


FAULTS: FaultTable = _Faults(
    "zhipu",
    _CODES,
    hints={
        "1000": _KEY,
        "1001": _KEY,
        "1002": _KEY,
        "1003": _CLOCK,
        "1004": _KEY,
        "1110": _ACCOUNT,
        "1111": _ACCOUNT,
        "1112": _ACCOUNT,
        "1113": _ACCOUNT,
        "1121": _ACCOUNT,
        "1211": "`duihua models` lists the models that are known",
        "1304": _LATER,
        "1308": _LATER,
        "1309": "The account's plan has ended: renew it in the platform's console",
        "1310": _LATER,
    },
    momentary=frozenset({"1302"}),
)
