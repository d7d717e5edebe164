"""What tokens cost: a dated table of list prices, which a file of the user's own adds to and overrides.

Every platform's count of input includes what it had cached, and its count of output includes reasoning:
cached input is charged at its own price instead of the usual one, reasoning is not charged twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, cast

from duihua.errors import ConfigError
from duihua.messages import Cost, Usage

_BUNDLED = Path(__file__).with_suffix(".toml")
_FIELDS = frozenset({"currency", "input", "output", "cached", "as_of", "about"})


@dataclass(frozen=True, slots=True)
class Price:
    """One model's prices.

    Attributes:
        currency: three letters.
        input: per million tokens.
        output: per million tokens, reasoning included.
        cached: per million tokens of input that the platform had read before; None: as any other input.
        as_of: year and month in which the price was looked up, empty if not said.
        about: it is the lowest step of a price that rises with the length or the kind of the request.
    """

    currency: str
    input: float
    output: float
    cached: float | None = None
    as_of: str = ""
    about: bool = False

    def cost(self, usage: Usage) -> Cost:
        """What this use costs: so many tokens at a price per million are as many millionths of it."""
        cached = min(usage.cached, usage.input)
        read = self.input if self.cached is None else self.cached
        micros = (usage.input - cached) * self.input + cached * read + usage.output * self.output
        return Cost(round(micros), self.currency)


class Prices:
    """The prices of all models that have a known one.

    Args:
        table: `provider/model` in lower case to its price.
    """

    def __init__(self, table: Mapping[str, Price]) -> None:
        self._table = table

    @classmethod
    def load(cls, path: str = "") -> Prices:
        """The bundled table, with those of the file at `path` in their place.

        Raises:
            ConfigError: the file is not there, or not of the form of the bundled one.
        """
        return cls({**_bundled(), **_read(Path(path).expanduser())} if path else _bundled())

    def of(self, model: str) -> Price | None:
        """The price of `provider/model`; one without its chip (`@...`) holds for all chips."""
        name = model.lower()
        return self._table.get(name) or self._table.get(name.partition("@")[0])

    def cost(self, model: str, usage: Usage) -> Cost | None:
        """What a use of `provider/model` costs; None: its price is not known."""
        price = self.of(model)
        return price.cost(usage) if price else None

    def counted(self, model: str, micros: int) -> Cost | None:
        """A sum that was counted earlier, in the currency of the model's price; None: that is not known."""
        price = self.of(model)
        return Cost(micros, price.currency) if price else None


def sums(costs: Iterable[Cost | None]) -> tuple[Cost, ...]:
    """One sum per currency, in the order of their names."""
    found: dict[str, int] = {}
    for cost in costs:
        if cost is not None:
            found[cost.currency] = found.get(cost.currency, 0) + cost.micros
    return tuple(Cost(found[currency], currency) for currency in sorted(found))


@lru_cache(maxsize=1)
def _bundled() -> Mapping[str, Price]:
    return _read(_BUNDLED)


def _read(path: Path) -> Mapping[str, Price]:
    import tomllib  # a few ms that `import duihua` need not pay

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise _wrong(path, f"it cannot be read ({e.strerror})") from None
    except ValueError as e:  # no TOML, no UTF-8
        raise _wrong(path, str(e)) from None
    return {name.lower(): _price(path, name, fields) for name, fields in data.items()}


def _price(path: Path, name: str, fields: Any) -> Price:
    values = cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}
    if not {"currency", "input", "output"} <= values.keys() <= _FIELDS:
        raise _wrong(path, f"{name} needs currency, input and output, and may have cached, as_of, about")
    currency = values["currency"]
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isalpha()):
        raise _wrong(path, f"the currency of {name} is not three letters")
    for field in ("input", "output", "cached"):
        value = values.get(field, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _sane(value):
            raise _wrong(path, f"{field} of {name} is no price per million tokens")
    return Price(
        currency.upper(),
        values["input"],
        values["output"],
        values.get("cached"),
        str(values.get("as_of", "")),
        bool(values.get("about", False)),
    )


def _sane(price: float) -> bool:
    return isfinite(price) and 0 <= price <= 1_000_000


def _wrong(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"DUIHUA_PRICES: {path}: {reason}", "config_prices", path=str(path), reason=reason)
