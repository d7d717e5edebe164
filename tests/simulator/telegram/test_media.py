"""Files, both ways."""

from __future__ import annotations

import asyncio

import pytest
from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramNetworkError, TelegramRetryAfter
from aiogram.types import BufferedInputFile, InputMediaDocument, InputMediaPhoto, MessageEntity

from duihua.simulator.telegram import FakeTelegram, ManualClock, User
from tests.simulator.telegram.conftest import refusal

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100


def upload(data: bytes, name: str = "a.png") -> BufferedInputFile:
    return BufferedInputFile(data, name)


async def test_a_photo_is_uploaded_and_sent_again_by_its_id(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    bold = MessageEntity(type="bold", offset=0, length=2)
    sent = await bot.send_photo(42, upload(PNG), caption="图片", caption_entities=[bold])
    assert sent.photo
    again = await bot.send_photo(42, sent.photo[-1].file_id)
    assert again.photo
    assert again.photo[-1].file_unique_id == sent.photo[-1].file_unique_id
    message = fake.chat(42).answers[0]
    assert (message.text, message.entities[0]["type"]) == ("图片", "bold")


async def test_what_a_user_sends_can_be_fetched(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    ada.document(b"some text", "notes.txt", caption="see")
    (update,) = await bot.get_updates()
    assert update.message
    assert update.message.document
    file = await bot.get_file(update.message.document.file_id)
    assert file.file_path
    data = await bot.download_file(file.file_path)
    assert data
    assert data.read() == b"some text"


async def test_a_large_file_is_not_offered(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    message = ada.voice(size=21 * 1024 * 1024)
    assert message.media
    assert await refusal(bot.get_file(message.media["voice"]["file_id"])) == "file is too big"
    assert await refusal(bot.get_file("nothing")) == "invalid file_id"


async def test_wrong_files_are_refused(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await bot.send_document(42, upload(b"text", "a.txt"))
    assert sent.document
    assert (
        await refusal(bot.send_photo(42, sent.document.file_id)) == "can't use file of type Document as Photo"
    )
    assert await refusal(bot.send_photo(42, "x")) == "wrong file identifier/HTTP URL specified"
    assert await refusal(bot.send_photo(42, upload(b"no image"))) == "IMAGE_PROCESS_FAILED"
    assert await refusal(bot.send_document(42, upload(b""))) == "file must be non-empty"
    long = bot.send_document(42, upload(b"x"), caption="x" * 1_025)
    assert await refusal(long) == "message caption is too long"


async def test_an_album_counts_its_members(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    album = [InputMediaPhoto(media=upload(PNG), caption="two"), InputMediaPhoto(media=upload(PNG))]
    sent = await bot.send_media_group(42, album)
    assert len({m.media_group_id for m in sent}) == 1
    with pytest.raises(TelegramRetryAfter):
        await bot.send_media_group(42, album)


async def test_an_album_is_of_one_kind(bot: Bot, ada: User) -> None:
    mixed = [InputMediaPhoto(media=upload(PNG)), InputMediaDocument(media=upload(b"x"))]
    assert "can't be mixed" in await refusal(bot.send_media_group(42, mixed))
    assert "2 to 10" in await refusal(bot.send_media_group(42, mixed[:1]))


async def test_a_users_album_comes_as_messages(bot: Bot, ada: User) -> None:
    ada.album([PNG, PNG, PNG], "three")
    got = [u.message for u in await bot.get_updates() if u.message]
    assert [m.caption for m in got] == ["three", None, None]
    assert len({m.media_group_id for m in got}) == 1


# ---------------------------------------------------------------- faults


async def test_a_cut_call_is_not_carried_out(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    fake.faults.add("cut", method="sendMessage", nth=2)
    await bot.send_message(42, "one")
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(42, "two")
    assert [m.text for m in fake.chat(42).answers] == ["one"]
    assert (fake.calls[-1].code, fake.calls[-1].done, fake.calls[-1].fault) == (0, False, "cut")


async def test_a_lost_answer_was_carried_out(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    fake.faults.add("lost", method="sendMessage", chat=42)
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(42, "one")
    assert [m.text for m in fake.chat(42).answers] == ["one"]
    assert (fake.calls[-1].code, fake.calls[-1].done) == (0, True)


async def test_a_limit_by_rule_shuts_the_chat(
    fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock
) -> None:
    fake.faults.add("limit", method="sendMessage", retry_after=9)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(42, "one")
    assert caught.value.retry_after == 9
    clock.advance(5)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(42, "one")
    assert caught.value.retry_after == 4
    clock.advance(4)
    await bot.send_message(42, "one")
    assert fake.bot.budget.gauges.chat.early == 1


async def test_a_slow_answer_comes_with_time(
    fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock
) -> None:
    fake.faults.add("slow", method="sendMessage", seconds=20)
    sending = asyncio.create_task(bot.send_message(42, "one"))
    await fake.until(lambda: fake.chat(42).answers)
    clock.advance(19)
    assert not sending.done()
    clock.advance(1)
    assert (await sending).text == "one"


async def test_garbage_and_errors(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    fake.faults.add("garbage", method="sendMessage")
    with pytest.raises(ClientDecodeError):
        await bot.send_message(42, "one")
    fake.faults.add("error", method="sendMessage", status=502)
    with pytest.raises(Exception, match="Bad Gateway"):
        await bot.send_message(42, "two")
    assert [m.text for m in fake.chat(42).answers] == ["one"]


def test_faults_by_chance_come_again_with_their_seed() -> None:
    def hits(seed: int) -> list[bool]:
        faults = FakeTelegram(seed=seed).faults
        faults.add("cut", probability=0.5, times=0)
        return [faults.take("sendmessage", 1) is not None for _ in range(40)]

    assert hits(5) == hits(5)
    assert 5 < sum(hits(5)) < 35
