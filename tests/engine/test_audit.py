"""`duihua audit`: every call with who asked, who consented, how long it took, and no secret."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, Settings, skill
from duihua.cli import main
from duihua.events import TurnFailed
from duihua.messages import Address, Call
from duihua.ports import CallDelta
from duihua.testing import ScriptedModel
from duihua_storage import open_store
from tests.engine.conftest import Make

KEY = "hunter2-hunter2"


@skill(effect="read")
def look(ctx_free: str = "") -> str:
    """Looks."""
    return f"seen with {KEY} and access_token=abcdef123456"


@skill(effect="write", confirm=lambda arguments: True)
def pay(amount: int) -> str:
    """Pays."""
    return f"paid {amount}"


async def talk(engine: ChatEngine) -> None:
    group = Address("team", "g")
    ann, bob = (engine.session(group, external=name) for name in ("ann", "bob"))
    await bob.ask("look")
    await ann.ask("pay")
    [held] = await ann.held()
    async for _ in ann.events(await ann.decide(held.call.id, True)):
        pass


SCRIPT = [[CallDelta(0, "", "look", "{}")], "seen", [CallDelta(0, "", "pay", '{"amount": 5}')], "paid"]


async def test_every_call_is_kept_with_who_and_how_long(make: Make) -> None:
    engine, _ = await make(SCRIPT, skills=[look, pay])
    await talk(engine)
    paid, looked = await engine.store.audit("main")
    ann, bob = [await engine.store.user("main", "team", name) for name in ("ann", "bob")]
    assert (paid.name, paid.state, paid.asker, paid.approver) == ("pay", "done", ann, ann)
    assert (looked.name, looked.state, looked.asker, looked.approver) == ("look", "done", bob, 0)
    for call in (paid, looked):
        assert 0 < call.started <= call.ended
        assert call.asked <= call.ended
    assert [c.name for c in await engine.store.audit("main", user=bob)] == ["look"]
    assert [c.name for c in await engine.store.audit("main", limit=1)] == ["pay"]
    assert await engine.store.audit("main", session="team/other") == []
    assert len(await engine.store.audit("main", session=paid.session)) == 2
    assert await engine.store.audit("other") == []


@pytest.mark.parametrize("verb", ["new", "undo"])
async def test_what_was_asked_and_left_behind_is_withdrawn(verb: str, make: Make) -> None:
    ask = [CallDelta(0, "", "pay", '{"amount": 5}')]
    engine, _ = await make([ask, ask], skills=[pay])
    session = engine.session("ann")
    await session.ask("pay")
    [left] = await session.held()
    await getattr(session, verb)()
    [call] = await engine.store.audit("main")
    assert (call.state, call.result, call.approver, call.ended > 0) == ("refused", "withdrawn", 0, True)
    lapsed = await session.lapsed(left.call.id)
    assert lapsed is not None
    assert lapsed.result == "withdrawn"
    *_, end = [event async for event in session.events(await session.decide(left.call.id, True))]
    assert isinstance(end, TurnFailed)
    assert end.error == "no_call"
    await session.ask("pay")  # what is asked from then on stands
    assert len(await session.held()) == 1


async def test_what_nobody_decides_in_time_is_closed(make: Make) -> None:
    engine, _ = await make([[CallDelta(0, "", "pay", '{"amount": 5}')]], skills=[pay], approval_timeout=1e-3)
    await engine.session("ann").ask("pay")
    [held] = await engine.store.audit("main")
    assert held.state == "held"
    await engine.store.sweep(0)
    [call] = await engine.store.audit("main")
    assert (call.state, call.result) == ("refused", "expired")


@pytest.fixture
async def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that someone has talked over, and the environment that names it."""
    url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
    model = ScriptedModel(SCRIPT)
    settings = Settings.load(None, database_url=url, memory_model="none")
    async with ChatEngine(
        "scripted/any",
        skills=[look, pay],
        settings=settings,
        store=open_store(url),
        provider={"scripted": model},
    ) as engine:
        await talk(engine)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DUIHUA_DATABASE_URL": url,
        "DUIHUA_LANG": "en",
        "DUIHUA_SKILL_LOOK_API_KEY": KEY,
    }.items():
        monkeypatch.setitem(os.environ, name, value)


def test_people_read_it(spoken: None, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    assert main(["audit"]) == 0
    out = capsys.readouterr().out
    assert "asked by team/ann" in out
    assert "decided by team/ann" in out
    assert 'arguments: {"amount": 5}' in out
    assert "result: paid 5" in out
    assert out.index("pay · done") < out.index("look · done")
    assert KEY not in out
    assert "abcdef123456" not in out
    monkeypatch.setitem(os.environ, "DUIHUA_LANG", "zh")
    assert main(["audit", "--user", "bob", "--limit", "1"]) == 0
    assert "提出：team/bob" in capsys.readouterr().out


def test_programs_read_it(spoken: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--json", "--user", "team/ann"]) == 0
    [call] = json.loads(capsys.readouterr().out)
    assert (call["name"], call["asker"], call["approver"]) == ("pay", "team/ann", "team/ann")
    assert call["took_ms"] >= 0
    assert call["asked"].endswith("+00:00")


async def test_a_call_that_no_conversation_led_to_stands_beside_the_others(make: Make) -> None:
    engine, _ = await make()
    store = engine.store
    info = await store.ensure(Address("mcp", "editor"), "editor", "editor")
    asked = Call("", "pay", '{"n": 1}', effect="write")
    ids = [await store.log_call(info.id, asked, approved=approved) for approved in (False, True)]
    await store.log_result(replace(asked, id=ids[1], state="done", result="paid"), 7)
    paid, running = await store.audit("main", user=info.owner)
    assert (paid.id, paid.state, paid.result, paid.asker, paid.approver) == (
        ids[1], "done", "paid", info.owner, info.owner,
    )  # fmt: skip
    assert (running.id, running.state, running.approver, running.session) == (
        ids[0],
        "running",
        0,
        "mcp/editor",
    )
    assert (await engine.session(Address("mcp", "editor")).history(), await store.due()) == ([], [])
    await engine.forget_user("mcp", "editor")
    assert await store.audit("main") == []
