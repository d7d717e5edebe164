"""Real processes over one SQLite file: chat beside chat, forget beside a turn, kill -9 and take-over."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from duihua.simulator import Simulator
from tests.leftovers import leftovers

TAKE_OVER = 20
"""Seconds within which another process must have taken over."""


@pytest.fixture
async def environment(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Everything a process needs: the platform on loopback and a new database."""
    async with Simulator(port=0) as sim:
        url = f"sqlite+aiosqlite:///{tmp_path}/chat.db"
        yield {**os.environ, **sim.settings(), "DUIHUA_DATABASE_URL": url, "DUIHUA_LANG": "en"}


def chat(environment: dict[str, str], tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "duihua", "chat", *arguments],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def ended(process: subprocess.Popen[str], text: str | None, timeout: int = 60) -> tuple[str, str]:
    """Output of a process that was given `text`, while the simulator in this process goes on answering."""

    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, lambda: process.communicate(text, timeout=timeout))


async def printed(process: subprocess.Popen[str], word: str) -> None:
    """Until the process has printed a line with `word`."""
    assert process.stdout is not None
    stdout = process.stdout
    while word not in (line := await asyncio.get_running_loop().run_in_executor(None, stdout.readline)):
        assert line, f"it ended with {process.wait()}: {process.stderr.read() if process.stderr else ''}"


async def test_two_chats_share_a_conversation(environment: dict[str, str], tmp_path: Path) -> None:

    first, second = chat(environment, tmp_path), chat(environment, tmp_path)
    texts = ["\n".join(f"hello {who} {n}" for n in range(10)) for who in ("ann", "bob")]
    outs = await asyncio.gather(ended(first, texts[0]), ended(second, texts[1]))
    assert first.returncode == second.returncode == 0, outs
    assert all(err.count("\n") == 0 for _, err in outs), outs
    connection = sqlite3.connect(tmp_path / "chat.db")
    rows = connection.execute("SELECT state, count(*) FROM turns GROUP BY state").fetchall()
    path = connection.execute("SELECT count(DISTINCT parent) FROM turns").fetchall()
    connection.close()
    assert rows == [("done", 20)]
    assert path == [(20,)], "every turn follows the one before it"


async def test_forget_beside_a_running_turn_wins(environment: dict[str, str], tmp_path: Path) -> None:

    running = chat(environment, tmp_path, "--json")
    assert running.stdin is not None
    running.stdin.write("!slow 1000 my secret word is plugh and now please tell me a long story about it\n")
    running.stdin.flush()
    await printed(running, "text_delta")
    forgetting = chat(environment, tmp_path)
    out, err = await ended(forgetting, "/forget\n")
    assert forgetting.returncode == 0, (out, err)
    rest, _ = await ended(running, None)
    assert '"forgotten"' in rest
    assert running.returncode == 0
    url = environment["DUIHUA_DATABASE_URL"]
    assert leftovers(url, "plugh") == []


async def test_another_process_takes_over_after_kill_9(environment: dict[str, str], tmp_path: Path) -> None:

    killed = chat(environment, tmp_path, "--json")
    assert killed.stdin is not None
    killed.stdin.write("!slow 300 my name is Ann, please tell me a long story about it\n")
    killed.stdin.flush()
    await printed(killed, "text_delta")
    os.kill(killed.pid, signal.SIGKILL)
    await ended(killed, None)
    other = chat(environment, tmp_path)
    out, err = await ended(other, "What is my name?\n", timeout=TAKE_OVER)
    assert other.returncode == 0, (out, err)
    lines = out.strip().splitlines()
    assert len(lines) >= 2, "the resumed answer comes first"
    assert "Ann" in lines[-1]
