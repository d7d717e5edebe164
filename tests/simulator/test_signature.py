from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from duihua.simulator import Simulator
from duihua.simulator.signature import fault

PATH = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant"
NOW = datetime(2016, 4, 28, 3, 50, tzinfo=UTC)
SIGNED = "content-type;host;request_id;x-bce-date"
PLAIN = "6a0f76e3af2b0b4afe1f88bf04b65f4367f8cd2c6dcd777ab85a15d41beef1ab"
WITH_QUERY = "be7274c99dfd583bd923b48159b3e18d1cd42cfe5509644448f1c0bb046388dd"


def check(
    signature: str = PLAIN,
    *,
    method: str = "POST",
    path: str = PATH,
    query: str = "",
    key: str = "AKID",
    secret: str = "SKEY",
    now: datetime = NOW,
    signed: str = SIGNED,
    date: str = "2016-04-28T03:49:33Z",
) -> str:
    headers = {
        "Content-Type": "application/json",
        "Host": "aip.baidubce.com",
        "Request_id": "sdk-py-x",
        "x-bce-date": date,
        "Authorization": f"bce-auth-v1/{key}/2016-04-28T03:49:33Z/300/{signed}/{signature}",
    }
    return fault(method, path, query, headers, {"AKID": secret}, now)


def test_takes_the_published_algorithm() -> None:
    assert check() == ""
    assert check(signed="x-bce-date;request_id;host;content-type") == ""
    assert check(WITH_QUERY, query="z=1%2F2&a%20b=%E4%B8%AD%20%E6%96%87") == ""


@pytest.mark.parametrize(
    ("tampered", "reason"),
    [
        (lambda: check(WITH_QUERY), "SignatureDoesNotMatch"),
        (lambda: check(query="a=b"), "SignatureDoesNotMatch"),
        (lambda: check(method="GET"), "SignatureDoesNotMatch"),
        (lambda: check(path=PATH + "x"), "SignatureDoesNotMatch"),
        (lambda: check(secret="other"), "SignatureDoesNotMatch"),
        (lambda: check(signed="content-type;x-bce-date"), "SignatureDoesNotMatch"),
        (lambda: check(signed=SIGNED + ";x-missing"), "SignatureDoesNotMatch"),
        (lambda: check("é"), "SignatureDoesNotMatch"),
        (lambda: check(key="OTHER"), "NotFound"),
        (lambda: check(now=NOW + timedelta(seconds=300)), "RequestExpired"),
        (lambda: check(now=NOW - timedelta(hours=1)), "RequestExpired"),
        (lambda: check(date="2016-04-28T03:49:34Z"), "InvalidHTTPAuthHeader"),
        (lambda: check("x/y"), "InvalidHTTPAuthHeader"),
    ],
)
def test_refuses_anything_else(tampered: Callable[[], str], reason: str) -> None:
    assert tampered().startswith(reason)


def test_the_host_must_be_signed() -> None:
    prefix = "bce-auth-v1/AKID/2016-04-28T03:49:33Z/300"
    key = hmac.new(b"SKEY", prefix.encode(), hashlib.sha256).hexdigest()
    canonical = f"POST\n{PATH}\n\nx-bce-date:2016-04-28T03%3A49%3A33Z"
    signature = hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
    assert check(signature, signed="x-bce-date").startswith("SignatureDoesNotMatch")


def sign(simulator: Simulator, method: str, path: str, query: str = "", secret: str = "") -> dict[str, str]:
    """A signature over host and date, made by hand for ASCII paths and queries."""
    keys, host = simulator.keys, simulator.url.removeprefix("http://")
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    prefix = f"bce-auth-v1/{keys.access_key_id}/{date}/300"
    canonical = (
        f"{method}\n{path}\n{query}\nhost:{host.replace(':', '%3A')}\nx-bce-date:{date.replace(':', '%3A')}"
    )
    key = hmac.new((secret or keys.access_key_secret).encode(), prefix.encode(), hashlib.sha256).hexdigest()
    signature = hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
    return {"Host": host, "x-bce-date": date, "Authorization": f"{prefix}/host;x-bce-date/{signature}"}


CHAT = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions"
ASKED = {"messages": [{"role": "user", "content": "你好"}]}


async def test_a_signed_chat_needs_no_token(http: aiohttp.ClientSession) -> None:
    async with Simulator() as simulator:
        async with http.post(simulator.url + CHAT, json=ASKED, headers=sign(simulator, "POST", CHAT)) as r:
            assert "result" in await r.json()
        wrong = sign(simulator, "POST", CHAT, secret="wrong")
        async with http.post(simulator.url + CHAT, json=ASKED, headers=wrong) as r:
            body = await r.json()
            assert (body["error_code"], body["error_msg"]) == (14, "IAM Certification failed")


async def test_lists_services_to_a_signed_request(http: aiohttp.ClientSession) -> None:
    path = "/wenxinworkshop/service/list"
    async with Simulator() as simulator:
        async with http.post(simulator.url + path, json={}, headers=sign(simulator, "POST", path)) as r:
            result = (await r.json())["result"]
        assert {"name": "ERNIE-Speed-8K", "apiType": "chat"}.items() <= next(
            s for s in result["common"] if s["url"].endswith("/chat/ernie_speed")
        ).items()
        assert len(result["custom"]) == 1
        async with http.post(simulator.url + path, json={}) as r:
            assert r.status == 403
            assert r.headers["X-Bce-Error-Code"] == "InvalidHTTPAuthHeader"


async def test_makes_a_bearer_that_opens_v2(http: aiohttp.ClientSession) -> None:
    path, query = "/v1/BCE-BEARER/token", "expireInSeconds=600"
    async with Simulator() as simulator:
        async with http.get(
            f"{simulator.url}{path}?{query}", headers=sign(simulator, "GET", path, query)
        ) as r:
            body = await r.json()
        began, ends = (datetime.fromisoformat(body[k]) for k in ("createTime", "expireTime"))
        assert ends - began == timedelta(seconds=600)
        headers = {"Authorization": f"Bearer {body['token']}"}
        asked = {"model": "ernie-3.5-8k", "messages": [{"role": "user", "content": "!expire"}]}
        url = f"{simulator.qianfan_v2_url}/chat/completions"
        async with http.get(f"{simulator.qianfan_v2_url}/models", headers=headers) as r:
            assert r.status == 200
        for _ in range(2):  # expired by the fault, and then really so
            async with http.post(url, json=asked, headers=headers) as r:
                assert r.status == 401
        async with http.get(f"{simulator.url}{path}?{query}") as r:
            assert r.status == 403
