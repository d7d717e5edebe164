"""A comparison of models for readers: columns that fill side by side, blocks as they end, a table."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from duihua.command import Listing
from duihua.compare import Piece, Result
from duihua.escapes import Cleaner, clean

if TYPE_CHECKING:
    from duihua_prompts import Catalogue

FRAMES = 12
"""Pictures per second while the columns fill."""


def block(result: Result, words: Catalogue) -> str:
    """One model's answer under its name."""
    return f"── {result.model} ──\n{_said(result, words)}\n"


def figures(results: Sequence[Result], words: Catalogue) -> Listing:
    """The table below the answers: time to the first word, tokens per second, tokens, cost, end."""
    columns = ("model", "first", "seconds", "rate", "input", "output", "cost", "finish")
    rows: list[tuple[str, ...]] = []
    for result in results:
        first = "-" if result.first is None else f"{result.first:.2f}"
        rate = "-" if result.rate is None else f"{result.rate:.0f}"
        usage = result.usage
        rows.append(
            (
                result.model,
                first,
                f"{result.seconds:.2f}",
                rate,
                f"{usage.input:,}",
                f"{usage.output:,}",
                "-" if result.cost is None else str(result.cost),
                words.t(f"compare.ends.{result.finish}"),
            )
        )
    return Listing("", rows, [words.t(f"compare.{name}") for name in columns])


def _said(result: Result, words: Catalogue) -> str:
    from duihua_prompts import error_line

    if result.error is not None:
        return error_line(words, result.error)
    if result.finish == "flagged":
        return words.t("compare.flagged")
    return clean(result.text).strip() or words.t("compare.nothing")


async def blocks(items: AsyncIterator[Piece | Result], words: Catalogue) -> AsyncIterator[str | Listing]:
    """Each answer when it has ended, then the table."""
    results: list[Result] = []
    async for item in items:
        if isinstance(item, Result):
            results.append(item)
            yield block(item, words)
    yield figures(results, words)


async def show(
    items: AsyncIterator[Piece | Result], models: Sequence[str], words: Catalogue, *, as_json: bool = False
) -> list[Result]:
    """Shows a comparison on the standard output; returns the results in the order of `models`."""
    if as_json:
        results = [item async for item in items if isinstance(item, Result)]
    elif sys.stdout.isatty():
        results = await _side_by_side(items, models, words)
    else:
        results = await _one_by_one(items, words)
    results.sort(key=lambda result: models.index(result.model))
    if as_json:
        print(orjson.dumps([result.as_dict() for result in results]).decode())
    else:
        print(figures(results, words).text)
    return results


async def _one_by_one(items: AsyncIterator[Piece | Result], words: Catalogue) -> list[Result]:
    """Each answer whole, when it has ended."""
    results: list[Result] = []
    async for item in items:
        if isinstance(item, Result):
            results.append(item)
            print(block(item, words), flush=True)
    return results


async def _side_by_side(
    items: AsyncIterator[Piece | Result], models: Sequence[str], words: Catalogue
) -> list[Result]:
    """Columns in a terminal; each shows the end of what its model has said so far."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    cleaners = {model: Cleaner() for model in models}
    texts = dict.fromkeys(models, "")
    results: list[Result] = []
    with Live(console=console, refresh_per_second=FRAMES, transient=False) as live:
        async for item in items:
            if isinstance(item, Piece):
                texts[item.model] += cleaners[item.model].feed(item.text)
            else:
                texts[item.model] = _said(item, words)
                results.append(item)
            whole = len(results) == len(models)
            height = 10_000 if whole else max(4, console.size.height - 4)
            live.update(_grid(texts, {r.model for r in results}, console.size.width, height))
    return results


def _grid(texts: dict[str, str], ended: set[str], width: int, height: int) -> Any:
    from rich.columns import Columns
    from rich.panel import Panel
    from rich.text import Text

    across = max(1, min(len(texts), width // 30))
    each = width // across - 1
    panels: list[Panel] = []
    for model, text in texts.items():
        lines = Text(text).wrap(_wrapping(), max(1, each - 4))
        tail = Text("\n").join(lines[-height:])
        panels.append(Panel(tail, title=model, width=each, border_style="green" if model in ended else ""))
    return Columns(panels, padding=(0, 0))


def _wrapping() -> Any:
    from rich.console import Console

    return Console()
