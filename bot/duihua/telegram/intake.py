"""Long polling: every update stands in the database before Telegram may forget it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson

from duihua.arrivals import ArrivalStore
from duihua.errors import DuihuaError, StorageError
from duihua.telegram.health import Pulse
from duihua.telegram.wire import Unreadable, Wire, WireError

log = logging.getLogger(__name__)

ALLOWED = ("message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation")
"""What Telegram is asked for: all that something is done with."""
MOST = 100
"""Updates of one answer, at most."""
BODY = 1024 * 1024
"""Bytes of an update that are kept."""
UNAUTHORIZED = (401, 404)
"""Codes by which Telegram says that the token is not, or no more, a bot's."""
_UPDATES = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\s*,\s*"result"\s*:\s*\[')
_NUMBER = re.compile(rb'"update_id"\s*:\s*(\d{1,18})\s*[,}]')
_END = re.compile(rb"\}\s*\]\s*\}\s*\Z")

Kept = tuple[str, str, bytes]


class Deaf(DuihuaError):
    """This bot hears nothing, or acts on nothing, and waiting does not help.

    `code` names the sentence that says why.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds.

    Attributes:
        wait: that Telegram may hold an empty poll.
        over: that a poll may take beyond this.
        pause: before the second try; doubled up to `longest`.
        longest: between two tries.
        conflict: that another poller may go on (a restart overlaps) before this process gives up.
        stuck: without a successful poll after which the HTTP session is made anew.
    """

    wait: float = 50.0
    over: float = 10.0
    pause: float = 1.0
    longest: float = 30.0
    conflict: float = 20.0
    stuck: float = 90.0


class Poller:
    """Brings one bot's updates into the store.

    Args:
        wire: the bot's own, used for nothing else.
        store: where they are kept.
        source: of the bot's arrivals.
        pulse: told of every success and failure.
        arrived: called when something new was kept.
        patience: how long to wait for what.
    """

    def __init__(
        self,
        wire: Wire,
        store: ArrivalStore,
        source: str,
        pulse: Pulse,
        arrived: Callable[[], None],
        patience: Patience | None = None,
    ) -> None:
        self._wire, self._store, self._source = wire, store, source
        self._pulse, self._arrived, self._patience = pulse, arrived, patience or Patience()
        self._offset = 0
        self._limit = MOST
        self._heard = False

    async def run(self) -> None:
        """Polls until it is cancelled. The scope of time is the watch: a success moves it on.

        Raises:
            Deaf: the token is refused, or another poller does not go away.
        """
        while True:
            try:
                async with asyncio.timeout(self._patience.stuck) as watch:
                    await self._follow(watch)
            except TimeoutError:
                log.warning(
                    "bot %s: no poll succeeded for %g s: a new session", self._wire.id, self._patience.stuck
                )
                await self._wire.renew()

    async def _follow(self, watch: asyncio.Timeout) -> None:
        loop, failures, conflict = asyncio.get_running_loop(), 0, 0.0
        while True:
            begun = loop.time()
            hold = (
                self._patience.wait if self._heard else 0.0
            )  # the first poll shows at once whether it hears
            try:
                new = await self._once(hold)
            except WireError as e:
                self._pulse.failed(str(e), ill=e.code in (*UNAUTHORIZED, 409))
                if e.code in UNAUTHORIZED:
                    raise Deaf("unauthorized", f"bot {self._wire.id}: {e}") from None
                conflict = (conflict or loop.time()) if e.code == 409 else 0.0
                if conflict and loop.time() - conflict >= self._patience.conflict:
                    raise Deaf("conflict", f"bot {self._wire.id}: {e}") from None
                if e.code == 0:
                    self._limit = max(1, self._limit // 10)  # it may be one update that spoils the answer
                problem, wait = e, e.retry_after
            except StorageError as e:
                self._pulse.failed(str(e))
                problem, wait = e, 0.0
            else:
                conflict, self._limit, self._heard = 0.0, MOST, True
                watch.reschedule(loop.time() + self._patience.stuck)
                self._pulse.succeeded()
                if new:
                    failures = 0
                    continue
                if loop.time() - begun >= hold / 2:
                    continue
                problem, wait = "nothing new came, and at once", 0.0  # never in circles without a breath
            log.warning("bot %s: %s", self._wire.id, problem)
            await asyncio.sleep(max(wait, _pause(self._patience, failures)))
            failures += 1

    async def _once(self, hold: float) -> int:
        """One poll, which Telegram may hold so many seconds; returns how many updates are new."""
        fields: dict[str, Any] = {"timeout": int(hold), "limit": self._limit, "allowed_updates": ALLOWED}
        if self._offset:
            fields["offset"] = self._offset
        try:
            result = await self._wire.call("getUpdates", fields, timeout=hold + self._patience.over)
        except Unreadable as e:
            found = unread(e.body, self._offset) if self._limit == 1 else None
            if found is None:
                raise
            number, body = found
            log.error("update %d cannot be read: it is put aside", number)
            return await self._keep([_bounded(str(number), "", body)], [number])
        if not isinstance(result, list):
            raise WireError("getUpdates: the result is no list")
        # Numbers restart at random after a quiet week: what is behind an empty answer is confirmed already.
        numbers = [n for u in cast("list[Any]", result) if (n := number_of(u)) is not None]
        return await self._keep([kept(update) for update in cast("list[Any]", result)], numbers)

    async def _keep(self, updates: list[Kept], numbers: list[int]) -> int:
        """Only what is kept is confirmed, with the next poll."""
        new = await self._store.arrive(self._source, updates) if updates else 0
        self._offset = max(numbers) + 1 if numbers else 0
        if new:
            self._arrived()
        return new


def _pause(patience: Patience, failures: int) -> float:
    return min(patience.pause * 2 ** min(failures, 10), patience.longest) * random.uniform(0.75, 1.25)


# ---------------------------------------------------------------- one update


def number_of(update: Any) -> int | None:
    """Its `update_id`, if it has one."""
    number = cast("dict[str, Any]", update).get("update_id") if isinstance(update, dict) else None
    return number if type(number) is int else None


def kept(update: Any) -> Kept:
    """Key, author and body of an update as the store takes it, whatever it is."""
    body = _written(update)
    number = number_of(update)
    key = f"?{hashlib.sha256(body).hexdigest()[:32]}" if number is None else str(number)[:64]
    return _bounded(key, author_of(update), body)


def unread(answer: bytes, least: int) -> tuple[int, bytes] | None:
    """Number and bytes of the one update in an answer that nobody can read.

    None: the answer is no whole one of the Bot API, or has no number that can come next. In a text a
    quotation mark has a backslash before it, so that nobody writes a number into it.
    """
    begin, end = _UPDATES.match(answer), _END.search(answer, max(0, len(answer) - 100))
    found = _NUMBER.search(answer, begin.end()) if begin and end else None
    if not begin or not end or not found or (number := int(found[1])) < least:
        return None
    return number, answer[begin.end() : end.start() + 1].strip()


def _bounded(key: str, author: str, body: bytes) -> Kept:
    if len(body) > BODY:
        log.error("update %s has %d bytes: it is kept without them", key, len(body))
        body = b""  # which nobody can read: it goes into quarantine
    return key, author, body


def author_of(update: Any) -> str:
    """The id of the person it comes from; empty: nobody, or it cannot be told."""
    if not isinstance(update, dict):
        return ""
    for payload in cast("dict[str, Any]", update).values():
        who = cast("dict[str, Any]", payload).get("from") if isinstance(payload, dict) else None
        id_ = cast("dict[str, Any]", who).get("id") if isinstance(who, dict) else None
        if type(id_) is int:
            return str(id_)[:64]
    return ""


def _written(update: Any) -> bytes:
    try:
        return orjson.dumps(update)
    except TypeError:  # half a surrogate pair, a number beyond 64 bits, nested too deeply
        pass
    try:
        return json.dumps(update).encode()
    except (ValueError, RecursionError):
        return b""
