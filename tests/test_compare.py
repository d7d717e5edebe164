"""One question to several models at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, Settings, cli
from duihua.compare import Piece, Result, expanded
from duihua.errors import ConfigError, ProviderError
from duihua.messages import Usage
from duihua.ports import Flagged
from duihua.testing import ScriptedModel
from duihua_storage import open_store


async def run(
    tmp_path: Path, scripts: dict[str, Any]
) -> tuple[list[Piece | Result], dict[str, ScriptedModel]]:
    models = {name: ScriptedModel(script) for name, script in scripts.items()}
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    names = [f"{name}/any" for name in models]
    engine = ChatEngine(
        names[0],
        settings=Settings.load(None, database_url=url, lang="en"),
        provider=models,
        store=open_store(url, upgrade=True),
    )
    async with engine:
        items = [item async for item in engine.compare("What is tea?", names)]
        assert await engine.session("a").history() == []
    return items, models


async def test_all_are_asked_and_each_has_its_own_end(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gate.set()
    items, models = await run(tmp_path, {"a": [["A leaf", gate, "."]], "b": ["A drink."]})
    results = {item.model: item for item in items if isinstance(item, Result)}
    assert {name: r.text for name, r in results.items()} == {"a/any": "A leaf.", "b/any": "A drink."}
    assert results["a/any"].usage == Usage(10, 5)
    assert all(r.first is not None and r.first <= r.seconds for r in results.values())
    assert "".join(i.text for i in items if isinstance(i, Piece) and i.model == "a/any") == "A leaf."
    assert [m["content"] for m in models["b"].sent[0]] == ["What is tea?"]
    assert models["b"].requests[0].tools == ()


async def test_one_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    broken = ProviderError("no", category="server")
    items, _ = await run(tmp_path, {"a": [broken], "b": [["x", Flagged("output")]], "c": ["fine"]})
    results = {item.model: item for item in items if isinstance(item, Result)}
    assert results["a/any"].error is broken
    assert (results["b/any"].finish, results["b/any"].text) == ("flagged", "")
    assert results["c/any"].text == "fine"


async def test_leaving_ends_all_of_them(tmp_path: Path) -> None:
    async def first(items: AsyncIterator[Piece | Result]) -> None:
        async for _ in items:
            return

    never = asyncio.Event()
    models = {"a": ScriptedModel([["x", never]]), "b": ScriptedModel([["y", never]])}
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    engine = ChatEngine(
        "a/any",
        settings=Settings.load(None, database_url=url),
        provider=models,
        store=open_store(url, upgrade=True),
    )
    async with engine:
        items = engine.compare("?", ["a/any", "b/any"])
        await first(items)
        await items.aclose()  # type: ignore[attr-defined]
        assert not [t for t in asyncio.all_tasks() if "_Asked" in repr(t.get_coro())]


def test_a_star_stands_for_every_chip() -> None:
    known = ["g/m@amd", "g/m@nvidia", "g/other@amd"]
    assert expanded(["g/m@*", "x/y", "g/m@amd"], known) == ["g/m@amd", "g/m@nvidia", "x/y"]
    with pytest.raises(ConfigError, match="g/none"):
        expanded(["g/none@*"], known)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUIHUA_LANG", "en")
    for name in ("QIANFAN_API_KEY", "QIANFAN_ACCESS_KEY_ID", "QIANFAN_BEARER_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("program")
def test_the_program_prints_answers_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(
        ["compare", "What is tea?", "--models", "qianfan/ernie-3.5-8k, qianfan-v2/deepseek-v3,qianfan-v2/no"]
    )
    out = capsys.readouterr().out
    assert code == 1
    assert out.count("You said") == 2
    table = out.splitlines()[-4:]
    assert [line.split()[0] for line in table] == [
        "model",
        "qianfan/ernie-3.5-8k",
        "qianfan-v2/deepseek-v3",
        "qianfan-v2/no",
    ]
    assert "failed" in table[-1]
    assert "CNY" in table[1]
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.usefixtures("program")
def test_the_program_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "hi", "--models", "qianfan/ernie-3.5-8k", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["model"], result["finish"], result["error"]) == ("qianfan/ernie-3.5-8k", "stop", None)
    assert result["output"] > 0
    assert result["cost"]["currency"] == "CNY"
    assert result["cost"]["micros"] > 0
