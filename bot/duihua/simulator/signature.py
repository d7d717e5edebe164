"""Checks `bce-auth-v1` signatures as the platform does: from the request as it arrived.

Source: the published algorithm of Baidu Cloud's access keys. The body is not signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote

SKEW = timedelta(minutes=5)
"""How far a client's clock may run ahead."""


def fault(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    keys: Mapping[str, str],
    now: datetime,
) -> str:
    """Why a request is not rightly signed, in the gateway's words; empty if it is.

    Args:
        method: of the request.
        raw_path: as it arrived, percent-encoded.
        raw_query: as it arrived, without `?`.
        headers: of the request, found without regard to case.
        keys: access key id -> its secret.
        now: the time, aware.
    """
    named = {name.lower(): value for name, value in headers.items()}
    fields = named.get("authorization", "").split("/")
    if len(fields) != 6 or fields[0] != "bce-auth-v1":
        return "InvalidHTTPAuthHeader, cause: The Authorization header is not bce-auth-v1."
    _, key, date, seconds, signed, given = fields
    if key not in keys:
        return "NotFound, cause: Could not find credential."
    try:
        began = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        until = began + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return "InvalidHTTPAuthHeader, cause: The date or the expiration is wrong."
    if named.get("x-bce-date", date) != date:
        return "InvalidHTTPAuthHeader, cause: x-bce-date differs from the Authorization header."
    if not began - SKEW <= now <= until:
        return "RequestExpired, cause: The request is out of its time."
    names = signed.split(";") if signed else sorted(n for n in named if _by_default(n))
    if "host" not in names or any(n not in named for n in names):
        return "SignatureDoesNotMatch, cause: A signed header is missing."
    canonical = "\n".join(
        (
            method.upper(),
            quote(unquote(raw_path), safe="/-_.~"),
            _query(raw_query),
            "\n".join(sorted(f"{_enc(n)}:{_enc(named[n].strip())}" for n in names if named[n].strip())),
        )
    )
    prefix = "/".join(fields[:4])
    signing_key = hmac.new(keys[key].encode(), prefix.encode(), hashlib.sha256).hexdigest()
    expected = hmac.new(signing_key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        return "SignatureDoesNotMatch, cause: The signature does not match."
    return ""


def _enc(text: str) -> str:
    return quote(text, safe="-_.~")


def _query(raw: str) -> str:
    pairs = parse_qsl(raw, keep_blank_values=True)
    return "&".join(sorted(f"{_enc(k)}={_enc(v)}" for k, v in pairs if k.lower() != "authorization"))


def _by_default(name: str) -> bool:
    return name in ("host", "content-md5", "content-length", "content-type") or name.startswith("x-bce-")
