"""Several inputs as one: what is said while an answer is written may be answered together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from duihua.messages import Attachment, Part, Text

Meanwhile = Literal["queue", "join", "interrupt"]
"""What becomes of a message that comes while an answer is written: see `Session.configure`."""
MEANWHILE: tuple[Meanwhile, ...] = ("queue", "join", "interrupt")

_BREAK = Text("\n\n")


def joined(inputs: Sequence[Sequence[Part]]) -> tuple[Part, ...]:
    """What several inputs say, one behind the other."""
    out: list[Part] = []
    for parts in inputs:
        out += [_BREAK, *parts] if out else parts
    return tuple(out)


def amended(
    parts: Sequence[Part], place: int, instead: Sequence[Part | Attachment]
) -> tuple[Part | Attachment, ...]:
    """The same, but for the input at a place (from 0), which says something else now."""
    out: list[Part | Attachment] = []
    for number, own in enumerate(parted(parts)):
        out += [*((_BREAK,) if number else ()), *(instead if number == place else own)]
    return tuple(out)


def parted(parts: Sequence[Part]) -> Sequence[Sequence[Part]]:
    """The inputs that were joined."""
    inputs: list[list[Part]] = [[]]
    for part in parts:
        if part == _BREAK:
            inputs.append([])
        else:
            inputs[-1].append(part)
    return inputs
