"""`duihua mcp`: our skills, for any MCP client. Over stdio nothing but the protocol is on stdout."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from duihua.ability_commands import Command
from duihua.arguments import whole
from duihua.program import complain, load_settings, store_alone
from duihua.skill_handlers import left_out

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.messages import Call
    from duihua.ports import Skill
    from duihua.skills import Context
    from duihua.skills.guard import Guard
    from duihua.skills.settings import SkillSettings
    from duihua_prompts import Catalogue

PORT = 8765
SHOWN = 2_000
"""Characters of arguments that a person is shown, who must see what to consent to."""


def add(command: Command, words: Catalogue) -> None:
    """Adds the command to the program."""
    mcp = command("mcp", _mcp)
    mcp.add_argument("--http", action="store_true", help=words.t("cli.mcp.http"))
    mcp.add_argument("--host", metavar="HOST", default="127.0.0.1", help=words.t("cli.mcp.host"))
    port = whole(words, "cli.simulator.range", 0, 65_535)
    mcp.add_argument("--port", type=port, metavar="N", default=PORT, help=words.t("cli.mcp.port"))


def _mcp(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.access import Access
    from duihua.skills.loading import load
    from duihua.skills.mcp import check_installed

    settings = load_settings(serves=given.http)
    check_installed()
    loaded = load(settings.skills, settings.skills_dir)
    for line in left_out(loaded, settings, words):
        complain(line)

    async def run() -> None:
        from duihua.skills.gate import Gate
        from duihua.skills.guard import Guard
        from duihua.skills.mcp import serving
        from duihua.skills.mcp.ledger import Ledger
        from duihua.skills.settings import SkillSettings

        proxy = settings.proxy.get_secret_value() if settings.proxy else None
        own, guard = SkillSettings(settings.of_skill), Guard(proxy=proxy, networks=settings.skills_networks)
        sound = [skill for skill in loaded.skills if own.of(skill) is not None]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(guard.aclose)
            store = await stack.enter_async_context(store_alone(settings))
            server = serving.make(
                sound,
                lambda skill: _context(settings, own, skill, guard),
                partial(_question, words),
                Ledger(store, Gate(Access(store, settings).is_admin)),
            )
            if not given.http:
                await serving.serve_stdio(server)
                return
            key = settings.mcp_key.get_secret_value() if settings.mcp_key else ""
            await serving.serve_http(
                server,
                given.host,
                given.port,
                key,
                lambda at: complain(words.t("cli.mcp.ready", address=at)),
                settings.mcp_hosts,
            )

    asyncio.run(run())
    return 0


def _question(words: Catalogue, call: Call, said: str) -> str:
    """What a client's user is asked before a call; `said`: what the skill itself asks."""
    from duihua.escapes import one_line
    from duihua.shown import arguments_of

    asked = words.t("cli.mcp.consent", name=call.name, arguments=arguments_of(call.arguments, words))
    return f"{asked}\n{one_line(said, SHOWN)}" if said else asked


def _context(settings: Settings, own: SkillSettings, skill: Skill, guard: Guard) -> Context:
    """What a skill is given when an MCP client calls it: no person, no conversation, no memory."""
    from duihua.config import zone
    from duihua.messages import Author
    from duihua.skills import Context
    from duihua_prompts import language

    return Context(
        session="mcp",
        user=Author(0, "mcp"),
        locale=language(settings.lang),
        timezone=zone(settings.timezone),
        settings=own.of(skill),
        http=guard.client(skill, settings.of_skill(skill.name)),
    )
