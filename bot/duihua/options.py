"""Model options: what a caller may ask of a model, whatever the platform calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson

from duihua.errors import InvalidOptions


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Options of one request; `None` means "the platform's default".

    They merge persona < session < call (the later wins) and are checked against the model's ranges before
    anything is sent. `n` asks for several answers: the first is the answer, the others are told beside it.
    `extra` goes to the platform as it is, under its own names.
    """

    temperature: float | None = None
    top_p: float | None = None
    penalty_score: float | None = None
    stop: tuple[str, ...] | None = None
    max_output_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    response_format: str | None = None
    thinking: bool | None = None
    n: int | None = None
    extra: Mapping[str, Any] | None = None

    def over(self, other: ModelOptions | None) -> ModelOptions:
        """These options where set, else those of `other`; `extra` is merged key by key."""
        if other is None:
            return self
        values: dict[str, Any] = {}
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            values[f.name] = theirs if mine is None else mine
        if self.extra and other.extra:
            values["extra"] = {**other.extra, **self.extra}
        return ModelOptions(**values)

    def given(self) -> dict[str, Any]:
        """Only what is set, without `extra`."""
        names = (f.name for f in fields(self) if f.name != "extra")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def plain(self) -> dict[str, Any]:
        """What is set as plain data; raises InvalidOptions if `extra` holds what JSON cannot."""
        values = self.given()
        if self.extra:
            values["extra"] = dict(self.extra)
        try:
            plain: dict[str, Any] = orjson.loads(orjson.dumps(values))
        except TypeError:
            raise InvalidOptions("extra", self.extra, "it may hold JSON values only") from None
        return plain

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> ModelOptions:
        """Options from untyped data (`--set`, persona front matter, JSON).

        Raises:
            InvalidOptions: an unknown name, or a value of the wrong type.
        """
        known = {f.name for f in fields(cls)}
        out: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise InvalidOptions(name, value, known=tuple(sorted(known)))
            out[name] = _coerced(name, value)
        return cls(**out)


def _coerced(name: str, value: Any) -> Any:
    if value is None:
        return None
    try:
        match name:
            case "seed" | "max_output_tokens" | "n":
                if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                    raise ValueError
                return int(value)
            case "stop":
                return (value,) if isinstance(value, str) else tuple(str(v) for v in value)
            case "response_format":
                return str(value)
            case "thinking":
                if isinstance(value, str):
                    return {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}[
                        value.lower()
                    ]
                return bool(value)
            case "extra":
                return dict(value)
            case _:
                if isinstance(value, bool):
                    raise ValueError
                return float(value)
    except (TypeError, ValueError, KeyError):
        raise InvalidOptions(name, value, "wrong type") from None
