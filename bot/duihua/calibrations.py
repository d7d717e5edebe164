"""What is known of each model's tokenizer: learnt beside the turns, kept for the next start.

It is in the database under `calibration/<provider>/<model>`. Of several processes the one that writes last is
right: each has learnt from the same tokenizer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

from duihua.errors import StorageError
from duihua.memory.calibration import Calibration, Features, corrected, features
from duihua.messages import Usage
from duihua.ports import Dialect, Packed, Store
from duihua.redact import where

log = logging.getLogger(__name__)

SESSIONS = 4_096
"""Sessions of which it is known how far off the estimate is."""
EARLY, OFTEN = (1, 5, 20), 50
"""After so many observations, and then each time after so many more, a model's calibration is kept."""
EVERY, NEW = 4, 8
"""Of a session's requests every fourth is learnt from, once so many were."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A session's requests to one model: how many; how far off the last one was, and what it held."""

    count: int = 0
    bias: float | None = None
    request: Features | None = None


_UNSEEN = _Seen()


class Calibrations:
    """Calibrations by `provider/model`.

    Args:
        store: where they are kept.

    Attributes:
        tasks: what is being read and written now.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Calibration] = {}
        self._unsaved: dict[str, int] = {}  # observations since the last time it was kept
        self._sessions: OrderedDict[tuple[int, str], _Seen] = OrderedDict()
        self.tasks: set[asyncio.Task[None]] = set()

    def of(self, name: str) -> Calibration:
        """What is known now. The first time it is read in the background, and nothing is known until then."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = Calibration()
            self._begin(self._load(name))
        return known

    async def load(self, name: str) -> None:
        """Takes up what earlier runs have learnt."""
        if name not in self._known:
            self._known[name] = Calibration()
            await self._load(name)

    def scale(self, name: str, session: int) -> float:
        """What to pack the next request of a session with."""
        seen = self._sessions.get((session, name), _UNSEEN)
        return self.of(name).scale(seen.request, seen.bias)

    def expected(self, name: str, packed: Packed) -> int:
        """Tokens that a request without images most likely has, without the margin that it is packed with."""
        return round(self.of(name).expected(features(packed)))

    def corrected(
        self, dialect: Dialect, session: int, packed: Packed, *, budget: int | None = None
    ) -> float | None:
        """What a request should have been packed with, for there is other text in it than before; None: that.

        Args:
            dialect: of the model.
            session: whose request it is.
            packed: the request, without images.
            budget: tokens, if they are not those of the dialect.
        """
        seen = self._sessions.get((session, dialect.name), _UNSEEN)
        return corrected(self.of(dialect.name), packed, budget or dialect.soft.tokens, seen.bias)

    def learn(self, name: str, session: int, packed: Packed, usage: Usage) -> None:
        """Takes note of what the platform counted for a request without images; 0 is no count."""
        if usage.input <= 0:
            return
        seen = self._sessions.pop((session, name), _UNSEEN)
        again = self._sessions[session, name] = replace(seen, count=seen.count + 1)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        if seen.count >= NEW and seen.count % EVERY:
            return
        known, request = self.of(name), features(packed)
        learnt = self._known[name] = known.learnt(request, usage.input, seen.bias)
        if learnt.count == known.count:
            return
        self._sessions[session, name] = _Seen(again.count, known.bias(request, usage.input), request)
        self._unsaved[name] = self._unsaved.get(name, 0) + 1
        if learnt.count in EARLY or self._unsaved[name] >= OFTEN:
            self._begin(self._save(name))

    async def aclose(self) -> None:
        """Keeps what was learnt since the last time."""
        await asyncio.gather(*self.tasks)
        for name in list(self._unsaved):
            await self._save(name)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _load(self, name: str) -> None:
        try:
            stored = Calibration.load(await self._store.get_state(_key(name)))
        except StorageError as e:
            log.info("what was learnt of the tokenizer of %s is not known now: %s", name, e)
            return
        except Exception as e:  # a store that is not ours
            log.error("what was learnt of the tokenizer of %s: %s", name, where(e))
            return
        if stored.count > self._known[name].count:
            self._known[name] = stored

    async def _save(self, name: str) -> None:
        self._unsaved.pop(name, None)
        try:
            await self._store.put_state(_key(name), self._known[name].dump())
        except StorageError as e:
            log.info("what was learnt of the tokenizer of %s is not kept: %s", name, e)
        except Exception as e:
            log.error("what was learnt of the tokenizer of %s: %s", name, where(e))


def _key(name: str) -> str:
    return f"calibration/{name}"
