"""Makes what somebody calls a JSON Schema one that can be worked with: bounded, of known keywords alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic_core import from_json

from duihua.escapes import clean
from duihua.skills import pointing

LARGEST = 100_000
"""Bytes of a schema, at most."""

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_ONE = ("additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_VALUES = ("const", "default", "enum", "examples")
_COUNTED = ("Length", "Items", "Properties", "Contains")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _list(value: Any) -> bool:
    return isinstance(value, list) and bool(cast("list[Any]", value))


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in cast("list[Any]", value))


def _names_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(_names(names) for names in cast("dict[str, Any]", value).values())


def _types(value: Any) -> bool:
    kinds = cast("list[Any]", value if isinstance(value, list) else [value])
    return bool(kinds) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)


_RIGHT: dict[str, Callable[[Any], bool]] = {
    "const": lambda value: True,
    "default": lambda value: True,
    "enum": _list,
    "examples": _list,
    "required": _names,
    "dependentRequired": _names_by_name,
    "type": _types,
    "uniqueItems": lambda value: isinstance(value, bool),
    "multipleOf": lambda value: _number(value) and value > 0,
    **dict.fromkeys(("description", "format", "pattern", "$ref"), _text),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    **{f"{way}{what}": lambda v: _number(v) and v >= 0 for way in ("min", "max") for what in _COUNTED},
}


def tidy(schema: Mapping[str, Any], where: str = "the schema") -> dict[str, Any]:
    """A copy of a schema that holds JSON alone, and no keyword of a wrong form: those are left out.

    Descriptions are rid of what steers a screen or turns the direction of writing round.

    Raises:
        ValueError: it is no JSON, too large, no object's, or a reference in it leads nowhere.
    """
    try:
        text = json.dumps(schema, allow_nan=False)
        if len(text) > LARGEST:
            raise ValueError(f"larger than {LARGEST} bytes")
        whole = _tidied(from_json(text))
        _refer(whole, whole)
        top = pointing.resolved(whole, whole)
    except LookupError as e:
        raise ValueError(f"{where}: its schema refers to {str(e)[:100]}, which is not in it") from None
    except (TypeError, ValueError, RecursionError) as e:
        raise ValueError(f"{where}: its schema cannot be used ({str(e)[:200]})") from None
    if top.get("type", "object") != "object" and "object" not in top["type"]:
        raise ValueError(f"{where}: its schema must be of type object: arguments have names")
    return whole if "type" in top else {**whole, "type": "object"}


def _tidied(node: Any) -> Any:
    if not isinstance(node, dict):
        return node if isinstance(node, bool) else True
    out: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", node).items():
        if key in _ONE or (key == "items" and not isinstance(value, list)):
            out[key] = _tidied(value)
        elif key in _MANY and isinstance(value, list) and value:
            out[key] = [_tidied(item) for item in cast("list[Any]", value)]
        elif key in _NAMED and isinstance(value, dict):
            out[key] = {name: _tidied(item) for name, item in cast("dict[str, Any]", value).items()}
        elif key == "items" and isinstance(value, list):
            out[key] = [_tidied(item) for item in cast("list[Any]", value)]
        elif key in _RIGHT and _RIGHT[key](value):
            out[key] = clean(str(cast("Any", value))) if key == "description" else value
    return out


def _refer(node: Any, root: dict[str, Any]) -> None:
    """Raises LookupError if a reference leads nowhere."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack += cast("list[Any]", here)
        elif isinstance(here, dict):
            inner = cast("dict[str, Any]", here)
            if isinstance(ref := inner.get("$ref"), str):
                pointing.target(root, ref)
            stack += [value for key, value in inner.items() if key not in _VALUES]
