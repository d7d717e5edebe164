"""Facts: what is known about an owner, with the turns it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from duihua.memories import FactBook, FactChange
from duihua.messages import TurnRef
from duihua_storage.statement import Tx


def book(owner: int, superseded: bool) -> Tx[FactBook]:
    """The facts of an owner with their version."""
    raise NotImplementedError
    yield


def put(owner: int, version: int, changes: Sequence[FactChange]) -> Tx[bool]:
    """Applies changes on top of `version`, which is raised; False if it is another one by now.

    A source that was erased meanwhile is left out, and a new fact without any source is not written (unless
    it never had one: a person said it outright).
    """
    raise NotImplementedError
    yield


def drop(owner: int, facts: Sequence[int]) -> Tx[int]:
    """Erases facts with the history that led to them; returns how many."""
    raise NotImplementedError
    yield


def withdraw(refs: Sequence[TurnRef], facts: Sequence[int]) -> Tx[None]:
    """Turns are no source any more; facts that rest on nothing else go, and so do `facts`."""
    raise NotImplementedError
    yield
