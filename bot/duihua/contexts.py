"""How long a conversation each model takes, as its platform tells it: found out beside the turns, kept a day.

What is found is in the database (`context/<provider>/<model>`, with its date), so that the next start has it
at once. Until it is known, and while the platform cannot be reached, the limits that the dialect documents
hold.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from duihua.abilities import ListsModels, Measures, can
from duihua.dialect import ChatDialect
from duihua.errors import ProviderError, StorageError
from duihua.ports import Dialect, Limits, Provider, Store
from duihua.redact import where

log = logging.getLogger(__name__)

DAY = 86_400
"""Seconds that a context length is held for true."""
AGAIN = 3_600
"""Seconds after a platform could not tell until it is asked again."""
PATIENCE = 30.0
"""Seconds that a platform may take to tell."""
LEAST, MOST = 512, 1 << 30
"""Tokens; what is beyond is no context length."""
ANSWER, SHARE = 1_024, 8
"""What is left for the answer: so many tokens, or this part of the whole if that is more."""


def fitted(dialect: Dialect, tokens: int | None) -> Dialect:
    """The dialect with a measured context: history is trimmed to what leaves room for an answer.

    Documented limits in characters stay: they are the wire's, not the model's.
    """
    if tokens is None or not isinstance(dialect, ChatDialect):
        return dialect
    room = max(tokens // 2, tokens - max(ANSWER, tokens // SHARE))
    return replace(
        dialect, soft=Limits(dialect.soft.characters, room), hard=Limits(dialect.hard.characters, tokens)
    )


def measurable(provider: Provider) -> bool:
    """Whether the platform tells context lengths."""
    return can(provider, "measure") or can(provider, "list_models")


class Contexts:
    """Context lengths by `provider/model`.

    Args:
        store: where they are kept.
        changed: called when one is not what it was.

    Attributes:
        tasks: what is being found out now.
    """

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self._store, self._changed = store, changed
        self._lengths: dict[str, int] = {}
        self._due: dict[str, float] = {}  # loop time
        self.tasks: set[asyncio.Task[None]] = set()

    def of(self, name: str) -> int | None:
        """Tokens of a whole request with its answer; None if that is not known."""
        return self._lengths.get(name)

    async def load(self, name: str) -> bool:
        """Takes up what was found out earlier; whether that is less than a day old. Raises StorageError."""
        tokens, age = _stored(await self._store.get_state(f"context/{name}"))
        if age is None:
            return False
        self._set(name, tokens)
        if age >= DAY:
            return False
        self._due[name] = _now() + DAY - age
        return True

    def look(self, name: str, provider: Provider, model: str) -> None:
        """Finds a model's length out in the background, unless it is known since less than a day."""
        if _now() < self._due.get(name, 0.0) or not measurable(provider):
            return
        self._due[name] = _now() + AGAIN
        task = asyncio.create_task(self._refresh(name, provider, model))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def aclose(self) -> None:
        """Leaves it at what is known."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _refresh(self, name: str, provider: Provider, model: str) -> None:
        try:
            if await self.load(name):  # by another process, or before this one began
                return
            tokens = await _ask(provider, model)
            value = {"tokens": tokens, "at": int(time.time() * 1000)}
            await self._store.put_state(f"context/{name}", orjson.dumps(value))
            self._due[name] = _now() + DAY
            self._set(name, tokens)
        except (ProviderError, StorageError) as e:
            log.info("the context length of %s is not known now: %s", name, e)
        except Exception as e:  # a client that is not ours
            log.error("the context length of %s: %s", name, where(e))

    def _set(self, name: str, tokens: int | None) -> None:
        if tokens == self._lengths.get(name):
            return
        if tokens is None:
            del self._lengths[name]
        else:
            self._lengths[name] = tokens
        self._changed()


async def _ask(provider: Any, model: str) -> int | None:
    deadline = _now() + PATIENCE
    tokens: Any = None
    if can(provider, "measure"):
        measures: Measures = provider
        tokens = await measures.context_length(model, deadline=deadline)
    elif can(provider, "list_models"):
        lists: ListsModels = provider
        listed = await lists.list_models(deadline=deadline)
        tokens = next((one.context for one in listed if one.name == model), None)
    return tokens if _sound(tokens) else None


def _sound(tokens: Any) -> bool:
    return isinstance(tokens, int) and LEAST <= tokens <= MOST


def _stored(data: bytes | None) -> tuple[int | None, float | None]:
    """The length and its age in seconds, both None if nothing of use is kept."""
    try:
        value: Any = orjson.loads(data or b"null")
    except orjson.JSONDecodeError:
        return None, None
    match value:
        case {"tokens": None | int() as tokens, "at": int(at)}:
            return (tokens if _sound(tokens) else None), max(0.0, time.time() - at / 1000)
        case _:
            return None, None


def _now() -> float:
    return asyncio.get_running_loop().time()
