"""What the documents show is run: Python blocks and duihua's commands against the simulator, make commands
against the Makefile, settings and prices by what reads them."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from pydantic import AliasChoices

from duihua import Settings, cli
from duihua.prices import Prices
from duihua.providers import registry
from duihua.simulator import Simulator

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
BLOCKS = [
    pytest.param(language, code, id=f"{path.name}-{number}-{language}")
    for path in DOCUMENTS
    for number, (language, code) in enumerate(
        re.findall(r"```(\w*)\n(.*?)```", path.read_text("utf-8"), re.S)
    )
]


@pytest.mark.parametrize(("language", "code"), BLOCKS)
async def test_a_block_does_what_it_shows(
    language: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    match language:
        case "sh":
            await commands_work(code, tmp_path, monkeypatch)
        case "ini":
            settings_are_known(code)
        case "toml":
            (tmp_path / "prices.toml").write_text(code, "utf-8")
            assert Prices.load(str(tmp_path / "prices.toml"))
        case "python":
            await program_works(code, tmp_path)
        case _:
            pytest.fail("a block in a language that nothing runs")


async def commands_work(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line: a target of the Makefile, or our program, with the simulator's keys."""
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    (folder / "recording.wav").write_bytes(b"RIFF" + bytes(32_000))
    async with Simulator() as sim:
        for name, value in sim.settings().items():
            monkeypatch.setenv(name, value)
        for line in code.strip().splitlines():
            command, *arguments = shlex.split(line, comments=True)
            assert command in ("make", "duihua")
            if command == "make":
                assert arguments[0] in targets
            else:
                assert await asyncio.to_thread(cli.main, arguments) == 0, line


def settings_are_known(code: str) -> None:
    """Each line: a setting that exists, with a value that it takes."""
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    choices = [field.validation_alias for field in Settings.model_fields.values()]
    assert values.keys() <= {name for one in choices if isinstance(one, AliasChoices) for name in one.choices}
    settings = Settings.load(None).replaced({name: value for name, value in values.items() if value})
    for name in settings.model.split(","):
        registry.split(name)


async def program_works(code: str, folder: Path) -> None:
    """It runs without a word on stderr."""
    (folder / "example.py").write_text(code, "utf-8")
    async with Simulator(port=0) as sim:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "example.py",
            cwd=folder,
            env={**os.environ, **sim.settings(), "PYTHONWARNINGS": "error"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert err == b""
    if "say(" in code:
        assert out.decode().count("小明") >= 2


def test_there_are_both_languages_of_every_document() -> None:
    names = {path.name for path in DOCUMENTS}
    for name in names:
        twin = name.replace(".zh-CN.md", ".md") if ".zh-CN" in name else name.replace(".md", ".zh-CN.md")
        assert twin in names, f"{name} has no twin"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_inside_the_project_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target
