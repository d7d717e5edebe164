"""A bot over a real engine, talking to the fake Bot API with a real client."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from duihua import ChatEngine, Settings
from duihua.dialect import ChatDialect
from duihua.ports import Skill
from duihua.simulator.telegram import NO_LIMITS, FakeTelegram, Limits, User
from duihua.telegram.api import Api
from duihua.telegram.frontend import Richness, Streaming, TelegramFront
from duihua.telegram.governor import Governor
from duihua.telegram.governor import Limits as Allowed
from duihua.telegram.place import Place, address_of
from duihua.testing import ScriptedModel
from duihua.testing.scripted import STRICT
from duihua_prompts import Catalogue
from duihua_storage import open_store
from tests.telegram.life import ADA, Life, living

_SESSION = AiohttpSession()  # each new one loads all certificates, a tenth of a second that none uses
FAST = Allowed((1_000, 1.0), (1_000, 1.0), (1_000, 1.0))


class Desk:
    """An engine with one bot; `say` puts a text in as if it had come in."""

    def __init__(
        self, engine: ChatEngine, model: ScriptedModel, fake: FakeTelegram, front: TelegramFront
    ) -> None:
        self.engine, self.model, self.fake, self.front = engine, model, fake, front
        self.bot = int(fake.token.split(":")[0])

    def session(self, chat: int) -> Any:
        return self.engine.session(address_of(self.bot, Place(chat)), name="Ada", external=str(abs(chat)))

    async def say(self, chat: int, text: str) -> Any:
        """Says it and waits until the answer is delivered."""
        reply = await self.session(chat).ask(text)
        await self.engine.deliver()
        return reply

    def texts(self, chat: int) -> list[str]:
        """What the bot's messages in a chat say now."""
        return [m.text for m in self.fake.chat(chat).answers if not m.deleted]


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram(limits=NO_LIMITS, seed=1) as fake:
        yield fake


@pytest.fixture
def allowed() -> Allowed:
    """What the governor lets pass: everything, unless a test wants limits."""
    return FAST


def connect(fake: FakeTelegram) -> Bot:
    session = copy.copy(_SESSION)
    session.api = TelegramAPIServer.from_base(fake.url)
    return Bot(fake.token, session=session)


@pytest.fixture
async def make(
    database_url: str, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """`await make(script, streaming=...)` -> Desk, as often as wanted over the same database."""
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 0.0, "draft": 0.0, "final": 0.0})
    async with AsyncExitStack() as stack:

        async def build(
            script: Any = (),
            *,
            skills: Sequence[Skill] = (),
            dialect: ChatDialect = STRICT,
            streaming: Streaming = "final",
            rich: Richness = "auto",
            limits: Allowed = FAST,
            **settings: Any,
        ) -> Desk:
            model = ScriptedModel(script, dialect)
            settings.setdefault("memory_model", "none")
            engine = ChatEngine(
                "scripted/any",
                skills=skills,
                settings=Settings.load(env_file=None, database_url=database_url, lang="en", **settings),
                store=open_store(database_url, upgrade=True),
                provider={"scripted": model},
            )
            await stack.enter_async_context(engine)
            bot = connect(fake)

            async def close() -> None:
                session: Any = bot.session
                if session._session is not None:  # without the wait for TLS to end, which nobody uses
                    await session._session.close()

            stack.push_async_callback(close)
            words = Catalogue("en")
            front = TelegramFront(
                engine,
                {str(bot.id): Api(bot, Governor(limits))},
                lambda address: words,
                streaming=streaming,
                rich=rich,
            )
            engine.attach(front, live=True)
            return Desk(engine, model, fake, front)

        yield build


@pytest.fixture
def ada(fake: FakeTelegram) -> User:
    """The owner of the bots, who reads English."""
    return fake.user(ADA, "Ada", language_code="en")


@pytest.fixture
async def start(fake: FakeTelegram) -> AsyncIterator[Callable[..., Any]]:
    """`await start(script, **fields)`: the whole program (`Life`), until the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(script: Any = (), **given: Any) -> Life:
            return await stack.enter_async_context(living(fake, script, **given))

        yield begin


__all__ = ["Desk", "Limits", "connect"]
