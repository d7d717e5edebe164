"""The limits on sending, exact on the fake's clock."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramRetryAfter

from duihua.simulator.telegram import FakeTelegram, ManualClock, User


async def test_a_chat_takes_a_short_burst_then_one_a_second(
    fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock
) -> None:
    for text in "abc":
        await bot.send_message(42, text)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(42, "d")
    assert caught.value.retry_after == 3
    clock.advance(2)
    with pytest.raises(TelegramRetryAfter):
        await bot.send_message(42, "d")
    clock.advance(1)
    await bot.send_message(42, "d")
    gauge = fake.bot.budget.gauges.chat
    assert (gauge.peak, gauge.refused, gauge.early) == (3, 2, 1)


async def test_edits_count(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await bot.send_message(42, "a")
    for text in "bc":
        await bot.edit_message_text(text, chat_id=42, message_id=sent.message_id)
    with pytest.raises(TelegramRetryAfter):
        await bot.edit_message_text("d", chat_id=42, message_id=sent.message_id)


async def test_a_group_takes_twenty_a_minute(fake: FakeTelegram, bot: Bot, clock: ManualClock) -> None:
    group = fake.group(members=[fake.user(1), fake.bot])
    for number in range(20):
        await bot.send_message(group.id, str(number))
        clock.advance(1)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(group.id, "20")
    assert caught.value.retry_after == 40
    assert fake.calls[-1].retry_after == 40


async def test_thirty_a_second_in_all(fake: FakeTelegram, bot: Bot, clock: ManualClock) -> None:
    for id_ in range(1, 32):
        fake.user(id_).say("hi")
    for id_ in range(1, 31):
        await bot.send_message(id_, "hi")
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(31, "hi")
    assert caught.value.retry_after == 1
    clock.advance(1)
    await bot.send_message(31, "hi")
    assert fake.bot.budget.gauges.overall.peak == 30


async def test_what_is_refused_for_another_reason_costs_nothing(
    fake: FakeTelegram, bot: Bot, ada: User
) -> None:
    for _ in range(5):
        with pytest.raises(Exception, match="message to edit not found"):
            await bot.edit_message_text("x", chat_id=42, message_id=99)
    assert fake.bot.budget.gauges.chat.peak == 0


async def test_a_burst_counts_until_its_span_is_over(bot: Bot, ada: User, clock: ManualClock) -> None:
    for text in "abc":
        await bot.send_message(42, text)
    clock.advance(2)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(42, "d")
    assert caught.value.retry_after == 1
