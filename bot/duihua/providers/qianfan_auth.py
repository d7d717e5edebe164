"""How Qianfan is told who asks: an OAuth token in the URL, a signature, or a bearer of some hours."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote, urlencode

import httpx
import orjson
from pydantic import SecretStr

from duihua.errors import ProviderError
from duihua.providers.auth import Headers
from duihua.providers.credentials import TokenSource
from duihua.providers.exchange import read_all, refusal
from duihua.providers.faults import FaultTable, Reported, report_in, unreachable
from duihua.providers.signing import authorization, utc_date

TOKEN_PATH = "/oauth/2.0/token"
BEARER_PATH = "/v1/BCE-BEARER/token"
BEARER_LIFE = 43_200
"""Seconds for which a minted bearer is asked for."""
BODY_LIMIT = 4 << 20
AUTH_TIMEOUT: Mapping[str, float | None] = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": None}


class KeyPair:
    """Access key and secret key (IAM): every attempt is signed anew."""

    def __init__(self, access: SecretStr, secret: SecretStr, clock: Callable[[], float] = time.time) -> None:
        self._access, self._secret, self._clock = access, secret, clock

    async def prove(self, method: str, url: str) -> tuple[str, Headers, str]:
        """Signs the request at this moment."""
        return url, self.sign(method, httpx.URL(url)), ""

    def sign(self, method: str, url: httpx.URL) -> Headers:
        """The headers of a signed request, `Host` as it is sent among them."""
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "x-bce-date": utc_date(self._clock()),
        }
        headers["Authorization"] = authorization(
            self._access.get_secret_value(),
            self._secret.get_secret_value(),
            method,
            url.path,
            headers,
            dict(url.params),
        )
        return list(headers.items())

    async def renew(self, token: str) -> bool:
        """There is nothing to replace."""
        return False

    async def aclose(self) -> None:
        """Nothing is open."""


class AccessToken:
    """An OAuth token, got with API key and secret key, as `access_token` in the URL."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        base_url: str,
        api_key: SecretStr,
        secret_key: SecretStr,
        faults: FaultTable,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport, self._url, self._faults = transport, base_url + TOKEN_PATH, faults
        self._api_key, self._secret_key = api_key, secret_key
        self._source = TokenSource(self._fetch, clock)

    async def prove(self, method: str, url: str) -> tuple[str, Headers, str]:
        """Adds the token to the URL."""
        token = await self._source.get()
        return f"{url}?access_token={quote(token, safe='')}", [], token

    async def renew(self, token: str) -> bool:
        """Gets a new token unless that was done since."""
        await self._source.renew(token)
        return True

    async def aclose(self) -> None:
        """Ends a fetch that is under way."""
        await self._source.aclose()

    async def _fetch(self) -> tuple[str, float]:
        query = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": self._api_key.get_secret_value(),
                "client_secret": self._secret_key.get_secret_value(),
            }
        )
        body = await ask_json(self._transport, self._faults, "POST", f"{self._url}?{query}", [])
        token, life = body.get("access_token"), body.get("expires_in")
        if not isinstance(token, str) or not token:
            raise self._faults.error(Reported("", "the token endpoint gave no access_token"))
        return token, float(life) if isinstance(life, (int, float)) and life > 0 else 2_592_000.0


class MintedBearer:
    """A bearer for some hours, made from access key and secret key."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        origin: str,
        keys: KeyPair,
        faults: FaultTable,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport, self._keys, self._faults, self._clock = transport, keys, faults, clock
        self._url = f"{origin}{BEARER_PATH}?expireInSeconds={BEARER_LIFE}"
        self._source = TokenSource(self._fetch, clock)

    async def prove(self, method: str, url: str) -> tuple[str, Headers, str]:
        """Adds the header."""
        token = await self._source.get()
        return url, [("Authorization", f"Bearer {token}")], token

    async def renew(self, token: str) -> bool:
        """Gets a new bearer unless that was done since."""
        await self._source.renew(token)
        return True

    async def aclose(self) -> None:
        """Ends a fetch that is under way."""
        await self._source.aclose()

    async def _fetch(self) -> tuple[str, float]:
        headers = self._keys.sign("GET", httpx.URL(self._url))
        body = await ask_json(self._transport, self._faults, "GET", self._url, headers)
        token = body.get("token")
        if not isinstance(token, str) or not token:
            raise self._faults.error(Reported("", "the bearer endpoint gave no token"))
        return token, self._life(body.get("expireTime"))

    def _life(self, end: Any) -> float:
        try:
            at = datetime.fromisoformat(end) if isinstance(end, str) else None
        except ValueError:
            at = None
        left = at.timestamp() - self._clock() if at is not None and at.tzinfo else 0.0
        return left if left > 0 else float(BEARER_LIFE)


async def ask_json(
    transport: httpx.AsyncBaseTransport,
    faults: FaultTable,
    method: str,
    url: str,
    headers: Headers,
    content: bytes = b"",
) -> Mapping[str, Any]:
    """One small request and its JSON object. Raises ProviderError; it is not tried again here."""
    request = httpx.Request(
        method, url, headers=headers, content=content or None, extensions={"timeout": dict(AUTH_TIMEOUT)}
    )
    try:
        response = await transport.handle_async_request(request)
        try:
            if not response.is_success:
                raise await refusal(faults, response)
            data = await read_all(response, BODY_LIMIT)
        finally:
            await response.aclose()
    except httpx.HTTPError as e:
        error = unreachable(faults.provider, e)
    else:
        return _object(data, faults, response)
    raise error


def _object(data: bytes, faults: FaultTable, response: httpx.Response) -> Mapping[str, Any]:
    try:
        body: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise ProviderError("the platform's answer is no JSON object", provider=faults.provider)
    found = cast("dict[str, Any]", body)
    if report := report_in(found):
        raise faults.error(report, status=response.status_code, headers=response.headers)
    return found
