"""A tool of an MCP server as a skill: its name, when a person is asked; the rest is `given.from_schema`."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from duihua.escapes import clean
from duihua.messages import Effect
from duihua.ports import Skill
from duihua.skills.given import fitted, from_schema
from duihua.skills.mcp.servers import Server

if TYPE_CHECKING:
    from mcp_types import Tool

_NAME = 64

Run = Callable[[str, Mapping[str, Any], Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that can become a skill; `skill` has the tool's own name as far as a name allows it."""

    server: str
    tool: str
    skill: Skill = field(hash=False)


def offer(server: Server, tool: Tool, run: Run) -> Offer:
    """The tool as a skill that `run(tool, arguments, context)` carries out.

    Raises:
        ValueError: its schema cannot be used; the text says why.
    """
    effect = _effect(tool)
    made = from_schema(
        fitted(clean(tool.name)),
        tool.description or tool.title or tool.name,
        tool.input_schema,
        partial(run, tool.name),
        effect=effect,
        timeout=server.timeout,
        confirm=server.confirm == "always" or (server.confirm == "writes" and effect != "read"),
        origin=f"mcp server {server.name}",
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
        of_server = f"{fitted(clean(one.server))}_{short}"
        choices = (short, of_server[:_NAME], short[: _NAME - len(marked)] + marked)
        name = next((n for n in choices if n not in used and owners.get(n, who) == who), None)
        if name is None:
            continue  # the very same tool, listed twice
        used.add(name)
        owners[name] = who
        skills.append(replace(one.skill, spec=replace(one.skill.spec, name=name)))
    return skills


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]


def _effect(tool: Tool) -> Effect:
    hints = tool.annotations
    if hints is not None and hints.read_only_hint is True:
        return "read"
    return "idempotent" if hints is not None and hints.idempotent_hint is True else "write"
