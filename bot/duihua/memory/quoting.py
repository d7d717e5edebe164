"""What is shown of a turn that was found: its day, who said what, of a long text the part that answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from duihua.memories import Fact, Place
from duihua.memory.telling import asks
from duihua.messages import Turn, TurnRef

LIMIT = 240
"""Characters of what was said in a turn that was found; half of Chinese, which says more with each."""
LESS, LEAST = 0.6, 0.4
"""The share of it that the answer has, and what was said around it."""
HELD = 80
"""Characters of what was true once, and of what is true instead."""
READ = 20_000
"""Characters of a text in which the part to show is looked for."""

_HAN = re.compile("[\u3400-\u9fff]")
_BOUNDARY = re.compile(r"[。！？!?；;\n]|\.\s")
_NAMES = {"zh": ("用户", "助手", "："), "en": ("User", "Assistant", ": ")}
_OUTDATED = {
    "zh": "（已过时：“{old}”；{day} 起：“{new}”）",
    "en": " (outdated: “{old}”; since {day}: “{new}”)",
}


def excerpt(text: str, terms: Sequence[str], limit: int = LIMIT) -> str:
    """A text in one line, cut to about `limit` characters around the place where most of the terms stand."""
    if len(text) <= limit:
        return " ".join(text.split())
    lower = text[:READ].lower()
    lower = lower if len(lower) == len(text[:READ]) else text[:READ]
    places: list[tuple[int, int]] = []
    for number, term in enumerate(terms):
        at = lower.find(term)
        while at >= 0 and len(places) < 400:
            places.append((at, number))
            at = lower.find(term, at + limit // 4)
    places.sort()
    start = _densest(places, limit * 3 // 4)
    begins = [m.end() for m in _BOUNDARY.finditer(text, max(0, start - limit // 4), start)]
    start = begins[0] if begins else max(0, start - limit // 4)
    part = text[start : start + limit]
    ends = [m.end() for m in _BOUNDARY.finditer(part, limit // 2)]
    whole = part[: ends[-1]] if ends and start + limit < len(text) else part
    shown = " ".join(whole.split())
    return ("…" if start else "") + shown + ("…" if start + len(whole) < len(text) else "")


def _densest(places: Sequence[tuple[int, int]], span: int) -> int:
    """The first place from which most terms stand within `span` characters; 0 if there is none."""
    start = most = last = 0
    near: dict[int, int] = {}  # how often each term stands from this place to before the last one
    kinds = 0
    for at, number in places:
        while last < len(places) and places[last][0] < at + span:
            term = places[last][1]
            often = near.get(term, 0)
            near[term] = often + 1
            kinds += not often
            last += 1
        if kinds > most:
            start, most = at, kinds
        near[number] -= 1
        kinds -= not near[number]
    return start


def day(at: int, zone: tzinfo | None = None) -> str:
    """A day as `2023-05-02`, in a time zone (None: UTC); empty for 0."""
    return datetime.fromtimestamp(at / 1000, zone or UTC).date().isoformat() if 0 < at < 2**47 else ""


def quote(
    turns: Iterable[tuple[Turn, tuple[str, str]]],
    terms: Sequence[str],
    at: int,
    zone: tzinfo | None,
    locale: str,
    found: TurnRef | None = None,
    outdated: Mapping[Place, Sequence[tuple[Fact, Fact]]] | None = None,
) -> str:
    """Turns that belong together (each with what was `spoken`) as a text: `2023-05-02 Ann: … / Assistant: …`.

    An answer is left out where it says nothing of what is asked and nobody had asked for it. Of the turns
    around the one that was `found` only what holds terms is told (None: all are told alike). What is
    `outdated` in them (see `FactBook`) is marked, with what holds now.
    """
    said: list[str] = []
    language = "zh" if locale.startswith("zh") else "en"
    person, assistant, colon = _NAMES[language]
    for turn, (words, answer) in turns:
        aside = found is not None and turn.ref != found
        name = " ".join(turn.author.name.split())[:40] if turn.author else ""
        asked, answered = _held(words, terms), _held(answer, terms)
        before = len(said)
        if words and not (aside and answer and not asked and answered):
            limit = _limit(words, LEAST if aside else 1)
            said.append(f"{name or person}{colon}{excerpt(words, asked, limit)}")
        if answer and (answered or not words or (not aside and asks(words))):
            limit = _limit(answer, LEAST if aside else LESS)
            said.append(f"{assistant}{colon}{excerpt(answer, answered, limit)}")
        if outdated and len(said) > before:
            for old, new in outdated.get((turn.ref.session, turn.ref.seq), ()):
                said[-1] += _OUTDATED[language].format(
                    old=excerpt(old.text, (), HELD),
                    day=day(new.first_seen, zone),
                    new=excerpt(new.text, (), HELD),
                )
    return f"{day(at, zone)} {' / '.join(said)}".strip()


def _limit(text: str, share: float) -> int:
    return int(LIMIT * share / (2 if _HAN.search(text, 0, LIMIT) else 1))


def _held(text: str, terms: Sequence[str]) -> list[str]:
    """The terms that stand in a text."""
    lower = text[:READ].lower()
    return [term for term in terms if term in lower]
