"""The chat as a program, with a skill that prints and brings a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

PROGRAM = """
import asyncio, os, subprocess, sys
from duihua import Attachment, ChatEngine, Settings, skill
from duihua.ports import CallDelta
from duihua.terminal import chat, output
from duihua.testing import ScriptedModel
from duihua_prompts import Catalogue

@skill(effect="read")
def noisy():
    'Prints.'
    print("by print")
    os.write(1, b"by descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('by a child')"])
    return Attachment(data=b"a,b", name="../sheet.csv")

async def main():
    settings = Settings.load(None, database_url="sqlite+aiosqlite:///d.db", memory_model="none")
    model = {"scripted": ScriptedModel([CallDelta(0, "", "noisy", "{}"), "there"])}
    with output(as_json=True) as out:
        async with ChatEngine("scripted/any", skills=[noisy], settings=settings, provider=model) as engine:
            await chat(engine, Catalogue("en"), out=out, as_json=True)
    print("mine again")

asyncio.run(main())
"""


def test_json_lines_stay_clean_and_files_are_saved(tmp_path: Path) -> None:
    (tmp_path / "duihua-files").mkdir()
    (tmp_path / "duihua-files/sheet.csv").write_bytes(b"an older one")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=b"go\n",
        capture_output=True,
        cwd=tmp_path,
        env=dict(os.environ),
        timeout=60,
        check=True,
    )
    *lines, last = done.stdout.splitlines()
    events = [orjson.loads(line) for line in lines]
    assert last == b"mine again", "standard output is given back"
    assert events[-1]["kind"] == "turn_finished"
    [shown] = [e for e in events if e["kind"] == "skill_attached"]
    assert (shown["file"], shown["size"]) == ("sheet.csv", 3)
    err = done.stderr.decode()
    assert all(f"by {how}" in err for how in ("print", "descriptor", "a child"))
    assert err.count("sheet.csv (text/csv, 3 B). Saved as duihua-files/sheet-2.csv.") == 1
    assert (tmp_path / "duihua-files/sheet-2.csv").read_bytes() == b"a,b"
    assert (tmp_path / "duihua-files/sheet.csv").read_bytes() == b"an older one"
