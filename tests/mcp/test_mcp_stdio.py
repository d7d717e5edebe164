"""Tools of an MCP server that is a child process: it dies, floods, or does not start; we go on."""

from __future__ import annotations

import sys

import pytest

from duihua.skills.mcp import Server
from tests.mcp.conftest import TOKEN, Start, child


async def test_a_server_that_dies_or_floods_in_a_call_comes_back_and_keeps_the_secret(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    skills = await start(child())
    for name in ("die", "huge"):
        call = await skills.call(name)
        assert (call.state, "may have taken effect" in call.result) == ("failed", True)
        assert (await skills.call("echo", word="back")).result == "back ***"
    assert "exit code 3" in caplog.text
    assert "more than 8 MB" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_server_of_an_older_protocol_tells_of_other_tools_and_asks_no_person(start: Start) -> None:
    skills = await start(child("--old"))
    call = await skills.call("ask")
    assert (call.state, call.result) == ("failed", "no PIN: Elicitation not supported")
    await skills.call("grow")
    await skills.until("grown")
    assert (await skills.call("grown")).state == "failed"  # without its argument


async def test_a_server_that_does_not_start_is_named_and_the_others_work(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    broken = child("--refuse", name="refusing")
    missing = Server("missing", command="no-such-program-anywhere")
    silent = Server("silent", sys.executable, ("-c", "print('{}' * 9)"))
    assert not (await start(broken, missing, silent)).all
    for name, reason in (("refusing", "cannot start with ***"), ("missing", "FileNotFound"), ("silent", "0")):
        [line] = [r.getMessage() for r in caplog.records if f"server {name} is away" in r.getMessage()][:1]
        assert reason in line
    assert TOKEN not in caplog.text
