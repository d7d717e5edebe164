"""`@skill`: makes a typed function a `Skill` that models can call. The signature is read here, once."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Optional,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from duihua.messages import Effect
from duihua.ports import Rate, Skill, ToolSpec, always, never
from duihua.skills import complaint, docstring, repair
from duihua.skills.contract import BadArguments, Context
from duihua.skills.flat import flat
from duihua.skills.generators import last
from duihua.skills.plainness import plain
from duihua.skills.results import reported
from duihua.skills.threads import THREADS

Function = Callable[..., Any]
Confirm = Callable[[Mapping[str, Any]], bool]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What every platform takes as a name."""

_EFFECTS = ("read", "idempotent", "write")


@overload
def skill(function: Function, /) -> Skill: ...
@overload
def skill(
    *,
    name: str = "",
    effect: Effect = "write",
    timeout: float = 30.0,
    confirm: bool | Literal["always", "never"] | Confirm = False,
    hosts: tuple[str, ...] = (),
    admin_only: bool = False,
    rate: Rate | None = None,
    settings: type[BaseModel] | None = None,
    title: str | Mapping[str, str] = "",
) -> Callable[[Function], Skill]: ...
def skill(
    function: Function | None = None,
    /,
    *,
    name: str = "",
    effect: Effect = "write",
    timeout: float = 30.0,
    confirm: bool | Literal["always", "never"] | Confirm = False,
    hosts: tuple[str, ...] = (),
    admin_only: bool = False,
    rate: Rate | None = None,
    settings: type[BaseModel] | None = None,
    title: str | Mapping[str, str] = "",
) -> Skill | Callable[[Function], Skill]:
    """Makes a function a skill, bare (`@skill`) or with options (`@skill(effect="read")`).

    The result is the `Skill`; the function itself stays at `Skill.run.__wrapped__`.

    Args:
        function: plain, typed, sync (runs in a thread of its own), async (runs on the event loop: one that
            blocks the loop stops everything) or an async generator (`generators.last`). A parameter annotated
            `Context` is filled in, not shown.
        name: what models call it by; the function's name if empty. Letters, digits, `_`, `-`, at most 64.
        effect: `write` unless declared. `read` and `idempotent` calls may be run again after a crash.
        timeout: seconds after which a call is given up.
        confirm: whether a person must consent first: always, or by the checked arguments of the call (asked
            in a thread, within the timeout).
        hosts: the hosts that its http client reaches (`api.example.com`, `*.example.com`); no others.
        admin_only: only administrators may have it called.
        rate: of each person.
        settings: a pydantic model that `DUIHUA_SKILL_<NAME>_*` are read into.
        title: what people see while it is at work: a few words, or several by language, for example
            `{"zh": "查询天气", "en": "Weather"}`; its name if empty.

    Raises:
        TypeError: the function cannot become a skill; the text says what to add.
        ValueError: an option is wrong.
    """
    # Types that are local to the caller resolve too.
    scope = dict(sys._getframe(1).f_locals)  # pyright: ignore[reportPrivateUsage] (no public twin)

    def decorate(function: Function) -> Skill:
        called = name or getattr(function, "__name__", "")
        where = f"skill {called!r}"
        _check(where, function, called, effect, timeout)
        description, texts = docstring.parse(function.__doc__)
        if not description:
            raise TypeError(f"{where} has no docstring: its first paragraph tells the model when to use it")
        signature = _Signature(where, function, scope)
        return Skill(
            spec=ToolSpec(called, description, signature.schema(texts)),
            run=signature.runner(called),
            validate=signature.validator(called),
            effect=effect,
            confirm=consent(confirm),
            timeout=float(timeout),
            hosts=tuple(hosts),
            admin_only=admin_only,
            rate=rate,
            settings=settings,
            origin=f"{function.__module__}.{function.__qualname__}",
            plain=plain(signature.model.__pydantic_core_schema__),
            titles=({"": title} if title else {}) if isinstance(title, str) else dict(title),
        )

    return decorate if function is None else decorate(function)


def origin(skill: Skill) -> str:
    """Where a skill comes from, for messages to people: `module.function`."""
    if skill.origin:
        return skill.origin
    run = cast("Any", skill.run)
    return f"{getattr(run, '__module__', '?')}.{getattr(run, '__qualname__', type(run).__qualname__)}"


def identity(skill: Skill) -> str:
    """Tells a skill from another of its name: a consent to one is none to the other.

    It is of where the skill comes from and what it takes; how it is described may change.
    """
    spec = orjson.dumps(skill.spec.schema, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(b"\0".join((origin(skill).encode(), skill.effect.encode(), spec))).hexdigest()


def consent(confirm: bool | Literal["always", "never"] | Confirm) -> Confirm:
    """What `Skill.confirm` is for the option of that name. Raises ValueError."""
    if callable(confirm):
        return confirm
    if confirm not in (True, False, "always", "never"):
        raise ValueError(f"confirm is always, never or a function of the arguments, not {confirm!r}")
    return always if confirm in (True, "always") else never


def check(where: str, name: str, effect: str, timeout: float) -> None:
    """Raises ValueError if an option is wrong."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{where}: a name has 1 to 64 of a-z A-Z 0-9 _ -: give one by @skill(name=...)")
    if effect not in _EFFECTS:
        raise ValueError(f"{where}: effect is one of {', '.join(_EFFECTS)}, not {effect!r}")
    if not timeout > 0:
        raise ValueError(f"{where}: timeout is in seconds and more than 0, not {timeout!r}")


def _check(where: str, function: Any, name: str, effect: str, timeout: float) -> None:
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise TypeError(f"@skill takes a function, not {type(function).__name__}: write a def for it")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{where} yields: make it an `async def`, or return the whole result")
    check(where, name, effect, timeout)


class _Quiet(GenerateJsonSchema):
    """A default that JSON cannot hold is left out of the schema, without a warning."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 (as in the base)


class _Signature:
    """A function's parameters: a pydantic model for the model's arguments, and where the Context goes."""

    def __init__(self, where: str, function: Function, scope: Mapping[str, Any]) -> None:
        self.where, self.function = where, function
        self.names: list[str] = []  # the parameter of each field, in order
        self.contexts: list[str] = []
        self.positional: list[str] = []
        self.described: set[str] = set()
        fields: dict[str, Any] = {}
        outer = {"Context": Context, **getattr(inspect.unwrap(function), "__globals__", {})}
        for parameter in inspect.signature(function).parameters.values():
            annotation = self._annotation(parameter, outer, scope)
            if parameter.kind is parameter.POSITIONAL_ONLY:
                self.positional.append(parameter.name)
            if _is_context(annotation):
                self.contexts.append(parameter.name)
                continue
            # A field's own name is neutral: any name is right for a parameter, also `json` or `_id`.
            fields[f"p{len(self.names)}"] = self._field(parameter, annotation)
            self.names.append(parameter.name)
        config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=False)
        try:
            self.model = create_model("Arguments", __config__=config, **fields)
            self.raw = self.model.model_json_schema(schema_generator=_Quiet)
        except (PydanticUserError, PydanticUndefinedAnnotation) as e:
            raise self._unfit(e) from e

    def _annotation(self, p: inspect.Parameter, outer: dict[str, Any], scope: Mapping[str, Any]) -> Any:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise TypeError(f"{self.where}: {p} cannot be described to a model: name every parameter")
        if p.annotation is p.empty:
            raise TypeError(
                f"{self.where}: parameter {p.name!r} has no annotation: write its type, "
                f"for example `{p.name}: str` (or `{p.name}: Context` for the context)"
            )
        holder = SimpleNamespace(__annotations__={"it": p.annotation})
        try:
            return get_type_hints(holder, outer, dict(scope), include_extras=True)["it"]
        except (NameError, AttributeError, TypeError, SyntaxError) as e:
            raise TypeError(
                f"{self.where}: the annotation of parameter {p.name!r} does not resolve ({e}): "
                "import it at the top of the module, outside of `if TYPE_CHECKING`"
            ) from e

    def _field(self, p: inspect.Parameter, annotation: Any) -> tuple[Any, Any]:
        default = p.default
        if isinstance(default, FieldInfo):
            annotation, default = Annotated[annotation, default], p.empty
        if default is None:
            annotation = Optional[annotation]  # noqa: UP045 (`|` does not take every annotation)
        if _has_description(annotation):
            self.described.add(p.name)
        info = Field(alias=p.name) if default is p.empty else Field(default, alias=p.name)
        return annotation, info

    def schema(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The JSON Schema of the arguments, flat; `texts` describe what has no description of its own."""
        try:
            schema = flat(self.raw)
        except RecursionError as e:
            raise TypeError(f"{self.where}: the type {e} contains itself: models take flat schemas") from None
        for name, described in schema["properties"].items():
            if name in texts and name not in self.described:
                described["description"] = texts[name]
        return schema

    def validator(self, name: str) -> Callable[[str], Mapping[str, Any]]:
        """Reads the model's JSON text; what comes back has a value for every parameter, by name."""
        fields = tuple((name, f"p{i}") for i, name in enumerate(self.names))
        raw, read = self.raw, self.model.__pydantic_validator__.validate_json
        expected = complaint.expected(self.schema({}))

        def accept(value: Any) -> Any:
            return read(json.dumps(value))

        def validate(text: str) -> Mapping[str, Any]:
            text = text.strip()
            try:
                arguments = read("{}" if text in ("", "null") else text)
            except ValidationError as e:
                try:
                    arguments = repair.repaired(text, name, raw, accept, e)
                except ValueError as e:
                    raise BadArguments(complaint.text(name, e, expected)) from None
            return {name: getattr(arguments, field) for name, field in fields}

        return validate

    def runner(self, name: str) -> Callable[[Mapping[str, Any], Any], Any]:
        """`run(arguments, context)`: calls the function, a sync one in a thread."""
        function, contexts, positional = self.function, self.contexts, self.positional

        def call(arguments: Mapping[str, Any], context: Any) -> Any:
            values = {**arguments, **dict.fromkeys(contexts, context)}
            first = [values.pop(name) for name in positional]
            return function(*first, **values)

        async def on_loop(arguments: Mapping[str, Any], context: Any) -> Any:
            return await call(arguments, context)

        async def in_thread(arguments: Mapping[str, Any], context: Any) -> Any:
            work = functools.partial(call, arguments, _relayed(context))
            result = await THREADS.run(work, name)
            return await result if inspect.isawaitable(result) else result

        async def to_the_end(arguments: Mapping[str, Any], context: Any) -> Any:
            return await last(call(arguments, context), context)

        run = on_loop if inspect.iscoroutinefunction(function) else in_thread
        run = to_the_end if inspect.isasyncgenfunction(function) else run
        return functools.wraps(function)(run)

    def _unfit(self, error: Exception) -> TypeError:
        reason = str(error).splitlines()[0]
        return TypeError(f"{self.where}: a parameter's type has no JSON Schema ({reason}): use a plain type")


def _relayed(context: Any) -> Any:
    """The context for a thread: its progress, made text there, comes out on the event loop."""
    if not isinstance(context, Context):
        return context
    soon, heard = asyncio.get_running_loop().call_soon_threadsafe, context.progress

    def tell(text: object) -> None:
        soon(heard, reported(text))

    return replace(context, progress=tell)


def _is_context(annotation: Any) -> bool:
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return any(_is_context(part) for part in get_args(annotation))
    return annotation is Context


def _has_description(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        said = any(isinstance(note, FieldInfo) and note.description for note in notes)
        return said or _has_description(inner)
    if get_origin(annotation) in (Union, UnionType):
        return any(_has_description(part) for part in get_args(annotation))
    return False
