"""`python -m benchmarks.everyday`: how well everyday talk is found when it is asked for in other words.

Four small sets in the form of `benchmarks.memory_data` stand in `tests/data/everyday`: long conversations of
two people each, in English and Chinese, with questions that mostly say "manager" where the turn says "boss".
The lists of synonyms were tried on `en` and `zh`. The sets `held-out-...` were written before those lists, by
the same hand, and never tuned on.

Printed for each: the share of questions with a turn that answers them among the first 1, 5 and 10 hits, in
each person's own memory and in one of both. `--check` exits with 1 when fewer than `GOAL` percent have one
among the first ten of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import Score, ask, remember
from benchmarks.memory_data import read

DATA = Path(__file__).parent.parent / "tests" / "data" / "everyday"
GOAL = 70.0


async def asked(folder: Path) -> list[Score]:
    """What came out of the questions of a set: of the memories of their own, and of one of all."""
    lines, questions = read(folder)
    scores: list[Score] = []
    with tempfile.TemporaryDirectory(prefix="duihua-everyday-") as name:
        for case in ("own", "pooled"):
            memory = await remember(Path(name), case, lines, pooled=case == "pooled")
            scores.append(await ask(case, memory, questions))
            await memory.store.aclose()
    return scores


def line(name: str, scores: list[Score]) -> str:
    """A set's figures in one line."""
    shares = (f"{s.name} {'/'.join(f'{s.any(k):.1%}' for k in (1, 5, 10))}" for s in scores)
    return f"everyday {name}: any@1/5/10 {', '.join(shares)}, {len(scores[0].ranks)} questions"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everyday")
    parser.add_argument("--check", action="store_true", help=f"fail below {GOAL:g} percent")
    args = parser.parse_args()
    missed = False
    for folder in sorted(DATA.iterdir()):
        scores = asyncio.run(asked(folder))
        print(line(folder.name, scores), flush=True)
        missed |= 100 * scores[0].any(10) < GOAL
    return 1 if missed and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
