"""What reached the simulator: every request with its outcome, counts, and the rate limits."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from aiohttp import web

KEPT = 1_000
"""Requests that are remembered; older ones are only counted."""

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_SECRET_FIELDS = frozenset({"access_token", "client_id", "client_secret", "key", "token"})


@dataclass(slots=True)
class Seen:
    """One request, without its secrets. `outcome` is ok, a fault's name, or the error code it was given."""

    platform: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    model: str = ""
    body: Any = None
    outcome: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class Excess(NamedTuple):
    """The size of a request that was refused for it."""

    model: str
    tokens: int
    limit: int | None


@dataclass(slots=True)
class Prompts:
    """The sizes of the chat requests to one model, in tokens as its platform counts them.

    `exceeded`: requests that were refused because they were larger than the model takes, in tokens or in
    characters; they count among the others too. `limit` is None where the platform states none.
    """

    limit: int | None = None
    requests: int = 0
    exceeded: int = 0
    last: int = 0
    largest: int = 0
    total: int = 0


@dataclass(slots=True)
class Traffic:
    """Requests as they came, oldest first, how many by platform and path, and their sizes by model."""

    requests: deque[Seen] = field(default_factory=lambda: deque[Seen](maxlen=KEPT))
    counts: Counter[str] = field(default_factory=Counter[str])
    prompts: dict[str, Prompts] = field(default_factory=dict[str, Prompts])

    def saw(self, platform: str, request: web.Request) -> Seen:
        """Notes a request down before anything is done with it."""
        seen = Seen(
            platform,
            request.method,
            _plain(request.path),
            _without(request.query, _SECRET_FIELDS),
            _without(request.headers, _SECRET_HEADERS),
        )
        self.requests.append(seen)
        self.count(platform, request.path)
        return seen

    def count(self, platform: str, path: str) -> None:
        """Counts a request, for all, for its platform and for its path."""
        self.counts["all"] += 1
        self.counts[platform] += 1
        self.counts[f"{platform} {path}"] += 1

    def measured(self, model: str, tokens: int, limit: int | None, *, refused: bool = False) -> None:
        """Notes the size of a chat request to `platform/model`; `refused`: it was too large."""
        sizes = self.prompts.setdefault(model, Prompts())
        sizes.limit, sizes.last = limit, tokens
        sizes.requests += 1
        sizes.exceeded += refused
        sizes.largest = max(sizes.largest, tokens)
        sizes.total += tokens

    def clear(self) -> None:
        """Forgets everything seen."""
        self.requests.clear()
        self.counts.clear()
        self.prompts.clear()


def _without(fields: Mapping[str, str], secret: frozenset[str]) -> dict[str, str]:
    return {_plain(k): "***" if k.lower() in secret else _plain(v) for k, v in fields.items()}


def _plain(text: str) -> str:
    """The text as a plain str that JSON takes: a header may hold bytes that are no UTF-8."""
    return str(text).encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Rates:
    """Requests and tokens per minute and model, in windows of the clock's minutes."""

    requests: int
    tokens: int
    minute: int = -1
    used: Counter[str] = field(default_factory=Counter[str])

    def take(self, model: str, tokens: int, now: float) -> str:
        """Books a request; returns `requests` or `tokens` if that limit is passed, else nothing."""
        if (minute := int(now // 60)) != self.minute:
            self.minute = minute
            self.used.clear()
        if self.used[f"{model} requests"] >= self.requests:
            return "requests"
        if self.used[f"{model} tokens"] + tokens > self.tokens:
            return "tokens"
        self.used[f"{model} requests"] += 1
        self.used[f"{model} tokens"] += tokens
        return ""

    def left(self, model: str) -> tuple[int, int]:
        """Requests and tokens that remain in this minute."""
        return self.requests - self.used[f"{model} requests"], self.tokens - self.used[f"{model} tokens"]
