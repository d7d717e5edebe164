"""Updates that Telegram brings itself. `Receiver.handle` knows no web framework."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping

from pydantic import SecretStr

from duihua.arrivals import ArrivalStore
from duihua.errors import StorageError
from duihua.telegram.intake import ALLOWED
from duihua.telegram.raw import is_update, kept_as
from duihua.telegram.wire import Wire

log = logging.getLogger(__name__)

HEADER = "x-telegram-bot-api-secret-token"
BODY = 1024 * 1024
"""Bytes of a request that are taken."""
CONNECTIONS = 40
"""At the same time, from Telegram."""


def secret_of(token: SecretStr) -> SecretStr:
    """A secret for the webhook of a bot: the same in every process that has the token, and nobody else's."""
    key = token.get_secret_value().encode()
    return SecretStr(hmac.new(key, b"duihua webhook", hashlib.sha256).hexdigest())


async def register(wire: Wire, url: str, secret: SecretStr) -> None:
    """Tells Telegram where to bring the updates.

    Raises:
        WireError: it does not want to.
    """
    await wire.call(
        "setWebhook",
        {
            "url": url,
            "secret_token": secret.get_secret_value(),
            "max_connections": CONNECTIONS,
            "allowed_updates": ALLOWED,
        },
    )


class Receiver:
    """Takes the requests that are meant for one bot.

    Args:
        store: where updates are kept.
        source: of the bot's arrivals.
        secret: that Telegram sends along.
        arrived: called when something new was kept.
    """

    def __init__(
        self, store: ArrivalStore, source: str, secret: SecretStr, arrived: Callable[[], None]
    ) -> None:
        self._store, self._source, self._arrived = store, source, arrived
        self._secret = secret.get_secret_value().encode()

    async def handle(self, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer. 200 means: it is in the database, or nobody can read it.

        `body` may be cut after `BODY` + 1 bytes. What is not ours gets 403, what cannot be kept now 503, so
        that Telegram brings it again.
        """
        given = next((value for name, value in headers.items() if name.lower() == HEADER), "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._secret):
            return 403
        try:
            if len(body) > BODY:
                raise ValueError(f"more than {BODY} bytes")
            if not is_update(body):
                raise ValueError("no update")
        except ValueError as e:
            log.error("%s: a request that is no update was dropped: %s", self._source, e)
            return 200
        try:
            new = await self._store.arrive(self._source, [kept_as(body)[0]])
        except StorageError as e:
            log.warning("%s: an update was not kept: %s", self._source, e)
            return 503
        if new:
            self._arrived()
        return 200
