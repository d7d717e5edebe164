"""The HTTP clients of skills: each reaches the hosts that its skill declared, at public addresses, no more.

Two checks, because either alone can be led around. The URL of every request, of redirects too, is looked at
before anything is sent. And a connection is opened to an address that was looked at: the sockets themselves
are made by the guard, one for each resolved address, so that a name which resolves to something else the next
time (DNS rebinding) or a number in disguise changes nothing.

An operator may name more: an address in a setting of the skill (`DUIHUA_SKILL_WEATHER_FORECAST_URL`) opens
exactly that scheme, host and port to that skill, be it loopback; `DUIHUA_SKILLS_NETWORKS` counts whole
networks as public. Link-local addresses, where clouds keep their machines' secrets, are never reached.

Through a proxy (`DUIHUA_PROXY`) it is the proxy that resolves names, after the guard has looked at what they
mean here; so the proxy should refuse private addresses as well.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from duihua.errors import ConfigError, SkillError
from duihua.escapes import one_line
from duihua.providers.http import NoCookies, Transport

if TYPE_CHECKING:
    import aiohttp

    from duihua.ports import Skill

log = logging.getLogger(__name__)

LARGEST = 16 * 1024 * 1024
"""Bytes of one answer, unpacked."""
SLOWEST = 30.0
"""Seconds without a byte, whatever a skill asks for; its own `timeout` ends the whole call."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Origin = tuple[str, str, int]
"""Scheme, host and port."""
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host."""

_PORTS = {"http": 80, "https": 443}
_INSIDE = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".onion")
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_GLOBAL = ip_network("2000::/3")  # all that is given out of IPv6
# IANA's registries of special-purpose addresses: Python's own table is as old as Python. What is public
# within them (anycast relays, DNS) is not worth telling apart: no site is there.
_SPECIAL = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4"),
            *("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"),
        ),
    )
)
_METADATA = ip_address("168.63.129.16")  # a cloud's own service at an address that looks public


class Refused(SkillError, httpx.RequestError):
    """A request that a skill may not make, or an answer that is too large. The text says what to do.

    It is an `httpx.RequestError` for skills that handle those, and a `SkillError` for the model else.
    """

    def __init__(self, text: str, request: httpx.Request | None = None) -> None:
        httpx.RequestError.__init__(self, text, request=request)


class Guard:
    """Gives every call of a skill a client of its own; one for all skills of an engine.

    Args:
        proxy: URL of an HTTP proxy; None: the machine's own settings.
        networks: those that count as public.
        resolve: finds the addresses of a host; None: the machine's own resolver.
        largest: bytes of one answer, at most.

    Raises:
        ConfigError: `networks` holds what is none.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        networks: Iterable[str] = (),
        resolve: Resolve | None = None,
        largest: int = LARGEST,
    ) -> None:
        self._proxy, self._networks = proxy, tuple(map(_network, networks))
        self._resolve, self._largest = resolve or _resolved, largest
        self._doors: dict[tuple[str, Reach], _Door] = {}

    def client(self, skill: Skill, settings: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """A client for one call: what it is set to and what it closes is forgotten with it.

        Args:
            skill: whose `hosts` it may reach.
            settings: of the skill, as the operator wrote them.
        """
        reach = Reach(skill.hosts, _origins((settings or {}).values()), self._networks)
        door = self._doors.get((skill.name, reach))  # after a reload it may reach others
        if door is None:
            door = _Door(skill.name, reach, self._proxy, self._resolve, self._largest)
            self._doors[skill.name, reach] = door
        return httpx.AsyncClient(
            transport=_Call(door),
            timeout=httpx.Timeout(SLOWEST, connect=10.0, pool=None),
            headers={"Accept-Encoding": "gzip, deflate"},
            cookies=NoCookies(),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Closes every connection."""
        doors, self._doors = list(self._doors.values()), {}
        for door in doors:
            await door.aclose()


# ---------------------------------------------------------------- what is allowed: pure


@dataclass(frozen=True, slots=True)
class Reach:
    """Where one skill may go: hosts by name, origins that the operator named, networks beside public ones."""

    hosts: tuple[str, ...] = ()
    origins: frozenset[Origin] = frozenset()
    networks: tuple[Network, ...] = ()

    def why_not(self, scheme: str, host: str, port: int, userinfo: bool = False) -> str:
        """Why a request is refused by its URL alone, and what to do; empty: it is not."""
        if scheme not in _PORTS:
            return f"only http and https addresses may be read, not {scheme[:20]!r}"
        if userinfo:
            return "a name or password before '@' in an address is not allowed: leave it out"
        if (scheme, host, port) in self.origins:
            return ""
        if not any(_fits(host, pattern) for pattern in self.hosts):
            declared = ", ".join(self.hosts) or "none"
            return (
                f"the host {host[:100]!r} is not declared by this skill (declared: {declared}); "
                "whoever writes the skill adds it by @skill(hosts=(...,))"
            )
        literal = _literal(host)
        if literal is not None:
            return "" if self.is_open(literal) else f"{host[:100]} is no public address"
        if _is_number(host):
            return f"{host[:100]!r} is an address in disguise: write it as four numbers, or as a name"
        if "." not in host or host.endswith(_INSIDE):
            return f"{host[:100]!r} is a name inside of a private network"
        return ""

    def is_open(self, address: Address, *, named: bool = False) -> bool:
        """Whether a connection may go to the address. `named`: the operator named its very host and port."""
        inner = unwrapped(address)
        if inner.is_link_local or inner.is_multicast or inner == _METADATA:
            return False
        if named or any(inner in net for net in self.networks if net.version == inner.version):
            return not inner.is_unspecified
        return is_public(inner)


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, whatever other address it wraps."""
    inner = unwrapped(address)
    if isinstance(inner, IPv6Address) and inner not in _GLOBAL:
        return False
    return inner != _METADATA and not any(inner in net for net in _SPECIAL if net.version == inner.version)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner if inner is not None else address


def _fits(host: str, pattern: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_number(host: str) -> bool:
    """Whether resolvers may read the host as a number: 2130706433, 0x7f.1, 127.1."""
    return re.fullmatch(r"\d+|0x[0-9a-f]*", host.rpartition(".")[2]) is not None


def _origins(values: Iterable[str]) -> frozenset[Origin]:
    """What an operator names by writing an address into a setting."""
    found: set[Origin] = set()
    for value in values:
        try:
            url = urlsplit(value.strip())
            if url.scheme in _PORTS and url.hostname:
                found.add((url.scheme, url.hostname.rstrip("."), url.port or _PORTS[url.scheme]))
        except ValueError:  # not an address after all
            continue
    return frozenset(found)


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ConfigError(
            f"DUIHUA_SKILLS_NETWORKS: {text} is no network; write one such as 10.0.0.0/8",
            "config_networks",
            text=text,
        ) from None


# ---------------------------------------------------------------- the way out


class _Call(httpx.AsyncBaseTransport):
    """The door of a skill as one call sees it: to close it closes nothing that others use."""

    def __init__(self, door: _Door) -> None:
        self._door = door

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._door.handle_async_request(request)


class _Door(httpx.AsyncBaseTransport):
    """All requests of one skill. Its connections are shared with no other skill."""

    def __init__(self, name: str, reach: Reach, proxy: str | None, resolve: Resolve, largest: int) -> None:
        self._name, self._reach, self._resolve, self._largest = name, reach, resolve, largest
        self._through = Transport(proxy=proxy)
        self._direct = _Direct(reach, resolve)
        self._named = _Direct(reach, resolve, named=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request that is allowed; raises Refused, or what httpx's own transport raises."""
        url = request.url
        scheme, host = url.scheme.lower(), url.raw_host.decode("ascii", "replace").lower().rstrip(".")
        port = url.port or _PORTS.get(scheme, 0)
        if why := self._reach.why_not(scheme, host, port, bool(url.userinfo)):
            raise self._refused(why, request)
        limits = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {
            name: min(limits.get(name) or SLOWEST, SLOWEST) for name in ("connect", "read", "write", "pool")
        }
        named = (scheme, host, port) in self._reach.origins
        if self._through.proxy_for(scheme, host):
            if not named:
                await self._look(host, port, request)
            response = await self._through.handle_async_request(request)
        else:
            response = await self._sent(self._named if named else self._direct, request)
        return self._bounded(response, request)

    async def aclose(self) -> None:
        for transport in (self._through, self._direct, self._named):
            await transport.aclose()

    async def _sent(self, way: _Direct, request: httpx.Request) -> httpx.Response:
        try:
            return await way.handle_async_request(request)
        except httpx.ConnectError as e:
            if NOT_PUBLIC in str(e):
                raise self._refused(f"{request.url.host[:100]} leads to {NOT_PUBLIC}", request) from None
            raise

    async def _look(self, host: str, port: int, request: httpx.Request) -> None:
        """Before a proxy resolves a name: what it means here. Only the proxy may be able to resolve it."""
        try:
            found = await self._resolve(host, port)
        except OSError:
            return
        if not all(self._reach.is_open(ip_address(text.partition("%")[0])) for text in found):
            raise self._refused(f"{host[:100]} leads to {NOT_PUBLIC}", request)

    def _refused(self, why: str, request: httpx.Request) -> Refused:
        log.warning("skill %s was refused a request: %s", self._name, one_line(why, 300))
        return Refused(f"Refused: {why}.", request)

    def _bounded(self, response: httpx.Response, request: httpx.Request) -> httpx.Response:
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise self._refused(f"the answer is packed as {coding[:20]!r}, which nobody asked for", request)
        packed = coding not in ("identity", "")
        gone = ("content-encoding", "content-length") if packed else ()
        stream: Any = response.stream
        return httpx.Response(
            response.status_code,
            headers=[(n, v) for n, v in response.headers.raw if n.decode("latin-1").lower() not in gone],
            stream=_Bounded(stream, self._largest, packed=packed, request=request),
            extensions=response.extensions,
        )


NOT_PUBLIC = (
    "an address that is not public; an operator may open networks by DUIHUA_SKILLS_NETWORKS, "
    "or name the host in a setting of the skill"
)


class _Direct(Transport):
    """Connections without a proxy, to checked addresses. `named`: for the origins that the operator named."""

    def __init__(self, reach: Reach, resolve: Resolve, *, named: bool = False) -> None:
        super().__init__()
        self._reach, self._resolve, self._is_named = reach, resolve, named

    def proxy_for(self, scheme: str, host: str) -> str | None:
        return None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp
        from aiohttp.abc import AbstractResolver, ResolveResult

        resolve = self._resolve

        class Resolver(AbstractResolver):
            async def resolve(
                self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
            ) -> list[ResolveResult]:
                return [_result(host, port, text) for text in await resolve(host, port)]

            async def close(self) -> None:
                pass

        def _result(host: str, port: int, text: str) -> ResolveResult:
            return ResolveResult(
                hostname=host,
                host=text,
                port=port,
                family=socket.AF_INET6 if ":" in text else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )

        connector = aiohttp.TCPConnector(
            limit=0,
            resolver=Resolver(),
            use_dns_cache=False,
            keepalive_timeout=15.0,
            socket_factory=self._socket,
        )
        return self._session_over(connector)

    def _socket(self, info: Any) -> socket.socket:
        """A socket for the address that is connected to next: the last word on it."""
        family, kind, proto, _, place = info
        address = _literal(str(place[0]))  # None: what aiohttp takes for an address, and the system may too
        if address is None or not self._reach.is_open(address, named=self._is_named):
            raise OSError(errno.EACCES, NOT_PUBLIC)
        return socket.socket(family=family, type=kind, proto=proto)


class _Bounded(httpx.AsyncByteStream):
    """A body, unpacked here and cut off where it grows too large."""

    def __init__(
        self, body: httpx.AsyncByteStream, most: int, *, packed: bool, request: httpx.Request
    ) -> None:
        self._body, self._left, self._most, self._request = body, most, most, request
        self._unpack = zlib.decompressobj(wbits=47) if packed else None  # gzip or zlib, by its head
        self._fresh = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            for data in self._unpacked(piece):
                self._left -= len(data)
                if self._left < 0:
                    raise Refused(
                        f"Refused: the answer is larger than {self._most} bytes; ask for less.", self._request
                    )
                yield data
        if self._unpack is not None and not self._fresh and not self._unpack.eof:
            raise httpx.DecodingError("the answer was cut short", request=self._request)

    def _unpacked(self, piece: bytes) -> Iterable[bytes]:
        if self._unpack is None:
            yield piece
            return
        if piece and self._fresh:
            self._fresh = False
            if piece[0] & 15 != 8 and piece[0] != 0x1F:  # "deflate" without the head it should have
                self._unpack = zlib.decompressobj(wbits=-15)
        while piece and not self._unpack.eof:
            try:
                yield self._unpack.decompress(piece, 1 << 16)
            except zlib.error:
                raise httpx.DecodingError("the answer is packed wrongly", request=self._request) from None
            piece = self._unpack.unconsumed_tail

    async def aclose(self) -> None:
        await self._body.aclose()


async def _resolved(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
