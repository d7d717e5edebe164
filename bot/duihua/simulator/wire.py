"""How answers leave the simulator: whole, in pieces, cut, broken, late or never. Shared by all platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from aiohttp import web

from duihua.simulator.ask import estimate
from duihua.simulator.faults import Fault, Faults
from duihua.simulator.traffic import Rates, Seen, Traffic

JSON = "application/json; charset=utf-8"
BROKEN = b'data: {"id":"as-0","object":"chat.completion","choices":[{"delta":{"content":"\n\n'
"""An event whose JSON ends too early."""
EVENTS = "text/event-stream; charset=utf-8"
_DOWN = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>503</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys that the simulated platforms accept; they are made up and open nothing."""

    api_key: str = "simulator-api-key"
    secret_key: str = "simulator-secret-key"
    access_key_id: str = "simulator-access-key-id"
    access_key_secret: str = "simulator-access-key-secret"
    bearer_token: str = "bce-v3/ALTAK-simulator/0000000000000000000000000000000000000000"
    zhipu: str = "simulatorid.simulatorsecret"
    dashscope: str = "sk-simulator-dashscope"
    modelarts: str = "simulator-modelarts-key"
    genstudio: str = "sk-simulator-genstudio"
    openai: str = "sk-simulator-openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the simulator behaves.

    Attributes:
        keys: the accepted keys.
        token_lifetime: seconds that an access token lives.
        ban_base: the number of the first round in `ban_round`; no platform documents it.
        pieces: into how many pieces an answer is cut; None: pieces of one to four characters.
        clock: the time, aware; today's date for the weather comes from it.
        requests_per_minute: limit for each model.
        tokens_per_minute: limit for each model.
        system_with_functions: False refuses `system` beside `functions`, as some v1 models did.
        gullible: models do what the text of a function's result tells them to (not on Qianfan's v1 wire).
    """

    keys: Keys = field(default_factory=Keys)
    token_lifetime: int = 2_592_000
    ban_base: int = 0
    pieces: int | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone()
    requests_per_minute: int = 60_000
    tokens_per_minute: int = 100_000_000
    system_with_functions: bool = True
    gullible: bool = False


class Desk:
    """What all platforms of one simulator share: settings, faults, traffic, limits and numbers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = Faults()
        self.traffic = Traffic()
        self.rates = Rates(settings.requests_per_minute, settings.tokens_per_minute)
        self._number = 0

    def now(self) -> float:
        """Seconds since 1970 by the simulator's clock."""
        return self.settings.clock().timestamp()

    def number(self) -> int:
        """A number that was not given before."""
        self._number += 1
        return self._number

    def request_id(self) -> str:
        """An id in the platforms' form."""
        return f"as-{self.number():010x}"


async def read_body(request: web.Request, seen: Seen) -> Any:
    """The request's JSON value, noted down. Raises ValueError if it is not JSON."""
    raw = await request.read()
    try:
        seen.body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        seen.body = raw[:2_000].decode("utf-8", "replace")
        raise
    return seen.body


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A whole JSON answer."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers={**(headers or {}), "Content-Type": JSON}
    )


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


async def stream(
    request: web.Request,
    frames: Sequence[bytes],
    headers: Mapping[str, str],
    *,
    pause: float = 0.0,
    cut_after: int | None = None,
) -> web.StreamResponse:
    """Sends frame after frame; `cut_after` drops the connection after so many, `pause` is in seconds.

    A content type in `headers` takes the place of the usual one.
    """
    response = web.StreamResponse(headers={"Content-Type": EVENTS, "Cache-Control": "no-cache", **headers})
    try:
        await response.prepare(request)
        for i, frame in enumerate(frames):
            if i == cut_after:
                drop(request)
                break
            if i:
                await asyncio.sleep(pause)  # even none lets a reader in the same loop see frame after frame
            await response.write(frame)
    except ConnectionResetError:  # the client has left: nothing to tell it
        pass
    return response


def whole(body: bytes, headers: Mapping[str, str]) -> web.Response:
    """Sends a ready JSON answer."""
    return web.Response(body=body, headers={**headers, "Content-Type": JSON})


async def wait(fault: Fault) -> None:
    """A slow answer without a stream comes late as a whole."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.number / 1000)


async def half(request: web.Request, body: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Sends the first half of a whole answer, then drops the connection."""
    response = web.StreamResponse(headers={**headers, "Content-Type": JSON})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    drop(request)
    return response


async def never() -> web.Response:
    """Gives no answer: the server cancels this when the client leaves or the simulator closes."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


def down() -> web.Response:
    """What a gateway says when nothing is behind it."""
    return web.Response(body=_DOWN, status=503, content_type="text/html")


def drop(request: web.Request) -> None:
    """Ends the connection after what was written, without the end of the message."""
    if request.transport is not None:
        request.transport.close()


def as_json(text: str) -> str:
    """A text as the JSON object that was asked for; one that is such an object already stays as it is."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    return text if isinstance(value, dict) else orjson.dumps({"answer": text}).decode()


# ---------------------------------------------------------------- reading untyped fields


def is_number(value: Any) -> bool:
    """A JSON number, and no boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """A JSON number without a fraction."""
    return isinstance(value, int) and not isinstance(value, bool)


def as_object(value: Any) -> dict[str, Any] | None:
    """The value as a JSON object, None if it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    """The value as a JSON list, None if it is none."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def text_list(value: Any, *, most: int, longest: int) -> bool:
    """Whether it is a list of at most `most` texts of 1 to `longest` characters."""
    items = as_list(value)
    return (
        items is not None
        and len(items) <= most
        and all(isinstance(t, str) and 0 < len(t) <= longest for t in items)
    )


def limited(text: str, stop: Any, most: Any) -> tuple[str, bool]:
    """A text that ends before the first stop word and after `most` tokens; whether the latter cut it.

    Args:
        text: the whole answer.
        stop: a list of stop words, None for none.
        most: tokens, None for no limit.
    """
    for word in as_list(stop) or ():
        text = text.split(str(word), 1)[0]
    if not is_integer(most) or estimate(text) <= most:
        return text, False
    low, high = 0, len(text)  # the longest beginning that fits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if estimate(text[:middle]) <= most else (low, middle - 1)
    return text[:low], True
