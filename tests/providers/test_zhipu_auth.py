from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from duihua.config import Settings
from duihua.errors import ConfigError
from duihua.providers import registry
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.retry import Retry
from duihua.providers.zhipu import Zhipu
from duihua.providers.zhipu_auth import LIFETIME, SignedToken
from tests.providers.conftest import Clock, Wire, ask, collect, says, text, until_error

KEY = SecretStr("the-id.the-secret")
OK = says({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
EXPIRED = says({"error": {"code": "1003", "message": "expired"}}, 401)


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload of a token whose signature is right."""
    text, _, signature = token.rpartition(".")
    wanted = hmac.new(b"the-secret", text.encode(), hashlib.sha256).digest()
    assert signature == base64.urlsafe_b64encode(wanted).rstrip(b"=").decode()
    header, payload = (orjson.loads(base64.urlsafe_b64decode(p + "==")) for p in text.split("."))
    return header, payload


async def test_a_token_is_signed_and_its_times_are_milliseconds(clock: Clock) -> None:
    url, [(name, value)], token = await SignedToken(KEY, clock).prove("POST", "http://x/y")
    assert (url, name, value) == ("http://x/y", "Authorization", f"Bearer {token}")
    header, payload = opened(token)
    assert header == {"alg": "HS256", "typ": "JWT", "sign_type": "SIGN"}
    assert payload == {"api_key": "the-id", "timestamp": 1_000_000, "exp": 1_210_000}


async def test_a_token_is_used_until_shortly_before_its_end(clock: Clock) -> None:
    auth = SignedToken(KEY, clock)

    async def token() -> str:
        return (await auth.prove("POST", "http://x"))[2]

    first = await token()
    clock.now += LIFETIME * 0.8
    assert await token() == first
    clock.now += LIFETIME * 0.15  # a new one is made while the old one still works
    await token()
    await clock.sleep(0)
    second = await token()
    assert second != first
    await clock.sleep(LIFETIME * 2)
    assert opened(await token())[1]["exp"] > clock.now * 1000


async def test_a_token_that_came_too_late_is_replaced_once(
    wire: Wire, transport: Transport, retry: Retry, clock: Clock
) -> None:
    chat = Zhipu(transport, SignedToken(KEY, clock), base_url=wire.base, line=Line(retry=retry))
    wire.then(EXPIRED, OK)
    clock.now += 1
    assert text(await collect(chat.stream(ask("glm-4.7", options={"stream": False})))) == "hi"
    wire.handlers[:] = [EXPIRED]
    _, error = await until_error(chat.stream(ask("glm-4.7")))
    assert (error.category, len(wire.seen)) == ("auth", 4)


@pytest.mark.parametrize("key", ["nodot", ".secret", "id.", "a.b.c", "."])
def test_a_key_of_another_form_cannot_sign(key: str) -> None:
    settings = Settings.load(None, zhipu_api_key=key, zhipu_auth="jwt")
    with pytest.raises(ConfigError, match="ZHIPU_AUTH=bearer") as caught:
        registry.create("zhipu/glm-4.7", settings)
    assert "nodot" not in str(caught.value)


async def test_any_key_can_be_sent_as_it_is() -> None:
    settings = Settings.load(None, zhipu_api_key="nodot")
    provider = registry.create("zhipu/glm-4.7", settings)
    assert isinstance(provider, Zhipu)
    _, headers, token = await provider.auth.prove("POST", "http://x")
    assert (headers, token) == ([("Authorization", "Bearer nodot")], "")
    await provider.aclose()


def test_secrets_are_in_no_repr() -> None:
    auth = SignedToken(KEY)
    assert not any("the-secret" in repr(value) for value in vars(auth).values())
