"""Async generators as skills: text that is yielded is progress, what is yielded last is the result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from duihua.messages import Attachment
from duihua.skills.contract import Context


async def last(generator: AsyncGenerator[Any, None], context: Any) -> Any:
    """Runs a generator to its end and returns what it yielded last, None if nothing.

    Texts are reported at once, attachments are attached. Once the call is cancelled, what the generator still
    yields is its result and it is closed.

    Raises:
        TypeError: something else was yielded before the end.
    """
    ctx = context if isinstance(context, Context) else Context()
    value: Any = None
    task = asyncio.current_task()
    async with aclosing(generator) as values:
        async for following in values:
            if isinstance(value, Attachment):
                ctx.attach(value)
            elif value is not None and not isinstance(value, str):
                raise TypeError(f"a skill yielded {type(value).__qualname__} before its end: yield text")
            value = following
            if isinstance(value, str):
                ctx.progress(value)
            if task is not None and task.cancelling():
                break
            await asyncio.sleep(0)  # a generator that never waits must not hold the loop
    return value
