"""The tutorial is followed word for word: its files, its commands and its chats, in a clean environment.

There is no network. What its first commands would fetch comes from the environment that the tests run in;
ours comes as the wheel alone, and the tutorial's as the wheel that it builds.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.test_packaging import wheel

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.S)
NAMED = re.compile(r"`([\w./-]+\.py)`")

UNFETCHED = re.compile(r"duihua|pytest_asyncio|hypothesis|xdist|\.pth$")
"""What is installed here, but by nothing that the tutorial tells to install."""


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    code: str
    file: str  # the last one that is named before it

    @property
    def commands(self) -> list[str]:
        if self.language == "text":
            return [line[2:] for line in self.code.splitlines() if line.startswith("$ ")]
        return self.code.splitlines() if self.language == "sh" else []


def blocks(name: str) -> list[Block]:
    text = (ROOT / "docs" / name).read_text("utf-8")
    found: list[Block] = []
    for match in BLOCK.finditer(text):
        before = NAMED.findall(BLOCK.sub("", text[: match.start()]))
        found.append(Block(match[1], match[2], before[-1] if before else ""))
    return found


WHERE = "from importlib.util import find_spec as f; print(f('duihua').origin, f('dice_skill').origin)"
ENGLISH, CHINESE = blocks("tutorial.md"), blocks("tutorial.zh-CN.md")


def script(tutorial: list[Block], said: Path) -> str:
    """The whole tutorial for a shell; what the chat answers goes into a file.

    What the other language says is typed into the same chat.
    """
    lines = ["set -e"]
    for block in tutorial:
        match block.language:
            case "sh":
                lines.append(block.code)
            case "python":
                lines.append(f"cat >{block.file} <<'END OF FILE'\n{block.code}END OF FILE")
            case _:
                both = ENGLISH[-1].code + CHINESE[-1].code
                typed = [shlex.quote(line[2:]) for line in both.splitlines() if line.startswith("> ")]
                lines.append(f"printf '%s\\n' {' '.join(typed)} | {block.commands[0]} >{said}")
    return "\n".join(lines)


def answers(block: Block) -> list[re.Pattern[str]]:
    """What a chat shows as said; `…` stands for anything."""
    shown = [line for line in block.code.splitlines()[1:] if not line.startswith("> ")]
    return [re.compile(".+".join(map(re.escape, line.split("…")))) for line in shown]


def offline(folder: Path) -> dict[str, str]:
    """An environment in which `python3 -m venv` and pip fetch nothing."""
    others, tools = folder / "others", folder / "tools"
    others.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not UNFETCHED.search(entry.name):
            (others / entry.name).symlink_to(entry)
    tools.mkdir()
    venv = tools / "python3"
    venv.write_text(
        f'#!/bin/sh\n{shlex.quote(sys.executable)} "$@" --without-pip\n'
        f"echo {shlex.quote(str(others))} >$(echo .venv/lib/python*/site-packages)/others.pth\n"
    )
    venv.chmod(0o755)
    wheel(folder)
    clean = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR")}
    return {
        **clean,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_COMPILE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def test_the_tutorial_ends_in_a_conversation_through_the_skill(tmp_path: Path) -> None:
    said = tmp_path / "said"
    work = tmp_path / "work"
    work.mkdir()
    text = f"{script(ENGLISH, said)}\npython -P -c {shlex.quote(WHERE)}\n"
    environ = {**offline(tmp_path), "DUIHUA_LANG": "en"}
    ran = subprocess.run(
        ["bash", "-c", text], cwd=work, env=environ, capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
    lines = said.read_text("utf-8").splitlines()
    for wanted in answers(ENGLISH[-1]) + answers(CHINESE[-1]):
        assert any(wanted.fullmatch(line) for line in lines), (wanted, lines)
    installed = str(work / ".venv/lib")
    assert all(path.startswith(installed) for path in ran.stdout.splitlines()[-1].split())


def test_it_is_as_short_as_it_says() -> None:
    commands = [command for block in ENGLISH for command in block.commands]
    assert len(commands) <= 12
    assert not any(sign in command for command in commands for sign in (";", "&&", "|"))
    skill = next(block for block in ENGLISH if block.file == "dice_skill.py")
    assert len(skill.code.splitlines()) <= 15


def test_both_languages_do_the_same() -> None:
    assert [b for b in ENGLISH if b.language != "text"] == [b for b in CHINESE if b.language != "text"]
