"""Embeddings of turns, kept so that each is asked for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from duihua.memories import Place
from duihua.messages import TurnRef
from duihua_storage.statement import Tx


def read(refs: Sequence[TurnRef], model: str) -> Tx[Mapping[Place, bytes]]:
    """The stored embeddings of these turns."""
    raise NotImplementedError
    yield


def put(owner: int, model: str, vectors: Mapping[Place, bytes]) -> Tx[None]:
    """Keeps embeddings of turns that are still there and on record."""
    raise NotImplementedError
    yield
