"""A token that is fetched, used for a while and fetched again: once for all who need it at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from duihua.errors import ProviderError

Fetch = Callable[[], Awaitable[tuple[str, float]]]
"""Fetches a token; returns it with the seconds for which it is good."""

MARGIN = 3600.0
"""A token is replaced so long before its end, or a tenth of its life if that is shorter (seconds)."""
PAUSE = 60.0
"""Seconds before an early replacement that failed is tried again; the old token still works."""


class TokenSource:
    """Keeps one token fresh.

    Args:
        fetch: gets a new one; raises ProviderError.
        clock: Unix time.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.time) -> None:
        self._fetch, self._clock = fetch, clock
        self._token = ""
        self._renew_at = self._ends_at = 0.0
        self._flight: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """A token that is good as far as its lifetime tells. Near its end a new one is fetched meanwhile."""
        now = self._clock()
        if not self._token or now >= self._ends_at:
            return await self._fly()
        if now >= self._renew_at:
            self._renew_at = now + PAUSE
            self._launch()
        return self._token

    async def renew(self, failed: str) -> None:
        """Replaces the token that the platform refused, unless another one took its place already."""
        if self._token in ("", failed):
            await self._fly()

    async def aclose(self) -> None:
        """Ends a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            with contextlib.suppress(asyncio.CancelledError, ProviderError):
                await self._flight

    async def _fly(self) -> str:
        flight = self._launch()
        await asyncio.wait((flight,))  # whoever leaves does not take the token from those who wait with it
        if flight.cancelled():
            raise ProviderError("the client was closed", category="network", retryable=False)
        return flight.result()

    def _launch(self) -> asyncio.Task[str]:
        if self._flight is None:
            self._flight = asyncio.create_task(self._replace())
            self._flight.add_done_callback(self._landed)
        return self._flight

    async def _replace(self) -> str:
        token, lifetime = await self._fetch()
        now = self._clock()
        self._ends_at = now + lifetime
        self._renew_at = self._ends_at - min(MARGIN, lifetime / 10)
        self._token = token
        return token

    def _landed(self, flight: asyncio.Task[str]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # everyone who waits gets it; if nobody does, it is no news
