"""The pytest plugin as its users have it: a suite of their own, in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGIN = [sys.executable, "-m", "pytest", "-q", "-p", "duihua_pytest", "-p", "no:cacheprovider"]

IDLE = """
import sys

def test_a_suite_without_its_fixtures():
    assert "duihua_pytest" in sys.modules
    loaded = [name for name in sys.modules if name.split(".")[0] in %r]
    assert loaded == []
"""
OURS = ("duihua", "duihua_skills", "duihua_prompts", "duihua_storage", "httpx", "aiohttp", "pydantic")

USED = '''
import asyncio
import pytest
from duihua import skill
from duihua.testing import ScriptError

@skill(effect="read")
def dice(count: int = 1) -> str:
    """Rolls dice."""
    return "6" * count

def test_by_arguments(duihua_harness):
    assert asyncio.run(duihua_harness(dice).call(count=2)).result == "66"

def test_by_a_script(duihua_engine, duihua_harness, duihua_clock):
    async def talk(script):
        async with duihua_engine(script, skills=[dice]) as engine:
            assert engine.clock is duihua_clock
            return await engine.ask("a", "Roll!")

    asks = duihua_harness(dice).asks(count=3)
    assert asyncio.run(talk([asks, "There."])).calls[0].result == "666"
    with pytest.raises(ScriptError):
        asyncio.run(talk(["There.", "left over"]))

@pytest.mark.parametrize("again", [False, True])
def test_on_the_simulator(duihua_engine, duihua_simulator, again):
    async def talk():
        async with duihua_engine(skills=[dice]) as engine:
            return await engine.ask("a", "dice 2")

    assert duihua_simulator.counts == {}
    assert asyncio.run(talk()).calls[0].result == "66"
    assert duihua_simulator.counts["all"] >= 2

def test_a_moment_later(duihua_clock):
    began = duihua_clock()
    duihua_clock.travel(days=400)
    assert duihua_clock() - began == 400 * 86_400
'''


def suite(folder: Path, text: str) -> None:
    (folder / "test_it.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\naddopts = --strict-config\n", "utf-8"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("DUIHUA_", "PYTEST_"))}
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no other plugin helps, or imports anything
    ran = subprocess.run(
        [*PLUGIN, str(folder)], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_it_imports_nothing_of_ours_before_a_fixture_is_used(tmp_path: Path) -> None:
    suite(tmp_path, IDLE % (OURS,))


def test_its_fixtures_do_what_they_say(tmp_path: Path) -> None:
    suite(tmp_path, USED)
