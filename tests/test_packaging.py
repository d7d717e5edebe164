"""What is installed: the locks, the project's metadata, the commands that are promised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BUILD = {"hatchling", "editables", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}
"""What only builds the project."""

LOCKS = ("requirements.lock", "requirements-dev.lock")
LOCKED = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked(name: str) -> dict[str, set[str]]:
    """Package -> its versions (more than one where Pythons differ)."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if match := LOCKED.fullmatch(line):
            found.setdefault(match["name"], set()).add(match["version"])
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", Requirement(r).name).lower() for r in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_pinned_hashed_and_names_no_host(lock: str) -> None:
    hashes = 1
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if HASH.fullmatch(line):
            hashes += 1
        else:
            assert LOCKED.fullmatch(line), f"neither a pinned version nor its hash: {line}"
            assert hashes, f"no hash above {line}"
            hashes = 0
    assert hashes


def test_the_base_is_part_of_the_development_lock() -> None:
    base, dev = (locked(lock) for lock in LOCKS)
    assert {name: dev.get(name) for name in base} == base


def test_every_requirement_is_locked() -> None:
    about = project()
    extras = [r for group in about["project"]["optional-dependencies"].values() for r in group]
    groups = [r for group in about["dependency-groups"].values() for r in group]
    base, dev = (locked(lock).keys() for lock in LOCKS)
    assert names(about["project"]["dependencies"]) <= base
    assert names([*extras, *groups]) <= dev
    assert not (names(extras) & base)  # what only an extra wants is not in the base


def test_the_base_is_small() -> None:
    packages = locked("requirements.lock").keys()
    assert packages >= BUILD
    assert len(packages - BUILD) <= 40
    size, missing = 0, set[str]()
    for name in packages - BUILD:
        try:
            files = distribution(name).files or ()
        except PackageNotFoundError:  # locked for another system or Python
            missing.add(name)
            continue
        paths = (Path(str(f.locate())) for f in files if f.suffix != ".pyc")
        size += sum(p.stat().st_size for p in paths if p.is_file())
    own = [p for root in ("bot", "skills", "prompts", "storage") for p in (ROOT / root).rglob("*")]
    size += sum(p.stat().st_size for p in own if p.is_file() and p.suffix != ".pyc")
    assert len(missing) <= 3, missing
    assert size <= 60_000_000, f"{size / 1e6:.1f} MB"


def test_the_project_says_what_it_offers() -> None:
    about = project()
    assert about["project"]["requires-python"] == ">=3.11"
    assert set(about["project"]["optional-dependencies"]) == {
        "files",
        "mcp",
        "otel",
        "postgres",
        "telegram",
        "web",
    }
    assert "dev" in about["dependency-groups"]
    assert about["project"]["scripts"] == {"duihua": "duihua.cli:main"}
    assert about["project"]["entry-points"] == {"pytest11": {"duihua_pytest": "duihua_pytest"}}
    packages = about["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == [
        "bot/duihua",
        "bot/duihua_pytest",
        "skills/duihua_skills",
        "prompts/duihua_prompts",
        "storage/duihua_storage",
    ]
    assert all((ROOT / p / "__init__.py").is_file() and (ROOT / p / "py.typed").is_file() for p in packages)


def wheel(folder: Path) -> ZipFile:
    """The project as it is installed from a package index."""
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return ZipFile(folder / done.stdout.split()[-1])


def test_the_wheel_holds_all_that_the_packages_need(tmp_path: Path) -> None:
    inside = {name for name in wheel(tmp_path).namelist() if ".dist-info/" not in name}
    roots = (ROOT / "bot", ROOT / "skills", ROOT / "prompts", ROOT / "storage")
    needed = {
        path.relative_to(root).as_posix()
        for root in roots
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert inside == needed
    assert {Path(name).suffix for name in inside} >= {".py", ".j2", ".toml", ".mako", ".typed"}


def test_the_wheel_runs_alone(tmp_path: Path) -> None:
    site = tmp_path / "site"
    wheel(tmp_path).extractall(site)
    code = (
        "import duihua_storage, duihua_prompts; assert duihua_storage.__file__.startswith(sys.argv[1]);"
        "duihua_storage.upgrade('sqlite+aiosqlite:///moved.db');"
        "assert duihua_prompts.PersonaLibrary().get('default').render()"
    )
    environ = {**os.environ, "PYTHONPATH": str(site)}
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}", str(site)],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_type_checking_is_strict_on_the_four_packages() -> None:
    pyright = project()["tool"]["pyright"]
    assert pyright["typeCheckingMode"] == "strict"
    assert pyright["include"] == ["bot", "skills", "prompts", "storage"]
    assert not [key for key in pyright if key.startswith("report") or key in ("ignore", "exclude")]


def test_the_version_is_told_once_and_noted() -> None:
    from duihua import __version__

    version = project()["project"]["version"]
    assert __version__ == version
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"[{version}]" in log or "[Unreleased]" in log


def test_every_command_that_is_shown_is_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert targets >= {"chat", "test", "crash", "bench", "lock"}
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / ".ci/run"):
        text = path.read_text(encoding="utf-8")
        shown = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
        assert shown <= targets, f"{path.name}: {shown - targets}"


def test_a_failing_tool_fails_its_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "|| true" not in makefile
    assert not re.search(r"^\t@?-", makefile, re.MULTILINE)
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").count("set -euo pipefail") == 1
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
