"""`python -m benchmarks.tokens`: how far the calibrated token estimate is from what tokenizers count.

Conversations about all kinds of text go on side by side. Each request is packed by the real dialect with the
scale of the real calibration, counted by a tokenizer, and learnt from. Three tokenizers stand for those of
platforms: the Qwen vocabulary (it comes with the package `dashscope`), and two byte-pair vocabularies that
are trained here, on text of the same kinds. A request that counts more than it was packed for is too low.

`--check` exits with 1 when after 20 requests more than 1 % are under-estimated, or the mean over-estimate is
above 15 %, or a request is above the limit. `--small` trains smaller vocabularies and is done in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, cast

import orjson

from benchmarks.bytepairs import train
from benchmarks.texts import Texts
from duihua.calibrations import Calibrations
from duihua.dialect import ChatDialect
from duihua.memory.calibration import rescaled
from duihua.messages import Step, Text, Turn, TurnRef, Usage
from duihua.ports import Limits, Packed, Store, ToolSpec

LIMIT = 6_144
WARM = 20
"""Requests of a model after which the goals hold."""
UNDER, OVER = 0.01, 0.15
LIVES, REQUESTS = 8, 400
"""So many times a model is met for the first time, and so many requests are made to it each time."""
KINDS = {"zh": 5, "en": 4, "mixed": 2, "code": 1, "json": 1, "emoji": 1}
"""How often each kind of text is talked about, and trained on."""
SKILLS = (
    ToolSpec("get_weather", "天气预报", {"type": "object", "properties": {"city": {"type": "string"}}}),
    ToolSpec("calculate", "Works it out.", {"type": "object", "properties": {"what": {"type": "string"}}}),
)


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer as a platform may have it. `frame`: tokens around messages, `skills`: around skills."""

    name: str
    count: Callable[[str], int]
    frame: int
    skills: int

    def usage(self, packed: Packed, schemas: bytes) -> int:
        """Tokens of a request, with the few that begin the answer."""
        texts = [str(orjson.loads(message)["content"]) for message in packed.messages]
        texts += [orjson.loads(packed.system)] if packed.system else []
        offered = self.count(schemas.decode()) + self.skills if schemas else 0
        return sum(map(self.count, texts)) + self.frame * len(texts) + 3 + offered


@dataclass
class Tally:
    """Requests: how many, how many too low, what was too much in sum, how many above the limit."""

    requests: int = 0
    under: int = 0
    over: float = 0.0
    full: int = 0

    def add(self, estimate: float, true: int) -> None:
        self.requests += 1
        self.under += estimate < true
        self.over += estimate / true - 1
        self.full += true > LIMIT

    def join(self, other: Tally) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    @property
    def rates(self) -> tuple[float, float]:
        """Share of under-estimates, mean of estimate / truth - 1."""
        return self.under / self.requests, self.over / self.requests

    def __str__(self) -> str:
        under, over = self.rates
        return f"{self.requests} | {under:.2%} | {over:+.1%} | {self.full}"


@dataclass
class Session:
    """A conversation: what it is about, who answers, and its turns."""

    number: int
    texts: Texts
    kinds: list[str]
    system: str
    tools: tuple[ToolSpec, ...]
    turns: list[Turn] = field(default_factory=list[Turn])
    start: int = 0

    def ask(self) -> Turn:
        """The next turn, not yet answered."""
        ref, parent = TurnRef(self.number, len(self.turns) + 1), len(self.turns)
        return Turn(ref, parent, None, (Text(self._say(10, 150)),), (), "running")

    def answer(self, turn: Turn) -> None:
        """Ends the turn."""
        step = Step((Text(self._say(30, 900)),))
        self.turns.append(Turn(turn.ref, turn.parent, None, turn.input, (step,), "done"))

    def _say(self, least: int, most: int) -> str:
        rng = self.texts.rng
        if rng.random() < 0.03:
            self.kinds[-1] = self.texts.kind(KINDS)  # another matter comes up
        kind = self.kinds[0] if rng.random() < 0.7 else self.kinds[-1]
        return self.texts.some(kind, int(least * (most / least) ** rng.random()))


def sessions(texts: Texts) -> Iterator[Session]:
    """The session of each request: up to four are busy, and each ends some day."""
    rng, busy, number = texts.rng, list[Session](), 0
    while True:
        if not busy or (len(busy) < 4 and rng.random() < 0.1):
            number += 1
            system = texts.some(rng.choice(("zh", "en")), rng.choice((20, 80, 400)))
            kinds = [texts.kind(KINDS), texts.kind(KINDS)]
            busy.append(Session(number, texts, kinds, system, SKILLS if rng.random() < 0.5 else ()))
        session = rng.choice(busy)
        yield session
        if rng.random() < 0.01:
            busy.remove(session)


class Nowhere:
    """A store that keeps nothing: each life of a model begins anew."""

    async def get_state(self, name: str) -> bytes | None:
        return None

    async def put_state(self, name: str, value: bytes) -> None:
        return None


def life(tokenizer: Tokenizer, requests: int, seed: int, tail: int) -> tuple[Tally, Tally, Tally]:
    """A model, from its first request on: the bare estimate of all, then the first requests, the others."""
    dialect = ChatDialect("any/model", Limits(None, LIMIT), Limits(None, LIMIT), system="field")
    bare, first, others = Tally(), Tally(), Tally()
    calibrations = Calibrations(cast("Store", Nowhere()))
    for number, session in zip(range(requests), sessions(Texts(seed, tail)), strict=False):
        turn = session.ask()

        def pack(scale: float, start: int, session: Session = session, turn: Turn = turn) -> Packed:
            turns = (*session.turns, turn)
            return dialect.pack(session.system, turns, session.tools, start=start, scale=scale)

        packed = pack(calibrations.scale(dialect.name, session.number), session.start)
        if scale := calibrations.corrected(dialect, session.number, packed):
            packed = rescaled(packed, scale, LIMIT) or pack(scale, packed.start)  # as `Composer.compose` does
        session.start = packed.start
        true = tokenizer.usage(packed, dialect.lower(session.tools))
        bare.add(ceil(packed.tokens / packed.scale), true)
        (first if number < WARM else others).add(packed.tokens, true)
        calibrations.learn(dialect.name, session.number, packed, Usage(true, 1))
        session.answer(turn)
    return bare, first, others


async def lives(tokenizer: Tokenizer, count: int, requests: int, tail: int) -> list[Tally]:
    """The sums over many lives of a model."""
    sums = [Tally(), Tally(), Tally()]
    for seed in range(count):
        for total, one in zip(sums, life(tokenizer, requests, 1_000 + seed, tail), strict=True):
            total.join(one)
        await asyncio.sleep(0)
    return sums


def qwen() -> Callable[[str], int]:
    """The tokenizer of the Qwen models."""
    import dashscope
    from dashscope.tokenizers.qwen_tokenizer import QwenTokenizer

    path = Path(dashscope.__file__).parent / "resources/qwen.tiktoken"
    encode: Any = QwenTokenizer(str(path)).encode
    return lambda text: len(encode(text))


def tokenizers(sizes: tuple[int, int], pieces: int, tail: int) -> Iterator[Tokenizer]:
    """The three of them; `pieces` of text are trained on."""
    yield Tokenizer("Qwen", lru_cache(1 << 16)(qwen()), 5, 60)
    began, texts = time.monotonic(), Texts(1, tail)
    corpus = [texts.some(texts.kind(KINDS), 400) for _ in range(pieces)]
    large = train(corpus, max(sizes))
    seconds, size = time.monotonic() - began, sum(map(len, corpus))
    print(f"{len(large):,} byte pairs from {size:,} characters in {seconds:.0f} s", file=sys.stderr)
    for size in sizes:
        count = lru_cache(1 << 16)(large.cut(size).count)
        yield Tokenizer(f"byte pairs, {size:,}", count, 4, 20)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--small", action="store_true", help="small vocabularies, few requests")
    args = parser.parse_args()
    sizes, pieces, tail = ((2_048, 8_192), 1_000, 4_000) if args.small else ((4_096, 32_768), 7_000, 20_000)
    count = 3 if args.small else LIVES
    print("| tokenizer | requests | number | too low | mean over | above the limit |")
    print("|---|---|---|---|---|---|")
    missed: list[str] = []
    for tokenizer in tokenizers(sizes, pieces, tail):
        bare, first, others = asyncio.run(lives(tokenizer, count, REQUESTS, tail))
        print(f"| {tokenizer.name} | all, not calibrated | {bare} |")
        print(f"| | 1 to {WARM} | {first} |")
        print(f"| | after {WARM} | {others} |", flush=True)
        under, over = others.rates
        if under > UNDER or over > OVER or others.full:
            missed.append(tokenizer.name)
    for name in missed:
        print(f"{name}: at most {UNDER:.0%} too low, {OVER:.0%} over, none above the limit", file=sys.stderr)
    return 1 if missed and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
