"""What the documents show is run: Python blocks, duihua's commands and chats against the simulator, make
commands against the Makefile, settings, prices and data sets by what reads them."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import orjson
import pytest
from benchmarks.memory_data import read
from pydantic import AliasChoices

from duihua import Settings, cli
from duihua.prices import Prices
from duihua.providers import registry
from duihua.simulator import Simulator
from duihua.skills.mcp import load

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
FOUND = [
    (path.name, number, language, code)
    for path in DOCUMENTS
    if not path.name.startswith("tutorial")  # followed as a whole: test_tutorial.py
    for number, (language, code) in enumerate(
        re.findall(r"```(\w*)\n(.*?)```", path.read_text("utf-8"), re.S)
    )
]
PROGRAMS: dict[str, list[str]] = {}
"""Python blocks, each with its twin in the other language."""
for name, number, language, code in FOUND:
    if language == "python":
        PROGRAMS.setdefault(f"{name.partition('.')[0]}-{number}", []).append(code)
BLOCKS = [
    pytest.param(language, code, "zh" if ".zh-CN" in name else "en", id=f"{name}-{number}-{language}")
    for name, number, language, code in FOUND
    if language != "python"
]


@pytest.mark.parametrize(("language", "code", "lang"), BLOCKS)
async def test_a_block_does_what_it_shows(
    language: str,
    code: str,
    lang: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
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
        case "text":
            monkeypatch.setenv("DUIHUA_LANG", lang)
            await chat_goes(code, tmp_path, monkeypatch, capsys)
        case "jsonl":
            data_is_read(code, tmp_path)
        case "json":
            (tmp_path / "mcp.json").write_text(code, "utf-8")
            assert load(str(tmp_path / "mcp.json"), {"TICKETS_KEY": "secret"})
        case _:
            pytest.fail("a block in a language that nothing runs")


async def commands_work(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line: a target of the Makefile, or our program, with the simulator's keys."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
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


async def chat_goes(
    code: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`$` lines run our program, `>` lines are typed into it, and it says the other ones in their order."""
    async with Simulator() as sim:
        for name, value in sim.settings().items():
            monkeypatch.setenv(name, value)
        for shown in re.split(r"^\$ duihua ", code, flags=re.M)[1:]:
            command, *lines = shown.splitlines()
            (folder / "typed").write_text("\n".join(line[2:] for line in lines if line[:2] == "> "), "utf-8")
            with (folder / "typed").open() as typed:
                monkeypatch.setattr(sys, "stdin", typed)
                assert await asyncio.to_thread(cli.main, shlex.split(command)) == 0, command
            said = iter(capsys.readouterr().out.splitlines())
            for line in (line for line in lines if line[:2] != "> "):
                wanted = re.compile(".*".join(map(re.escape, line.split("…"))))
                assert any(wanted.fullmatch(one) for one in said), line


def data_is_read(code: str, folder: Path) -> None:
    """Lines of a data set for recall: turns, or questions that name what answers them."""
    rows = [orjson.loads(line) for line in code.splitlines()]
    for name, key in (("conversations", "text"), ("questions", "question")):
        lines = [orjson.dumps(row).decode() for row in rows if key in row]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    turns, asked = read(folder)
    assert turns
    assert asked
    assert {id_ for one in asked for id_ in one.evidence} <= {id_ for turn in turns for id_ in turn.ids}


def settings_are_known(code: str) -> None:
    """Each line: a setting that exists, with a value that it takes."""
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    choices = [field.validation_alias for field in Settings.model_fields.values()]
    assert values.keys() <= {name for one in choices if isinstance(one, AliasChoices) for name in one.choices}
    settings = Settings.load(None).replaced({name: value for name, value in values.items() if value})
    for name in settings.model.split(","):
        registry.split(name)


# Python and what it imports start once for both twins.
ONE_BY_ONE = """
import os, runpy, sys
end, *folders = sys.argv[1:]
for folder in folders:
    os.chdir(folder)
    runpy.run_path("example.py", run_name="__main__")
    print(end)
"""
END = "--- the end of one program ---"


@pytest.mark.parametrize("codes", PROGRAMS.values(), ids=PROGRAMS)
async def test_a_program_runs_without_a_word_on_stderr(codes: list[str], tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(len(codes))]
    for folder, code in zip(folders, codes, strict=True):
        folder.mkdir()
        (folder / "example.py").write_text(code, "utf-8")
    async with Simulator(port=0) as sim:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ONE_BY_ONE, END, *folders),
            env={**os.environ, **sim.settings(), "PYTHONWARNINGS": "error"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert err == b""
    said = out.decode().split(END)
    assert said.pop() == "\n"
    for code, words in zip(codes, said, strict=True):
        if "say(" in code:
            assert words.count("小明") >= 2


def test_there_are_both_languages_of_every_document() -> None:
    names = {path.name for path in DOCUMENTS}
    for name in names:
        twin = name.replace(".zh-CN.md", ".md") if ".zh-CN" in name else name.replace(".md", ".zh-CN.md")
        assert twin in names, f"{name} has no twin"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_inside_the_project_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target
