"""Functions that models may call: contract, schema, discovery, loading, registry, runner."""

from __future__ import annotations

from duihua.skills.contract import AskUser, BadArguments, Context, SkillError
from duihua.skills.given import from_schema
from duihua.skills.loading import Fault, Loaded, load, load_bundled
from duihua.skills.registry import Registry
from duihua.skills.runner import run
from duihua.skills.schema import skill

__all__ = [
    "AskUser",
    "BadArguments",
    "Context",
    "Fault",
    "Loaded",
    "Registry",
    "SkillError",
    "from_schema",
    "load",
    "load_bundled",
    "run",
    "skill",
]
