"""`python -m tests.fuzz [--count N] [--seed N]`: damaged answers for every reader of answers.

Each platform's answers are recorded from the simulator, streamed and whole, changed at random or cut off, and
fed to the platform's reader in pieces. What comes out is checked: typed errors only, no invented text, the
same however the network cuts it. What is found is kept in the current folder; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.providers.damage import damage, finding
from tests.providers.recorded import KINDS, recorded

COUNT = 50_000
SLOW = 10.0
"""Seconds after which the place where an answer is read is printed; it is read on."""
KEPT = 5
"""Findings of each reader that are kept; the others are counted."""


@dataclass
class Row:
    """One reader: answers tried, findings, the longest time for one answer (seconds)."""

    kind: str
    tried: int = 0
    findings: int = 0
    longest: float = 0.0


async def answers(kind: str) -> list[bytes]:
    """What a platform says, undamaged."""
    return await recorded(kind, stream=True) + await recorded(kind, stream=False)


def fuzz(kind: str, streams: list[bytes], count: int, seed: int, folder: Path) -> Row:
    """Tries one reader; its findings are printed and kept in `folder`."""
    row, rng = Row(kind), random.Random(f"{seed} {kind}")
    for number in range(count):
        data = damage(rng, streams)
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
        faulthandler.dump_traceback_later(SLOW, file=sys.__stderr__)
        began = time.perf_counter()
        wrong = finding(KINDS[kind], data, *cuts)
        row.longest = max(row.longest, time.perf_counter() - began)
        row.tried += 1
        if wrong:
            row.findings += 1
            if row.findings <= KEPT:
                place = folder / f"fuzz-{kind.replace(' ', '-')}-{seed}-{number}.bin"
                place.write_bytes(data)
                print(f"{kind}: {wrong}; cut at {cuts}; kept in {place}", flush=True)
    faulthandler.cancel_dump_traceback_later()
    return row


def main() -> int:
    """The table; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help=f"answers in all ({COUNT})")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    share, rest = divmod(given.count, len(KINDS))
    rows: list[Row] = []
    for place, kind in enumerate(KINDS):
        streams = asyncio.run(answers(kind))
        row = fuzz(kind, streams, share + (place < rest), given.seed, Path.cwd())
        rows.append(row)
        told = f"{row.findings} findings  longest {row.longest:.3f} s"
        print(f"{kind:12} {row.tried:7,} answers  {told}", flush=True)
    tried, found = sum(row.tried for row in rows), sum(row.findings for row in rows)
    print(f"{tried:,} damaged answers, {len(rows)} readers: {found or 'no'} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
