"""Arguments that are nearly right are made right; right ones are left alone; the rest is complained about."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from duihua.errors import BadArguments
from duihua.ports import Skill
from duihua.skills import from_schema, lenient, skill
from duihua.skills.checking import Checker, Unfit
from tests.schemas import schemas


class Leg(BaseModel):
    to: str
    days: int = 1


@skill(effect="read")
def trip(
    city: str, seats: int = 1, legs: tuple[Leg, ...] = (), day: date | None = None, fast: bool = False
) -> None:
    """Books a trip."""


@skill(effect="read")
def look(city: str) -> None:
    """Looks."""


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "seats": {"type": "integer", "default": 1},
        "legs": {"type": "array", "items": {"$ref": "#/$defs/Leg"}, "default": []},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
        "fast": {"type": "boolean", "default": False},
    },
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {
        "Leg": {"properties": {"to": {"type": "string"}, "days": {"type": "integer"}}, "required": ["to"]}
    },
}


async def nothing(arguments: Any, context: Any) -> None: ...


def made(schema: Any, name: str = "it") -> Skill:
    return from_schema(name, "Does it.", schema, nothing)


BOTH = (trip, made(SCHEMA, "trip"))


def plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def same(skill: Skill, text: str, right: dict[str, Any]) -> None:
    """What a text is read as is what is read of the right text."""
    assert skill.validate(text) == skill.validate(json.dumps(right))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"city": "x", "seats": "3"}', {"seats": 3}),
        ('{"city": "x", "seats": " 3 "}', {"seats": 3}),
        ('{"city": "x", "fast": "true"}', {"fast": True}),
        ('{"city": "x", "fast": "False"}', {"fast": False}),
        ('{"city": "x",}', {}),
        ('{"city": "x", "legs": [{"to": "y",},],}', {"legs": [{"to": "y"}]}),
        ('```json\n{"city": "x"}\n```', {}),
        ('```\n{"city": "x",}```', {}),
        ("{'city': 'x', 'fast': True, 'day': None}", {"fast": True, "day": None}),
        ('"{\\"city\\": \\"x\\"}"', {}),
        ('{"arguments": {"city": "x"}}', {}),
        ('{"arguments": "{\\"city\\": \\"x\\"}"}', {}),
        ('{"trip": {"city": "x", "seats": "2"}}', {"seats": 2}),
        ('{"name": "trip", "arguments": {"city": "x"}}', {}),
        ('{"city": "x", "seats": null}', {}),
        ('{"city": "x", "note": null}', {}),
        ('{"city": "x", "day": null, "seats": "2"}', {"day": None, "seats": 2}),
        ('{"city": "x", "legs": "[{\\"to\\": \\"y\\"}]"}', {"legs": [{"to": "y"}]}),
        ('{"city": "x", "legs": [{"to": "y", "days": "2"}]}', {"legs": [{"to": "y", "days": 2}]}),
        ('\ufeff{"city": "x"}', {}),
        ('{"city": "x", "seats": 2, "legs": [], "fast": "true"}', {"seats": 2, "legs": [], "fast": True}),
    ],
)
def test_what_is_nearly_right_is_made_right(text: str, right: dict[str, Any]) -> None:
    for made_of in BOTH:
        same(made_of, text, {"city": "x", **right})


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "x"',  # cut off: who knows what was to come
        '{"city": "x"} {"city": "y"}',
        "{'city': 'x', 'city': 'y'}",
        "{'city': 'it's'}",
        "x",  # of five arguments, which?
        '"x"',
        '["x"]',
        '{"city": 5}',
        '{"city": "x", "seats": "three"}',
        '{"city": "x", "seats": "2.5"}',
        '{"city": "x", "seats": 2, "fast": "yes and no"}',
        '{"city": "x", "note": "y"}',
        '{"city": null}',
        '{"arguments": {"city": "x"}, "seats": 2}',
        '{"other": {"city": "x"}}',
        '{"arguments": {"town": "x"}}',
        '{"city": "x", "seats": Infinity}',
        "```json\n{}\n``` and then ```json\n{}\n```",
        "{" * 500,
        "'" * 500,
    ],
)
def test_what_could_be_meant_in_two_ways_or_none_is_not_guessed(text: str) -> None:
    for made_of in BOTH:
        with pytest.raises(BadArguments) as caught:
            made_of.validate(text)
        assert "Expected: a JSON object with city: string (required)" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "city"),
    [("北京", "北京"), ('"北京"', "北京"), ("`a b`", "`a b`"), ("```\nx\n```", "x"), ("1+2", "1+2")],
)
def test_a_bare_text_is_the_only_argument_there_is(text: str, city: str) -> None:
    for it in (look, made({"properties": {"city": {"type": "string"}}, "required": ["city"]})):
        assert it.validate(text) == {"city": city}


@pytest.mark.parametrize(
    "text", ["city: x", "city=x", 'city": "x"}', "see {city}", '"{\\"city\\": 1}"', "'x"]
)
def test_a_bare_text_that_began_as_an_object_is_not_one(text: str) -> None:
    with pytest.raises(BadArguments):
        look.validate(text)


def test_a_bare_number_or_list_is_the_only_argument_too() -> None:
    assert made({"properties": {"n": {"type": "integer"}}, "required": ["n"]}).validate("5") == {"n": 5}
    assert made({"properties": {"n": {"type": "array"}}, "required": ["n"]}).validate("[1]") == {"n": [1]}


def test_what_is_allowed_to_be_there_is_not_unwrapped() -> None:
    open_ = made({"properties": {"city": {"type": "string"}}})
    assert open_.validate('{"arguments": {"city": "x"}}') == {"arguments": {"city": "x"}}
    own = made({"properties": {"input": {"type": "object"}}})
    assert own.validate("{'input': {'input': {}}}") == {"input": {"input": {}}}


def test_of_two_choices_that_could_be_meant_none_is_taken() -> None:
    either = {"anyOf": [{"type": "array", "items": {"type": kind}} for kind in ("integer", "boolean")]}
    skill = made({"properties": {"x": either}})
    assert skill.validate('{"x": ["1"]}') == {"x": [1]}
    kinds = (("integer", "string"), ("string", "integer"))
    pairs = [{"properties": {"a": {"type": a}, "b": {"type": b}}} for a, b in kinds]
    with pytest.raises(BadArguments, match="x: fits none of the choices"):
        made({"properties": {"x": {"anyOf": pairs}}}).validate('{"x": {"a": "1", "b": "2", "c": null}}')


def test_a_text_that_may_be_a_text_stays_one() -> None:
    skill = made({"properties": {"x": {"type": ["string", "integer"]}, "n": {"type": "integer"}}})
    assert skill.validate('{"x": "3", "n": "3"}') == {"x": "3", "n": 3}
    with pytest.raises(BadArguments, match="x: should match the pattern"):
        made({"properties": {"x": {"type": ["string", "integer"], "pattern": "^[a-z]+$"}}}).validate(
            '{"x": "3"}'
        )


def test_the_complaint_is_about_what_was_meant() -> None:
    with pytest.raises(BadArguments) as caught:
        BOTH[1].validate('```{"city": 5, "seats": "3", "day": "soon", "legs": [{"days": true}]}```')
    assert sorted(str(caught.value).splitlines()[1:-1]) == [
        "- city: should be a string, got 5",
        "- day: should be a date in ISO 8601, got 'soon'",
        "- legs.0.days: should be an integer, got true",
        "- legs.0.to: missing",
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé\"'\\\n{"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab'", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
HOW = {
    "fenced": lambda text, value: f"```json\n{text}\n```",
    "python": lambda text, value: repr(value),
    "text in a text": lambda text, value: json.dumps(text),
    "comma": lambda text, value: text[:-1] + ",}" if value else text,
}


@given(JSON)
def test_json_is_read_as_it_is(value: Any) -> None:
    text = json.dumps(value)
    for written in (text, json.dumps(value, indent=1, ensure_ascii=False), f"```\n{text}\n```"):
        assert json.dumps(lenient.read(written)) == text
    if "\\x" not in repr(value):
        assert json.dumps(lenient.read(repr(value))) == text


@settings(max_examples=60)
@given(schemas(), st.sampled_from(sorted(HOW)))
def test_a_right_text_that_was_dressed_up_is_read_as_it_was(pair: Any, how: str) -> None:
    schema, value = pair
    assert json.dumps(made(schema).validate(HOW[how](json.dumps(value), value))) == json.dumps(value)


@settings(max_examples=100)
@given(schemas(), JSON, st.data())
def test_what_is_taken_fits_and_what_fits_is_taken_unchanged(
    pair: Any, odd: Any, data: st.DataObject
) -> None:
    schema, value = pair
    known = list(schema.get("properties", {"x": True}))
    value = {**value, data.draw(st.sampled_from([*known, "extra"])): odd}
    text, oracle = json.dumps(value), Draft202012Validator(schema)
    right = oracle.is_valid(value) and not dated(schema)
    complaint, taken = "", None
    try:
        taken = made(schema).validate(text)
    except BadArguments as e:
        complaint = str(e)
    assert len(complaint) <= 1_000
    assert oracle.is_valid(taken) or complaint
    assert json.dumps(taken) == text or not right


def dated(schema: Any) -> bool:
    """The other validator does not look at formats."""
    return '"format"' in json.dumps(schema)


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"multipleOf": 0.1}, [0.3, 1, "x"], [0.35]),
        ({"type": "integer"}, [1, 1.0, 10**30], [1.5, True, "1"]),
        ({"enum": [1, [1]]}, [1, 1.0, [1]], [True, [True]]),
        ({"const": False}, [False], [0]),
        ({"uniqueItems": True}, [[1, True, "1"]], [[1, 1.0], [{"a": 1}, {"a": 1.0}]]),
        ({"contains": {"type": "null"}, "maxContains": 1}, [[None, 1]], [[], [None, None]]),
        ({"propertyNames": {"maxLength": 1}}, [{"a": 1}], [{"ab": 1}]),
        ({"dependentRequired": {"a": ["b"]}}, [{}, {"a": 1, "b": 1}], [{"a": 1}]),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{}], [{"a": 1}]),
        ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 1}]),
        (
            {"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": False},
            [{"xy": None}],
            [{"xy": 1}, {"y": 1}],
        ),
        (
            {"if": {"type": "integer"}, "then": {"minimum": 3}, "else": {"type": "string"}},
            [3, "a"],
            [2, None],
        ),
        ({"oneOf": [{"minimum": 1}, {"maximum": 3}]}, [0, 4], [2]),
        ({"not": {"type": "null"}}, [1], [None]),
        (
            {"items": [{"type": "null"}], "additionalItems": {"type": "string"}},
            [[None, "a"]],
            [[None, 1], [1]],
        ),
        ({"type": "string", "minLength": 2, "maxLength": 2}, ["😀😀"], ["😀", "abc"]),
        ({"format": "date"}, ["2024-02-29", 5], ["2023-02-29", "20240229", "soon"]),
        ({"format": "date-time"}, ["2024-02-29T10:00:00Z", "2024-02-29 10:00"], ["soon", "20240229T10"]),
    ],
)
def test_every_keyword_is_checked(schema: Any, right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        Checker(schema).check(value)
    for value in wrong:
        with pytest.raises(Unfit):
            Checker(schema).check(value)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('{"a":  1.50}', '{"a":  1.50}'),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ('{"to": "\\u006dallory", "b": {"\\u0063": 1}}', '{"to": "mallory", "b": {"c": 1}}'),
        ("```json\n{'a': True,}\n```", '{"a": true}'),
        ('{"a": "\\ud800"}', '{"a": "\\ud800"}'),
        ('{"a": 1e999, "a": "\\u0061"', '{"a": 1e999, "a": "\\u0061"'),
        ("北京", "北京"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: value[:20],
)
def test_arguments_are_kept_as_they_are_read(text: str, plain: str) -> None:
    assert lenient.plain(text) == plain
