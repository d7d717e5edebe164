"""Facts: what a person says of themselves, and what a model found of it.

Only the person's own claims count, in the words in which they made them. What was recalled or answered is
never looked at, so that no fact can come of another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args

from duihua.memories import FactKind, Finding
from duihua.memory.agreement import MOST, joined, reconcile
from duihua.memory.changes import continued, follows
from duihua.memory.clauses import Clause, claimed
from duihua.memory.plans import ahead, day_of, plan, yearly
from duihua.memory.rules import THE_USER, as_said, stated
from duihua.memory.statements import Statement, canonical, is_single, terms_of
from duihua.memory.wishes import aspect, lifted, remembered, wish
from duihua.messages import Turn, text_of

__all__ = ["LONGEST", "MOST", "found_in", "from_model", "joined", "reconcile"]

LONGEST = 200
"""Characters of a fact."""
KINDS: tuple[FactKind, ...] = get_args(FactKind)
PER_CHUNK = 20
"""Facts that a model may find in one chunk of turns."""
_STATES = frozenset({"name", "home", "job", "workplace", "study", "is"})
"""What may be said of the time to come."""
SUPPORT = 0.6
"""Share of a fact's terms that must stand in what the person said."""

_WISHED, _SAID, _PLANNED, _MODEL = 0.9, 0.8, 0.7, 0.8  # confidence
_GOES_ON = re.compile(
    r"(?:今年|现在|目前|已经|刚|属|是|在|也|还|有|平时|最近|特别|很|喜欢|爱|不|对|它|他|她|who\b|she\b|he\b|it\b|they\b)",
    re.I,
)


# ---------------------------------------------------------------- what a person says


def found_in(turn: Turn) -> tuple[Finding, ...]:
    """What the person says of themselves in a turn, in their own words; nothing of what they ask or quote."""
    if turn.state == "cleared" or turn.finish == "flagged" or turn.off_record:
        return ()
    found: dict[tuple[str, str], Finding] = {}
    for kind, subject, text, confidence, expires in _said(text_of(turn.input), turn.at):
        text = text[:LONGEST].strip().rstrip(" ,，.。;；~")
        found[kind, text] = Finding(kind, subject, text, (turn.ref,), confidence, turn.at, expires)
    return tuple(found.values())


def _said(text: str, at: int) -> Iterator[tuple[FactKind, str, str, float, int]]:
    lead, wished = "", False
    before: Clause | None = None
    about: tuple[Clause, str, str] | None = None  # somebody of theirs, of whom the next clauses tell more
    for clause in claimed(text):
        if clause.first:
            lead, wished, before = "", False, None
        if about and (clause.first or clause.supposed or not _GOES_ON.match(clause.plain)):
            yield "profile", about[1], about[2], _SAID, 0
            about = None
        if wished:
            continue
        if wish(clause.rest):
            wished = True
            yield "instruction", _of_wish(clause.rest), clause.rest, _WISHED, 0
            continue
        if clause.supposed:
            continue
        if about:
            so_far = about[0].rest
            about = (about[0], about[1], so_far[: len(so_far) - len(clause.rest) + len(clause.text)])
            continue
        words = clause.text
        said = stated(continued(before.plain, clause.plain)) if before else None
        if said is not None and before is not None:
            words = before.rest[: len(before.rest) - len(clause.rest) + len(words)]
        else:
            said = stated(clause.plain) or (stated(lead + clause.plain) if lead else None)
        before = clause
        if said is not None and said.subject in _STATES and ahead(clause.plain):
            said = None  # it will be so
        dated = said is None or (said.subject.count(":") == 1 and not yearly(clause.plain))
        until = plan(clause.plain, at) if dated else None
        if until is not None:
            yield "event", said.subject if said else "plan", clause.text, _PLANNED, until
        elif said is not None and said.kind == "event":
            yield "event", said.subject, words, _PLANNED, day_of(clause.plain, at)
        elif said is None and lifted(clause.plain):
            yield "instruction", aspect(clause.text), clause.text, _WISHED, 0
        elif said is not None and said.subject.startswith("my:") and said.kind == "profile":
            about = (clause, said.subject, words)
        elif said is None and follows(clause.plain):
            lead = lead or _subject(clause.plain)
        elif said is not None:
            lead = lead or _subject(clause.plain)
            yield said.kind, said.subject, words, _SAID, 0
    if about:
        yield "profile", about[1], about[2], _SAID, 0


def _subject(plain: str) -> str:
    return {"我": "我", "i": "I "}.get(plain[:1].lower(), "")


def _of_wish(text: str) -> str:
    said = _first(remembered(text))
    return said.subject if said else aspect(text)


def _first(text: str) -> Statement | None:
    """What the first clause of a text says."""
    clause = next(claimed(text), None)
    return stated(clause.plain) if clause and not clause.supposed else None


# ---------------------------------------------------------------- what a model found


def from_model(json_facts: object, turns: Sequence[Turn]) -> tuple[Finding, ...]:
    """What a model found in a chunk of turns, as far as the person said it there.

    Args:
        json_facts: `{"facts": [{"kind", "subject", "text", "turn"}]}` or its list alone, of any quality.
        turns: the chunk; `turn` counts them from 1.
    """
    given = (
        cast("Mapping[str, Any]", json_facts).get("facts") if isinstance(json_facts, Mapping) else json_facts
    )
    if not isinstance(given, list | tuple):
        return ()
    found: dict[str, Finding] = {}
    for item in cast("Sequence[object]", given)[: PER_CHUNK * 5]:
        finding = _checked(cast("Mapping[str, Any]", item), turns) if isinstance(item, Mapping) else None
        if finding is not None and len(found) < PER_CHUNK:
            found.setdefault(canonical(finding.text), finding)
    return tuple(found.values())


def _checked(item: Mapping[str, Any], turns: Sequence[Turn]) -> Finding | None:
    given, subject, text, number = (item.get(name) for name in ("kind", "subject", "text", "turn"))
    kind: FactKind | None = next((one for one in KINDS if one == given), None)
    if kind is None or not isinstance(text, str) or not 2 <= len(text.strip()) <= LONGEST:
        return None
    if type(number) is not int or not 1 <= number <= len(turns):
        return None
    turn, text = turns[number - 1], " ".join(text.split())
    if turn.state == "cleared" or turn.finish == "flagged" or turn.off_record:
        return None
    heard = text_of(turn.input)
    said = _first(as_said(text))
    if not _supported(kind, text, said, heard):
        return None
    if said is None:
        named = subject.strip()[:40] if isinstance(subject, str) else ""
        named = "" if is_single(named) else named  # nothing is replaced by what cannot be compared with it
        until = plan(as_said(text), turn.at) if kind == "event" else None
        return Finding(kind, named, text, (turn.ref,), _MODEL, turn.at, until or 0)
    return Finding(
        "instruction" if kind == "instruction" else said.kind,
        said.subject,
        text,
        (turn.ref,),
        _MODEL,
        turn.at,
    )


def _supported(kind: str, text: str, said: Statement | None, heard: str) -> bool:
    """Whether the person's own claims hold a fact: its value as it is, else most of its terms."""
    if kind == "instruction":  # it would stand in every request: word for word, or not at all
        return canonical(text) in canonical(heard) and any(wish(c.rest) for c in claimed(heard))
    claims = canonical(" ".join(clause.plain for clause in claimed(heard)))
    if said is not None and said.ends:  # an end is no matter of words in common
        return any(stated(clause.plain) == said for clause in claimed(heard) if not clause.supposed)
    if said is None:
        return _mostly(THE_USER.sub("", text, count=1), claims)
    _, *more = claimed(as_said(text))
    return said.value in claims and (not more or _mostly(" ".join(clause.plain for clause in more), claims))


def _mostly(text: str, claims: str) -> bool:
    """Whether most of a text's terms stand in the claims, and its numbers all do."""
    wanted, there = terms_of(text), terms_of(claims)
    if any(term.isdigit() and term not in there for term in wanted):
        return False
    return bool(wanted) and len(wanted & there) >= SUPPORT * len(wanted)
