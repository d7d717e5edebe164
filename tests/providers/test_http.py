from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from aiohttp import web

from duihua.errors import ConfigError
from duihua.providers import http
from duihua.providers.http import HOSTS, Transport
from tests.providers.conftest import Wire, says, streams

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw(talk: Talk) -> AsyncIterator[int]:
    """A server that speaks whatever `talk` says."""
    open_: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in open_:
        writer.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http.client() as client:
        yield client


def unused_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the request, answers half, then resets the connection."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"how do you do\r\n\r\n")


async def blurt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"how do you do\r\n\r\n")
    await reader.read(100)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("talk", "error"),
    [
        (reset, httpx.ReadError),
        (half, httpx.RemoteProtocolError),
        (hang_up, httpx.RemoteProtocolError),
        (gibberish, httpx.RemoteProtocolError),
    ],
)
async def test_broken_answers_raise_what_httpx_raises(
    client: httpx.AsyncClient, talk: Talk, error: type[Exception]
) -> None:
    async with raw(talk) as port:
        with pytest.raises(error) as ours:
            await client.get(f"http://127.0.0.1:{port}/")
        async with httpx.AsyncClient() as stock:
            with pytest.raises(error) as theirs:
                await stock.get(f"http://127.0.0.1:{port}/")
    assert ours.type is theirs.type is error


async def test_a_refused_connection_is_a_connect_error(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError):
        await client.get(f"http://127.0.0.1:{unused_port()}/")


async def test_tls_where_there_is_none_is_a_connect_error(client: httpx.AsyncClient) -> None:
    async with raw(blurt) as port:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"https://127.0.0.1:{port}/")


async def test_a_silent_server_is_a_read_timeout(client: httpx.AsyncClient) -> None:
    async with raw(silent) as port:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"http://127.0.0.1:{port}/", timeout=httpx.Timeout(5, read=0.05))


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_server_that_does_not_read_is_a_write_timeout(
    client: httpx.AsyncClient, streamed: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(256):
            yield b"x" * (1 << 16)

    async with raw(deaf) as port:
        with pytest.raises(httpx.WriteTimeout):
            await client.post(
                f"http://127.0.0.1:{port}/",
                content=pieces() if streamed else b"x" * (1 << 24),
                timeout=httpx.Timeout(5, write=0.05),
            )


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http+unix://x/y"])
async def test_other_schemes_are_not_supported(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await client.get(url)


async def test_errors_name_no_secret(client: httpx.AsyncClient) -> None:
    async with raw(gibberish) as port:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await client.get(f"http://127.0.0.1:{port}/?access_token=24.abc")
    assert "24.abc" not in str(caught.value)


@pytest.mark.parametrize(
    "target", ["/a%2Fb/%7Ec?q=%e4%b8%ad&r=a%20b&s=~+%2B", "/x?access_token=24.a-b_c~d", "/?a=1&a=2&b="]
)
async def test_urls_arrive_byte_for_byte(client: httpx.AsyncClient, wire: Wire, target: str) -> None:
    wire.then(says({}))
    await client.get(wire.base + target)
    assert wire.seen[0].target == target


async def test_a_user_in_the_url_becomes_a_header(client: httpx.AsyncClient, wire: Wire) -> None:
    wire.then(says({}))
    await client.get(wire.base.replace("//", "//me:pw@"))
    assert wire.seen[0].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("size", [0, 10, http.LARGE, http.LARGE + 1, 3_000_000])
async def test_bodies_of_any_size_arrive_whole(client: httpx.AsyncClient, wire: Wire, size: int) -> None:
    wire.then(says({}))
    body = bytes(i % 251 for i in range(size))
    await client.post(wire.base, content=body)
    assert wire.seen[0].body == body
    assert wire.seen[0].headers.get("Content-Length", "0") == str(size)


async def test_streamed_and_multipart_bodies_arrive(client: httpx.AsyncClient, wire: Wire) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    wire.then(says({}))
    await client.post(wire.base, content=pieces())
    await client.post(wire.base, files={"f": b"content"})
    assert wire.seen[0].body == b"one two"
    assert b"content" in wire.seen[1].body


async def test_cookies_are_not_kept(client: httpx.AsyncClient, wire: Wire) -> None:
    wire.then(says({}, headers={"Set-Cookie": "a=b; Path=/"}))
    await client.get(wire.base)
    await client.get(wire.base)
    assert "Cookie" not in wire.seen[1].headers


async def test_redirects_are_not_followed(client: httpx.AsyncClient, wire: Wire) -> None:
    wire.then(says({}, 302, headers={"Location": "/elsewhere"}))
    assert (await client.get(wire.base)).status_code == 302
    assert len(wire.seen) == 1


async def test_a_connection_is_used_again(client: httpx.AsyncClient, wire: Wire) -> None:
    ports: set[object] = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    wire.then(handler)
    for _ in range(3):
        await client.get(wire.base)
    assert len(ports) == 1


async def test_compressed_answers_are_unpacked_by_httpx(client: httpx.AsyncClient, wire: Wire) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="你好" * 100)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    wire.then(handler)
    answer = await client.get(wire.base)
    assert (answer.text, answer.headers["content-encoding"]) == ("你好" * 100, "gzip")


async def test_leaving_a_stream_closes_its_connection_at_once(client: httpx.AsyncClient, wire: Wire) -> None:
    gone = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        try:
            while True:
                assert request.transport is not None
                if request.transport.is_closing():
                    return response
                await asyncio.sleep(0)
        finally:
            gone.set()

    wire.then(handler)
    async with client.stream("GET", wire.base) as response:
        assert await anext(aiter(response.aiter_raw())) == b"first"
    async with asyncio.timeout(5):
        await gone.wait()


async def test_the_proxy_that_is_given_is_used_but_never_for_loopback(wire: Wire) -> None:
    wire.then(says({"via": "proxy"}))
    async with http.client(proxy=wire.base) as client:
        answer = await client.get("http://platform.example/path?q=1")
    assert answer.json() == {"via": "proxy"}
    assert wire.seen[0].headers["Host"] == "platform.example"
    transport = Transport(proxy="http://proxy:3128")
    for host in ("127.0.0.1", "localhost", "::1", "x.localhost"):
        assert transport.proxy_for("https", host) is None
    assert transport.proxy_for("https", "aip.baidubce.com") == "http://proxy:3128"


async def test_a_proxy_that_is_down_is_a_proxy_error() -> None:
    async with http.client(proxy=f"http://127.0.0.1:{unused_port()}") as client:
        with pytest.raises(httpx.ProxyError):
            await client.get("http://platform.example/")


def test_the_machines_proxy_is_read_once_with_its_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", ".inner.example, direct.example")
    transport = Transport()
    monkeypatch.setenv("https_proxy", "http://proxy:2")
    assert transport.proxy_for("https", "a.example") == "http://proxy:1"
    assert transport.proxy_for("https", "a.inner.example") is None
    assert transport.proxy_for("https", "direct.example") is None
    assert transport.proxy_for("http", "a.example") is None


def test_hosts_without_number_do_not_fill_the_memory() -> None:
    transport = Transport(proxy="http://proxy:1")
    for n in range(3 * HOSTS):
        assert transport.proxy_for("https", f"{n}.example") == "http://proxy:1"
        assert len(transport._routes) <= HOSTS


@pytest.mark.parametrize("proxy", ["socks5://h:1", "h:1"])
def test_a_proxy_of_another_kind_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match="DUIHUA_PROXY"):
        Transport(proxy=proxy)


async def test_certificates_are_checked() -> None:
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED
    transport = Transport()
    assert transport._verify is True


async def test_many_streams_at_once(client: httpx.AsyncClient, wire: Wire) -> None:
    wire.then(streams(b"a", b"b", b"c"))

    async def one() -> bytes:
        return (await client.get(wire.base)).content

    assert await asyncio.gather(*(one() for _ in range(100))) == [b"abc"] * 100


def test_aiohttp_is_imported_with_the_first_request_only() -> None:
    code = "import sys, duihua.providers.http as h; h.client(); sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
