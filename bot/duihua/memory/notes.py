"""Which notes belong to a path, which turns have none yet, and when old notes become a digest.

Notes link like turns do: one continues another if it begins right after the last turn of that one. A path's
notes are found from its window backwards, so that notes of other branches never join in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from duihua.memories import Note, Span
from duihua.memory.extract import condense
from duihua.messages import Turn, text_of
from duihua.tokens import estimate

NOTE = 120
"""Tokens of a note at most."""
DIGEST = 300
"""Tokens of the digest at most."""
CHUNK = 3_000
"""Tokens of the turns that one note is made of, about: more at once would lose too much."""
TURNS = 20
"""Turns that one note is made of at most, for the same reason."""
MANY, OLD = 6, 4
"""At so many notes, so many of the oldest go into the digest."""
SPANS = 64
"""Spans of one note at most: the smallest gaps between them are closed, to the side of forgetting."""


def chain(notes: Iterable[Note], start_parent: int) -> tuple[Note, ...]:
    """The notes of a path, oldest first, as far as they link.

    Args:
        notes: of a session, of all its paths.
        start_parent: the parent of the window's first turn, 0 if it is the first of all.

    Returns:
        Notes whose last one ends at `start_parent`. `missing` tells whether turns before them have none.
    """
    ends = _ends(notes)
    out: list[Note] = []
    while start_parent and (note := ends.get(start_parent)) is not None:
        out.append(note)
        start_parent = note.after
    return tuple(reversed(out))


def missing(chain: Sequence[Note], start_parent: int) -> int:
    """The last turn before the window that no note of the chain covers; 0 if none is missing."""
    return chain[0].after if chain else start_parent


def lay(notes: Iterable[Note], left: Sequence[Turn]) -> tuple[Note | tuple[Turn, ...], ...]:
    """What stands before a window, oldest first: notes, and the turns that have none yet.

    Args:
        notes: of a session, of all its paths.
        left: the turns at hand that have left the window, along the path, oldest first.

    Returns:
        Notes and chunks of turns that make one note each (`note_of`), up to the window's start.
    """
    notes = tuple(notes)
    ends = _ends(notes)
    out: list[Note | tuple[Turn, ...]] = []  # and `bare`: newest first
    bare: list[Turn] = []
    wanted = left[-1].ref.seq if left else 0
    for turn in reversed(left):
        if turn.ref.seq > wanted:  # a note covers it
            continue
        note = ends.get(turn.ref.seq)
        if note is not None and (note.after >= left[0].parent or not _broken(ends, note)):
            out += [*reversed(chunks(bare[::-1])), note]
            bare, wanted = [], note.after
        else:
            bare.append(turn)
            wanted = turn.parent
    out += reversed(chunks(bare[::-1]))
    return (*chain(notes, wanted), *reversed(out))


def note_of(turns: Sequence[Turn], text: str, by: str = "extract") -> Note:
    """The note over turns that follow each other on a path, oldest first, at least one."""
    seqs = [turn.ref.seq for turn in turns]
    covers = _spans((seq, seq) for seq in seqs)
    return Note(seqs[0], seqs[-1], turns[0].parent, covers, text, by, at=turns[-1].at)


def fold(notes: Sequence[Note]) -> tuple[Note, tuple[Note, ...]] | None:
    """The new digest, and the notes that go into it; None while there are few.

    Args:
        notes: a path's, oldest first, as `chain` returns them.
    """
    plain = [index for index, note in enumerate(notes) if note.level == 0]
    if len(plain) < MANY:
        return None
    gone = tuple(notes[: plain[OLD - 1] + 1])
    covers = _spans(span for note in gone for span in note.covers)
    text = condense([note.text for note in gone], tokens=DIGEST)
    at = max(note.at for note in gone)
    return Note(gone[0].first, gone[-1].upto, gone[0].after, covers, text, level=1, at=at), gone


def without(note: Note, gone: Mapping[int, int]) -> Note | None:
    """A note now that turns are erased: None if it covers one of them, else it begins after what is left.

    Args:
        note: any note of the session.
        gone: the erased turns with their parents.
    """
    spans = note.covers or ((note.first, note.upto),)
    if any(first <= seq <= last for first, last in spans for seq in gone):
        return None
    after = note.after
    while after in gone:
        after = gone[after]
    return note if after == note.after else replace(note, after=after)


def fitting(notes: Sequence[Note], tokens: float) -> tuple[Note, ...]:
    """The notes that have room, oldest first; where it is short, the older ones as one, in fewer words."""
    sizes = [estimate(note.text) for note in notes]
    if sum(sizes) <= tokens:
        return tuple(notes)
    whole = len(notes)
    while whole > 1 and sum(sizes[whole - 1 :]) <= tokens / 3:  # the newest ones stay as they are
        whole -= 1
    older = notes[:whole]
    room = tokens - sum(sizes[whole:])
    text = condense([note.text for note in older], tokens=room, even=not older[0].level)
    covers = _spans(span for note in older for span in note.covers)
    one = Note(older[0].first, older[-1].upto, older[0].after, covers, text, level=1, at=older[-1].at)
    return (one, *notes[whole:])


def _ends(notes: Iterable[Note]) -> dict[int, Note]:
    """Notes by their last turn, a digest before a plain note. One that leads nowhere is left out."""
    return {
        note.upto: note for note in sorted(notes, key=lambda note: note.level) if 0 <= note.after < note.upto
    }


def _broken(ends: Mapping[int, Note], note: Note) -> bool:
    """Whether turns before a note, which begins before the turns at hand, have none."""
    while (before := ends.get(note.after)) is not None:
        note = before
    return note.after != 0


def chunks(turns: Sequence[Turn]) -> list[tuple[Turn, ...]]:
    """Turns (oldest first) in runs that make one note each: of `CHUNK` tokens or `TURNS` turns."""
    out: list[tuple[Turn, ...]] = []
    run: list[Turn] = []
    size = 0.0
    for turn in turns:
        cost = estimate(text_of(turn.input)) + estimate(turn.text)
        if run and (size + cost > CHUNK or len(run) == TURNS):
            out.append(tuple(run))
            run, size = [], 0.0
        run.append(turn)
        size += cost
    return [*out, tuple(run)] if run else out


def _spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same turns in as few spans as there can be."""
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    while len(out) > SPANS:
        near = min(range(len(out) - 1), key=lambda i: out[i + 1][0] - out[i][1])
        out[near : near + 2] = [(out[near][0], out[near + 1][1])]
    return tuple(out)
