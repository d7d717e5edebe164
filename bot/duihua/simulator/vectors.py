"""Vectors of texts, without a model: texts that share words and signs lie near each other."""

from __future__ import annotations

import math
import re
import zlib
from itertools import pairwise

_PIECE = re.compile(r"[a-z0-9]+|[\u3400-\u9fff\uf900-\ufaff]")


def vector(text: str, size: int) -> list[float]:
    """A vector of length 1: each word, Han character and pair of neighbours adds to one place of it."""
    pieces = _PIECE.findall(text.lower()) or [text]
    found = [0.0] * size
    for piece in [*pieces, *(f"{a} {b}" for a, b in pairwise(pieces))]:
        mark = zlib.crc32(piece.encode("utf-8", "replace"))
        found[mark % size] += 1.0 if mark & 1 << 31 else -1.0
    length = math.hypot(*found)
    return [round(value / length, 6) for value in found] if length else [1.0, *found[1:]]
