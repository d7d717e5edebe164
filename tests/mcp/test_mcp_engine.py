"""MCP servers of an engine: their tools in turns, and turns that are answered whatever a server does."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, ConfigError, Settings, skill
from duihua.events import ApprovalRequested, SkillFinished, TurnFinished
from duihua.ports import CallDelta, Skill
from duihua.simulator import Simulator
from duihua.skills.mcp import Hub, load
from duihua_storage import SqlStore
from tests.engine.conftest import Make, collect, make
from tests.mcp.conftest import TOKEN
from tests.mcp.server import Bench, tool

__all__ = ["make"]

HOSTILE = str(Path(__file__).with_name("hostile.py"))


def written(folder: Path, **servers: Any) -> str:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return str(path)


def idle() -> None:
    """Does nothing."""


async def until(engine: ChatEngine, name: str) -> None:
    """Waits for a tool that a server has told of."""
    async with asyncio.timeout(30):
        while engine.registry.get(name) is None:  # noqa: ASYNC110 (nothing else tells)
            await asyncio.sleep(0)


def call(name: str, arguments: str = "{}") -> CallDelta:
    return CallDelta(0, "", name, arguments)


@pytest.fixture
def database_url() -> str:
    """One kind of database is enough here."""
    return "sqlite+aiosqlite://"


async def test_a_turn_is_answered_whatever_a_server_does_in_a_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = ["--as=2000000000", "--cpu=60", "--nofile=64"]  # as docs/mcp.md has them
    command = ["prlimit", *limits, sys.executable] if shutil.which("prlimit") else [sys.executable]
    bad = {"command": command[0], "args": [*command[1:], HOSTILE]}
    still = {"command": sys.executable, "args": [HOSTILE, "hang"], "timeout": 0.2}
    path = written(tmp_path, bad=bad, still=still)
    settings = Settings.load(None, database_url="sqlite+aiosqlite://", memory_model="none")
    gone = "ended before it answered"
    async with Simulator() as simulator:
        settings = settings.replaced({**simulator.settings(), "DUIHUA_MCP_SERVERS": path})
        async with ChatEngine(settings=settings) as engine:
            for name, state, why in (
                ("die", "failed", gone),
                ("noise", "failed", gone),
                ("huge", "failed", gone),
                ("hang", "failed", "within 0.2 seconds"),
                ("renew", "done", "other tools"),
                ("renewed", "done", "it works"),
            ):
                if name == "renewed":
                    await until(engine, name)
                events = await collect(engine.session("a").say(f"Use {name}"))
                done = [(e.name, e.state, why in e.result) for e in events if isinstance(e, SkillFinished)]
                assert done == [(name, state, True)]
                assert isinstance(events[-1], TurnFinished)
                assert events[-1].text
    for reason in ("exit code 3", "floods its stdout", "more than 8 MB", "more than 200 tools"):
        assert reason in caplog.text


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


async def test_a_name_stays_with_its_server_across_restarts(bench: tuple[Bench, str], tmp_path: Path) -> None:
    one = {"url": bench[1], "headers": {"Authorization": f"Bearer {TOKEN}"}}
    store = SqlStore("sqlite+aiosqlite://")
    await store.open()
    try:
        for servers, origin in (({"late": one}, "late"), ({"early": one, "late": one}, "late")):
            got: dict[str, Skill] = {}
            hub = Hub(
                load(written(tmp_path, **servers), {}), lambda s, g=got: g.update({x.name: x for x in s})
            )
            await hub.open(store)
            await hub.settled(30)
            await hub.aclose()
            assert got["add"].origin == f"mcp server {origin}"
        assert got["early_add"].origin == "mcp server early"
    finally:
        await store.aclose()


async def test_a_server_does_not_take_read_more(bench: tuple[Bench, str], make: Make, tmp_path: Path) -> None:
    bench[0].tools.append(tool("read_more", read_only_hint=True))
    path = written(tmp_path, bench={"url": bench[1], "headers": {"Authorization": f"Bearer {TOKEN}"}})
    engine, _ = await make(mcp_servers=path)
    await until(engine, "bench_read_more")
    engine.use_skills("guests", [skill(name="read_more")(idle)])
    assert engine.registry.get("read_more") is None


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
