"""What a turn cost, told at its end and summed in the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duihua import ConfigError, Cost, TurnFinished, skill
from duihua.ports import CallDelta
from tests.engine.conftest import Make, collect

PRICES = """
"scripted/any" = { currency = "CNY", input = 10, output = 40 }
"""


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    return str(path)


@skill(effect="read")
def dice() -> int:
    """Rolls a die."""
    return 4


async def test_every_answer_of_a_turn_is_counted(make: Make, prices: str) -> None:
    script = [CallDelta(0, name="dice", arguments="{}"), "It is 4.", "Again."]
    engine, _ = await make(script, skills=[dice], prices=prices)
    session = engine.session("a")
    reply = await session.ask("roll")
    each = 10 * 10 + 5 * 40  # ScriptedModel: 10 tokens in, 5 out
    assert reply.cost == (Cost(2 * each, "CNY"),)
    assert (await session.ask("again")).cost == (Cost(each, "CNY"),)
    [(model, turns, _, cost)] = await session.usage()
    assert (model, turns, cost) == ("scripted/any", 2, Cost(3 * each, "CNY"))


async def test_without_a_price_there_is_no_cost(make: Make) -> None:
    engine, _ = await make(["one"])
    session = engine.session("a")
    assert (await session.ask("hi")).cost == ()
    assert [cost for *_, cost in await session.usage()] == [None]


async def test_a_reader_who_comes_after_the_end_is_told_too(make: Make, prices: str) -> None:
    engine, _ = await make(["one"], prices=prices)
    session = engine.session("a")
    ticket = await session.submit("hi")
    live = (await collect(session.events(ticket)))[-1]
    stored = (await collect(session.events(ticket)))[-1]
    assert isinstance(live, TurnFinished)
    assert isinstance(stored, TurnFinished)
    assert live.cost == stored.cost == (Cost(300, "CNY"),)
    assert stored.as_dict()["cost"] == ({"micros": 300, "currency": "CNY"},)


async def test_an_estimate_uses_the_same_table(make: Make, prices: str) -> None:
    engine, _ = await make(prices=prices)
    assert engine.estimate_cost("scripted/any", 100, 10) == Cost(1400, "CNY")
    assert engine.estimate_cost("nowhere/x", 100, 10) is None


async def test_a_wrong_table_is_told_at_the_start(make: Make) -> None:
    settings: dict[str, Any] = {"prices": "/nowhere/prices.toml"}
    with pytest.raises(ConfigError, match="DUIHUA_PRICES"):
        await make(**settings)
