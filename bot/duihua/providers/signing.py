"""Baidu's request signature, version 1, for access key and secret key (IAM).

A signature covers method, path, query and the signed headers, not the body, and is good for a few minutes
from its date: sign every attempt anew, and send the headers exactly as signed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

EXPIRES = 300
"""Seconds for which a signature is good."""

_SIGNED = frozenset({"host", "content-md5", "content-length", "content-type"})


def utc_date(at: float) -> str:
    """The `x-bce-date` of a Unix time: `2016-04-06T08:23:49Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authorization(
    access_key: str,
    secret_key: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
    *,
    signed: Iterable[str] | None = None,
    expires: int = EXPIRES,
) -> str:
    """The value of the `Authorization` header.

    Args:
        access_key: the access key's id.
        secret_key: its secret.
        method: of the request, upper case.
        path: of the URL, not percent-encoded.
        headers: at least `Host` (as sent) and `x-bce-date`.
        query: parameters of the URL, not percent-encoded.
        signed: names of the headers to sign; None: host, content-*, and every x-bce-*.
        expires: seconds for which the signature is good, from the date.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    names = {n for n in lower if n in _SIGNED or n.startswith("x-bce-")}
    if signed is not None:
        names = {name.lower() for name in signed} & lower.keys()
    names = sorted(name for name in names if lower[name] and name != "authorization")
    canonical = "\n".join(
        (
            method,
            quote(path, safe="/~"),
            "&".join(
                sorted(
                    f"{quote(k, safe='~')}={quote(v, safe='~')}"
                    for k, v in (query or {}).items()
                    if k.lower() != "authorization"
                )
            ),
            "\n".join(sorted(f"{quote(n, safe='~')}:{quote(lower[n], safe='~')}" for n in names)),
        )
    )
    prefix = f"bce-auth-v1/{access_key}/{lower['x-bce-date']}/{expires}"
    key = _hmac(secret_key, prefix)  # its hexadecimal text is the next key
    return f"{prefix}/{';'.join(names)}/{_hmac(key, canonical)}"


def _hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
