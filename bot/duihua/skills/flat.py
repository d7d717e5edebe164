"""Makes a JSON Schema one that every platform takes: no references, no titles, no needless null.

Platforms differ in how much of JSON Schema they read; none of them trips over this much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_DATA = ("default", "enum", "examples", "required")
_BY_NAME = ("properties", "patternProperties", "dependentSchemas")

Schema = dict[str, Any]


def flat(schema: Mapping[str, Any]) -> Schema:
    """The same schema without `$ref`, `title`, `discriminator`, `const`.

    Raises:
        RecursionError: a definition contains itself; the text is its name.
    """
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    return _object({k: v for k, v in schema.items() if k != "$defs"}, definitions, ())


def _any(node: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    if isinstance(node, dict):
        return _object(cast("Schema", node), definitions, within)
    if isinstance(node, list):
        return [_any(item, definitions, within) for item in cast("list[Any]", node)]
    return node


def _object(node: Schema, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Schema:
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        if name in within:
            raise RecursionError(name)
        target = _object(definitions[name], definitions, (*within, name))
        return {**target, **_object(_without(node, "$ref"), definitions, within)}
    out: Schema = {}
    for key, value in node.items():
        if key in ("title", "discriminator"):
            continue
        if key in _BY_NAME:
            out[key] = {name: _any(item, definitions, within) for name, item in value.items()}
        elif key == "const":
            out["enum"] = [value]
        else:
            out[key] = value if key in _DATA else _any(value, definitions, within)
    for name, item in out.get("properties", {}).items():
        if name not in out.get("required", ()):
            out["properties"][name] = _optional(item)
    return out


def _optional(schema: Schema) -> Schema:
    """What may be left out need not be null: many models know no unions, some platforms refuse them."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return schema
    real = [choice for choice in cast("list[Schema]", choices) if choice != {"type": "null"}]
    rest = _without(schema, "anyOf")
    if rest.get("default", ...) is None:
        rest = _without(rest, "default")
    return {**real[0], **rest} if len(real) == 1 else {**rest, "anyOf": real}


def _without(schema: Schema, key: str) -> Schema:
    return {k: v for k, v in schema.items() if k != key}
