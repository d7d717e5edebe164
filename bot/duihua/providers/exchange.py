"""One request to a model and its answer, the same for all platforms: limits, retries, reading, closing.

A platform brings an `Exchange` (how to send, how to read, what can be repaired); `converse` does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import httpx
import orjson

from duihua.errors import ProviderError
from duihua.ports import Delta, Limiter, Request
from duihua.providers.faults import FaultTable, refused, unreachable
from duihua.providers.retry import Retry, loop_time

WRITE_TIMEOUT = 30.0
COUNT_TIMEOUT = 5.0
"""Seconds to wait for what follows a complete answer: the count of tokens, the end mark."""
TAIL_TIMEOUT = 0.25
"""Seconds to wait for the end of a body whose answer is complete, so that its connection is used again."""
ERROR_BODY = 1 << 16

HEADERS = httpx.Headers(
    [
        ("Content-Type", "application/json"),
        ("Accept-Encoding", "identity"),  # streams are read raw
        ("User-Agent", "duihua"),
    ]
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for a connection, for the next words of a stream, for an answer that comes as a whole.

    Some platforms think long before the first word.
    """

    connect: float = 10.0
    silence: float = 60.0
    whole: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a client reaches its platform.

    Attributes:
        limiter: keeps within the platform's rate limits; None: nothing does.
        retry: when and how to try again.
        streaming: False asks for whole answers; the deltas are the same, only fewer.
        timeouts: how long to wait for what.
        owned: the transport is nobody else's: it is closed with the client.
    """

    limiter: Limiter | None = None
    retry: Retry = field(default_factory=Retry)
    streaming: bool = True
    timeouts: Timeouts = Timeouts()
    owned: bool = False


class Answer(Protocol):
    """Reads one answer; synchronous, so that a network read costs one hop.

    `feed` and `close` return deltas, `close` the `Finish` too. `error` is set when the answer tells of one,
    or is cut; everything returned before it stands. `complete`: the model has finished, bookkeeping may
    follow. `done`: nothing more is needed.
    """

    complete: bool
    done: bool
    error: ProviderError | None

    def feed(self, data: bytes) -> list[Delta]:
        """The deltas in `data`."""
        ...

    def close(self) -> list[Delta]:
        """What the end completes."""
        ...


class Exchange(Protocol):
    """One request's state between its attempts."""

    @property
    def key(self) -> str:
        """Whose rate limits count: platform and model."""
        ...

    @property
    def tokens(self) -> int:
        """About how many tokens the request and its answer take."""
        ...

    @property
    def deadline(self) -> float:
        """Loop time."""
        ...

    @property
    def session(self) -> int:
        """Whom it is for: sessions get their turns one after the other, 0 for none."""
        ...

    @property
    def connect(self) -> float:
        """Seconds to wait for a connection."""
        ...

    @property
    def patience(self) -> float:
        """Seconds that the platform may be silent."""
        ...

    @property
    def faults(self) -> FaultTable:
        """The platform's error codes."""
        ...

    async def send(self, timeout: Mapping[str, float | None]) -> httpx.Response:
        """Sends it and returns the opened answer; may raise httpx.HTTPError and ProviderError."""
        ...

    def answer(self, response: httpx.Response) -> Answer:
        """A reader for this answer."""
        ...

    async def recover(self, error: ProviderError) -> bool:
        """Repairs what `error` names (an expired token, a field the model refuses), each at most once.

        True: send again at once; it does not count as an attempt.
        """
        ...


async def converse(exchange: Exchange, limiter: Limiter | None, retry: Retry) -> AsyncIterator[Delta]:
    """The deltas of one answer. Raises ProviderError only; never sends again after the first delta."""
    attempt, shown = 1, False
    while True:
        response: httpx.Response | None = None
        body: AsyncIterator[bytes] | None = None
        try:
            if limiter is not None:
                latest = retry.until(exchange.deadline)
                await limiter.acquire(
                    exchange.key, exchange.tokens, deadline=latest, session=exchange.session
                )
            response = await exchange.send(_timeouts(exchange))
            if limiter is not None:
                _learn(limiter, exchange.key, response)
            if not response.is_success:
                raise await refusal(exchange.faults, response)
            answer, body = exchange.answer(response), _body(response)
            while not answer.done and (data := await _read(body, exchange, answer)):
                for delta in answer.feed(data):
                    shown = True
                    yield delta
                if answer.error:
                    raise answer.error
            last = answer.close()
            if answer.error:
                raise answer.error
            await _drain(body)
            for delta in last:
                shown = True
                yield delta
            return
        except ProviderError as e:
            error = e
        except httpx.HTTPError as e:
            error = unreachable(exchange.faults.provider, e, answered=body is not None)
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()
            if response is not None:
                await response.aclose()
        error.provider = error.provider or exchange.faults.provider
        if shown:
            raise error
        if limiter is not None and error.category == "rate_limited" and error.http_status:
            spent = exchange.faults.spent(error.vendor_code)
            if spent or error.retry_after is not None:
                limiter.exhausted(exchange.key, spent or "requests", error.retry_after)
        if not await exchange.recover(error):
            await retry.pause(attempt, error, exchange.deadline)
            attempt += 1


def patience(request: Request, seconds: float) -> float:
    """How long a platform may be silent: with another model behind, half of the time that is left at most."""
    return min(seconds, max(1.0, (request.deadline - loop_time()) / 2)) if request.hurried else seconds


def _timeouts(exchange: Exchange) -> Mapping[str, float | None]:
    left = exchange.deadline - loop_time()
    if left <= 0:
        raise _late(exchange)
    return {
        "connect": min(exchange.connect, left),
        "read": min(exchange.patience, left),
        "write": min(WRITE_TIMEOUT, left),
        "pool": None,
    }


def _late(exchange: Exchange) -> ProviderError:
    provider = exchange.faults.provider
    return ProviderError(
        "the answer did not come before the deadline", provider=provider, category="timeout", retryable=False
    )


def _body(response: httpx.Response) -> AsyncIterator[bytes]:
    stream = response.stream
    if "content-encoding" not in response.headers and isinstance(stream, httpx.AsyncByteStream):
        return aiter(stream)
    return response.aiter_bytes()


async def _read(body: AsyncIterator[bytes], exchange: Exchange, answer: Answer) -> bytes:
    """The next bytes; none at their end, also when the connection breaks behind a complete answer."""
    left = exchange.deadline - loop_time()
    if answer.complete:
        left = min(left, COUNT_TIMEOUT)
    try:
        if left > exchange.patience:  # the transport's own time limit comes first
            return await anext(body)
        if left <= 0:
            raise TimeoutError
        async with asyncio.timeout(left):
            return await anext(body)
    except StopAsyncIteration:
        return b""
    except TimeoutError:
        if answer.complete:
            return b""
        raise _late(exchange) from None
    except httpx.HTTPError:
        if answer.complete:
            return b""
        raise


async def _drain(body: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(TAIL_TIMEOUT):
            async for _ in body:
                pass


async def refusal(faults: FaultTable, response: httpx.Response) -> ProviderError:
    """The error of an answer with an error status."""
    body = b""
    with contextlib.suppress(httpx.HTTPError):  # the status alone tells enough
        body = await read_all(response, ERROR_BODY)
    return refused(faults, response.status_code, response.headers, body)


async def read_all(response: httpx.Response, limit: int) -> bytes:
    """The body, or its first `limit` bytes and what came with them."""
    body = bytearray()
    async for data in response.aiter_bytes():
        body += data
        if len(body) >= limit:
            break
    return bytes(body)


def post(
    url: str, headers: Iterable[tuple[str, str]], body: bytes, timeout: Mapping[str, float | None]
) -> httpx.Request:
    """A request with a JSON body whose answer may be a stream; `headers` are added to the usual ones."""
    request = httpx.Request(
        "POST", _parsed(url), headers=HEADERS, content=body, extensions={"timeout": dict(timeout)}
    )
    for name, value in headers:
        request.headers[name] = value
    return request


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def members(fields: Mapping[str, Any]) -> bytes:
    """Further fields of a request's body, as the inside of a JSON object. Raises ProviderError."""
    try:
        return orjson.dumps(fields)[1:-1]
    except TypeError as e:
        raise ProviderError(f"an option is no JSON value: {e}", category="bad_request") from None


def _learn(limiter: Limiter, key: str, response: httpx.Response) -> None:
    found = {
        name.decode("ascii", "replace").lower(): value.decode("ascii", "replace")
        for name, value in response.headers.raw
        if name[:12].lower() == b"x-ratelimit-"
    }
    if found:
        limiter.learn(key, found)
