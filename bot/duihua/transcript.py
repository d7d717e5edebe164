"""Turns joined into one list of messages that a platform takes: in order, nothing empty, no two in a row.

What is missing is made up as little as possible: a word from the user before an answer that has no question,
a dot from the assistant after a result that never got an answer. Inputs without an answer join the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from duihua.fragments import PER_MESSAGE, Fragments, Shape, message, render, text_input
from duihua.memory.window import Size
from duihua.messages import Decision, Part, Step, Turn, TurnRef, TurnState
from duihua.tokens import estimate

USER = "(继续 / continue)"
ASSISTANT = "……"
_USER, _ASSISTANT = message("user", USER), message("assistant", ASSISTANT)
_REMEMBERED = 4  # turns to look back for a transcript that can be continued


def _cost(text: str) -> int:
    return round(estimate(text)) + PER_MESSAGE


_USER_COST, _ASSISTANT_COST = _cost(USER), _cost(ASSISTANT)


@dataclass(slots=True)
class Transcript:
    """A list of messages in the making; the fields are those of `Packed`.

    `waiting`: inputs without an answer; `last`: the kind of the last message (u, a, f or empty).
    """

    messages: list[bytes] = field(default_factory=list[bytes])
    rounds: list[TurnRef | None] = field(default_factory=list[TurnRef | None])
    joined: list[tuple[int, TurnRef]] = field(default_factory=list[tuple[int, TurnRef]])
    waiting: list[tuple[TurnRef, str]] = field(default_factory=list[tuple[TurnRef, str]])
    last: str = ""
    tokens: int = 0
    characters: int = 0

    @property
    def size(self) -> Size:
        """What the messages take."""
        return Size(self.tokens, self.characters)

    def copy(self) -> Transcript:
        """A transcript to go on from, without changing this one."""
        return Transcript(
            self.messages.copy(),
            self.rounds.copy(),
            self.joined.copy(),
            self.waiting.copy(),
            self.last,
            self.tokens,
            self.characters,
        )

    def add(self, turn: Turn, piece: Fragments, *, current: bool = False, decision: str = "") -> None:
        """Appends a turn. `decision` is what to say for an input that has no text and nothing to follow."""
        self.tokens += piece.tokens
        self.characters += piece.characters
        if not piece.body and not current:
            if piece.opening:
                self.waiting.append((turn.ref, piece.text))
            return
        if piece.opening or self.waiting:
            self._ask(turn.ref, piece)
        elif self.last != "f":
            self._ask_anyway(turn.ref, decision)
        if piece.body:
            self.messages += piece.body
            self.rounds += [turn.ref] * len(piece.body)
            self.last = piece.last

    def close(self) -> None:
        """The model is asked: the last message must be the user's, or a result."""
        if self.last == "a":
            self._append(None, _USER, "u", _USER_COST, len(USER))

    def _ask(self, ref: TurnRef, piece: Fragments) -> None:
        if self.last == "f":
            self._append(None, _ASSISTANT, "a", _ASSISTANT_COST, len(ASSISTANT))
        data = piece.opening
        if self.waiting:
            texts = [text for _, text in self.waiting]
            texts += [piece.text] if piece.opening else []
            data = message("user", "\n".join(texts))
            self.characters += len(texts) - 1
            self.joined += [(len(self.messages), waiting) for waiting, _ in self.waiting]
            self.waiting.clear()
        self._append(ref, data, "u")

    def _ask_anyway(self, ref: TurnRef, decision: str) -> None:
        if decision:
            self._append(ref, message("user", decision), "u", _cost(decision), len(decision))
        else:
            self._append(None, _USER, "u", _USER_COST, len(USER))

    def _append(
        self, ref: TurnRef | None, data: bytes, kind: str, tokens: int = 0, characters: int = 0
    ) -> None:
        self.messages.append(data)
        self.rounds.append(ref)
        self.last = kind
        self.tokens += tokens
        self.characters += characters


class _History(NamedTuple):
    """The transcript up to one turn, kept in its memo; `source` tells the turn, which may be a copy."""

    before: tuple[Turn, ...]
    source: tuple[tuple[Part, ...], tuple[Step, ...], TurnState]
    transcript: Transcript


def history(turns: Sequence[Turn], start: int, end: int, shape: Shape) -> Transcript:
    """The transcript of `turns[start:end]`; copy it before adding to it.

    It is kept with its last turn and continued when the conversation has grown by a turn or two, so that a
    long conversation costs no more than a short one.
    """
    if start == end:
        return Transcript()
    key = f"{shape.key}/history"
    known, upto = _known(turns, start, end, key)
    if known is not None and upto == end:
        return known
    transcript = known or Transcript()
    if known is not None:
        turns[upto - 1].memo.pop(key)  # it grows, so it is no longer the transcript of that turn
    for turn in turns[upto:end]:
        piece = render(turn, shape)
        lonely = not piece.opening and piece.body and transcript.last != "f"
        transcript.add(turn, piece, decision=decision(turn, turns) if lonely else "")
    last = turns[end - 1]
    source = (last.input, last.steps, last.state)
    last.memo[key] = _History(tuple(turns[start : end - 1]), source, transcript)
    return transcript


def _known(turns: Sequence[Turn], start: int, end: int, key: str) -> tuple[Transcript | None, int]:
    for upto in range(end, max(start, end - _REMEMBERED), -1):
        turn = turns[upto - 1]
        entry: _History | None = turn.memo.get(key)
        if entry is None:
            continue
        parts, steps, state = entry.source
        same = parts is turn.input and steps is turn.steps and state == turn.state
        if same and entry.before == tuple(turns[start : upto - 1]):
            return entry.transcript, upto
    return None, start


def decision(turn: Turn, turns: Sequence[Turn]) -> str:
    """A decision in words, for a place where the call it belongs to is not the last message."""
    found = next((part for part in turn.input if isinstance(part, Decision)), None)
    if found is None or text_input(turn.input).strip():
        return ""
    verdict = "已同意 / approved" if found.approve else "未同意 / refused"
    call = next((c for t in turns for s in t.steps for c in s.calls if c.id == found.call), None)
    if call is None:
        return f"({verdict})"
    return f"({verdict}: {call.name} {call.arguments})"  # its result stands with the call


def units(turns: Sequence[Turn], start: int, end: int, shape: Shape) -> list[tuple[int, Size]]:
    """What can leave the window only as a whole: index of the first turn, and at most what it takes.

    A turn that goes on after another one's result stays with it.
    """
    out: list[tuple[int, Size]] = []
    last = ""
    for index in range(start, end):
        piece = render(turns[index], shape)
        tokens, characters = piece.tokens, piece.characters + 1  # a newline, if it joins the next one
        if not piece.opening and piece.body and last != "f":
            words = decision(turns[index], turns) or USER
            tokens, characters = tokens + _cost(words), characters + len(words)
        if piece.last == "f":
            tokens, characters = tokens + _ASSISTANT_COST, characters + len(ASSISTANT)
        if out and last == "f" and not piece.opening:
            begin, size = out[-1]
            out[-1] = (begin, Size(size.tokens + tokens, size.characters + characters))
        else:
            out.append((index, Size(tokens, characters)))
        last = piece.last or last
    return out


def head(turns: Sequence[Turn], start: int, shape: Shape) -> int:
    """The index at which the unit of the current (last) turn begins, not before `start`."""
    index = len(turns) - 1
    if text_input(turns[index].input).strip():
        return index
    for earlier in range(index - 1, start - 1, -1):
        piece = render(turns[earlier], shape)
        if not piece.last:  # an erased turn
            continue
        if piece.last != "f":
            break
        index = earlier
        if piece.opening:
            break
    return index
