"""The same stored conversations, packed for every model: the strict platforms take each of them."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from duihua import ModelOptions, Settings
from duihua.errors import ProviderError
from duihua.messages import Attachment, Turn
from duihua.ports import Delta, Finish, Provider, Request, ToolSpec
from duihua.providers import registry
from duihua.simulator import Simulator
from tests.platforms.cases import CASES, Case
from tests.strategies import conversations, systems, tools

SEED = 20261121
EXAMPLES = 40
PNG = Attachment("7", "image", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(8), "a.png")
Talk = tuple[tuple[Turn, ...], str, tuple[ToolSpec, ...]]


@cache
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


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_model_takes_every_conversation(case: Case) -> None:
    print(f"seed {SEED}")
    talks = drawn()
    assert len(talks) >= EXAMPLES
    async with Simulator(pieces=2) as simulator:
        settings = Settings.load(None).replaced(simulator.settings())
        platform, model = registry.split(case.model)
        provider = registry.create(platform, settings)
        taught: list[ProviderError] = []
        for number, talk in enumerate(talks):
            deltas: list[Delta] = []
            while not deltas:
                try:
                    deltas = await answered(provider, model, talk, stream=bool(number % 2))
                except ProviderError as e:  # a server may teach its client what a model lacks
                    taught.append(e)
                    if len(taught) > case.teaches:
                        raise
            assert isinstance(deltas[-1], Finish), talk
        await provider.aclose()


async def answered(provider: Provider, model: str, talk: Talk, *, stream: bool) -> list[Delta]:
    """One conversation, packed as the model is known by now."""
    turns, system, offered = talk
    dialect = provider.dialect(model)
    packed = dialect.pack(system, turns, offered, images={"7": PNG} if dialect.sees else None)
    own = offered if dialect.functions == "native" else ()
    options = {**dialect.check(ModelOptions()), "stream": stream}
    deadline = asyncio.get_running_loop().time() + 20
    return [d async for d in provider.stream(Request(model, packed, own, options, deadline, "u1"))]
