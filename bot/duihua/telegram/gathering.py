"""What an app sends in pieces and is one input: albums, and long texts that it has cut. Pure.

An input is made of its arrivals alone: found open once more after a crash, they make the same one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from duihua.telegram.incoming import ALBUM
from duihua.telegram.text import units
from duihua.telegram.updates import Event, Said

QUIET = 0.6
"""Seconds without a further piece after which there is none."""
LONG, CUT = 4_000, 4_096
"""UTF-16 units of a text behind which there may be more of it, and at which apps cut where no word ends."""
TEXTS = 32
"""Pieces of a text, at most."""
APART = 2
"""Seconds between the times that Telegram tells of two pieces of a text, at most: both may have waited."""
MOST = 1_000
"""Albums that are known."""
_AHEAD = 100  # jobs of a chat among which pieces are looked for


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An arrival and what it means; `at` is when that was read, in seconds of some clock."""

    arrival: int
    key: str
    event: Event
    at: float


def gathered(waiting: Sequence[Job], before: Sequence[Job] = ()) -> list[Job]:
    """The first of the jobs of a chat that wait, and the further pieces of it.

    Args:
        waiting: in the order in which they came.
        before: pieces that were worked on already.
    """
    found = [waiting[0]]
    if not goes_on(waiting[0].event):
        return found
    for job in islice(waiting, 1, _AHEAD):
        if _continues(job, [*before, *found]):
            found.append(job)
    return found


def whole_at(pieces: Sequence[Job]) -> float:
    """When nothing more is waited for, on the clock of the jobs; 0: now."""
    last = pieces[-1]
    most = ALBUM if album_of(last.event) else TEXTS
    return last.at + QUIET if goes_on(last.event) and len(pieces) < most else 0.0


def joined(pieces: Sequence[Job]) -> Job:
    """All pieces as one job: with the message of the first, the key and the arrival of the last."""
    first, last = pieces[0], pieces[-1]
    said = [job.event for job in pieces if isinstance(job.event, Said)]
    if len(pieces) == 1 or not isinstance(first.event, Said):
        return first
    if first.event.album:
        by: dict[str, int] = {}
        for one in said:
            if one.text.strip():
                by.setdefault(one.text, one.message)
        head, tail, spoken = next(iter(by), ""), [f"\n{text}" for text in list(by)[1:]], tuple(by.values())
    else:
        tail = [("" if _units(a) == CUT else "\n") + b.text for a, b in pairwise(said)]
        head, spoken = first.event.text, tuple(one.message for one in said)
    whole = replace(
        first.event,
        text=head + "".join(tail),
        tail=tuple(tail),
        spoken=spoken,
        quote=next((one.quote for one in said if one.quote), None),
        called=any(one.called for one in said),
        sent=tuple(sorted((m for one in said for m in one.sent), key=lambda m: m.message_id)),
    )
    return replace(last, event=whole)


def goes_on(event: Event) -> bool:
    """Whether more of it may come."""
    if not isinstance(event, Said) or event.edited:
        return False
    return bool(event.album) or (not event.media and _units(event) >= LONG)


def album_of(event: Event) -> tuple[str, int, str] | None:
    """What tells an album from all others; None: it is of none."""
    if not isinstance(event, Said) or event.edited or not event.album:
        return None
    return event.address.chat, event.who.id, event.album


class Albums:
    """The albums that were let in, and those of them of which the model was asked; `MOST` at most."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int, str], tuple[bool, bool]] = OrderedDict()  # asked, private

    def __contains__(self, said: Said) -> bool:
        return album_of(said) in self._known

    def add(self, said: Said, *, asked: bool = False, private: bool = False) -> None:
        """Nothing if it is no album. `private`: what was asked is gone with this process."""
        if (album := album_of(said)) is not None:
            self._known[album] = asked, private
            while len(self._known) > MOST:
                self._known.popitem(last=False)

    def asked(self, said: Said) -> bool:
        """Whether the model was asked of it: what comes of it late changes that."""
        album = album_of(said)
        return album is not None and self._known.get(album, (False, False))[0]

    def private(self, said: Said) -> bool:
        """Whether nothing of it is stored: the next process would know no better than to ask once more."""
        album = album_of(said)
        return album is not None and self._known.get(album, (False, False))[1]


def _continues(job: Job, before: Sequence[Job]) -> bool:
    said, first, last = job.event, before[0].event, before[-1]
    if (album := album_of(first)) is not None:
        return album_of(said) == album and len(before) < ALBUM
    if not (isinstance(said, Said) and isinstance(first, Said) and isinstance(last.event, Said)):
        return False
    if said.address.key != first.address.key or said.who.id != first.who.id or len(before) >= TEXTS:
        return False
    if said.edited or said.media or said.text[:1] in ("/", "／") or not goes_on(last.event):
        return False
    apart = said.sent[0].date - last.event.sent[0].date
    return job.at - last.at <= QUIET and abs(apart.total_seconds()) <= APART


def _units(said: Said) -> int:
    """The length of what was sent: the bot's name, which is taken away, counts."""
    return units(said.sent[0].text or "") if said.sent else 0
