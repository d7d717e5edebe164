"""Tools as skills: their schemas are taken as `from_schema` takes all others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp_types import Tool

from duihua.errors import BadArguments
from duihua.ports import Skill
from duihua.skills.mcp import Server
from duihua.skills.mcp.tools import offer


async def run(tool: str, arguments: Any, context: Any) -> Any:
    return arguments


def offered(schema: Any, name: str = "it", description: str = "Does it.") -> Skill:
    listed = Tool.model_validate_json(
        json.dumps({"name": name, "description": description, "inputSchema": schema})
    )
    return offer(Server("s"), listed, run).skill


def test_types_are_checked_before_the_server_is_asked() -> None:
    skill = offered({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    assert skill.validate('{"n": "3"}') == {"n": 3}
    with pytest.raises(BadArguments, match="n: should be an integer, got 'abc'"):
        skill.validate('{"n": "abc"}')


def test_what_steers_a_screen_is_in_no_name_and_no_description() -> None:
    bad = "\x1b[31mRead\u202e this"
    skill = offered({"properties": {"description": {"type": "string", "description": bad}}}, f"漢{bad}", bad)
    assert skill.spec.description == "Read this"
    assert skill.spec.schema["properties"] == {"description": {"type": "string", "description": "Read this"}}
    assert skill.name == offered({}, "漢Read this").name


def test_a_check_that_costs_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duihua.skills.checking._SECONDS", 0.0)
    patterns = [{"pattern": f"^(a+)+{number}$"} for number in range(3)]
    skill = offered({"properties": {"x": {"type": "string", "allOf": patterns}}})
    with pytest.raises(BadArguments, match="too much to check"):
        skill.validate('{"x": "a"}')
