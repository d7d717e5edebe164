"""Skills made of JSON Schemas that were given."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from duihua.actions import described
from duihua.config import Settings
from duihua.errors import BadArguments
from duihua.messages import Call, Text, Turn, TurnRef
from duihua.ports import Finish, Request, Skill
from duihua.providers import registry
from duihua.simulator import Simulator
from duihua.skills import Context, from_schema, run
from duihua.skills.given import fitted
from duihua.skills.mcp import Server
from duihua.skills.mcp.tools import offer
from tests.schemas import drawn

REAL: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data/schemas.jsonl").read_text("utf-8").splitlines()
]
MODELS = {
    "qianfan": "ernie-3.5-8k",
    "qianfan-v2": "ernie-4.0-turbo-8k",
    "modelarts": "deepseek-v3.1",
    "genstudio": "qwq-32b",
    "openai": "gpt-4.1-mini",
    "zhipu": "glm-4.7",
    "dashscope": "qwen-plus",
    "dashscope-compatible": "qwen-plus",
}
AT_ONCE = 120  # functions in a request; one platform takes 128
FEW = 8  # where they must fit in 5,120 tokens


async def echo(arguments: Mapping[str, Any], context: Any) -> Any:
    return arguments


def made(schema: Any, name: str = "it", **options: Any) -> Skill:
    return from_schema(name, "Does it.", schema, echo, **options)


@pytest.fixture(scope="module")
def skills() -> list[Skill]:
    """All the drawn ones and all the real ones."""
    out = [made(schema, f"drawn-{i}") for i, (schema, _) in enumerate(drawn())]
    return out + [from_schema(fitted(r["name"]), r["description"], r["schema"], echo) for r in REAL]


def test_they_are_as_many_as_they_should_be(skills: list[Skill]) -> None:
    assert len({skill.name for skill in skills}) == 340


@pytest.mark.parametrize("platform", MODELS)
async def test_every_platform_takes_every_schema(platform: str, skills: list[Skill]) -> None:
    async with Simulator() as simulator:
        client = registry.create(platform, Settings.load(None).replaced(simulator.settings()))
        model, specs = MODELS[platform], [skill.spec for skill in skills]
        turn = Turn(TurnRef(1, 1), 0, None, (Text("你好"),), (), "running")
        packed = client.dialect(model).pack("", [turn])
        async with contextlib.aclosing(client):
            count = FEW if platform.startswith("qianfan") else AT_ONCE
            for start in range(0, len(specs), count):
                deadline = asyncio.get_running_loop().time() + 30
                request = Request(model, packed, tuple(specs[start : start + count]), {}, deadline)
                pieces = [piece async for piece in client.stream(request)]
                assert isinstance(pieces[-1], Finish)
        sent = [request.body for request in simulator.requests if request.model]
    offered = [tool.get("function", tool) for body in sent for tool in _offered(body)]
    assert [tool["name"] for tool in offered] == [skill.name for skill in skills]
    assert all(tool["parameters"]["properties"] is not None for tool in offered)


def _offered(body: Any) -> list[dict[str, Any]]:
    return body.get("functions") or body.get("tools") or body["parameters"]["tools"]


def test_they_can_be_told_in_words(skills: list[Skill]) -> None:
    text = described(tuple(skill.spec for skill in skills), chinese=True)
    assert all(f"- {skill.name}: " in text for skill in skills)


def test_arguments_that_are_right_come_back_unchanged(skills: list[Skill]) -> None:
    values = [[value] for _, value in drawn()] + [row["arguments"] for row in REAL]
    for skill, rights in zip(skills, values, strict=True):
        for right in rights:
            text = json.dumps(right)
            assert json.dumps(skill.validate(text)) == text


def test_they_are_the_same_as_tools_of_an_mcp_server(skills: list[Skill]) -> None:
    from mcp_types import Tool

    async def run(tool: str, arguments: Any, context: Any) -> Any:
        return arguments

    values = [[value] for _, value in drawn()] + [row["arguments"] for row in REAL]
    schemas = [schema for schema, _ in drawn()] + [row["schema"] for row in REAL]
    for skill, schema, rights in zip(skills, schemas, values, strict=True):
        listed = {"name": skill.name, "description": skill.spec.description, "inputSchema": schema}
        tool = offer(Server("s"), Tool.model_validate_json(json.dumps(listed)), run).skill
        assert tool.spec == skill.spec
        for right in rights:
            text = json.dumps(right)
            assert json.dumps(tool.validate(f"```json\n{text}\n```")) == text


def test_what_is_shown_is_flat_and_never_narrower(skills: list[Skill]) -> None:
    values = [[value] for _, value in drawn()] + [row["arguments"] for row in REAL]
    for skill, rights in zip(skills, values, strict=True):
        text = json.dumps(skill.spec.schema)
        assert not [key for key in ("oneOf", "allOf", "$defs", "if") if f'"{key}": ' in text]
        validator = Draft202012Validator(skill.spec.schema)
        for error in (e for right in rights for e in validator.iter_errors(right)):
            assert "None" in error.message  # null for what may be left out


async def test_it_runs_with_what_was_given() -> None:
    skill = made({"properties": {"n": {"type": "integer", "default": 3}}}, effect="read", origin="over there")
    done = await run(Call("1", "it", '{"n": 4}', "planned"), skill, Context())
    assert (done.state, done.result) == ("done", '{"n":4}')
    assert (skill.effect, skill.origin, skill.spec.description) == ("read", "over there", "Does it.")
    assert skill.validate("") == {}


def test_without_arguments_there_are_empty_properties() -> None:
    assert (
        made({}).spec.schema == made({"type": "object"}).spec.schema == {"type": "object", "properties": {}}
    )


def test_what_contains_itself_is_shown_once_and_checked_all_the_way() -> None:
    node = {"type": "object", "properties": {"at": {"type": "integer"}, "next": {"$ref": "#/$defs/Node"}}}
    skill = made(
        {"type": "object", "properties": {"list": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}
    )
    shown = skill.spec.schema["properties"]["list"]["properties"]
    assert shown["next"] == {"type": "object", "description": "Node, as described before"}
    with pytest.raises(BadArguments, match=r"list.next.next.at: should be an integer, got 'x'"):
        skill.validate('{"list": {"next": {"next": {"at": "x"}}}}')


def test_a_choice_at_the_top_becomes_properties() -> None:
    choices = [
        {"properties": {"shape": {"const": kind}, size: {"type": "number"}}, "required": ["shape", size]}
        for kind, size in (("circle", "radius"), ("square", "side"))
    ]
    shown = made({"type": "object", "oneOf": choices}).spec.schema
    assert shown["properties"]["shape"] == {"enum": ["circle", "square"]}
    assert shown["required"] == ["shape"]


def test_references_that_multiply_are_cut() -> None:
    defs = {
        f"D{i}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/D{i + 1}"} for k in "abcdef"}}
        for i in range(30)
    }
    schema = {"properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": {**defs, "D30": {"type": "string"}}}
    with pytest.raises(ValueError, match="too large"):
        made(schema)


def test_a_check_without_end_is_given_up() -> None:
    loops = {"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}}}
    with pytest.raises(BadArguments, match="too much to check"):
        made({"properties": {"x": {"$ref": "#/$defs/A"}}, **loops}).validate('{"x": 1}')


def test_a_pattern_cannot_run_away() -> None:
    skill = made({"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}})
    with pytest.raises(BadArguments, match="should match the pattern"):
        skill.validate(json.dumps({"x": "a" * 5_000 + "!"}))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "must be of type object"),
        ({"$ref": "#/$defs/Gone"}, "refers to #/\\$defs/Gone, which is not in it"),
        ({"properties": {"x": {"$ref": "https://example.com/a.json"}}}, "which is not in it"),
        ({"default": float("nan")}, "cannot be used"),
        ({"default": object()}, "cannot be used"),
        ({"description": "x" * 200_000}, "larger than"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(schema: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made(schema)


def test_keywords_of_a_wrong_form_are_left_out() -> None:
    odd = {"type": "text", "required": True, "enum": "a", "minimum": "1", "items": 3, "pattern": "(?=x)x"}
    skill = made({"properties": {"x": odd, "y": False}, "required": "x", "anyOf": {}, "allOf": [7]})
    assert skill.spec.schema["properties"] == {"x": {"items": {}, "pattern": "(?=x)x"}}
    assert skill.validate('{"x": "b"}') == {"x": "b"}


WORDS = [
    *(
        "type",
        "properties",
        "required",
        "items",
        "$ref",
        "$defs",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
    ),
    *("enum", "const", "minimum", "maxLength", "pattern", "format", "additionalProperties", "default", "x"),
    *("patternProperties", "prefixItems", "uniqueItems", "contains", "dependentRequired", "dependentSchemas"),
    *("propertyNames", "multipleOf", "minItems", "then"),
]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from((0.5, "x", "object", "string", "array", "integer", "#", "#/properties/x", "^x")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(WORDS), JUNK, max_size=4), JUNK)
def test_whatever_is_given_is_taken_or_refused(schema: Any, arguments: Any) -> None:
    try:
        skill = made(schema)
    except ValueError:
        return
    Draft202012Validator.check_schema(skill.spec.schema)
    with contextlib.suppress(BadArguments):
        skill.validate(json.dumps(arguments))
        skill.validate(repr(arguments))


@pytest.mark.parametrize("text", ["a.b/c", "天气", "x" * 80, "", "ok-1", " a b "])
def test_any_text_becomes_a_name(text: str) -> None:
    assert made({}, fitted(text)).name == fitted(text)


def test_a_wrong_name_or_option_is_refused() -> None:
    for options in ({"name": "a b"}, {"effect": "delete"}, {"timeout": 0}):
        with pytest.raises(ValueError, match="skill"):
            made({}, **options)
