"""Other words that people may have used for those of a question: of everyday life, in English and Chinese.

The words stand in `synonyms/`, a group on each line. They are looked up for a question alone: no turn is
indexed by a word that was not said in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from duihua.memory.terms import bare, terms

MOST = 20
"""Terms that are looked for besides those of a question."""
READ = 200
"""Characters of a question for whose words others are looked for."""

Word = tuple[str, ...]
"""The terms of a word: one of English, of Chinese a pair of characters or several."""


@dataclass(frozen=True, slots=True)
class Others:
    """Words that may have been used for those of a question, as bits of its terms.

    Attributes:
        terms: those that were not asked for.
        instead: for each word that has others, its own terms (0: it has none), and those of each of the
            others, all of which a turn has to hold.
    """

    terms: int = 0
    instead: tuple[tuple[int, tuple[int, ...]], ...] = ()


NONE = Others()


def others(text: str, words: Sequence[str]) -> tuple[list[str], Others]:
    """What else to look for.

    Args:
        text: of a question, in lower case.
        words: its terms, which are counted from bit 0.

    Returns:
        More terms, which follow those of the question, and what they stand for.
    """
    number, asked = {word: n for n, word in enumerate(words)}, frozenset(words)
    instead: list[tuple[int, tuple[int, ...]]] = []
    for word, used in _met(text, words):
        masks: list[int] = []
        for other in used:
            new = [term for term in other if term not in number]
            if set(other) <= asked or len(number) - len(words) + len(new) > MOST:
                continue
            number |= {term: n for n, term in enumerate(new, len(number))}
            masks.append(_bits(other, number))
        if masks:
            instead.append((_bits(word, number), tuple(masks)))
    more = list(number)[len(words) :]
    return more, Others(((1 << len(more)) - 1) << len(words), tuple(instead))


def _bits(word: Word, number: Mapping[str, int]) -> int:
    return sum(1 << number[term] for term in word if term in number)


def _met(text: str, words: Sequence[str]) -> Iterator[tuple[Word, Sequence[Word]]]:
    """The words of a question that have others, with these."""
    english = _english()
    for word in words:
        if others := english.get(word):
            yield (word,), others
    if text.isascii():
        return
    chinese, text, end = _chinese(), bare(text[:READ]), 0
    for at, first in enumerate(text):
        for word, held, others in chinese.get(first, ()):
            if at + len(word) > end and text.startswith(word, at):  # of a longer word it is no part
                end = at + len(word)
                yield held, others
                break


@cache
def _english() -> Mapping[str, Sequence[Word]]:
    """What may have been said for each stem."""
    out: dict[str, dict[Word, None]] = {}
    for word, others in _groups("en"):
        for stem in _terms(word):
            out.setdefault(stem, {}).update((other, None) for other in others if other != (stem,))
    return {stem: tuple(others) for stem, others in out.items()}


@cache
def _chinese() -> Mapping[str, Sequence[tuple[str, Word, Sequence[Word]]]]:
    """By their first character the words, long ones first, with their terms and what may have been said."""
    found: dict[str, dict[Word, None]] = {}
    for word, others in _groups("zh"):
        found.setdefault(word, {}).update(dict.fromkeys(others))
    out: dict[str, list[tuple[str, Word, Sequence[Word]]]] = {}
    for word in sorted(found, key=len, reverse=True):
        out.setdefault(word[0], []).append((word, _terms(word), tuple(found[word])))
    return out


def _groups(language: str) -> Iterator[tuple[str, Sequence[Word]]]:
    """Each word of each line, with what may have been said for it."""
    text = files("duihua.memory").joinpath("synonyms", f"{language}.txt").read_text("utf-8")
    for line in text.splitlines():
        left, directed, right = ("" if line.startswith("#") else line).partition(">")
        asked_for = left.split()
        for word in asked_for:
            others = right.split() if directed else asked_for
            yield word, [held for other in others if other != word and (held := _terms(other))]


@cache
def _terms(word: str) -> Word:
    return tuple(dict.fromkeys(terms(word)))
