"""The `duihua` program. Every error is one clear line; the exit code is 2 for usage and settings, else 1."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TextIO

from duihua import (
    ability_commands,
    access_commands,
    audit_commands,
    init_commands,
    mcp_commands,
    memory_commands,
    model_commands,
    skill_commands,
    task_commands,
    telegram_commands,
)
from duihua.arguments import Parser, whole
from duihua.errors import ConfigError, DuihuaError, InvalidOptions, NoSuchAbility, NotFound
from duihua.program import complain, load_settings, make_engine
from duihua.skill_handlers import left_out

if TYPE_CHECKING:
    from duihua.options import ModelOptions
    from duihua_prompts import Catalogue

MEMORY = "sqlite+aiosqlite://"
"""The database of commands that store nothing."""
_INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit code."""
    try:
        from duihua_prompts import Catalogue, error_line

        words = Catalogue(_language())
    except KeyboardInterrupt:
        return _INTERRUPTED
    try:
        given = _parsed(arguments, words)
        return given.run(given, words)
    except DuihuaError as e:
        complain(error_line(words, e))
        return 2 if isinstance(e, ConfigError | InvalidOptions | NoSuchAbility | NotFound) else 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # nobody reads what we print, which is no fault of ours
        _discard(sys.stdout)
        return 0
    except Exception as e:
        logging.getLogger(__name__).debug("the program failed", exc_info=True)
        complain(words.t("cli.failed", reason=f"{type(e).__name__}: {e}"))
        return 1


def _language() -> str:
    """The wanted language, known before the settings are: even a wrong setting is told in it."""
    if chosen := os.environ.get("DUIHUA_LANG"):
        return chosen
    from dotenv import dotenv_values

    return dotenv_values(".env").get("DUIHUA_LANG") or "auto"


def _discard(stream: TextIO | None) -> None:
    """Lets the interpreter flush at exit what nobody reads any more."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# ---------------------------------------------------------------- arguments


def _parsed(arguments: Sequence[str] | None, words: Catalogue) -> argparse.Namespace:
    parser = _parser(words)
    try:
        given, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as e:
        parser.complain(words.t("cli.argument", name=e.argument_name or "", message=e.message))
    if unknown:
        parser.complain(words.t("cli.unknown", arguments=" ".join(unknown)))
    return given


def _parser(words: Catalogue) -> Parser:
    parser = Parser(words=words, prog="duihua", description=words.t("cli.about"))
    parser.add_argument("--version", action="store_true", help=words.t("cli.version"))
    parser.set_defaults(run=_help, parser=parser)
    commands = parser.add_subparsers(title=words.t("cli.commands"), metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: Any, under: Any = commands, about: str = "") -> argparse.ArgumentParser:
        text = words.t(about or f"cli.{name}.about")
        made = under.add_parser(name, help=text, description=text, words=words)
        made.set_defaults(run=run)
        return made

    chat = command("chat", _chat)
    chat.add_argument("--model", metavar="MODEL", help=words.t("cli.chat.model"))
    chat.add_argument("--session", metavar="NAME", default="default", help=words.t("cli.chat.session"))
    chat.add_argument("--persona", metavar="NAME", default="", help=words.t("cli.chat.persona"))
    chat.add_argument("--set", metavar="NAME=VALUE", action="append", help=words.t("cli.chat.set"))
    chat.add_argument("--no-stream", action="store_true", help=words.t("cli.chat.no_stream"))
    chat.add_argument("--json", action="store_true", help=words.t("cli.chat.json"))

    compare = command("compare", _compare)
    compare.add_argument("question", metavar="QUESTION", help=words.t("cli.compare.question"))
    compare.add_argument("--models", metavar="A,B,C", required=True, help=words.t("cli.compare.models"))
    compare.add_argument("--set", metavar="NAME=VALUE", action="append", help=words.t("cli.chat.set"))
    compare.add_argument("--json", action="store_true", help=words.t("cli.compare.json"))

    simulator = command("simulator", _simulator)
    port = whole(words, "cli.simulator.range", 0, 65_535)
    simulator.add_argument("--port", type=port, metavar="N", default=0, help=words.t("cli.simulator.port"))

    telegram = command("fake-telegram", _fake_telegram, about="cli.fake-telegram.about")
    telegram.add_argument("--port", type=port, metavar="N", default=0, help=words.t("cli.fake-telegram.port"))
    telegram.add_argument("--log", metavar="FILE", default="", help=words.t("cli.fake-telegram.log"))

    init_commands.add(command, words)
    telegram_commands.add(command, words)
    ability_commands.add(command, words)
    task_commands.add(command, words)
    memory_commands.add(command, words)
    model_commands.add(command, words)
    skill_commands.add(command, words)
    mcp_commands.add(command, words)
    access_commands.add(command, words)
    audit_commands.add(command, words)

    command("doctor", _doctor)

    database = command("db", _help)
    database.set_defaults(parser=database)
    below = database.add_subparsers(title=words.t("cli.commands"), metavar="COMMAND", parser_class=Parser)
    command("upgrade", _upgrade, below, "cli.db.upgrade")
    return parser


def _options(pairs: Iterable[str], words: Catalogue) -> ModelOptions | None:
    """The options of `--set name=value`; JSON where a value looks like it. `extra.field=value` sets a field.

    Raises:
        InvalidOptions: an unknown name, or a value of the wrong type.
        ConfigError: not a pair.
    """
    from duihua.options import ModelOptions

    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(words.t("cli.chat.pair", text=pair))
        group, dot, field = name.strip().partition(".")
        if group == "extra" and dot:
            values["extra"] = {**values.get("extra", {}), field: _field(value.strip())}
        else:
            values[name.strip()] = _value(value.strip())
    return ModelOptions.parse(values) if values else None


def _field(text: str) -> Any:
    """A field of the platform's own: JSON, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _value(text: str) -> Any:
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


# ---------------------------------------------------------------- commands


def _help(given: argparse.Namespace, words: Catalogue) -> int:
    if given.version:
        from duihua import __version__

        print(f"duihua {__version__}")
    else:
        given.parser.print_help()
    return 0


def _chat(given: argparse.Namespace, words: Catalogue) -> int:
    options = _options(given.set or (), words)
    settings = load_settings()
    if given.no_stream:
        settings = settings.model_copy(update={"stream": False})

    async def run() -> None:
        from duihua.terminal import chat, output

        async with AsyncExitStack() as stack:
            out = stack.enter_context(output(as_json=given.json))
            engine = await make_engine(given.model, settings, words, stack)
            for line in left_out(engine.loaded, settings, words):
                complain(line)
            await stack.enter_async_context(engine)
            await chat(
                engine,
                words,
                session=given.session,
                persona=given.persona,
                options=options,
                out=out,
                as_json=given.json,
            )

    asyncio.run(run())
    return 0


def _compare(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.comparison import show

    options = _options(given.set or (), words)
    settings = load_settings()
    wanted = [name.strip() for name in given.models.split(",") if name.strip()]
    if not (wanted and given.question.strip()):
        raise ConfigError(words.t("cli.compare.empty"))

    async def run() -> bool:
        async with AsyncExitStack() as stack:
            engine = await make_engine(
                wanted[0], settings.model_copy(update={"database_url": MEMORY}), words, stack
            )
            await stack.enter_async_context(engine)
            names = engine.platforms.spelled(wanted)
            items = engine.compare(given.question, names, options=options)
            return all(result.error is None for result in await show(items, names, words, as_json=given.json))

    return 0 if asyncio.run(run()) else 1


def _simulator(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.simulator import run

    load_settings()
    return run(given.port)


def _fake_telegram(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.simulator.telegram import run

    return run(given.port, given.log)


def _doctor(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.doctor import Finding, examine
    from duihua_prompts import error_line

    settings = load_settings()

    def line(finding: Finding) -> str:
        why = error_line(words, finding.error) if finding.error else ""
        told = words.t(f"doctor.{finding.code}", **{**finding.values, "why": why})
        return f"{words.t(f'doctor.level.{finding.level}')} {told}"

    async def run() -> int:
        broken = 0
        async for finding in examine(settings):
            broken += finding.level == "broken"
            print(one_line(line(finding), 2000), flush=True)
        print(words.t("doctor.broken", count=broken) if broken else words.t("doctor.fine"))
        return 1 if broken else 0

    from duihua.escapes import one_line

    return asyncio.run(run())


def _upgrade(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua_storage import upgrade

    upgrade(load_settings().database_url)
    print(words.t("cli.db.done"))
    return 0
