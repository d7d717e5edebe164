"""`duihua chat --model ...` on each platform, as a user runs it: from a pipe, streamed and whole."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from duihua.providers import registry
from tests.platforms.cases import CASES

FIRST = {name: next(c for c in CASES if c.model.startswith(f"{name}/")) for name in registry.PLATFORMS}
TALK = """我叫小明
我叫什么名字?
北京今天天气怎么样?
讲个故事 !flag
我叫什么名字?
"""


@pytest.mark.parametrize("platform", FIRST)
async def test_a_chat_from_a_pipe(platform: str, tmp_path: Path) -> None:
    keys = {name for p in registry.PLATFORMS.values() for way in p.ways for name in way}
    environ = {k: v for k, v in os.environ.items() if k not in keys and not k.startswith("DUIHUA_")}
    environ |= {"DUIHUA_LANG": "zh", **dict(FIRST[platform].settings)}

    async def chat(*arguments: str) -> list[str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "duihua", "chat", "--model", FIRST[platform].model, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env=environ,
        )
        out, err = await process.communicate(TALK.encode())
        assert process.returncode == 0, err.decode()
        return out.decode().splitlines()

    for lines in await asyncio.gather(chat(), chat("--session", "b", "--no-stream")):
        assert any("小明" in line for line in lines[:2])
        assert any("北京" in line for line in lines)
        assert "小明" not in lines[-1]
