"""How much the terms that a turn holds say together of what was asked."""

from __future__ import annotations

from collections.abc import Sequence

from duihua.memory.synonyms import Others

LIGHT = 0.5
"""What another word for one that was asked for says at most, as a share of what that one says."""


class Saying:
    """Weighs sets of terms, as bits.

    Args:
        weights: how much each term says.
        others: those that say nothing of themselves, but something where what they stand for is missing: so
            the word that was asked for always says more, and no more is said by several for one.

    Attributes:
        weights: how much each term says of itself.
        most: what all can say together.
    """

    def __init__(self, weights: Sequence[float], others: Others) -> None:
        self.weights = [0.0 if others.terms >> n & 1 else weight for n, weight in enumerate(weights)]
        self._others = others.terms
        self._instead = [
            (word, [(LIGHT * _sum(other, weights), other) for other in used]) for word, used in others.instead
        ]
        alone = (max(used)[0] for word, used in self._instead if not word)
        self.most = sum(self.weights) + sum(alone)

    def together(self, held: int) -> float:
        """What the terms say that are held."""
        total = _sum(held & ~self._others, self.weights)
        if not held & self._others:
            return total
        for word, used in self._instead:
            lacks = word & ~held
            if lacks or not word:
                says = max((says for says, other in used if other & held == other), default=0.0)
                total += min(says, LIGHT * _sum(lacks, self.weights)) if word else says
        return total


def _sum(terms: int, weights: Sequence[float]) -> float:
    """The weights of some terms together."""
    total = 0.0
    while terms:
        rest = terms & terms - 1
        total += weights[(terms ^ rest).bit_length() - 1]
        terms = rest
    return total
