"""Whole conversations lived through window and notes: what must hold after whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.dialect import ChatDialect
from duihua.memories import Note
from duihua.memory.extract import extract, sentences
from duihua.memory.notes import (
    DIGEST,
    MANY,
    NOTE,
    chain,
    fitting,
    fold,
    lay,
    missing,
    note_of,
    without,
)
from duihua.messages import Call, Step, Text, Turn, TurnRef, TurnState, call_id, text_of
from duihua.ports import Packed, ToolSpec
from duihua.tokens import estimate
from duihua_prompts import context_text
from tests.dialects import ALL
from tests.memory.covering import covered
from tests.wire import loaded

Action = Literal["say", "undo", "retry", "erase", "leave"]
PERSONA = "你是助手。Be kind."
CLOCK = (ToolSpec("clock", "The time.", {}),)
WORDS = ("我女儿叫朵朵，", "今天{}号，", "my flight is at {}:40. ", "好的。", "😀", "x\n", "《三体》第{}章，")

kinds = st.sampled_from(ALL)
budgets = st.sampled_from((500, 500, 1_200, 6_000))
talking = st.tuples(st.just("say"), st.integers(0, 999))
acting = st.tuples(
    st.sampled_from(("say", "say", "say", "undo", "retry", "erase", "leave")), st.integers(0, 999)
)


def spoken(seq: int, parent: int, number: int) -> Turn:
    """A turn with a question, of any kind."""
    text = WORDS[number % 7].format(number) * (1 + number % 41)
    ref = TurnRef(1, seq)
    said = Step((Text(WORDS[number % 5].format(number) * (1 + number % 29)),))
    call = Call(call_id(ref, 0, 0), "clock", "{}", "done", "noon " * (number % 300), "read")
    steps = (Step((), (call,)), said) if number % 7 == 0 else (said,)
    state: TurnState = "stopped" if number % 11 == 0 else "failed" if number % 13 == 0 else "done"
    return Turn(ref, parent, None, (Text(text),), () if state == "failed" else steps, state, at=seq)


def size(turns: tuple[Turn, ...] | list[Turn]) -> float:
    return sum(estimate(text_of(turn.input)) + estimate(turn.text) for turn in turns)


@dataclass
class Life:
    """A session as an engine and a store keep it, each rule in its shortest form."""

    dialect: ChatDialect
    budget: int
    turns: dict[int, Turn] = field(default_factory=dict[int, Turn])
    notes: list[Note] = field(default_factory=list[Note])
    head: int = 0
    window: int = 0
    number: int = 0
    before: tuple[Packed, str] | None = None  # the last request of this path, and its system text
    summarised: float = 0.0

    def path(self) -> list[Turn]:
        out: list[Turn] = []
        seq = self.head
        while seq:
            out.append(self.turns[seq])
            seq = self.turns[seq].parent
        return out[::-1]

    def do(self, action: str, number: int) -> None:
        if action == "say" or not self.head:
            self.say(number)
        elif action == "undo":
            self.go(self.turns[self.head].parent)
        elif action == "retry":
            self.go(self.turns[self.head].parent)
            self.say(number)
        elif action == "leave":  # goes on elsewhere in the tree
            self.go(sorted(self.turns)[number % len(self.turns)])
        else:
            self.erase(sorted(self.turns)[number % len(self.turns)])

    def go(self, head: int) -> None:
        self.head, self.before = head, None
        if self.window > head:
            self.window = 0

    def erase(self, seq: int) -> None:
        gone = {seq: self.turns.pop(seq).parent}
        for turn in list(self.turns.values()):
            if turn.parent == seq:
                self.turns[turn.ref.seq] = replace(turn, parent=gone[seq], memo={})
        for note in self.notes:
            if without(note, gone) is None:
                self.window = min(self.window, note.first)
        self.notes = [left for note in self.notes if (left := without(note, gone)) is not None]
        self.head = gone.get(self.head, self.head)
        self.before = None
        assert seq not in covered(self.notes)

    def say(self, number: int) -> None:
        self.number += 1
        turn = spoken(self.number, self.head, number)
        asked = replace(turn, steps=(), state="running", memo={})
        path = self.path()
        since = [t for t in path if t.ref.seq >= self.window]
        standing = chain(self.notes, since[0].parent if since else self.head)
        lost = path[: len(path) - len(since)]
        if missing(standing, since[0].parent if since else self.head):  # on a branch that has no notes yet
            standing = self.laid(lost)
        else:
            lost = []
        packed, system = self.pack(standing, since, asked)
        self.stays(packed, system)
        past = since
        while past and past[0].ref.seq < packed.start:  # once more if the notes themselves take the room
            self.window = packed.start
            past = [t for t in since if t.ref.seq >= packed.start]
            standing = self.laid([*lost, *since[: len(since) - len(past)]])
            packed, system = self.pack(standing, past, asked)
        self.window = packed.start
        self.holds(packed, system, standing, past, asked)
        self.before = packed, system
        self.turns[turn.ref.seq] = turn
        self.head = turn.ref.seq
        self.keep([note for note in standing if note not in self.notes])

    def laid(self, left: list[Turn]) -> tuple[Note, ...]:
        tokens = min(NOTE, self.budget // 8)
        return tuple(
            piece if isinstance(piece, Note) else note_of(piece, extract(piece, tokens=tokens))
            for piece in lay(self.notes, left)
        )

    def keep(self, fresh: list[Note]) -> None:
        self.summarised += size([self.turns[seq] for seq in covered(fresh) if seq in self.turns])
        keys = {(note.upto, note.level) for note in fresh}
        self.notes = [note for note in self.notes if (note.upto, note.level) not in keys] + fresh
        first = next(t for t in self.path() if t.ref.seq >= self.window)
        while (folded := fold(chain(self.notes, first.parent))) is not None:
            digest, gone = folded
            self.notes = [note for note in self.notes if note not in gone] + [digest]
            assert estimate(digest.text) <= DIGEST

    def pack(self, standing: tuple[Note, ...], past: list[Turn], asked: Turn) -> tuple[Packed, str]:
        shown = fitting(standing, self.budget / 4)
        digest = "\n".join(note.text for note in shown if note.level)
        told = context_text("zh", (), digest, [note.text for note in shown if not note.level])
        system = f"{PERSONA}\n\n{told}" if told else PERSONA
        given = (*past, asked)
        packed = self.dialect.pack(system, given, CLOCK, start=self.window, budget=self.budget)
        if self.number % 4:
            return packed, system
        anew = tuple(replace(turn, memo={}) for turn in given)
        assert self.dialect.pack(system, anew, CLOCK, start=self.window, budget=self.budget) == packed
        again = self.dialect.pack(system, given, CLOCK, start=packed.start, budget=self.budget)
        assert again == packed
        return packed, system

    def stays(self, packed: Packed, system: str) -> None:
        """What the last request of this path sent is the beginning of this one, unless the window moved."""
        if self.before is None or self.before[0].start != packed.start or self.before[1] != system:
            return
        last = self.before[0]
        settled = len(last.messages) - 1  # the question may be joined with the next one
        assert packed.system == last.system
        assert packed.messages[:settled] == last.messages[:settled]

    def holds(
        self, packed: Packed, system: str, standing: tuple[Note, ...], past: list[Turn], asked: Turn
    ) -> None:
        whole = [turn.ref.seq for turn in self.path()]
        noted = [seq for note in standing for seq in whole if seq in covered([note])]
        assert [*noted, *(turn.ref.seq for turn in past)] == whole  # each in one place, in order
        assert missing(standing, past[0].parent if past else self.head) == 0
        assert sum(1 for note in standing if note.level == 0) < MANY + 4
        for note in standing:
            assert estimate(note.text) <= (DIGEST if note.level else NOTE)
        messages: list[dict[str, Any]] = loaded(packed)
        assert messages[-1]["role"] == "user"
        carried = orjson.loads(packed.system) if packed.system else messages[0]["content"]
        assert carried == system or carried.startswith(system + "\n\n")
        if past:  # a question that is too large alone is sent whole all the same
            soft = self.dialect.soft.characters
            assert packed.tokens <= self.budget
            assert soft is None or packed.characters <= soft


@settings(max_examples=8, deadline=None)
@given(kinds, budgets, st.lists(talking, min_size=20, max_size=60))
def test_a_talk_stays_whole_and_is_summarised_once(
    kind: Any, budget: int, actions: list[tuple[str, int]]
) -> None:
    life = Life(kind[0], budget)
    for action, number in actions:
        life.do(action, number)
    assert life.summarised <= 1.6 * size(life.path())


@settings(max_examples=12, deadline=None)
@given(kinds, budgets, st.lists(acting, min_size=20, max_size=60))
def test_a_talk_stays_whole_through_branches_and_forgetting(
    kind: Any, budget: int, actions: list[tuple[str, int]]
) -> None:
    life = Life(kind[0], budget)
    for action, number in actions:
        life.do(action, number)


def test_clauses_that_are_put_together_keep_the_space_between_them() -> None:
    said = "My sister moved to Lisbon and she works there because she likes the sea but her cat does not"
    long = " ".join([said] * 3)
    assert len(sentences(long)) > 1
    assert " ".join(sentences(long)) == long
