"""Which model answers when one cannot: their order, reasons to go on, and a circuit breaker per platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import orjson

from duihua.errors import Category, InvalidOptions, ProviderError
from duihua.options import ModelOptions
from duihua.ports import Dialect

PASSING: frozenset[Category] = frozenset(
    {"rate_limited", "overloaded", "server", "network", "timeout", "truncated"}
)
"""What is wrong with a platform at this moment. Never what is wrong with the request, the key or the account:
another model would hide it."""
FAILURES = 3
"""Failures in a row that open a platform's circuit."""
PAUSE, LONGEST_PAUSE = 30.0, 600.0
"""Seconds that a circuit stays open at first, and at most: each failed probe doubles them."""
STATE = "breaker"
"""Under this name the store keeps the newest `Health` of each platform, for other processes to read."""


def names(models: str) -> tuple[str, ...]:
    """The models of `a,b,c` in their order, each once."""
    return tuple(dict.fromkeys(name for part in models.split(",") if (name := part.strip()))) or ("",)


def passes(error: ProviderError) -> bool:
    """Whether another model may answer instead."""
    return error.category in PASSING


def fitting(options: ModelOptions, dialect: Dialect) -> ModelOptions:
    """Those of the options that a model takes; the others are left out: nobody chose them for it."""
    kept = ModelOptions()
    fields = [ModelOptions(**{name: value}) for name, value in options.given().items()]
    fields += [ModelOptions(extra={name: value}) for name, value in (options.extra or {}).items()]
    for field in fields:
        tried = field.over(kept)
        try:
            dialect.check(tried)
        except InvalidOptions:
            continue
        kept = tried
    return kept


# ---------------------------------------------------------------- the circuit breaker


@dataclass(frozen=True, slots=True)
class Health:
    """How a platform does, as far as was seen.

    Attributes:
        provider: the platform.
        state: closed: it is asked as ever; open: passed over where another model is behind; half_open: one
            request tries whether it is back.
        failures: how often it failed in a row.
        retry_at: ms UTC, when it is tried again; 0 while closed.
        error: what the last failure was: category, HTTP status, the platform's code. Never its words.
    """

    provider: str
    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    retry_at: int = 0
    error: str = ""


_FORM = Health("")


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    pause: float = 0.0  # seconds, 0: closed
    retry_at: float = 0.0
    probing: bool = False
    error: str = ""


class Circuits:
    """A circuit breaker per platform, for one process.

    Failures in a row open a circuit for a pause; then one request probes. It closes the circuit with its
    first word, or opens it again for twice as long. A probe of which nothing is heard is followed by another
    after the pause. Nothing is held up here: who has no other model to ask does not ask for leave.

    Args:
        clock: seconds UTC.
        changed: called with the platform's name when its circuit opens or closes.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        changed: Callable[[str], None] = lambda provider: None,
    ) -> None:
        self._clock, self._changed = clock, changed
        self._circuits: dict[str, _Circuit] = {}

    def admits(self, provider: str) -> bool:
        """Whether the platform is worth asking. True for an open circuit makes the caller its probe."""
        circuit = self._circuits.get(provider)
        if circuit is None or not circuit.pause:
            return True
        now = self._clock()
        if now < circuit.retry_at:
            return False
        circuit.probing, circuit.retry_at = True, now + circuit.pause
        return True

    def answered(self, provider: str) -> None:
        """The platform is there: it has begun to answer, or refused for a reason of its own."""
        circuit = self._circuits.get(provider)
        if circuit is None or not circuit.failures:
            return
        del self._circuits[provider]
        if circuit.pause:
            self._changed(provider)

    def failed(self, provider: str, error: ProviderError) -> None:
        """No answer came. Errors that say nothing against the platform count as an answer."""
        if error.category == "rate_limited" and not error.http_status:
            return  # our own limiter: the platform was not asked
        if not passes(error):
            self.answered(provider)
            return
        circuit, now = self._circuits.setdefault(provider, _Circuit()), self._clock()
        circuit.failures += 1
        status = f"HTTP {error.http_status}" if error.http_status else ""
        circuit.error = ", ".join(fact for fact in (error.category, status, error.vendor_code) if fact)
        if circuit.pause and (circuit.probing or now >= circuit.retry_at):
            circuit.pause = min(LONGEST_PAUSE, circuit.pause * 2)
        elif not circuit.pause and circuit.failures >= FAILURES:
            circuit.pause = PAUSE
        else:
            return
        circuit.probing, circuit.retry_at = False, now + circuit.pause
        self._changed(provider)

    def health(self, provider: str) -> Health:
        """How the platform does."""
        circuit = self._circuits.get(provider)
        if circuit is None:
            return Health(provider)
        state = "closed" if not circuit.pause else "half_open" if circuit.probing else "open"
        retry_at = int(circuit.retry_at * 1000) if circuit.pause else 0
        return Health(provider, state, circuit.failures, retry_at, circuit.error)


def dump(healths: Iterable[Health]) -> bytes:
    """The JSON that the store keeps under `STATE`."""
    return orjson.dumps([asdict(health) for health in healths])


def load(data: bytes | None) -> list[Health]:
    """What `dump` wrote; what is not of that form is left out."""
    try:
        found: Any = orjson.loads(data or b"[]")
    except orjson.JSONDecodeError:
        return []
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    out: list[Health] = []
    for row in rows:
        try:
            health = Health(**row)
        except TypeError:
            continue
        if all(type(value) is type(getattr(_FORM, name)) for name, value in asdict(health).items()):
            out.append(health)
    return out
