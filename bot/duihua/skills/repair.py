"""Arguments that are nearly right are made right, where they can be read in one way alone.

Nothing that was right is changed: first the text is taken as it is, and only the places that do not fit the
schema are touched. What could be meant in two ways is not guessed; the model is told what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from duihua.skills import lenient, pointing
from duihua.skills.checking import Checker, TooMuch, of_type
from duihua.skills.pointing import Node, Schema

T = TypeVar("T")

_WRAPPERS = frozenset({"arguments", "args", "parameters", "params", "kwargs", "input"})
_CONTAINERS = ("{", "[", "```")
_NUMBER = re.compile(r"\s*-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\s*", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_DEEP = 40


def repaired(text: str, name: str, schema: Schema, accept: Callable[[Any], T], wrong: ValueError) -> T:
    """What `accept` made of the only reading of a text that it takes.

    Args:
        text: what the model wrote.
        name: of the skill.
        schema: of the arguments; references within it are followed.
        accept: takes an object of arguments, or raises ValueError.
        wrong: what was found wrong with the text as it stands.

    Raises:
        ValueError: there is no such reading, or more than one: what is wrong with the plainest, once mended.
    """
    if isinstance(wrong, TooMuch):
        raise wrong
    found: dict[str, T] = {}
    for number, reading in enumerate(readings(text, name, schema)):
        try:
            made = accept(reading)
        except TooMuch:
            raise
        except ValueError as e:
            wrong = wrong if number else e
        else:
            if not found:
                return made
            found[_key(reading)] = made
            continue
        try:
            mended = _Mending(schema, len(text)).mend(reading)
            found[_key(mended)] = accept(mended)
        except TooMuch:
            raise
        except ValueError as e:
            wrong = wrong if number else e
    if len(found) > 1:
        raise ValueError("the arguments can be read in more than one way")
    for made in found.values():
        return made
    raise wrong


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def readings(text: str, name: str, schema: Schema) -> list[dict[str, Any]]:
    """The objects of arguments that a text may be meant to be, the plainest first."""
    only = _only(schema)
    try:
        value = lenient.read(text)
        if isinstance(value, str) and value.lstrip().startswith(_CONTAINERS):
            value = lenient.read(value)
    except ValueError:
        return _bare(text, only)
    if value is None:
        return [{}]
    if isinstance(value, dict):
        plain = cast("dict[str, Any]", value)
        return [plain, *_unwrapped(plain, name, schema)]
    return [{only: value}] if only else []


def _bare(text: str, only: str) -> list[dict[str, Any]]:
    """A text that is no JSON at all, as the only argument; not if it may have begun as an object."""
    text = lenient.unfenced(text)
    broken = text.startswith((*_CONTAINERS, '"', "'")) or "{" in text
    if not only or not text or broken or len(text) > lenient.LONGEST:
        return []
    named = re.match(rf"[\s*`\"'(]*{re.escape(only)}[\s*`\"')]*[:=：＝]", text, re.IGNORECASE)
    return [] if named else [{only: text}]


def _only(schema: Schema) -> str:
    """The name of the only argument there is, or nothing."""
    schema = pointing.resolved(schema, schema)
    properties: Mapping[str, Any] = schema.get("properties", {})
    return next(iter(properties)) if len(properties) == 1 else ""


def _unwrapped(value: dict[str, Any], name: str, schema: Schema) -> Iterable[dict[str, Any]]:
    """The object within `{"arguments": {...}}`, within the skill's name, or beside it."""
    known = pointing.resolved(schema, schema).get("properties", {})
    keys = [key for key in value if key not in known]
    if len(keys) < len(value):
        return
    if len(value) == 2 and name in (value.get("name"), value.get("function")):
        keys = [key for key in keys if key not in ("name", "function")]
    if len(keys) != 1 or keys[0] not in _WRAPPERS | {name}:
        return
    inner = value[keys[0]]
    if isinstance(inner, str):
        try:
            inner = lenient.read(inner)
        except ValueError:
            return
    if isinstance(inner, dict):
        yield cast("dict[str, Any]", inner)


class _Mending:
    """Touches the places of a value that do not fit, and only those."""

    def __init__(self, root: Schema, size: int) -> None:
        self.root, self.checker = root, Checker(root, size)

    def mend(self, value: Any) -> Any:
        """Raises ValueError if it is too much work."""
        try:
            return self._mend(value, self.root, 0)
        except RecursionError:
            raise TooMuch("nested too deeply") from None

    def _mend(self, value: Any, node: Node, deep: int) -> Any:
        if not isinstance(node, dict) or deep > _DEEP or self.checker.fits(node, value):
            return value
        if isinstance(value, str):
            value = self._read(value, node)
        if isinstance(value, dict):
            value = self._object(cast("dict[str, Any]", value), node, deep)
        elif isinstance(value, list):
            value = self._array(cast("list[Any]", value), node, deep)
        if "$ref" in node:
            value = self._mend(value, pointing.target(self.root, node["$ref"]), deep + 1)
        for part in node.get("allOf", ()):
            value = self._mend(value, part, deep + 1)
        for way in ("anyOf", "oneOf"):
            if way in node:
                value = self._chosen(value, node[way], deep)
        return value

    def _read(self, text: str, node: Schema) -> Any:
        """The value that a string holds, if a string is wrong here and that value may be right."""
        kinds: Any = node.get("type", [])
        if "string" in kinds:
            return text
        if text.lstrip().startswith(("{", "[")):
            try:
                value: Any = lenient.read(text)
            except ValueError:
                return text
            kind = "array" if text.lstrip().startswith("[") else "object"
            return value if kind in kinds or self.checker.fits(node, value) else text
        if text.strip() in _WORDS:
            value = _WORDS[text.strip()]
        elif _NUMBER.fullmatch(text):
            try:
                value = lenient.strict(text)
            except ValueError:
                return text
            if isinstance(value, float) and of_type("integer", value) and "integer" in kinds:
                value = int(value)
        else:
            return text
        return value if self.checker.fits(node, value) else text

    def _chosen(self, value: Any, choices: list[Node], deep: int) -> Any:
        """The value mended for the only choice that it can be mended for."""
        if any(self.checker.fits(choice, value) for choice in choices):
            return value
        found: dict[str, Any] = {}
        for choice in choices:
            mended = self._mend(value, choice, deep + 1)
            if self.checker.fits(choice, mended):
                found[_key(mended)] = mended
        return next(iter(found.values())) if len(found) == 1 else value

    def _object(self, value: dict[str, Any], node: Schema, deep: int) -> dict[str, Any]:
        properties: Mapping[str, Node] = node.get("properties", {})
        rest: Node = True if "patternProperties" in node else node.get("additionalProperties", True)
        required = node.get("required", ())
        out: dict[str, Any] = {}
        for name, item in value.items():
            inner = properties.get(name, rest)
            if item is None and name not in required and not self.checker.fits(inner, None):
                continue  # the null of something that may be left out
            out[name] = self._mend(item, inner, deep + 1)
        return out if any(out.get(k, ...) is not v for k, v in value.items()) else value

    def _array(self, value: list[Any], node: Schema, deep: int) -> list[Any]:
        items = node.get("items", True)
        first: list[Node] = node.get("prefixItems", ())
        if isinstance(items, list):
            first, items = cast("list[Node]", items), node.get("additionalItems", True)
        out = [
            self._mend(item, first[i] if i < len(first) else items, deep + 1) for i, item in enumerate(value)
        ]
        return out if any(new is not old for new, old in zip(out, value, strict=True)) else value
