"""Texts: what Telegram takes, and in which words it refuses."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramUnauthorizedError,
)
from aiogram.methods import SendDice
from aiogram.types import MessageEntity, ReplyParameters

from duihua.simulator.telegram import FakeTelegram, ManualClock, User
from tests.simulator.telegram.conftest import close, connect, refusal


def entity(kind: str, offset: int, length: int, **more: Any) -> MessageEntity:
    return MessageEntity(type=kind, offset=offset, length=length, **more)


async def test_a_text_arrives_as_the_user_sees_it(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await bot.send_message(42, "\n hi 😀 there \n", entities=[entity("bold", 2, 5)])
    message = fake.chat(42).last
    assert (sent.message_id, sent.text, sent.chat.first_name) == (message.id, "hi 😀 there", "Ada")
    assert message.entities == [{"type": "bold", "offset": 0, "length": 5}]
    assert [e.model_dump(exclude_none=True) for e in sent.entities or ()] == message.entities


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "message text is empty"),
        (" \n ", "text must be non-empty"),
        ("字" * 4_097, "message is too long"),
        ("😀" * 2_049, "message is too long"),
    ],
)
async def test_a_text_has_1_to_4096_units(bot: Bot, ada: User, text: str, why: str) -> None:
    assert await refusal(bot.send_message(42, text)) == why


async def test_the_length_is_counted_after_trimming(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    await bot.send_message(42, "x" * 4_096 + "\n\n")
    assert len(fake.chat(42).last.text) == 4_096


@pytest.mark.parametrize(
    ("entities", "why"),
    [
        (
            [("bold", 0, 9)],
            "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 9",
        ),
        ([("bold", 8, 1)], "entity begins after the end of the text at UTF-16 offset 8"),
        ([("bold", 3, 2)], "entity begins in a middle of a UTF-16 symbol at byte offset 6"),
        (
            [("bold", 0, 3)],
            "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 6",
        ),
        (
            [("bold", 0, 2), ("italic", 1, 4)],
            "entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 5",
        ),
        (
            [("pre", 0, 6), ("bold", 0, 2)],
            "can't parse entities: bold at UTF-16 offset 0 can't stand inside pre",
        ),
        (
            [("blockquote", 0, 8), ("blockquote", 0, 2)],
            "can't parse entities: blockquote at UTF-16 offset 0 can't stand inside blockquote",
        ),
        (
            [("bold", 0, 8), ("code", 0, 2)],
            "can't parse entities: code at UTF-16 offset 0 can't stand inside bold",
        ),
        ([("glow", 0, 2)], "can't parse MessageEntity: Unsupported type specified"),
        ([("text_link", 0, 2)], "can't parse MessageEntity: Can't find field \"url\""),
        ([("custom_emoji", 0, 2)], "can't parse MessageEntity: Can't find field \"custom_emoji_id\""),
        ([("italic", 0, 1)] * 101, "ENTITIES_TOO_LONG"),
    ],
)
async def test_a_wrong_entity_is_refused(
    bot: Bot, ada: User, entities: list[tuple[str, int, int]], why: str
) -> None:
    given = [entity(*e) for e in entities]
    assert await refusal(bot.send_message(42, "ab😀cdef"[:2] + "😀cdef", entities=given)) == why


async def test_entities_may_stand_in_each_other(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    given = [
        entity("expandable_blockquote", 0, 9),
        entity("pre", 0, 3, language="python"),
        entity("bold", 4, 5),
        entity("text_link", 4, 3, url="https://example.com/(a)"),
        entity("italic", 4, 2),
    ]
    await bot.send_message(42, "abc defgh", entities=given)
    assert [e["type"] for e in fake.chat(42).last.entities] == [e.type for e in given]


async def test_removed_characters_move_the_entities(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    await bot.send_message(42, "a\r\nb\tc", entities=[entity("bold", 3, 3)])
    assert (fake.chat(42).last.text, fake.chat(42).last.entities[0]["offset"]) == ("a\nb c", 2)


async def test_parse_mode_is_refused_and_noted(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    assert "can't parse entities" in await refusal(bot.send_message(42, "x", parse_mode="HTML"))
    assert fake.calls[-1].parse_mode == "HTML"


async def test_who_may_be_written_to(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    assert await refusal(bot.send_message(43, "x")) == "chat not found"
    fake.user(44, "Silent")
    with pytest.raises(TelegramForbiddenError, match="bot can't initiate conversation with a user"):
        await bot.send_message(44, "x")
    ada.block()
    with pytest.raises(TelegramForbiddenError, match="Forbidden: bot was blocked by the user"):
        await bot.send_message(42, "x")


async def test_a_wrong_token_and_a_missing_method(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    stranger = connect(fake, "700000001:AAnother")
    with pytest.raises(TelegramUnauthorizedError, match="Unauthorized"):
        await stranger.get_me()
    await close(stranger)
    with pytest.raises(TelegramNotFound, match="Not Found: method not found"):
        await bot(SendDice(chat_id=42))


async def test_unknown_fields_are_noted(fake: FakeTelegram, ada: User) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{fake.url}/bot{fake.token}/SENDMESSAGE"
        async with http.post(url, json={"chat_id": 42, "text": "x", "colour": "red"}) as answer:
            assert (await answer.json())["ok"]
    assert fake.calls.unknown == {"sendMessage.colour": 1}


async def test_replies(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    question = ada.say("who is there?")
    sent = await bot.send_message(
        42, "I", reply_parameters=ReplyParameters(message_id=question.id, quote="is there")
    )
    assert sent.reply_to_message
    assert sent.reply_to_message.message_id == question.id
    assert sent.quote
    assert (sent.quote.text, sent.quote.position) == ("is there", 4)
    gone = bot.send_message(42, "x", reply_parameters=ReplyParameters(message_id=99))
    assert await refusal(gone) == "message to be replied not found"
    lenient = ReplyParameters(message_id=99, allow_sending_without_reply=True)
    assert (await bot.send_message(42, "x", reply_parameters=lenient)).reply_to_message is None


async def test_a_chat_without_topics_takes_no_thread(bot: Bot, ada: User) -> None:
    call = bot.send_message(42, "x", message_thread_id=7)
    assert await refusal(call) == "message thread not found"


async def test_editing(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await bot.send_message(42, "one")
    await bot.edit_message_text("two", chat_id=42, message_id=sent.message_id)
    message = fake.chat(42).last
    assert (message.text, message.edits, [v.text for v in message.versions]) == ("two", 1, ["one"])
    same = bot.edit_message_text(" two ", chat_id=42, message_id=sent.message_id)
    assert (await refusal(same)).startswith("message is not modified: specified new message")
    missing = bot.edit_message_text("x", chat_id=42, message_id=99)
    assert await refusal(missing) == "message to edit not found"
    foreign = bot.edit_message_text("x", chat_id=42, message_id=1)
    assert await refusal(foreign) == "message can't be edited"


async def test_deleting(fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock) -> None:
    first, second = await bot.send_message(42, "one"), await bot.send_message(42, "two")
    await bot.delete_message(42, first.message_id)
    assert [m.text for m in fake.chat(42).answers] == ["two"]
    again = bot.delete_message(42, first.message_id)
    assert await refusal(again) == "message to delete not found"
    clock.advance(48 * 3600 + 1)
    late = bot.delete_message(42, second.message_id)
    assert await refusal(late) == "message can't be deleted for everyone"
    await bot.delete_messages(42, [first.message_id, 77])
