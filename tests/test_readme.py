"""What the documents show is run: Python blocks against the simulator, make commands against the Makefile."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

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
async def test_a_block_does_what_it_shows(language: str, code: str, tmp_path: Path) -> None:
    if language == "sh":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        for line in code.strip().splitlines():
            command, target = line.split()
            assert command == "make"
            assert target in targets
        return
    assert language == "python", "a block in a language that nothing runs"
    (tmp_path / "example.py").write_text(code, "utf-8")
    async with Simulator(port=0) as sim:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "example.py",
            cwd=tmp_path,
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
