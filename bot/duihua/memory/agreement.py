"""How what is found agrees with what is known: the same again, a contradiction, or something new."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from duihua.memories import Fact, FactChange, Finding
from duihua.memory.clauses import claimed
from duihua.memory.rules import as_said, stated
from duihua.memory.statements import SINGLE, canonical, is_single, terms_of
from duihua.memory.wishes import remembered
from duihua.messages import TurnRef

MOST = 500
"""Facts of an owner that hold at the same time; beyond it the weakest give way."""
ALIKE = 0.8
"""Share of terms in common from which on two free sentences say the same."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a fact claims, to compare it by: in one `slot` only one `value` holds. `more`: what it adds."""

    slot: str
    value: str
    more: frozenset[str]
    loose: bool = False  # a free sentence: its slot is the sentence itself


@lru_cache(maxsize=8_192)
def _claim(kind: str, subject: str, text: str, expires: int) -> _Claim:
    body = as_said((remembered(text) if kind == "instruction" else "") or text)
    parts = claimed(body)
    first = next(parts, None)
    said = stated(first.plain) if first and kind != "event" else None
    if said is None and first and subject in SINGLE:
        said = stated(("I " if first.plain.isascii() else "我") + first.plain)
    if said is not None:
        more = terms_of(" ".join(clause.plain for clause in parts))
        if said.subject in ("like", "dislike"):
            return _Claim(f"taste:{said.value}", said.subject, more)
        if said.subject in ("allergy", "no allergy"):
            return _Claim(f"allergy:{said.value}", said.subject, more)
        if is_single(said.subject):
            return _Claim(said.subject, said.value, more)
    if is_single(subject):
        return _Claim(subject, f"={canonical(text)}", frozenset())
    day = expires if kind == "event" else 0
    return _Claim(
        f"{'wish' if kind == 'instruction' else 'said'}:{canonical(text)}:{day}", "", frozenset(), loose=True
    )


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
                terms = terms_of(fact.text)
                known.loose[fact.id] = (fact, terms)
                for term in terms:
                    known.holding.setdefault(term, []).append(fact.id)
        return known

    def like(self, finding: Finding) -> Fact | None:
        """A free sentence that says about the same as this one, with the same numbers and the same no."""
        terms = terms_of(finding.text)
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
