"""Long polling: nothing is lost, nothing makes it deaf for ever, what cannot be helped ends the program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from duihua.errors import StorageError
from duihua.simulator.telegram import FakeTelegram, User
from duihua.telegram.health import Pulse
from duihua.telegram.intake import Deaf, Patience, Poller
from duihua.telegram.raw import BODY, HEAD, apart, kept, kept_as
from duihua.telegram.webhook import Receiver
from duihua.telegram.wire import Wire, WireError
from duihua_storage import SqlStore
from tests.telegram.life import QUICK

SOURCE = "telegram/700000001"
Polling = Callable[..., Any]


@pytest.fixture
async def memory() -> AsyncIterator[SqlStore]:
    store = SqlStore("sqlite+aiosqlite://", upgrade=True)
    await store.open()
    yield store
    await store.aclose()


@pytest.fixture
async def poll(fake: FakeTelegram, memory: SqlStore) -> AsyncIterator[Polling]:
    """`poll(store=..., patience=...)`: a poller at work, as (task, pulse, wire)."""
    running: list[tuple[asyncio.Task[None], Wire]] = []

    def begin(store: Any = memory, patience: Patience = QUICK, url: str = "") -> Any:
        wire, pulse = Wire(SecretStr(fake.token), url or fake.url), Pulse("700000001")
        task = asyncio.create_task(Poller(wire, store, SOURCE, pulse, lambda: None, patience).run())
        running.append((task, wire))
        return task, pulse, wire

    yield begin
    for task, wire in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await wire.aclose()


async def keys(store: SqlStore) -> list[str]:
    return [arrival.key for arrival in await store.arrived(SOURCE)]


class Waits:
    """A store that keeps what arrives only when it is told to, or refuses it."""

    def __init__(self, store: SqlStore, *, refuse: int = 0) -> None:
        self.store, self.refuse = store, refuse
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def arrive(self, source: str, updates: Any) -> int:
        self.asked.set()
        if self.refuse:
            self.refuse -= 1
            raise StorageError("locked")
        await self.go.wait()
        return await self.store.arrive(source, updates)


async def test_telegram_forgets_an_update_only_when_it_is_kept(
    fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling
) -> None:
    store = Waits(memory)
    ada.say("one")
    ada.say("two")
    poll(store)
    await store.asked.wait()
    with pytest.raises(TimeoutError):
        await fake.until(lambda: fake.bot.confirmed, 0.1)
    store.go.set()
    await fake.until(lambda: fake.bot.confirmed == 2)
    assert len(await keys(memory)) == 2


async def test_what_the_store_refuses_comes_again(
    fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling
) -> None:
    store = Waits(memory, refuse=2)
    store.go.set()
    ada.say("one")
    poll(store)
    await fake.until(lambda: fake.bot.confirmed == 1)
    assert len(await keys(memory)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut"},
        {"kind": "lost"},
        {"kind": "garbage"},
        {"kind": "error", "status": 502},
        {"kind": "limit", "retry_after": 0},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_a_fault_is_waited_out(
    fault: dict[str, Any], fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling
) -> None:
    fake.faults.add(method="getUpdates", times=3, **fault)
    ada.say("one")
    _, pulse, _ = poll()
    await fake.until(lambda: fake.bot.confirmed == 1)
    assert len(await keys(memory)) == 1
    assert pulse.well


async def test_it_waits_as_long_as_telegram_asks(
    fake: FakeTelegram, ada: User, poll: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("duihua.telegram.intake.asyncio.sleep", slept)
    fake.faults.add("limit", method="getUpdates", retry_after=17)
    ada.say("one")
    poll()
    await fake.until(lambda: fake.bot.confirmed == 1)
    assert waits[0] == 17


async def test_a_refused_token_ends_it_and_tells(fake: FakeTelegram, ada: User, poll: Polling) -> None:
    task, pulse, _ = poll()
    await fake.until(lambda: fake.bot.waiting)
    fake.bot.logged_out = True
    ada.say("wake up")
    with pytest.raises(Deaf) as why:
        await task
    assert why.value.code == "unauthorized"
    assert not pulse.well
    assert fake.token not in str(why.value) + repr(why.value)


async def test_another_poller_is_borne_for_a_while_only(fake: FakeTelegram, poll: Polling) -> None:
    task, pulse, _ = poll(patience=Patience(pause=0.01, longest=0.02, conflict=0.03))
    other, _, _ = poll(patience=Patience(pause=0.01, longest=0.02, conflict=60))
    with pytest.raises(Deaf) as why:
        await task
    assert (why.value.code, pulse.well) == ("conflict", False)
    assert not other.done()


async def test_a_poller_that_goes_away_is_survived(fake: FakeTelegram, ada: User, poll: Polling) -> None:
    task, pulse, _ = poll(patience=Patience(pause=0.01, longest=0.02, conflict=60))
    await fake.until(lambda: fake.bot.waiting)
    wire = Wire(SecretStr(fake.token), fake.url)
    await wire.call("getUpdates", {"timeout": 0})
    await wire.aclose()
    ada.say("hello")
    await fake.until(lambda: fake.bot.confirmed == 1)
    assert pulse.well
    assert not task.done()


async def test_a_poll_that_hangs_is_ended_with_its_session(
    fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling
) -> None:
    fake.faults.add("slow", method="getUpdates", seconds=600)
    ada.say("one")
    _, _, wire = poll(patience=Patience(pause=0.01, longest=0.02, stuck=0.1))
    await asyncio.sleep(0)
    first = None
    while first is None:
        await asyncio.sleep(0)
        first = wire._session
    await fake.until(lambda: fake.bot.confirmed == 1)
    assert wire._session is not first
    assert len(await keys(memory)) == 1


async def test_an_answer_that_is_spoilt_by_one_update_is_asked_for_in_smaller_pieces(
    memory: SqlStore, poll: Polling
) -> None:
    """Half a surrogate pair, a number as deep as a tower, no number: they are kept as they are."""
    asked: list[int] = []
    third = asyncio.Event()
    odd = b'{"update_id":5,"message":{"text":"\\ud83d"}},{"message":"no number"},[7]'

    async def answer(request: web.Request) -> web.Response:
        fields = await request.json()
        asked.append(fields["limit"])
        if len(asked) == 3:
            third.set()
        if fields["limit"] > 10:
            return web.Response(body=b'{"ok":true,"result":[' + odd + b',{"update_id"')
        if fields.get("offset"):
            await asyncio.Event().wait()
        return web.Response(body=b'{"ok":true,"result":[' + odd + b"]}")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    poll(url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    await third.wait()
    assert asked == [100, 10, 100]
    first, *others = await memory.arrived(SOURCE)
    assert (first.key, first.body) == ("5", b'{"update_id": 5, "message": {"text": "\\ud83d"}}')
    assert all(other.key.startswith("?") for other in others)
    assert len(others) == 2
    await runner.cleanup()


@pytest.mark.parametrize(
    "payload",
    [b"[" * 50_000 + b"]" * 50_000, b"9" * 5000, b'{"text":"a" "update_id":1}', b"9" * (1 << 20)],
    ids=["deep", "long number", "no JSON", "large"],
)
async def test_an_update_that_no_reader_takes_is_put_aside(
    payload: bytes, fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling
) -> None:
    ada.say("before")
    spoilt = fake.inject_bytes(payload)
    ada.say("after")
    _, pulse, _ = poll()
    await fake.until(lambda: fake.bot.confirmed == 3, 3.0)
    bodies = {arrival.key: arrival.body for arrival in await memory.arrived(SOURCE)}
    assert list(bodies) == [str(spoilt - 1), str(spoilt), str(spoilt + 1)]
    whole = b'{"update_id":%d,"message":%s}' % (spoilt, payload)
    assert bodies[str(spoilt)] == (whole if len(whole) <= BODY else whole[:HEAD])
    assert pulse.well


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        (b"<html>", None),
        (b'{"ok":false,"result":[{"update_id":7}]}', None),
        (b'{"ok":true,"result":[{"update_id":7,"message":{"text":"cut o', None),
        (b'{"ok":true,"result":[{"update_id":6,"message":}]}', [None]),
        (b'{"ok":true,"result":[{"update_id":7,"message":{"a":[}},{"update_id":8}]}', [7, 8]),
        (b'{"ok":true,"result":[{"update_id":7777777777777777777777}]}', [None]),
        (rb'{"ok":true,"result":[{"message":"\"update_id\":7,"}]}', [None]),
    ],
    ids=["page", "refusal", "cut", "confirmed", "open", "large", "text"],
)
def test_what_is_no_update_has_no_number(answer: bytes, numbers: list[int | None] | None) -> None:
    pieces = apart(answer)
    assert (pieces and [kept_as(piece, 7)[1] for piece in pieces]) == numbers


async def test_when_nothing_else_could_come_numbers_beyond_sense_are_confirmed(
    fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.telegram.intake.MOST", 2)
    fake.inject({"update_id": 10**18, "message": {}})  # what comes then goes on from there
    poll()
    for text in ("one", "two", "three"):
        ada.say(text)
    await fake.until(lambda: fake.bot.confirmed == 4, 3.0)
    assert len(await keys(memory)) == 4


@pytest.mark.parametrize("number", [b"1" + b"0" * 18, b"1" + b"0" * 24, b"9" * 5_000, b"-5"])
async def test_a_number_beyond_sense_stops_nobody_and_is_not_confirmed(
    number: bytes, fake: FakeTelegram, ada: User, memory: SqlStore, poll: Polling
) -> None:
    bot, last = fake.bot, fake.bot.next_update
    bot._queue(10**30, "message", b'{"update_id":%s,"message":{"text":"odd"}}' % number)
    bot.next_update = last
    _, pulse, _ = poll()
    for text in ("one", "two"):
        seen = bot.confirmed
        ada.say(text)
        await fake.until(lambda seen=seen: bot.confirmed > seen, 3.0)
    assert pulse.well
    *others, odd = sorted(await keys(memory))
    assert odd.startswith("?")  # once, however often it comes
    assert others == [str(last), str(last + 1)]


async def test_the_first_poll_shows_at_once_that_the_bot_hears(fake: FakeTelegram, poll: Polling) -> None:
    _, pulse, _ = poll()
    assert not pulse.well
    await fake.until(lambda: fake.bot.waiting, 3.0)
    assert pulse.well


def test_of_an_update_without_end_the_beginning_is_kept() -> None:
    key, author, body = kept({"update_id": 3, "message": {"text": "x" * 2_000_000, "from": {"id": 9}}})
    assert len(body) == HEAD
    assert (key, author, body) == ("3", "9", body[:HEAD])


async def test_no_token_is_told_by_an_error(fake: FakeTelegram, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "700000001:AASecretOfThisTest"
    wire = Wire(SecretStr(secret), "http://127.0.0.1:1")
    with pytest.raises(WireError) as unreachable:
        await wire.call("getMe")
    refused = Wire(SecretStr(secret), fake.url)
    with pytest.raises(WireError) as unknown:
        await refused.call("getMe")
    told = f"{unreachable.value!r} {unknown.value!r} {wire!r} {refused.__dict__} {caplog.text}"
    assert "AASecretOfThisTest" not in told
    assert unknown.value.code == 401
    await refused.aclose()
    await wire.aclose()


# ---------------------------------------------------------------- webhooks

SECRET = "s3cret_-"
UPDATE = b'{"update_id":11,"message":{"from":{"id":42}}}'


def receiver(store: Any, arrived: Any = lambda: None) -> Receiver:
    return Receiver(store, SOURCE, SecretStr(SECRET), arrived)


async def test_a_webhook_is_answered_when_its_update_is_kept(memory: SqlStore) -> None:
    store, arrived = Waits(memory), asyncio.Event()
    answer = asyncio.create_task(
        receiver(store, arrived.set).handle({"X-Telegram-Bot-Api-Secret-Token": SECRET}, UPDATE)
    )
    await store.asked.wait()
    assert not answer.done()
    store.go.set()
    assert await answer == 200
    assert arrived.is_set()
    assert await keys(memory) == ["11"]


async def test_a_webhook_that_comes_twice_is_kept_once(memory: SqlStore) -> None:
    arrived: list[int] = []
    desk = receiver(memory, lambda: arrived.append(1))
    headers = {"x-telegram-bot-api-secret-token": SECRET}
    assert [await desk.handle(headers, UPDATE) for _ in range(2)] == [200, 200]
    assert (await keys(memory), arrived) == (["11"], [1])


@pytest.mark.parametrize("given", ["", "wrong", "sécret", "\udce9\udcff", "\ud83d", SECRET + "x"])
async def test_what_telegram_did_not_send_is_refused(given: str, memory: SqlStore) -> None:
    headers = {"X-Telegram-Bot-Api-Secret-Token": given} if given else {}
    assert await receiver(memory).handle(headers, UPDATE) == 403
    assert await keys(memory) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b'{"update_id":"x"}', b"\xff", b"[" * 100_000, b"1" * (1 << 20) + b"1"],
    ids=["empty", "text", "list", "number", "bytes", "deep", "large"],
)
async def test_garbage_is_dropped_so_that_it_does_not_come_again(
    body: bytes, memory: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert await receiver(memory).handle({"X-Telegram-Bot-Api-Secret-Token": SECRET}, body) == 200
    assert await keys(memory) == []
    assert "dropped" in caplog.text


async def test_what_cannot_be_kept_now_is_to_come_again(memory: SqlStore) -> None:
    store = Waits(memory, refuse=1)
    assert await receiver(store).handle({"X-Telegram-Bot-Api-Secret-Token": SECRET}, UPDATE) == 503
