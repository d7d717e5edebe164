"""What is loaded, from where, and what is not."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duihua.config import Settings
from duihua.engine import ChatEngine
from duihua.errors import ConfigError
from duihua.messages import Call
from duihua.ports import Skill, ToolSpec
from duihua.skills import Context, Loaded, load, loading, run
from duihua.skills.discovery import candidates
from duihua_prompts import Catalogue, error_line

DICE = '''from duihua import skill

@skill(effect="read")
def dice(sides: int = 6) -> str:
    """Throws a die."""
    return "{says}"
'''

Install = Callable[..., str]
_NUMBER = itertools.count(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install(code, entry)` puts a package where pip would, with .dist-info; returns its module."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def add(code: str, entry: str = "dice = {module}:dice", package: str = "dice-kit") -> str:
        module = f"installed_{next(_NUMBER)}"
        (site / f"{module}.py").write_text(code)
        info = site / f"{package.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[duihua.skills]\n{entry.format(module=module)}\n")
        return module

    return add


async def result(skill: Skill) -> str:
    return (await run(Call("1", skill.name, "{}"), skill, Context())).result


def fault(loaded: Loaded) -> str:
    [one] = loaded.faults
    assert f"error.skill.{one.code}" in Catalogue("en")
    return one.code


async def test_an_installed_skill_is_loaded_by_its_name(install: Install) -> None:
    module = install(DICE.format(says="four"))
    [one] = load(["dice"]).skills
    assert await result(one) == "four"
    assert one.origin == f"dice-kit {module}:dice"


def test_what_is_not_named_is_not_even_imported(install: Install, folder: Path) -> None:
    module = install("raise SystemExit('imported')")
    (folder / "other.py").write_text("raise SystemExit('imported')")
    loaded = load(["clock"], str(folder))
    assert [one.name for one in loaded.skills] == ["clock"]
    assert (loaded.faults, loaded.idle) == ((), ("other",))
    assert module not in sys.modules
    assert {"dice", "other"} <= {one.name for one in candidates(str(folder))}


async def test_a_folder_holds_files_and_packages(folder: Path) -> None:
    (folder / "dice.py").write_text(DICE.format(says="four"))
    (folder / "coin").mkdir()
    (folder / "coin/__init__.py").write_text(
        "from duihua import skill\n\n@skill(name='coin')\ndef flip() -> str:\n"
        "    'Flips.'\n    from .sides import SIDE\n    return SIDE\n"
    )
    (folder / "coin/sides.py").write_text("SIDE = 'heads'\n")
    for other in ("test_dice.py", "_draft.py", "notes.txt", "conftest.py"):
        (folder / other).write_text("raise SystemExit")
    (folder / "empty").mkdir()
    loaded = load(["coin", "folder:*"], str(folder))
    assert [await result(one) for one in loaded.skills] == ["heads", "four"]
    assert [one.origin for one in loaded.skills] == [str(folder / "coin"), str(folder / "dice.py")]
    assert loaded.faults == ()
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize(
    ("code", "why", "fact"),
    [
        ("def dice(:\n", "syntax", "dice.py:1"),
        ("import not_there_at_all\n", "no_module", "not_there_at_all"),
        ("raise SystemExit('-'.join(('top', 'secret')))\n", "exits", "dice.py:1"),
        ("raise KeyboardInterrupt\n", "raises", "dice.py:1"),
        ("class Odd(BaseException): ...\nraise Odd\n", "raises", "dice.py:2"),
        ("\nraise RuntimeError('-'.join(('top', 'secret')))\n", "raises", "dice.py:2"),
        ("raise SyntaxError('-'.join(('top', 'secret')))\n", "raises", "dice.py:1"),
        ("class E(BaseException): pass\nraise E('-'.join(('top', 'secret')))\n", "raises", "dice.py:2"),
        ("from duihua import skill\n@skill\ndef dice(n):\n  'D.'\n", "signature", "parameter 'n' has no"),
        ("from duihua import skill\n@skill\ndef dice(n: int):\n  pass\n", "signature", "docstring"),
        ("def dice(): pass\n", "no_skill", ""),
        (DICE.format(says="4").replace("def dice", "def roll"), "misnamed", "roll"),
    ],
)
def test_a_broken_file_is_named_and_left_out(
    code: str, why: str, fact: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "dice.py").write_text(code)
    with caplog.at_level(logging.ERROR):
        loaded = load(["dice", "clock"], str(folder))
    assert [one.name for one in loaded.skills] == ["clock"]
    assert fault(loaded) == why
    assert (loaded.faults[0].name, loaded.faults[0].origin) == ("dice", str(folder / "dice.py"))
    assert fact in " ".join(loaded.faults[0].values.values())
    assert str(folder / "dice.py") in caplog.text
    assert fact in caplog.text
    assert "top-secret" not in caplog.text + str(loaded.faults)


@pytest.mark.parametrize(
    ("code", "entry", "why"),
    [
        ("dice = 7", "dice = {module}:dice", "wrong_object"),
        ("def dice(): pass", "dice = {module}:dice", "undecorated"),
        ("", "dice = {module}:dice", "no_entry"),
        ("", "dice = not_there_at_all:dice", "no_module"),
        ("", "dice = ???", "no_entry"),
        (DICE.format(says="4"), "wurf = {module}:dice", "misnamed"),
        ("", "dice = {module}", "no_skill"),
    ],
)
def test_a_broken_package_is_named_and_left_out(
    code: str, entry: str, why: str, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(code, entry)
    with caplog.at_level(logging.ERROR):
        loaded = load([entry.partition(" ")[0], "clock"])
    assert [one.name for one in loaded.skills] == ["clock"]
    assert fault(loaded) == why
    assert "dice-kit" in caplog.text


@pytest.mark.parametrize(
    ("part", "value"),
    [("timeout", "0"), ("timeout", "'x'"), ("effect", "'delete'"), ("run", "7"), ("hosts", "'example.com'")],
)
def test_a_skill_made_by_hand_is_looked_at(part: str, value: str, install: Install) -> None:
    code = f"{DICE.format(says='4')}\nimport dataclasses\ndice = dataclasses.replace(dice, {part}={value})"
    install(code)
    loaded = load(["dice"])
    assert fault(loaded) == "wrong_part"
    assert loaded.faults[0].values == {"part": part}


def test_a_damaged_package_does_not_hide_the_others(install: Install, tmp_path: Path) -> None:
    install(DICE.format(says="four"))
    damaged = tmp_path / "site/bad-1.dist-info"
    damaged.mkdir()
    (damaged / "entry_points.txt").write_bytes(b"[duihua.skills]\n\xff\xfe = x\n")
    assert [one.name for one in load(["dice"]).skills] == ["dice"]


def test_a_clash_is_refused_with_both_origins(install: Install, folder: Path) -> None:
    module = install(DICE.format(says="four"))
    (folder / "dice.py").write_text(DICE.format(says="five"))
    with pytest.raises(ConfigError) as caught:
        load(["dice"], str(folder))
    for told in (str(caught.value), *(error_line(Catalogue(lang), caught.value) for lang in ("zh", "en"))):
        assert f"dice-kit {module}:dice" in told
        assert str(folder / "dice.py") in told
        assert "folder:dice" in told
        assert "dice-kit:dice" in told
    (folder / "clock.py").write_text("")
    with pytest.raises(ConfigError, match=r"duihua_skills\.clock"):
        load(["clock"], str(folder))


@pytest.mark.parametrize(("name", "says"), [("folder:dice", "five"), ("dice-kit:dice", "four")])
async def test_a_source_before_the_name_settles_a_clash(
    name: str, says: str, install: Install, folder: Path
) -> None:
    install(DICE.format(says="four"))
    (folder / "dice.py").write_text(DICE.format(says="five"))
    [one] = load([name], str(folder)).skills
    assert await result(one) == says


def test_two_sources_may_not_both_be_loaded_under_one_name(install: Install, folder: Path) -> None:
    install(DICE.format(says="four"))
    (folder / "dice.py").write_text(DICE.format(says="five"))
    settings = Settings.load(
        None,
        skills=("folder:dice", "dice-kit:dice"),
        skills_dir=str(folder),
        database_url="sqlite+aiosqlite://",
        zhipu_api_key="a.b",
    )
    with pytest.raises(ConfigError, match=r"two skills are named 'dice'.*folder.*dice-kit"):
        ChatEngine("zhipu/glm-4-flash", settings=settings)


def test_an_unknown_name_is_refused_with_the_ones_there_are(install: Install, folder: Path) -> None:
    install(DICE.format(says="four"))
    (folder / "coin.py").write_text("")
    with pytest.raises(ConfigError, match=r"names dise: no such skill; there are .*web_fetch, dice, coin"):
        load(["dise"], str(folder))
    with pytest.raises(ConfigError, match="DUIHUA_SKILLS_DIR"):
        load(["clock"], str(folder / "nowhere"))


def test_only_what_skill_made_is_taken_in_code() -> None:
    def plain() -> None:
        """Does it."""

    spec: Any = ToolSpec("x", "y", {})
    for wrong in (plain, spec, None):
        with pytest.raises(ConfigError, match="is no skill: decorate the function with @skill"):
            ChatEngine("zhipu/glm-4-flash", skills=[wrong], settings=Settings.load(None, zhipu_api_key="a.b"))


def test_the_bot_starts_without_a_broken_skill(folder: Path) -> None:
    (folder / "dice.py").write_text("raise SystemExit(3)")
    settings = Settings.load(
        None,
        skills=("dice", "clock"),
        skills_dir=str(folder),
        database_url="sqlite+aiosqlite://",
        zhipu_api_key="a.b",
    )
    engine = ChatEngine("zhipu/glm-4-flash", settings=settings)
    assert engine.registry.names == ("clock",)
    assert [one.code for one in engine.loaded.faults] == ["exits"]


@pytest.mark.parametrize("installed", [False, True])
async def test_an_import_that_never_ends_is_named_and_left_behind(
    installed: bool,
    install: Install,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(sys, "gate", gate, raising=False)
    monkeypatch.setattr(loading, "PATIENCE", 1.0)
    hangs = "import sys\nsys.gate.wait()\n"
    if installed:
        install(hangs)
    else:
        (folder / "dice.py").write_text(hangs)
    (folder / "later.py").write_text(DICE.format(says="four").replace("dice", "later"))
    try:
        loaded = load(["dice", "later"], str(folder))
    finally:
        gate.set()
    assert (fault(loaded), [await result(one) for one in loaded.skills]) == ("hangs", ["four"])
    assert "skill dice" in caplog.text


def test_who_ends_the_program_was_named_before(folder: Path) -> None:
    (folder / "dice.py").write_text("import os\nos._exit(7)\n")
    code = f"""import logging
from duihua.skills import load
logging.basicConfig(level="INFO")
load(["clock", "dice"], {str(folder)!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 7
    assert "skill dice" in done.stderr.splitlines()[-1]
