"""Looks at what crashed processes left behind: the database and the skills' own file of effects."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ANSWERED = """
    SELECT i.source_id, count(t.seq) FROM inbox i
    LEFT JOIN turns t ON t.session_id = i.session_id AND t.seq = i.turn_seq
        AND t.state IN ('done', 'cleared') AND i.state = 'done'
    GROUP BY i.source_id"""
FINAL_STEPS = """
    SELECT s.seq FROM steps s WHERE NOT EXISTS (
        SELECT 1 FROM skill_calls c
        WHERE c.session_id = s.session_id AND c.seq = s.seq AND c.step = s.step)"""
CALLS = "SELECT state FROM skill_calls"
OPEN = "SELECT id FROM sessions WHERE pending <> 0 OR lease_owner IS NOT NULL OR due IS NOT NULL"
ASKED = "SELECT session_id, seq, step, idx FROM skill_calls WHERE expires IS NOT NULL"
SETTLED = ("done", "failed", "unknown", "refused")


@dataclass(frozen=True)
class Faults:
    """What must all be zero."""

    lost: int = 0  # inputs without exactly one final reply
    twice: int = 0  # inputs with more than one
    rewritten: int = 0  # bodies of write skills that ran more than once
    unasked: int = 0  # runs of what needs consent that nobody was asked about
    rerun: int = 0  # calls that ran again though their result was stored
    unpackable: int = 0  # histories that no longer pack
    stuck: int = 0  # sessions left with pending inputs, leases or running turns
    leaked: int = 0  # cleared text that is still in the database

    def __add__(self, other: Faults) -> Faults:
        return Faults(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def total(self) -> int:
        return sum(getattr(self, f.name) for f in fields(self))


def query(url: str, sql: str) -> list[Any]:
    """Rows of a query, by a connection of its own."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.split(":///", 1)[1])
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()
    import psycopg

    with psycopg.connect(re.sub(r"^postgresql\+psycopg", "postgresql", url)) as pg:
        return pg.execute(sql.encode()).fetchall()


def stored_calls(url: str) -> set[str]:
    """The ids of the calls whose result is stored."""
    rows = query(url, "SELECT session_id, seq, step, idx, state FROM skill_calls")
    return {".".join(map(str, row[:4])) for row in rows if row[4] in SETTLED}


def effects(path: Path) -> list[tuple[str, str, int]]:
    """(effect, call id, process) of every run of a skill's body."""
    if not path.exists():
        return []
    lines = (line.split() for line in path.read_text().splitlines())
    return [(effect, call, int(pid)) for effect, call, pid in lines]


def check(url: str, scenario: str, inputs: Sequence[str], runs: Path, settled: set[str], last: int) -> Faults:
    """The faults after recovery.

    Args:
        url: the database.
        scenario: its name; `clear` expects every turn but the tombstone to be gone.
        inputs: the texts that were handed in.
        runs: the skills' file of effects.
        settled: the calls whose result was stored when the first process was dead.
        last: pid of the process that recovered.
    """
    answered = Counter({str(key): int(count) for key, count in query(url, ANSWERED)})
    keys = [f"{scenario}-{n}" for n in range(len(inputs))]
    cleared = scenario == "clear"
    expected = keys[-1:] if cleared else keys  # what a clear erased was answered and is gone
    turns = query(url, "SELECT seq, state, input, finish FROM turns")
    done = [seq for seq, state, _, finish in turns if state == "done" and finish != "approval"]
    running = [seq for seq, state, *_ in turns if state == "running"]
    undecided = 0
    asked = {".".join(map(str, row)) for row in query(url, ASKED)}
    if scenario in ("held", "changed"):  # a decision is an input too: one, carried out, its call settled
        decisions = [key for key in answered if key not in keys]
        expected = [*expected, *decisions]
        wanted = 1 if scenario == "held" else len(asked)
        undecided = abs(len(decisions) - wanted) + sum(s not in SETTLED for (s,) in query(url, CALLS))
    finals = Counter(row[0] for row in query(url, FINAL_STEPS))
    bodies = Counter((effect, call) for effect, call, _ in effects(runs))
    leaked = 0
    if cleared:
        leaked += sum(1 for _, state, text, _ in turns if text is not None or state != "cleared")
        leaked += len(query(url, "SELECT 1 FROM inbox WHERE body IS NOT NULL"))
        leaked += len(query(url, "SELECT 1 FROM steps"))
    return Faults(
        lost=undecided + sum(answered[key] != 1 for key in expected) + sum(finals[seq] != 1 for seq in done),
        twice=max(0, len(turns) - len(expected)),
        rewritten=sum(n - 1 for (effect, _), n in bodies.items() if effect in ("write", "asked")),
        unasked=sum(effect == "asked" and call not in asked for effect, call in bodies),
        rerun=sum(pid == last and call in settled for _, call, pid in effects(runs)),
        stuck=len(query(url, OPEN)) + len(running),
        leaked=leaked,
    )
