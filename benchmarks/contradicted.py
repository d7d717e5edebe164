"""`python -m benchmarks.contradicted [FILE...]`: is what was said earlier superseded where it holds no more?

Each pair, an earlier and a later statement of one person, is said to a real engine. No model has a part in
it. The facts that rest on the earlier statement must hold no more and be kept as history (`"old": "gone"`),
or all hold still (`"old": "stays"`: what came later is compatible, a plan, a supposition, of somebody else).

A file has one pair a line, as JSON:

    {"first": "I live in Rome.", "then": "I live in Milan now.", "old": "gone", "new": "Milan"}

`new`, where there is one, must stand in a fact that rests on the later statement and holds. `--check` exits
with 1 where fewer than the file's goal in percent are right, among those of either sort.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from duihua import ChatEngine, Settings
from duihua.memories import Fact
from duihua.messages import Usage
from duihua.ports import Finish, Request
from duihua.testing.scripted import ScriptedModel

DATA = Path(__file__).parent.parent / "tests" / "data"
GOALS = {"contradicted.jsonl": 90.0, "contradicted_held_out.jsonl": 80.0}
"""Percent of the pairs that must be right, of those to tune on and of those that were never tuned on."""


@dataclass(frozen=True)
class Pair:
    """One line of a file."""

    first: str
    then: str
    old: Literal["gone", "stays"]
    new: str = ""

    def right(self, facts: Sequence[Fact]) -> bool:
        """Whether the facts, with their history, are as they should be after both statements."""
        first, then = ([fact for fact in facts if seq in _turns(fact)] for seq in (1, 2))
        if not first or any(bool(fact.superseded_by) == (self.old == "stays") for fact in first):
            return False
        return any(self.new in fact.text and not fact.superseded_by for fact in then) or not self.new


def _turns(fact: Fact) -> set[int]:
    return {source.seq for source in fact.sources}


def load(file: Path) -> list[Pair]:
    """The pairs of a file."""
    return [
        Pair(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


async def judged(pairs: Sequence[Pair]) -> list[tuple[Pair, list[Fact]]]:
    """Each pair with the facts that an engine has of whoever said it."""

    def answer(request: Request) -> tuple[str, Finish]:
        return "OK.", Finish("stop", Usage(round(request.packed.tokens), 10), request.model)

    with tempfile.TemporaryDirectory(prefix="duihua-contradicted-") as folder:
        url = f"sqlite+aiosqlite:///{folder}/facts.db"
        settings = Settings.load(env_file=None, database_url=url, memory_model="none")
        async with ChatEngine(
            "scripted/any", settings=settings, provider={"scripted": ScriptedModel(answer)}
        ) as engine:
            found: list[tuple[Pair, list[Fact]]] = []
            for number, pair in enumerate(pairs):
                session = engine.session(f"pair {number}")
                for text in (pair.first, pair.then):
                    await session.ask(text)
                    await engine.upkeep.flush()
                found.append((pair, await session.facts(superseded=True)))
            return found


def report(name: str, found: Sequence[tuple[Pair, list[Fact]]], *, verbose: bool) -> float:
    """Prints how many pairs of a file are right; returns percent, of the sort that is worse."""
    shares: list[float] = []
    for old, what in (("gone", "contradictions seen"), ("stays", "compatible statements left alone")):
        of = [(pair, facts) for pair, facts in found if pair.old == old]
        right = sum(pair.right(facts) for pair, facts in of)
        shares.append(100 * right / max(1, len(of)))
        print(f"{name}: {right} of {len(of)} {what}, {shares[-1]:.1f} %")
        for pair, facts in of if verbose else ():
            if not pair.right(facts):
                held = [fact.text for fact in facts if not fact.superseded_by]
                print(f"  {pair.first} | {pair.then} -> {held}")
    return min(shares)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contradicted")
    parser.add_argument("files", nargs="*", type=Path, help="default: those in tests/data")
    parser.add_argument("--verbose", action="store_true", help="print each pair that is not right")
    parser.add_argument("--check", action="store_true", help="fail below a file's goal")
    args = parser.parse_args()
    files = args.files or [DATA / name for name in GOALS]
    low = False
    for file in files:
        share = report(file.name, asyncio.run(judged(load(file))), verbose=args.verbose)
        low |= share < GOALS.get(file.name, min(GOALS.values()))
    return 1 if args.check and low else 0


if __name__ == "__main__":
    sys.exit(main())
