"""What the brain makes of a chunk of turns when a client asks for a note and facts, as one JSON object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from duihua.simulator.ask import Ask, estimate, language
from duihua.simulator.known import FACTS
from duihua.simulator.recall import READ, find

NOTE = 90
"""Tokens of a note at most."""
DIGEST = 220
"""Tokens of a digest at most."""
MOST = 12
"""Facts of one chunk at most."""

_KEYS = re.compile(r"[\"'`“「]note[\"'`”」](?s:.*)[\"'`“「]facts[\"'`”」]")
_DIGEST = re.compile(r"[\"'`“「]digest[\"'`”」]")
_NUMBER = re.compile(
    r"\s{0,4}(?:[\[【(（#]|第|turn\s)\s*(\d{1,9})\s*轮?\s*[\]】)）.:：]?(?!\d)\s*", re.IGNORECASE
)
_QUOTED = re.compile(r"\s{0,4}>\s?")
_SPEAKER = re.compile(r"(?:(用户|user)|(?:助手|assistant))\s*[:：]\s*", re.IGNORECASE)
_SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?\n]|\.(?=\s|$)|$)")
_QUESTION = re.compile(r"[?？]\s*$|[吗呢]\s*[。.]?$")
_TELLS = re.compile(
    r"我(?!想问|问)|咱|\d|记住|\b(?:i|i'm|i've|my|we|our|mine)\b",
    re.IGNORECASE,
)
_STANDING = re.compile(
    r"以后(?:都|请|别|不要|每)|从现在起|今后|每次都|一直用|\b(?:from now on|always|never)\b.{3,}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the chunk, of a turn by its number; 0: of an older note."""

    turn: int
    by_user: bool
    text: str


def wanted(ask: Ask) -> bool:
    """Whether a note and facts are asked for."""
    return ask.last == 0 and bool(_KEYS.search(f"{ask.system}\n{ask.question}"))


def answer(ask: Ask) -> str:
    """The JSON object that was asked for."""
    lines = list(_lines(ask.question))
    told = list(_told(lines))
    value: dict[str, Any] = {"note": _within(NOTE, [text for _, text in told]), "facts": _facts(told)}
    if _DIGEST.search(f"{ask.system}\n{ask.question}"):
        value["digest"] = _within(DIGEST, [line.text for line in lines if not line.turn])
    return orjson.dumps(value).decode()


def _lines(text: str) -> Iterator[Said]:
    """The lines of notes, then of numbered turns, as they are quoted in a request."""
    turn, by_user = 0, True
    for line in text.splitlines():
        quoted = _QUOTED.match(line)
        number = None if quoted else _NUMBER.match(line)
        if number:
            turn, by_user = int(number[1]), True
        rest = line[number.end() :] if number else line[quoted.end() :] if quoted else line
        speaker = _SPEAKER.match(rest)
        if not (number or quoted or speaker):
            continue
        if speaker:
            by_user, rest = speaker[1] is not None, rest[speaker.end() :]
        if rest.strip():
            yield Said(turn, by_user, rest.strip())


def _told(lines: list[Said]) -> Iterator[tuple[int, str]]:
    """The user's sentences that tell something, each once, with their turns."""
    seen: set[str] = set()
    for line in lines:
        if not (line.turn and line.by_user):
            continue
        for sentence in _SENTENCE.findall(line.text[:READ]):
            text = sentence.strip()
            if (
                len(text) < 3
                or text in seen
                or _QUESTION.search(text)
                or not (_TELLS.search(text) or _STANDING.search(text))
            ):
                continue
            seen.add(text)
            yield line.turn, text


def _facts(told: list[tuple[int, str]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for turn, text in told:
        if _STANDING.search(text):
            found.append({"kind": "instruction", "subject": "instruction", "text": text, "turn": turn})
            continue
        tongue = language(text)
        for fact in FACTS:
            if value := find(fact, [text]):
                words = fact.note[tongue].format(value)
                found.append({"kind": fact.kind, "subject": fact.subject, "text": words, "turn": turn})
    return found[:MOST]


def _within(tokens: int, texts: list[str]) -> str:
    """The sentences, each once, a line each, as many as there is room for; a long one is cut."""
    kept: list[str] = []
    left = tokens
    for text in dict.fromkeys(texts):
        if left < 8:
            break
        kept.append(text if estimate(text) <= left else text[:left])
        left -= estimate(kept[-1])
    return "\n".join(kept)
