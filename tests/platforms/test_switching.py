"""The same stored conversations, packed for every model: the strict platforms take each of them."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from duihua import ModelOptions, Settings
from duihua.messages import Attachment, Turn
from duihua.ports import Finish, Request, ToolSpec
from duihua.providers import registry
from duihua.providers.http import Transport
from duihua.simulator import Simulator
from tests.platforms.cases import CASES
from tests.strategies import conversations, systems, tools

SEED = 20261121
EXAMPLES = 60
PNG = Attachment("7", "image", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(8), "a.png")
Talk = tuple[tuple[Turn, ...], str, tuple[ToolSpec, ...]]


def drawn() -> list[Talk]:
    """Random conversations with functions, thinking, images, stopped, failed and cleared turns."""
    found: list[Talk] = []

    @seed(SEED)
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    @given(st.tuples(conversations(), systems, tools))
    def keep(talk: Talk) -> None:
        found.append(talk)

    keep()
    return found


async def test_every_platform_takes_every_conversation() -> None:
    print(f"seed {SEED}")
    talks = drawn()
    assert len(talks) >= EXAMPLES
    async with Simulator() as simulator:
        transport = Transport()
        settings = Settings.load(None).replaced(simulator.settings())
        for case in CASES:
            platform, model = registry.split(case.model)
            provider = registry.create(platform, settings, transport=transport)
            dialect = provider.dialect(model)
            for number, (turns, system, offered) in enumerate(talks):
                images = {"7": PNG} if dialect.sees else None
                packed = dialect.pack(system, turns, offered, images=images)
                deadline = asyncio.get_running_loop().time() + 20
                own = offered if dialect.functions == "native" else ()
                way = {**dialect.check(ModelOptions()), "stream": bool(number % 2)}
                request = Request(model, packed, own, way, deadline, "u1")
                deltas = [delta async for delta in provider.stream(request)]
                assert isinstance(deltas[-1], Finish), (case.model, turns)
            await provider.aclose()
        await transport.aclose()
        assert {seen.outcome for seen in simulator.requests if seen.model} == {"ok"}
