"""`duihua models`: which models there are, how long they listen, what they can do."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from duihua.ability_commands import Command, show_json
from duihua.errors import NotFound, ProviderError
from duihua.escapes import aligned
from duihua.program import complain, load_settings, make_able_engine

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.prices import Price
    from duihua.providers.platform import ModelInfo
    from duihua_prompts import Catalogue


def add(command: Command, words: Catalogue) -> None:
    """Adds the command to the program."""
    models = command("models", _models)
    models.add_argument("platform", metavar="PLATFORM", nargs="?", help=words.t("cli.models.platform"))
    models.add_argument("--provider", metavar="PLATFORM", help=words.t("cli.models.platform"))
    models.add_argument("--chip", metavar="CHIP", help=words.t("cli.models.chip"))
    models.add_argument("--family", metavar="FAMILY", help=words.t("cli.models.family"))
    models.add_argument("--live", action="store_true", help=words.t("cli.models.live"))
    models.add_argument("--json", action="store_true", help=words.t("cli.able.json"))


def _models(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.prices import Prices
    from duihua.providers import registry

    settings = load_settings()
    named = [name.lower() for name in (given.platform, given.provider) if name is not None]
    for name in named:
        if name not in registry.PLATFORMS:
            raise NotFound("platform", name, tuple(registry.PLATFORMS))
    platform = named[0] if named else None
    known = asyncio.run(_asked(platform, settings, words)) if given.live else registry.models(settings)
    _check("chip", given.chip, {info.chip for info in known})
    _check("family", given.family, {info.family for info in known})
    chosen = [info for info in known if _wanted(info, named, given.chip, given.family)]
    prices = Prices.load(settings.prices)
    if given.json:
        for info in chosen:
            show_json(_plain(info, prices.of(info.name)))
    else:
        for line in aligned(_table([(info, prices.of(info.name)) for info in chosen], words)):
            print(line)
    return 0


def _check(what: str, wanted: str | None, known: set[str]) -> None:
    """Raises NotFound for a chip or family that no model has."""
    names = tuple(sorted(name for name in known if name))
    if wanted is not None and wanted.lower() not in {name.lower() for name in names}:
        raise NotFound(what, wanted, names)


async def _asked(platform: str | None, settings: Settings, words: Catalogue) -> list[ModelInfo]:
    """The models that the platforms list; one that does not answer is told, and its known ones stay."""
    from duihua.abilities import can
    from duihua.providers import registry
    from duihua_prompts import error_line

    async with AsyncExitStack() as stack:
        engine = await make_able_engine(None, settings, words, stack)
        await stack.enter_async_context(engine)
        if platform is not None:
            return await engine.models(platform, live=True)
        found = {info.name: info for info in await engine.models()}
        for name, one in registry.PLATFORMS.items():
            if registry.has_key(name, engine.settings) and can(one.client, "list_models"):
                try:
                    found |= {info.name: info for info in await engine.models(name, live=True)}
                except ProviderError as e:
                    complain(error_line(words, e))
        return list(found.values())


def _wanted(info: ModelInfo, platforms: Sequence[str], chip: str | None, family: str | None) -> bool:
    return (
        all(info.name.partition("/")[0] == platform for platform in platforms)
        and (chip is None or info.chip.lower() == chip.lower())
        and (family is None or info.family.lower() == family.lower())
    )


def _plain(info: ModelInfo, price: Price | None) -> dict[str, Any]:
    return {
        "model": info.name,
        "tokens": info.hard.tokens,
        "characters": info.hard.characters,
        "functions": info.functions,
        "abilities": sorted(info.abilities),
        "family": info.family,
        "chip": info.chip,
        "price": asdict(price) if price else None,
    }


def _table(models: Iterable[tuple[ModelInfo, Price | None]], words: Catalogue) -> Sequence[Sequence[str]]:
    """A heading and the rows; columns that nobody fills are left out."""
    names = ("model", "tokens", "characters", "functions", "price", "abilities", "of_family", "on_chip")
    rows = [
        (
            info.name,
            *(f"{limit:,}" if limit else "-" for limit in (info.hard.tokens, info.hard.characters)),
            words.t(f"cli.models.{info.functions}"),
            _priced(price) if price else "-",
            " ".join(sorted(info.abilities)) or "-",
            info.family or "-",
            info.chip or "-",
        )
        for info, price in models
    ]
    used = [place for place in range(len(names)) if place < 4 or any(row[place] != "-" for row in rows)]
    heading = [words.t(f"cli.models.{name}") for name in names]
    return [[row[place] for place in used] for row in (heading, *rows)]


def _priced(price: Price) -> str:
    """For example `≈0.8/2 CNY`: input and output per million tokens."""
    return f"{'≈' if price.about else ''}{price.input:.9g}/{price.output:.9g} {price.currency}"
