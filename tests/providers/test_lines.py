"""From the settings of a platform to its connections: proxy, time-outs, certificates."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from duihua.config import Settings
from duihua.errors import ConfigError, ProviderError
from duihua.providers import registry
from duihua.providers.exchange import Timeouts
from duihua.providers.http import Transport
from duihua.providers.registry import PLATFORMS
from duihua.providers.retry import Retry
from tests.providers.conftest import Wire, ask, collect, says, text

ANSWER = {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
KEY = {"qianfan_bearer_token": "t", "qianfan_api_key": "a", "qianfan_secret_key": "b"}
platforms = pytest.mark.parametrize("name", PLATFORMS)
Serve = Callable[..., Any]


def settings(**values: Any) -> Settings:
    return Settings.load(None, **values)


# ---------------------------------------------------------------- settings


@platforms
def test_every_platform_has_a_proxy_and_time_outs_of_its_own(name: str) -> None:
    prefix = PLATFORMS[name].prefix.lower()
    values = {"proxy": "http://own:1", "timeout": 7.5, "connect_timeout": 2.5}
    found = settings(**{f"{prefix}_{field}": value for field, value in values.items()})
    own = {field: PLATFORMS[name].own(found, field) for field in values}
    assert own["proxy"].get_secret_value() == "http://own:1"
    assert (own["timeout"], own["connect_timeout"]) == (7.5, 2.5)


@pytest.mark.parametrize("name", ["qianfan", "qianfan-v2"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Timeouts()),
        ({"qianfan_timeout": 5}, Timeouts(silence=5)),
        ({"qianfan_timeout": 900}, Timeouts(silence=900, whole=900)),
        ({"qianfan_connect_timeout": 3}, Timeouts(connect=3)),
    ],
)
async def test_the_time_outs_reach_the_line(name: str, values: dict[str, Any], expected: Timeouts) -> None:
    provider: Any = registry.create(name, settings(**KEY, **values))
    assert provider.line.timeouts == expected
    await provider.aclose()


async def test_the_proxy_of_a_platform_goes_before_the_common_one(wire: Wire, retry: Retry) -> None:
    wire.then(says(ANSWER))
    values = settings(
        **KEY,
        stream=False,
        proxy="http://127.0.0.1:9",
        qianfan_proxy=wire.base,
        qianfan_v2_base_url="http://platform.example/v2",
    )
    provider = registry.create("qianfan-v2", values, retry=retry)
    assert text(await collect(provider.stream(ask()))) == "hi"
    assert wire.seen[0].headers["Host"] == "platform.example"
    await provider.aclose()


@pytest.mark.parametrize(
    ("values", "named"),
    [({"qianfan_proxy": "socks5://h:1"}, "QIANFAN_PROXY"), ({"proxy": "socks5://h:1"}, "DUIHUA_PROXY")],
)
def test_a_proxy_of_another_kind_is_named_where_it_was_set(values: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        registry.create("qianfan-v2", settings(**KEY, **values))


# ---------------------------------------------------------------- certificates


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate that is signed with its own key, and that key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    named = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(named, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, private


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """`await serve(host in the certificate)` -> (base URL, certificate, paths that were asked for)."""
    async with AsyncExitStack() as stack:

        async def start(host: str) -> tuple[str, Path, list[str]]:
            asked: list[str] = []

            async def answer(request: web.Request) -> web.StreamResponse:
                asked.append(request.path)
                return web.json_response(ANSWER)

            cert, key = certificate(tmp_path, host)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", answer)
            server = TestServer(app, host="127.0.0.1", scheme="https")
            await server.start_server(ssl=context)
            stack.push_async_callback(server.close)
            return f"https://127.0.0.1:{server.port}/v2", cert, asked

        yield start


async def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Serve, retry: Retry) -> None:
    url, _, asked = await serve("127.0.0.1")
    values = settings(**KEY, stream=False, qianfan_v2_base_url=url)
    provider = registry.create("qianfan-v2", values, retry=retry)
    with pytest.raises(ProviderError) as caught:
        await collect(provider.stream(ask()))
    assert caught.value.category == "network"
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    assert asked == []
    await provider.aclose()


@pytest.mark.parametrize(("host", "accepted"), [("127.0.0.1", True), ("127.0.0.2", False)])
async def test_a_certificate_must_bear_the_servers_name(
    serve: Serve, retry: Retry, host: str, accepted: bool
) -> None:
    url, cert, asked = await serve(host)
    transport = Transport(verify=ssl.create_default_context(cafile=str(cert)))
    values = settings(**KEY, stream=False, qianfan_v2_base_url=url)
    provider = registry.create("qianfan-v2", values, retry=retry, transport=transport)
    if accepted:
        assert text(await collect(provider.stream(ask()))) == "hi"
    else:
        with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED"):
            await collect(provider.stream(ask()))
    assert asked == (["/v2/chat/completions"] if accepted else [])
    await transport.aclose()
