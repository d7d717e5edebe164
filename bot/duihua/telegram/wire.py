"""One bot's door to Telegram for what must not depend on anybody's types: raw JSON in, raw JSON out.

It has an HTTP session of its own, so that a long poll never waits behind what is being sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import aiohttp
import orjson
from pydantic import SecretStr
from yarl import URL

from duihua.errors import ConfigError, DuihuaError
from duihua.redact import know, redact

API = "https://api.telegram.org"
"""Telegram's own address."""
LARGEST = 32 * 1024 * 1024
"""Bytes of an answer that are read: a hundred updates are far smaller."""
_SAID = 300  # characters of a refusal that are kept


class WireError(DuihuaError):
    """A call failed. `code`: Telegram's, 0 if there was no answer or none that can be read.

    `retry_after`: seconds that Telegram asks us to wait.
    """

    def __init__(self, message: str, code: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(redact(message)[:_SAID])
        self.code, self.retry_after = code, retry_after


class Unreadable(WireError):
    """Telegram answered, and no JSON reader takes it. `body`: the answer as it came."""

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.body = body


class Wire:
    """Calls methods for one bot. The token stands in the address alone, and that is never told.

    Args:
        token: of the bot.
        url: of the Bot API.
        proxy: of HTTP, for everything.

    Raises:
        ConfigError: the token has no form of one, or the address is none.
    """

    def __init__(self, token: SecretStr, url: str = API, *, proxy: str | None = None) -> None:
        number, _, rest = (secret := token.get_secret_value()).partition(":")
        if not (number.isascii() and number.isdigit() and rest and "/" not in rest and secret.isprintable()):
            raise ConfigError("TELEGRAM_BOT_TOKEN is no bot token", "config_telegram_token")
        try:
            base = URL(url.rstrip("/"))
            if base.scheme not in ("http", "https") or not base.host:
                raise ValueError
        except ValueError:
            raise ConfigError(
                "TELEGRAM_API_URL must be a URL such as https://host",
                "config_url",
                setting="TELEGRAM_API_URL",
            ) from None
        know((secret, rest))
        self.id, self._token, self._base, self._proxy = number, token, base, proxy
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Wire({self.id})"

    async def call(self, method: str, fields: Mapping[str, Any] | None = None, *, timeout: float = 30) -> Any:
        """The result of a method, as plain data.

        Raises:
            Unreadable: it is no JSON, or nested too deep, or has a number too long.
            WireError: there is none.
        """
        status, body = await self._post(method, dict(fields or {}), timeout)
        try:
            answer = read_json(body)
        except (ValueError, RecursionError):
            raise Unreadable(f"{method}: HTTP {status}, and the answer is no JSON", body) from None
        if not isinstance(answer, dict) or "ok" not in answer:
            raise WireError(f"{method}: HTTP {status}, and the answer is none of the Bot API")
        answer = cast("dict[str, Any]", answer)
        if answer["ok"] is True and "result" in answer:
            return answer["result"]
        code, more = answer.get("error_code"), answer.get("parameters")
        wait = cast("dict[str, Any]", more).get("retry_after") if isinstance(more, dict) else 0
        raise WireError(
            f"{method}: {answer.get('description', 'refused')}",
            code if isinstance(code, int) else status,
            float(wait) if isinstance(wait, int | float) else 0.0,
        )

    async def renew(self) -> None:
        """Lets go of every connection; the next call makes new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def aclose(self) -> None:
        """Ends the session."""
        await self.renew()

    async def _post(self, method: str, fields: dict[str, Any], timeout: float) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10))
        address = self._base / f"bot{self._token.get_secret_value()}" / method
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.post(address, json=fields, proxy=self._proxy, allow_redirects=False) as answer,
            ):
                pieces: list[bytes] = []
                room = LARGEST
                async for piece in answer.content.iter_any():
                    pieces.append(piece)
                    room -= len(piece)
                    if room < 0:
                        raise WireError(f"{method}: the answer is larger than {LARGEST} bytes")
                return answer.status, b"".join(pieces)
        except TimeoutError:
            raise WireError(f"{method}: no answer in {timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as e:  # their texts may hold the address
            raise WireError(f"{method}: {type(e).__name__}: {e}") from None


def read_json(body: bytes | str) -> Any:
    """JSON; what orjson refuses (half a surrogate pair) is read slowly: one text must not stop all."""
    try:
        return orjson.loads(body)
    except ValueError:
        return json.loads(body)
