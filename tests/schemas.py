"""JSON Schemas of every kind with a value that each allows, drawn together: 300 that are always the same."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Pair = tuple[Any, Any]

_NAMES = (
    "city",
    "days",
    "filter",
    "user_id",
    "标题",
    "Tags",
    "to",
    "x-y",
    "type",
    "default",
    "$ref",
    "items",
)
_texts = st.text("aZ9 _\n\\{}[]:,'\"北😀\u2028", max_size=6) | st.sampled_from(
    ("北京", "3", "true", "null", "it's", '"', "{}")
)
_scalars = st.one_of(
    st.tuples(st.just({"type": "string"}), _texts),
    st.tuples(st.just({"type": "string", "minLength": 1, "maxLength": 40}), _texts.filter(bool)),
    st.tuples(st.just({"type": "string", "pattern": "^[a-z]+$"}), st.sampled_from(("a", "abc"))),
    st.tuples(st.just({"type": "string", "format": "date"}), st.dates().map(lambda day: day.isoformat())),
    st.tuples(
        st.just({"type": "string", "format": "date-time"}), st.datetimes().map(lambda t: t.isoformat() + "Z")
    ),
    st.tuples(st.just({"type": "integer"}), st.integers()),
    st.tuples(st.just({"type": "integer", "minimum": 1, "exclusiveMaximum": 9}), st.integers(1, 8)),
    st.tuples(st.just({"type": "number", "default": 0.5}), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just({"type": "boolean", "default": True}), st.booleans()),
    st.tuples(st.just({"type": "null"}), st.none()),
    st.tuples(st.just({"type": "string", "enum": ["red", "blue"], "title": "Color"}), st.just("blue")),
    st.tuples(st.just({"enum": [1, "one", None, True, [1]]}), st.sampled_from((1, "one", None, True, [1]))),
    st.tuples(st.just({"const": "fixed"}), st.just("fixed")),
    st.tuples(st.just({"type": ["string", "null"]}), _texts | st.none()),
    st.tuples(st.just({"type": ["integer", "array", "number"]}), st.sampled_from((1, 1.5, []))),
    st.tuples(st.just(True), st.sampled_from((None, 1, "x", {"a": [1]}))),
    st.tuples(st.just({"type": "array"}), st.just([1, "x"])),
    st.tuples(st.just({"type": "object"}), st.just({"a": {"b": 1}})),
    st.tuples(st.just({"not": {"type": "string"}, "description": "no text", "x-own": 1}), st.just(5)),
)


def _with(*required: tuple[str, Pair], **more: Any) -> Pair:
    node = {"type": "object", "properties": {name: pair[0] for name, pair in required}, **more}
    return {**node, "required": [n for n, _ in required]}, {name: pair[1] for name, pair in required}


@st.composite
def _pairs(draw: st.DrawFn, defs: dict[str, Any], depth: int = 3) -> Pair:
    kinds = ("scalar", "object", "list", "tuple", "map", "any", "one", "all", "ref", "tree", "nullable", "if")
    kind = draw(st.sampled_from(kinds)) if depth else "scalar"
    inner = _pairs(defs, depth - 1) if depth else _scalars
    match kind:
        case "object":
            return draw(_objects(defs, depth - 1))
        case "list":
            node, value = draw(inner)
            return {"type": "array", "items": node, "maxItems": 3}, [value] * draw(st.integers(0, 3))
        case "tuple":
            (a, x), (b, y) = draw(inner), draw(inner)
            return {"type": "array", "prefixItems": [a, b], "items": False, "minItems": 2}, [x, y]
        case "map":
            node, value = draw(inner)
            keys = draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=2))
            return {"type": "object", "additionalProperties": node}, dict.fromkeys(keys, value)
        case "any":
            choices = draw(st.lists(inner, min_size=1, max_size=3))
            return {"anyOf": [node for node, _ in choices]}, draw(st.sampled_from(choices))[1]
        case "one":
            tagged = [_with(("kind", ({"const": tag}, tag)), ("it", draw(inner))) for tag in ("cat", "dog")]
            return {"oneOf": [node for node, _ in tagged]}, draw(st.sampled_from(tagged))[1]
        case "all":
            (a, x), (b, y) = _with(("left", draw(inner))), _with(("right", draw(inner)))
            return {"allOf": [a, b], "description": "both"}, {**x, **y}
        case "ref":
            node, value = draw(inner)
            defs[name := f"D{len(defs)}"] = node
            return {"$ref": f"#/$defs/{name}", "description": "elsewhere"}, value
        case "tree":
            node, value = draw(inner)
            kids = {"type": "array", "items": {"$ref": f"#/$defs/Tree{len(defs)}"}}
            name = f"Tree{len(defs)}"
            defs[name] = {"type": "object", "properties": {"at": node, "kids": kids}, "required": ["at"]}
            return {"$ref": f"#/$defs/{name}"}, {"at": value, "kids": [{"at": value, "kids": []}]}
        case "nullable":
            node, value = draw(inner)
            return {"anyOf": [node, {"type": "null"}], "default": None}, draw(st.sampled_from((value, None)))
        case "if":
            node, value = _with(("n", ({"type": "integer"}, 1)), ("m", draw(inner)))
            return {**node, "if": {"required": ["n"]}, "then": {"required": ["m"]}}, value
        case _:
            return draw(_scalars)


@st.composite
def _objects(draw: st.DrawFn, defs: dict[str, Any], depth: int) -> Pair:
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=4))
    made = {name: draw(_pairs(defs, depth)) for name in names}
    required = [name for name in names if draw(st.booleans())]
    node: dict[str, Any] = {"type": "object", "properties": {name: pair[0] for name, pair in made.items()}}
    if required:
        node["required"] = required
    if draw(st.booleans()):
        node["additionalProperties"] = draw(st.booleans())
    given = [name for name in names if name in required or draw(st.booleans())]
    return node, {name: made[name][1] for name in given}


@st.composite
def schemas(draw: st.DrawFn) -> Pair:
    """A schema of type object and arguments that fit it."""
    defs: dict[str, Any] = {}
    node, value = draw(_objects(defs, 2))
    if draw(st.integers(0, 5)) == 0:
        defs["Root"] = node
        node = {"$ref": "#/$defs/Root", "$schema": "https://json-schema.org/draft/2020-12/schema"}
    return ({**node, "$defs": defs} if defs else node), value


@cache
def drawn(count: int = 300) -> tuple[Pair, ...]:
    """The same ones every time, each schema once."""
    found: dict[str, Pair] = {}

    @settings(
        max_examples=count * 13 // 10,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schemas())
    def draw(pair: Pair) -> None:
        found.setdefault(json.dumps(pair[0]), pair)

    draw()
    assert len(found) >= count
    return tuple(found.values())[:count]
