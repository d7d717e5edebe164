"""How what is found agrees with what is known: the same again, a contradiction, or something new."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from duihua.memories import Fact, FactChange, Finding
from duihua.memory.changes import continued
from duihua.memory.clauses import claimed
from duihua.memory.kept import kept
from duihua.memory.rules import as_said, stated
from duihua.memory.statements import (
    SINGLE,
    Ending,
    Statement,
    canonical,
    ends,
    is_single,
    spelt,
    state,
    terms_of,
)
from duihua.memory.wishes import lifted, remembered
from duihua.messages import TurnRef

MOST = 500
"""Facts of an owner that hold at the same time; beyond it the weakest give way."""
ALIKE = 0.8
"""Share of terms in common from which on two free sentences say the same."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a fact claims, to compare it by: in one `slot` only one `value` holds. `more`: what it adds.

    It ends what `ends` names, of which `about` says what it is itself (a subject and a value).
    """

    slot: str
    value: str
    more: frozenset[str]
    about: tuple[str, str] = ("", "")
    ends: tuple[Ending, ...] = ()
    free: bool = False  # a free sentence: its slot is the sentence itself
    loose: bool = False  # it is worth nothing unless it ends something


@kept
@lru_cache(maxsize=8_192)
def _claim(kind: str, subject: str, text: str, expires: int) -> _Claim:
    body = as_said((remembered(text) if kind == "instruction" else "") or text)
    first, *parts = (*claimed(body), None)
    said = stated(first.plain) if first else None
    if first and parts[0] and (further := stated(continued(first.plain, parts[0].plain))):
        said, parts = further, parts[1:]
    if said is None and first and subject in SINGLE:
        said = stated(("I " if first.plain.isascii() else "我") + first.plain)
    flat = canonical(text)
    if kind == "event":
        over = said.ends if said and said.loose else ()
        return _Claim(f"said:{flat}:{expires}", "", frozenset(), ("event", flat), over, not over, bool(over))
    if said is not None:
        about = _about(said, subject)
        more = terms_of(" ".join(clause.plain for clause in parts if clause))
        if slot := _slot(said, about):
            value = said.subject if slot.startswith(("taste:", "allergy:")) else about[1]
            return _Claim(slot, value, more, about, _over(said, about), False, said.loose)
        return _Claim(f"said:{flat}:0", "", frozenset(), about, _over(said, about), free=True)
    given = lifted(text) if kind == "instruction" else ""
    over = (("wish", given),) if given else ()
    if is_single(subject):
        return _Claim(subject, f"={flat}", frozenset(), (subject, flat), over, loose=bool(given))
    sort = "wish" if kind == "instruction" else "said"
    return _Claim(f"{sort}:{flat}:0", "", frozenset(), (sort, flat), over, True, bool(given))


def _about(said: Statement, subject: str) -> tuple[str, str]:
    """What a statement is about, in the words in which it is compared: a subject and a value."""
    if said.subject == "is":
        return "is", state(said.value)[1]
    if said.subject == "switched" and is_single(subject):
        return subject, said.value
    if said.subject in ("my:手机", "my:电话") and re.fullmatch(r"[\d ]{5,}", said.value):
        return f"{said.subject}号", said.value  # the number, and no kind of telephone
    return spelt(said.subject), spelt(said.value) if is_single(said.subject) else said.value


_SOON = re.compile(  # how far a birthday is; it does not take the place of its date
    r"(?:(?:on )?(?:\w+day|tomorrow)|soon|(?:this|next|coming)\b\D*)$|"
    r"[今明后]天|[这本下]个?[周星礼月]|快|马上"
)


def _slot(said: Statement, about: tuple[str, str]) -> str:
    """Where only one such statement holds at a time; empty for a free sentence."""
    subject, value = about
    sort = subject.removeprefix("no ")
    if sort in ("like", "dislike", "allergy"):
        return f"{'allergy' if sort == 'allergy' else 'taste'}:{said.value}"
    if subject == "is":
        return state(said.value)[0]
    if is_single(subject) and not (subject == "birthday" and _SOON.match(value)):
        return subject
    return f"{subject}:{value}" if said.ends else ""


def _over(said: Statement, about: tuple[str, str]) -> tuple[Ending, ...]:
    """What ends with a statement; and where it says that something holds, that it did not."""
    over = tuple((one, state(value)[1] if one == "is" else spelt(value)) for one, value in said.ends)
    if about[0] in ("dislike", "no like"):
        return (*over, ("best:*", about[1]))
    if about[0].startswith("no "):
        return over
    return (*over, (f"no {about[0]}", "" if is_single(about[0]) else about[1]))


@dataclass(slots=True)
class _Known:
    """The facts that hold now, by what they claim; a new one of this batch has an id below 0."""

    by_slot: dict[str, tuple[Fact, _Claim]] = field(default_factory=dict[str, tuple[Fact, _Claim]])
    claims: dict[int, tuple[Fact, _Claim]] = field(default_factory=dict[int, tuple[Fact, _Claim]])
    about: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    ending: dict[str, list[int]] = field(default_factory=dict[str, list[int]])  # under `*` those of many
    free: dict[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    holding: dict[str, list[int]] = field(default_factory=dict[str, list[int]])  # of a term: free sentences

    def add(self, fact: Fact) -> _Claim:
        claim = _claim(fact.kind, fact.subject, fact.text, fact.expires)
        self.by_slot[claim.slot] = self.claims[fact.id] = fact, claim
        self.about.setdefault(claim.about[0], []).append(fact.id)
        for subject, _ in claim.ends:
            self.ending.setdefault("*" if subject.endswith("*") else subject, []).append(fact.id)
        if claim.free:
            terms = self.free[fact.id] = terms_of(fact.text)
            for term in terms:
                self.holding.setdefault(term, []).append(fact.id)
        return claim

    def drop(self, fact: Fact) -> None:
        """What holds no more is found no more; what is listed under its id is passed over."""
        _, claim = self.claims.pop(fact.id)
        self.free.pop(fact.id, None)
        if claim.slot in self.by_slot and self.by_slot[claim.slot][0].id == fact.id:
            del self.by_slot[claim.slot]

    def ended_by(self, claim: _Claim) -> Iterator[Fact]:
        """The facts that end with a claim."""
        for ending in claim.ends:
            prefix = ending[0][:-1] if ending[0].endswith("*") else ""
            ids = (
                [id_ for subject, some in self.about.items() if subject.startswith(prefix) for id_ in some]
                if prefix
                else self.about.get(ending[0], ())
            )
            for id_ in ids:
                if id_ in self.claims and ends(ending, *self.claims[id_][1].about):
                    yield self.claims[id_][0]

    def ending_it(self, claim: _Claim) -> Iterator[Fact]:
        """The facts with which a claim ends."""
        for id_ in (*self.ending.get(claim.about[0], ()), *self.ending.get("*", ())):
            if id_ in self.claims and any(ends(one, *claim.about) for one in self.claims[id_][1].ends):
                yield self.claims[id_][0]

    def like(self, finding: Finding) -> Fact | None:
        """A free sentence that says about the same as this one, with the same numbers and the same no."""
        terms = terms_of(finding.text)
        shared = Counter(id_ for term in terms for id_ in self.holding.get(term, ()) if id_ in self.free)
        for id_, count in shared.most_common(3):
            fact = self.claims[id_][0]
            if count < ALIKE * len(terms | self.free[id_]) or fact.kind != finding.kind:
                continue
            if _marks(fact.text) == _marks(finding.text) and fact.expires == finding.expires:
                return fact
        return None


def _marks(text: str) -> tuple[str, ...]:
    return tuple(sorted(re.findall(r"\d+|不|没|别|\bnot?\b|n't|never", text.casefold())))


def reconcile(known: Sequence[Fact], findings: Sequence[Finding], now: int) -> tuple[FactChange, ...]:
    """What findings change in what is known.

    Of findings that contradict each other the last one counts and the others become its history; none counts
    against a fact that was said later. Reconciled again with the result they change nothing.

    Args:
        known: the owner's facts; superseded and expired ones are passed over.
        findings: in the order in which they were said.
        now: ms UTC.
    """
    valid = [fact for fact in known if not fact.superseded_by and not 0 < fact.expires <= now]
    batch = _Batch(valid)
    for finding in sorted(findings, key=_when):
        if finding.text.strip() and not 0 < finding.expires <= now:
            batch.hear(finding)
    return _bounded(valid, batch.again, batch.new)


class _Batch:
    """Findings, one after the other, beside what is known and what was found just before."""

    def __init__(self, valid: Sequence[Fact]) -> None:
        self.again: dict[int, Finding] = {}
        self.new: list[FactChange] = []
        self._facts: dict[int, Fact] = {}
        self._known = _Known()
        for fact in valid:
            self._known.add(fact)

    def hear(self, finding: Finding) -> None:
        claim = _claim(finding.kind, finding.subject, finding.text, finding.expires)
        fact, other = self._known.by_slot.get(claim.slot, (None, claim))
        if fact is None and claim.free:
            fact = self._known.like(finding)
        if fact is not None and _same(other, claim) and _pinned(fact, finding.kind):
            if finding.at >= fact.first_seen:  # else it may have been otherwise in between
                self._say_again(fact, finding)
            return
        against = [fact] if fact is not None else []
        if any(not _newer(finding, one) for one in (*against, *self._known.ending_it(claim))):
            return
        over = {one.id: one for one in (*against, *self._known.ended_by(claim)) if _newer(finding, one)}
        if claim.loose and not over and finding.confidence < 1:
            return
        if finding.subject == "switched":
            finding = replace(finding, subject=next((one.subject for one in over.values()), ""))
        for one in over.values():
            self._known.drop(one)
        self.new.append(FactChange(finding, replaces=tuple(over)))
        self._known.add(_fact(-len(self.new), finding))

    def _say_again(self, fact: Fact, finding: Finding) -> None:
        if fact.id < 0:
            first = self.new[-fact.id - 1]
            self.new[-fact.id - 1] = replace(first, finding=_again(first.finding, finding))
        elif fact.id in self.again:
            self.again[fact.id] = _again(self.again[fact.id], finding)
        elif not set(finding.sources) <= set(fact.sources) or (
            not finding.sources and finding.at > fact.last_seen
        ):
            surer = 1 - (1 - fact.confidence) * (1 - finding.confidence / 2)
            self.again[fact.id] = replace(finding, confidence=round(surer, 4))


def _fact(id_: int, finding: Finding) -> Fact:
    return Fact(
        id_,
        0,
        finding.kind,
        finding.subject,
        finding.text,
        finding.sources,
        finding.confidence,
        finding.at,
        finding.at,
        finding.expires,
    )


def _newer(finding: Finding, fact: Fact) -> bool:
    """Whether a finding was said after a fact; of one batch each comes after the one before."""
    if fact.id < 0 or finding.at != fact.last_seen:
        return fact.id < 0 or finding.at > fact.last_seen
    return max(finding.sources, default=TurnRef(0, 0)) > max(fact.sources, default=TurnRef(0, 0))


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


def _bounded(
    valid: Sequence[Fact], again: Mapping[int, Finding], new: Sequence[FactChange]
) -> tuple[FactChange, ...]:
    """The changes, the weakest facts giving way where there would be more than `MOST`."""
    out = [FactChange(finding, known=id_) for id_, finding in again.items()]
    named = {id_ for change in new for id_ in change.replaces} | again.keys()
    over = len(valid) + sum(1 - len(change.replaces) for change in new) - MOST
    weak: list[Fact] = []
    room = len(new)
    if over > 0:
        weak = sorted(
            (fact for fact in valid if fact.id not in named),
            key=lambda fact: (fact.kind == "instruction", fact.confidence, fact.last_seen, fact.id),
        )[:over]
        room = max(0, len(new) - (over - len(weak)))
    first = len(out) + 1  # the place of the first new one
    for number, change in enumerate(new[:room], 1):
        share, weak = (weak, []) if number == room else (weak[:1], weak[1:])
        gone = (id_ if id_ > 0 else id_ + 1 - first for id_ in change.replaces)
        out.append(replace(change, replaces=(*gone, *(fact.id for fact in share))))
    return tuple(out)


def joined(ours: Sequence[Fact], theirs: Sequence[Fact]) -> tuple[dict[int, int], dict[int, int]]:
    """How the facts of two people agree who turn out to be one.

    Returns:
        Of the facts that hold: which of `theirs` say the same as one of `ours`, and which fact (of either)
        is replaced by which newer one.
    """
    holds = _Known()
    for fact in ours:
        if not fact.superseded_by:
            holds.add(fact)
    same: dict[int, int] = {}
    replaced: dict[int, int] = {}
    for fact in theirs:
        if fact.superseded_by:
            continue
        claim = _claim(fact.kind, fact.subject, fact.text, fact.expires)
        mine, other = holds.by_slot.get(claim.slot, (None, claim))
        if mine is not None and _same(other, claim) and _pinned(mine, fact.kind):
            same[fact.id] = mine.id
            continue
        slot = [mine] if mine else []
        for one in (*slot, *holds.ended_by(claim)):
            if (fact.last_seen, fact.id) > (one.last_seen, one.id):
                replaced.setdefault(one.id, fact.id)
        for one in (*slot, *holds.ending_it(claim)):
            if (fact.last_seen, fact.id) < (one.last_seen, one.id):
                replaced.setdefault(fact.id, one.id)
    return same, replaced
