"""The program's commands for what is not chat: complete, moderate, embed, draw, transcribe, count."""

from __future__ import annotations

import argparse
import asyncio
import mimetypes
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duihua.arguments import whole
from duihua.codec import dump, sound
from duihua.errors import ConfigError
from duihua.escapes import clean, one_line
from duihua.program import complain, load_settings, make_able_engine

if TYPE_CHECKING:
    from duihua.abilities import Drawing
    from duihua.config import Settings
    from duihua.engine import ChatEngine
    from duihua_prompts import Catalogue

Command = Callable[..., argparse.ArgumentParser]
"""`command(name, run, under, about)`: adds a command to the program."""
Work = Callable[["ChatEngine"], Awaitable[None]]
LONGEST = 100 << 20
"""Bytes of the largest recording that is read."""
SHOWN = 6
"""Numbers of a vector that are shown."""


def add(command: Command, words: Catalogue) -> None:
    """Adds the commands to the program."""
    complete = _asking(command("complete", _complete), words)
    complete.add_argument("prompt", metavar="PROMPT", help=words.t("cli.complete.prompt"))

    moderate = _asking(command("moderate", _moderate), words)
    moderate.add_argument("text", metavar="TEXT", help=words.t("cli.moderate.text"))

    embed = _asking(command("embed", _embed), words)
    embed.add_argument("texts", metavar="TEXT", nargs="+", help=words.t("cli.embed.text"))

    draw = _asking(command("draw", _draw), words)
    draw.add_argument("prompt", metavar="PROMPT", help=words.t("cli.draw.prompt"))
    add_drawing(draw, words)
    draw.add_argument("--out", metavar="FILE", help=words.t("cli.draw.out"))

    transcribe = _asking(command("transcribe", _transcribe), words)
    transcribe.add_argument("file", metavar="FILE", help=words.t("cli.transcribe.file"))
    transcribe.add_argument("--language", metavar="CODE", default="", help=words.t("cli.transcribe.language"))

    count = _asking(command("count", _count), words)
    count.add_argument("text", metavar="TEXT", help=words.t("cli.count.text"))
    number = whole(words, "cli.count.number", 0, 10_000_000)
    count.add_argument("--output", metavar="N", type=number, help=words.t("cli.count.output"))


def add_drawing(parser: argparse.ArgumentParser, words: Catalogue) -> None:
    """Adds the options of a drawing."""
    parser.add_argument("--size", metavar="SIZE", help=words.t("cli.draw.size"))
    number = whole(words, "cli.draw.number", 1, 100)
    parser.add_argument("--n", metavar="N", type=number, help=words.t("cli.draw.n"))


def _asking(parser: argparse.ArgumentParser, words: Catalogue) -> argparse.ArgumentParser:
    parser.add_argument("--model", metavar="MODEL", help=words.t("cli.able.model"))
    parser.add_argument("--json", action="store_true", help=words.t("cli.able.json"))
    return parser


def on_engine(given: argparse.Namespace, words: Catalogue, work: Work) -> int:
    """Does `work` on an engine whose platforms have keys, or on the simulator if none has."""
    settings = load_settings()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            engine = await make_able_engine(given.model, settings, words, stack)
            await work(await stack.enter_async_context(engine))

    asyncio.run(run())
    return 0


def show_json(value: Any) -> None:
    """One value as one line of JSON."""
    print(dump(value).decode())


def show(text: str) -> None:
    """A text from outside."""
    print(sound(clean(text)))


def _complete(given: argparse.Namespace, words: Catalogue) -> int:
    async def work(engine: ChatEngine) -> None:
        found = await engine.complete(given.prompt, model=given.model)
        if given.json:
            show_json(asdict(found))
        else:
            show(found.text)

    return on_engine(given, words, work)


def _moderate(given: argparse.Namespace, words: Catalogue) -> int:
    async def work(engine: ChatEngine) -> None:
        found = await engine.moderate(given.text, model=given.model)
        if given.json:
            show_json(asdict(found))
        else:
            risks = ", ".join(one_line(label) for label in found.labels)
            print(words.t(f"cli.moderate.{found.level}") + (f": {risks}" if risks else ""))

    return on_engine(given, words, work)


def _embed(given: argparse.Namespace, words: Catalogue) -> int:
    async def work(engine: ChatEngine) -> None:
        found = await engine.embed(given.texts, model=given.model)
        if given.json:
            show_json(asdict(found))
            return
        for text, vector in zip(given.texts, found.vectors, strict=True):
            numbers = " ".join(f"{number:.4f}" for number in vector[:SHOWN])
            more = " ..." if len(vector) > SHOWN else ""
            print(
                words.t("cli.embed.line", size=len(vector), numbers=numbers + more, text=one_line(text, 40))
            )

    return on_engine(given, words, work)


def _draw(given: argparse.Namespace, words: Catalogue) -> int:
    async def work(engine: ChatEngine) -> None:
        found = await engine.draw(given.prompt, model=given.model, n=given.n, size=given.size)
        kept = await keep(found, given.out, engine.settings)
        if given.json:
            show_json({"model": found.model, **kept})
        else:
            show_kept(kept, words)

    return on_engine(given, words, work)


async def keep(drawing: Drawing, out: str | None, settings: Settings) -> dict[str, list[str]]:
    """Writes the images to files; the URLs of those that cannot be fetched, and what was not drawn."""
    from duihua.drawings import save
    from duihua.providers.http import client

    proxy = settings.proxy
    async with client(proxy=proxy.get_secret_value() if proxy else None) as http:
        files, urls = await save(drawing.pictures, out, http)
    return {"files": [str(file) for file in files], "urls": urls, "failures": list(drawing.failures)}


def show_kept(kept: Mapping[str, Sequence[str]], words: Catalogue) -> None:
    """Where the images are, and why some are not."""
    for line in (*kept["files"], *kept["urls"]):
        print(one_line(line, 4_000))
    for failure in kept["failures"]:
        complain(words.t("cli.draw.failed", reason=failure))


def _transcribe(given: argparse.Namespace, words: Catalogue) -> int:
    audio = _read(Path(given.file))
    mime = mimetypes.guess_type(given.file)[0] or "application/octet-stream"

    async def work(engine: ChatEngine) -> None:
        name, language = Path(given.file).name, given.language
        found = await engine.transcribe(audio, name=name, mime=mime, language=language, model=given.model)
        if given.json:
            show_json(asdict(found))
        else:
            show(found.text)

    return on_engine(given, words, work)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as e:
        raise _unusable(path, str(e.strerror)) from None
    if len(data) > LONGEST:
        raise _unusable(path, f"> {LONGEST >> 20} MB")
    return data


def _unusable(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"cannot read {path}: {reason}", "config_file", path=str(path), reason=reason)


def _count(given: argparse.Namespace, words: Catalogue) -> int:
    text = sys.stdin.read() if given.text == "-" else given.text

    async def work(engine: ChatEngine) -> None:
        found = await engine.count_tokens(text, model=given.model)
        cost = engine.estimate_cost(found.model, found.tokens, 0)
        answered = engine.estimate_cost(found.model, found.tokens, given.output or 0)
        if given.json:
            costs = {"cost": cost, "output": given.output, "cost_with_output": answered}
            show_json({**asdict(found), **costs})
            return
        code = "cli.count.exact" if found.exact else "cli.count.estimate"
        print(words.t(code, tokens=f"{found.tokens:,}", model=found.model))
        if cost is None:
            print(words.t("cli.count.no_price", model=found.model))
            return
        print(words.t("cli.count.cost", cost=cost))
        if given.output is not None:
            print(words.t("cli.count.cost_with_answer", cost=answered, tokens=f"{given.output:,}"))

    return on_engine(given, words, work)
