"""`make bench-memory DATA=folder`: how well past turns are found, on any data set.

Its form is told in `benchmarks.memory_data`. What is not so ends the run with 2 and a line that says where it
stands.

Each question is asked once, through `LexicalRecall` over a real SQLite store, in three cases: `own` (each
user has a memory of their own), `pooled` (all turns in one memory), `pooled, named` (the same, the asker's
name put before the question; only if there are askers). `blend` asks again with embeddings of the simulator,
over its wire. Of the first k hits, `recall@k` is the mean share of a question's evidence that is among them,
`any@k` the share of questions with some of it, `all@k` with all of it. Latency is of a whole search for as
many hits as usual, with their texts, in wall time, before anything of that question is cached. Facts are not
extracted: turns alone are found.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, func, insert, select

from benchmarks.memory_data import Asked, DataError, Line, places, places_of, read, unknown
from duihua.codec import encode
from duihua.memories import Document, Kept, Place
from duihua.memory.recall import Embed, LexicalRecall
from duihua.memory.terms import document_terms
from duihua.messages import Address, Text
from duihua.simulator import Simulator
from duihua.testing.engines import simulated_engine
from duihua_storage import SqlStore, upgrade
from duihua_storage.sessions import address_bytes
from duihua_storage.tables import identities, segments, sessions, steps, turns, users

DEPTHS = (1, 5, 10, 20)
EMBEDDER = "qianfan/embedding-v1"
TARGETS = {"own": (5, 0.93), "pooled": (10, 0.80)}
"""The least share of questions with evidence among the first so many hits, on the practice data."""
SIZE = 3.0
"""The index is at most so many times the text."""


@dataclass
class Memory:
    """A store with the data in it: whose turns are whose, and where each line went."""

    store: SqlStore
    owners: Mapping[str, int]
    places: Mapping[tuple[str, str], frozenset[Place]]  # (user, id or session)
    bytes: int
    text: int
    turns: int
    indexing: float  # CPU seconds


@dataclass
class Score:
    """What came out of the questions of a case."""

    name: str
    ranks: list[list[int]] = field(default_factory=list[list[int]])  # of each piece of evidence, from 0
    times: list[float] = field(default_factory=list[float])

    def share(self, k: int) -> float:
        """The mean share of the evidence that is among the first k."""
        return mean(sum(rank < k for rank in ranks) / len(ranks) for ranks in self.ranks)

    def any(self, k: int) -> float:
        """The share of questions with some of their evidence among the first k."""
        return mean(min(ranks) < k for ranks in self.ranks)

    def all(self, k: int) -> float:
        """The share of questions with all of their evidence among the first k."""
        return mean(max(ranks) < k for ranks in self.ranks)

    def mrr(self) -> float:
        """The mean of 1 / place of the first evidence."""
        return mean(1 / (1 + min(ranks)) if min(ranks) < DEPTHS[-1] else 0.0 for ranks in self.ranks)

    def line(self, memory: Memory) -> str:
        """All of it in one line."""
        parts = [f"{self.name}:"]
        for name, of in (("recall", self.share), ("any", self.any), ("all", self.all)):
            parts.append(f"{name}@{'/'.join(map(str, DEPTHS))} {'/'.join(f'{of(k):.1%}' for k in DEPTHS)},")
        times = sorted(self.times)
        parts.append(
            f"MRR {self.mrr():.3f}, p50 {quantile(times, 0.5):.2f} ms, p95 {quantile(times, 0.95):.2f} ms,"
        )
        parts.append(
            f"index {memory.bytes / 1024:,.0f} KiB ({memory.bytes / max(memory.text, 1):.2f} x the text),"
        )
        parts.append(f"{len(self.ranks)} questions, {memory.turns} turns")
        return " ".join(parts)


def mean(numbers: Iterable[float]) -> float:
    listed = list(numbers)
    return sum(listed) / len(listed) if listed else 0.0


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0


# ---------------------------------------------------------------- store


async def remember(folder: Path, name: str, lines: Sequence[Line], *, pooled: bool) -> Memory:
    """Puts the data into a database and lets memory index it, session by session as upkeep does."""
    path = folder / f"{name}.db"
    url = f"sqlite+aiosqlite:///{path}"
    upgrade(url)
    owners, made = written(path, lines, pooled=pooled)
    store = SqlStore(url)
    await store.open()
    cpu = time.process_time()
    for session, owner in made:
        while (chore := await store.chore(session)) and chore.turns:
            documents = tuple(Document(t.ref, t.at, document_terms(t)) for t in chore.turns)
            await store.keep(chore, Kept(chore.turns[-1].ref.seq, owner, documents=documents))
    cpu = time.process_time() - cpu
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        size = connection.execute(select(func.sum(func.length(segments.c.body)))).scalar() or 0
    engine.dispose()
    text = sum(len((line.text + line.reply).encode()) for line in lines)
    return Memory(store, owners, places(lines), size, text, len(lines), cpu)


def written(
    path: Path, lines: Sequence[Line], *, pooled: bool
) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """Writes people, sessions and turns as they would be stored; returns owners, and (session, owner)."""
    people: dict[str, int] = {}
    owners: dict[str, int] = {}
    of_session: dict[int, int] = {}
    count: dict[int, int] = {}
    stored: dict[str, list[dict[str, Any]]] = {"turns": [], "steps": []}
    for line, (session, seq) in zip(lines, places_of(lines), strict=True):
        owner = "" if pooled else line.user
        owners[line.user] = of_session[session] = people.setdefault(f"owner {owner}", len(people) + 1)
        author = people.setdefault(f"named {line.speaker}", len(people) + 1) if line.speaker else None
        count[session] = seq
        common = {"session_id": session, "seq": seq}
        stored["turns"].append(
            {**common, "parent": seq - 1, "state": "done", "author_id": author, "finish": "stop"}
            | {"input": encode((Text(line.text),)), "started": line.at, "ended": line.at}
        )
        if line.reply:
            stored["steps"].append(
                {**common, "step": 0, "content": encode((Text(line.reply),)), "at": line.at}
            )
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(insert(users), [{"id": n, "created": 0} for n in people.values()])
        named = [
            {"tenant": "main", "front": "bench", "external": str(n), "user_id": n, "name": key[6:]}
            for key, n in people.items()
            if key.startswith("named ")
        ]
        if named:
            connection.execute(insert(identities), named)
        connection.execute(
            insert(sessions),
            [
                {"id": s, "key": f"bench/{s}", "front": "bench", "owner_id": of_session[s], "created": 0}
                | {
                    "address": address_bytes(Address("bench", str(s))),
                    "head": n,
                    "next_seq": n + 1,
                    "touched": 0,
                }
                for s, n in count.items()
            ],
        )
        connection.execute(insert(turns), stored["turns"])
        if stored["steps"]:
            connection.execute(insert(steps), stored["steps"])
    engine.dispose()
    return owners, sorted(of_session.items())


# ---------------------------------------------------------------- asking


async def ask(
    name: str, memory: Memory, asked: Sequence[Asked], *, named: bool = False, embed: Embed | None = None
) -> Score:
    """Asks all questions and looks where the evidence is among the hits."""
    score = Score(name)
    now = 0
    recall = LexicalRecall(memory.store, timezone=UTC, embed=embed, model=EMBEDDER, clock=lambda: now)
    for question in asked:
        now = question.at
        wanted = [memory.places.get((question.user, one), frozenset()) for one in question.evidence]
        text = f"{question.asker} {question.text}" if named else question.text
        begun = time.perf_counter()
        await recall.search(memory.owners[question.user], text)
        score.times.append(time.perf_counter() - begun)
        hits = await recall.search(memory.owners[question.user], text, limit=DEPTHS[-1])
        found = [(hit.ref.session, hit.ref.seq) for hit in hits if hit.ref]
        score.ranks.append(
            [min((found.index(p) for p in those if p in found), default=DEPTHS[-1]) for those in wanted]
        )
    return score


async def bench(data: Path, *, blend: bool) -> list[str]:
    """Prints a line for each case; returns what missed its target."""
    lines, asked = read(data)
    if warning := unknown(lines, asked):
        print(f"{data}: {warning}", file=sys.stderr)
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="duihua-bench-") as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            cases: list[tuple[Score, Memory, bool]] = []
            for case in ("own", "pooled"):
                memory = await remember(folder, case, lines, pooled=case == "pooled")
                stack.push_async_callback(memory.store.aclose)
                cases.append((await ask(case, memory, asked), memory, False))
                if case == "pooled" and any(question.asker for question in asked):
                    cases.append((await ask("pooled, named", memory, asked, named=True), memory, True))
            for score, memory, _ in cases:
                print(score.line(memory), flush=True)
                k, least = TARGETS.get(score.name, (1, 0.0))
                if score.any(k) < least:
                    missed.append(f"{score.name}: any@{k} is {score.any(k):.1%}, below {least:.0%}")
                if memory.bytes > SIZE * memory.text:
                    missed.append(f"{score.name}: the index is more than {SIZE:g} times the text")
            each = cases[0][1]
            cost = each.indexing / max(each.turns, 1) * 1000
            print(f"indexing: {cost:.2f} ms CPU for each turn, with reading it and the commit")
            if blend:
                missed += await blended(folder, stack, cases, asked)
    return missed


async def blended(
    folder: Path,
    stack: contextlib.AsyncExitStack,
    cases: Sequence[tuple[Score, Memory, bool]],
    asked: Sequence[Asked],
) -> list[str]:
    """Asks again with embeddings of the simulator, by its wire."""
    simulator = await stack.enter_async_context(Simulator(port=0, speed=True))
    made = simulated_engine(simulator, database_url=f"sqlite+aiosqlite:///{folder / 'engine.db'}")
    engine = await stack.enter_async_context(made)

    async def embed(texts: Sequence[str], query: bool) -> Sequence[Sequence[float]]:
        return (await engine.embed(texts, model=EMBEDDER, query=query)).vectors

    missed: list[str] = []
    for plain, memory, named in cases:
        score = await ask(f"blend, {plain.name}", memory, asked, named=named, embed=embed)
        lexical, both = plain.any(10), score.any(10)
        print(
            f"{score.name}: any@10 {both:.1%} (words alone {lexical:.1%}), recall@10 {score.share(10):.1%} "
            f"({plain.share(10):.1%}), MRR {score.mrr():.3f} ({plain.mrr():.3f})",
            flush=True,
        )
        if both < lexical:
            missed.append(f"{score.name}: any@10 is {both:.1%}, words alone {lexical:.1%}")
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench-memory")
    parser.add_argument("data", type=Path, help="a folder with conversations.jsonl and questions.jsonl")
    parser.add_argument(
        "--check", action="store_true", help="fail when a target of the practice data is missed"
    )
    parser.add_argument("--no-blend", action="store_true", help="without embeddings")
    args = parser.parse_args(arguments)
    try:
        missed = asyncio.run(bench(args.data, blend=not args.no_blend))
    except DataError as e:
        print(e, file=sys.stderr)
        return 2
    if not args.check:
        return 0  # other data may well be harder
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
