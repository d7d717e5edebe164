"""Puts the program together: the bots' calls, the front end, the voice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from duihua.telegram.api import Api
from duihua.telegram.frontend import Streaming, TelegramFront
from duihua.telegram.governor import Governor, Limits
from duihua.telegram.running import Met, Plan
from duihua.telegram.voice import Languages, Voice

if TYPE_CHECKING:
    from duihua.engine import ChatEngine


class Connections(AiohttpSession):
    """All bots' connections for what they send.

    Args:
        url: of the Bot API.
        proxy: of HTTP, by aiohttp itself.
    """

    def __init__(self, url: str, proxy: str | None = None) -> None:
        super().__init__(api=TelegramAPIServer.from_base(url))
        self._through = proxy

    async def create_session(self) -> aiohttp.ClientSession:
        """The session, made when it is first needed."""
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(**self._connector_init)
            self._session = aiohttp.ClientSession(connector=connector, proxy=self._through)
        return self._session

    async def close(self) -> None:
        """Ends it, without waiting for the other side."""
        if self._session is not None:
            await self._session.close()


@asynccontextmanager
async def fronted(
    engine: ChatEngine,
    bots: Sequence[Met],
    plan: Plan,
    *,
    connections: Connections | None = None,
    limits: Limits | None = None,
    streaming: Streaming = "auto",
) -> AsyncGenerator[tuple[TelegramFront, Voice, Languages]]:
    """The front end of these bots; to be entered before the engine, which sends to the last."""
    session = connections or Connections(plan.url, plan.proxy)
    apis = {
        str(bot.me.id): Api(Bot(bot.token.get_secret_value(), session=session), Governor(limits))
        for bot in bots
    }
    languages = Languages(engine.settings.lang)
    try:
        front = TelegramFront(engine, apis, languages.of, streaming=streaming)
        yield front, Voice(apis), languages
    finally:
        await session.close()
