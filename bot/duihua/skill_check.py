"""What is at a path: skills to load and tests to run, of a file, a package or a project."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from duihua.errors import ConfigError
from duihua.ports import Skill
from duihua.skills.discovery import GROUP, Candidate, from_entry, in_folder, of_file

_SKIPPED = ("node_modules", "site-packages", "build", "dist", "venv")
_FILES = 10_000  # looked at for tests, at most


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a path. `root` is where its tests are run."""

    root: Path
    skills: tuple[Candidate, ...]
    tests: tuple[Path, ...]


def at(path: Path) -> Found:
    """The skills and tests at a path: a file, a package, a project with pyproject.toml, a folder of skills.

    Raises:
        ConfigError: there is nothing of the kind.
    """
    path = path.absolute()
    if path.is_file():
        if _is_test(path):
            return Found(path.parent, (), (path,))
        if path.suffix == ".py":
            beside = [path.with_name(f"test_{path.name}"), path.with_name(f"{path.stem}_test.py")]
            tests = [*beside, path.parent / "tests" / f"test_{path.name}"]
            return Found(path.parent, (of_file(path),), tuple(one for one in tests if one.is_file()))
    elif (path / "pyproject.toml").is_file():
        return Found(path, _project(path), tuple(_tests(path)))
    elif path.is_dir():
        package = (path / "__init__.py").is_file()
        skills = (of_file(path),) if package else in_folder(path)
        if skills:
            return Found(path.parent if package else path, skills, tuple(_tests(path)))
    raise ConfigError(
        f"{path} is neither a Python file nor a folder with skills", "config_no_skills_at", path=str(path)
    )


def run_tests(found: Found) -> int | None:
    """Runs the tests in a process of their own, in sight; its exit code. None: pytest is not installed."""
    if importlib.util.find_spec("pytest") is None:
        return None
    command = [sys.executable, "-m", "pytest", "-q", *map(str, found.tests)]
    return subprocess.run(command, cwd=found.root, check=False).returncode


def undescribed(skill: Skill) -> list[str]:
    """The parameters that the model is told nothing about."""
    properties: Mapping[str, Any] = skill.spec.schema.get("properties", {})
    return [name for name, about in properties.items() if not about.get("description")]


def _project(root: Path) -> tuple[Candidate, ...]:
    try:
        read = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        project: Mapping[str, Any] = read.get("project", {})
        offered: Mapping[str, Any] = project.get("entry-points", {}).get(GROUP, {})
        name, entries = str(project.get("name", root.name)), {n: str(v) for n, v in offered.items()}
    except (OSError, ValueError, AttributeError) as e:
        raise ConfigError(
            f"{root / 'pyproject.toml'}: {e}",
            "config_file",
            path=str(root / "pyproject.toml"),
            reason=str(e),
        ) from None
    if not entries:
        raise ConfigError(
            f'{root}: pyproject.toml has no [project.entry-points."{GROUP}"]',
            "config_no_entry_points",
            path=str(root / "pyproject.toml"),
            group=GROUP,
        )

    def find(entry: EntryPoint) -> object:
        for folder in (root, root / "src"):
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        return from_entry(entry)

    return tuple(
        Candidate(n, name, f"{root} {v}", functools.partial(find, EntryPoint(n, v, GROUP)))
        for n, v in entries.items()
    )


def _tests(root: Path) -> Iterator[Path]:
    looked = 0
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not (name.startswith((".", "_")) or name in _SKIPPED))
        yield from (path for name in sorted(files) if _is_test(path := Path(folder, name)))
        looked += len(files)
        if looked > _FILES:
            return


def _is_test(path: Path) -> bool:
    return path.suffix == ".py" and (path.stem.startswith("test_") or path.stem.endswith("_test"))
