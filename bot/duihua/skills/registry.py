"""The skills of an engine, by name; and the names of the bundled ones."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping

from duihua.errors import ConfigError
from duihua.ports import Skill
from duihua.skills.more import read_more
from duihua.skills.schema import origin

BUNDLE = "duihua_skills"
RESERVED: Mapping[str, Skill] = {read_more.name: read_more}
"""Our own beside all others: a model must not take another's for them."""


class Registry:
    """Skills by name, in the order given; it never changes.

    Attributes:
        restricted: whether one of them is for administrators only.

    Raises:
        ConfigError: two skills have one name; the text says where both come from. Or one is no skill.
    """

    def __init__(self, skills: Iterable[Skill] = ()) -> None:
        self._skills: dict[str, Skill] = {}
        for skill in skills:
            if not isinstance(skill, Skill):  # pyright: ignore[reportUnnecessaryIsInstance] (people do that)
                kind = str(getattr(skill, "__name__", "") or type(skill).__name__)[:100]
                raise ConfigError(
                    f"{kind} is no skill: decorate the function with @skill", "config_no_skill", name=kind
                )
            other = RESERVED.get(skill.name) or self._skills.setdefault(skill.name, skill)
            if other is not skill:
                raise ConfigError(
                    f"two skills are named {skill.name!r}: {origin(other)} and {origin(skill)}; "
                    "rename one by @skill(name=...), or leave it out of DUIHUA_SKILLS",
                    "config_skill_clash",
                    name=skill.name,
                    one=origin(other),
                    other=origin(skill),
                )
        self.restricted = any(skill.admin_only for skill in self._skills.values())

    def __len__(self) -> int:
        return len(self._skills)

    def __iter__(self) -> Iterator[Skill]:
        return iter(self._skills.values())

    def __contains__(self, name: object) -> bool:
        return name in self._skills

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order given."""
        return tuple(self._skills)

    def get(self, name: str) -> Skill | None:
        """The skill of this name, None if there is none."""
        return self._skills.get(name)


def bundled() -> tuple[str, ...]:
    """The names of the bundled skills: one module each."""
    package = importlib.import_module(BUNDLE)
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))
