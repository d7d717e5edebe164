"""Checks a JSON value against a JSON Schema (2020-12, and what older drafts write differently).

Schemas come from outside too, so the work is bounded, patterns run in linear time and no reference is ever
fetched. Left out, as if they were not there: `unevaluated*`, `$dynamicRef`, patterns that look around. Of the
formats, dates are checked. A schema must have been looked at by `tidying.tidy`, or made by pydantic.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, cast

from pydantic_core import SchemaError, SchemaValidator, core_schema

from duihua.skills import pointing
from duihua.skills.pointing import Node, Schema

_STEPS = 50_000  # schemas looked at for one value
_SECONDS = 1.0  # for one value: not every step is as cheap as most, and nobody is served meanwhile
_DEEP = 40  # references that lead to nothing but references
_PATTERN = 2_000  # characters
_OPTIONS = 20  # told of an enum

Loc = tuple[str | int, ...]


class Problem(NamedTuple):
    """One thing that is wrong; the fields are those of a pydantic error."""

    loc: Loc
    type: str
    msg: str
    input: Any


class Unfit(ValueError):
    """A value does not fit its schema."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems[0].msg)
        self.problems = problems


class TooMuch(ValueError):
    """The work to check a value is out of all proportion."""


class Checker:
    """Checks values against a schema and the schemas within it, up to an amount of work in all.

    Args:
        root: where references lead to.
        size: characters of the value, which raise that number.
    """

    __slots__ = ("left", "root", "until")

    def __init__(self, root: Schema, size: int = 0) -> None:
        self.root, self.left = root, _STEPS + 10 * size
        self.until = time.perf_counter() + _SECONDS

    def check(self, value: Any) -> None:
        """Raises Unfit with what is wrong, or TooMuch."""
        try:
            problems = self.problems(self.root, value)
        except RecursionError:
            raise TooMuch("nested too deeply") from None
        if problems:
            raise Unfit(tuple(problems))

    def fits(self, node: Node, value: Any) -> bool:
        """Whether a value fits a schema within the root."""
        return not self.problems(node, value)

    def problems(self, node: Node, value: Any, loc: Loc = (), refs: int = 0) -> list[Problem]:
        """What is wrong with a value, place by place."""
        if node is True:
            return []
        if node is False:
            return [Problem(loc, "extra_forbidden", "nothing may be here", value)]
        if not isinstance(node, dict):
            return []
        self.left -= 1 + len(node.get("enum", ())) // 8
        if self.left < 0 or refs > _DEEP or time.perf_counter() > self.until:
            raise TooMuch("too much to check")
        found = _plain(node, value, loc)
        if found and found[0].type == "type":
            return found
        match value:
            case dict():
                found += self._object(node, cast("dict[str, Any]", value), loc)
            case list():
                found += self._array(node, cast("list[Any]", value), loc)
            case _:
                pass
        return found + self._combined(node, value, loc, refs)

    def _combined(self, node: Schema, value: Any, loc: Loc, refs: int) -> list[Problem]:
        found: list[Problem] = []
        if "$ref" in node:
            found += self.problems(pointing.target(self.root, node["$ref"]), value, loc, refs + 1)
        for part in node.get("allOf", ()):
            found += self.problems(part, value, loc, refs)
        if "anyOf" in node:
            found += self._any(node["anyOf"], value, loc, refs)
        if "oneOf" in node:
            count = sum(not self.problems(choice, value, loc, refs) for choice in node["oneOf"])
            if count == 0:
                found += self._any(node["oneOf"], value, loc, refs)
            elif count > 1:
                found.append(Problem(loc, "one_of", f"fits {count} of the choices, not exactly one", value))
        if "not" in node and not self.problems(node["not"], value, loc, refs):
            found.append(Problem(loc, "not", "is what must not be here", value))
        if "if" in node:
            way = "else" if self.problems(node["if"], value, loc, refs) else "then"
            found += self.problems(node.get(way, True), value, loc, refs)
        return found

    def _any(self, choices: list[Node], value: Any, loc: Loc, refs: int) -> list[Problem]:
        """Nothing if one fits; else what is wrong with the only one of the value's type."""
        near: list[list[Problem]] = []
        for choice in choices:
            problems = self.problems(choice, value, loc, refs)
            if not problems:
                return []
            if not any(p.type in ("type", "enum") and p.loc in (loc, (*loc, *p.loc[-1:])) for p in problems):
                near.append(problems)
        if len(near) == 1:
            return near[0]
        return [Problem(loc, "any_of", "fits none of the choices", value)]

    def _object(self, node: Schema, value: Mapping[str, Any], loc: Loc) -> list[Problem]:
        found = [
            Problem((*loc, name), "missing", "missing", value)
            for name in node.get("required", ())
            if name not in value
        ]
        found += _size(node, "Properties", len(value), "properties", value, loc)
        properties: Mapping[str, Node] = node.get("properties", {})
        patterns: Mapping[str, Node] = node.get("patternProperties", {})
        rest: Node = node.get("additionalProperties", True)
        names: Node = node.get("propertyNames", True)
        self.left -= len(patterns) * len(value)
        for name, item in value.items():
            place = (*loc, name)
            known = name in properties
            if known:
                found += self.problems(properties[name], item, place)
            for pattern, inner in patterns.items():
                matches = _pattern(pattern)
                if matches is None or matches.isinstance_python(name):
                    known = True
                    found += self.problems(inner, item, place) if matches else []
            if not known and rest is not True:
                found += self.problems(rest, item, place)
            if names is not True:
                found += self.problems(names, name, place)
        for name, needed in node.get("dependentRequired", {}).items():
            if name in value:
                missing = (other for other in needed if other not in value)
                found += [Problem((*loc, o), "missing", "missing", value) for o in missing]
        for name, inner in node.get("dependentSchemas", {}).items():
            if name in value:
                found += self.problems(inner, value, loc)
        return found

    def _array(self, node: Schema, value: list[Any], loc: Loc) -> list[Problem]:
        found = _size(node, "Items", len(value), "items", value, loc)
        items = node.get("items", True)
        first: list[Node] = node.get("prefixItems", ())
        if isinstance(items, list):  # as drafts before 2020 write it
            first, items = cast("list[Node]", items), node.get("additionalItems", True)
        for index, item in enumerate(value):
            inner = first[index] if index < len(first) else cast("Node", items)
            if inner is not True:
                found += self.problems(inner, item, (*loc, index))
        if node.get("uniqueItems") is True and len({_key(item) for item in value}) < len(value):
            found.append(Problem(loc, "unique", "has an item twice", value))
        if "contains" in node:
            count = sum(not self.problems(node["contains"], item, loc) for item in value)
            least, most = node.get("minContains", 1), node.get("maxContains", count)
            if not least <= count <= most:
                found.append(Problem(loc, "contains", f"has {count} of the items it must contain", value))
        return found


def _plain(node: Schema, value: Any, loc: Loc) -> list[Problem]:
    """What can be told without looking at other schemas; a wrong type comes first and alone."""
    kinds = node.get("type")
    if kinds is not None:
        kinds = cast("list[str]", kinds if isinstance(kinds, list) else [kinds])
        if not any(of_type(kind, value) for kind in kinds):
            return [Problem(loc, "type", f"should be {_article(' or '.join(kinds))}", value)]
    found: list[Problem] = []
    if "enum" in node and not any(same(value, option) for option in node["enum"]):
        options = ", ".join(json.dumps(option, ensure_ascii=False) for option in node["enum"][:_OPTIONS])
        found.append(Problem(loc, "enum", f"should be one of {options}", value))
    if "const" in node and not same(value, node["const"]):
        only = json.dumps(node["const"], ensure_ascii=False)
        found.append(Problem(loc, "enum", f"should be {only}", value))
    if isinstance(value, str):
        found += _size(node, "Length", len(value), "characters", value, loc)
        if "pattern" in node and (matches := _pattern(node["pattern"])):
            found += (
                []
                if matches.isinstance_python(value)
                else [Problem(loc, "pattern", f"should match the pattern {node['pattern']}", value)]
            )
        if "format" in node and not _formatted(node["format"], value):
            found.append(Problem(loc, "format", f"should be a {node['format']} in ISO 8601", value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found += _number(node, value, loc)
    return found


def _number(node: Schema, value: int | float, loc: Loc) -> list[Problem]:
    wrong: list[str] = []
    if "minimum" in node and value < node["minimum"]:
        wrong.append(f"should be at least {node['minimum']}")
    if "maximum" in node and value > node["maximum"]:
        wrong.append(f"should be at most {node['maximum']}")
    if "exclusiveMinimum" in node and value <= node["exclusiveMinimum"]:
        wrong.append(f"should be more than {node['exclusiveMinimum']}")
    if "exclusiveMaximum" in node and value >= node["exclusiveMaximum"]:
        wrong.append(f"should be less than {node['exclusiveMaximum']}")
    if "multipleOf" in node and not _multiple(value, node["multipleOf"]):
        wrong.append(f"should be a multiple of {node['multipleOf']}")
    return [Problem(loc, "range", text, value) for text in wrong]


def _multiple(value: int | float, of: int | float) -> bool:
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    quotient = Decimal(repr(value)) / Decimal(repr(of))
    return quotient == quotient.to_integral_value()


def _size(node: Schema, what: str, size: int, word: str, value: Any, loc: Loc) -> list[Problem]:
    found: list[Problem] = []
    least, most = node.get(f"min{what}"), node.get(f"max{what}")
    if least is not None and size < least:
        found.append(Problem(loc, "size", f"should have at least {least} {word}", value))
    if most is not None and size > most:
        found.append(Problem(loc, "size", f"should have at most {most} {word}", value))
    return found


def of_type(kind: str, value: Any) -> bool:
    """Whether a JSON value is of a JSON type; 1.0 is an integer, `true` is no number."""
    match value:
        case bool():
            return kind == "boolean"
        case int():
            return kind in ("integer", "number")
        case float():
            return kind == "number" or (kind == "integer" and value.is_integer())
        case str():
            return kind == "string"
        case None:
            return kind == "null"
        case list():
            return kind == "array"
        case _:
            return kind == "object"


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, but not `true`."""
    return a == b and (isinstance(a, str) or _key(a) == _key(b))


def _key(value: Any) -> Any:
    match value:
        case bool():
            return ("bool", value)
        case dict():
            return ("object", frozenset((k, _key(v)) for k, v in cast("dict[str, Any]", value).items()))
        case list():
            return ("array", tuple(_key(item) for item in cast("Iterable[Any]", value)))
        case _:
            return value


_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _formatted(kind: str, value: str) -> bool:
    try:
        if kind == "date":
            return bool(_DATE.fullmatch(value) and date.fromisoformat(value))
        if kind == "date-time":
            return bool(_DATE.match(value) and datetime.fromisoformat(value))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> SchemaValidator | None:
    """Rust's regular expressions, which cannot run away; None for one that they do not know."""
    if len(pattern) > _PATTERN:
        return None
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None


def _article(words: str) -> str:
    return f"an {words}" if words[:1] in "aeiou" else f"a {words}"
