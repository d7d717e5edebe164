"""The platform's limits as the engine keeps them, counted at the simulator."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from duihua import ChatEngine, Settings, TurnFinished
from duihua.ports import Quota
from duihua.providers.limiter import RateLimiter
from duihua.simulator import Simulator
from duihua_storage import open_store

MODEL = "qianfan-v2/ernie-4.0-turbo-8k"


async def test_a_single_input_is_served_second_beside_fifty(tmp_path: Path) -> None:
    rates = RateLimiter()
    rates.preset(MODEL, [Quota("requests", 1, 0.1)])
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator())
        url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
        settings = Settings.load(None, database_url=url, shutdown_timeout=0)
        engine = await stack.enter_async_context(
            ChatEngine(
                MODEL,
                skills=[],
                settings=settings.replaced(simulator.settings()),
                store=open_store(url, upgrade=True),
                limiter=rates,
            )
        )
        busy = engine.session("busy")
        tickets = [await busy.submit(f"你好 {number}") for number in range(50)]
        before = len([r for r in simulator.requests if r.model])
        single = engine.session("single").say("我叫小明")
        events = [event async for event in single]
        assert isinstance(events[-1], TurnFinished)
        asked = [r.body["messages"][-1]["content"] for r in simulator.requests if r.model]
        assert asked.index("我叫小明") <= before + 2  # one may go while it is handed in, one is next already
        assert len(await busy.waiting()) > len(tickets) / 2
