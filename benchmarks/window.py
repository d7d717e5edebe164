"""`python -m benchmarks.window`: what two successive requests have in common, and what the window costs.

A long talk in Chinese and English goes through the real packing, notes and system text, most questions with
recalled lines before them, as in use. Printed: the share of input tokens that a request has in common with
the one before it (platforms bill a cached prefix at a tenth or a fifth), beside that of a window that slides
turn by turn; and CPU of this process per turn after 100, 1,000 and 10,000 turns.

`--check` exits with 1 when a figure misses its target.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from duihua.dialect import ChatDialect
from duihua.memories import Note
from duihua.memory.extract import extract
from duihua.memory.notes import chain, fold, lay, note_of
from duihua.messages import Step, Text, Turn, TurnRef
from duihua.ports import Limits, Packed
from duihua.tokens import estimate
from duihua_prompts import PersonaLibrary, context_text, recalled_text

TURNS = 2_000
BUDGET = 6_144
SHARE = 85.0
"""Percent that two successive requests have in common at least."""
FLAT = 1.10
"""What a late turn may cost of an early one."""
AROUND = 900
"""Turns that are measured after each of `PLACES`: some forty moves of the window."""
PLACES = (100, 1_000, 10_000)
ROUNDS = 5
RECALLED = 0.7
"""Share of the requests that carry recalled lines."""

PLACE_NAMES = ("杭州", "成都", "大理", "青岛", "西安", "Lisbon", "Kyoto", "Oslo", "Bristol", "Quito")
THINGS = ("跑步", "烘焙", "摄影", "养猫", "下棋", "sailing", "pottery", "chess", "gardening", "cycling")
PEOPLE = ("朵朵", "小林", "王老师", "阿伟", "外婆", "Clara", "Tom", "Dr. Reyes", "my sister", "Priya")
ASKED = (
    "我下周{n}号要去{p}出差，和{w}一起，有什么要注意的吗？",
    "{w}最近迷上了{t}，你觉得从哪里开始好？",
    "我在{p}住了{n}年，一直没时间{t}。",
    "帮我把上面的内容缩短到{n}个字。",
    "谢谢！那{p}的天气一般怎么样？",
    "记得提醒我{n}点给{w}打电话。",
    "Can you plan {n} days in {p} for me and {w}?",
    "I started {t} about {n} months ago and still feel slow.",
    "{w} has an exam on the {n}th; what should we revise first?",
    "Shorter, please, and mention {p}.",
)
SAID = (
    "可以这样安排：先到{p}住下，第二天和{w}去老城走走，中午找一家小店吃饭。",
    "{t}并不难，关键是每天坚持{n}分钟，不要一开始就追求完美。",
    "{p}这个季节早晚温差比较大，建议带一件薄外套，最好再备一把伞。",
    "如果预算有限，可以把住宿放在离车站近一点的地方，这样能省下不少时间。",
    "A calm start helps: {n} minutes of {t} a day is plenty in the first weeks.",
    "In {p} most museums close on Mondays, so plan the walks for that day.",
    "You could ask {w} to book the tickets, since early trains fill up quickly.",
    "That would leave the last evening free, which is usually when people are tired anyway.",
)
REMEMBERED = (
    "2024-0{m}-1{d} 你说过：我在{p}住了{n}年，{w}也在那里。",
    "2024-0{m}-2{d} You said: {w} is fond of {t} and visits {p} every summer.",
    "2023-1{m}-0{d} 助手：{t}的课程在周{d}晚上{n}点，地点是{p}。",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn of the talk, and what is recalled for its question."""

    turn: Turn
    recalled: str


def talk(seed: int = 7) -> Iterator[Asked]:
    """An endless talk; the same for the same seed."""
    chance = random.Random(seed)

    def filled(text: str) -> str:
        return text.format(
            p=chance.choice(PLACE_NAMES),
            t=chance.choice(THINGS),
            w=chance.choice(PEOPLE),
            n=chance.randint(2, 28),
            m=chance.randint(1, 2),
            d=chance.randint(1, 6),
        )

    seq = 0
    while True:
        seq += 1
        question = filled(chance.choice(ASKED))
        answer = " ".join(filled(chance.choice(SAID)) for _ in range(chance.choice((1, 3, 5, 8, 12))))
        turn = Turn(
            TurnRef(1, seq), seq - 1, input=(Text(question),), steps=(Step((Text(answer),)),), at=seq * 60_000
        )
        lines = [filled(chance.choice(REMEMBERED)) for _ in range(chance.randint(2, 5))]
        yield Asked(turn, recalled_text("zh", lines) if chance.random() < RECALLED else "")


def asking(asked: Asked) -> Turn:
    """The turn as it is sent: nothing answered yet, what was recalled before the question."""
    question = asked.turn.input[0]
    assert isinstance(question, Text)
    text = f"{asked.recalled}\n{question.text}" if asked.recalled else question.text
    return replace(asked.turn, input=(Text(text),), steps=(), state="running", memo={})


@dataclass(slots=True)
class Conversation:
    """The window and its notes as an engine keeps them."""

    dialect: ChatDialect
    persona: str
    notes: tuple[Note, ...] = ()
    past: tuple[Turn, ...] = ()
    start: int = 0
    moves: int = 0
    fresh: list[Note] = field(default_factory=list[Note])

    def request(self, asked: Asked) -> Packed:
        """What is sent for a question."""
        current, since = asking(asked), self.past
        notes = chain(self.notes, since[0].parent if since else 0)
        packed = self._pack(current, notes)
        while self.past and self.past[0].ref.seq < packed.start:
            self.moves += 1
            self.start = packed.start
            self.past = tuple(turn for turn in since if turn.ref.seq >= packed.start)
            laid = lay(self.notes, since[: len(since) - len(self.past)])
            notes = tuple(p if isinstance(p, Note) else note_of(p, extract(p)) for p in laid)
            packed = self._pack(current, notes)
        self.start = packed.start
        self.fresh = [note for note in notes if note not in self.notes]
        return packed

    def answered(self, asked: Asked) -> None:
        """What upkeep does after the reply, without a model."""
        if self.fresh:
            self.notes = (*self.notes, *self.fresh)
            self.fresh = []
            if (folded := fold(self.notes)) is not None:
                digest, gone = folded
                self.notes = (digest, *(note for note in self.notes if note not in gone))
        self.past = (*self.past, asked.turn)

    def _pack(self, current: Turn, notes: Sequence[Note]) -> Packed:
        digest = "\n".join(note.text for note in notes if note.level)
        told = context_text("zh", (), digest, [note.text for note in notes if not note.level])
        system = f"{self.persona}\n\n{told}" if told else self.persona
        return self.dialect.pack(system, (*self.past, current), start=self.start)


def parts(packed: Packed) -> list[str]:
    """A request as the texts that the model reads, in order."""
    return [packed.system.decode(), *(message.decode() for message in packed.messages)]


def common(before: Sequence[str], now: Sequence[str]) -> float:
    """Tokens at the beginning of a request that were at the beginning of the one before it."""
    total = 0.0
    for old, new in zip(before, now, strict=False):
        if old == new:
            total += estimate(new)
            continue
        differs = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(new))
        return total + estimate(new[:differs])
    return total


def share(requests: Iterator[Packed]) -> float:
    """Percent of the input tokens that are a prefix of the request before."""
    before = parts(next(requests))
    same = total = 0.0
    for packed in requests:
        now = parts(packed)
        same += common(before, now)
        total += sum(estimate(part) for part in now)
        before = now
    return same / total * 100


def steady(made: Conversation, turns: int) -> Iterator[Packed]:
    """The requests of a talk through window and notes."""
    for asked, _ in zip(talk(), range(turns), strict=False):
        packed = made.request(asked)
        assert packed.tokens <= BUDGET, f"{packed.tokens} tokens"
        yield packed
        made.answered(asked)


def sliding(dialect: ChatDialect, persona: str, turns: int) -> Iterator[Packed]:
    """The same talk, as many of its last turns as fit."""
    past: list[Turn] = []
    for asked, _ in zip(talk(), range(turns), strict=False):
        current = asking(asked)
        packed = dialect.pack(persona, (*past, current))
        while past and packed.tokens > BUDGET:
            del past[0]
            packed = dialect.pack(persona, (*past, current))
        yield packed
        past.append(asked.turn)


def costs(dialect: ChatDialect, persona: str) -> list[dict[int, float]]:
    """CPU ms per turn after each of `PLACES`, of several talks: what is said differs from place to place."""
    rounds: list[dict[int, float]] = []
    for seed in range(ROUNDS):
        spent: dict[int, float] = {}
        made = Conversation(dialect, persona)
        asked = talk(seed)
        done = 0
        for place in PLACES:
            while done < place:
                turn = next(asked)
                made.request(turn)
                made.answered(turn)
                done += 1
            some = [next(asked) for _ in range(AROUND)]
            gc.collect()
            gc.disable()
            began = time.process_time()
            for turn in some:
                made.request(turn)
                made.answered(turn)
            spent[place] = (time.process_time() - began) * 1000 / len(some)
            gc.enable()
            done += AROUND
        rounds.append(spent)
    return rounds


def main() -> int:
    """Prints the figures; with `--check`, 1 if one misses its target."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    check = options.parse_args().check
    persona = PersonaLibrary().get("default").render(locale="zh")
    limits = Limits(None, BUDGET)
    dialect = ChatDialect("benchmark/window", soft=limits, hard=limits, alternating=True, system="field")
    made = Conversation(dialect, persona)
    stays = share(steady(made, TURNS))
    free = replace(dialect, soft=Limits(None, None))
    slides = share(sliding(free, persona, TURNS))
    print(f"window  {TURNS} turns at {BUDGET} tokens: the window moved {made.moves} times")
    print(f"window  common prefix {stays:.1f} % (target >= {SHARE:.0f} %), sliding {slides:.1f} %")
    spent = costs(dialect, persona)
    middle = {place: median(one[place] for one in spent) for place in PLACES}
    late = max(median(one[place] / one[PLACES[0]] for one in spent) for place in PLACES)
    print("window  CPU per turn", ", ".join(f"{ms:.3f} ms at {place}" for place, ms in middle.items()))
    print(f"window  the dearest is {late:.2f} of turn {PLACES[0]} (target <= {FLAT:.2f})")
    return 1 if check and (stays < SHARE or late > FLAT) else 0


if __name__ == "__main__":
    sys.exit(main())
