"""Damaged bytes, and what texts they hold."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence

_LITERAL = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*"')
_PIECES = (
    b"\n", b"\r\n", b"\n\n", b"data:", b"data: ", b"event:", b"[DONE]", b"{", b"}", b"[", b"]", b'"', b"\\",
    b",", b":",
    b"\\ud83d", b"\\u4f60", b"\xff", b"\xe4\xbd", b"\0", b"null", b"true", b"-1", b"1e999", b"{}", b'""',
)  # fmt: skip


def damage(rng: random.Random, recorded: Sequence[bytes]) -> bytes:
    """One of `recorded` with one to six random changes."""
    data = bytearray(rng.choice(recorded))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(7):
            case 0 if data:
                data[min(at, len(data) - 1)] = rng.randrange(256)
            case 1 | 2:
                data[at:at] = rng.choice(_PIECES)
            case 3:
                del data[at : at + rng.randint(1, 20)]
            case 4:
                other = rng.choice(recorded)
                data[at:at] = other[: rng.randrange(len(other))]
            case 5:
                del data[at:]
            case _:
                data[at:at] = data[: rng.randint(0, 40)]
    return bytes(data)


def held(data: bytes) -> set[str]:
    """Every text that a JSON string somewhere in `data` says, wherever one may be thought to begin."""
    found: set[str] = set()
    at = data.find(b'"')
    while at >= 0:
        if literal := _LITERAL.match(data, at):
            try:
                text = json.loads(literal.group().decode(), strict=False)
            except ValueError:
                pass
            else:
                found.add(text.encode("utf-8", "ignore").decode())
        at = data.find(b'"', at + 1)
    return found


def made_of(text: str, pieces: set[str]) -> bool:
    """Whether `text` is some of `pieces`, one behind the other."""
    parts = [p for p in pieces if p and p in text]
    ends = {0}
    for at in range(len(text)):
        if at in ends:
            ends |= {at + len(p) for p in parts if text.startswith(p, at)}
    return len(text) in ends
