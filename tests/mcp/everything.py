"""Our side against the reference server of the Node SDK, over both transports: `make test-node`.

It needs `npx`, and fetches the package `@modelcontextprotocol/server-everything` where it is not there yet.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from duihua.messages import Attachment, Call
from duihua.ports import Skill
from duihua.skills import Context
from duihua.skills.mcp import Hub, Server
from duihua.skills.runner import run

COMMAND = ("npx", "-y", "@modelcontextprotocol/server-everything")

# tool, arguments, state, a part of the result, media attached, reports of progress at least
CASES = (
    ("echo", '{"message": "你好"}', "done", "Echo: 你好", 0, 0),
    ("get-sum", '{"a": 2, "b": 3}', "done", "is 5", 0, 0),
    ("get-sum", '{"a": "x", "b": 3}', "failed", "should be a number", 0, 0),
    ("get-sum", '{"a": 2}', "failed", "b: missing", 0, 0),
    ("get-tiny-image", "{}", "done", "shown to the user", 1, 0),
    ("get-structured-content", '{"location": "Chicago"}', "done", "temperature", 0, 0),
    ("get-resource-links", "{}", "done", "[link: ", 0, 0),
    ("get-resource-reference", '{"resourceType": "Blob"}', "done", "[file ", 1, 0),
    ("trigger-long-running-operation", '{"duration": 1, "steps": 2}', "done", "completed", 0, 2),
)


async def check(server: Server) -> None:
    """Runs the cases; raises AssertionError at the first that is not as it should be."""
    skills: dict[str, Skill] = {}

    def use(found: Sequence[Skill]) -> None:
        skills.clear()
        skills.update({skill.name: skill for skill in found})

    hub = Hub([server], use)
    await hub.open()
    try:
        await hub.settled(120)
        assert skills, "the server offers nothing"
        assert (skills["echo"].effect, skills["echo"].confirm({})) == ("read", False)
        for tool, arguments, state, part, media, reports in CASES:
            attached: list[Attachment] = []
            told: list[str] = []
            context = Context(attach=attached.append, progress=told.append)
            call = await run(Call("c", tool, arguments), skills[tool], context)
            seen = (call.state, part in call.result, len(attached), len(told) >= reports)
            assert seen == (state, True, media, True), f"{tool} {arguments}: {call.result[:300]} {seen}"
            print(f"{server.name:8} {tool} {arguments}: {call.state}", flush=True)
    finally:
        await hub.aclose()


@asynccontextmanager
async def over_http() -> AsyncIterator[str]:
    """The server on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "streamableHttp", env={**os.environ, "PORT": str(port)}, start_new_session=True
    )
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


async def main() -> int:
    """Checks both transports; returns the program's exit code."""
    if shutil.which("npx") is None:
        print("npx is not installed: nothing was checked", file=sys.stderr)
        return 1
    await check(Server("stdio", COMMAND[0], (*COMMAND[1:], "stdio")))
    async with over_http() as url:
        await wait_for(url)
        await check(Server("http", url=url))
    return 0


async def wait_for(url: str) -> None:
    """Until something listens there."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    async with asyncio.timeout(120):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.2)
            else:
                writer.close()
                return


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
