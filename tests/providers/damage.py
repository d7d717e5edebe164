"""Damaged bytes, what texts they hold, and what a reader of answers may not make of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence

from duihua.errors import ProviderError
from duihua.ports import Finish, TextDelta, ThinkingDelta
from tests.providers.recorded import Kind, read, sense

_LITERAL = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*"')  # readers take raw control characters, no line ends
_PIECES = (
    b"\n", b"\r\n", b"\n\n", b"data:", b"data: ", b"event:", b"[DONE]", b"{", b"}", b"[", b"]", b'"', b"\\",
    b",", b":",
    b"\\ud83d", b"\\u4f60", b"\xff", b"\xe4\xbd", b"\0", b"null", b"true", b"-1", b"1e999", b"{}", b'""',
)  # fmt: skip
_VALUE = re.compile(rb'(?<=:)\s*("(?:[^"\\\r\n]|\\[^\r\n])*"|-?\d[\d.]*|true|false|null|\{\}|\[\])')
_OTHERS = (
    b"null", b"true", b"0", b"-1", b"2.5", b"99999999999999999999", b'""', b'"stop"', b"{}", b"[]", b"[null]",
    b'[[{"a":1}]]', b'{"a":{"b":[]}}', b'{"content":"?","name":5}',
)  # fmt: skip
"""Values that stand where another kind of value is expected."""


def damage(rng: random.Random, recorded: Sequence[bytes]) -> bytes:
    """One of `recorded` with one to six random changes."""
    data = bytearray(rng.choice(recorded))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
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
            case 6:
                values = list(_VALUE.finditer(data))
                if values:
                    value = rng.choice(values)
                    data[value.start(1) : value.end(1)] = rng.choice(_OTHERS)
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


def finding(kind: Kind, data: bytes, *cuts: int) -> str:
    """What is wrong with the way `data` is read; empty if nothing is.

    Args:
        kind: the wire.
        data: an answer, damaged or not.
        cuts: places at which the network cuts it, in order.
    """
    pieces = [data[a:b] for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True)]
    try:
        deltas, error = read(kind.make(), *pieces)
        whole, problem = read(kind.make(), data)
        meaning, same = sense(deltas), sense(whole)
    except Exception as e:
        return f"raised {e!r}"
    if error is not None and not isinstance(error, ProviderError):
        return f"an error of another type: {error!r}"
    ends = [d for d in deltas if isinstance(d, Finish)]
    if error is None and (len(ends) != 1 or deltas[-1] is not ends[0]):
        return "ended neither by an error nor by one finish"
    if len(deltas) > len(data) + 2:
        return f"{len(deltas)} deltas from {len(data)} bytes"
    if (meaning, str(error)) != (same, str(problem)):
        return "reads otherwise in pieces than as a whole"
    said = ["".join(d.text for d in deltas if isinstance(d, form)) for form in (TextDelta, ThinkingDelta)]
    known = held(data) if any(said) else set[str]()
    invented = [text for text in said if not made_of(text, known)]
    return f"invented {invented[0][:80]!r}" if invented else ""
