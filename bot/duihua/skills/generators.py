"""Async generators as skills: text that is yielded is progress, what is yielded last is the result."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import Any

from duihua.messages import Attachment
from duihua.skills.contract import Context


async def last(generator: AsyncGenerator[Any, None], context: Any) -> Any:
    """Runs a generator to its end and returns what it yielded last, None if nothing.

    Texts are reported as soon as they are known not to be the last, that is when the generator waits for
    something or yields again; attachments are attached. Once the call is cancelled, what the generator still
    yields is its result and it is closed.

    Raises:
        TypeError: something else was yielded before the end.
    """
    ctx = context if isinstance(context, Context) else Context()
    value: Any = None
    task = asyncio.current_task()
    untold = False

    def tell() -> None:
        nonlocal untold
        if untold:
            untold = False
            ctx.progress(value)

    async with aclosing(generator) as values:
        while True:
            try:
                following = await _next(values.__anext__(), tell)
            except StopAsyncIteration:
                return value
            tell()
            if isinstance(value, Attachment):
                ctx.attach(value)
            elif value is not None and not isinstance(value, str):
                raise TypeError(f"a skill yielded {type(value).__qualname__} before its end: yield text")
            value, untold = following, isinstance(following, str)
            if task is not None and task.cancelling():
                return value
            await asyncio.sleep(0)  # a generator that never waits must not hold the loop


@types.coroutine
def _next(step: Any, waits: Callable[[], None]) -> Generator[Any, Any, Any]:
    """What one step of a generator brings; `waits` is called if it does not bring it, or its end, at once."""
    try:
        waited = step.send(None)
        waits()
        while True:
            try:
                sent = yield waited
            except BaseException as e:  # a cancellation, for the generator to hear
                waited = step.throw(e)
            else:
                waited = step.send(sent)
    except StopIteration as e:
        return e.value
