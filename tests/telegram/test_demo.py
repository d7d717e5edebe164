"""The documents show what people see of a bot."""

from __future__ import annotations

import pytest

from duihua.simulator import Simulator
from duihua.simulator.telegram import FakeTelegram
from duihua.testing import simulated_engine
from tests.telegram import demo
from tests.telegram.life import living


async def test_the_documents_show_what_the_demo_prints(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.telegram.live.EVERY", {"edit": 0.0, "draft": 0.0, "final": 0.0})
    said: list[str] = []
    async with Simulator(clock=lambda: demo.TODAY) as simulator:
        owners = [f"telegram/{owner}" for owner in demo.OWNERS]
        engine = simulated_engine(simulator, skills=None, owners=owners)
        async with living(fake, engine=engine, streaming="auto", rich="never"):
            await demo.converse(demo.Stage(fake, said.append))
    assert demo.faults(fake) == []
    for path in demo.DOCUMENTS:
        (shown,) = demo.BLOCK.findall(path.read_text("utf-8"))
        assert shown == demo.shown("\n".join(said)), f"make telegram-demo ARGS=--readme mends {path.name}"
