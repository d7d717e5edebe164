"""Imports go down only, and every package can be imported first."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {
    "duihua": ROOT / "bot/duihua",
    "duihua_skills": ROOT / "skills/duihua_skills",
    "duihua_prompts": ROOT / "prompts/duihua_prompts",
    "duihua_storage": ROOT / "storage/duihua_storage",
}
VALUES = {
    "messages",
    "memories",
    "reminders",
    "arrivals",
    "chats",
    "admission",
    "codes",
    "showing",
    "abilities",
    "codec",
    "outcomes",
    "events",
    "errors",
    "options",
    "ports",
    "providing",
    "stored",
    "storing",
    "config",
    "redact",
    "escapes",
    "saving",
    "envfile",
    "streams",
}
LOGIC = {"tokens", "ranges", "fragments", "transcript", "clipping", "dialect", "actions", "moderation"}
LOGIC |= {
    "asking",
    "foreign",
    "memory",
    "pictures",
    "prices",
    "composition",
    "recurrence",
    "joining",
    "titles",
    "naming",
}
LAYERS = [
    VALUES,
    LOGIC,
    {"providers", "skills", "documents", "relay", "history", "delivery", "reminding", "drawings"}
    | {"access", "rates", "frontends"},
    {"lanes", "brief", "remembering", "recollection", "running", "keeping", "preview", "calling", "able"}
    | {"contexts", "calibrations", "hearing", "platforms", "supplies", "briefs", "compare", "finder"},
    {"turn", "tasking", "summarising", "upkeep", "long_term", "roster"},
    {"place", "handing_in", "following", "stored_session", "settings_session", "person_session"}
    | {"memory_session", "session", "engine"},
    {
        "testing",
        "simulator",
        "command",
        "memory_handlers",
        "skill_handlers",
        "setting_handlers",
        "reminder_handlers",
        "access_handlers",
        "commands",
        "exporting",
        "shown",
        "plain",
        "comparison",
    },
    {"terminal", "screen", "telegram"},
    {
        "doctor",
        "program",
        "arguments",
        "ability_commands",
        "access_commands",
        "audit_commands",
        "model_commands",
        "task_commands",
        "telegram_commands",
        "init_commands",
        "memory_commands",
        "skill_commands",
        "skill_check",
        "skill_run",
        "mcp_commands",
    },
    {"cli", "__main__"},
]
HEAVY = (
    "alembic",
    "prompt_toolkit",
    "rich",
    "jinja2",
    "sqlalchemy",
    "aiohttp",
    "aiogram",
    "aiosqlite",
    "Stemmer",
    "mcp",
    "httpx2",
)


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, at top level) of every import that runs; what only type checkers read does not count."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                names = [f"{child.module}.{alias.name}" for alias in child.names]
                found.extend((name, top) for name in (names if child.module == "duihua" else [child.module]))
            visit(child, top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)))

    visit(ast.parse(path.read_text()), True)
    return found


def layer(module: str) -> int:
    name = module.split(".")[1]
    return next((i for i, names in enumerate(LAYERS) if name in names), -1)


def modules() -> list[Path]:
    return sorted(p for p in SOURCES["duihua"].rglob("*.py"))


def test_imports_go_down_only() -> None:
    wrong: list[str] = []
    for path in modules():
        parts = path.relative_to(SOURCES["duihua"]).with_suffix("").parts
        if parts == ("__init__",):
            continue
        mine = layer(f"duihua.{parts[0]}")
        if mine < 0:
            wrong.append(f"{path} has no layer yet: give it one")
        for module, _ in imports(path):
            ours = module.startswith("duihua.") and module.split(".")[1][:1].islower()
            if ours and not 0 <= layer(module) <= mine:
                wrong.append(f"{path} imports {module}, which stands above it")
    assert not wrong, "\n".join(wrong)


def test_the_core_loads_its_defaults_only_when_used() -> None:
    defaults = ("duihua_storage", "duihua_skills", "duihua_prompts")
    wrong = [
        f"{path} imports {module} at its top"
        for path in modules()
        for module, top in imports(path)
        if top and module.split(".")[0] in defaults
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ["duihua_storage", "duihua_skills", "duihua_prompts"])
def test_the_outer_packages_import_values_and_borders_only(package: str) -> None:
    allowed = VALUES | LOGIC | {"skills"}
    for path in SOURCES[package].rglob("*.py"):
        for module, _ in imports(path):
            if module.startswith("duihua."):
                assert module.split(".")[1] in allowed or module == "duihua.skill", f"{path}: {module}"


@pytest.mark.parametrize("package", sorted(SOURCES))
def test_every_package_can_be_imported_first(package: str) -> None:
    code = f"import {package}, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    if package == "duihua":
        assert result.stdout.strip() == "[]", f"import duihua loads {result.stdout}"


def test_the_public_surface_is_sorted_and_real() -> None:
    import duihua

    assert duihua.__all__ == sorted(duihua.__all__, key=lambda n: (not n[0].isupper(), n))
    assert all(hasattr(duihua, name) for name in duihua.__all__)
