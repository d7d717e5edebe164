"""Short-lived tokens signed with a key of the form `id.secret`, Zhipu's older way to prove who asks.

A token is a JWT by HS256. Its times are milliseconds, where JWTs usually have seconds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import orjson
from pydantic import SecretStr

from duihua.errors import ConfigError
from duihua.providers.auth import Headers
from duihua.providers.credentials import TokenSource

LIFETIME = 210.0
"""Seconds for which a token is good."""
_HEADER = {"alg": "HS256", "typ": "JWT", "sign_type": "SIGN"}


class SignedToken:
    """Puts a signed token on each request; makes a new one before the old one ends.

    Args:
        key: `id.secret`.
        clock: Unix time.

    Raises:
        ConfigError: the key is not of that form.
    """

    def __init__(self, key: SecretStr, clock: Callable[[], float] = time.time) -> None:
        id_, dot, secret = key.get_secret_value().strip().partition(".")
        if not (id_ and dot and secret) or "." in secret:
            raise ConfigError(
                "ZHIPU_AUTH=jwt needs a key of the form id.secret, and ZHIPU_API_KEY is none: "
                "set ZHIPU_AUTH=bearer, or copy the whole key",
                "config_zhipu_jwt",
            )
        self._id, self._secret = id_, SecretStr(secret)
        self._clock = clock
        self._tokens = TokenSource(self._sign, clock)

    async def prove(self, method: str, url: str) -> tuple[str, Headers, str]:
        """Adds the header."""
        token = await self._tokens.get()
        return url, [("Authorization", f"Bearer {token}")], token

    async def renew(self, token: str) -> bool:
        """Signs a new one."""
        await self._tokens.renew(token)
        return True

    async def aclose(self) -> None:
        """Ends what is under way."""
        await self._tokens.aclose()

    async def _sign(self) -> tuple[str, float]:
        now = round(self._clock() * 1000)
        payload = {"api_key": self._id, "exp": now + int(LIFETIME * 1000), "timestamp": now}
        return signed(payload, self._secret.get_secret_value()), LIFETIME


def signed(payload: Mapping[str, object], secret: str) -> str:
    """A JWT of `payload`, signed with `secret`."""
    text = b".".join(_base64(orjson.dumps(part)) for part in (_HEADER, payload))
    signature = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return (text + b"." + _base64(signature)).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
