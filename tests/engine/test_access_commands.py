"""`duihua access` beside a bot that runs, and `/access` inside of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, NotAllowed, Settings, cli
from duihua.access import Access
from duihua.commands import COMMON, CommandTable, Invocation, Show
from duihua.messages import Address
from duihua_prompts import Catalogue
from duihua_storage import SqlStore
from tests.engine.conftest import Make

Program = Callable[..., tuple[int, str, str]]
TABLE, ZH = CommandTable(COMMON), Catalogue("zh")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """Runs `duihua access ...`: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUIHUA_LANG", "en")
    monkeypatch.setenv("DUIHUA_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/duihua.db")
    monkeypatch.setenv("DUIHUA_ADMINS", "web/9")

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(["access", *arguments])
        except SystemExit as e:
            code = int(e.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def hears(folder: Path, *messages: tuple[str, str]) -> list[Any]:
    """A bot that runs for a moment; what it says to each message."""

    async def run() -> list[Any]:
        store = SqlStore(f"sqlite+aiosqlite:///{folder}/duihua.db")
        await store.open()
        access = Access(store, Settings.load(env_file=None))
        heard = [await access.admit("telegram", who, name="Ann", said=said) for who, said in messages]
        await store.aclose()
        return heard

    return asyncio.run(run())


def test_the_operator_rules_from_the_command_line(program: Program, tmp_path: Path) -> None:
    [first] = hears(tmp_path, ("1", "hi"))
    code = first.tell.values["code"]
    assert "telegram/1" in program("pending")[1]
    assert [json.loads(line)["name"] for line in program("pending", "--json")[1].splitlines()] == ["Ann"]
    wrong = program("approve", "ABCD-EFGH")
    assert (wrong[0], wrong[1], "ABCD-EFGH" in wrong[2]) == (1, "", True)
    assert program("approve", code)[:2] == (0, "Ann (telegram/1) may talk to me now.\n")
    pair = program("pair")[1]
    assert [v.role for v in hears(tmp_path, ("1", "hi"), ("2", pair.split()[-1]))] == ["user", "owner"]
    assert program("block", "telegram/1")[0] == 0
    assert program("role", "telegram/3", "admin")[0] == 0
    listed = {
        tuple(m["users"]): m["role"] for m in map(json.loads, program("list", "--json")[1].splitlines())
    }
    roles = {"telegram/1": "blocked", "telegram/2": "owner", "telegram/3": "admin", "web/9": "admin"}
    assert listed == {(user,): role for user, role in roles.items()}
    assert "blocked" in program("list")[1]
    assert program("unblock", "1")[1] == "telegram/1 is not blocked any more.\n"
    assert program("unblock", "1")[0] == 1
    changes = [line.split() for line in program("log")[1].splitlines()]
    assert changes[1][2:] == ["telegram/1", "blocked", "user", "operator"]
    assert len(changes) == 6
    settled = program("block", "web/9")
    assert (settled[0], "DUIHUA_ADMINS" in settled[2]) == (1, True)
    assert program("role", "telegram/3", "king")[0] == 2


def test_the_only_owner_is_not_blocked_by_mistake(program: Program) -> None:
    for user in ("telegram/1", "telegram/2"):
        program("role", user, "owner")
    assert program("block", "telegram/1")[0] == 0
    for command in (("block", "telegram/2"), ("role", "telegram/2", "user")):
        code, out, err = program(*command)
        assert (code, out) == (1, "")
        assert "the only owner" in err
    assert program("role", "telegram/2", "owner")[0] == 0
    assert program("block", "telegram/2", "--yes")[0] == 0


async def says(engine: ChatEngine, who: str, line: str, **place: Any) -> str:
    session = engine.session(Address("telegram", who, "7", **place), external=who)
    invocation = TABLE.parse(line)
    assert isinstance(invocation, Invocation)
    answer = await TABLE.run(invocation, session, engine, ZH)
    assert isinstance(answer, Show)
    return answer.text


async def test_an_administrator_rules_from_inside_a_front_end(make: Make) -> None:
    engine, _ = await make(admins="telegram/1")
    asked = [await engine.access.admit("telegram", who, bot="7", name=f"客人{who}") for who in "23"]
    with pytest.raises(NotAllowed):
        await says(engine, "2", "/access")
    listed = await says(engine, "1", "/访问")
    assert "客人2（telegram/2）" in listed
    assert "客人" not in await says(engine, "1", "/access", shared=True, topic="t")
    code = asked[0].tell.values["code"]
    assert "客人2" in await says(engine, "1", f"/access 批准 {code}")
    assert "客人3" in await says(engine, "1", f"/access decline {asked[1].asked.id}")
    assert "没有与" in await says(engine, "1", f"/access decline {asked[1].asked.id}")
    assert (await engine.access.admit("telegram", "2")).allowed
    assert "已屏蔽 telegram/2" in await says(engine, "1", "/access 屏蔽 2")
    assert (await engine.access.admit("telegram", "2")).role == "blocked"
    assert "已解除" in await says(engine, "1", "/access 解除 telegram/2")


async def test_a_given_role_counts_for_skills_too_also_in_private(make: Make) -> None:
    engine, _ = await make()
    session = engine.session(Address("telegram", "1", "7"), external="1")
    assert not await session.is_admin()
    await engine.access.give("telegram", "1", "admin")
    assert await session.is_admin()
    aside = await engine.aside()
    private = await aside.store.ensure(session.address, "1")
    assert await aside.is_admin(session.address, private.owner)
    assert not await aside.is_admin(session.address, private.owner + 1)
