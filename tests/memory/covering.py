"""Which turns notes stand for."""

from __future__ import annotations

from collections.abc import Iterable

from duihua.memories import Note


def covered(notes: Iterable[Note]) -> set[int]:
    """The seqs of all turns that the notes cover."""
    return {seq for note in notes for first, last in note.covers for seq in range(first, last + 1)}
