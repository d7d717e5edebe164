"""`python -m benchmarks.long_chat [--turns N]`: one conversation of thousands of turns through `duihua chat`.

The program runs as a child process with its input piped, a new database in a temporary folder, and the
simulator as its platform, in a process of its own that thinks and checks sizes. The name is told in turn 1
and asked for at the end. Printed: whether it was known; CPU of the program per turn as it went on; how large
requests were against the model's limit, how many were too large, and tokens in all.

What a late turn costs is compared with turns 10 to 110 of conversations that begin then, each in a process of
its own, one turn here and one there: the speed of a shared machine changes by half within a minute.

`--check` exits with 1 when a figure misses its target.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from benchmarks.small_talk import talk

TURNS = 5_000
FIRST = (10, 110)
"""The turns that set what a turn costs; the late ones are as many."""
YOUNG = 9
"""Conversations that begin beside the long one at its end; the median counts."""
SETTLED = 1.0
"""Seconds in which a new process loads what it needs for its first upkeep."""
FLAT = 0.10
"""What a late turn may cost more or less than an early one."""
NAME = "欧阳若溪"
TOLD, ASKED = f"你好，我叫{NAME}。", "你还记得我叫什么名字吗？"
SILENCE = 120.0
"""Seconds without an answer after which the run is given up."""
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Window:
    """What the program used in some turns."""

    first: int
    last: int
    cpu: float  # seconds

    @property
    def turn(self) -> float:
        """Milliseconds of CPU per turn."""
        return self.cpu / (self.last - self.first) * 1000


class Platform:
    """The simulator, with its brain and its strict rules, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", "--strict"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        facts = json.loads(self._process.stdout.readline())
        self.url: str = facts["url"]
        self.settings: dict[str, str] = facts["settings"]

    def prompts(self) -> dict[str, dict[str, Any]]:
        """The sizes of the requests so far, by model."""
        with urllib.request.urlopen(f"{self.url}/_simulator/prompts", timeout=10) as reply:
            return json.load(reply)

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class Chat:
    """`duihua chat --json`, one line in, one turn out."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DUIHUA_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "duihua", "chat", "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            cwd=folder,
            env={
                **kept,
                **settings,
                "DUIHUA_LANG": "zh",
                "DUIHUA_DATABASE_URL": "sqlite+aiosqlite:///chat.db",
            },
            text=True,
            encoding="utf-8",
        )
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def turn(self, text: str) -> str:
        """Says something; returns the answer.

        Raises:
            RuntimeError: the turn failed, or the program ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        while line := self._lines.get(timeout=SILENCE):
            event = json.loads(line)
            if event["kind"] == "turn_finished":
                return str(event["text"])
            if event["kind"] == "turn_failed":
                raise RuntimeError(f"{text!r} was not answered: {line}")
        raise RuntimeError(f"the program ended at {text!r}")

    def cpu(self) -> float:
        """Seconds of CPU of the program, user and system, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def close(self) -> None:
        """Ends the input, and waits for the program."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


def said() -> Iterator[str]:
    """What is talked about after the name: small talk in two languages, now and then a skill's matter."""
    chance = random.Random(7)
    zh, en = talk("zh", "long"), talk("en", "long")
    while True:
        number = chance.random()
        if number < 0.03:
            yield f"{chance.randint(2, 99)}*{chance.randint(2, 99)}等于多少？"
        elif number < 0.25:
            yield next(en)[0]
        else:
            yield next(zh)[0]


def run(turns: int) -> bool:
    """Talks and prints the figures; returns whether all targets are met."""
    platform = Platform()
    try:
        with tempfile.TemporaryDirectory(prefix="duihua-long-") as name:
            chat = Chat(Path(name), platform.settings)
            try:
                more = said()
                windows, answer, seconds = _talked(chat, turns, more)
                pairs = [_beside(chat, more, Path(name) / f"{n}", platform.settings) for n in range(YOUNG)]
            finally:
                chat.close()
            stored = sum(file.stat().st_size for file in Path(name).glob("chat.db*"))
        return _told(windows, pairs, answer, seconds, stored, platform.prompts())
    finally:
        platform.close()


def _beside(chat: Chat, more: Iterator[str], folder: Path, settings: dict[str, str]) -> tuple[Window, Window]:
    """A new conversation turn by turn beside the long one: what the long one used, and the new one."""
    folder.mkdir()
    young, talk = Chat(folder, settings), said()
    try:
        young.turn(TOLD)
        for _ in range(2, FIRST[0] + 1):
            young.turn(next(talk))
        time.sleep(SETTLED)
        before = chat.cpu(), young.cpu()
        for _ in range(*FIRST):
            chat.turn(next(more))
            young.turn(next(talk))
        late, early = chat.cpu() - before[0], young.cpu() - before[1]
    finally:
        young.close()
    return Window(*FIRST, late), Window(*FIRST, early)


def _talked(chat: Chat, turns: int, more: Iterator[str]) -> tuple[list[Window], str, float]:
    """The windows in which CPU was measured, the answer to the last question, seconds of the whole talk."""
    size = FIRST[1] - FIRST[0]
    marks = {*FIRST, *range(FIRST[1] + size, turns, size * 10), turns - size, turns}
    cpu: dict[int, float] = {}
    start = time.monotonic()
    chat.turn(TOLD)
    for number in range(2, turns + 1):
        chat.turn(next(more))
        if number in marks:
            cpu[number] = chat.cpu()
            print(f"\rturn {number}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    answer = chat.turn(ASKED)
    found = sorted(cpu)
    windows = [Window(a, b, cpu[b] - cpu[a]) for a, b in itertools.pairwise(found)]
    return windows, answer, time.monotonic() - start


def _told(
    windows: list[Window],
    pairs: list[tuple[Window, Window]],
    answer: str,
    seconds: float,
    stored: int,
    prompts: dict[str, dict[str, Any]],
) -> bool:
    known = NAME in answer
    print(f"{windows[-1].last + 1:,} turns in {seconds:.0f} s; the database has {stored / 1e6:.1f} MB")
    print(f"the name told in turn 1 is known at the end: {'yes' if known else 'NO'} ({answer})")
    for window in windows:
        print(f"CPU per turn, turns {window.first}-{window.last}: {window.turn:.2f} ms")
    ratios = [late.turn / early.turn for late, early in pairs]
    for (late, early), ratio in zip(pairs, ratios, strict=True):
        print(
            f"side by side: a late turn {late.turn:.2f} ms, turns {FIRST[0]}-{FIRST[1]} of a new conversation"
            f" {early.turn:.2f} ms: {ratio:.3f}"
        )
    ratio = statistics.median(ratios)
    print(f"a late turn costs {ratio:.3f} of an early one (target {1 - FLAT:.2f} ... {1 + FLAT:.2f})")
    for model, sizes in sorted(prompts.items()):
        mean = sizes["total"] / sizes["requests"]
        print(
            f"{model}: {sizes['requests']:,} requests, {sizes['total']:,} tokens ({mean:.0f} each), largest"
            f" {sizes['largest']} of {sizes['limit']}, {sizes['exceeded']} too large (target 0)"
        )
    exceeded = sum(sizes["exceeded"] for sizes in prompts.values())
    if not known or exceeded:
        raise SystemExit("the name was lost, or a request was too large: no noise explains that")
    return abs(ratio - 1) <= FLAT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_chat")
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help="%(default)s; at least 700")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    args = parser.parse_args()
    good = run(max(700, args.turns))
    return 1 if args.check and not good else 0


if __name__ == "__main__":
    sys.exit(main())
