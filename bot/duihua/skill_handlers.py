"""`/skills`: what the model may call, and reading it again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from duihua.command import Answer, Command, Scene, Show
from duihua.errors import ConfigError
from duihua.escapes import one_line

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.ports import Skill
    from duihua.skills.loading import Fault, Loaded
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

LINE = 100
"""Characters of a description that are listed."""

_RELOAD = ("reload", "重新加载", "重载")


def fault_line(fault: Fault, words: Catalogue) -> str:
    """One line about a skill that could not be loaded."""
    from duihua_prompts import Catalogue, error_line

    name, origin = one_line(fault.name, 64), one_line(fault.origin, 300)
    why = error_line(Catalogue(words.lang), fault.error())  # in full: administrators alone read it
    return words.t("skills.broken", name=name, origin=origin, why=why)


def left_out(loaded: Loaded, settings: Settings, words: Catalogue) -> list[str]:
    """A line for each skill that was asked for and cannot be used, and what to do about it."""
    from duihua.skills.settings import read
    from duihua_prompts import error_line

    lines = [fault_line(fault, words) for fault in loaded.faults]
    for skill in loaded.skills:
        try:
            read(skill, settings.of_skill(skill.name))
        except ConfigError as e:
            lines.append(error_line(words, e))
    return lines


async def _skills(scene: Scene) -> Answer:
    words, wish = scene.words, scene.args.casefold()
    if wish in _RELOAD:
        return await _reload(scene)
    if wish:
        return Show(words.t("command.skills.usage"))
    known = scene.engine.registry
    admin = known.restricted and await scene.session.is_admin()
    lines = [
        words.t(
            "command.skills.line",
            name=one_line(skill.name, 64),
            effect=words.t(f"skills.effect.{skill.effect}"),
            about=_about(skill, words),
        )
        for skill in known
        if admin or not skill.admin_only
    ]
    return Show("\n".join(lines) or words.t("command.skills.nothing"))


def _about(skill: Skill, words: Catalogue) -> str:
    """What a skill does: of bundled ones in the reader's language, of others as their authors tell models."""
    from duihua.skills.registry import BUNDLE
    from duihua.skills.schema import origin

    if origin(skill) == f"{BUNDLE}.{skill.name}.{skill.name}":
        return words.t(f"skills.about.{skill.name}")
    return one_line(skill.spec.description, LINE)


async def _reload(scene: Scene) -> Answer:
    words = scene.words
    if not await scene.session.is_admin():
        return Show(words.t("command.skills.not_admin"))
    if scene.session.address.public:
        return Show(await _in_public(scene))
    loaded = await scene.engine.reload_skills()
    names = words.t("fact.separator").join(skill.name for skill in loaded.skills)
    lines = [words.t("command.skills.reloaded", names=names or "-")]
    lines += [fault_line(fault, words) for fault in loaded.faults]
    if loaded.idle:
        lines.append(words.t("command.skills.idle", names=words.t("fact.separator").join(loaded.idle)))
    return Show("\n".join(lines))


async def _in_public(scene: Scene) -> str:
    """What came of reading the skills again, without a word of what is wrong, or of where they are."""
    words = scene.words
    try:
        loaded = await scene.engine.reload_skills()
    except ConfigError as e:
        log.error("the skills were not read again: %s", one_line(str(e), 300))
        return words.t("command.skills.not_reloaded")
    for fault in loaded.faults:
        log.error("not loaded: %s: %s", one_line(fault.name, 64), one_line(str(fault.error()), 300))
    told = words.t("command.skills.counted", count=len(loaded.skills))
    if not loaded.faults:
        return told
    return f"{told}\n{words.t('command.skills.faulty', count=len(loaded.faults))}"


COMMANDS: tuple[Command, ...] = (Command("skills", _skills, ("技能",), takes=True),)
"""In the order of /help."""
