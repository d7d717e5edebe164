"""A function that the question names is called, whatever it does: so any skill can be tried.

`dice 2`, `用 dice 掷 2 个` or `Please roll dice: "red"` call `dice` or `roll_dice` with what can be found for
its parameters: numbers in their order, an option of an enumeration that is said, text in quotes or what
follows the name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from duihua.simulator import calling
from duihua.simulator.ask import Ask, Call, Function

SHORTEST = 3
"""Letters of a name that is looked for: shorter ones stand in too many sentences."""

_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w.]*\d)")
_QUOTED = re.compile(r"“([^”]+)”|「([^」]+)」|\"([^\"]+)\"|‘([^’]+)’")
_EDGE = " \t\n,，:：;；.。!！?？"


def calls(ask: Ask, question: str) -> list[Call]:
    """A call of each function that the question names and that no wish is for, in the order offered."""
    found: list[Call] = []
    for function in ask.functions:
        if calling.known(function) or ask.choice not in ("auto", "required", function.name):
            continue
        if (at := _named(function.name, question)) is not None:
            found.append(calling.call(function, _arguments(function, question, question[at.end() :])))
    return found


def _named(name: str, question: str) -> re.Match[str] | None:
    words = re.split(r"[_-]+", name.strip("_-"))
    if len(name) < SHORTEST:
        return None
    pattern = r"[\s_-]+".join(map(re.escape, words))
    return re.search(rf"(?<![A-Za-z0-9_]){pattern}(?![A-Za-z0-9_])", question, re.IGNORECASE)


def _arguments(function: Function, question: str, after: str) -> dict[str, Any]:
    properties = calling.parameters(function.schema)
    numbers = [found.group() for found in _NUMBER.finditer(after)]
    texts = [next(filter(None, found.groups())) for found in _QUOTED.finditer(question)]
    rest = after.strip(_EDGE)
    filled: dict[str, Any] = {}
    for name, schema in properties.items():
        options = schema.get("enum")
        if isinstance(options, list):
            said = [o for o in cast("list[Any]", options) if str(o).lower() in question.lower()]
            filled |= {name: said[0]} if said else {}
        elif schema.get("type") in ("integer", "number"):
            if numbers:
                filled[name] = _number(numbers.pop(0), schema)
        elif schema.get("type", "string") == "string":
            if texts:
                filled[name] = texts.pop(0)
            elif rest:
                filled[name], rest = rest, ""
    return calling.minimal(function) | filled


def _number(text: str, schema: Mapping[str, Any]) -> int | float:
    return int(float(text)) if schema.get("type") == "integer" else float(text)
