"""What the brain makes of a chunk of turns when a client asks for a note and facts, as one JSON object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from duihua.simulator.ask import Ask, Language, estimate, language
from duihua.simulator.known import FACTS

NOTE = 90
"""Tokens of a note at most."""
DIGEST = 220
"""Tokens of a digest at most."""
MOST = 12
"""Facts of one chunk at most."""

_KEYS = re.compile(r"[\"'`“「]note[\"'`”」](?s:.*)[\"'`“「]facts[\"'`”」]")
_DIGEST = re.compile(r"[\"'`“「]digest[\"'`”」]")
_LINE = re.compile(
    r"^\s{0,4}(?:[-*•]\s*)?"
    r"(?:[\[【(（#]{0,3}\s*(?:第|turn\s+)?\s*(?P<turn>\d{1,9})\s*轮?\s*[\]】)）.、:：,，]{0,2}\s*)?"
    r"(?:[\[【(（]?\d{4}-\d\d-\d\d[^\]】)）:：]{0,20}[\]】)）]?\s*)?"
    r"(?:(?P<who>用户|对方|user|human|person|助手|你|assistant|bot)\s*(?:\([^)]{0,30}\)|（[^）]{0,30}）)?\s*[:：]\s*)?"
    r"(?P<text>.*)$",
    re.IGNORECASE,
)
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

Speaker = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the chunk."""

    turn: int
    who: Speaker
    text: str


def wanted(ask: Ask) -> bool:
    """Whether a note and facts are asked for."""
    return ask.last == 0 and bool(_KEYS.search(f"{ask.system}\n{ask.question}"))


def answer(ask: Ask) -> str:
    """The JSON object that was asked for."""
    lines = list(_lines(ask.question))
    told = list(_told(lines))
    tongue = language(*(line.text for line in lines if line.who == "user"))
    value: dict[str, Any] = {"note": _within(NOTE, [text for _, text in told]), "facts": _facts(told)}
    if _DIGEST.search(f"{ask.system}\n{ask.question}"):
        value["digest"] = _digest(lines, told, tongue)
    return orjson.dumps(value).decode()


def _lines(text: str) -> Iterator[Said]:
    """The numbered turns of a request; a line without a number goes on with the one before."""
    turn, who = 0, "user"
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        if found["turn"]:
            turn, who = int(found["turn"]), "user"
        if found["who"]:
            who = "assistant" if found["who"].lower() in ("助手", "你", "assistant", "bot") else "user"
        if turn and found["text"].strip():
            yield Said(turn, who, found["text"].strip())


def _told(lines: list[Said]) -> Iterator[tuple[int, str]]:
    """The user's sentences that tell something, each once, with their turns."""
    seen: set[str] = set()
    for line in lines:
        if line.who != "user":
            continue
        for sentence in _SENTENCE.findall(line.text):
            text = sentence.strip()
            if len(text) < 3 or text in seen or _QUESTION.search(text) or not _TELLS.search(text):
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
            values = [m.group(1) for p in fact.told for m in p.finditer(text)]
            if values:
                words = fact.note[tongue].format(values[-1].strip(" .'’"))
                found.append({"kind": fact.kind, "subject": fact.subject, "text": words, "turn": turn})
    return found[:MOST]


def _digest(lines: list[Said], told: list[tuple[int, str]], tongue: Language) -> str:
    """Everything told, shortened; notes that are folded may have no numbered turns at all."""
    texts = [text for _, text in told] or [line.text for line in lines]
    return _within(DIGEST, texts) or {"zh": "没有要紧的事。", "en": "Nothing of note."}[tongue]


def _within(tokens: int, texts: list[str]) -> str:
    """The sentences as one text, as many as there is room for; a long one is cut."""
    kept: list[str] = []
    for text in texts:
        room = tokens - sum(estimate(k) for k in kept)
        if room < 8:
            break
        kept.append(text if estimate(text) <= room else text[:room])
    return " ".join(kept)
