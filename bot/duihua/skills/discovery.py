"""What skills there are to load: bundled, installed and in a folder. Nothing of theirs is imported here.

An installed package offers a skill by an entry point of the group `duihua.skills`, whose name is the skill's:

    [project.entry-points."duihua.skills"]
    dice = "duihua_dice:dice"

A folder holds one file or package for each skill, named like it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType

from duihua.errors import ConfigError
from duihua.ports import Skill
from duihua.redact import where
from duihua.skills.registry import BUNDLE, bundled

log = logging.getLogger(__name__)

GROUP = "duihua.skills"
BUNDLED, FOLDER = "bundled", "folder"

_NUMBER = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A skill that could be loaded.

    Attributes:
        name: that of the entry point, file or module, which the skill must have, too (`-` counts as `_`).
        source: `bundled`, `folder`, or the name of the package that offers it.
        origin: where that is, for people.
        find: imports it and returns what is found there; raises whatever the code raises.
    """

    name: str
    source: str
    origin: str
    find: Callable[[], object] = field(compare=False, repr=False)

    def called(self, name: str) -> bool:
        """Whether `name`, `source:name` or `source:*` means this one."""
        source, colon, own = name.rpartition(":")
        if colon and same(source, self.source) and own == "*":
            return True
        return same(own, self.name) and (not colon or same(source, self.source))


class Unfit(Exception):
    """What was imported is no skill of this name: `code` and `values` as in `loading.Fault`."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code)
        self.code, self.values = code, values


def same(one: str, other: str) -> bool:
    """Whether two names are one: modules are written with `_` where packages and skills may have `-`."""
    return one.replace("-", "_") == other.replace("-", "_")


def candidates(folder: str = "") -> tuple[Candidate, ...]:
    """Every skill there is: bundled, installed, in the folder (setting DUIHUA_SKILLS_DIR).

    Raises:
        ConfigError: there is no such folder.
    """
    return (*bundle(), *installed(), *(in_folder(Path(folder)) if folder else ()))


def bundle() -> tuple[Candidate, ...]:
    """The bundled ones."""
    return tuple(
        Candidate(
            name, BUNDLED, f"{BUNDLE}.{name}", functools.partial(_from_module, f"{BUNDLE}.{name}", name)
        )
        for name in bundled()
    )


def installed() -> tuple[Candidate, ...]:
    """Those of installed packages, by name."""
    found = [_offered(entry) for entry in _entries()]
    return tuple(sorted(found, key=lambda one: (one.name, one.source)))


def in_folder(folder: Path) -> tuple[Candidate, ...]:
    """Those of a folder: each `NAME.py` and each `NAME/__init__.py`, but no tests and nothing hidden.

    Raises:
        ConfigError: there is no such folder.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as e:
        raise ConfigError(
            f"DUIHUA_SKILLS_DIR: the folder {folder} cannot be read: {e.strerror}",
            "config_skills_dir",
            path=str(folder),
            reason=str(e.strerror),
        ) from None
    return tuple(of_file(path) for path in paths if _is_skill(path))


def of_file(path: Path) -> Candidate:
    """The one of a file or package."""
    path = path.absolute()
    return Candidate(path.stem, FOLDER, str(path), functools.partial(_from_file, path))


def module(path: Path) -> ModuleType:
    """Imports a file or package under a name of its own, anew each time.

    What still runs of an earlier import keeps the modules it has, so those are not taken away. No bytecode is
    written: it is known by size and second, and who edits and reloads is faster than that.
    """
    file = path / "__init__.py" if path.is_dir() else path
    name = f"_duihua_skill_{next(_NUMBER)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise Unfit("no_file")
    made = importlib.util.module_from_spec(spec)
    importlib.invalidate_caches()
    with _NO_BYTECODE:
        sys.modules[name] = made
        try:
            spec.loader.exec_module(made)
        except BaseException:
            sys.modules.pop(name, None)
            raise
    return made


class _NoBytecode:
    """While anybody is within, Python writes none. An import that never ends keeps nobody else out."""

    def __init__(self) -> None:
        self._lock, self._within, self._before = threading.Lock(), 0, False

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                self._before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
            self._within += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                sys.dont_write_bytecode = self._before


_NO_BYTECODE = _NoBytecode()


def chosen(names: Iterable[str], among: Iterable[Candidate]) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Those that the names call, in the order of the names; and the names that call none.

    A name is `NAME`, or `SOURCE:NAME` where several offer it; `SOURCE:*` is all that one source offers.
    `none` alone means none of them.

    Raises:
        ConfigError: several are called by one name; the text says where two of them come from.
    """
    wanted, known = tuple(dict.fromkeys(names)), tuple(among)
    found: dict[Candidate, None] = {}
    missing: list[str] = []
    for name in () if wanted == ("none",) else wanted:
        called = [one for one in known if one.called(name)]
        if not name.endswith(":*"):
            if len(called) > 1:
                raise _clash(*called[:2])
            if not called:
                missing.append(name)
        found.update(dict.fromkeys(called))
    return tuple(found), tuple(missing)


def _clash(one: Candidate, other: Candidate) -> ConfigError:
    ways = [f"{c.source}:{c.name}" for c in (one, other)]
    first, second = (f"{c.origin} ({c.source})" for c in (one, other))
    return ConfigError(
        f"two skills are named {one.name!r}: {first} and {second}; "
        f"write {' or '.join(ways)} in DUIHUA_SKILLS, or remove one",
        "config_skill_choice",
        name=one.name,
        one=first,
        other=second,
        first=ways[0],
        second=ways[1],
    )


# ---------------------------------------------------------------- where they are found


def _entries() -> tuple[metadata.EntryPoint, ...]:
    try:
        return _written(tuple((folder, _changed(folder)) for folder in sys.path))
    except Exception as e:
        log.error("a package's entry points cannot be read: %s", where(e))
    found: dict[tuple[str, str], metadata.EntryPoint] = {}
    for one in metadata.distributions():  # slower, but one broken package does not hide the others
        try:
            for entry in one.entry_points.select(group=GROUP):
                found.setdefault((_package(entry), entry.name), entry)
        except Exception as e:
            log.error("a package's entry points cannot be read: %s", type(e).__name__)
    return tuple(found.values())


@functools.lru_cache(maxsize=1)
def _written(_path: tuple[tuple[str, int], ...]) -> tuple[metadata.EntryPoint, ...]:
    """What the packages offer; read again when a folder of them has changed, as installing does."""
    return tuple(metadata.entry_points(group=GROUP))


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


def _offered(entry: metadata.EntryPoint) -> Candidate:
    package = _package(entry)
    return Candidate(entry.name, package, f"{package} {entry.value}", functools.partial(from_entry, entry))


def _package(entry: metadata.EntryPoint) -> str:
    try:
        return entry.dist.name if entry.dist is not None and entry.dist.name else "?"
    except Exception:  # its metadata are missing or damaged, which its skill need not be
        return "?"


def _is_skill(path: Path) -> bool:
    name = path.stem
    if not name.replace("-", "_").isidentifier() or name.startswith(("_", "test_")) or name.endswith("_test"):
        return False
    if name in ("conftest", "tests", "setup"):
        return False
    return (path / "__init__.py").is_file() if path.is_dir() else path.suffix == ".py"


def from_entry(entry: metadata.EntryPoint) -> object:
    """What the entry point names: a skill, or a module with one of its name."""
    found = metadata.EntryPoint.pattern.match(entry.value)
    if found is None:
        raise Unfit("no_entry", value=entry.value[:200])
    there: object = importlib.import_module(found["module"])
    for part in (found["attr"] or "").split("."):
        if part and not hasattr(there, part):
            raise Unfit("no_entry", value=entry.value[:200])
        there = getattr(there, part) if part else there
    return named(there, entry.name) if isinstance(there, ModuleType) else there


def _from_module(name: str, skill: str) -> Skill:
    return named(importlib.import_module(name), skill)


def _from_file(path: Path) -> Skill:
    return named(module(path), path.stem)


def named(module: ModuleType, name: str) -> Skill:
    """The skill of this name in a module. Raises Unfit."""
    there = {one.name: one for one in vars(module).values() if isinstance(one, Skill)}
    if not there:
        raise Unfit("no_skill")
    found = next((one for own, one in there.items() if same(own, name)), None)
    if found is None:
        raise Unfit("misnamed", found=", ".join(there)[:200], name=name)
    return found
