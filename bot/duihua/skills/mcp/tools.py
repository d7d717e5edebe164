"""A tool of an MCP server as a skill: its name, its schema, when a person is asked, how arguments are read.

Everything here came from the server and is bounded; a tool that cannot be described to a model is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson

from duihua.errors import BadArguments
from duihua.escapes import Cleaner
from duihua.messages import Effect
from duihua.ports import Skill, ToolSpec, always, never
from duihua.skills import complaint
from duihua.skills.flat import flat
from duihua.skills.mcp.servers import Server

if TYPE_CHECKING:
    from mcp_types import Tool

DESCRIPTION = 1_000
"""Characters of a description, at most."""
SCHEMA = 20_000
"""Bytes of a schema as JSON, at most: as it was sent, and with its references written out."""
ARGUMENTS = 200_000
"""Characters of one call's arguments, at most."""
DEPTH = 40
"""Levels of a schema, at most."""

_NAME = 64

Run = Callable[[str, Mapping[str, Any], Any], Awaitable[Any]]


class Unfit(Exception):
    """A tool cannot become a skill; the text says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that can become a skill; `skill` has the tool's own name as far as a name allows it."""

    server: str
    tool: str
    skill: Skill = field(hash=False)


def offer(server: Server, tool: Tool, run: Run) -> Offer:
    """The tool as a skill that `run(tool, arguments, context)` carries out.

    Raises:
        Unfit: its schema is none.
    """
    name = plain_name(tool.name)
    schema = lowered(tool.input_schema)
    said = tool.description or tool.title or tool.name
    description = complaint.clipped(" ".join(Cleaner().feed(said).split()), DESCRIPTION)
    effect = _effect(tool)
    asks = server.confirm == "always" or (server.confirm == "writes" and effect != "read")
    made = Skill(
        spec=ToolSpec(name, description, schema),
        run=partial(run, tool.name),
        validate=partial(_read, name, schema),
        effect=effect,
        confirm=always if asks else never,
        timeout=server.timeout,
        origin=f"mcp server {server.name}",
        plain=True,
    )
    return Offer(server.name, tool.name, made)


def named(offers: Sequence[Offer], taken: Collection[str], owners: dict[str, tuple[str, str]]) -> list[Skill]:
    """Gives every tool a name of its own: the tool's, else with the server's name before it.

    A name stays with the tool that had it first (`owners`, which is added to): what a person consented to
    must not become another server's because that one came back sooner.
    """
    skills: list[Skill] = []
    used = set(taken)
    for one in offers:
        who = (one.server, one.tool)
        short = one.skill.name
        marked = f"_{_mark(f'{one.server} {one.tool}')}"
        choices = (short, f"{plain_name(one.server)}_{short}"[:_NAME], short[: _NAME - len(marked)] + marked)
        name = next((n for n in choices if n not in used and owners.get(n, who) == who), None)
        if name is None:
            continue  # the very same tool, listed twice
        used.add(name)
        owners[name] = who
        skills.append(replace(one.skill, spec=replace(one.skill.spec, name=name)))
    return skills


def plain_name(text: str) -> str:
    """`text` within what every platform takes for a name, never empty: of a Chinese name a mark is left."""
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", Cleaner().feed(text[:200]))[:_NAME].strip("_")
    return plain or f"tool_{_mark(text)}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]


def lowered(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's schema in the form that skills have: flat, of type object.

    Raises:
        Unfit: it is none, too large, or refers to itself.
    """
    try:
        if len(orjson.dumps(schema)) > SCHEMA or _weight(schema) > SCHEMA:
            raise Unfit("its schema is too large")
        raw: dict[str, Any] = {"$defs": schema.get("definitions", {}), **schema}
        if not all(isinstance(part, Mapping | bool) for part in raw.get("properties", {}).values()):
            raise Unfit("its schema is none")
        made = flat({key: raw[key] for key in ("$defs", "properties", "required") if key in raw})
        properties, required = made.get("properties", {}), made.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise Unfit("its schema is none")
        if not all(isinstance(part, dict) for part in cast("dict[str, Any]", properties).values()):
            raise Unfit("its schema is none")
    except RecursionError:
        raise Unfit("its schema contains itself or is too deep") from None
    except (KeyError, TypeError, AttributeError, ValueError, orjson.JSONEncodeError):
        raise Unfit("its schema is none") from None
    known = [name for name in cast("list[Any]", required) if name in properties]
    return {"type": "object", "properties": properties, **({"required": known} if known else {})}


def _weight(schema: Mapping[str, Any]) -> int:
    """About how many bytes a schema has when its references are written out, without writing them out.

    Definitions that name others twice grow beyond every machine: they are weighed, each once.
    """
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    weights: dict[str, int] = {}

    def of(name: str, within: tuple[str, ...]) -> int:
        if name in within:
            raise RecursionError(name)
        if name not in weights:
            weights[name] = node(definitions[name], (*within, name), 0)
        return weights[name]

    def node(value: Any, within: tuple[str, ...], depth: int) -> int:
        if depth > DEPTH:
            raise RecursionError
        match value:
            case {"$ref": str(ref)}:
                rest = {k: v for k, v in cast("dict[str, Any]", value).items() if k != "$ref"}
                return of(ref.rpartition("/")[2], within) + node(rest, within, depth + 1)
            case dict():
                parts = cast("dict[str, Any]", value).items()
                return 2 + sum(len(key) + 4 + node(part, within, depth + 1) for key, part in parts)
            case list():
                return 2 + sum(1 + node(part, within, depth + 1) for part in cast("list[Any]", value))
            case str():
                return len(value) + 2
            case _:
                return 8

    return node({k: v for k, v in schema.items() if k not in ("$defs", "definitions")}, (), 0)


def _effect(tool: Tool) -> Effect:
    hints = tool.annotations
    if hints is not None and hints.read_only_hint is True:
        return "read"
    return "idempotent" if hints is not None and hints.idempotent_hint is True else "write"


def _read(name: str, schema: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """A call's arguments; types are the server's to check: its schema may hold what is dear to evaluate."""
    text = text.strip()
    if len(text) > ARGUMENTS:
        raise BadArguments(f"The arguments of {name} are too long: at most {ARGUMENTS} characters.")
    try:
        value = orjson.loads(text or "{}")
    except ValueError as e:
        raise BadArguments(
            f"The arguments of {name} are no JSON: {complaint.clipped(str(e), 150)}."
        ) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadArguments(f"The arguments of {name} must be one JSON object.")
    arguments = cast("dict[str, Any]", value)
    missing = [str(key) for key in schema.get("required", ()) if key not in arguments]
    if missing:
        names = complaint.clipped(", ".join(missing), 300)
        raise BadArguments(f"The arguments do not fit {name}. Missing: {names}.")
    return arguments
