"""The search index of an owner's turns: what is added, erased and found in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from duihua.memories import Document, Matches
from duihua_storage.statement import Tx


def add(owner: int, documents: Sequence[Document]) -> Tx[None]:
    """Indexes documents; one that is there already stays as it is. The caller holds the owner's lock."""
    raise NotImplementedError
    yield


def remove(session: int, seqs: Collection[int] | None) -> Tx[None]:
    """Erases turns of a session (None: all) from every owner's index, with their embeddings."""
    raise NotImplementedError
    yield


def drop(owner: int) -> Tx[None]:
    """Erases all of an owner's index."""
    raise NotImplementedError
    yield


def match(owner: int, terms: Sequence[str], rows: int, between: tuple[int, int] | None) -> Tx[Matches]:
    """The documents that hold the terms: see `MemoryStore.match`."""
    raise NotImplementedError
    yield
