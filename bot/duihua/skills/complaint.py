"""Tells a model what is wrong with its arguments: short, whatever it sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from duihua.fragments import to_json
from duihua.skills.checking import Unfit

LIMIT = 1_000
"""Characters of a complaint, at most."""

_ERRORS = 5


def text(name: str, error: ValueError, expected: str) -> str:
    """What was wrong, place by place, and what is expected; at most LIMIT characters."""
    problems = _problems(error)
    lines = [f"The arguments do not fit {name}."]
    lines += [_line(problem) for problem in problems[:_ERRORS]]
    if len(problems) > _ERRORS:
        lines.append(f"- and {len(problems) - _ERRORS} more")
    return clipped("\n".join([*lines, expected]), LIMIT)


def expected(schema: Mapping[str, Any]) -> str:
    """One line: the parameters with their types and defaults."""
    required = schema.get("required", ())
    items = [
        f"{name}: {_type(item)}" + (" (required)" if name in required else _default(item))
        for name, item in schema["properties"].items()
    ]
    if not items and schema.get("additionalProperties"):
        return f"Expected: a JSON object, each value {_type(schema['additionalProperties'])}."
    if not items:
        return "Expected: no arguments, {}."
    return clipped("Expected: a JSON object with " + "; ".join(items) + ".", LIMIT // 2)


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters, with a mark where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _problems(error: ValueError) -> list[Mapping[str, Any]]:
    match error:
        case ValidationError():
            return cast("list[Mapping[str, Any]]", error.errors(include_url=False, include_context=False))
        case Unfit():
            return [problem._asdict() for problem in error.problems]
        case _:
            return [{"loc": (), "type": "json_invalid", "msg": str(error)}]


def _line(problem: Mapping[str, Any]) -> str:
    place = clipped(".".join(str(part) for part in problem["loc"]), 60)
    match problem["type"]:
        case "missing":
            return f"- {place}: missing"
        case "extra_forbidden":
            return f"- {place}: there is no such argument"
        case "json_invalid":
            return "- " + clipped(problem["msg"], 150)
        case "model_type":
            return "- the arguments must be one JSON object"
        case _:
            said = f"{clipped(problem['msg'], 150)}, got {_shown(problem['input'])}"
            return f"- {place}: {said}" if place else f"- {said}"


def _shown(value: Any) -> str:
    match value:
        case str():
            return repr(clipped(value, 60))
        case bool() | None:
            return _json(value)
        case int() | float():
            return clipped(_json(value), 40) if abs(value) < 1e15 else "a huge number"
        case list():
            return "an array"
        case _:
            return "an object"


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(_json(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(item) for item in schema["anyOf"])
    kind = str(schema.get("type", "any"))
    if kind == "array" and schema.get("items"):
        return f"array of {_type(schema['items'])}"
    return f"{kind} ({schema['format']})" if schema.get("format") in ("date", "date-time") else kind


def _default(schema: Mapping[str, Any]) -> str:
    return f" = {_json(schema['default'])}" if "default" in schema else " (optional)"


def _json(value: Any) -> str:
    return to_json(value).decode()
