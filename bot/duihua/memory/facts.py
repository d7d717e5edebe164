"""Facts: what a person says of themselves, what a model found of it, and how that agrees with what is known.

Only the person's own claims count, in the words in which they made them. What was recalled or answered is
never looked at, so that no fact can come of another one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast, get_args

from duihua.memories import Fact, FactChange, FactKind, Finding
from duihua.memory.clauses import Clause, claimed
from duihua.memory.statements import SINGLE, Statement, canonical, stated
from duihua.memory.wishes import aspect, plan, remembered, wish
from duihua.messages import Turn, TurnRef, text_of

LONGEST = 200
"""Characters of a fact."""
MOST = 500
"""Facts of an owner that hold at the same time; beyond it the weakest give way."""
PER_CHUNK = 20
"""Facts that a model may find in one chunk of turns."""
SUPPORT = 0.6
"""Share of a fact's terms that must stand in what the person said."""
ALIKE = 0.8
"""Share of terms in common from which on two free sentences say the same."""

_WISHED, _SAID, _PLANNED, _MODEL = 0.9, 0.8, 0.7, 0.8  # confidence
_GOES_ON = re.compile(
    r"(?:今年|现在|目前|已经|刚|属|是|在|也|还|有|平时|最近|特别|很|喜欢|爱|不|对|它|他|她|who\b|she\b|he\b|it\b|they\b)",
    re.I,
)
_THE_USER = re.compile(r"(?:该?用户|使用者|the user|user)(?P<of>'s|的)?\s*", re.I)
_TERM = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]+")


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
    about: tuple[Clause, str, str] | None = None  # somebody of theirs, of whom the next clauses tell more
    for clause in claimed(text):
        if clause.first:
            lead, wished = "", False
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
        said = stated(clause.plain) or (stated(lead + clause.plain) if lead else None)
        until = plan(clause.plain, at) if said is None or said.subject.count(":") == 1 else None
        if until is not None:
            yield "event", said.subject if said else "plan", clause.text, _PLANNED, until
        elif said is not None and said.subject.startswith("my:") and said.kind == "profile":
            about = (clause, said.subject, clause.text)
        elif said is not None:
            lead = lead or {"我": "我", "i": "I "}.get(clause.plain[:1].lower(), "")
            yield said.kind, said.subject, clause.text, _SAID, 0
    if about:
        yield "profile", about[1], about[2], _SAID, 0


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
    if not isinstance(given, list):
        return ()
    found: dict[str, Finding] = {}
    for item in cast("list[object]", given)[: PER_CHUNK * 5]:
        finding = _checked(cast("Mapping[str, Any]", item), turns) if isinstance(item, Mapping) else None
        if finding is not None and len(found) < PER_CHUNK:
            found.setdefault(canonical(finding.text), finding)
    return tuple(found.values())


def _checked(item: Mapping[str, Any], turns: Sequence[Turn]) -> Finding | None:
    kind, subject, text, number = (item.get(name) for name in ("kind", "subject", "text", "turn"))
    if kind not in get_args(FactKind) or not isinstance(text, str) or not 2 <= len(text.strip()) <= LONGEST:
        return None
    if type(number) is not int or not 1 <= number <= len(turns):
        return None
    turn, text = turns[number - 1], " ".join(text.split())
    if turn.state == "cleared" or turn.finish == "flagged" or turn.off_record:
        return None
    heard = text_of(turn.input)
    said = _first(_of_me(text))
    if not _supported(kind, text, said, heard):
        return None
    if said is None:
        named = subject.strip()[:40] if isinstance(subject, str) else ""
        until = plan(_of_me(text), turn.at) if kind == "event" else None
        return Finding(kind, named, text, (turn.ref,), _MODEL, turn.at, until or 0)
    return Finding(
        said.kind if kind != "instruction" else kind, said.subject, text, (turn.ref,), _MODEL, turn.at
    )


def _of_me(text: str) -> str:
    """A text about "the user" as they would say it."""
    found = _THE_USER.match(text)
    if not found:
        return text
    rest = text[found.end() :]
    if found[0].strip()[-1:].isascii() and found[0].strip() != "":
        return f"my {rest}" if found["of"] else f"I {rest}"
    return f"我的{rest}" if found["of"] else f"我{rest}"


def _supported(kind: str, text: str, said: Statement | None, heard: str) -> bool:
    """Whether the person's own claims hold a fact: its value as it is, else most of its terms."""
    if kind == "instruction":  # it would stand in every request: word for word, or not at all
        return canonical(text) in canonical(heard) and any(wish(c.rest) for c in claimed(heard))
    claims = canonical(" ".join(clause.plain for clause in claimed(heard)))
    if said is not None:
        return said.value in claims
    wanted, there = _terms(_THE_USER.sub("", text, count=1)), _terms(claims)
    if any(term.isdigit() and term not in there for term in wanted):
        return False
    return bool(wanted) and len(wanted & there) >= SUPPORT * len(wanted)


def _terms(text: str) -> frozenset[str]:
    """Words, and pairs of neighbouring Chinese characters (a single one alone)."""
    out: set[str] = set()
    for run in _TERM.findall(canonical(text)):
        if run[0] < "\u3400" or run[0] > "\u9fff" or len(run) == 1:
            out.add(run)
        else:
            out.update(run[i : i + 2] for i in range(len(run) - 1))
    return frozenset(out)


# ---------------------------------------------------------------- what agrees with what


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a fact claims, to compare it by: in one `slot` only one `value` holds. `more`: what it adds."""

    slot: str
    value: str
    more: frozenset[str]
    loose: bool = False  # a free sentence: its slot is the sentence itself


@lru_cache(maxsize=8_192)
def _claim(kind: str, subject: str, text: str, expires: int) -> _Claim:
    body = _of_me((remembered(text) if kind == "instruction" else "") or text)
    parts = claimed(body)
    first = next(parts, None)
    said = stated(first.plain) if first and kind != "event" else None
    if said is None and first and subject in SINGLE:
        said = stated(("I " if first.plain.isascii() else "我") + first.plain)
    if said is not None:
        more = _terms(" ".join(clause.plain for clause in parts))
        if said.subject in ("like", "dislike"):
            return _Claim(f"taste:{said.value}", said.subject, more)
        if said.subject in ("allergy", "no allergy"):
            return _Claim(f"allergy:{said.value}", said.subject, more)
        if _single(said.subject):
            return _Claim(said.subject, said.value, more)
    if _single(subject):
        return _Claim(subject, f"={canonical(text)}", frozenset())
    day = expires if kind == "event" else 0
    return _Claim(
        f"{'wish' if kind == 'instruction' else 'said'}:{canonical(text)}:{day}", "", frozenset(), loose=True
    )


def _single(subject: str) -> bool:
    return subject in SINGLE or subject.startswith(("my:", "reply:"))


@dataclass(slots=True)
class _Known:
    """The facts that hold now, by what they claim."""

    by_slot: dict[str, tuple[Fact, _Claim]]
    loose: dict[int, tuple[Fact, frozenset[str]]]
    holding: dict[str, list[int]]  # of a term: the free sentences it stands in

    @staticmethod
    def of(facts: Sequence[Fact]) -> _Known:
        known = _Known({}, {}, {})
        for fact in facts:
            claim = _claim(fact.kind, fact.subject, fact.text, fact.expires)
            known.by_slot[claim.slot] = (fact, claim)
            if claim.loose:
                terms = _terms(fact.text)
                known.loose[fact.id] = (fact, terms)
                for term in terms:
                    known.holding.setdefault(term, []).append(fact.id)
        return known

    def like(self, finding: Finding) -> Fact | None:
        """A free sentence that says about the same as this one, with the same numbers and the same no."""
        terms = _terms(finding.text)
        shared = Counter(id_ for term in terms for id_ in self.holding.get(term, ()))
        for id_, count in shared.most_common(3):
            fact, others = self.loose[id_]
            if count < ALIKE * len(terms | others) or fact.kind != finding.kind:
                continue
            if _marks(fact.text) == _marks(finding.text) and fact.expires == finding.expires:
                return fact
        return None


def _marks(text: str) -> tuple[str, ...]:
    return tuple(sorted(re.findall(r"\d+|不|没|别|\bnot?\b|n't|never", text.casefold())))


def reconcile(known: Sequence[Fact], findings: Sequence[Finding], now: int) -> tuple[FactChange, ...]:
    """What findings change in what is known.

    Of findings that contradict each other the last one counts, and none counts against a fact that was said
    later. Reconciled again with the result they change nothing.

    Args:
        known: the owner's facts; superseded and expired ones are passed over.
        findings: in the order in which they were said.
        now: ms UTC.
    """
    valid = [fact for fact in known if not fact.superseded_by and not 0 < fact.expires <= now]
    holds = _Known.of(valid)
    new: dict[str, tuple[Finding, _Claim]] = {}
    for finding in sorted(findings, key=_when):
        if not finding.text.strip() or 0 < finding.expires <= now:
            continue
        claim = _claim(finding.kind, finding.subject, finding.text, finding.expires)
        earlier = new.get(claim.slot)
        if earlier and _same(earlier[1], claim) and _pinned(finding, earlier[0].kind):
            finding = _again(earlier[0], finding)
        new[claim.slot] = (finding, claim)
    changes = [
        change for finding, claim in new.values() if (change := _change(holds, finding, claim)) is not None
    ]
    return _bounded(valid, changes)


def _change(holds: _Known, finding: Finding, claim: _Claim) -> FactChange | None:
    fact, other = holds.by_slot.get(claim.slot, (None, claim))
    if fact is None and claim.loose:
        fact = holds.like(finding)
    if fact is None:
        return FactChange(finding)
    if not _same(other, claim) or not _pinned(fact, finding.kind):
        later = max(finding.sources, default=TurnRef(0, 0)), max(fact.sources, default=TurnRef(0, 0))
        if finding.at < fact.last_seen or (finding.at == fact.last_seen and later[0] <= later[1]):
            return None
        return FactChange(finding, replaces=(fact.id,))
    if set(finding.sources) <= set(fact.sources) and (finding.sources or finding.at <= fact.last_seen):
        return None
    surer = 1 - (1 - fact.confidence) * (1 - finding.confidence / 2)
    return FactChange(replace(finding, confidence=round(surer, 4)), known=fact.id)


def _same(old: _Claim, new: _Claim) -> bool:
    """Whether nothing of the new claim is new."""
    if old.value == new.value:
        return new.more <= old.more
    whole, core = (old.value, new.value) if old.value.startswith("=") else (new.value, old.value)
    return whole.startswith("=") and core in whole


def _pinned(fact: Fact | Finding, kind: str) -> bool:
    """Whether a fact may stand for a finding of this kind: a wish must stay one, in its own words."""
    return kind != "instruction" or fact.kind == "instruction"


def _when(finding: Finding) -> tuple[int, TurnRef]:
    return finding.at, max(finding.sources, default=TurnRef(0, 0))


def _again(first: Finding, second: Finding) -> Finding:
    sources = tuple(dict.fromkeys((*first.sources, *second.sources)))
    return replace(
        first,
        sources=sources,
        at=max(first.at, second.at),
        confidence=max(first.confidence, second.confidence),
    )


def _bounded(valid: Sequence[Fact], changes: Sequence[FactChange]) -> tuple[FactChange, ...]:
    """Lets the weakest facts give way where there would be more than `MOST`."""
    named = {id_ for change in changes for id_ in (*change.replaces, change.known)}
    added = [change for change in changes if not change.known]
    over = len(valid) + sum(1 - len(change.replaces) for change in added) - MOST
    if over <= 0:
        return tuple(changes)
    weak = sorted(
        (fact for fact in valid if fact.id not in named),
        key=lambda fact: (fact.kind == "instruction", fact.confidence, fact.last_seen, fact.id),
    )[:over]
    room = max(0, len(added) - (over - len(weak)))
    out: list[FactChange] = [change for change in changes if change.known]
    for change in added[:room]:
        share, weak = (weak, []) if change is added[room - 1] else (weak[:1], weak[1:])
        out.append(replace(change, replaces=(*change.replaces, *(fact.id for fact in share))))
    return tuple(out)


def joined(ours: Sequence[Fact], theirs: Sequence[Fact]) -> tuple[dict[int, int], dict[int, int]]:
    """How the facts of two people agree who turn out to be one.

    Returns:
        Of the facts that hold: which of `theirs` say the same as one of `ours`, and which fact (of either)
        is replaced by which newer one.
    """
    holds = _Known.of([fact for fact in ours if not fact.superseded_by])
    same: dict[int, int] = {}
    replaced: dict[int, int] = {}
    for fact in theirs:
        if fact.superseded_by:
            continue
        claim = _claim(fact.kind, fact.subject, fact.text, fact.expires)
        mine, other = holds.by_slot.get(claim.slot, (None, claim))
        if mine is None:
            continue
        if _same(other, claim) and _pinned(mine, fact.kind):
            same[fact.id] = mine.id
        elif (fact.last_seen, fact.id) > (mine.last_seen, mine.id):
            replaced[mine.id] = fact.id
        else:
            replaced[fact.id] = mine.id
    return same, replaced
