"""MCP servers of an engine: their tools in turns, and turns that are answered whatever a server does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, ConfigError, skill
from duihua.events import ApprovalRequested, SkillFinished
from duihua.ports import CallDelta
from duihua.skills.mcp import load
from tests.engine.conftest import Make, collect, make
from tests.mcp.conftest import PROGRAM, TOKEN
from tests.mcp.server import Bench

__all__ = ["make"]


def written(folder: Path, **servers: Any) -> str:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return str(path)


def call(name: str, arguments: str = "{}") -> CallDelta:
    return CallDelta(0, "", name, arguments)


@pytest.fixture
def database_url() -> str:
    """One kind of database is enough here."""
    return "sqlite+aiosqlite://"


async def test_a_tool_that_ends_its_process_does_not_end_the_turn(make: Make, tmp_path: Path) -> None:
    path = written(tmp_path, bench={"command": sys.executable, "args": [PROGRAM]})
    engine, model = await make([call("die"), "It broke."], mcp_servers=path)
    events = await collect(engine.session("a").say("die"))
    assert events[-1].text == "It broke."
    assert [e.state for e in events if isinstance(e, SkillFinished)] == ["failed"]
    assert "add" in {tool.name for tool in model.requests[0].tools}


async def test_a_write_waits_for_a_person_and_private_talk_has_the_tools_too(
    bench: tuple[Bench, str], make: Make, tmp_path: Path
) -> None:
    path = written(tmp_path, bench={"url": bench[1], "headers": {"Authorization": f"Bearer {TOKEN}"}})
    engine, _ = await make(
        [call("add", '{"word": "x"}'), "added", call("echo", '{"word": "y"}'), "echoed"], mcp_servers=path
    )
    session = engine.session("a")
    [asked] = [e for e in await collect(session.say("add x")) if isinstance(e, ApprovalRequested)]
    done = await collect(session.events(await session.decide(asked.call, True)))
    assert [e.result for e in done if isinstance(e, SkillFinished)] == ["x"]
    await session.private(True)
    assert (await session.ask("echo y")).text == "echoed"
    assert (await session.private(False), engine.mcp.links[0].state) == (False, "up")


async def test_without_any_server_that_starts_the_conversation_is_answered(
    make: Make, tmp_path: Path
) -> None:
    engine, _ = await make(["Hello."], mcp_servers=written(tmp_path, gone={"command": "no-such-program"}))
    assert (await engine.session("a").ask("hi")).text == "Hello."


async def test_skills_that_come_and_go_never_take_a_name(make: Make) -> None:
    @skill(effect="read")
    def first() -> str:
        """Answers."""
        return "own"

    own = first

    @skill(name="first", effect="read")
    def other() -> str:
        """Answers otherwise."""
        return "guest"

    @skill(effect="read")
    def second() -> str:
        """Answers, too."""
        return "second"

    engine, _ = await make(skills=[own])
    engine.use_skills("guests", [other, second])
    assert (engine.registry.get("first"), engine.registry.names) == (own, ("first", "second"))
    engine.use_skills("guests", [])
    assert engine.registry.names == ("first",)


def test_the_file_takes_secrets_from_the_environment_and_shows_them_nowhere(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        near={"command": "${BIN:-run}", "args": ["--key=${KEY}"], "env": {"K": "${KEY}"}, "unknown": 1},
        far={"type": "http", "url": "https://host/${KEY}", "headers": {"X": "${KEY}"}, "confirm": "always"},
        off={"command": "x", "disabled": True},
    )
    near, far = load(path, {"KEY": TOKEN})
    assert (near.command, near.args, near.env) == ("run", (f"--key={TOKEN}",), {"K": TOKEN})
    assert (far.url, far.headers, far.confirm) == (f"https://host/{TOKEN}", {"X": TOKEN}, "always")
    assert TOKEN not in f"{near!r}{far!r}"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"command": "${NOWHERE}"}, "one: ${NOWHERE} is not set"),
        ({}, "one: give either a command or a url"),
        ({"url": "ftp://host"}, "one: the url must begin with http:// or https://"),
        ({"command": 7}, "mcpServers.one.command: Input should be a valid string"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match="DUIHUA_MCP_SERVERS") as error:
        load(written(tmp_path, one=entry), {})
    assert error.value.values["reason"] == reason


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from duihua import Settings
    from duihua.testing import ScriptedModel
    from duihua_prompts import Catalogue, error_line

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    settings = Settings.load(env_file=None, mcp_servers=written(tmp_path, one={"command": "x"}))
    with pytest.raises(ConfigError) as error:
        ChatEngine("scripted/any", settings=settings, provider={"scripted": ScriptedModel(())})
    for lang in ("zh", "en"):
        assert 'pip install "duihua[mcp]"' in error_line(Catalogue(lang), error.value)
