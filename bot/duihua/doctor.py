"""`duihua doctor`: is everything there that a conversation needs, and what to do if not.

A configured model is asked one short question, which costs a few tokens; other platforms whose keys are set
are only reached. Nothing is changed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from duihua.abilities import ListsModels
from duihua.errors import ConfigError, DuihuaError, InvalidOptions, MissingKey, ProviderError
from duihua.messages import Text, Turn, TurnRef
from duihua.options import ModelOptions
from duihua.ports import Finish, Provider, Request, Skill

if TYPE_CHECKING:
    import httpx

    from duihua.config import Settings
    from duihua.providers.platform import Platform
    from duihua.skills.mcp.links import Link

SECONDS = 20.0
"""For one answer or connection."""
SKEW = 60.0
"""Seconds that two clocks may differ; signatures are refused from some minutes on."""
TOO_MUCH_SKEW = 300.0

Level = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `code` names its sentence, `values` fill it; `error` says why in its own sentence."""

    level: Level
    code: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    error: DuihuaError | None = None


async def examine(
    settings: Settings, *, env_file: str = ".env", clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """Looks at settings, skills, database, models and platforms, the cheapest first.

    Args:
        settings: as the program would use them.
        env_file: where names may be misspelt.
        clock: Unix time.
    """
    for finding in misspelt(settings, env_file):
        yield finding
    for finding in skills(settings):
        yield finding
    for finding in await servers(settings):
        yield finding
    looked = await asyncio.to_thread(database, settings.database_url)
    yield looked
    if looked.code == "database_current":
        for finding in await asyncio.to_thread(circuits, settings.database_url, clock()):
            yield finding
    from duihua.providers import registry

    asked: set[str] = set()
    for name in (part.strip() for part in settings.model.split(",") if part.strip()):
        async for finding in model(name, settings, clock):
            yield finding
        asked.add(name.partition("/")[0].lower())
    for platform in registry.PLATFORMS.values():
        if platform.name not in asked and platform.has_key(settings):
            async for finding in _platform(platform, settings, clock):
                yield finding


# ---------------------------------------------------------------- settings and database


def misspelt(settings: Settings, env_file: str) -> list[Finding]:
    """Names in the environment or `.env` that look like settings and are none."""
    from dotenv import dotenv_values

    from duihua.config import SKILL_PREFIX
    from duihua.providers.registry import PLATFORMS

    known = {str(name) for f in type(settings).model_fields.values() for name in _names(f.validation_alias)}
    prefixes = ("DUIHUA_", *(f"{p.prefix}_" for p in PLATFORMS.values()))
    given = {*os.environ, *(dotenv_values(env_file) if os.path.exists(env_file) else ())}
    found: list[Finding] = []
    for name in sorted(given):
        upper = name.upper()
        if upper in known or upper.startswith(SKILL_PREFIX) or not upper.startswith(prefixes):
            continue
        near = get_close_matches(upper, known, n=1, cutoff=0.8)
        if near or name.startswith("DUIHUA_"):  # other programs read OPENAI_... too
            code = "setting_near" if near else "setting_unknown"
            found.append(Finding("warning", code, {"name": name, "near": near[0] if near else ""}))
    return found or [Finding("ok", "settings")]


def _names(alias: object) -> list[str]:
    return [str(choice) for choice in getattr(alias, "choices", ())]


def skills(settings: Settings) -> list[Finding]:
    """What is wrong with the skills and their settings; nothing if all is well."""
    from duihua.skills import Registry, load

    try:
        loaded = load(settings.skills, settings.skills_dir)
        Registry(loaded.skills)
    except ConfigError as e:
        return [Finding("broken", "skills", error=e)]
    broken = [
        Finding("broken", "skill_broken", {"name": fault.name, "origin": fault.origin}, fault.error())
        for fault in loaded.faults
    ]
    return [*broken, *skill_settings(loaded.skills, settings)]


async def servers(settings: Settings, seconds: float = SECONDS) -> list[Finding]:
    """Whether every MCP server can be started or reached and tells its tools; nothing if none is named."""
    from duihua.skills.mcp import Hub, load

    def ignored(skills: Sequence[Skill]) -> None:
        """Nobody calls them."""

    try:
        hub = Hub(load(settings.mcp_servers), ignored)
    except ConfigError as e:
        return [Finding("broken", "mcp", error=e)]
    await hub.open()
    try:
        await hub.settled(seconds)
        return [_server(link, seconds) for link in hub.links]
    finally:
        await hub.aclose()


def _server(link: Link, seconds: float) -> Finding:
    if link.state == "up":
        return Finding("ok", "mcp_up", {"name": link.server.name, "count": str(len(link.offers))})
    reason = link.reason or f"> {seconds:g} s"
    return Finding("broken", "mcp_away", {"name": link.server.name, "reason": reason})


def skill_settings(given: Sequence[Skill], settings: Settings) -> list[Finding]:
    """Settings that a skill does not take, and names under its prefix that are none of its settings."""
    from duihua.config import SKILL_PREFIX
    from duihua.skills.settings import described, read, variable

    found: list[Finding] = []
    known = {setting.name for skill in given for setting in described(skill)}
    free = tuple(variable(skill.name, "") for skill in given if skill.settings is None)
    for skill in given:
        try:
            read(skill, settings.of_skill(skill.name))
        except ConfigError as e:
            found.append(Finding("broken", "skill_settings", {"skill": skill.name}, e))
    bound = tuple(variable(skill.name, "") for skill in given if skill.settings is not None)
    for name in sorted(f"{SKILL_PREFIX}{key}".upper() for key in settings.skill_settings):
        if name.startswith(bound) and name not in known and not name.startswith(free):
            found.append(_stray(name, given))
    return found


def _stray(name: str, given: Sequence[Skill]) -> Finding:
    """A name under a skill's prefix that is none of its settings; a long prefix makes no two names near."""
    from duihua.skills.settings import described, variable

    skill = max(
        (one for one in given if name.startswith(variable(one.name, ""))), key=lambda one: len(one.name)
    )
    there = {setting.name.removeprefix(prefix := variable(skill.name, "")) for setting in described(skill)}
    near = get_close_matches(name.removeprefix(prefix), there, n=1, cutoff=0.6)
    if near:
        return Finding("warning", "setting_near", {"name": name, "near": prefix + near[0]})
    names = ", ".join(prefix + one for one in sorted(there))
    return Finding("warning", "skill_setting_unknown", {"name": name, "skill": skill.name, "names": names})


def database(url: str) -> Finding:
    """The state of the database."""
    from duihua_storage import inspect

    found = inspect(url)
    levels: Mapping[str, Level] = {"absent": "ok", "current": "ok", "newer": "broken", "broken": "broken"}
    level: Level = levels.get(found.state, "warning")
    if found.state in ("empty", "outdated") and not url.startswith("sqlite"):
        level = "broken"  # SQLite files are brought up to date when they are opened
    values = {"where": found.where, "revision": found.revision, "reason": found.reason}
    return Finding(level, f"database_{found.state}", values)


def circuits(url: str, now: float) -> list[Finding]:
    """The platforms that were failing when it was last noted, by any process that shares the database.

    Args:
        url: of a database that is current; it is only read.
        now: Unix time.
    """
    from duihua.providers.fallback import STATE, load
    from duihua_storage import stored

    found: list[Finding] = []
    for health in load(stored(url, STATE)):
        if health.state == "closed":
            continue
        left = health.retry_at / 1000 - now
        values = {"platform": health.provider, "failures": str(health.failures), "error": health.error}
        if left > 0:
            found.append(Finding("warning", "circuit_open", {**values, "seconds": f"{left:.0f}"}))
        else:
            found.append(Finding("ok", "circuit_due", values))
    return found


# ---------------------------------------------------------------- models and platforms


async def model(
    name: str, settings: Settings, clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """A configured model: its key, its platform, one short question."""
    from duihua.providers import registry

    try:
        platform, its_name = registry.split(name)
        provider = registry.create(platform, settings)
    except MissingKey as e:
        yield Finding("broken", "key_missing", {"model": name}, e)
        return
    except ConfigError as e:
        yield Finding("broken", "model_wrong", {"model": name}, e)
        return
    try:
        reached = await reach(provider, platform, settings, clock)
        for finding in reached:
            yield finding
        if not any(f.level == "broken" for f in reached):
            yield await _answers(provider, name, its_name)
    finally:
        await provider.aclose()


async def _platform(
    platform: Platform, settings: Settings, clock: Callable[[], float]
) -> AsyncIterator[Finding]:
    """Another platform whose key is set."""
    from duihua.providers import registry

    try:
        provider = registry.create(platform.name, settings)
    except ConfigError as e:
        yield Finding("broken", "model_wrong", {"model": platform.name}, e)
        return
    try:
        reached = await reach(provider, platform.name, settings, clock)
        for finding in reached:
            yield finding
        if not any(f.level == "broken" for f in reached):
            yield await _key(provider, platform.name)
    finally:
        await provider.aclose()


async def _key(provider: Provider, platform: str) -> Finding:
    """Whether the platform takes the key, where that can be asked without cost: by its list of models."""
    if not isinstance(provider, ListsModels):
        return Finding("ok", "key_untried", {"platform": platform})
    deadline = asyncio.get_running_loop().time() + SECONDS
    try:
        listed = await provider.list_models(deadline=deadline)
    except ProviderError as e:
        if not e.http_status and e.category in ("auth", "permission"):  # the list wants another kind of key
            return Finding("ok", "key_untried", {"platform": platform})
        level: Level = "broken" if e.category in ("auth", "permission", "quota_exhausted") else "warning"
        return Finding(level, "key_refused", {"platform": platform}, e)
    return Finding("ok", "key_good", {"platform": platform, "count": str(len(listed))})


async def reach(
    provider: Provider, platform: str, settings: Settings, clock: Callable[[], float] = time.time
) -> list[Finding]:
    """Whether the platform's address answers at all, and whether its clock agrees with ours."""
    import httpx

    from duihua.providers.http import client
    from duihua.providers.registry import PLATFORMS

    url = str(getattr(provider, "base_url", ""))
    proxy = PLATFORMS[platform].own(settings, "proxy") or settings.proxy
    values = {"platform": platform, "url": url}
    async with client(proxy=proxy.get_secret_value() if proxy else None) as http:
        began = asyncio.get_running_loop().time()
        try:
            response = await http.get(url, timeout=SECONDS)
        except httpx.HTTPError as e:
            reason = f"{type(e).__name__}: {e}" if str(e) else type(e).__name__
            return [Finding("broken", "unreachable", {**values, "reason": reason})]
        took = asyncio.get_running_loop().time() - began
    found = [Finding("ok", "reached", {**values, "seconds": f"{took:.2f}"})]
    skew = _skew(response, clock())
    if skew is not None and abs(skew) > SKEW:
        level: Level = "broken" if abs(skew) > TOO_MUCH_SKEW else "warning"
        found.append(Finding(level, "clock", {**values, "seconds": f"{skew:+.0f}"}))
    return found


def _skew(response: httpx.Response, now: float) -> float | None:
    """Seconds by which our clock is ahead of the platform's."""
    try:
        theirs = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)).timestamp()


async def _answers(provider: Provider, name: str, model: str) -> Finding:
    """One short question, as short an answer as the model allows."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    dialect = provider.dialect(model)
    turn = Turn(TurnRef(0, 1), input=(Text("1+1=?"),), state="running")
    try:
        try:
            options = dialect.check(ModelOptions(max_output_tokens=16))
        except InvalidOptions:
            options = dialect.check(ModelOptions())
        request = Request(model, dialect.pack("", (turn,)), (), options, began + SECONDS)
        end: Finish | None = None
        async for delta in provider.stream(request):
            end = delta if isinstance(delta, Finish) else end
    except ProviderError as e:
        return Finding("broken", "no_answer", {"model": name}, e)
    usage = end.usage if end else None
    tokens = str(usage.input + usage.output) if usage else "?"
    return Finding(
        "ok", "answered", {"model": name, "seconds": f"{loop.time() - began:.2f}", "tokens": tokens}
    )
