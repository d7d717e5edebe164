"""A summary without a model: the sentences of a talk that tell most, in their own words.

What the user said comes before what the assistant said. The same talk always gives the same text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from heapq import nlargest

from duihua.escapes import one_line
from duihua.memory.telling import chinese, looks, worth
from duihua.messages import Turn, text_of
from duihua.tokens import estimate

LINE = 32
"""Tokens that a kept line takes at most, about: a longer sentence is cut at its commas."""
OPENING = 400
"""Characters of an answer that are looked at: its beginning says what the rest is about."""
HEAD, TAIL = 3_000, 1_000
"""Characters of an input that are looked at, at its beginning and its end."""
POWER = 2
"""How much more worth tells than shortness: a line that is worth twice as much may be four times as long."""
LEAST = 0.6
"""A line that is worth less ("haha, right") is not kept even where there is room."""
MOST = 200
"""Lines that are weighed against each other, the best ones."""
SHARE = 0.4
"""What a line of the assistant's is worth beside one of the user's."""

_USER = {True: "用户：", False: "User: "}
_ASSISTANT = {True: "助手：", False: "Assistant: "}
_MARK = re.compile("|".join((*_USER.values(), *_ASSISTANT.values())))
_BREAK = 0.5  # tokens of a line's end, a little more than it takes
_SENTENCE = re.compile(r"[。！？!?；;\n]+|(?<!Mr)(?<!Ms)(?<!Mrs)(?<!Dr)(?<!St)(?<!\b[A-Z])\.(?=\s|$)")
_CLAUSE = re.compile(r"[，,、：—]+|(?<=\s)(?=(?:and|but|because|so)\s)")
_At = tuple[int, int, int]  # source, 0 or 1 for what answers it, sentence: the order of lines


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that may be kept: with its speaker's mark, what it costs in tokens, and what it is worth."""

    at: _At
    text: str
    terms: frozenset[str]
    cost: float
    worth: float

    def bargain(self, known: Set[str]) -> tuple[float, ...]:
        """How good it is beside what is known: its worth, squared, for its tokens; then, how old it is."""
        new = sum(1 for term in self.terms if term not in known) / len(self.terms)
        source, answer, sentence = self.at
        return (self.worth * (0.3 + 0.7 * new)) ** POWER / (self.cost + 6), -source, -answer, -sentence


def extract(turns: Sequence[Turn], *, tokens: float = 120) -> str:
    """What stays of turns: their most telling sentences in order, one a line, each with its speaker.

    Args:
        turns: of one path, oldest first. What was said counts: no results of skills, quotes, attachments.
        tokens: estimated tokens at most.
    """
    spoken = [turn for turn in turns if turn.state != "cleared"]
    kept = _best(_lines(_said((text_of(turn.input) for turn in spoken), 0)), tokens, ())
    if sum(line.cost for line in kept) > tokens - LINE / 2:
        return _text(kept)
    return _text(_best(_lines(_said((turn.text[:OPENING] for turn in spoken), 1)), tokens, kept))


def condense(texts: Sequence[str], *, tokens: float = 300, even: bool = False) -> str:
    """Several summaries as one, of their own lines: a half for the first, the rest shared by the others.

    So what is old fades slowly, its most telling lines last, and no summary goes without a trace. `even`: the
    first has no more than the others.
    """
    lines = _lines(piece for number, text in enumerate(texts) for piece in _again(text, number))
    first = 1 / len(texts) if even or len(texts) == 1 else 0.5
    others = (1 - first) / max(1, len(texts) - 1)
    kept: tuple[_Line, ...] = ()
    for number in range(len(texts)):
        share = tokens * (others if number else first)
        kept += _best([line for line in lines if line.at[0] == number], share, ())
    return _text(_best(lines, tokens, kept))


def clip(text: str, tokens: float) -> str:
    """The first whole sentences of a text that fit; of a first one that is too long, its beginning."""
    text = text[: int(tokens) * 40].strip()
    if estimate(text) <= tokens:
        return text
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    whole = bisect_right(ends, tokens, key=lambda end: estimate(text[:end]))
    if whole:
        return text[: ends[whole - 1]].strip()
    room = tokens - estimate("…")
    most = bisect_right(range(1, len(text) + 1), room, key=lambda end: estimate(text[:end]))
    return f"{text[:most].strip()}…" if most else ""


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line; a very long one in pieces, a very long text in part."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]}\n{text[-TAIL:]}"
    out: list[str] = []
    for sentence in _cut(text.encode("utf-8", "replace").decode(), _SENTENCE):
        line = one_line(sentence, len(sentence) + 1)
        if line and estimate(line) > LINE:
            out += _packed(_cut(line, _CLAUSE))
        elif line:
            out.append(line)
    return out


def _cut(text: str, at: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for match in at.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]


def _packed(clauses: Iterable[str]) -> list[str]:
    """Clauses put together to lines; what has no comma for long is clipped."""
    out: list[str] = []
    for clause in clauses:
        if out and estimate(out[-1] + clause) <= LINE:
            out[-1] += clause
        else:
            out.append(clause if estimate(clause) <= LINE else clip(clause, LINE))
    return [line.strip() for line in out if line.strip()]


_Piece = tuple[_At, str, str]  # place, mark, sentence


def _said(texts: Iterable[str], answer: int) -> Iterator[_Piece]:
    marks = _ASSISTANT if answer else _USER
    for source, text in enumerate(texts):
        for number, sentence in enumerate(sentences(text)):
            yield (source, answer, number), marks[chinese(sentence)], sentence


def _again(text: str, source: int) -> Iterator[_Piece]:
    """The lines of a summary; one that a model wrote has no marks."""
    number = 0
    for line in text.splitlines():
        found = _MARK.match(line)
        mark = found.group() if found else ""
        for sentence in sentences(line[len(mark) :]):
            yield (source, 0, number), mark, sentence
            number += 1


def _lines(pieces: Iterable[_Piece]) -> list[_Line]:
    found = [(*piece, looks(piece[2]).about) for piece in pieces]
    often = Counter(term for *_, about in found for term in about)
    lines: list[_Line] = []
    for at, mark, sentence, about in found:
        value = worth(sentence, often) * (SHARE if mark in _ASSISTANT.values() else 1)
        if value >= LEAST:
            text = mark + sentence
            lines.append(_Line(at, text, about, estimate(text) + _BREAK, value))
    return lines


def _best(lines: Sequence[_Line], tokens: float, kept: Sequence[_Line]) -> tuple[_Line, ...]:
    """`kept` and the best of `lines` that fit beside it and say something else."""
    out = list(kept)
    known = {term for line in kept for term in line.terms}
    left = tokens - sum(line.cost for line in kept)
    waiting = nlargest(MOST, lines, key=lambda line: line.worth)
    while waiting:
        waiting = [line for line in waiting if line.cost <= left and not line.terms <= known]
        best = max(waiting, key=lambda line: line.bargain(known), default=None)
        if best is None:
            break
        waiting.remove(best)
        out.append(best)
        known.update(best.terms)
        left -= best.cost
    return tuple(out)


def _text(lines: Sequence[_Line]) -> str:
    return "\n".join(line.text for line in sorted(lines, key=lambda line: line.at))
