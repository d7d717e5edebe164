"""`duihua telegram`: the bots, until a signal ends them. Everything heavy is imported when it runs."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import signal
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from duihua.ability_commands import Command
from duihua.arguments import whole
from duihua.errors import ConfigError
from duihua.program import complain, load_settings, make_engine

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.telegram.running import Plan
    from duihua_prompts import Catalogue

NEEDED = ("aiogram", "markdown_it", "pylatexenc")
"""What the extra `telegram` brings."""
ADMITTED = ("owner", "admin", "user")
LISTEN = "127.0.0.1:8080"


def add(command: Command, words: Catalogue) -> None:
    """Adds the command to the program."""
    telegram = command("telegram", _telegram)
    telegram.add_argument("--model", metavar="MODEL", help=words.t("cli.chat.model"))
    telegram.add_argument("--webhook", metavar="URL", default="", help=words.t("cli.telegram.webhook"))
    telegram.add_argument(
        "--listen", metavar="HOST:PORT", default=LISTEN, help=words.t("cli.telegram.listen")
    )
    port = whole(words, "cli.simulator.range", 0, 65_535)
    telegram.add_argument("--health-port", type=port, metavar="N", help=words.t("cli.telegram.health"))


def check_installed() -> None:
    """Raises ConfigError, which says what to install, if the extra is not there."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f'Telegram needs {", ".join(missing)}: pip install "duihua[telegram]"', "config_telegram_missing"
        )


def _telegram(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings(serves=True)
    tokens = _tokens(settings)
    check_installed()
    from duihua.telegram import schemas

    schemas.load()  # before anything else brings aiogram
    plan = _plan(settings, tokens, given)

    async def run() -> int:
        from duihua.telegram.composing import fronted
        from duihua.telegram.intake import Deaf
        from duihua.telegram.place import FRONT
        from duihua.telegram.running import Running

        stop = asyncio.Event()
        _on_signals(stop)
        running = Running(
            plan,
            stands_by=lambda bot: complain(words.t("cli.telegram.standby", name=bot.me.username)),
            ready=lambda bot: complain(words.t("cli.telegram.ready", name=bot.me.username)),
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(running.served())
            for name, at in running.ports.items():
                complain(words.t(f"cli.telegram.at_{name}", port=at))
            meeting = asyncio.ensure_future(running.meet())
            if not await _before(meeting, stop):
                return 0
            bots = running.bots
            engine = await make_engine(given.model, settings, words, stack)
            fronting = fronted(
                engine, bots, plan, streaming=settings.telegram_stream, rich=settings.telegram_rich
            )
            front, voice, languages, chats = await stack.enter_async_context(fronting)
            await stack.enter_async_context(engine)
            members = await engine.access.members()
            if not (engine.access.is_open(FRONT) or any(one.role in ADMITTED for one in members)):
                complain(words.t("cli.telegram.closed"))
            try:
                await running.run(engine, front, voice, languages, chats, stop)
            except Deaf as e:
                complain(words.t(f"cli.telegram.{e.code}", reason=str(e)))
                return 1
        return 0

    return asyncio.run(run())


def _tokens(settings: Settings) -> list[SecretStr]:
    """Raises ConfigError if there is none."""
    text = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    tokens = list(dict.fromkeys(token.strip() for token in text.split(",") if token.strip()))
    if not tokens:
        raise ConfigError("TELEGRAM_BOT_TOKEN is not set", "config_telegram_none")
    return [SecretStr(token) for token in tokens]


def _plan(settings: Settings, tokens: list[SecretStr], given: argparse.Namespace) -> Plan:
    from duihua.telegram.running import Plan

    proxy = settings.telegram_proxy or settings.proxy
    host, colon, port = given.listen.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ConfigError(f"--listen {given.listen}: write HOST:PORT", "config_telegram_listen")
    if given.webhook and not _is_address(given.webhook):
        raise ConfigError("--webhook must be a URL", "config_url", setting="--webhook")
    return Plan(
        tokens,
        settings.telegram_api_url,
        proxy.get_secret_value() if proxy else None,
        given.webhook,
        (host.strip("[]"), int(port)),
        settings.telegram_webhook_secret,
        given.health_port,
    )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and not (parts.query or parts.fragment)


async def _before(work: asyncio.Future[Any], stop: asyncio.Event) -> bool:
    """Whether it ended before the program was told to stop. Raises what it raised."""
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return False
        work.result()
        return True
    finally:
        waiting.cancel()
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work


def _on_signals(stop: asyncio.Event) -> None:
    """The first signal ends the program in order, the second one at once."""
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has Ctrl-C alone, which asyncio.run turns into an end; other threads get no signals.
        with suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, told, number)
