"""Drafts: what streams, and when it vanishes."""

from __future__ import annotations

import asyncio

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramRetryAfter

from duihua.simulator.telegram import FakeTelegram, ManualClock, User
from tests.simulator.telegram.conftest import refusal


async def test_the_same_id_goes_on_and_another_replaces(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    await bot.send_message_draft(42, 7, text="")
    await bot.send_message_draft(42, 7, text="one")
    draft = fake.chat(42).draft(fake.clock.now())
    assert draft
    assert [frame.text for frame in draft.frames] == ["", "one"]
    await bot.send_message_draft(42, 8, text="two")
    assert draft.ended == "replaced"


async def test_a_draft_lives_30_seconds(fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock) -> None:
    await bot.send_message_draft(42, 7, text="one")
    clock.advance(29)
    await bot.send_message_draft(42, 7, text="one")
    clock.advance(29)
    assert fake.chat(42).draft(clock.now())
    clock.advance(1)
    assert fake.chat(42).draft(clock.now()) is None
    assert fake.chat(42).past_drafts[0].ended == "expired"


async def test_any_message_ends_it(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    await bot.send_message_draft(42, 7, text="one")
    ada.say("and another thing")
    assert fake.chat(42).past_drafts[0].ended == "message"


async def test_stop_is_told_when_it_is_listed(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    await bot.get_updates(allowed_updates=["message", "stopped_message_generation"])
    await bot.send_message_draft(42, 7, text="one")
    with pytest.raises(LookupError):
        ada.stop()
    await bot.send_message_draft(42, 7, text="one two", can_stop=True)
    ada.stop()
    (update,) = await bot.get_updates()
    assert update.stopped_message_generation
    assert update.stopped_message_generation.draft_id == 7
    await bot.send_message_draft(42, 7, text="one two three", can_stop=True)
    assert fake.chat(42).draft(fake.clock.now()) is None


async def test_a_stopped_draft_may_stay(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    await bot.send_message_draft(42, 7, text="one", can_stop=True, keep_on_stop=True)
    ada.stop()
    draft = fake.chat(42).draft(fake.clock.now())
    assert draft
    assert draft.stopped


async def test_drafts_are_for_private_chats_with_a_number(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    group = fake.group(members=[ada, fake.bot])
    assert await refusal(bot.send_message_draft(group.id, 7, text="x")) == "TEXTDRAFT_PEER_INVALID"
    assert await refusal(bot.send_message_draft(42, 0, text="x")) == "draft identifier must be non-zero"
    assert await refusal(bot.send_message_draft(42, 7, text="x" * 4_097)) == "message is too long"


async def test_frames_count(bot: Bot, ada: User) -> None:
    for text in "abc":
        await bot.send_message_draft(42, 7, text=text)
    with pytest.raises(TelegramRetryAfter):
        await bot.send_message_draft(42, 7, text="d")


async def test_a_topic_has_a_draft_of_its_own(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    fake.bot.topics = True
    first, second = ada.topic("one"), ada.topic("two")
    await asyncio.gather(
        bot.send_message_draft(42, 7, text="a", message_thread_id=first.id),
        bot.send_message_draft(42, 8, text="b", message_thread_id=second.id),
    )
    ada.say("hi", thread=first.id)
    chat = fake.chat(42)
    assert chat.draft(fake.clock.now(), first.id) is None
    assert chat.draft(fake.clock.now(), second.id)
