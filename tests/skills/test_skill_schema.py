from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, BaseModel, Field

from duihua.errors import BadArguments
from duihua.ports import Skill
from duihua.skills import Context, skill

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leg(BaseModel):
    """One part of the way."""

    title: str
    to: str = Field(description="Where it ends")
    color: Color = Color.RED


class Trip(BaseModel):
    legs: list[Leg]
    back: Leg | None = None


class Node(BaseModel):
    children: list[Node] = []


@dataclass
class Point:
    x: int
    y: int = 0


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


def of(annotation: Any, *default: Any) -> Skill:
    """A skill of one parameter `x` with this annotation."""

    def f(x: Any) -> None:
        """Does it."""

    f.__annotations__ = {"x": annotation}
    f.__defaults__ = default
    return skill(f)


LEG = {
    "type": "object",
    "description": "One part of the way.",
    "properties": {
        "title": {"type": "string"},
        "to": {"type": "string", "description": "Where it ends"},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
    },
    "required": ["title", "to"],
}

TABLE: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (str, (), {"type": "string"}),
    (int, (3,), {"type": "integer", "default": 3}),
    (float, (), {"type": "number"}),
    (bool, (False,), {"type": "boolean", "default": False}),
    (list[int], (), {"type": "array", "items": {"type": "integer"}}),
    (dict[str, int], (), {"type": "object", "additionalProperties": {"type": "integer"}}),
    (Literal["a", "b"], ("a",), {"type": "string", "enum": ["a", "b"], "default": "a"}),
    (Literal["a"], (), {"type": "string", "enum": ["a"]}),
    (Color, (), {"type": "string", "enum": ["red", "blue"]}),
    (Color, (Color.BLUE,), {"type": "string", "enum": ["red", "blue"], "default": "blue"}),
    (date, (), {"type": "string", "format": "date"}),
    (Any, (), {}),
    (int | None, (None,), {"type": "integer"}),
    (Optional[int], (None,), {"type": "integer"}),  # noqa: UP045
    (int, (None,), {"type": "integer"}),
    (int | None, (), {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    (int | str | None, (None,), {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (Union[int, str], (1,), {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 1}),  # noqa: UP007
    (
        Annotated[int, Field(ge=1, le=7, description="days")],
        (1,),
        {"type": "integer", "minimum": 1, "maximum": 7, "description": "days", "default": 1},
    ),
    (Annotated[str, Field(max_length=5)], ("x",), {"type": "string", "maxLength": 5, "default": "x"}),
    (int, (Field(5, ge=2),), {"type": "integer", "minimum": 2, "default": 5}),
    (Leg, (), LEG),
    (Leg | None, (None,), LEG),
    (list[Leg], (), {"type": "array", "items": LEG}),
    (
        Trip,
        (),
        {
            "type": "object",
            "properties": {"legs": {"type": "array", "items": LEG}, "back": LEG},
            "required": ["legs"],
        },
    ),
    ("Leg", (), LEG),
    (list["Leg"], (), {"type": "array", "items": LEG}),
]


@pytest.mark.parametrize(("annotation", "default", "expected"), TABLE, ids=lambda value: str(value)[:40])
def test_a_type_becomes_a_flat_schema(annotation: Any, default: tuple[Any, ...], expected: Any) -> None:
    schema = of(annotation, *default).spec.schema
    assert schema["properties"] == {"x": expected}
    assert schema.get("required", []) == ([] if default else ["x"])
    assert schema["type"] == "object"
    Draft202012Validator.check_schema(schema)


def test_no_schema_holds_references_or_titles() -> None:
    text = json.dumps(of(Union[Trip, Point, Cat, Dog]).spec.schema)  # noqa: UP007
    assert "$ref" not in text
    assert "$defs" not in text
    assert '"title": "' not in text


def test_a_property_named_title_stays() -> None:
    assert "title" in of(Leg).spec.schema["properties"]["x"]["properties"]


def test_a_discriminated_union_has_no_mapping_of_references() -> None:
    schema = of(Annotated[Cat | Dog, Field(discriminator="kind")]).spec.schema
    assert "discriminator" not in json.dumps(schema)
    assert len(schema["properties"]["x"]["anyOf"]) == 2


def test_a_type_that_contains_itself_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="Node contains itself"):
        of(Node)


def test_a_default_that_json_cannot_hold_is_left_out() -> None:
    class Odd(enum.Enum):
        A = object()

    @skill
    def f(x: Annotated[Any, Field(description="anything")] = Odd.A) -> None:
        """Does it."""

    assert f.spec.schema["properties"] == {"x": {"description": "anything"}}
    assert f.validate("")["x"] is Odd.A


def test_without_arguments_the_schema_is_the_empty_object() -> None:
    @skill
    def ping() -> str:
        """Answers."""
        return "pong"

    assert ping.spec.schema == {"type": "object", "properties": {}}
    assert ping.validate("") == ping.validate("  ") == ping.validate("{}") == ping.validate("null") == {}


def test_bare_and_with_options() -> None:
    @skill
    def first() -> None:
        """One."""

    @skill(name="zweite", effect="read", timeout=5, hosts=("a.example",))
    async def second() -> None:
        """Two."""

    assert (first.name, first.effect, first.timeout, first.hosts) == ("first", "write", 30.0, ())
    assert (second.name, second.effect, second.timeout, second.hosts) == (
        "zweite",
        "read",
        5.0,
        ("a.example",),
    )


def test_the_function_stays_reachable() -> None:
    def double(x: int) -> int:
        """Doubles."""
        return 2 * x

    made: Any = skill(double)
    assert made.run.__wrapped__ is double


def test_the_summary_is_the_description_and_args_describe() -> None:
    @skill
    def f(a: int, b: Annotated[str, Field(description="from the type")], c: Leg, d: int = 1) -> None:
        """Books a seat,
        and says so.

        More that the model need not read.

        Args:
            a: how many,
                at most ten
            b: ignored, the type says it
            c (Leg): the way
            nobody: not a parameter

        Returns:
            d: not described here
        """

    assert f.spec.description == "Books a seat, and says so."
    properties = f.spec.schema["properties"]
    assert properties["a"]["description"] == "how many, at most ten"
    assert properties["b"]["description"] == "from the type"
    assert properties["c"]["description"] == "the way"
    assert "description" not in properties["d"]


def test_a_description_within_an_optional_type_wins_too() -> None:
    @skill
    def f(a: Annotated[int, Field(description="from the type")] | None = None) -> None:
        """Does it.

        Args:
            a: from the docstring
        """

    assert f.spec.schema["properties"]["a"] == {"type": "integer", "description": "from the type"}


def test_a_chinese_docstring_is_joined_without_spaces() -> None:
    @skill
    def f(城市: str) -> None:
        """查询天气，
        以及温度。

        参数：
            城市：要查的城市，
                中文或英文
        """

    assert f.spec.description == "查询天气，以及温度。"
    assert f.spec.schema["properties"]["城市"]["description"] == "要查的城市，中文或英文"


async def test_the_context_is_injected_wherever_it_stands_under_any_name() -> None:
    @skill
    async def first(c: Context, a: int) -> tuple[int, str]:
        """Does it."""
        return a, c.session

    @skill
    async def last(a: int, *, whatever: Context) -> tuple[int, str]:
        """Does it."""
        return a, whatever.session

    @skill
    async def positional(a: int, c: Context | None = None, /) -> tuple[int, str]:
        """Does it."""
        assert c is not None
        return a, c.session

    for made in (first, last, positional):
        assert list(made.spec.schema["properties"]) == ["a"]
        assert await made.run(made.validate('{"a": 1}'), Context(session="s")) == (1, "s")


def test_a_context_imported_for_type_checking_only_is_known() -> None:
    def f(it: Context) -> None:
        """Does it."""

    f.__annotations__ = {"it": "Context"}
    code = type(f)(f.__code__, {"__builtins__": {}}, "f", None, None)
    code.__annotations__, code.__doc__ = f.__annotations__, f.__doc__
    assert skill(code).spec.schema["properties"] == {}


def test_types_local_to_the_caller_resolve() -> None:
    class Local(BaseModel):
        n: int

    @skill(effect="read")
    def f(x: Local) -> None:
        """Does it."""

    assert f.validate('{"x": {"n": 1}}')["x"] == Local(n=1)


def test_any_parameter_name_is_right() -> None:
    @skill
    def f(json: int, _id: int, model_config: int, self: int, copy: int = 1) -> None:
        """Does it."""

    names = {"json": 1, "_id": 2, "model_config": 3, "self": 4}
    assert f.validate(orjson.dumps(names).decode()) == {**names, "copy": 1}


def undocumented(x: int) -> None: ...


def only_args(x: int) -> None:
    """Args:
    x: something
    """


def unannotated(x) -> None:  # type: ignore[no-untyped-def]
    """Does it."""


def starred(*xs: int) -> None:
    """Does it."""


def keywords(**xs: int) -> None:
    """Does it."""


def unresolved(x: Decimal) -> None:
    """Does it."""


def generator(x: int):  # type: ignore[no-untyped-def]
    """Does it."""
    yield x


def a_callable(x: Callable[[int], int]) -> None:
    """Does it."""


a_callable.__annotations__ = {"x": type(undocumented)}


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (undocumented, "has no docstring"),
        (only_args, "has no docstring"),
        (unannotated, "parameter 'x' has no annotation: write its type, for example `x: str`"),
        (starred, "name every parameter"),
        (keywords, "name every parameter"),
        (unresolved, "annotation of parameter 'x' does not resolve"),
        (generator, "return the whole result"),
        (a_callable, "has no JSON Schema"),
        (Leg, "takes a function, not ModelMetaclass"),
        (len, "takes a function"),
    ],
)
def test_what_cannot_become_a_skill_says_what_to_add(function: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        skill(function)


@pytest.mark.parametrize(
    "options",
    [{"name": "wetter heute"}, {"name": "天气"}, {"name": "x" * 65}, {"timeout": 0}, {"effect": "delete"}],
)
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    def f() -> None:
        """Does it."""

    with pytest.raises(ValueError, match="skill"):
        skill(**options)(f)


def test_a_name_of_64_characters_is_right() -> None:
    def f() -> None:
        """Does it."""

    assert skill(name="x-_9" * 16)(f).name == "x-_9" * 16


@skill
def book(city: str, seats: Annotated[int, Field(ge=1, le=9)] = 1, color: Color = Color.RED) -> None:
    """Books."""


def test_arguments_come_back_as_values_with_defaults() -> None:
    assert book.validate('{"city": "北京", "color": "blue"}') == {
        "city": "北京",
        "seats": 1,
        "color": Color.BLUE,
    }


def test_a_number_as_text_is_taken() -> None:
    assert book.validate('{"city": "x", "seats": "3"}')["seats"] == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "city: missing"),
        ('{"seats": 2}', "city: missing"),
        ('{"city": "x", "town": "y"}', "town: there is no such argument"),
        ('{"city": 5}', "city: Input should be a valid string, got 5"),
        ('{"city": "x", "seats": 12}', "seats: Input should be less than or equal to 9, got 12"),
        ('{"city": "x", "color": "green"}', "color: Input should be 'red' or 'blue', got 'green'"),
        ('{"city": "x"', "Invalid JSON"),
        ("[1]", "must be one JSON object"),
        ('"x"', "must be one JSON object"),
        ('{"city": [1]}', "got an array"),
        ('{"city": {"a": 1}}', "got an object"),
        ('{"city": null}', "got null"),
        ('{"city": "\ud800"}', "unicode"),
        ("[" * 100_000, "recursion limit"),
    ],
)
def test_wrong_arguments_say_what_is_wrong_and_what_is_expected(text: str, said: str) -> None:
    with pytest.raises(BadArguments) as caught:
        book.validate(text)
    assert said in str(caught.value)
    assert 'city: string (required); seats: integer = 1; color: "red" | "blue" = "red"' in str(caught.value)


def test_a_complaint_echoes_little_of_a_huge_input() -> None:
    with pytest.raises(BadArguments) as caught:
        book.validate(
            orjson.dumps({"city": ["y" * 100_000], "seats": "z" * 100_000, "w" * 100_000: 1}).decode()
        )
    assert len(str(caught.value)) <= 1_000
    assert "zzz" in str(caught.value)
    assert "z" * 70 not in str(caught.value)


def test_a_complaint_about_many_arguments_is_bounded() -> None:
    with pytest.raises(BadArguments) as caught:
        book.validate(orjson.dumps({f"{i}" * 50: i for i in range(1_000)}).decode())
    assert len(str(caught.value)) <= 1_000
    assert "more" in str(caught.value)


def test_many_long_complaints_are_bounded_together() -> None:
    names = [f"parameter_with_quite_a_long_name_of_its_own_number_{i:08}" for i in range(5)]
    function: dict[str, Any] = {}
    exec(f"def f({', '.join(f'{n}: int' for n in names)}):\n    'Does it.'", function)
    with pytest.raises(BadArguments) as caught:
        skill(function["f"]).validate(json.dumps(dict.fromkeys(names, "y" * 1_000)))
    assert len(str(caught.value)) == 1_000


def test_what_a_type_s_own_validator_says_is_shown_bounded() -> None:
    def even(x: int) -> int:
        if x % 2:
            raise ValueError("must be even" + "!" * 5_000)
        return x

    with pytest.raises(BadArguments, match="must be even") as caught:
        of(Annotated[int, AfterValidator(even)]).validate('{"x": 1}')
    assert len(str(caught.value)) <= 1_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = st.sampled_from(["city", "seats", "color", "other"])


@given(st.dictionaries(NAMES, JSON) | JSON | st.dictionaries(NAMES, st.sampled_from(["x", "red", 3, "3"])))
def test_any_json_is_taken_or_complained_about(value: Any) -> None:
    check(json.dumps(value))


@given(st.text(st.characters()) | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_any_text_is_taken_or_complained_about(text: str) -> None:
    check(text)


def check(text: str) -> None:
    complaint = ""
    try:
        assert list(book.validate(text)) == ["city", "seats", "color"]
    except BadArguments as e:
        complaint = str(e)
    assert len(complaint.encode()) <= 4_000
    assert len(complaint) <= 1_000


@given(st.integers(1, 9), st.text(max_size=20), st.sampled_from(Color))
def test_what_the_schema_allows_is_taken(seats: int, city: str, color: Color) -> None:
    value = {"city": city, "seats": seats, "color": color.value}
    assert Draft202012Validator(book.spec.schema).is_valid(value)
    assert book.validate(json.dumps(value)) == {"city": city, "seats": seats, "color": color}
