"""Calls that are answered by one JSON object, over a client of an OpenAI-like platform."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.policy import HTTP
from typing import Any

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr

from duihua.abilities import Completes, Embeds
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError
from duihua.ports import Limits
from duihua.providers import openai_calls
from duihua.providers.auth import BearerKey
from duihua.providers.calls import Call, Whole
from duihua.providers.client import Client
from duihua.providers.exchange import Line
from duihua.providers.faults import FaultTable
from duihua.providers.http import Transport
from duihua.providers.retry import Retry, loop_time
from duihua.providers.zhipu_auth import SignedToken
from tests.providers.conftest import Wire, says

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


class Shop(Client):
    name = "shop"
    faults = FaultTable("shop", {"slow_down": "rate_limited"})

    def dialect(self, model: str) -> ChatDialect:
        return ChatDialect(f"shop/{model}", Limits(None, None), Limits(None, None))


@pytest.fixture
def shop(wire: Wire, transport: Transport, retry: Retry) -> Shop:
    return Shop(transport, BearerKey(SecretStr("k")), base_url=wire.base + "/v1", line=Line(retry=retry))


async def test_embeddings_go_in_batches_and_come_in_order(wire: Wire, shop: Shop) -> None:
    wire.then(
        says(
            {
                "data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}],
                "usage": {"prompt_tokens": 3},
            }
        ),
        says({"data": [{"embedding": [3.5]}]}),
    )
    found = await openai_calls.embed(shop, "m", ["a", "b", "c"], deadline=loop_time() + 5, rows=2)
    assert found.vectors == ((1.0,), (2.0,), (3.5,))
    assert found.usage.input == 3


@pytest.mark.parametrize("data", [[], [{"index": 0}], [{"index": 5, "embedding": [1]}], None])
async def test_vectors_that_are_missing_are_an_error(wire: Wire, shop: Shop, data: Any) -> None:
    wire.then(says({"data": data}))
    with pytest.raises(ProviderError, match="vectors"):
        await openai_calls.embed(shop, "m", ["a"], deadline=loop_time() + 5)


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
async def test_images_come_as_bytes_without_their_prefix(wire: Wire, shop: Shop, prefix: str) -> None:
    data = prefix + base64.b64encode(PNG).decode()
    wire.then(says({"data": [{"url": None, "b64_json": data}, {"url": "https://x/y.png"}], "error": None}))
    drawn = await openai_calls.draw(shop, "m", "a cat", options={}, deadline=loop_time() + 5)
    assert [(p.data, p.url, p.mime) for p in drawn.pictures] == [
        (PNG, "", "image/png"),
        (b"", "https://x/y.png", ""),
    ]


@pytest.mark.parametrize("data", ["é", "猫" * 8, "a", "=", "data:image/png;base64,é"])
async def test_an_image_that_is_no_base64_is_an_error_of_ours(wire: Wire, shop: Shop, data: str) -> None:
    wire.then(says({"data": [{"b64_json": data}]}))
    with pytest.raises(ProviderError, match="no image"):
        await openai_calls.draw(shop, "m", "a cat", options={}, deadline=loop_time() + 5)


async def test_a_refused_drawing_is_tried_again_a_lost_one_is_not(wire: Wire, shop: Shop) -> None:
    slow = says({"error": {"code": "slow_down", "message": "wait"}}, 429)
    wire.then(slow, says({"data": [{"url": "https://x/y.png"}]}))
    assert (await openai_calls.draw(shop, "m", "a", options={}, deadline=loop_time() + 50)).pictures
    wire.handlers[:] = [says({"error": {"message": "oh"}}, 500)]
    with pytest.raises(ProviderError):
        await openai_calls.draw(shop, "m", "a", options={}, deadline=loop_time() + 50)
    assert len(wire.seen) == 3


async def test_what_is_no_json_is_an_error(wire: Wire, shop: Shop) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>")

    wire.then(page, page, page)
    with pytest.raises(ProviderError, match="no JSON object"):
        await openai_calls.list_models(shop, deadline=loop_time() + 50)


async def test_models_are_listed_with_what_servers_tell(wire: Wire, shop: Shop) -> None:
    wire.then(says({"data": [{"id": "a", "max_model_len": 4096}, {"id": "b"}, {"name": "c"}]}))
    listed = await openai_calls.list_models(shop, deadline=loop_time() + 5)
    assert [(m.name, m.context) for m in listed] == [("a", 4096), ("b", None)]


async def test_a_text_is_completed(wire: Wire, shop: Shop) -> None:
    wire.then(says({"choices": [{"text": " world", "finish_reason": "length"}], "model": "m2"}))
    done = await openai_calls.complete(
        shop, "m", "hello", options={"max_tokens": 1}, deadline=loop_time() + 5
    )
    assert (done.text, done.finish, done.model) == (" world", "length", "m2")


async def test_a_recording_goes_as_a_form(wire: Wire, shop: Shop) -> None:
    wire.then(says({"text": "你好", "duration": 1.5}))
    heard = await openai_calls.transcribe(
        shop, "w", b"RIFF\0\r\n--x", name='a"b.wav', mime="audio/wav", language="zh", deadline=loop_time() + 5
    )
    assert (heard.text, heard.seconds) == ("你好", 1.5)
    sent = wire.seen[0]
    head = f"Content-Type: {sent.headers['Content-Type']}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    parts = {
        part.get_param("name", header="Content-Disposition"): part
        for part in message_from_bytes(head + sent.body, policy=HTTP).iter_parts()
    }
    assert [parts[n].get_content() for n in ("model", "language")] == ["w", "zh"]
    assert parts["file"].get_filename() == "ab.wav"
    assert parts["file"].get_payload(decode=True) == b"RIFF\0\r\n--x"


def test_a_client_has_only_the_abilities_it_has(shop: Shop) -> None:
    assert not isinstance(shop, Embeds)
    assert not isinstance(shop, Completes)


async def test_a_request_shows_no_secret_of_its_own(
    wire: Wire, transport: Transport, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback with values, or a careless log line, would show it."""
    shown: list[str] = []
    answer = Call.answer

    def seen(call: Call, response: httpx.Response) -> Whole:
        shown.append(repr(call))
        return answer(call, response)

    monkeypatch.setattr(Call, "answer", seen)
    auth = SignedToken(SecretStr("id.hush"))
    shop = Shop(transport, auth, base_url=wire.base, line=Line(retry=retry))
    wire.then(says({}))
    await shop.call("/x", {"prompt": "xyzzy"}, model="m", deadline=loop_time() + 10, headers=[("K", "plugh")])
    (_, token) = wire.seen[0].headers["Authorization"].split()
    assert shown
    assert not [word for word in (token, "hush", "xyzzy", "plugh") if word in shown[0]]
