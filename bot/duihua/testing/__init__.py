"""For the tests of those who build on duihua."""

from __future__ import annotations

from duihua.testing.harness import SkillHarness
from duihua.testing.scripted import ScriptedModel

__all__ = ["ScriptedModel", "SkillHarness"]
