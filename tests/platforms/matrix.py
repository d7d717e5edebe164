"""The table "platform x ability" of docs/providers.md, made by trying every cell.

    python -m tests.platforms.matrix            prints it
    python -m tests.platforms.matrix --write    puts it into the documents

Ends with 1 if something fails, is missing without a reason, or has a reason and works.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from duihua import ChatEngine, Settings
from duihua.providers import registry
from duihua.providers.http import Transport
from duihua.providers.retry import Retry
from duihua.simulator import Simulator
from duihua_storage import open_store
from tests.platforms.rows import ROWS, Bench, Lacks, Row

ROOT = Path(__file__).parents[2]
DOCUMENTS = {"en": ROOT / "docs/providers.md", "zh": ROOT / "docs/providers.zh-CN.md"}
BLOCK = re.compile(r"(?<=<!-- begin: generated -->\n).*?(?=<!-- end: generated -->)", re.S)
AT_ONCE = 16
"""Cells that are tried at the same time."""


@dataclass(frozen=True)
class Reason:
    """Why a cell is empty, in both languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class Table:
    """What was found: (row, platform) -> the cell is full; and what was wrong."""

    cells: Mapping[tuple[str, str], bool]
    wrong: tuple[str, ...]


# ---------------------------------------------------------------- trying


async def tried(reasons: Mapping[tuple[str, str], Reason]) -> Table:
    """Tries every row on every platform."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            benches = await _benches(stack, folder)
            turn = asyncio.Semaphore(AT_ONCE)
            pairs = [(row, bench) for row in ROWS for bench in benches]
            ends = await asyncio.gather(*(_cell(row, bench, turn) for row, bench in pairs))
    cells: dict[tuple[str, str], bool] = {}
    wrong: list[str] = []
    for (row, bench), end in zip(pairs, ends, strict=True):
        place = row.key, bench.platform
        cells[place] = end is None
        if end is None and place in reasons:
            wrong.append(f"{place}: has a reason to be missing, and works")
        elif isinstance(end, Lacks) and place not in reasons:
            wrong.append(f"{place}: is missing without a reason")
        elif end is not None and not isinstance(end, Lacks):
            wrong.append(f"{place}: {type(end).__name__}: {end}")
    wrong += [f"{place}: a reason for no cell" for place in reasons if place not in cells]
    return Table(cells, tuple(wrong))


async def _cell(row: Row, bench: Bench, turn: asyncio.Semaphore) -> Exception | None:
    async with turn:
        try:
            await row.check(bench)
        except Exception as e:
            return e
    return None


async def _benches(stack: AsyncExitStack, folder: str) -> list[Bench]:
    simulator = await stack.enter_async_context(Simulator(pieces=4))
    transport = Transport()
    stack.push_async_callback(transport.aclose)
    settings = Settings.load(None, lang="en", timezone="Asia/Shanghai").replaced(_settings(simulator))

    async def engine(name: str, **changes: str) -> ChatEngine:
        url = f"sqlite+aiosqlite:///{folder}/{name}.db"
        own = settings.replaced({"DUIHUA_DATABASE_URL": url, **changes})
        retry = Retry(sleep=_at_once)
        clients = {n: registry.create(n, own, transport=transport, retry=retry) for n in registry.PLATFORMS}
        made = ChatEngine(
            "zhipu/glm-4.7", settings=own, provider=clients, store=open_store(url, upgrade=True)
        )
        return await stack.enter_async_context(made)

    keys = {name: "another.key" for p in registry.PLATFORMS.values() for way in p.ways for name in way}
    engines = (
        await engine("usual"),
        await engine("whole", DUIHUA_STREAM="false"),
        await engine("dropping", DUIHUA_MODERATION="drop_turn"),
        await engine("keyless", **keys),
    )
    return [Bench(platform, simulator, *engines, numbers=count()) for platform in registry.PLATFORMS]


def _settings(simulator: Simulator) -> dict[str, str]:
    """All keys: lists of Qianfan's services are given to signed requests only."""
    keys = simulator.keys
    pair = {
        "QIANFAN_ACCESS_KEY_ID": keys.access_key_id,
        "QIANFAN_ACCESS_KEY_SECRET": keys.access_key_secret,
    }
    return {**simulator.settings(), **pair}


async def _at_once(seconds: float) -> None:
    """How long retries wait is tested elsewhere."""


# ---------------------------------------------------------------- showing


def block(table: Table, reasons: Mapping[tuple[str, str], Reason], language: str) -> str:
    """The table and its footnotes, as Markdown."""
    notes: list[Reason] = []

    def cell(row: Row, platform: str) -> str:
        place = row.key, platform
        if table.cells[place]:
            return "✓"
        reason = reasons.get(place)
        if reason is None:
            return "?"
        if reason not in notes:
            notes.append(reason)
        return f"({notes.index(reason) + 1})"

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def text(value: Any) -> str:
        return getattr(value, language)

    lines = [line(["", *(f"`{name}`" for name in registry.PLATFORMS)])]
    lines.append("|---|" + ":-:|" * len(registry.PLATFORMS))
    lines += [line([text(row), *(cell(row, name) for name in registry.PLATFORMS)]) for row in ROWS]
    lines += ["", *(f"{number}. {text(note)}" for number, note in enumerate(notes, 1))]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, or writes it."""
    parser = argparse.ArgumentParser(prog="python -m tests.platforms.matrix")
    parser.add_argument("--write", action="store_true", help="write it into the documents")
    given = parser.parse_args(arguments)
    table = asyncio.run(tried(REASONS))
    for line in table.wrong:
        print(line, file=sys.stderr)
    if not given.write:
        print(block(table, REASONS, "en"))
    elif not table.wrong:  # what is wrong does not get into the documents
        for language, path in DOCUMENTS.items():
            path.write_text(
                BLOCK.sub(lambda _: block(table, REASONS, language), path.read_text("utf-8")),
                "utf-8",  # noqa: B023
            )
    return 1 if table.wrong else 0


REASONS: Mapping[tuple[str, str], Reason] = {}

if __name__ == "__main__":
    raise SystemExit(main())
