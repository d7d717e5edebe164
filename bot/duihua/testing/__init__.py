"""For the tests of those who build on duihua. `duihua_pytest` offers the same as fixtures."""

from __future__ import annotations

from duihua.testing.clock import Clock
from duihua.testing.engines import scripted_engine, simulated_engine
from duihua.testing.harness import SkillHarness
from duihua.testing.scripted import ScriptedModel, ScriptError

__all__ = ["Clock", "ScriptError", "ScriptedModel", "SkillHarness", "scripted_engine", "simulated_engine"]
