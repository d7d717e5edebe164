from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest

from duihua.simulator.telegram import FakeTelegram, ManualClock, User

_SESSION = (
    AiohttpSession()
)  # each new one loads all certificates, a tenth of a second that none of these uses


def connect(fake: FakeTelegram, token: str = "") -> Bot:
    """A real client of the fake."""
    session = copy.copy(_SESSION)
    session.api = TelegramAPIServer.from_base(fake.url)
    return Bot(token or fake.token, session=session)


async def refusal(call: Any) -> str:
    """Why a call is refused."""
    with pytest.raises(TelegramBadRequest) as caught:
        await call
    return caught.value.message.removeprefix("Bad Request: ")


async def close(bot: Bot) -> None:
    """Without the quarter of a second that aiogram waits for TLS to end."""
    session: Any = bot.session
    if session._session is not None:
        await session._session.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def fake(clock: ManualClock) -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(clock=clock, seed=1) as fake:
        yield fake


@pytest.fixture
async def bot(fake: FakeTelegram) -> AsyncIterator[Bot]:
    bot = connect(fake)
    yield bot
    await close(bot)


@pytest.fixture
def ada(fake: FakeTelegram) -> User:
    """A user who has written to the bot; the update is confirmed."""
    ada = fake.user(42, "Ada", language_code="en")
    ada.say("hello")
    fake.bot.updates.clear()
    return ada
