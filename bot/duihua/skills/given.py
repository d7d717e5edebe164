"""Skills from a JSON Schema that was given, as MCP servers do: names, texts and schemas are from outside."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel

from duihua.escapes import clean
from duihua.messages import Effect
from duihua.ports import Rate, Skill, ToolSpec
from duihua.skills import complaint, lenient, repair
from duihua.skills.checking import Checker
from duihua.skills.contract import BadArguments, Context
from duihua.skills.flat import flat
from duihua.skills.schema import NAME, Confirm, check, consent
from duihua.skills.tidying import LARGEST, tidy

_DESCRIPTION = 1_024  # characters; what the strictest platform takes
_LONG = 10_000  # bytes of a schema that is no small one
_ARGUMENTS = 200_000  # characters of one call's arguments
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
Run = Callable[[Mapping[str, Any], Context], Awaitable[Any]]


def from_schema(
    name: str,
    description: str,
    schema: Mapping[str, Any],
    run: Run,
    *,
    effect: Effect = "write",
    timeout: float = 30.0,
    confirm: bool | Confirm = False,
    hosts: tuple[str, ...] = (),
    admin_only: bool = False,
    rate: Rate | None = None,
    settings: type[BaseModel] | None = None,
    origin: str = "",
) -> Skill:
    """A skill whose arguments a JSON Schema describes.

    Models are shown a flat form of the schema; arguments are checked by all of it, repaired where there is
    one way to, and given to `run` as they came: defaults are not filled in.

    Args:
        name: what models call it by; `fitted` makes any text one.
        description: when to use it; its first 1,024 characters are shown.
        schema: of type object. References lead to places within it; one that leads to itself is shown once.
        run: `run(arguments, context)`, async.
        effect: `write` unless declared.
        timeout: seconds after which a call is given up.
        confirm: whether a person must consent first: always, or by the checked arguments of the call.
        hosts: the hosts that its http client reaches.
        admin_only: only administrators may have it called.
        rate: of each person.
        settings: a pydantic model that `DUIHUA_SKILL_<NAME>_*` are read into.
        origin: where it comes from, for people: `mcp server NAME`.

    Raises:
        ValueError: the name, an option or the schema is wrong; the text says what.
    """
    where = f"skill {name[:64]!r}"
    check(where, name, effect, timeout)
    whole = tidy(schema, where)
    shown = flat(whole, unroll=True)
    if len(json.dumps(shown)) > LARGEST:
        raise ValueError(f"{where}: its schema is too large: {LARGEST} bytes at most, references written out")
    described = complaint.clipped(" ".join(clean(description).split()), _DESCRIPTION) or name
    return Skill(
        spec=ToolSpec(name, described, shown),
        run=run,
        validate=_validator(name, whole, complaint.expected(shown)),
        effect=effect,
        confirm=consent(confirm),
        timeout=float(timeout),
        hosts=tuple(hosts),
        admin_only=admin_only,
        rate=rate,
        settings=settings,
        origin=origin,
        plain=_cheap(whole),
    )


def _cheap(schema: Mapping[str, Any]) -> bool:
    """Whether any check by it is soon done."""
    text = json.dumps(schema)
    return len(text) < _LONG and not any(f'"{dear}' in text for dear in ("pattern", "uniqueItems"))


def fitted(name: str) -> str:
    """Any text as a name that models can call: what does not fit becomes `_`, what is lost leaves a mark.

    The same text has always the same name. Two texts may have one, such as `a.b` and `a/b`.
    """
    if NAME.fullmatch(name):
        return name
    mark = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    kept = _NOT_IN_NAME.sub("_", name).strip("_")
    tame = kept and len(name) <= 64 and len(kept) == len(name) and name.isascii()
    return kept if tame else f"{kept[:55]}_{mark}".lstrip("_")


def _validator(name: str, schema: dict[str, Any], expected: str) -> Callable[[str], Mapping[str, Any]]:
    def validate(text: str) -> Mapping[str, Any]:
        def accept(value: Any) -> Mapping[str, Any]:
            Checker(schema, len(text)).check(value)
            return cast("Mapping[str, Any]", value)

        text = text.strip()
        if len(text) > _ARGUMENTS:
            raise BadArguments(f"The arguments of {name} are too long: at most {_ARGUMENTS} characters.")
        try:
            try:
                return accept({} if text in ("", "null") else lenient.strict(text))
            except ValueError as e:
                return repair.repaired(text, name, schema, accept, e)
        except ValueError as e:
            raise BadArguments(complaint.text(name, e, expected)) from None

    return validate
