"""Engines for tests: in memory, without a key, on a script or on the simulator."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from duihua.config import Settings
from duihua.engine import ChatEngine
from duihua.ports import Skill
from duihua.simulator import Simulator
from duihua.testing.scripted import Script, ScriptedModel

MEMORY = "sqlite+aiosqlite://"
MODEL = "scripted/any"


def scripted_engine(
    script: Script | ScriptedModel,
    *,
    skills: Sequence[Skill] | None = (),
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> ChatEngine:
    """An engine whose model follows a script; `async with` opens it, and its end is that of the script.

    Args:
        script: as `ScriptedModel` takes it, or one, to look at its `requests` afterwards.
        skills: what the model may call; None: those that `DUIHUA_SKILLS` names.
        clock: see `Clock`.
        settings: of `duihua.Settings`, by field; the database is in memory unless `database_url` is given.
    """
    model = script if isinstance(script, ScriptedModel) else ScriptedModel(script)
    settings.setdefault("memory_model", "none")  # no entry of the script goes into a summary
    wanted = Settings.load(None, **{"database_url": MEMORY, **settings})
    return ChatEngine(MODEL, skills=skills, settings=wanted, provider={model.name: model}, clock=clock)


def simulated_engine(
    simulator: Simulator,
    *,
    skills: Sequence[Skill] | None = (),
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> ChatEngine:
    """The same on a running simulator, on the wire of the model that `model` or `DUIHUA_MODEL` names."""
    wanted = Settings.load(None, **{"database_url": MEMORY, **settings}).replaced(simulator.settings())
    return ChatEngine(skills=skills, settings=wanted, clock=clock)
