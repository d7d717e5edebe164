"""People: their switches, and the codes that join two identities."""

from __future__ import annotations

from duihua_storage.statement import Tx


def switch(user: int, on: bool) -> Tx[None]:
    """Turns a person's long-term memory on or off."""
    raise NotImplementedError
    yield


def offer(user: int, code: str, seconds: int) -> Tx[None]:
    """Keeps the hash of a code that joins another identity to this person; an older code ends."""
    raise NotImplementedError
    yield


def link(user: int, code: str) -> Tx[int | None]:
    """Joins a person to the one whose code it is; the code is used up. None: no such code."""
    raise NotImplementedError
    yield
