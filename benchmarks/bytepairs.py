"""A byte-pair tokenizer that trains itself, in plain Python: small, and fast enough for 32,000 merges."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

_WORDS = re.compile(r" ?[A-Za-z]+|[0-9]| ?[!-/:-@\[-`{-~]+|[\u4e00-\u9fff]{1,8}|\s+|[^\x00-\x7f]")
"""Merges stay within these: as in real vocabularies, words with the space before them, digits one by one."""

Pair = tuple[int, int]


def words(text: str) -> list[str]:
    """The pieces of a text that are encoded each for itself."""
    return _WORDS.findall(text)


class BytePairs:
    """A vocabulary of 256 bytes and what was merged of them; counts tokens.

    Args:
        merges: pairs of symbols in the order in which they were learnt; the n-th makes symbol 256 + n.
    """

    def __init__(self, merges: Iterable[Pair]) -> None:
        self._made = {pair: 256 + number for number, pair in enumerate(merges)}
        self._known: dict[str, int] = {}

    def __len__(self) -> int:
        return 256 + len(self._made)

    def cut(self, size: int) -> BytePairs:
        """The vocabulary of the first `size` symbols."""
        return BytePairs(list(self._made)[: size - 256])

    def count(self, text: str) -> int:
        """Tokens of a text."""
        known, total = self._known, 0
        for word in words(text):
            tokens = known.get(word)
            if tokens is None:
                tokens = known[word] = len(self._encoded(word.encode("utf-8", "replace")))
            total += tokens
        return total

    def _encoded(self, word: bytes) -> list[int]:
        symbols, made = list(word), self._made
        while len(symbols) > 1:
            best = min((made.get(pair, _NONE) for pair in pairwise(symbols)), default=_NONE)
            if best == _NONE:
                break
            merged: list[int] = []
            for symbol in symbols:
                if merged and made.get((merged[-1], symbol)) == best:
                    merged[-1] = best
                else:
                    merged.append(symbol)
            symbols = merged
        return symbols


_NONE = 1 << 30


def train(texts: Iterable[str], size: int) -> BytePairs:
    """The vocabulary of `size` symbols that merges the most frequent pair of neighbours again and again."""
    counted = Counter(word for text in texts for word in words(text))
    return BytePairs(_merges([(list(word.encode()), n) for word, n in counted.items()], size - 256))


def _merges(known: list[tuple[list[int], int]], count: int) -> Iterator[Pair]:
    often: dict[Pair, int] = defaultdict(int)
    places: dict[Pair, set[int]] = defaultdict(set)
    for place, (symbols, n) in enumerate(known):
        for pair in pairwise(symbols):
            often[pair] += n
            places[pair].add(place)
    queue = [(-n, pair) for pair, n in often.items()]
    heapq.heapify(queue)
    made = 256
    while queue and made < 256 + count:
        n, pair = heapq.heappop(queue)
        if often[pair] != -n:
            if often[pair] > 0:
                heapq.heappush(queue, (-often[pair], pair))
            continue
        if n == 0:
            break
        yield pair
        grown: set[Pair] = set()
        for place in places.pop(pair):
            symbols, times = known[place]
            before = list(pairwise(symbols))
            at = 0
            while at < len(symbols) - 1:
                if symbols[at] == pair[0] and symbols[at + 1] == pair[1]:
                    symbols[at : at + 2] = [made]
                at += 1
            for old in before:
                often[old] -= times
            for new in pairwise(symbols):
                often[new] += times
                if made in new:
                    places[new].add(place)
                    grown.add(new)
        often.pop(pair)
        for new in grown:
            heapq.heappush(queue, (-often[new], new))
        made += 1
