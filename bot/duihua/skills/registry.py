"""The skills of an engine, by name; and the bundled ones, by allow-list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator

from duihua.errors import ConfigError
from duihua.ports import Skill, ToolSpec
from duihua.skills.schema import origin

_BUNDLE = "duihua_skills"


class Registry:
    """Skills by name, in the order given; it never changes.

    Raises:
        ConfigError: two skills have one name; the text says where both come from.
    """

    def __init__(self, skills: Iterable[Skill] = ()) -> None:
        self._skills: dict[str, Skill] = {}
        for skill in skills:
            other = self._skills.setdefault(skill.name, skill)
            if other is not skill:
                raise ConfigError(
                    f"two skills are named {skill.name!r}: {origin(other)} and {origin(skill)}; "
                    "rename one by @skill(name=...), or leave it out of DUIHUA_SKILLS"
                )
        self._specs = tuple(skill.spec for skill in self._skills.values())

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

    def specs(self, names: Collection[str] | None = None) -> tuple[ToolSpec, ...]:
        """What models are shown, always in the same order: all (None), or those named that are here."""
        if names is None:
            return self._specs
        return tuple(spec for spec in self._specs if spec.name in names)


def bundled() -> tuple[str, ...]:
    """The names of the bundled skills: one module each."""
    package = importlib.import_module(_BUNDLE)
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load_bundled(names: Iterable[str]) -> tuple[Skill, ...]:
    """The bundled skills of these names (setting DUIHUA_SKILLS); `none` alone means none of them.

    Only the modules that are named are imported.

    Raises:
        ConfigError: there is no such bundled skill.
    """
    wanted = tuple(dict.fromkeys(names))
    if wanted in ((), ("none",)):
        return ()
    known = bundled()
    if unknown := [name for name in wanted if name not in known]:
        raise ConfigError(
            f"DUIHUA_SKILLS names {', '.join(unknown)}: no such bundled skill; there are {', '.join(known)}",
            "config_skills",
            name=", ".join(unknown),
            known=", ".join(known),
        )
    return tuple(_exposed(name) for name in wanted)


def _exposed(name: str) -> Skill:
    module = importlib.import_module(f"{_BUNDLE}.{name}")
    found = getattr(module, name, None)
    if not isinstance(found, Skill):
        raise ConfigError(f"{_BUNDLE}.{name} exposes no skill named {name}")
    return found
