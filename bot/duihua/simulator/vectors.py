"""Embeddings for the platforms that give them: texts that share characters and pairs of them are near."""

from __future__ import annotations

import math
from hashlib import blake2b
from itertools import pairwise


def vector(text: str, size: int = 384) -> list[float]:
    """A vector of length 1 with `size` numbers, the same for the same text, whatever its case.

    Each character and each pair of neighbours adds to the number that its hash points to, so that the
    product of two vectors grows with what their texts share.
    """
    plain = " ".join(text.casefold().split())
    framed = f"\2{plain}\3"  # the ends count too; an empty text has a direction as well
    counts = [0.0] * size
    for feature in (*plain.replace(" ", ""), *(a + b for a, b in pairwise(framed))):
        digest = blake2b(feature.encode("utf-8", "replace"), digest_size=4).digest()
        counts[int.from_bytes(digest, "big") % size] += 1.0
    length = math.hypot(*counts)
    return [round(count / length, 8) for count in counts]


def nearness(one: list[float], other: list[float]) -> float:
    """The cosine between two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))
