"""`duihua doctor`: what it finds, against the simulator and databases of both kinds."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from duihua import Settings, cli
from duihua.doctor import Finding, circuits, examine, misspelt, servers
from duihua.providers.fallback import STATE, Health, dump
from duihua.simulator import Simulator
from duihua_prompts import Catalogue
from duihua_storage import inspect, open_store, stored, upgrade
from tests.mcp.conftest import PROGRAM

V2 = "qianfan-v2/ernie-4.0-turbo-8k"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


async def findings(
    simulator: Simulator | None, tmp_path: Path, clock: Any = time.time, **values: str
) -> dict[str, Finding]:
    settings = Settings.load(None, database_url=f"sqlite+aiosqlite:///{tmp_path}/a.db", model=V2)
    settings = settings.replaced({**(simulator.settings() if simulator else {}), **values})
    found = [f async for f in examine(settings, env_file=str(tmp_path / ".env"), clock=clock)]
    for words in (Catalogue("zh"), Catalogue("en")):
        for f in found:
            assert words.t(f"doctor.{f.code}", **{**f.values, "why": ""}) != f"doctor.{f.code}"
    return {f.code: f for f in found}


async def test_all_is_well(simulator: Simulator, tmp_path: Path) -> None:
    found = await findings(simulator, tmp_path)
    assert {f.level for f in found.values()} == {"ok"}
    assert set(found) == {"settings", "database_absent", "reached", "answered", "key_good", "key_untried"}
    assert found["answered"].values["model"] == V2


async def test_every_model_of_the_chain_is_asked(simulator: Simulator, tmp_path: Path) -> None:
    await findings(simulator, tmp_path, DUIHUA_MODEL=f"{V2},qianfan/ernie_speed")
    asked = [seen.path for seen in simulator.requests if seen.model]
    assert [path.rpartition("/")[2] for path in asked] == ["completions", "ernie_speed"]


async def test_a_missing_key_names_the_settings(tmp_path: Path) -> None:
    found = await findings(None, tmp_path)
    assert found["key_missing"].level == "broken"
    assert "QIANFAN_BEARER_TOKEN" in str(found["key_missing"].error)


async def test_a_wrong_key_is_told_and_kept_secret(simulator: Simulator, tmp_path: Path) -> None:
    found = await findings(simulator, tmp_path, QIANFAN_BEARER_TOKEN="bce-v3/wrong-and-secret")
    assert found["no_answer"].level == "broken"
    assert "wrong-and-secret" not in repr(found)


async def test_a_wrong_key_of_another_platform_is_told(simulator: Simulator, tmp_path: Path) -> None:
    found = await findings(simulator, tmp_path, ZHIPU_API_KEY="wrong.key", DASHSCOPE_API_KEY="sk-wrong")
    assert found["key_refused"].level == "broken"
    assert "sk-wrong" not in repr(found)


async def test_a_platform_that_is_not_there(simulator: Simulator, tmp_path: Path) -> None:
    found = await findings(simulator, tmp_path, QIANFAN_V2_BASE_URL="http://127.0.0.1:1/v2")
    assert found["unreachable"].level == "broken"
    assert "answered" not in found or found["answered"].values["model"] != V2


async def test_a_model_name_that_is_wrong(tmp_path: Path) -> None:
    assert (await findings(None, tmp_path, DUIHUA_MODEL="nowhere/x"))["model_wrong"].level == "broken"


@pytest.mark.parametrize(("ahead", "level"), [(0, None), (-120, "warning"), (900, "broken")])
async def test_clocks_that_disagree(
    simulator: Simulator, tmp_path: Path, ahead: int, level: str | None
) -> None:
    found = await findings(simulator, tmp_path, clock=lambda: time.time() + ahead)
    assert (found["clock"].level if "clock" in found else None) == level


async def test_mcp_servers_are_started_and_asked_for_their_tools(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    bench = {"command": sys.executable, "args": [PROGRAM], "env": {"BENCH_TOKEN": "x"}}
    far = {"url": "http://127.0.0.1:9/mcp"}
    gone = {"command": "no-such-program"}
    path.write_text(json.dumps({"mcpServers": {"bench": bench, "far": far, "gone": gone}}))
    up, *away = await servers(Settings.load(None, mcp_servers=str(path)))
    assert (up.level, up.code, int(up.values["count"]) > 10) == ("ok", "mcp_up", True)
    assert [(f.level, f.code, f.values["name"]) for f in away] == [
        ("broken", "mcp_away", "far"),
        ("broken", "mcp_away", "gone"),
    ]
    assert "no-such-program" in away[1].values["reason"]
    still = {"still": {"command": sys.executable, "args": ["-c", "import time; time.sleep(60)"]}}
    path.write_text(json.dumps({"mcpServers": still}))
    [slow] = await servers(Settings.load(None, mcp_servers=str(path)), 0.01)
    assert (slow.code, slow.values["reason"]) == ("mcp_away", "> 0.01 s")
    path.write_text("{")
    [wrong] = await servers(Settings.load(None, mcp_servers=str(path)))
    assert (wrong.level, wrong.code, "DUIHUA_MCP_SERVERS" in str(wrong.error)) == ("broken", "mcp", True)


def test_names_that_are_misspelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DUIHUA_MODLE=x\nDUIHUA_SKILL_X_Y=1\nOPENAI_ORG=mine\nQIANFAN_API_KY=k\n")
    monkeypatch.setenv("DUIHUA_NONSENSE", "1")
    found = misspelt(Settings.load(None), str(tmp_path / ".env"))
    assert [(f.values["name"], f.values["near"]) for f in found] == [
        ("DUIHUA_MODLE", "DUIHUA_MODEL"),
        ("DUIHUA_NONSENSE", ""),
        ("QIANFAN_API_KY", "QIANFAN_API_KEY"),
    ]


# ---------------------------------------------------------------- databases


def test_a_database_as_it_is(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "duihua.db").unlink(missing_ok=True)
    for _ in range(2):  # looking makes nothing
        assert inspect(database_url).state == ("absent" if "sqlite" in database_url else "current")
    upgrade(database_url)
    assert inspect(database_url).state == "current"


def test_databases_that_cannot_be_used(tmp_path: Path) -> None:
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"this is no database at all, not even nearly" * 100)
    new = tmp_path / "new.db"
    upgrade(f"sqlite+aiosqlite:///{new}")
    with closing(sqlite3.connect(new)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    states = {
        f"sqlite+aiosqlite:///{noise}": "broken",
        f"sqlite+aiosqlite:///{tmp_path}/no/where.db": "broken",
        f"sqlite+aiosqlite:///{new}": "newer",
        "postgresql+psycopg://user:hidden@127.0.0.1:1/x": "broken",
        "mysql://x/y": "broken",
        "nonsense": "broken",
    }
    for url, state in states.items():
        found = inspect(url)
        assert (found.state, bool(found.reason)) == (state, state == "broken"), url
        assert "hidden" not in repr(found)


async def test_platforms_that_were_failing_are_told(simulator: Simulator, tmp_path: Path) -> None:
    path, now = tmp_path / "a.db", 1_800_000_000.0
    store = open_store(f"sqlite+aiosqlite:///{path}")
    await store.open()
    open_, due = int(now * 1000) + 25_000, int(now * 1000) - 1
    healths = [
        Health("zhipu", "open", 3, open_, "network"),
        Health("genstudio", "half_open", 4, due, "server, HTTP 500"),
        Health("modelarts"),
    ]
    await store.put_state(STATE, dump(healths))
    await store.aclose()
    before = path.read_bytes()
    found = await findings(simulator, tmp_path, clock=lambda: now)
    assert found["circuit_open"].level == "warning"
    assert found["circuit_open"].values == {
        "platform": "zhipu",
        "failures": "3",
        "error": "network",
        "seconds": "25",
    }
    assert found["circuit_due"].values["platform"] == "genstudio"
    assert path.read_bytes() == before


def test_what_is_stored_is_read_on_every_kind_of_database(database_url: str) -> None:
    upgrade(database_url)
    assert stored(database_url, STATE) is None
    assert circuits(database_url, 0.0) == []


# ---------------------------------------------------------------- the program


def test_the_program_exits_with_1_when_something_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUIHUA_LANG", "en")
    for name in ("QIANFAN_API_KEY", "QIANFAN_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "To be mended: 1."
    assert [line for line in lines if line.startswith("[BROKEN] model qianfan/")]
