"""Files that people sent, as bytes. Their URL holds the bot's token: it is made here and goes no further."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any, cast

import aiohttp
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import GetFile

from duihua.errors import UnsupportedInput

log = logging.getLogger(__name__)

LARGEST = 20 << 20
"""Bytes of the largest file that the Bot API hands out."""
SECONDS = 90
"""For one file, with all tries."""
TRIES = 3
PAUSE = 1.0
"""Seconds until the next try."""
_LONGEST_WAIT = 20.0


class _Again(Exception):
    """It may work in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


async def fetched(bot: Bot, file: str, limit: int, *, name: str = "", size: int = 0) -> bytes:
    """The bytes of a file.

    Args:
        bot: who was sent the file.
        file: its id.
        limit: bytes that are taken at most.
        name: what the file is called in errors.
        size: as the message says it, 0 if it does not.

    Raises:
        UnsupportedInput: too_large, not_fetched.
    """
    limit = min(limit, LARGEST)
    if size > limit:
        raise _too_large(name, limit)
    try:
        async with asyncio.timeout(SECONDS):
            for attempt in range(1, TRIES + 1):
                try:
                    return await _once(bot, file, limit, name)
                except _Again as e:
                    if attempt == TRIES or e.seconds > _LONGEST_WAIT:
                        break
                    await asyncio.sleep(e.seconds)
    except TimeoutError:
        log.info("a file took too long")
    raise UnsupportedInput("not_fetched", name=name or "?")


async def _once(bot: Bot, file: str, limit: int, name: str) -> bytes:
    try:
        path = (await bot(GetFile(file_id=file))).file_path
        if path:
            return await _bytes(bot, path, limit, name)
    except TelegramRetryAfter as e:
        raise _Again(e.retry_after) from None
    except (TelegramNetworkError, TelegramServerError, ClientDecodeError) as e:
        log.info("a file was not fetched: %s", type(e).__name__)
        raise _Again(PAUSE) from None
    except TelegramBadRequest as e:
        if "too big" in e.message:
            raise _too_large(name, limit) from None
    except TelegramAPIError as e:
        log.warning("a file was not fetched: %s", type(e).__name__)
    raise UnsupportedInput("not_fetched", name=name or "?")


async def _bytes(bot: Bot, path: str, limit: int, name: str) -> bytes:
    out = bytearray()
    timeout: Any = aiohttp.ClientTimeout(total=SECONDS, sock_read=20)
    stream = bot.session.stream_content(bot.session.api.file_url(bot.token, path), timeout=timeout)
    try:
        async with aclosing(cast("Any", stream)) as chunks:
            async for chunk in chunks:
                out += chunk
                if len(out) > limit:
                    raise _too_large(name, limit)
    except (aiohttp.ClientError, OSError, TimeoutError) as e:  # their texts have the URL
        log.info("a file was not fetched: %s", type(e).__name__)
        raise _Again(PAUSE) from None
    return bytes(out)


def _too_large(name: str, limit: int) -> UnsupportedInput:
    return UnsupportedInput("too_large", name=name or "?", limit=f"{limit >> 20} MB")
