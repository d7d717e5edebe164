"""Notes: what stays of turns that have left the window."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from duihua.memories import Note
from duihua_storage.statement import Tx


def read(session: int) -> Tx[Sequence[Note]]:
    """All notes of a session, of all its paths, the oldest turns first."""
    raise NotImplementedError
    yield


def put(session: int, generation: int, new: Sequence[Note], gone: Sequence[Note]) -> Tx[bool]:
    """Writes notes and drops those that went into them, unless the session's generation is another by now."""
    raise NotImplementedError
    yield


def drop_over(session: int, gone: Collection[int], window: int) -> Tx[int]:
    """Drops every note over an erased turn; returns where the window starts now that its turns are back."""
    raise NotImplementedError
    yield
