"""Of many skills the few that a request offers: those whose words fit what was said, newest needs first.

Models choose worse and requests cost more with every skill that is offered. So above a threshold the words of
an input are compared with the names, descriptions and parameters of the skills (`topics` joins Chinese and
English). What is offered changes only when something is wanted that is not there yet, because platforms bill
a prefix they have seen before at a fraction, and skills stand in that prefix.

What is chosen depends on nothing but the skills and the conversation's path: a step, a retry, another process
and a preview come to the same.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from heapq import nlargest
from itertools import chain
from math import log
from typing import Any, cast

from duihua.fragments import to_json
from duihua.memory.terms import plain, terms
from duihua.memory.words import QUESTION_WORDS
from duihua.messages import Turn, text_of
from duihua.ports import Skill, ToolSpec
from duihua.skills.topics import SUBJECTS
from duihua.tokens import estimate

FEW = 20
"""Up to so many skills are all offered."""
MOST = 10
"""Of more, so many are."""
LARGER = 1.1
"""They may cost so many times as much as so many of average size."""
READ = 400
"""Characters of an input that are looked at: its beginning and its end."""
WANTED = 6
"""Skills that one input may put in the place of others."""
SHARE = 0.4
"""Of the score of the best one: a skill that gets as much is wanted."""
LEAST = 1.0
"""The score below which nothing is wanted: a word that most skills have says nothing."""
EVERY = 32
"""Turns that are looked back on, at least: older ones are not, so that a long conversation costs no more."""

_NAME, _DESCRIPTION, _PARAMETER = 2.0, 1.0, 0.4
_SUBJECT = 0.9  # the weight of a subject in common, beside a word in common
_DEEP = 4  # levels of a schema that are read
_LARGE = 4_000  # characters of a description that are read
_MEMO = "skills"

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\x00-\x7f]+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_ADDRESS = re.compile(r"https?://[^\s\u3000-\u9fff\uff00-\uffef]+")
_ASKING = frozenset(QUESTION_WORDS) - {"remember", "recall", "tell", "conversation"}

_Subjects = Mapping[str, tuple[str, ...]]


class Index:
    """The words of skills, built once; `rank` compares an input with them."""

    __slots__ = ("_postings", "places", "sizes", "tools")

    def __init__(self, skills: Sequence[Skill]) -> None:
        self.tools: tuple[ToolSpec, ...] = tuple(skill.spec for skill in skills)
        self.places = {tool.name: place for place, tool in enumerate(self.tools)}
        self.sizes = tuple(estimate(to_json(_shown(tool))) for tool in self.tools)
        words = [_words(skill) for skill in skills]
        held = Counter(term for one in words for term in one)
        lengths = [sum(one.values()) for one in words]
        average = sum(lengths) / max(1, len(lengths)) or 1.0
        postings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, (one, length) in enumerate(zip(words, lengths, strict=True)):
            norm = 0.7 + 0.3 * length / average
            for term, weight in one.items():
                rarity = log(1 + (len(words) - held[term] + 0.5) / (held[term] + 0.5))
                share = _SUBJECT if term[0] == "#" else 1.0
                postings[term].append((place, share * rarity * 2 * weight / (weight + norm)))
        self._postings: Mapping[str, Sequence[tuple[int, float]]] = dict(postings)

    def rank(self, text: str) -> list[tuple[int, float]]:
        """The skills that share words with a text and how well they fit, the best first."""
        scores: defaultdict[int, float] = defaultdict(float)
        for term in _asked(text):
            for place, weight in self._postings.get(term, ()):
                scores[place] += weight
        best = nlargest(MOST, ((score, -place) for place, score in scores.items()))
        return [(-place, score) for score, place in best]


@lru_cache(maxsize=8)
def index_of(skills: tuple[Skill, ...]) -> Index:
    """The index of skills; the same skills have the same one."""
    return Index(skills)


@dataclass(frozen=True, slots=True)
class Choice:
    """How skills are chosen for one model: at most `most` of the index's, of `room` tokens together."""

    index: Index
    most: int
    room: float

    def after(
        self, held: Sequence[int], text: str, used: Iterable[int] = (), *, asked: str = ""
    ) -> tuple[int, ...]:
        """The places of the skills that are offered for `text` where `held` were before, newest needs first.

        Args:
            held: what was offered before.
            text: the input.
            used: those that were called for it.
            asked: what the model said before; it tells what is meant by "yes, please".
        """
        ranked = self.index.rank(text) or (self.index.rank(asked) if text else [])
        bar = max(LEAST, SHARE * ranked[0][1]) if ranked else 0.0
        wanted = [place for place, score in ranked if score >= bar][:WANTED]
        others = (place for place, _ in ranked)
        return self._fitting(chain(wanted, used, held, others, range(len(self.index.tools))))

    def _fitting(self, order: Iterable[int]) -> tuple[int, ...]:
        """The first that have room; one that is too large makes way for the next."""
        sizes, room = self.index.sizes, self.room
        kept: list[int] = []
        for place in order:
            if sizes[place] <= room and place not in kept:
                kept.append(place)
                room -= sizes[place]
                if len(kept) == self.most:
                    break
        return tuple(kept)


def choice_of(skills: Sequence[Skill], room: float, few: int = FEW) -> Choice:
    """How to choose among skills with `room` tokens for them: `MOST` if there are more than `few`."""
    index = index_of(tuple(skills))
    if len(skills) <= few:
        return Choice(index, len(skills), room)
    usual = MOST * LARGER * sum(index.sizes) / len(index.sizes)
    return Choice(index, min(MOST, few), min(room, usual))


def chosen(choice: Choice, past: Sequence[Turn], turn: Turn) -> tuple[ToolSpec, ...]:
    """The skills to offer for `turn`, in their usual order; `past` is its path, oldest first.

    What was chosen is kept with each turn of the past, so that the next one goes on from there.
    """
    past = past[_since(past) :]
    key = (choice, past[0].ref.seq if past else 0)
    held: tuple[int, ...] = ()
    begin = 0
    for place in range(len(past) - 1, -1, -1):
        known = past[place].memo.get(_MEMO)
        if known is not None and known[0] == key:
            begin, held = place + 1, known[1]
            break
    places = choice.index.places
    for place in range(begin, len(past)):
        earlier, asked = past[place], past[place - 1].text if place else ""
        calls = (call.name for step in earlier.steps for call in step.calls)
        used = [places[name] for name in calls if name in places]
        held = choice.after(held, text_of(earlier.input), used, asked=asked)
        earlier.memo[_MEMO] = (key, held)
    held = choice.after(held, text_of(turn.input), asked=past[-1].text if past else "")
    return tuple(choice.index.tools[place] for place in sorted(held))


def _since(past: Sequence[Turn]) -> int:
    """The index in a path from which on turns count: it is the same turn for many turns."""
    if not past:
        return 0
    first = (past[-1].ref.seq // EVERY - 1) * EVERY
    return bisect_left(past, first, key=lambda turn: turn.ref.seq)


def _shown(tool: ToolSpec) -> dict[str, Any]:
    """What a request holds of a skill, about."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": function}


# ---------------------------------------------------------------- words


def _words(skill: Skill) -> Mapping[str, float]:
    """The terms of a skill and how much each counts."""
    spec = skill.spec
    fields = [
        (_NAME, " ".join(_PARTS.findall(spec.name))),
        (_DESCRIPTION, spec.description[:_LARGE]),
        (_PARAMETER, " ".join(_described(spec.schema, _DEEP))[:_LARGE]),
    ]
    found: defaultdict[str, float] = defaultdict(float)
    for weight, text in fields:
        for term in set(_terms(text)):
            found[term] += weight
    return found


def _described(schema: Any, depth: int) -> Iterator[str]:
    """The names, descriptions and choices of a schema's properties."""
    if not isinstance(schema, dict) or not depth:
        return
    node = cast("dict[str, Any]", schema)
    properties = node.get("properties")
    for name, item in cast("dict[str, Any]", properties).items() if isinstance(properties, dict) else ():
        yield " ".join(_PARTS.findall(name))
        yield from _described(item, depth - 1)
    if isinstance(text := node.get("description"), str):
        yield text
    choices = node.get("enum")
    for one in cast("list[Any]", choices) if isinstance(choices, list) else ():
        if isinstance(one, str):
            yield one
    yield from _described(node.get("items"), depth - 1)


def _asked(text: str) -> tuple[str, ...]:
    """The terms of an input, each once, in their order."""
    if len(text) > READ:
        text = f"{text[: READ // 2]}\n{text[-READ // 2 :]}"
    text = _ADDRESS.sub(" url ", text)  # what stands in an address says nothing
    return tuple(dict.fromkeys(term for term in _terms(text) if term not in _asking()))


def _terms(text: str) -> list[str]:
    """Words' stems, pairs of characters, and the subjects (`#n`) that they stand for."""
    normal = plain(text)
    found = terms(normal)
    english, chinese, widths = _subjects()
    out = list(found)
    for term in found:
        if term in english:
            out += english[term]
    for start, character in enumerate(normal):
        if character in widths:
            for width in widths[character]:
                out += chinese.get(normal[start : start + width], ())
    return out


@cache
def _asking() -> frozenset[str]:
    """Stems that ask for nothing in particular."""
    return frozenset(terms(" ".join(sorted(_ASKING))))


@cache
def _subjects() -> tuple[_Subjects, _Subjects, Mapping[str, tuple[int, ...]]]:
    """From English stems and from Chinese words to the subjects they stand for.

    And from the first character of the Chinese words to their lengths.
    """
    english: defaultdict[str, list[str]] = defaultdict(list)
    chinese: defaultdict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(SUBJECTS.strip().replace("\n ", " ").splitlines()):
        for word in line.lower().split():
            if _HAN.search(word):
                chinese[word].append(f"#{number}")
            else:
                for stem in set(terms(word)):
                    english[stem].append(f"#{number}")
    widths: defaultdict[str, set[int]] = defaultdict(set)
    for word in chinese:
        widths[word[0]].add(len(word))
    return (
        {word: tuple(dict.fromkeys(subjects)) for word, subjects in english.items()},
        {word: tuple(dict.fromkeys(subjects)) for word, subjects in chinese.items()},
        {first: tuple(sorted(lengths)) for first, lengths in widths.items()},
    )
