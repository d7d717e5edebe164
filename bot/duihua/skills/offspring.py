"""Tasks that an async skill starts: what wants to end the program from there ends that task alone.

asyncio lets SystemExit and KeyboardInterrupt out of any task, through the event loop, which ends the program.
`wait_for`, `gather` and task groups start tasks, so a library's `main()` under a time limit is enough for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

_INSIDE: ContextVar[bool] = ContextVar("inside a skill", default=False)


class Exited(Exception):
    """A task of a skill wanted to end the program."""


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine whose exits are ordinary errors. No coroutine itself: one that never ran must not warn."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __await__(self) -> Any:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # what debuggers and `repr` of a task look at

    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        except (SystemExit, KeyboardInterrupt) as e:
            raise Exited(type(e).__name__) from e

    def throw(self, *about: Any) -> Any:
        try:
            return self._inner.throw(*about)
        except (SystemExit, KeyboardInterrupt) as e:
            raise Exited(type(e).__name__) from e

    def close(self) -> None:
        self._inner.close()


class _Factory:
    """Makes tasks as before, those of skills contained."""

    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **about: Any) -> Any:
        wanted = _Contained(coro) if _INSIDE.get() else coro
        if self._before is not None:
            return self._before(loop, wanted, **about)
        return asyncio.Task(wanted, loop=loop, **about)


def inside() -> Context:
    """A context for a skill's own task: the tasks that are started in it are contained."""
    loop = asyncio.get_running_loop()
    if not isinstance(before := loop.get_task_factory(), _Factory):
        loop.set_task_factory(_Factory(before))
    context = copy_context()
    context.run(_INSIDE.set, True)
    return context
