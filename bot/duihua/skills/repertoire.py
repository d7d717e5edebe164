"""The skills of an engine: its own, and guests that come and go while it runs (those of MCP servers, say)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Literal

from duihua.config import Settings
from duihua.ports import Skill
from duihua.skills import loading
from duihua.skills.loading import Loaded
from duihua.skills.registry import RESERVED, Registry
from duihua.skills.schema import origin
from duihua.skills.settings import SkillSettings

log = logging.getLogger(__name__)


class Repertoire:
    """What models may call. A turn that runs keeps what it began with.

    Args:
        settings: name the engine's own skills, and hold the settings of each.
        given: its own skills, in code, in place of those that the settings name.

    Attributes:
        loaded: its own skills as they were loaded, and what could not be.
        own: its own skills.
        registry: all of them; another object whenever they change.

    Raises:
        ConfigError: two skills have one name, or the folder of skills is not there.
    """

    def __init__(self, settings: Settings, given: Sequence[Skill] | None = None) -> None:
        self._settings = settings
        self._readable = given is None
        self.loaded = self._load() if given is None else Loaded(tuple(given))
        self.own = self.registry = Registry(self.loaded.skills)
        self._guests: dict[str, tuple[Skill, ...]] = {}
        self._settings_of = SkillSettings(settings.of_skill)
        self._reloading = asyncio.Lock()
        self._read_settings()

    def usable(self, names: Literal["all"] | Sequence[str]) -> dict[str, Skill]:
        """Those of `names` that there are, by name, without those whose settings are wrong."""
        chosen = [skill for skill in self.registry if names == "all" or skill.name in names]
        return {skill.name: skill for skill in chosen if self.settings_of(skill) is not None}

    def settings_of(self, skill: Skill) -> Any:
        """What the skill is given as `Context.settings`; None: they are wrong, it cannot be used."""
        return self._settings_of.of(skill)

    def taken(self) -> tuple[str, ...]:
        """The names that no guest can have."""
        return (*self.own.names, *RESERVED)

    def invite(self, source: str, skills: Sequence[Skill]) -> None:
        """Takes these in as guests, in place of what `source` brought before.

        A name that is taken stays with its owner.
        """
        self._guests[source] = tuple(skills)
        self._gather()

    def replace(self, own: Registry) -> None:
        """Has these as its own skills, in the place of those so far."""
        self.own = own
        self._read_settings()
        self._gather()

    async def reload(self) -> Loaded:
        """Reads its own skills again, those of the folder from their files; skills given in code stay.

        Returns:
            what was loaded, and what was not and why.

        Raises:
            ConfigError: as above. All stays as it was then.
        """
        if self._readable:
            async with self._reloading:
                loaded = await asyncio.to_thread(self._load, again=True)
                self.replace(Registry(loaded.skills))
                self.loaded = loaded
        return self.loaded

    def _load(self, *, again: bool = False) -> Loaded:
        return loading.load(self._settings.skills, self._settings.skills_dir, again=again)

    def _read_settings(self) -> None:
        for skill in self.own:
            self.settings_of(skill)  # wrong ones are told now

    def _gather(self) -> None:
        found = {skill.name: skill for skill in self.own}
        for skill in (skill for guests in self._guests.values() for skill in guests):
            other = RESERVED.get(skill.name) or found.setdefault(skill.name, skill)
            if other is not skill:
                log.warning("skill %s of %s is left out: %s has it", skill.name, origin(skill), origin(other))
        self.registry = Registry(found.values())
