"""Retries, deadlines and closing, through a platform's client on the real wire."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr

from duihua.errors import ProviderError
from duihua.ports import Finish, TextDelta
from duihua.providers import exchange
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.limiter import RateLimiter
from duihua.providers.qianfan_v2 import QianfanV2
from duihua.providers.retry import Retry
from tests.providers.conftest import (
    Clock,
    Wire,
    arrived,
    ask,
    collect,
    event,
    says,
    streams,
    text,
    until_error,
)

DONE = b"data: [DONE]\n\n"
HI = event(id="as-1", model="m", choices=[{"index": 0, "delta": {"content": "hi"}}])
STOP = event(id="as-1", model="m", choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
GOOD = streams(HI, STOP, DONE)


def busy(code: str = "internal_error", status: int = 500, **headers: str) -> object:
    return says({"error": {"code": code, "message": "busy"}}, status, headers=headers)


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> QianfanV2:
    return QianfanV2(transport, BearerKey(SecretStr("k")), base_url=wire.base, line=Line(retry=retry))


async def test_an_answer_streams(chat: QianfanV2, wire: Wire) -> None:
    wire.then(GOOD)
    deltas = await collect(chat.stream(ask()))
    assert text(deltas) == "hi"
    assert isinstance(deltas[-1], Finish)
    assert wire.seen[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "first",
    [
        busy(),
        busy("rpm_rate_limit_exceeded", 429),
        says(b"", 502),
        says({"error": {"code": "internal_error", "message": "x"}}),
        streams(cut=True),
        streams(b": keep-alive\n\n", cut=True),
        streams(b": nothing more\n\n"),
    ],
)
async def test_what_may_help_is_tried_again(chat: QianfanV2, wire: Wire, clock: Clock, first: object) -> None:
    wire.then(first, GOOD)  # type: ignore[arg-type]
    assert text(await collect(chat.stream(ask()))) == "hi"
    assert len(wire.seen) == 2
    assert len(clock.slept) == 1
    assert 1 <= clock.slept[0] <= 2


async def test_three_attempts_in_all_with_growing_waits(chat: QianfanV2, wire: Wire, clock: Clock) -> None:
    wire.then(busy())  # type: ignore[arg-type]
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask()))
    assert caught.value.category == "server"
    assert caught.value.provider == "qianfan-v2"
    assert len(wire.seen) == 3
    assert 1 <= clock.slept[0] <= 2 <= clock.slept[1] <= 3


@pytest.mark.parametrize("code", ["invalid_messages", "account_overdue", "system_unsafe", "tokens_too_long"])
async def test_what_cannot_help_is_not_tried_again(chat: QianfanV2, wire: Wire, code: str) -> None:
    wire.then(busy(code, 400))  # type: ignore[arg-type]
    with pytest.raises(ProviderError):
        await collect(chat.stream(ask()))
    assert len(wire.seen) == 1


async def test_the_wait_that_the_platform_asks_for_is_kept(chat: QianfanV2, wire: Wire, clock: Clock) -> None:
    wire.then(busy("rpm_rate_limit_exceeded", 429, **{"Retry-After": "17"}), GOOD)  # type: ignore[arg-type]
    await collect(chat.stream(ask()))
    assert clock.slept == [17.0]


async def test_the_wait_that_the_platform_asks_for_has_a_cap(
    chat: QianfanV2, wire: Wire, clock: Clock, retry: Retry
) -> None:
    wire.then(busy("rpm_rate_limit_exceeded", 429, **{"Retry-After": "86400"}), GOOD)  # type: ignore[arg-type]
    far, clock.now = 100_000.0, asyncio.get_running_loop().time()
    await collect(chat.stream(ask(seconds=far)))
    assert clock.slept == [retry.cap]


async def test_no_wait_goes_beyond_the_deadline(chat: QianfanV2, wire: Wire, clock: Clock) -> None:
    wire.then(busy("rpm_rate_limit_exceeded", 429, **{"Retry-After": "61"}), GOOD)  # type: ignore[arg-type]
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask(seconds=60)))
    assert caught.value.retry_after == 61
    assert clock.slept == []


@pytest.mark.parametrize(
    "tail", [b"", event(error={"code": "internal_error", "message": "x"}), b"data: {,}\n\n"]
)
async def test_nothing_is_sent_again_after_the_first_delta(chat: QianfanV2, wire: Wire, tail: bytes) -> None:
    wire.then(streams(HI, tail, cut=not tail), GOOD)
    deltas, error = await until_error(chat.stream(ask()))
    assert deltas == [TextDelta("hi")]
    assert error.category in ("network", "server", "truncated")
    assert len(wire.seen) == 1


async def test_a_connection_that_breaks_in_mid_answer_is_a_cut(chat: QianfanV2, wire: Wire) -> None:
    wire.then(streams(HI, cut=True))
    _, error = await until_error(chat.stream(ask()))
    assert error.category == "truncated"
    assert not error.reported


@pytest.mark.parametrize(
    ("answer", "reported"), [(busy("invalid_argument", 400), True), (says(b"", 400), False)]
)
async def test_what_the_platform_says_is_told_from_our_own_words(
    chat: QianfanV2, wire: Wire, answer: object, reported: bool
) -> None:
    wire.then(answer)  # type: ignore[arg-type]
    _, error = await until_error(chat.stream(ask()))
    assert error.reported is reported


async def test_an_end_without_the_end_mark_is_a_cut(chat: QianfanV2, wire: Wire) -> None:
    wire.then(streams(HI))
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask()))
    assert caught.value.category == "truncated"


async def test_a_connection_that_breaks_behind_the_answer_does_no_harm(chat: QianfanV2, wire: Wire) -> None:
    wire.then(streams(HI, STOP, cut=True))
    assert text(await collect(chat.stream(ask()))) == "hi"


async def test_a_platform_that_cannot_be_reached_is_told(
    transport: Transport, retry: Retry, clock: Clock
) -> None:
    chat = QianfanV2(
        transport, BearerKey(SecretStr("k")), base_url="http://127.0.0.1:1/v2", line=Line(retry=retry)
    )
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask()))
    assert (caught.value.category, caught.value.http_status) == ("network", 0)
    assert len(clock.slept) == 2
    assert caught.value.__cause__ is None


async def test_a_silent_platform_is_left_at_the_deadline(chat: QianfanV2, wire: Wire) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(HI)
        await asyncio.sleep(3600)
        return response

    wire.then(never)
    deltas, error = await until_error(chat.stream(ask(seconds=0.1)))
    assert (deltas, error.category) == ([TextDelta("hi")], "timeout")


async def test_a_deadline_that_has_passed_sends_nothing(chat: QianfanV2, wire: Wire) -> None:
    wire.then(GOOD)
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask(seconds=0)))
    assert caught.value.category == "timeout"
    assert wire.seen == []


async def test_leaving_the_answer_closes_its_connection(chat: QianfanV2, wire: Wire) -> None:
    gone = asyncio.Event()

    async def talks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while request.transport is not None and not request.transport.is_closing():
                await response.write(HI)
                await asyncio.sleep(0)
            return response
        except ConnectionError:
            return response
        finally:
            gone.set()

    wire.then(talks)
    async with aclosing(chat.stream(ask())) as stream:  # type: ignore[type-var]
        await anext(stream)
    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_cancelled_reader_closes_the_connection(chat: QianfanV2, wire: Wire) -> None:
    gone = asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.wait((asyncio.create_task(asyncio.sleep(0.001)),))
            return web.Response()
        finally:
            gone.set()

    wire.then(waits)
    task = asyncio.create_task(collect(chat.stream(ask())))
    await arrived(wire)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await gone.wait()


async def test_the_connection_of_a_finished_answer_is_used_again(chat: QianfanV2, wire: Wire) -> None:
    ports: set[object] = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(HI + STOP + DONE)
        for _ in range(20):  # the end of the body comes a little behind the end mark
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    wire.then(handler)
    for _ in range(5):
        await collect(chat.stream(ask()))
    assert len(ports) == 1


async def test_a_body_left_open_behind_the_end_mark_does_not_hold_the_answer(
    chat: QianfanV2, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lingers(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(HI + STOP + DONE)
        await asyncio.sleep(3600)
        return response

    monkeypatch.setattr(exchange, "TAIL_TIMEOUT", 0.01)
    wire.then(lingers)
    assert text(await collect(chat.stream(ask()))) == "hi"


async def test_the_limiter_learns_waits_and_is_told_of_refusals(
    wire: Wire, transport: Transport, clock: Clock, retry: Retry
) -> None:
    rates = RateLimiter(clock=clock, sleep=clock.sleep)
    headers = {"X-RateLimit-Limit-Requests": "2", "x-ratelimit-remaining-requests": "1"}
    chat = QianfanV2(
        transport, BearerKey(SecretStr("k")), base_url=wire.base, line=Line(retry=retry, limiter=rates)
    )
    wire.then(streams(HI, STOP, DONE, headers=headers))
    far, clock.now = 10_000.0, asyncio.get_running_loop().time()
    await collect(chat.stream(ask(seconds=far)))
    await collect(chat.stream(ask(seconds=far)))
    assert sum(clock.slept) > 0
    wire.then(busy("rpm_rate_limit_exceeded", 429, **{"Retry-After": "40"}), GOOD)  # type: ignore[arg-type]
    wire.handlers.pop(0)
    clock.slept.clear()
    await collect(chat.stream(ask(seconds=far)))
    assert sum(clock.slept) >= 40


async def test_a_mock_transport_does_as_well(retry: Retry) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=HI + STOP + DONE)

    chat = QianfanV2(
        httpx.MockTransport(answer),
        BearerKey(SecretStr("k")),
        base_url="http://platform/v2",
        line=Line(retry=retry),
    )
    assert text(await collect(chat.stream(ask()))) == "hi"


async def test_a_huge_line_is_an_error(chat: QianfanV2, wire: Wire) -> None:
    wire.then(streams(*([b"data: " + b"x" * (1 << 20)] * 5)))
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask()))
    assert caught.value.category == "server"


async def test_options_that_are_no_json_are_a_bad_request(chat: QianfanV2, wire: Wire) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask(options={"x": object()})))
    assert caught.value.category == "bad_request"
