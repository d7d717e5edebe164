"""`make bench-telegram`: how soon people see what the model says, and what that costs.

The whole program (`duihua telegram` without its command line: polling, desk, engine, outbox, live views,
governor, an SQLite file; long-term memory off) runs in this process, the fake Bot API in another, with the
limits as documented: 30 messages a second, 3 in 3 seconds in a chat, 20 a minute in a group, frames of drafts
and edits included. The model is here, too: it says numbered words at a pace of its own. Times are taken from
when the model says a word to when the fake shows it, by one clock.

What the limits force: with 100 answers that end together the best sender, who keeps all its slots for the
last messages, gets 30 of them out in any second. So the n-th answer to end cannot be there before the
(n - 30)-th plus a second; what an answer waits beyond that is our doing. No frame is an excuse.

The long answer of the last line is streamed twenty times as fast as a model talks, with the spans of the
governor and the pauses between frames a twentieth, too: the same frames and messages in 5 seconds in place
of 100, on a fake without limits. The figure is the CPU of this process beyond what the same answer takes in a
conversation that no front end shows: live view, text, sending. It is the smallest of the
runs: what others do on the machine only ever adds.

`--check` exits with 1 when a figure misses its target by more than half in three runs; `--small` takes a
minute less, with fewer words, for every push.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr

from benchmarks.telegram_text import answer
from benchmarks.turns import calm, cpu
from duihua import ChatEngine, Settings
from duihua.dialect import ChatDialect
from duihua.messages import Usage
from duihua.ports import Delta, Finish, Request, TextDelta
from duihua.simulator.telegram import RealClock
from duihua.telegram import live
from duihua.telegram.composing import fronted
from duihua.telegram.governor import Limits
from duihua.telegram.running import Plan, Running
from duihua.testing.scripted import STRICT

CHATS = 100
PIECES = 2_000
FASTER = 20
"""How many times as fast as in life the long answer is streamed."""
OVERALL, SECOND = 30, 1.0
TEAM = -1_001_000_000_001
AGAIN = 2
"""Further runs of `--check` while a figure misses its target."""
_KEY = re.compile(r"\[(\w+)\]")
_WORD = re.compile(r"\d{4}")


@dataclass(frozen=True)
class Figure:
    """One line of the table; `target` is about `value`."""

    name: str
    unit: str
    value: float
    target: float
    told: str = ""


@dataclass(frozen=True)
class Talk:
    """What the model says to one question, and at which pace."""

    pieces: Sequence[str]
    every: float


@dataclass
class Said:
    """When each piece was said, and when it ended: the last was said, or somebody stopped it."""

    at: list[float] = field(default_factory=list)
    ended: float = 0.0


class Paced:
    """A provider that says what the question's `[key]` stands for."""

    name = "paced"

    def __init__(self) -> None:
        self.clock = RealClock()
        self.talks: dict[str, Talk] = {}
        self.said: dict[str, Said] = {}
        self._changed = asyncio.Event()

    def dialect(self, model: str) -> ChatDialect:
        return STRICT

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        found = _KEY.findall(str(orjson.loads(request.packed.messages[-1])["content"]))
        key = found[-1] if found else ""
        talk, said = self.talks.get(key, Talk(("yes",), 0)), self.said.setdefault(key, Said())
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            for number, piece in enumerate(talk.pieces):
                await asyncio.sleep(begin + number * talk.every - loop.time())
                said.at.append(self.clock.now())
                self._changed.set()
                yield TextDelta(piece)
        finally:
            said.ended = self.clock.now()
            self._changed.set()
        yield Finish("stop", Usage(10, 5), request.model)

    async def until(self, happened: Callable[[Said], object], *keys: str) -> None:
        """Waits until it is true of the answers with these keys."""
        async with asyncio.timeout(120):
            while not all(key in self.said and happened(self.said[key]) for key in keys):
                self._changed.clear()
                await self._changed.wait()

    async def aclose(self) -> None:
        """Nothing to close."""


class Fake:
    """The fake Bot API in a process of its own, and what people do there."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.telegram_server", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        facts = json.loads(self._process.stdout.readline())
        self.url, self.token = str(facts["url"]), str(facts["token"])
        self._session: aiohttp.ClientSession | None = None
        self._seen = 0

    async def __aenter__(self) -> Fake:
        self._session = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._session is not None
        assert self._process.stdin is not None
        await self._session.close()
        self._process.stdin.close()
        self._process.wait(10)

    async def do(self, path: str, **given: Any) -> Any:
        """Somebody does something there."""
        assert self._session is not None
        async with self._session.post(path, json=given) as reply:
            told = await reply.json()
        assert reply.status == 200, told
        return told["result"]

    async def get(self, path: str) -> Any:
        assert self._session is not None
        async with self._session.get(path) as reply:
            return await reply.json()

    async def events(self) -> list[dict[str, Any]]:
        """What was seen there since the last time."""
        new = await self.get(f"/fake/events?after={self._seen}")
        self._seen = new[-1]["number"] if new else self._seen
        return new

    async def until(self, words: dict[int, str], seconds: float) -> list[dict[str, Any]]:
        """What was seen up to when in each chat a finished message of the bot has its words."""
        open_, found = dict(words), list[dict[str, Any]]()
        async with asyncio.timeout(seconds):
            while open_:
                await asyncio.sleep(0.5)
                for line in await self.events():
                    found.append(line)
                    if final(line) and (word := open_.get(line["chat"])) and word in line["text"]:
                        del open_[line["chat"]]
        return found


def final(line: dict[str, Any]) -> bool:
    """Whether it shows a message of the bot that does not grow any more."""
    labels = [label for row in line["buttons"] for label in row]
    return line["bot"] and line["kind"] in ("said", "edited") and any("Again" in label for label in labels)


@asynccontextmanager
async def program(fake: Fake, model: Paced, *, faster: float = 1.0) -> AsyncIterator[ChatEngine]:
    """The bot at work; gives its engine."""
    limits, every = Limits(), dict(live.EVERY)
    if faster != 1.0:
        spans = {
            n: (most, span / faster)
            for n in ("overall", "chat", "group")
            for most, span in [getattr(limits, n)]
        }
        limits = Limits(**spans, spare=limits.spare)
        live.EVERY.update({name: seconds / faster for name, seconds in every.items()})
    running, stop = Running(Plan([SecretStr(fake.token)], fake.url)), asyncio.Event()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="duihua-bench-"))
        await stack.enter_async_context(running.served())
        bots = await running.meet()
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        settings = Settings.load(
            None, database_url=url, lang="en", memory="off", access="open", rate_user="off", rate_chat="off"
        )
        engine = ChatEngine("paced/any", settings=settings, provider={model.name: model})
        parts = await stack.enter_async_context(fronted(engine, bots, running.plan, limits=limits))
        await stack.enter_async_context(engine)
        task = asyncio.create_task(running.run(engine, *parts, stop))
        try:
            yield engine
        finally:
            live.EVERY.update(every)
            stop.set()
            await task


# ---------------------------------------------------------------- what is measured


def words(seconds: float, every: float) -> Talk:
    """Numbered words for so long."""
    return Talk([f"{n:04} " for n in range(round(seconds / every))], every)


def last(talk: Talk) -> str:
    """The word that shows that all is there."""
    return talk.pieces[-1].strip()


def delays(said: Said, lines: Sequence[dict[str, Any]]) -> list[float]:
    """Seconds from each word to when it is seen."""
    out: list[float] = []
    for line in lines:
        if line["bot"] and (found := _WORD.findall(line["text"])):
            shown = int(found[-1])
            out += [line["at"] - at for at in said.at[len(out) : shown + 1]]
    assert len(out) == len(said.at), "words are missing"
    return out


def at(share: float, values: Sequence[float]) -> float:
    """A percentile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def frames(fake: Fake, model: Paced, seconds: float, at_once: float) -> list[Figure]:
    """One private chat, which sees drafts, and one group, which sees edits."""
    model.talks |= {"draft": words(seconds, 0.05), "edit": words(seconds * at_once, 0.05)}
    await fake.do("/group/make", chat=TEAM, members=[2, 3])
    await fake.do("/user/say", user=1, text="[draft]", language_code="en")
    await fake.do("/user/say", user=2, text="/ask [edit]", chat=TEAM, language_code="en")
    ends = {1: last(model.talks["draft"]), TEAM: last(model.talks["edit"])}
    lines = await fake.until(ends, seconds * at_once + 60)
    out: list[Figure] = []
    for name, chat, target in (("draft", 1, 1.2), ("edit", TEAM, 3.5)):
        found = delays(model.said[name], [line for line in lines if line["chat"] == chat])
        p50, p99 = at(0.5, found), at(0.99, found)
        out.append(Figure(f"word to {name}, p99", "s", p99, target, f"p50 {p50:.2f} s, {len(found)} words"))
    return out


async def finals(fake: Fake, model: Paced, seconds: float) -> Figure:
    """Answers in many chats that end together."""
    chats = range(1_000, 1_000 + CHATS)
    for chat in chats:
        model.talks[f"f{chat}"] = words(seconds, 0.25)
    for chat in chats:
        await fake.do("/user/say", user=chat, text=f"[f{chat}]", language_code="en")
    lines = await fake.until({chat: last(model.talks[f"f{chat}"]) for chat in chats}, seconds + 120)
    there = {line["chat"]: line["at"] for line in reversed(lines) if final(line)}
    ended = sorted((model.said[f"f{chat}"].ended, chat) for chat in chats)
    best: list[float] = []
    for number, (end, _) in enumerate(ended):
        best.append(max(end, best[number - OVERALL] + SECOND) if number >= OVERALL else end)
    beyond = [there[chat] - when for when, (_, chat) in zip(best, ended, strict=True)]
    forced = max(when - end for when, (end, _) in zip(best, ended, strict=True))
    told = f"p50 {at(0.5, beyond):.2f} s; the limits force up to {forced:.1f} s"
    return Figure(f"last messages of {CHATS} chats, beyond the limits, longest", "s", max(beyond), 5.0, told)


async def stops(fake: Fake, model: Paced, count: int) -> Figure:
    """`/stop` in one chat after the other, while answers stream in 100 others."""
    chats = range(2_000, 2_000 + CHATS + count)
    for chat in chats:
        model.talks[f"s{chat}"] = words(600, 0.25)
        await fake.do("/user/say", user=chat, text=f"[s{chat}]", language_code="en")
    await model.until(lambda said: said.at, *(f"s{chat}" for chat in chats))
    await fake.events()
    stopped, took = chats[CHATS:], list[float]()
    for chat in stopped:
        await fake.do("/user/say", user=chat, text="/stop")
        await asyncio.sleep(0.15)
    await model.until(lambda said: said.ended, *(f"s{chat}" for chat in stopped))
    for line in await fake.events():
        if line["text"] == "/stop":
            took.append(model.said[f"s{line['chat']}"].ended - line["at"])
    for chat in chats[:CHATS]:
        await fake.do("/user/say", user=chat, text="/stop")
    told = f"p50 {at(0.5, took) * 1000:.0f} ms, {len(took)} stops"
    return Figure(f"/stop while {CHATS} answers stream, p99", "ms", at(0.99, took) * 1000, 200.0, told)


async def long_answer(rounds: int) -> Figure:
    """CPU of this process for an answer of 100 KB in 2,000 pieces."""
    text = answer(chinese=True)
    cuts = [round(n * len(text) / PIECES) for n in range(PIECES + 1)]
    pieces = [text[a:b] for a, b in itertools.pairwise(cuts)]
    model, whole, alone = Paced(), list[float](), list[float]()
    seconds = PIECES * 0.05 / FASTER

    async def cost(key: str) -> float:
        await model.until(lambda said: said.at, key)
        with calm():
            spent = cpu()
            await asyncio.sleep(seconds + 3)
            return (cpu() - spent) * 1000

    async with Fake("--free") as fake, program(fake, model, faster=FASTER) as engine:
        for number in range(rounds + 1):
            for key in (f"l{number}", f"e{number}"):
                model.talks[key] = Talk([*pieces, f"\n\nThe end {number}."], 0.05 / FASTER)
            await engine.session(f"alone-{number}").submit(f"[e{number}]")
            alone.append(await cost(f"e{number}"))
            before = await calls(fake)
            await fake.do("/user/say", user=3_000 + number, text=f"[l{number}]", language_code="en")
            whole.append(await cost(f"l{number}"))
            await fake.until({3_000 + number: f"The end {number}."}, 60)
            sent = await calls(fake) - before
    costs = [both - one for both, one in zip(whole[1:], alone[1:], strict=True)]
    told = (
        f"median {statistics.median(costs):.0f} ms; with engine and model {min(whole):.0f} ms; {sent} calls"
    )
    return Figure(f"CPU of 100 KB in {PIECES:,} pieces", "ms", min(whole) - min(alone), 150.0, told)


async def calls(fake: Fake) -> int:
    """How many frames and messages the fake has got."""
    counts = (await fake.get("/fake/counts"))["calls"]
    return sum(counts.get(name, 0) for name in ("sendMessage", "sendMessageDraft", "editMessageText"))


async def refused(fake: Fake) -> str:
    """What the fake did not let pass."""
    told = await fake.get("/fake/counts")
    return ", ".join(f"{text} ({count} times)" for text, count in told["refused"].items()) or "nothing"


def show(figures: Sequence[Figure]) -> str:
    """The table, in Markdown."""
    lines = ["| | measured | target | |", "|---|---|---|---|"]
    for f in figures:
        digits = 2 if f.unit == "s" else 0
        lines.append(f"| {f.name} | {f.value:.{digits}f} {f.unit} | {f.target:g} {f.unit} | {f.told} |")
    return "\n".join(lines)


async def bench(*, small: bool) -> list[Figure]:
    """Measures everything and prints it."""
    model, begun = Paced(), time.monotonic()
    async with Fake() as fake, program(fake, model):
        figures = await frames(fake, model, *((10, 2) if small else (30, 2.5)))
        figures.append(await finals(fake, model, 6 if small else 12))
        figures.append(await stops(fake, model, 20 if small else 100))
        bad = await refused(fake)
    figures.append(await long_answer(1 if small else 5))
    print(show(figures), f"\nThe fake refused {bad}; {time.monotonic() - begun:.0f} s.", flush=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-telegram")
    parser.add_argument("--check", action="store_true", help="fail when a target is missed by half")
    parser.add_argument("--small", action="store_true", help="fewer words")
    given = parser.parse_args()
    figures = asyncio.run(bench(small=given.small))
    for _ in range(AGAIN if given.check else 0):
        if all(f.value <= f.target * 1.5 for f in figures):
            break
        print("measured again, for the machine is busy:")  # the smallest of all runs counts
        pairs = zip(figures, asyncio.run(bench(small=given.small)), strict=True)
        figures = [min(pair, key=lambda f: f.value) for pair in pairs]
    missed = [f for f in figures if f.value > f.target * 1.5]
    for f in missed if given.check else ():
        print(f"{f.name}: {f.value:.2f} is far from the target {f.target:g}", file=sys.stderr)
    return int(bool(missed) and given.check)


if __name__ == "__main__":
    sys.exit(main())
