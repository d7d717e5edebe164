"""`httpx` over aiohttp's connections: httpx's interface and errors, a pool that stays fast when it is busy.

httpx's own pool walks all its connections for every request. This transport gives the same client aiohttp's
connector instead. URLs go out byte for byte as given (signatures depend on it), there are no cookies and no
redirects, and closing a response in mid-stream closes its connection at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
from collections.abc import AsyncIterable, AsyncIterator
from http.cookiejar import CookieJar
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from duihua.errors import ConfigError
from duihua.redact import redact

if TYPE_CHECKING:
    import aiohttp

LARGE = 1 << 16
"""A request body above this size is written piece by piece, each within the write time-out (bytes)."""
HOSTS = 1_000
"""Hosts of which it is kept through which proxy they are reached."""


def client(*, proxy: str | None = None, verify: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    """A client whose connections are opened when first used. Close it with `aclose()`.

    Args:
        proxy: URL of an HTTP proxy; None: the machine's own settings, read here once. Requests to loopback
            never go through a proxy.
        verify: whether and how TLS certificates are checked.

    Raises:
        ConfigError: `proxy` is no URL of an HTTP proxy.
    """
    return httpx.AsyncClient(
        transport=Transport(proxy=proxy, verify=verify),
        timeout=httpx.Timeout(30.0, connect=10.0, pool=None),
        follow_redirects=False,
        cookies=NoCookies(),
        trust_env=False,
    )


class NoCookies(CookieJar):
    """Keeps none and sends none: what one request brings must not go with another."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keeps none."""

    def add_cookie_header(self, request: Any) -> None:
        """Sends none."""


class Transport(httpx.AsyncBaseTransport):
    """Carries httpx requests over one aiohttp session, which is made with the first request.

    `setting` is where the proxy was set, for the error that says it is none.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        keepalive: float = 30.0,
        setting: str = "DUIHUA_PROXY",
    ) -> None:
        if proxy and urlsplit(proxy).scheme not in ("http", "https"):
            raise ConfigError(
                f"{setting} must be the URL of an HTTP proxy: http://host:port",
                "config_proxy",
                setting=setting,
            )
        self._proxies: dict[str, str] = {"all": proxy} if proxy else getproxies()
        self._routes: dict[tuple[str, str], str | None] = {}
        self._verify, self._keepalive = verify, keepalive
        self._session: aiohttp.ClientSession | None = None

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """The proxy for requests to this host, None for a direct connection; worked out once per host."""
        key = (scheme, host)
        if key not in self._routes:
            if len(self._routes) >= HOSTS:  # skills may go to any number of them
                self._routes.clear()
            proxy = self._proxies.get(scheme) or self._proxies.get("all")
            direct = _is_loopback(host) or _is_exempt(host, self._proxies.get("no", ""))
            self._routes[key] = None if direct or not proxy or not proxy.startswith("http") else proxy
        return self._routes[key]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends `request`; raises the errors that httpx's own transport raises."""
        if self._session is None:
            self._session = self._open()
        from multidict import CIMultiDict
        from yarl import URL

        url = request.url
        scheme, host = url.raw_scheme.decode(), url.raw_host.decode()
        authority = f"[{host}]" if ":" in host else host
        port = "" if url.port is None else f":{url.port}"
        headers = CIMultiDict(request.headers.multi_items())
        headers.pop("Transfer-Encoding", None)  # aiohttp sets it, for bodies of unknown length
        try:
            response = await self._session.request(
                request.method,
                URL(f"{scheme}://{authority}{port}{url.raw_path.decode('ascii')}", encoded=True),
                headers=headers,
                data=_body(request),
                allow_redirects=False,
                proxy=self.proxy_for(scheme, host),
                timeout=_timeout(request),
            )
        except Exception as e:
            raise _httpx_error(e, request) from None
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response, request),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (response.reason or "").encode()},
        )

    async def aclose(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        connector = aiohttp.TCPConnector(limit=0, ssl=self._verify, keepalive_timeout=self._keepalive)
        return self._session_over(connector)

    def _session_over(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
        )


class _Body(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """The body of a response, as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response, self._request = response, request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._response.content.readany()
        except Exception as e:
            raise _httpx_error(e, self._request) from None
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _WriteTimedOut(TimeoutError):
    """The peer does not take the request's body."""


def _body(request: httpx.Request) -> Any:
    """What aiohttp sends as the body: bytes when small, else a payload that is written under a time limit."""
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        content = b"".join(stream)
        if len(content) <= LARGE:
            return content or None
        return _payload(_slices(content), request)
    if not isinstance(stream, httpx.AsyncByteStream):
        raise RuntimeError("a synchronous body cannot be sent by an asynchronous client")
    return _payload(stream, request)


async def _slices(content: bytes) -> AsyncIterator[bytes]:
    whole = memoryview(content)
    for at in range(0, len(whole), LARGE):
        yield bytes(whole[at : at + LARGE])


def _payload(source: AsyncIterable[bytes], request: httpx.Request) -> Any:
    import aiohttp

    limit: float | None = request.extensions.get("timeout", {}).get("write")

    class Upload(aiohttp.Payload):  # defined here because aiohttp is imported late
        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            raise TypeError("a streamed body is not text")

        async def write(self, writer: Any) -> None:
            async for piece in source:
                try:
                    async with asyncio.timeout(limit):
                        await writer.write(piece)
                        await writer.drain()
                except TimeoutError:
                    raise _WriteTimedOut("the request could not be written in time") from None

    return Upload(io.BytesIO())


def _timeout(request: httpx.Request) -> Any:
    import aiohttp

    limits = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None, connect=None, sock_connect=limits.get("connect"), sock_read=limits.get("read")
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return False


def _is_exempt(host: str, exempt: str) -> bool:
    """Whether `NO_PROXY`'s list of names and domains has the host."""
    names = (name.strip().lower().lstrip(".") for name in exempt.split(","))
    return any(name == "*" or host == name or host.endswith(f".{name}") for name in names if name)


def _httpx_error(error: Exception, request: httpx.Request) -> Exception:
    """The error of aiohttp as httpx's. Its text may hold the URL, and in it a secret."""
    kind = _kind(error)
    return kind(redact(str(error)) or type(error).__name__, request=request) if kind else error


def _kind(error: Exception) -> type[httpx.TransportError] | None:
    """The httpx error that says the same. After the request may have left it is never a ConnectError."""
    import aiohttp

    match error:
        case _WriteTimedOut():
            return httpx.WriteTimeout
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return httpx.ProxyError
        case aiohttp.ClientConnectorError():  # refused, unknown host, TLS
            return httpx.ConnectError
        case aiohttp.ClientPayloadError() if "ConnectionResetError" in str(error):
            return httpx.ReadError
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol
        case aiohttp.ClientError() if str(error).find("an not write request body") >= 0:
            return httpx.WriteError
        case aiohttp.ClientError() | ConnectionError():
            return httpx.ReadError
        case TimeoutError():
            return httpx.ReadTimeout
        case OSError():
            return httpx.ReadError
        case ValueError():  # a header that cannot be sent
            return httpx.LocalProtocolError
        case _:
            return None
