"""Ranks what an index has found: BM25 over two fields, a turn's own words and those of the turns around it.

What stands around a turn is looked up among what was found, never stored: a turn that comes later costs
nothing, and a turn that only its neighbours speak for is found through them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from math import log

from duihua.memories import Found, Matches, Place
from duihua.memory.questions import Question
from duihua.memory.saying import Saying
from duihua.memory.synonyms import NONE, Others

K1 = 0.9
"""How soon a repeated term counts no more."""
B = 0.4
"""How much a long turn has to say more often what it is about."""
AROUND = 0.3
"""The weight of the neighbours' words beside a turn's own."""
LEAST = 1.5
"""Rare words (such as one turn alone holds) that a question says at least, or its best score is below 1."""
ABSENT = 0.3
"""What a term that no turn holds counts of the question: often it is no word, or another word was used."""
ON_DAY = 0.19
"""What a turn gains for being of a day that was asked for."""
OTHER_DAY = 0.5
"""What remains of the score of a turn of any other day."""
FIRST = 0.5
"""What the first (or last) of the turns that answer about as well gains, as a share of the best score."""
MOST = 200
"""Places that are ranked at most."""
ROUNDING = 1e-9
"""What sums of floats may differ by with their order."""
REACH = (-2, -1, 1, 2)
"""The turns of the same session whose words speak for a turn."""


def weights(matches: Matches) -> list[float]:
    """How much each term says (BM25's idf, never negative); what no turn holds says as much as a rare one."""
    n = matches.documents
    return [log(1 + (n - held + 0.5) / (held + 0.5)) for held in matches.holding]


def lexical(
    matches: Matches,
    words: int = 0,
    least: float = 0.0,
    top: int = sys.maxsize,
    before: Place | None = None,
    others: Others = NONE,
) -> dict[Place, float]:
    """The score of every turn that holds one of the terms, or stands beside one that does.

    1 is what a turn of usual length gets that holds each term once, with neighbours that do. It is a share of
    the question asked, so that a threshold means the same for any question and any memory. `words`: how many
    of the terms are asked for, the first ones (0: all); what matches others comes on top. A question that
    says less than `LEAST` rare words ("thank you") hardly asks for anything: what it finds gets little.
    Turns that hold nothing themselves and get less than `least` are left out, and others that cannot get as
    much; so are those that cannot be among the `top` best. `before`: turns of its session from it on speak
    for their neighbours and have no score of their own. `others`: which terms stand for which; what holds one
    of them instead of a word that was asked for gets a part of what that word says.
    """
    idf = weights(matches)
    say = Saying(idf, others)
    rare = log(1 + (matches.documents - 0.5) / 1.5) if matches.documents else 0.0
    asked = zip(idf[: words or None], matches.holding, strict=False)
    best = max(sum(weight if held else ABSENT * weight for weight, held in asked), LEAST * rare) * (
        1 + AROUND
    )
    if not best or not matches.found:
        return {}
    unit = 1 / best
    average = matches.length / matches.documents if matches.documents else 1.0
    base, slope = K1 * (1 - B), K1 * B / max(average, 1.0)
    once = {0: 0.0}  # what terms say that stand there once, of those that were met
    owns: dict[Place, float] = {}
    terms: dict[int, dict[int, int]] = defaultdict(dict)  # of each turn, by session
    for place, found in matches.found.items():
        held = found.terms
        if not held:
            continue
        if (said := once.get(held)) is None:
            said = once[held] = say.together(held)
        norm = base + slope * found.length
        own = said / (1 + norm)
        for term, count in found.often.items():
            own += say.weights[term] * (count / (count + norm) - 1 / (1 + norm))
        owns[place] = own * (K1 + 1) * unit
        terms[place[0]][place[1]] = held
    if before is not None:
        owns = {place: own for place, own in owns.items() if _past(place, before)}
    if top < len(owns):
        least = max(least, sorted(owns.values())[-top] - ROUNDING)
    beside = AROUND * unit
    most = say.most * beside  # what neighbours can add

    # Of the turns in `REACH`, told one by one: nothing else of a search is done as often.
    def around(seq: int, get: Callable[[int, int], int]) -> float:
        held = get(seq - 2, 0) | get(seq - 1, 0) | get(seq + 1, 0) | get(seq + 2, 0)
        if (said := once.get(held)) is None:
            said = once[held] = say.together(held)
        return said * beside

    scores = {
        place: own + around(place[1], terms[place[0]].get)
        for place, own in owns.items()
        if own + most >= least
    }
    if most < least:
        return scores
    enough = (least - ROUNDING) / len(REACH)  # one of the neighbours of a turn without terms says as much
    for session, those in terms.items():
        for seq, held in those.items():
            if once[held] * beside < enough:
                continue
            for near in (seq + step for step in REACH):
                place = session, near
                if near in those or place in scores or not (before is None or _past(place, before)):
                    continue
                if (share := around(near, those.get)) >= least:
                    scores[place] = share
    return scores


def _past(place: Place, before: Place) -> bool:
    """Whether a place is of another session, or earlier."""
    return place < before or place[0] != before[0]


def rank(
    question: Question,
    matches: Matches,
    within: Mapping[Place, Found] | None = None,
    *,
    least: float = 0.0,
    top: int = MOST,
    before: Place | None = None,
) -> list[tuple[Place, float]]:
    """Places with their scores, the best one first; of the same score the newest first.

    A score is a share of 1, or more where a turn says again and again what was asked for, or on its very day.

    Args:
        question: what is asked.
        matches: what the index knows of its terms.
        within: the documents of the days it names, if it names any: they come before others that answer as
            well, and count a little for their day alone.
        least: places of a lower score are left out.
        top: so many are wanted, and all that are as good as the last of them.
        before: places of its session from it on are left out.
    """
    plain = within is None and not question.order
    if plain:
        scores = lexical(matches, question.words, least, top, before, question.others)
    else:
        scores = lexical(matches, question.words, before=before, others=question.others)
    if within is not None:
        scores = _on_days(scores, _earlier(within, before), alone=not question.words)
    elif question.order:
        found = scores or dict.fromkeys(_earlier(matches.found, before), 0.5)
        scores = _by_age(found, question.order == "oldest")
    if len(scores) > top:
        least = max(least, sorted(scores.values())[-top])
    good = ((score, place) for place, score in scores.items() if score >= least)
    return [(place, score) for score, place in sorted(good, reverse=True)]


def _earlier(found: Mapping[Place, Found], before: Place | None) -> Mapping[Place, Found]:
    if before is None:
        return found
    return {place: one for place, one in found.items() if _past(place, before)}


def _on_days(scores: dict[Place, float], within: Mapping[Place, Found], *, alone: bool) -> dict[Place, float]:
    """`alone`: nothing but the days was asked for, so that the turns in which most was said come first."""
    most = max((found.length for found in within.values()), default=1)
    other = {place: score * OTHER_DAY for place, score in scores.items() if place not in within}
    if alone:
        return other | {place: 0.5 + 0.5 * found.length / most for place, found in within.items()}
    return other | {place: ON_DAY + scores.get(place, 0.0) for place in within}


def _by_age(scores: dict[Place, float], oldest: bool) -> dict[Place, float]:
    """Of the turns that answer about as well as the best, the oldest (or newest) gain the most."""
    best = max(scores.values(), default=0.0)
    good = sorted((p for p, score in scores.items() if score >= best / 2), reverse=not oldest)
    for nth, place in enumerate(good):
        scores[place] += FIRST * best * (1 - nth / len(good))
    return scores
