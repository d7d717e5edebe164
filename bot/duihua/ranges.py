"""What a platform's wire calls the model options and which values it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, cast

from duihua.errors import InvalidOptions
from duihua.options import ModelOptions

RESERVED = frozenset(
    {"messages", "input", "model", "stream", "stream_options", "system", "functions", "tools", "access_token"}
)
"""Fields that belong to the request itself: `extra` cannot replace them."""


@dataclass(frozen=True, slots=True)
class Range:
    """One option on one wire.

    Attributes:
        name: the platform's name of it.
        low: smallest number, or shortest list; `open_low`: itself excluded.
        high: largest number, or longest list; `open_high`: itself excluded.
        length: most characters of a list's item, 0 for any.
        choices: the texts it may be, none for any.
        clamp: a number out of the range becomes the nearest one in it, instead of being refused.
        encode: from our value to the platform's; None sends it as it is.
    """

    name: str
    low: float = -inf
    high: float = inf
    open_low: bool = False
    open_high: bool = False
    length: int = 0
    choices: tuple[str, ...] = ()
    clamp: bool = False
    encode: Callable[[Any], Any] | None = field(default=None, hash=False)

    def check(self, option: str, value: Any) -> Any:
        """The platform's value. Raises InvalidOptions, naming `option`."""
        if isinstance(value, tuple):
            items = cast("tuple[str, ...]", value)
            value = list(items)
            good = self.low <= len(items) <= self.high and all(
                0 < len(item) <= (self.length or inf) for item in items
            )
        elif isinstance(value, str):
            good = not self.choices or value in self.choices
        else:  # a NaN is in no range
            if self.clamp and value == value:
                value = type(value)(min(max(value, self.low), self.high))
            good = (self.low < value if self.open_low else self.low <= value) and (
                value < self.high if self.open_high else value <= self.high
            )
        if not good:
            raise InvalidOptions(option, value, self.allowed)
        return self.encode(value) if self.encode else value

    @property
    def allowed(self) -> str:
        """The range in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.length:
            return f"at most {self.high:g} texts of 1 to {self.length} characters"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"


def check(
    options: ModelOptions, ranges: Mapping[str, Range], extra: frozenset[str] | None = None
) -> dict[str, Any]:
    """The options under the platform's names.

    Args:
        options: what was asked for.
        ranges: option name to its range; an option that is not there, the model does not have.
        extra: the fields that `options.extra` may set, None for any but the request's own.

    Raises:
        InvalidOptions: an option that the model does not have, or a value out of its range.
    """
    out: dict[str, Any] = {}
    for name, value in options.given().items():
        if name not in ranges:
            raise InvalidOptions(name, value, "this model has no such option; it has " + _names(ranges))
        out[ranges[name].name] = ranges[name].check(name, value)
    for name, value in (options.extra or {}).items():  # the value may be a secret: it stays out of the error
        if name in RESERVED:
            raise InvalidOptions(f"extra.{name}", "...", "this field is part of the request itself")
        if extra is not None and name not in extra:
            raise InvalidOptions(f"extra.{name}", "...", "this model's extra fields are " + _names(extra))
        out[name] = value
    return out


def _names(names: Mapping[str, Range] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
