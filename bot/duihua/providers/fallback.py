"""Which model answers when one cannot: the order of the models, and the errors that are a reason to go on."""

from __future__ import annotations

from duihua.errors import Category, InvalidOptions, ProviderError
from duihua.options import ModelOptions
from duihua.ports import Dialect

PASSING: frozenset[Category] = frozenset(
    {"rate_limited", "overloaded", "server", "network", "timeout", "truncated"}
)
"""What is wrong with a platform at this moment. Never what is wrong with the request, the key or the account:
another model would hide it."""


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
