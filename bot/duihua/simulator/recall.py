"""What the brain knows about the user: from the list, from what the client recalled, and from its notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from duihua.simulator.ask import Ask, Language, Message
from duihua.simulator.intents import question_of
from duihua.simulator.known import FACTS, Fact, first_person

READ = 2_000
"""Characters of each message that are searched."""

_ITEM = re.compile(r"\s{0,4}(?:[-*•·]|\d{1,4}[.、:])\s?\S")
_RECALLED = re.compile(
    r"[^\n]{0,300}(?:记忆|回忆|想起|以前|memor|recall|earlier)[^\n]{0,300}\n" + _ITEM.pattern, re.IGNORECASE
)
_ABOUT = r"(?:笔记|摘要|记忆|记下|已知|要求|notes?\b|summary|digest|memor|known|wishes)"
_NOTES = re.compile(
    rf"^[【\[][^\n】\]]{{0,80}}{_ABOUT}[^\n】\]]{{0,80}}[】\]]|^[^\n。.]{{0,60}}{_ABOUT}[^\n。.]{{0,60}}[:：]\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_OF_USER = re.compile(r"用户|你说|\buser\b|\byou (?:said|told)\b", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2})?")


def apart(ask: Ask) -> Ask:
    """The ask with what the client recalled taken out of the last message, before the question."""
    if ask.last < 0 or "\n\n" not in ask.question:
        return ask
    paragraphs = ask.question.split("\n\n")
    begin = next((i for i, p in enumerate(paragraphs[:-1]) if _RECALLED.match(p)), None)
    if begin is None:
        return ask
    end = begin + 1
    while end < len(paragraphs) - 1 and _ITEM.match(paragraphs[end]):
        end += 1
    recalled = "\n\n".join(paragraphs[begin:end])
    bare = Message("user", "\n\n".join((*paragraphs[:begin], *paragraphs[end:])))
    messages = (*ask.messages[: ask.last], bare, *ask.messages[ask.last + 1 :])
    return replace(ask, messages=messages, recalled=recalled)


def recalled(ask: Ask, tongue: Language) -> str:
    """The answer to a question about the user, or thanks for being told; empty if it is neither."""
    question = question_of(ask.question)
    if fact := asked(question):
        value = value_of(fact, ask)
        return fact.known[tongue].format(value) if value else fact.unknown[tongue]
    for fact in FACTS:
        if value := find(fact, [question]):
            return fact.thanks[tongue].format(value)
    return ""


def asked(question: str) -> Fact | None:
    """What a question about the user asks for."""
    return next((fact for fact in FACTS if fact.asked.search(question)), None)


def value_of(fact: Fact, ask: Ask) -> str:
    """What is known of it: what was said in the list wins over what is recalled, this over notes."""
    return (
        find(fact, ask.said)
        or _latest(fact, [*ask.recalled.splitlines(), *(r.text for r in ask.results)])
        or _latest(fact, _notes(ask))
    )


def find(fact: Fact, said: Sequence[str]) -> str:
    """What the user last said about it, empty if nothing."""
    for text in reversed(said):
        ends = [(m.end(), m.group(1)) for p in fact.told for m in p.finditer(text[-READ:])]
        if ends:
            return max(ends)[1].strip(" .'’")
    return ""


def _latest(fact: Fact, lines: Iterable[str]) -> str:
    """The value in the line with the latest date; of lines without any, in the last."""
    found = [(_dated(line), n, v) for n, line in enumerate(lines) if (v := find(fact, [first_person(line)]))]
    return max(found)[2] if found else ""


def _dated(line: str) -> str:
    found = _DATE.search(line)
    return found.group() if found else ""


def _notes(ask: Ask) -> list[str]:
    """The lines about the user in the system text: all those after a heading of notes."""
    head, _, _ = ask.messages[0].text.rpartition("\n\n") if ask.messages else ("", "", "")
    text = ask.system or head  # a wire without a system text has it at the head of the first message
    begin = _NOTES.search(text)
    at = begin.end() if begin else len(text)
    return [line for line in text[:at].splitlines() if _OF_USER.search(line)] + text[at:].splitlines()


_SPEAK = re.compile(
    r"(?:以后|今后|从现在起|一直|总是|每次)[^。.!！?？\n]{0,8}用(?P<zh>中文|汉语|英文|英语)"
    r"|\b(?:always|from now on)\b[^.!?\n]{0,30}\bin (?P<en>chinese|english)\b",
    re.IGNORECASE,
)


def language_wanted(ask: Ask) -> Language | None:
    """The language that the user asked for once and for all; None: that of each question."""
    for text in (*reversed(ask.said), ask.recalled, ask.system):
        if found := list(_SPEAK.finditer(text[-READ:])):
            word = found[-1]["zh"] or found[-1]["en"]
            return "en" if word in ("英文", "英语") or word.lower() == "english" else "zh"
    return None
