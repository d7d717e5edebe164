"""Fixtures for the tests of those who build on duihua; pytest finds them by itself.

Nothing of duihua is imported before a fixture is used: a suite that uses none pays nothing. None of them is
async, so they go with any plugin for async tests, or with `asyncio.run` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from duihua import ChatEngine
    from duihua.ports import Skill
    from duihua.simulator import Simulator
    from duihua.testing import Clock, SkillHarness

__all__ = ["duihua_clock", "duihua_engine", "duihua_harness", "duihua_simulator"]


@pytest.fixture
def duihua_clock() -> Clock:
    """A clock that stands still until the test moves it; the other fixtures keep to it, too."""
    from duihua.testing import Clock

    return Clock()


@pytest.fixture
def duihua_harness(duihua_clock: Clock) -> Callable[..., SkillHarness]:
    """Tries a skill: `duihua_harness(skill)`; arguments as for `duihua.testing.SkillHarness`."""
    from duihua.testing import SkillHarness

    def make(skill: Skill, **options: Any) -> SkillHarness:
        options.setdefault("clock", duihua_clock)
        return SkillHarness(skill, **options)

    return make


@pytest.fixture
def duihua_engine(duihua_clock: Clock, request: pytest.FixtureRequest) -> Callable[..., ChatEngine]:
    """Makes engines in memory from a script and skills; `async with` opens one.

    Without a script the model is the simulator's. Other arguments are those of
    `duihua.testing.scripted_engine`.
    """
    from duihua.testing import scripted_engine, simulated_engine

    def make(script: Any = None, **options: Any) -> ChatEngine:
        options.setdefault("clock", duihua_clock)
        if script is not None:
            return scripted_engine(script, **options)
        return simulated_engine(request.getfixturevalue("duihua_simulator"), **options)

    return make


@pytest.fixture
def duihua_simulator(_duihua_simulator: Simulator) -> Simulator:
    """A running simulator of all platforms on loopback, which has seen no request yet."""
    _duihua_simulator.reset()
    return _duihua_simulator


@pytest.fixture(scope="session")
def _duihua_simulator() -> Iterator[Simulator]:  # pyright: ignore[reportUnusedFunction] (pytest finds it)
    from duihua.testing.serving import served

    with served() as simulator:
        yield simulator
