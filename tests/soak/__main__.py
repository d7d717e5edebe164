"""`python -m tests.soak [--seconds N] [--chats N] [--seed N]`: many chats with the real bot, for a while.

First with faults of every kind and the bot killed (`SIGKILL`) every 30 seconds; then without, to see that its
memory does not grow. The fake keeps Telegram's limits. At the end the fake's log, what people see, and the
database must agree: every message answered once (messages whose fate nobody could know are listed), in order
within each chat, and no limit passed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path

from duihua.simulator.telegram import FakeTelegram
from tests.soak.model import Model, plain, text_of

KILL_EVERY = 30.0
GRACE = 150.0
"""Seconds in which everything must be answered after the last message was said."""
RATE = 5.0
"""Messages a second that all people together say: within what Telegram lets a bot answer."""
FAULTS = {"limit": 0.004, "error": 0.005, "cut": 0.01, "lost": 0.004, "slow": 0.02, "garbage": 0.003}
"""Of every kind of fault, the share of calls that it hits."""


@dataclass
class Found:
    """What a run came to. All but the first five must be nothing."""

    said: int = 0
    kills: int = 0
    doubted: int = 0  # times that nobody could know whether a message came
    unknown: list[str] = field(
        default_factory=list
    )  # those that did come, and stand there twice: chat/message
    calls: int = 0
    unanswered: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    disagree: list[str] = field(default_factory=list)
    passed: int = 0  # limits
    early: int = 0
    marked: int = 0  # calls with a parse_mode, or with fields that the method does not have
    died: int = 0  # ends of the bot that nobody wanted
    growth: float = 0.0  # of memory, last quarter over second

    def bad(self) -> list[str]:
        """What must not be."""
        zeros = ("unanswered", "twice", "cut", "disordered", "disagree", "passed", "early", "marked", "died")
        return [name for name in zeros if getattr(self, name)] + (["growth"] if self.growth > 0.10 else [])


class Bot:
    """The program in a process of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.died = 0

    def start(self) -> None:
        with (self._folder / "bot.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "duihua", "telegram"],
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """As the kernel would: without a warning."""
        if self._process is not None:
            self.died += self._process.poll() is not None
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """As an operator would."""
        if self._process is not None:
            self.died += self._process.poll() is not None
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
            self.kill()
            self.died -= 1

    def megabytes(self) -> float:
        """What it holds in memory."""
        assert self._process is not None
        with suppress(OSError, ValueError):
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
        return 0.0


class Soak:
    """One run."""

    def __init__(self, folder: Path, *, seconds: float, chats: int, seed: int, hostile: bool) -> None:
        self.folder, self.seconds, self.chats, self.seed, self.hostile = folder, seconds, chats, seed, hostile
        self.random = random.Random(seed)
        self.found = Found()
        self.tokens: dict[int, list[str]] = {chat: [] for chat in range(1, chats + 1)}
        self.kill_every = min(KILL_EVERY, seconds / 3)

    async def run(self) -> Found:
        seconds = (1.0, 6.0) if self.seconds > 60 else (0.5, 3.0)
        async with (
            Model(self.seed, seconds) as model,
            FakeTelegram(kept=2_000, kept_edits=2, kept_calls=2_000, seed=self.seed) as fake,
        ):
            if self.hostile:
                for kind, share in FAULTS.items():
                    fake.faults.add(kind, times=10**9, probability=share, retry_after=3, seconds=2.0)  # type: ignore[arg-type]
            bot = Bot(self._environment(fake, model), self.folder)
            bot.start()
            try:
                memory = await self._talk(fake, bot)
                fake.faults.clear()
                await self._answered(fake)
            finally:
                bot.stop()
            self._judge(fake, bot, memory)
        return self.found

    def _environment(self, fake: FakeTelegram, model: Model) -> dict[str, str]:
        return {
            "TELEGRAM_BOT_TOKEN": fake.token,
            "TELEGRAM_API_URL": fake.url,
            "DUIHUA_ACCESS": "open",
            "DUIHUA_RATE_USER": "off",
            "DUIHUA_RATE_CHAT": "off",
            "OPENAI_API_KEY": "soak-key",
            "OPENAI_BASE_URL": model.url,
            "DUIHUA_MODEL": "openai/soak",
            "DUIHUA_MEMORY_MODEL": "none",
            "DUIHUA_LEASE": "3",
            "DUIHUA_LOG_LEVEL": "WARNING",
            "DUIHUA_LANG": "en",
        }

    # ------------------------------------------------------------ people

    async def _talk(self, fake: FakeTelegram, bot: Bot) -> list[float]:
        """People talk, and the bot is killed now and then; what it held in memory, as time went."""
        begun, memory = time.monotonic(), list[float]()
        people = [asyncio.create_task(self._person(fake, chat, begun)) for chat in self.tokens]
        next_kill = self.kill_every
        while (passed := time.monotonic() - begun) < self.seconds:
            await asyncio.sleep(1)
            memory.append(bot.megabytes())
            if self.hostile and passed >= next_kill and passed < self.seconds - 2:
                bot.kill()
                bot.start()
                self.found.kills += 1
                next_kill += self.kill_every
        await asyncio.gather(*people)
        return memory

    async def _person(self, fake: FakeTelegram, chat: int, begun: float) -> None:
        r = random.Random(f"{self.seed}/{chat}")
        user = fake.user(chat, f"P{chat}", language_code=r.choice(["zh-hans", "en", "de"]))
        every = max(self.chats / RATE, 4.0)
        await asyncio.sleep(r.uniform(0, min(every, self.seconds / 2)))
        while time.monotonic() - begun < self.seconds - 1:
            for _ in range(r.choices((1, 2, 3), (85, 10, 5))[0]):
                token = f"T{chat}x{len(self.tokens[chat]) + 1}"
                self.tokens[chat].append(token)
                self.found.said += 1
                user.say(f"{r.choice(['请说', 'please', '好'])} {token}")
            await asyncio.sleep(r.uniform(0.5, 1.5) * every)

    async def _answered(self, fake: FakeTelegram) -> None:
        """Waits until everybody has the end of every answer."""
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            if not any(self._open(fake, chat) for chat in self.tokens):
                break
            await asyncio.sleep(1)
        await asyncio.sleep(6)  # what comes too late to be wanted comes now

    def _open(self, fake: FakeTelegram, chat: int) -> list[str]:
        if not self.tokens[chat]:
            return []
        seen = " ".join(m.text for m in fake.chat(chat).answers)
        return [token for token in self.tokens[chat] if f"Z{token}" not in seen.split()]

    # ------------------------------------------------------------ the end

    def _judge(self, fake: FakeTelegram, bot: Bot, memory: Sequence[float]) -> None:
        found = self.found
        found.died, found.calls = bot.died, sum(fake.calls.counts.values())
        gauges = fake.bot.budget.gauges.as_dict()
        found.passed = sum(g["refused"] for g in gauges.values())
        found.early = sum(g["early"] for g in gauges.values())
        found.marked = sum(fake.calls.unknown.values()) + sum(1 for c in fake.calls if c.parse_mode)
        known, doubts = self._database(fake)
        for chat in self.tokens:
            self._chat(fake, chat, known[chat], doubts[chat])
        quarter = len(memory) // 4
        if not self.hostile and quarter >= 5:
            second, last = (statistics.fmean(memory[n * quarter : (n + 1) * quarter]) for n in (1, 3))
            found.growth = last / second - 1

    def _chat(self, fake: FakeTelegram, chat: int, known: set[int], doubts: int) -> None:
        """What one person sees in the messages that are known: every answer once, whole, in order.

        Beside them stand no more than came at a moment when nobody could know of it.
        """
        found, order = self.found, list[int]()
        messages = sorted(fake.chat(chat).answers, key=lambda m: m.id) if self.tokens[chat] else []
        strange = [message.id for message in messages if message.id not in known]
        found.unknown += [f"{chat}/{id_}" for id_ in strange]
        if len(strange) > doubts:
            found.disagree.append(f"chat {chat}: {strange} are in no ledger, which doubts {doubts}")
        words = " ".join(m.text for m in messages if m.id in known).split()
        for token in self.tokens[chat]:
            first, last = words.count(f"A{token}"), words.count(f"Z{token}")
            if not last:
                found.unanswered.append(token)
            elif first > 1 or last > 1:
                found.twice.append(token)
            elif first == 1:
                order.append(words.index(f"A{token}"))
                said = words[words.index(f"A{token}") : words.index(f"Z{token}") + 1]
                if len(said) < len(plain(text_of(token, self.seed))):
                    found.cut.append(token)
            else:
                found.cut.append(token)
        if order != sorted(order):
            found.disordered.append(str(chat))

    def _database(self, fake: FakeTelegram) -> tuple[dict[int, set[int]], dict[int, int]]:
        """Compares the ledger with the fake: what it knows of each chat, and how many more may have come."""
        with sqlite3.connect(self.folder / "duihua.db") as db:
            rows = db.execute(
                "SELECT s.key, w.seq, w.part, w.external_id, w.doubts FROM shown w"
                " JOIN sessions s ON s.id = w.session_id"
            ).fetchall()
            owed = db.execute("SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')").fetchone()
            open_ = db.execute("SELECT count(*) FROM arrivals WHERE state <> 'done'").fetchone()
            waiting = db.execute("SELECT count(*) FROM inbox WHERE state IN ('pending', 'taken')").fetchone()
            running = db.execute("SELECT count(*) FROM turns WHERE state = 'running'").fetchone()
        for name, (count,) in (("owed", owed), ("arrivals", open_), ("inbox", waiting), ("turns", running)):
            if count:
                self.found.disagree.append(f"{name}: {count}")
        known, doubts = {chat: set[int]() for chat in self.tokens}, dict.fromkeys(self.tokens, 0)
        for key, seq, part, external, doubted in rows:
            chat = int(key.split("/")[2])
            doubts[chat] += max(doubted, int(not external))
            if external:
                known[chat].add(int(external))
                message = fake.chat(chat).messages.get(int(external))
                if message is None or message.deleted:
                    self.found.disagree.append(f"{key} {seq}.{part}: message {external} is not there")
        self.found.doubted = sum(doubts.values())
        return known, doubts


def table(rows: Sequence[tuple[str, Found]]) -> str:
    """All figures, a column for each run."""
    names = tuple(each.name for each in fields(Found))
    lines = ["| | " + " | ".join(name for name, _ in rows) + " |", "|---|" + "---|" * len(rows)]
    for name in names:
        cells = [_cell(name, getattr(found, name)) for _, found in rows]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(name: str, value: object) -> str:
    if isinstance(value, list):
        return str(len(value)) + (f" ({', '.join(map(str, value[:5]))})" if value else "")
    return f"{value:+.1%}" if isinstance(value, float) else str(value)


@asynccontextmanager
async def kept(folder: Path | None) -> AsyncIterator[Path]:
    """A folder for the run."""
    if folder is not None:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="duihua-soak-") as name:
        yield Path(name)


async def soak(*, seconds: float, chats: int, seed: int, hostile: bool, folder: Path | None = None) -> Found:
    """One run, in a folder of its own."""
    async with kept(folder) as place:
        return await Soak(place, seconds=seconds, chats=chats, seed=seed, hostile=hostile).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--chats", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--only", choices=["kills", "calm"])
    parser.add_argument("--keep", type=Path, help="a folder for the databases and the bot's log")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    rows: list[tuple[str, Found]] = []
    for name, hostile in (("kills", True), ("calm", False)):
        if args.only in (None, name):
            folder = args.keep / name if args.keep else None
            run = soak(seconds=args.seconds, chats=args.chats, seed=args.seed, hostile=hostile, folder=folder)
            rows.append((name, asyncio.run(run)))
    print(table(rows))
    bad = [f"{name}: {what}" for name, found in rows for what in found.bad()]
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
