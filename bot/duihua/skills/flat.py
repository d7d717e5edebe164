"""Makes a JSON Schema one that every platform takes: no references, no titles, no needless null.

Platforms differ in how much of JSON Schema they read; none of them trips over this much: one type to a node,
`anyOf` below the top alone, `items` with every array. What a model may send is checked by the schema as it
was given; this form only tells the model, and never allows less, save for null where a value may be left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from duihua.skills import pointing
from duihua.skills.checking import of_type

Schema = dict[str, Any]

_LOW = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGH = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAID = ("description", "default", "examples")
_OF_TYPE = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
}
_OF_TYPE["integer"] = _OF_TYPE["number"]
_KEPT = frozenset(key for keys in _OF_TYPE.values() for key in keys) | {"type", "enum", "anyOf", *_SAID}
_NULL: Schema = {"type": "null"}
_NODES = 5_000  # shown of an unrolled schema; a few lines may hide any number behind references
_CHAIN = 20  # references within references


def flat(schema: Mapping[str, Any], *, unroll: bool = False) -> Schema:
    """The same schema as an object with properties, without `$ref`, `title`, `const`, `oneOf`, `allOf`.

    Args:
        schema: of type object.
        unroll: a definition that contains itself is shown once; within, only its type and name are said.

    Raises:
        RecursionError: a definition contains itself, and `unroll` is not set; the text is its name.
        LookupError: a reference leads nowhere; the text is the reference.
    """
    top = _Flat(schema, unroll).node(schema, ())
    choices = [c for c in top.get("anyOf", ()) if c.get("type", "object") == "object"]
    properties, required = dict(top.get("properties", {})), set(top.get("required", ()))
    if choices:
        for name in dict.fromkeys(name for choice in choices for name in choice.get("properties", ())):
            found = [c["properties"][name] for c in choices if name in c.get("properties", ())]
            own = [properties[name]] if name in properties and len(found) < len(choices) else []
            properties[name] = _either([*own, *found])
        required |= set[str].intersection(*(set(choice.get("required", ())) for choice in choices))
    out: Schema = {"type": "object", "properties": properties}
    if needed := [name for name in properties if name in required]:
        out["required"] = needed
    if isinstance(top.get("additionalProperties"), dict):
        out["additionalProperties"] = top["additionalProperties"]
    return _without_null(out)


class _Flat:
    def __init__(self, root: Mapping[str, Any], unroll: bool) -> None:
        self.root, self.unroll, self.left = root, unroll, _NODES

    def node(self, given: Any, within: tuple[str, ...]) -> Schema:
        if not isinstance(given, dict):  # true; false stands where nothing fits, and is left out above it
            return {}
        node = cast("Schema", given)
        self.left -= 1
        out = {key: value for key, value in node.items() if key in _KEPT and key != "anyOf"}
        if "const" in node:
            out["enum"] = [node["const"]]
        self._inner(node, out, within)
        if isinstance(out.get("type"), list):
            out = _one_type(out)
        for way in ("anyOf", "oneOf"):
            if way in node:
                choices = _distinct(self.node(choice, within) for choice in node[way] if choice is not False)
                if choices and all(choices):
                    out = _merged(out, choices[0] if len(choices) == 1 else {"anyOf": choices})
        for part in node.get("allOf", ()):
            out = _merged(out, self.node(part, within))
        if "$ref" in node:
            out = _merged(out, self._reference(str(node["$ref"]), within))
        if out.get("type") == "array" and "items" not in out:
            out["items"] = {}
        return out

    def _reference(self, ref: str, within: tuple[str, ...]) -> Schema:
        target = pointing.target(self.root, ref)
        name = pointing.name(ref)
        if ref not in within and (not self.unroll or (self.left > 0 and len(within) < _CHAIN)):
            return self.node(target, (*within, ref))
        if not self.unroll:
            raise RecursionError(name)
        kind = target.get("type") if isinstance(target, dict) else None
        told: Schema = {"description": f"{name}, as described before" if ref in within else name}
        return {"type": kind, **told} if isinstance(kind, str) else told

    def _inner(self, node: Schema, out: Schema, within: tuple[str, ...]) -> None:
        if "properties" in node:
            items = node["properties"].items()
            out["properties"] = {name: self.node(item, within) for name, item in items if item is not False}
        rest: Any = node.get("additionalProperties")
        patterns: dict[str, Any] = node.get("patternProperties", {})
        if patterns and rest not in (None, True):
            kinds = [*patterns.values(), *([rest] if rest else [])]
            rest = {"anyOf": kinds} if len(kinds) > 1 else kinds[0]
        out.pop("additionalProperties", None)
        if isinstance(rest, dict) or rest is False:
            out["additionalProperties"] = self.node(rest, within) if rest else rest
        self._items(node, out, within)

    def _items(self, node: Schema, out: Schema, within: tuple[str, ...]) -> None:
        out.pop("items", None)
        items: Any = node.get("items")
        first: list[Any] = node.get("prefixItems", [])
        if isinstance(items, list):  # as drafts before 2020 write it
            first, items = cast("list[Any]", items), node.get("additionalItems")
        if first:
            more = items is not False and node.get("maxItems", len(first) + 1) > len(first)
            kinds = [*first, items] if more else first
            out["items"] = _either([self.node(kind, within) for kind in kinds if kind is not False])
        elif items is not None:
            out["items"] = self.node(items, within)


def _one_type(node: Schema) -> Schema:
    """A node of several types as a choice among nodes of one."""
    types = [
        kind for kind in dict.fromkeys(node["type"]) if kind != "integer" or "number" not in node["type"]
    ]
    choices: list[Schema] = []
    for kind in types:
        choice = {"type": kind, **{k: v for k, v in node.items() if k in _OF_TYPE.get(kind, ())}}
        if "enum" in node:
            choice["enum"] = [value for value in node["enum"] if of_type(kind, value)]
            if not choice["enum"]:
                continue
        if kind == "array" and "items" not in choice:
            choice["items"] = {}
        choices.append(_NULL if kind == "null" else choice)
    said = {key: node[key] for key in _SAID if key in node}
    if not choices:
        return said
    return {**choices[0], **said} if len(choices) == 1 else {"anyOf": choices, **said}


def _merged(a: Schema, b: Schema) -> Schema:
    """What both allow, or a little more; `a` has the word where they cannot be joined."""
    if not a or not b:
        return a or b
    out = {**b, **a}
    for key in a.keys() & b.keys():
        x: Any = a[key]
        y: Any = b[key]
        if key == "properties":
            out[key] = {
                n: _merged(x[n], y[n]) if n in x and n in y else x.get(n, y.get(n)) for n in {**x, **y}
            }
        elif key == "required":
            out[key] = [*x, *(name for name in y if name not in x)]
        elif key in ("items", "additionalProperties") and _schemas(x, y):
            out[key] = _merged(x, y)
        elif key == "additionalProperties":
            out[key] = False
        elif key == "enum":
            both = {json.dumps(value, sort_keys=True) for value in y}
            out[key] = [value for value in x if json.dumps(value, sort_keys=True) in both] or x
        elif key in _LOW:
            out[key] = max(x, y)
        elif key in _HIGH:
            out[key] = min(x, y)
        elif key == "type" and {x, y} == {"integer", "number"}:
            out[key] = "integer"
    return out


def _schemas(*values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def _either(choices: list[Schema]) -> Schema:
    """What any of them allows; enums of one type are joined."""
    choices = _distinct(choices)
    if len(choices) == 1:
        return choices[0]
    if not all(choices):
        return {}
    enums = all("enum" in choice and choice.keys() <= {"type", "enum"} for choice in choices)
    if enums and len({choice.get("type") for choice in choices}) == 1:
        return {**choices[0], "enum": _distinct(value for choice in choices for value in choice["enum"])}
    return {"anyOf": choices}


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list({json.dumps(value, sort_keys=True): value for value in reversed(list(values))}.values())[::-1]


def _without_null(node: Schema) -> Schema:
    """The same, all the way down, with the optional properties made `_optional`."""
    out = dict(node)
    if "properties" in node:
        inner = {name: _without_null(item) for name, item in node["properties"].items()}
        required = node.get("required", ())
        out["properties"] = {k: item if k in required else _optional(item) for k, item in inner.items()}
    for key in ("items", "additionalProperties"):
        if _schemas(node.get(key)):
            out[key] = _without_null(node[key])
    if "anyOf" in node:
        out["anyOf"] = [_without_null(choice) for choice in node["anyOf"]]
    return out


def _optional(schema: Schema) -> Schema:
    """What may be left out need not be null: many models know no unions, some platforms refuse them."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list) or _NULL not in choices:
        return schema
    real = [choice for choice in cast("list[Schema]", choices) if choice != _NULL]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if rest.get("default", ...) is None:
        del rest["default"]
    return {**real[0], **rest} if len(real) == 1 else {**rest, "anyOf": real}
