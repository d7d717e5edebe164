"""What a flag of a platform means for the stored conversation. Pure: it decides, the engine carries out.

`clear`: the session goes. `drop_turn`: only what was flagged goes, with at most one extra request:

    the flag names                      what happens
    the output, or round -1             the current turn goes
    a round of the past                 both turns it may mean go, the current turn is retried once
    the history as a whole              all turns of the request but the current one go, retried once
    nothing                             the input is sent once alone; `after_probe` decides
    anything, on the extra request      what it names goes, the current turn too: no further request

Platforms do not say whether they count rounds from 0 or from 1, so a round stands for two candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from duihua.messages import TurnRef
from duihua.ports import Flagged, Packed

Policy = Literal["clear", "drop_turn"]
_NOTHING_SENT = Packed(b"", (), (), 0, 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now.

    Attributes:
        erase: stored turns that go, by seq, with the current one if it goes; `session` is all of them.
        drop_current: the current turn goes; it gets no answer.
        retry: the current turn is sent again, without what was erased.
        probe: the current input is sent again without any history; nothing is erased yet.
        retract: what was shown of the answer is taken back.
    """

    erase: Literal["session"] | tuple[int, ...] = ()
    drop_current: bool = False
    retry: bool = False
    probe: bool = False
    retract: bool = False

    @property
    def over(self) -> bool:
        """The flagged answer does not go on: it is dropped, or asked for anew."""
        return self.drop_current or self.retry or self.probe


def judge(
    flagged: Flagged,
    packed: Packed | None,
    current: TurnRef,
    policy: Policy,
    *,
    already_retried: bool = False,
) -> Verdict:
    """What a flag means.

    Args:
        flagged: the platform's signal.
        packed: the request that it answers (`rounds` and `joined` say whose text it held), None: never sent.
        current: the turn that is being answered.
        policy: `clear` or `drop_turn`.
        already_retried: the request was itself the extra one, a retry or a probe.
    """
    if not flagged.stop:
        return Verdict(retract=flagged.retract)
    if policy == "clear":
        return Verdict("session", drop_current=True, retract=flagged.retract)
    packed = packed or _NOTHING_SENT
    past = _past(packed, current)
    named = _named(flagged, packed, current)
    if named is None:  # nothing that could be looked up
        if past and not already_retried:
            return Verdict(probe=True, retract=flagged.retract)
        return _gone(packed, current, (), flagged.retract)
    history = tuple(sorted(ref.seq for ref in named if ref in past))
    if already_retried or not history:
        return _gone(packed, current, history, flagged.retract)
    return Verdict(history, retry=True, retract=flagged.retract)


def after_probe(packed: Packed, current: TurnRef, *, accepted: bool) -> Verdict:
    """What the answer to the input alone says about the request `packed` that was flagged before.

    Accepted: the history was meant, what was sent of it goes and the answer stands. Refused: the turn goes.
    """
    if accepted:
        return Verdict(tuple(sorted(ref.seq for ref in _past(packed, current))))
    return _gone(packed, current, (), retract=False)


def _gone(packed: Packed, current: TurnRef, erase: tuple[int, ...], retract: bool) -> Verdict:
    """The current turn goes, with the inputs that were sent in its own message."""
    joined = {ref.seq for place, ref in packed.joined if packed.rounds[place] == current}
    return Verdict(tuple(sorted({*erase, *joined, current.seq})), drop_current=True, retract=retract)


def _past(packed: Packed, current: TurnRef) -> set[TurnRef]:
    """The turns in a request other than the current one."""
    sent = {ref for ref in packed.rounds if ref is not None}
    return (sent | {ref for _, ref in packed.joined}) - {current}


def _named(flagged: Flagged, packed: Packed, current: TurnRef) -> set[TurnRef] | None:
    """The turns that a flag may mean, None if it names none."""
    if flagged.side == "output" or flagged.round == -1:
        return {current}
    if flagged.round is not None:
        rounds = _rounds(packed)
        both = {index for index in (flagged.round, flagged.round - 1) if 0 <= index < len(rounds)}
        named: set[TurnRef] = set()
        for index in both:
            named |= rounds[index]
        return named or None
    return _past(packed, current) if flagged.side == "history" else None


def _rounds(packed: Packed) -> list[set[TurnRef]]:
    """The turns of each round: what a user (or function) said and the answers up to the next such message."""
    out: list[set[TurnRef]] = []
    joined: dict[int, set[TurnRef]] = {}
    for place, ref in packed.joined:
        joined.setdefault(place, set()).add(ref)
    for place, (message, ref) in enumerate(zip(packed.messages, packed.rounds, strict=True)):
        if message.startswith((b'{"role":"user"', b'{"role":"function"')):
            out.append(set())
        if out:
            out[-1] |= joined.get(place, set()) | ({ref} if ref is not None else set())
    return out
