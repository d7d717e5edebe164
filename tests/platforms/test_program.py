"""`duihua chat --model ...` on each platform, as a user runs it: from a pipe, streamed and whole.

The program runs in this process: that it starts in one of its own does not depend on the platform, and
tests/test_chat.py sees to it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from duihua import cli
from duihua.providers import registry
from tests.platforms.cases import CASES

FIRST = {name: next(c for c in CASES if c.model.startswith(f"{name}/")) for name in registry.PLATFORMS}
TALK = """我叫小明
我叫什么名字?
北京今天天气怎么样?
讲个故事 !flag
我叫什么名字?
"""


@pytest.mark.parametrize("arguments", [(), ("--no-stream",)], ids=["streamed", "whole"])
@pytest.mark.parametrize("platform", FIRST)
async def test_a_chat_from_a_pipe(
    platform: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    keys = {name for p in registry.PLATFORMS.values() for way in p.ways for name in way}
    for name in [k for k in os.environ if k in keys or k.startswith("DUIHUA_")]:
        monkeypatch.delenv(name)
    for name, value in {"DUIHUA_LANG": "zh", **dict(FIRST[platform].settings)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typed").write_text(TALK, "utf-8")

    with (tmp_path / "typed").open(encoding="utf-8") as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        code = await asyncio.to_thread(cli.main, ["chat", "--model", FIRST[platform].model, *arguments])

    out, err = capfd.readouterr()
    assert code == 0, err
    lines = out.splitlines()
    assert any("小明" in line for line in lines[:2])
    assert any("北京" in line and "查到" in line for line in lines)
    assert "小明" not in lines[-1]
