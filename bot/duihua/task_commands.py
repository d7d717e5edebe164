"""`duihua task`: what platforms do in the background, from one run of the program to the next."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from duihua.abilities import Task
from duihua.ability_commands import Command, add_drawing, keep, on_engine, show, show_json, show_kept
from duihua.arguments import Parser, whole
from duihua.errors import NotFound
from duihua.escapes import aligned, one_line
from duihua.program import complain, load_settings, store_alone
from duihua.tasking import told

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.engine import ChatEngine
    from duihua_prompts import Catalogue

TENANT = "main"


def add(command: Command, words: Catalogue) -> None:
    """Adds the commands to the program."""
    task = command("task", _help)
    task.set_defaults(parser=task)
    below = task.add_subparsers(title=words.t("cli.commands"), metavar="COMMAND", parser_class=Parser)

    start = command("start", _start, below, "cli.task.start")
    start.add_argument("prompt", metavar="PROMPT", help=words.t("cli.task.prompt"))
    start.add_argument("--draw", action="store_true", help=words.t("cli.task.draw"))
    add_drawing(start, words)
    start.add_argument("--model", metavar="MODEL", help=words.t("cli.able.model"))
    _showing(start, words)

    listing = command("list", _list, below, "cli.task.list")
    listing.add_argument("--json", action="store_true", help=words.t("cli.able.json"))

    number = whole(words, "cli.task.number", 1, 1 << 62)
    one = command("show", _show, below, "cli.task.show")
    one.add_argument("id", metavar="ID", type=number, help=words.t("cli.task.id"))
    _showing(one, words)

    forget = command("forget", _forget, below, "cli.task.forget")
    forget.add_argument("id", metavar="ID", type=number, help=words.t("cli.task.id"))


def _showing(parser: argparse.ArgumentParser, words: Catalogue) -> None:
    parser.add_argument("--wait", action="store_true", help=words.t("cli.task.wait"))
    parser.add_argument("--out", metavar="FILE", help=words.t("cli.draw.out"))
    parser.add_argument("--json", action="store_true", help=words.t("cli.able.json"))


def _help(given: argparse.Namespace, words: Catalogue) -> int:
    given.parser.print_help()
    return 0


def _start(given: argparse.Namespace, words: Catalogue) -> int:
    async def work(engine: ChatEngine) -> None:
        if given.draw:
            task = await engine.start_drawing(given.prompt, model=given.model, n=given.n, size=given.size)
        else:
            task = await engine.start(given.prompt, model=given.model)
        if given.wait:
            task = await engine.result(task, wait=True)
        await _tell(given, words, task, engine.settings)

    return on_engine(given, words, work)


def _show(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()

    async def run() -> None:
        async with store_alone(settings) as store:
            row = await store.task(TENANT, given.id)
        if row is None:
            raise NotFound("task", given.id)
        task = told(row)
        if task.state == "running":
            from duihua.engine import ChatEngine

            async with ChatEngine(task.model, settings=settings) as engine:
                task = await engine.result(task, wait=given.wait)
        await _tell(given, words, task, settings)

    asyncio.run(run())
    return 0


async def _tell(given: argparse.Namespace, words: Catalogue, task: Task, settings: Settings) -> None:
    """A task with what it has brought."""
    from duihua_prompts import error_line

    kept = await keep(task.drawing, given.out, settings) if task.drawing is not None else {}
    if given.json:
        show_json({**_plain(task), **kept})
    elif kept:
        show_kept(kept, words)
    elif task.completion is not None:
        show(task.completion.text)
    else:
        print(words.t(f"cli.task.is_{task.state}", id=task.id))
    if task.error is not None and task.state == "failed":
        raise task.error
    if task.error is not None:
        complain(error_line(words, task.error))


def _plain(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "kind": task.kind,
        "state": task.state,
        "model": task.model,
        "echoed": task.echoed,
        "text": task.completion.text if task.completion else None,
        "error": str(task.error) if task.error else None,
        "created": task.created,
        "ended": task.ended,
    }


def _list(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> None:
        async with store_alone(load_settings()) as store:
            tasks = [told(row) for row in await store.tasks(TENANT)]
        if given.json:
            for task in tasks:
                show_json(_plain(task))
        elif tasks:
            heading = [
                words.t(f"cli.task.{name}") for name in ("number_of", "kind", "state", "model", "created")
            ]
            for line in aligned([heading, *(_row(task, words) for task in tasks)]):
                print(line)
        else:
            print(words.t("cli.task.none"))

    asyncio.run(run())
    return 0


def _row(task: Task, words: Catalogue) -> list[str]:
    created = datetime.fromtimestamp(task.created / 1000).astimezone()
    kind, state = words.t(f"cli.task.{task.kind}"), words.t(f"cli.task.{task.state}")
    return [str(task.id), kind, state, one_line(task.model, 60), f"{created:%Y-%m-%d %H:%M}"]


def _forget(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> None:
        async with store_alone(load_settings()) as store:
            if not await store.forget_task(TENANT, given.id):
                raise NotFound("task", given.id)
            await store.scrub()
        print(words.t("cli.task.forgotten", id=given.id))

    asyncio.run(run())
    return 0
