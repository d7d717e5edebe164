"""What is asked, as recall looks for it: terms, days, and whether the first or the last time is meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from duihua.memory.dates import when
from duihua.memory.synonyms import NONE, Others, others
from duihua.memory.terms import plain, query_terms

MOST = 100
"""Terms of a question that are looked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a memory.

    Attributes:
        text: as it was asked, in lower case.
        terms: what to look for: the words that were asked for, others that may have been used for them, and
            days that a turn may name.
        words: how many of the terms are words that were asked for.
        others: which terms stand for which.
        spans: [from, to) in ms UTC in which it was said, or was told of soon after.
        order: `oldest` or `newest` when the first or the last time is meant.
    """

    text: str
    terms: tuple[str, ...]
    words: int
    spans: tuple[tuple[int, int], ...] = ()
    order: Literal["", "oldest", "newest"] = ""
    others: Others = NONE


def question(text: str, now: int, zone: tzinfo | None = None, *, widely: bool = True) -> Question:
    """Reads what is asked at `now` (ms UTC) by someone in `zone` (None: UTC); `widely`: in other words, too.

    Today, and days that are still to come, are no spans beside other words: nearly everything is said today,
    and nothing has been said tomorrow yet. Turns that name them are found nevertheless.
    """
    normal = plain(text)
    asked = when(normal, now, zone)
    words = query_terms(asked.rest)[:MOST]
    more, used = others(asked.rest, words) if widely else ([], NONE)
    terms = (*words, *more, *(term for term in asked.terms if term not in words))
    spans = tuple((start, end) for start, end in asked.spans if start <= now and (end <= now or not words))
    return Question(normal, terms, len(words), spans, asked.order, used)
