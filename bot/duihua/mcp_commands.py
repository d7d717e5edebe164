"""`duihua mcp`: our skills, for any MCP client. Over stdio nothing but the protocol is on stdout."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from duihua.ability_commands import Command
from duihua.arguments import whole
from duihua.program import complain, load_settings

if TYPE_CHECKING:
    import httpx

    from duihua.config import Settings
    from duihua.ports import Skill
    from duihua.skills import Context
    from duihua_prompts import Catalogue

PORT = 8765


def add(command: Command, words: Catalogue) -> None:
    """Adds the command to the program."""
    mcp = command("mcp", _mcp)
    mcp.add_argument("--http", action="store_true", help=words.t("cli.mcp.http"))
    mcp.add_argument("--host", metavar="HOST", default="127.0.0.1", help=words.t("cli.mcp.host"))
    port = whole(words, "cli.simulator.range", 0, 65_535)
    mcp.add_argument("--port", type=port, metavar="N", default=PORT, help=words.t("cli.mcp.port"))


def _mcp(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.skills.loading import load
    from duihua.skills.mcp import check_installed

    settings = load_settings()
    check_installed()
    skills = load(settings.skills, settings.skills_dir).skills

    async def run() -> None:
        from duihua.providers.http import client
        from duihua.skills.mcp import serving

        proxy = settings.proxy
        async with client(proxy=proxy.get_secret_value() if proxy else None) as http:
            server = serving.make(skills, lambda skill: _context(settings, skill, http))
            if not given.http:
                await serving.serve_stdio(server)
                return
            key = settings.mcp_key.get_secret_value() if settings.mcp_key else ""
            await serving.serve_http(
                server, given.host, given.port, key, lambda at: complain(words.t("cli.mcp.ready", address=at))
            )

    asyncio.run(run())
    return 0


def _context(settings: Settings, skill: Skill, http: httpx.AsyncClient) -> Context:
    """What a skill is given when an MCP client calls it: no person, no conversation, no memory."""
    from duihua.engine import zone
    from duihua.messages import Author
    from duihua.skills import Context
    from duihua_prompts import language

    return Context(
        session="mcp",
        user=Author(0, "mcp"),
        locale=language(settings.lang),
        timezone=zone(settings.timezone),
        settings=settings.of_skill(skill.name),
        http=http,
    )
