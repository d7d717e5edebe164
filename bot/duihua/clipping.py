"""Makes the current turn fit when it is too large even alone: its results are clipped, never its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from duihua.messages import Turn

SHORTEST = 200
"""Characters that stay of a clipped result."""
_NOTE = 64  # about the length of the note


def clipped(text: str, keep: int) -> str:
    """The head of a text with a note on what is missing; the text itself if that would not be shorter."""
    if len(text) <= keep + _NOTE:
        return text
    return f"{text[:keep]}\n[... {len(text) - keep} more characters left out]"


def shorten(turns: Sequence[Turn], fit: Callable[[Sequence[Turn]], bool]) -> Sequence[Turn]:
    """Copies of the turns with as few clipped results as make them `fit`.

    The oldest goes first; of the newest as much stays as fits. If nothing helps, all are clipped.
    """
    places = [
        (t, s, c)
        for t, turn in enumerate(turns)
        for s, step in enumerate(turn.steps)
        for c in range(len(step.calls))
    ]
    for place in places[:-1]:
        if fit(turns):
            return turns
        turns = _clip(turns, place, SHORTEST)
    if not places or fit(turns):
        return turns
    least, most = SHORTEST, len(_result(turns, places[-1]))
    while most - least > SHORTEST:
        middle = (least + most) // 2
        if fit(_clip(turns, places[-1], middle)):
            least = middle
        else:
            most = middle
    return _clip(turns, places[-1], least)


def _result(turns: Sequence[Turn], place: tuple[int, int, int]) -> str:
    turn, step, call = place
    return turns[turn].steps[step].calls[call].result


def _clip(turns: Sequence[Turn], place: tuple[int, int, int], keep: int) -> list[Turn]:
    t, s, c = place
    out = list(turns)
    steps = list(out[t].steps)
    calls = list(steps[s].calls)
    calls[c] = replace(calls[c], result=clipped(calls[c].result, keep))
    steps[s] = replace(steps[s], calls=tuple(calls))
    out[t] = replace(
        out[t], steps=tuple(steps), memo={}
    )  # a copy must not share what is kept of the original
    return out
