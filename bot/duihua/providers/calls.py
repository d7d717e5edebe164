"""Requests that are answered by one JSON object, with the same limits, retries and errors as chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import orjson

from duihua.errors import ProviderError
from duihua.ports import Delta, Limiter
from duihua.providers.auth import Auth
from duihua.providers.exchange import HEADERS, Timeouts, converse
from duihua.providers.faults import FaultTable
from duihua.providers.retry import Retry

LARGEST = 64 << 20
"""Bytes of the largest answer: images come as text."""
KNOWN_REFUSALS = frozenset({"rate_limited", "overloaded"})
"""After these, nothing was done: even what must not be done twice may be sent again."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One request; `exchange.Exchange`. The fields are those of `Client.call`."""

    faults: FaultTable
    key: str
    deadline: float
    timeouts: Timeouts
    transport: httpx.AsyncBaseTransport
    auth: Auth
    method: str
    url: str
    expired: Callable[[ProviderError], bool] = lambda error: False
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    tokens: int = 0
    repeatable: bool = True
    session: int = 0
    whole: Whole | None = field(default=None, init=False)
    _token: str = field(default="", init=False, repr=False)
    _renewed: bool = field(default=False, init=False)

    @property
    def patience(self) -> float:
        """Seconds to wait for the answer."""
        return self.timeouts.whole

    @property
    def connect(self) -> float:
        """Seconds to wait for a connection."""
        return self.timeouts.connect

    async def send(self, timeout: Mapping[str, float | None]) -> httpx.Response:
        """Sends it, with a fresh proof of who asks."""
        url, proof, self._token = await self.auth.prove(self.method, self.url)
        request = httpx.Request(
            self.method,
            url,
            headers=HEADERS if self.body else {"User-Agent": "duihua", "Accept-Encoding": "identity"},
            content=self.body or None,
            extensions={"timeout": dict(timeout)},
        )
        for name, value in (*proof, *self.headers):
            request.headers[name] = value
        return await self.transport.handle_async_request(request)

    def answer(self, response: httpx.Response) -> Whole:
        """Reads the JSON object."""
        self.whole = Whole(self.faults, response)
        return self.whole

    async def recover(self, error: ProviderError) -> bool:
        """Renews a refused token, once."""
        if not self.repeatable and error.category not in KNOWN_REFUSALS:
            error.retryable = False
        if self._renewed or not self._token or not self.expired(error):
            return False
        self._renewed = True
        return await self.auth.renew(self._token)


class Whole:
    """Reads an answer that is one JSON object; `exchange.Answer`."""

    def __init__(self, faults: FaultTable, response: httpx.Response) -> None:
        self.complete = self.done = False
        self.error: ProviderError | None = None
        self.body: Mapping[str, Any] = {}
        self._faults, self._response = faults, response
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Delta]:
        """Keeps `data`."""
        self._data += data
        if len(self._data) > LARGEST:
            self.error = ProviderError("the answer is too long", category="server", retryable=False)
        return []

    def close(self) -> list[Delta]:
        """Reads what came."""
        try:
            value: Any = orjson.loads(self._data)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            self.body = cast("dict[str, Any]", value)
            if report := self._faults.report(self.body):
                response = self._response
                self.error = self._faults.error(report, status=response.status_code, headers=response.headers)
        else:
            self.error = ProviderError("the platform's answer is no JSON object", category="server")
        return []


async def fetch(call: Call, limiter: Limiter | None, retry: Retry) -> Mapping[str, Any]:
    """The JSON object that answers. Raises ProviderError only."""
    async for _ in converse(call, limiter, retry):
        pass
    assert call.whole is not None
    return call.whole.body
