"""Delivery of updates by webhook: in order, again until the bot says 2xx."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp

from duihua.simulator.telegram.clock import sleep

if TYPE_CHECKING:
    from duihua.simulator.telegram.bots import Bot

Json = dict[str, Any]

LONGEST_PAUSE = 60.0
TIMEOUT = 60.0
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


class Webhook:
    """Posts one bot's updates, one after the other.

    Telegram posts up to `max_connections` at once, and so later ones of other chats may pass one that fails;
    the fake keeps the order. A failed update is sent again after 1, 2, 4 ... 60 seconds of its clock.

    Args:
        bot: whose updates.
        url: where to.
        secret: is sent in a header; empty for none.
        most: `max_connections`, only told back.
        tell: is called after every attempt.
    """

    def __init__(self, bot: Bot, url: str, secret: str, most: int, tell: Callable[[], None]) -> None:
        self.bot, self.url, self.secret, self.most, self._tell = bot, url, secret, most, tell
        self.error, self.failed, self.delivered, self.attempts = "", 0.0, 0, 0
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Starts delivery if something waits and nothing is under way."""
        if self.bot.updates and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._deliver())

    def close(self) -> None:
        """Ends delivery."""
        if self._task is not None:
            self._task.cancel()

    async def _deliver(self) -> None:
        while self.bot.updates:  # again: one may have come while the session was closing
            await self._deliver_all()

    async def _deliver_all(self) -> None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers[SECRET_HEADER] = self.secret
        pause = 1.0
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            while self.bot.updates:
                self.bot.expire()
                done = await self._post(session)
                self._tell()
                if done:
                    pause = 1.0
                    continue
                await sleep(self.bot.clock, pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _post(self, session: aiohttp.ClientSession) -> bool:
        update = self.bot.updates[0]
        self.attempts += 1
        try:
            async with session.post(self.url, data=update.body, allow_redirects=False) as answer:
                await answer.content.read(65_536)
                if 200 <= answer.status < 300:
                    self.delivered += 1
                    self.bot.confirm(update.id + 1)
                    return True
                self.error = f"Wrong response from the webhook: {answer.status} {answer.reason}"
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            self.error = "Read timeout expired" if isinstance(e, TimeoutError) else "Connection refused"
        self.failed = self.bot.clock.now()
        return False
