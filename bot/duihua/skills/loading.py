"""Loads the skills that are named, and no others. One that is broken is named, logged and left out.

Code from outside may raise anything while it is imported, `SystemExit` too, or never come to an end. The log
gets where that was; the message stays out of log and `Fault`, for it may hold anything, unless it is Python's
own or `@skill`'s. Code may also end the whole program (`os._exit`, a crash of a library in C), and nothing
within a process helps against that: each name is logged before its code is imported, the last one did it.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

import orjson

from duihua.errors import ConfigError
from duihua.messages import Effect
from duihua.ports import Skill
from duihua.redact import redact, where
from duihua.skills import flat, schema
from duihua.skills.discovery import BUNDLED, Candidate, Unfit, bundle, candidates, chosen, same

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds that a skill may take to be imported."""

_DETAIL = 300  # characters of a text that comes from a plugin's code
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OURS = (schema.__file__, flat.__file__)


@dataclass(frozen=True, slots=True)
class Fault:
    """A skill that could not be loaded. `code` names the sentence `error.skill.<code>`, `values` fill it."""

    name: str
    origin: str
    code: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])

    def error(self) -> ConfigError:
        """Why, as an error that has its sentence in the catalogue."""
        return ConfigError(f"{self.name}: {self.code}", f"skill.{self.code}", **self.values)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Skills, and those that were asked for in vain; `idle`: in the folder, but nobody named them."""

    skills: tuple[Skill, ...] = ()
    faults: tuple[Fault, ...] = ()
    idle: tuple[str, ...] = ()


def load(names: Iterable[str], folder: str = "", *, again: bool = False) -> Loaded:
    """The skills of these names (settings DUIHUA_SKILLS and DUIHUA_SKILLS_DIR), in their order.

    Only the code of what is named is imported; that of the folder anew each time.

    Args:
        names: as `discovery.chosen` reads them.
        folder: empty: there is none.
        again: whether this is a reload, which leaves out a name that is gone instead of refusing it.

    Raises:
        ConfigError: a name is unknown, or several skills have it.
    """
    there = candidates(folder)
    wanted, missing = chosen(names, there)
    if missing and not again:
        raise _unknown(missing, there)
    faults = [Fault(name, "DUIHUA_SKILLS", "missing") for name in missing]
    skills: list[Skill] = []
    for one in wanted:
        got = load_one(one)
        if isinstance(got, Skill):
            skills.append(got)
        else:
            faults.append(got)
    idle = tuple(one.name for one in there if one.source == "folder" and one not in wanted)
    return Loaded(tuple(skills), tuple(faults), idle)


def load_one(candidate: Candidate) -> Skill | Fault:
    """The skill of a candidate, with its origin; or why there is none, which is logged."""
    log.info("skill %s (%s) is imported", candidate.name[:64], candidate.origin)
    found = _imported(candidate)
    if isinstance(found, BaseException):
        fault = _fault(candidate, found)
        told = "" if isinstance(found, Unfit) else f": {where(found)}"
        log.error(
            "skill %s (%s) cannot be loaded: %s %s%s",
            candidate.name[:64],
            candidate.origin,
            fault.code,
            " ".join(fault.values.values()),
            told,
        )
        return fault
    return found if candidate.source == BUNDLED else replace(found, origin=candidate.origin)


def _imported(candidate: Candidate) -> Skill | BaseException:
    """The skill, or what its code raised. Nothing can end an import, so one that takes too long is left."""
    found: Future[Skill | BaseException] = Future()

    def work() -> None:
        try:
            found.set_result(_sound(candidate.find(), candidate.name))
        except BaseException as e:  # SystemExit and whatever else the code made up
            found.set_result(e)

    threading.Thread(target=work, name=f"import {candidate.name[:64]}", daemon=True).start()
    try:
        return found.result(PATIENCE)
    except TimeoutError:
        return Unfit("hangs", seconds=f"{PATIENCE:g}")


def load_bundled(names: Iterable[str]) -> tuple[Skill, ...]:
    """The bundled skills of these names; `none` alone means none of them.

    Raises:
        ConfigError: there is no such bundled skill.
    """
    there = bundle()
    wanted, missing = chosen(names, there)
    if missing:
        raise _unknown(missing, there)
    return tuple(one for one in map(load_one, wanted) if isinstance(one, Skill))


def _unknown(missing: Iterable[str], there: Iterable[Candidate]) -> ConfigError:
    names, known = ", ".join(missing), ", ".join(dict.fromkeys(one.name for one in there))
    return ConfigError(
        f"DUIHUA_SKILLS names {names}: no such skill; there are {known}",
        "config_skills",
        name=names,
        known=known,
    )


# ---------------------------------------------------------------- what is wrong with it


def _sound(found: object, name: str) -> Skill:
    """What was found, if it is a skill that the engine can work with. Raises Unfit."""
    if not isinstance(found, Skill):
        kind = type(found).__name__
        raise Unfit("undecorated" if callable(found) and kind == "function" else "wrong_object", kind=kind)
    spec: Any = found.spec
    # It need not come from @skill: anybody can make a Skill.
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        raise Unfit("wrong_part", part="name")
    if not same(spec.name, name):
        raise Unfit("misnamed", found=spec.name, name=name)
    value = cast("Any", found)
    checks: dict[str, Callable[[], bool]] = {
        "description": lambda: isinstance(spec.description, str) and bool(spec.description.strip()),
        "schema": lambda: spec.schema.get("type") == "object" and bool(orjson.dumps(spec.schema)),
        "run": lambda: callable(value.run),
        "validate": lambda: callable(value.validate),
        "confirm": lambda: callable(value.confirm),
        "effect": lambda: value.effect in get_args(Effect),
        "timeout": lambda: value.timeout > 0,
        "hosts": lambda: _are_texts(value.hosts),
    }
    for part, right in checks.items():
        try:
            fine = right()
        except (TypeError, AttributeError):
            fine = False
        if not fine:
            raise Unfit("wrong_part", part=part)
    return found


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) for one in cast("tuple[object, ...]", value))


def _fault(candidate: Candidate, error: BaseException) -> Fault:
    name, origin = candidate.name, candidate.origin
    place = _place(error)
    match error:
        case Unfit():
            return Fault(name, origin, error.code, error.values)
        case SyntaxError() if _frames(error)[-1].startswith("<frozen importlib"):  # not raised by the code
            values = {"place": f"{error.filename}:{error.lineno}", "detail": _safe(error.msg)}
            return Fault(name, origin, "syntax", values)
        case ModuleNotFoundError() if error.name:
            return Fault(name, origin, "no_module", {"module": _safe(error.name), "place": place})
        case SystemExit():
            return Fault(name, origin, "exits", {"place": place})
        case TypeError() | ValueError() if _raised_by_us(error):
            return Fault(name, origin, "signature", {"detail": _safe(str(error)), "place": place})
        case _:
            return Fault(name, origin, "raises", {"kind": type(error).__name__, "place": place})


def _raised_by_us(error: BaseException) -> bool:
    return _frames(error)[-1] in _OURS


def _frames(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)] or [""]


def _place(error: BaseException) -> str:
    """`file:line` of the last frame that is neither the import system's nor ours."""
    frames = traceback.extract_tb(error.__traceback__)
    outer = [f for f in frames if not f.filename.startswith("<") and f.filename not in (*_OURS, __file__)]
    outer = [f for f in outer if "/importlib/" not in f.filename.replace("\\", "/")]
    outer = [f for f in outer if not f.filename.endswith("duihua/skills/discovery.py")]
    return f"{outer[-1].filename}:{outer[-1].lineno}" if outer else "?"


def _safe(text: str) -> str:
    return redact(" ".join(text.split()))[:_DETAIL]
