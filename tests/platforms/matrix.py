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
Place = tuple[str, str]
"""A row's key and a platform."""
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

    cells: Mapping[Place, bool]
    wrong: tuple[str, ...]


# ---------------------------------------------------------------- why cells are empty

_NATIVE = Reason(
    "Take `dashscope/...`, the native wire, with the same key.",
    "请用原生接口 `dashscope/...`，密钥相同。",
)
_REASONS: Mapping[Reason, Mapping[str, str]] = {
    Reason(
        "An answer of this wire holds one call; several are made one after the other.",
        "此接口一次回答只能带一个调用；有几个就依次进行。",
    ): {"parallel": "qianfan"},
    Reason(
        "The platform's models that duihua knows read text only; images are refused before they go out.",
        "duihua 所知的该平台模型只读文字；图片在发送之前就会被拒绝。",
    ): {"images": "qianfan"},
    Reason(
        "The platform documents no such option; `/retry` gives another answer.",
        "平台文档里没有这个参数；可用 `/retry` 再要一个回答。",
    ): {"several": "qianfan qianfan-v2 genstudio zhipu"},
    Reason("The platform documents no completion of texts.", "平台文档里没有文本续写。"): {
        "complete": "qianfan-v2 genstudio zhipu"
    },
    Reason("The platform documents no chat in the background.", "平台文档里没有后台对话。"): {
        "start": "qianfan qianfan-v2 modelarts genstudio openai dashscope dashscope-compatible"
    },
    Reason(
        "The platform documents no drawing in the background; `draw` waits for the image.",
        "平台文档里没有后台画图；`draw` 会等到图片画好。",
    ): {"start_drawing": "qianfan qianfan-v2 modelarts openai"},
    Reason(
        "The platform's drawing services are documented in part only; duihua leaves them alone.",
        "平台的画图服务文档不全，duihua 没有接入。",
    ): {"start_drawing": "genstudio", "draw": "genstudio"},
    _NATIVE: {
        "complete": "dashscope-compatible",
        "start_drawing": "dashscope-compatible",
        "draw": "dashscope-compatible",
        "count_tokens": "dashscope-compatible",
        "measure": "dashscope-compatible",
    },
    Reason(
        "The platform documents no service that judges a text; it judges what is said in a chat.",
        "平台文档里没有单独的文本审核服务；对话内容在对话时审核。",
    ): {"moderate": "qianfan qianfan-v2 modelarts genstudio dashscope dashscope-compatible"},
    Reason(
        "duihua sends recordings over OpenAI's wire only (`/audio/transcriptions`): set up a server that has "
        "it as `openai/...`.",
        "录音只通过 OpenAI 接口发送（`/audio/transcriptions`）：请把有此接口的服务配成 `openai/...`。",
    ): {"transcribe": "qianfan qianfan-v2 modelarts genstudio zhipu dashscope dashscope-compatible"},
    Reason(
        "The platform documents no token count; duihua estimates and says so.",
        "平台文档里没有词元计数；duihua 给出估算值并注明。",
    ): {"count_tokens": "qianfan-v2 modelarts openai"},
    Reason(
        "The platform does not tell; the documented limits in duihua's own table hold.",
        "平台不告知；按 duihua 自带表中的文档限额。",
    ): {"measure": "qianfan qianfan-v2"},
}
REASONS: Mapping[Place, Reason] = {
    (row, platform): reason
    for reason, rows in _REASONS.items()
    for row, platforms in rows.items()
    for platform in platforms.split()
}


# ---------------------------------------------------------------- trying


async def tried(reasons: Mapping[Place, Reason]) -> Table:
    """Tries every row on every platform."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            benches = await _benches(stack, folder)
            turn = asyncio.Semaphore(AT_ONCE)
            pairs = [(row, bench) for row in ROWS for bench in benches]
            ends = await asyncio.gather(*(_cell(row, bench, turn) for row, bench in pairs))
    places = [(row.key, bench.platform) for row, bench in pairs]
    return judged(dict(zip(places, ends, strict=True)), reasons)


def judged(ends: Mapping[Place, Exception | None], reasons: Mapping[Place, Reason]) -> Table:
    """What the trials of all cells come to; an end is None where it worked."""
    wrong: list[str] = []
    for place, end in ends.items():
        if end is None and place in reasons:
            wrong.append(f"{place}: has a reason to be missing, and works")
        elif isinstance(end, Lacks) and place not in reasons:
            wrong.append(f"{place}: is missing without a reason")
        elif end is not None and not isinstance(end, Lacks):
            wrong.append(f"{place}: {type(end).__name__}: {end}")
    wrong += [f"{place}: a reason for no cell" for place in reasons if place not in ends]
    return Table({place: end is None for place, end in ends.items()}, tuple(wrong))


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


def block(table: Table, reasons: Mapping[Place, Reason], language: str) -> str:
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


def replaced(document: str, generated: str) -> str:
    """A document with another table in it."""
    return BLOCK.sub(lambda _: generated, document)


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
            path.write_text(replaced(path.read_text("utf-8"), block(table, REASONS, language)), "utf-8")
    return 1 if table.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
