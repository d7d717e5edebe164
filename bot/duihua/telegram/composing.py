"""Puts the program together: the bots' calls, the front end, the voice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import orjson
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramNetworkError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import TelegramObject

from duihua.telegram.api import Api
from duihua.telegram.chats import Chats
from duihua.telegram.frontend import Richness, Streaming, TelegramFront
from duihua.telegram.governor import Governor, Limits
from duihua.telegram.running import Met, Plan
from duihua.telegram.voice import Languages, Voice
from duihua.telegram.wire import read_json

if TYPE_CHECKING:
    from duihua.engine import ChatEngine


_ECHO = ("text", "entities", "reply_markup", "link_preview_options")
"""Fields of a message just sent that we know better."""
_DONE = b'{"ok":true,"result":true}'
"""What Telegram answers to a draft: to have that checked costs more than to read it."""
_JSON = {"Content-Type": "application/json"}
_PLAIN = frozenset({"text", "entities", "rich_message"})
"""Fields without files and without defaults of the bot, which may be anywhere else."""


class Connections(AiohttpSession):
    """All bots' connections for what they send.

    Args:
        url: of the Bot API.
        proxy: of HTTP, by aiohttp itself.
    """

    def __init__(self, url: str, proxy: str | None = None) -> None:
        super().__init__(api=TelegramAPIServer.from_base(url), json_loads=_told)
        self._through = proxy
        self._answers: dict[Any, type[Any]] = {}

    async def create_session(self) -> aiohttp.ClientSession:
        """The session, made when it is first needed."""
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(**self._connector_init)
            self._session = aiohttp.ClientSession(
                connector=connector, proxy=self._through, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def make_request(
        self, bot: Bot, method: TelegramMethod[TelegramType], timeout: int | None = None
    ) -> TelegramType:
        """One call, as JSON unless a file goes along: in a form a Chinese text has three times the bytes."""
        body = self._body(bot, method)
        if body is None:
            return await super().make_request(bot, method, timeout)
        session = await self.create_session()
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        limit = aiohttp.ClientTimeout(total=self.timeout if timeout is None else timeout)
        try:
            async with session.post(url, data=body, headers=_JSON, timeout=limit) as reply:
                told = await reply.read()
        except TimeoutError as e:
            raise TelegramNetworkError(method=method, message="Request timeout error") from e
        except aiohttp.ClientError as e:
            raise TelegramNetworkError(method=method, message=f"{type(e).__name__}: {e}") from e
        kind = method.__returning__
        if kind is bool and told == _DONE:
            return cast("TelegramType", True)
        if kind not in self._answers:  # else it is gone with the next garbage, and takes 5 ms to make
            self._answers[kind] = Response[kind]
        content = told.decode("utf-8", "replace")
        response = self.check_response(bot=bot, method=method, status_code=reply.status, content=content)
        return cast("TelegramType", response.result)

    def _body(self, bot: Bot, method: TelegramMethod[Any]) -> bytes | None:
        """None: it cannot be said in JSON."""
        files: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for name, given in vars(method).items():
            if given is None or isinstance(given, str | int):
                value = given
            elif name not in _PLAIN:
                value = self.prepare_value(given, bot, files, _dumps_json=False)
            elif isinstance(given, TelegramObject):
                value = given.model_dump(warnings=False, exclude_none=True)
            else:
                value = given
            if value is not None and value != "":
                fields[name] = value
        try:
            return None if files else orjson.dumps(fields)
        except TypeError:  # half a surrogate pair
            return None

    async def close(self) -> None:
        """Ends it, without waiting for the other side."""
        if self._session is not None:
            await self._session.close()


def _told(content: str) -> Any:
    """What Telegram answers, without what it repeats of ours: to check that costs more than the call."""
    answer = read_json(content)
    if isinstance(answer, dict):
        result = cast("dict[str, Any]", answer).get("result")
        if isinstance(result, dict):
            for name in _ECHO:
                cast("dict[str, Any]", result).pop(name, None)
    return cast("Any", answer)


@asynccontextmanager
async def fronted(
    engine: ChatEngine,
    bots: Sequence[Met],
    plan: Plan,
    *,
    connections: Connections | None = None,
    limits: Limits | None = None,
    streaming: Streaming = "auto",
    rich: Richness = "auto",
) -> AsyncGenerator[tuple[TelegramFront, Voice, Languages, Chats]]:
    """The front end of these bots; to be entered before the engine, which sends to the last."""
    session = connections or Connections(plan.url, plan.proxy)
    apis = {
        str(bot.me.id): Api(Bot(bot.token.get_secret_value(), session=session), Governor(limits))
        for bot in bots
    }
    chats = Chats(engine, apis)
    languages = Languages(engine.settings.lang, chats)
    try:
        front = TelegramFront(engine, apis, languages.of, streaming=streaming, rich=rich, chats=chats)
        yield front, Voice(apis), languages, chats
    finally:
        await session.close()
