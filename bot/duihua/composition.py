"""What one request holds: the persona's text, what memory adds to it, the turns of the window, the question.

    [persona, standing instructions, digest, notes] [turns] [recalled lines, question]

What is stable comes first, because platforms bill a prefix they have seen before at a fraction. So the system
text changes only when the window moves; what is recalled stands before the question, and is stored nowhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from duihua.fragments import text_input
from duihua.memories import Fact, Hit, Note
from duihua.memory import notes
from duihua.memory.calibration import rescaled
from duihua.memory.extract import extract
from duihua.messages import Attachment, Text, Turn, TurnRef
from duihua.ports import Dialect, Packed, ToolSpec
from duihua.tokens import estimate

GAP = "\n\n"
SHARE = 4
"""At most this part of a window is notes (1/4), and recalled lines are half as much."""
MOVES = 4
"""How often the notes of turns that left may push others out of a window."""
KEPT = 512
"""Sessions of which the memory's text is kept."""
WISHES = 10
"""Standing wishes take at most this part of a window (1/10): of more the newest ones hold."""
LARGE = 2
"""An input that fills more than this part of a window (1/2) is sent without recalled lines."""


@dataclass(frozen=True, slots=True)
class Words:
    """How memory is put into words: see `duihua_prompts.memory`."""

    context: Callable[[str, Sequence[str], str, Sequence[str]], str]
    recalled: Callable[[str, Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What memory knows for one turn.

    Attributes:
        locale: the language of the words around it.
        instructions: standing wishes of the person.
        notes: of the path up to the window, oldest first, those that are not stored yet included.
        hits: what was recalled for the question, the best first.
    """

    locale: str = "zh"
    instructions: tuple[Fact, ...] = ()
    notes: tuple[Note, ...] = ()
    hits: tuple[Hit, ...] = ()


NOTHING = Remembered()


@dataclass(frozen=True, slots=True)
class Composition:
    """A request's content.

    `memory` is the part of the system text that is not the persona's, `recalled` what stands before the
    question, `shown` the hits that it tells. `pending` are notes of the turns that left the window just now.
    """

    packed: Packed
    persona: str
    memory: str = ""
    recalled: str = ""
    shown: tuple[Hit, ...] = ()
    pending: tuple[Note, ...] = ()


_Told = tuple[str, tuple[Fact, ...], tuple[Note, ...], float]  # what a session's memory text was made of


@dataclass(frozen=True, slots=True)
class Composer:
    """Puts requests together. `tokens`: of recalled lines, at most; `notes`: of what leaves the window.

    What memory adds to a session's system text is kept, as it is the same until the window moves.
    """

    words: Words
    tokens: int = 400
    notes: bool = True
    _kept: OrderedDict[int, tuple[_Told, str]] = field(
        init=False, repr=False, compare=False, default_factory=OrderedDict[int, tuple[_Told, str]]
    )

    def forget(self, session: int | None = None) -> None:
        """Drops what is kept of a session; None: of all."""
        if session is None:
            self._kept.clear()
        else:
            self._kept.pop(session, None)

    def compose(
        self,
        dialect: Dialect,
        persona: str,
        turns: Sequence[Turn],
        tools: Sequence[ToolSpec] = (),
        *,
        remembered: Remembered = NOTHING,
        start: int = 0,
        budget: int | None = None,
        scale: float = 1.0,
        correct: Callable[[Packed], float | None] | None = None,
        images: Mapping[str, Attachment] | None = None,
    ) -> Composition:
        """The content of a request; arguments as of `Dialect.pack`, the last turn is the current one.

        With a `budget` of its own a request holds no notes of what leaves the window: less is the point.
        `correct` tells the scale that the packed request should have been packed with, None if it was.
        """
        room = room_of(dialect, budget)
        recalled, shown = self._recalled(remembered, turns[-1], room)
        if recalled:
            told = (Text(f"{recalled}{GAP}"), *turns[-1].input)
            turns = (*turns[:-1], replace(turns[-1], input=told, memo={}))
        session = turns[-1].ref.session
        memory = self._memory(session, remembered, remembered.notes, room)
        pending: tuple[Note, ...] = ()
        first, moves = start, 0
        made: dict[tuple[TurnRef, TurnRef], Note] = {}
        while True:
            packed = dialect.pack(
                _joined(persona, memory), turns, tools, start=start, budget=budget, scale=scale, images=images
            )
            moved = packed.start != start and self.notes and moves < MOVES and budget is None
            start = packed.start
            if moved and (left := _left(turns, first, start, room, made)):
                # What has just left the window is told in a note, in this very request.
                moves += 1
                pending = left
                memory = self._memory(session, remembered, (*remembered.notes, *pending), room)
            elif correct is None or (better := correct(packed)) is None:
                break
            elif (same := rescaled(packed, better, budget or dialect.soft.tokens)) is not None:
                packed = same
                break
            else:  # the window stays where it is now: what is left in it may be of another scale than all was
                scale, correct = better, None
        return Composition(packed, persona, memory, recalled, shown, pending)

    def _memory(self, session: int, remembered: Remembered, known: tuple[Note, ...], room: float) -> str:
        told = (remembered.locale, remembered.instructions, known, room)
        kept = self._kept.get(session)
        if kept is not None and kept[0] == told:
            self._kept.move_to_end(session)
            return kept[1]
        text = self._told(remembered, known, room)
        self._kept[session] = told, text
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return text

    def _told(self, remembered: Remembered, known: Sequence[Note], room: float) -> str:
        """The notes and the wishes that there is room for."""
        kept = notes.fitting(known, room / SHARE)
        digest = kept[0].text if kept and kept[0].level else ""
        told = tuple(note.text for note in kept if note.text and not note.level)
        instructions = _fitting(remembered.instructions, room / WISHES)
        if not (digest or told or instructions):
            return ""
        return self.words.context(remembered.locale, instructions, digest, told)

    def _recalled(self, remembered: Remembered, current: Turn, room: float) -> tuple[str, tuple[Hit, ...]]:
        if not remembered.hits or estimate(text_input(current.input)) > room / LARGE:
            return "", ()
        left = min(float(self.tokens), room / SHARE / 2)
        shown: list[Hit] = []
        for hit in remembered.hits:
            cost = estimate(hit.text)
            if cost <= left:  # else a shorter one may fit
                left -= cost
                shown.append(hit)
        if not shown:
            return "", ()
        return self.words.recalled(remembered.locale, tuple(hit.text for hit in shown)), tuple(shown)


def _fitting(wishes: Sequence[Fact], tokens: float) -> tuple[str, ...]:
    """The texts of the newest wishes that have room, in their order."""
    kept: list[Fact] = []
    for wish in sorted(wishes, key=lambda wish: (wish.last_seen, wish.id), reverse=True):
        tokens -= estimate(wish.text)
        if tokens < 0:
            break
        kept.append(wish)
    return tuple(wish.text for wish in wishes if wish in kept)


def room_of(dialect: Dialect, budget: int | None = None) -> float:
    """Tokens of a whole request, about."""
    soft = dialect.soft
    known = [n for n in (budget, soft.tokens, soft.characters // 2 if soft.characters else None) if n]
    return float(min(known)) if known else 8_000.0


def _joined(persona: str, memory: str) -> str:
    return f"{persona}{GAP}{memory}" if persona and memory else persona or memory


def plain(turns: Sequence[Turn], room: float = 8_000) -> Note:
    """The note of turns that nobody has summed up; a short one where there is little room for it."""
    return notes.note_of(turns, extract(turns, tokens=min(notes.NOTE, room / 8)))


def _left(
    turns: Sequence[Turn], before: int, now: int, room: float, made: dict[tuple[TurnRef, TurnRef], Note]
) -> tuple[Note, ...]:
    """Plain notes of the turns that were in the window and are not any more; `made` keeps them."""
    first = turns[0].ref.seq
    if now in (before, first):
        return ()
    if before > first and any(turn.ref.seq == before for turn in turns):
        first = before  # the window had moved earlier, for these turns are from before it
    gone = [turn for turn in turns[:-1] if first <= turn.ref.seq < now]
    out: list[Note] = []
    for chunk in notes.chunks(gone):
        ends = chunk[0].ref, chunk[-1].ref
        out.append(made.get(ends) or made.setdefault(ends, plain(chunk, room)))
    return tuple(out)
