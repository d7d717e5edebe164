"""The files of a new package with one skill."""

from __future__ import annotations

from pathlib import Path
from string import Template

_FOLDER = Path(__file__).parent / "package"


def package_files(name: str) -> dict[str, str]:
    """What a package for the skill `name` begins with, by path.

    Args:
        name: an identifier.
    """
    module = f"{name}_skill"
    values = {"name": name, "module": module, "package": module.replace("_", "-")}
    places = {
        "pyproject.toml": "pyproject.toml",
        "skill.py": f"{module}.py",
        "test.py": f"tests/test_{name}.py",
        "README.md": "README.md",
        "README.zh-CN.md": "README.zh-CN.md",
    }
    return {
        place: Template((_FOLDER / f"{file}.txt").read_text(encoding="utf-8")).substitute(values)
        for file, place in places.items()
    }
