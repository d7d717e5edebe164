"""Updates: long polling and webhooks."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramConflictError
from aiohttp import web

from duihua.simulator.telegram import FakeTelegram, ManualClock, User


async def test_an_offset_confirms_what_is_before_it(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    for text in ("1", "2", "3"):
        ada.say(text)
    first = await bot.get_updates(limit=2)
    assert [u.message.text for u in first if u.message] == ["1", "2"]
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [u.message.text for u in rest if u.message] == ["3"]
    assert (len(fake.bot.updates), fake.bot.confirmed) == (1, 2)


async def test_a_poll_waits_for_an_update(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await fake.until(lambda: fake.bot.waiting)
    ada.say("now")
    assert [u.message.text for u in await poll if u.message] == ["now"]


async def test_a_poll_ends_with_its_time(fake: FakeTelegram, bot: Bot, clock: ManualClock) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await fake.until(lambda: fake.bot.waiting)
    clock.advance(30)
    assert await poll == []


async def test_a_second_poll_ends_the_first(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await fake.until(lambda: fake.bot.waiting)
    await bot.get_updates()
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request; make sure"):
        await poll


async def test_allowed_updates_are_remembered(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await bot.send_message(42, "react!")
    message = fake.chat(42).messages[sent.message_id]
    ada.react(message, "👍")
    assert await bot.get_updates(allowed_updates=["message_reaction"]) == []
    ada.react(message, "👎")
    ada.say("not wanted")
    assert [u.event_type for u in await bot.get_updates()] == ["message_reaction"]


async def test_any_update_can_be_injected(fake: FakeTelegram, bot: Bot) -> None:
    fake.inject({"message": {"message_id": "no number"}})
    async with aiohttp.ClientSession() as http, http.get(f"{fake.url}/bot{fake.token}/getUpdates") as answer:
        body = await answer.json()
    assert body["result"][0]["message"] == {"message_id": "no number"}


async def test_updates_wait_for_a_day(fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock) -> None:
    ada.say("old")
    clock.advance(24 * 3600 + 1)
    assert await bot.get_updates() == []


async def test_a_webhook_gets_each_update_until_it_takes_it(
    fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock
) -> None:
    seen: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.json()
        seen.append((body["message"]["text"], request.headers["X-Telegram-Bot-Api-Secret-Token"]))
        return web.Response(status=500 if len(seen) == 1 else 200)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await bot.set_webhook(url, secret_token="s3_cret-")
    with pytest.raises(TelegramConflictError, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    ada.say("1")
    ada.say("2")
    await fake.until(lambda: fake.bot.webhook and fake.bot.webhook.error)
    info = await bot.get_webhook_info()
    assert (info.pending_update_count, info.url) == (2, url)
    assert info.last_error_message
    assert "500" in info.last_error_message
    clock.advance(1)
    await fake.until(lambda: not fake.bot.updates)
    assert seen == [("1", "s3_cret-"), ("1", "s3_cret-"), ("2", "s3_cret-")]
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""
    await runner.cleanup()


async def test_a_webhook_gets_what_came_while_it_was_done(
    fake: FakeTelegram, bot: Bot, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ["2"]
    close = aiohttp.ClientSession.close

    async def closing(session: aiohttp.ClientSession) -> None:
        await close(session)
        if late:
            ada.say(late.pop())

    async def take(_: web.Request) -> web.Response:
        return web.Response()

    monkeypatch.setattr(aiohttp.ClientSession, "close", closing)
    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await bot.set_webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/hook")
    ada.say("1")
    await fake.until(lambda: fake.bot.webhook and fake.bot.webhook.delivered == 2, 3.0)
    await runner.cleanup()


async def test_a_webhook_needs_https_and_a_plain_secret(bot: Bot) -> None:
    with pytest.raises(TelegramBadRequest, match="HTTPS URL must be provided for webhook"):
        await bot.set_webhook("http://example.com/hook")
    with pytest.raises(TelegramBadRequest, match="secret token contains unallowed characters"):
        await bot.set_webhook("https://example.com/hook", secret_token="sécret")


async def test_a_poller_that_hung_up_is_no_rival(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=30))
    await fake.until(lambda: fake.bot.waiting)
    poll.cancel()
    await fake.until(lambda: not fake.bot.waiting)
    ada.say("still there?")
    assert len(await bot.get_updates()) == 1
    assert [call.code for call in fake.calls] == [0, 200]
