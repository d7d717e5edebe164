"""The users' door over HTTP, the transcript, and the program."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiogram import Bot

from duihua import cli
from duihua.simulator.telegram import FakeTelegram
from duihua.simulator.telegram.app import serve
from tests.simulator.telegram.test_chats import keyboard


class Hand:
    """What a person, or a test in another language, does."""

    def __init__(self, fake: FakeTelegram, http: aiohttp.ClientSession) -> None:
        self._url, self._http = fake.url, http

    async def do(self, verb: str, **given: Any) -> Any:
        async with self._http.post(f"{self._url}/{verb}", json=given) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body["result"]

    async def wrong(self, verb: str, **given: Any) -> str:
        async with self._http.post(f"{self._url}/{verb}", json=given) as answer:
            assert answer.status == 400
            return (await answer.json())["error"]

    async def see(self, what: str) -> Any:
        async with self._http.get(f"{self._url}/fake/{what}") as answer:
            return await answer.json(content_type=None)


@pytest.fixture
async def hand(fake: FakeTelegram) -> AsyncIterator[Hand]:
    async with aiohttp.ClientSession() as http:
        yield Hand(fake, http)


async def test_a_conversation_by_hand(fake: FakeTelegram, bot: Bot, hand: Hand) -> None:
    said = await hand.do("user/say", user=42, name="Ada", text="hello")
    assert said["from"]["first_name"] == "Ada"
    sent = await bot.send_message(42, "stop?", reply_markup=keyboard("yes"))
    await hand.do("user/press", user=42, message=sent.message_id, button="yes")
    await hand.do("user/edit", user=42, message=said["message_id"], text="hallo")
    await bot.send_message_draft(42, 5, text="I am thi", can_stop=True, keep_on_stop=True)
    seen = await hand.see("chat?id=42")
    assert [m["text"] for m in seen["messages"]] == ["hallo", "stop?"]
    assert seen["drafts"] == [{"draft_id": 5, "thread": None, "text": "I am thi", "frames": 1}]
    await hand.do("user/stop", user=42)
    await hand.do("user/photo", user=42, data="iVBORw0KGgo=", caption="see")
    kinds = [u.event_type for u in await bot.get_updates()]
    assert kinds == ["message", "callback_query", "edited_message", "message"]
    assert (await hand.see("counts"))["calls"]["sendMessage"] == 1
    assert (await hand.see("limits"))[str(fake.bot.id)]["chat"]["peak"] == 2


async def test_groups_faults_and_updates_by_hand(fake: FakeTelegram, bot: Bot, hand: Hand) -> None:
    await hand.do("group/make", chat=-5, title="Friends", members=[1, 2])
    await hand.do("group/promote", chat=-5)
    await hand.do("user/say", user=1, chat=-5, text="hi")
    assert await hand.do("group/migrate", chat=-5) == -1_000_000_000_005
    await hand.do("fake/inject", update={"nonsense": 1})
    assert (await hand.do("fake/fault", kind="error", method="getMe", status=500))["seed"] == 1
    with pytest.raises(Exception, match="Internal Server Error"):
        await bot.get_me()
    assert len(fake.bot.updates) > 4
    assert "there is no group" in await hand.wrong("user/join", user=1, chat=-9)
    assert "users cannot fly" in await hand.wrong("user/fly", user=1)
    assert "is no fault" in await hand.wrong("fake/fault", kind="flood")
    assert "number" in await hand.wrong("fake/fault", kind="limit", times="x")
    assert "number" in await hand.wrong("fake/fault", kind="slow", seconds=None)


async def test_a_file_has_a_name_of_its_own_and_an_album_grows(
    fake: FakeTelegram, bot: Bot, hand: Hand
) -> None:
    sent = await hand.do("user/document", user=42, data="aGk=", name="hi.txt")
    assert (sent["from"]["first_name"], sent["document"]["file_name"]) == ("User 42", "hi.txt")
    (first,) = await hand.do("user/album", user=42, photos=["iVBORw0KGgo="], caption="see")
    (late,) = await hand.do("user/album", user=42, photos=["iVBORw0KGgo="], album=first["media_group_id"])
    assert late["media_group_id"] == first["media_group_id"]


async def test_only_json_is_taken(fake: FakeTelegram) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{fake.url}/user/say", data=b'{"user": 1, "text": "x"}') as answer:
            assert answer.status == 415
        async with http.get(f"{fake.url}/") as answer:
            page = await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http" not in page
    assert "innerHTML" not in page


async def test_the_transcript_tells_all(fake: FakeTelegram, bot: Bot) -> None:
    lines = fake.transcript.lines
    ada = fake.user(42, "Ada")
    ada.say("what is\nthis?\x1b[2J")
    sent = await bot.send_message(42, "one", reply_markup=keyboard("stop"))
    await bot.edit_message_text("one two", chat_id=42, message_id=sent.message_id)
    await bot.delete_message(42, sent.message_id)
    told = [str(line).partition(" ")[2] for line in lines]
    assert told == ["Ada › what is this?", "对话 ‹ one [stop]", "对话 ‹ ✎2 one two", "对话 ‹ ✗2 one two"]
    assert [line.kind for line in fake.transcript.after(2)] == ["edited", "deleted"]


async def test_the_log_is_lines_of_json() -> None:
    file = io.BytesIO()
    async with FakeTelegram(log=file) as fake, aiohttp.ClientSession() as http:
        await http.get(f"{fake.url}/bot{fake.token}/getMe")
        await http.get(f"{fake.url}/bot{fake.token}/getMood")
        lines = [json.loads(line) for line in file.getvalue().splitlines()]
        assert [(line["method"], line["code"]) for line in lines] == [("getMe", 200), ("getMood", 404)]
        assert b"".join(fake.calls.lines()) == file.getvalue()
        assert fake.token not in file.getvalue().decode()


async def test_the_program_prints_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeTelegram()
    program = asyncio.create_task(serve(fake))
    await fake.until(lambda: fake.listening)
    fake.user(42, "Ada").say("hello")
    printed = capsys.readouterr().out
    program.cancel()
    await asyncio.gather(program, return_exceptions=True)
    assert f"TELEGRAM_BOT_TOKEN={fake.token}" in printed
    assert printed.endswith("Ada › hello\n")


def test_the_program_refuses_a_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fake-telegram", "--log", "/nowhere/at/all"]) == 2
    assert "/nowhere/at/all" in capsys.readouterr().err
