"""A simulator beside the tests: on an event loop of its own, so that no test has to run one for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from duihua.simulator import Simulator


@contextmanager
def served(**options: Any) -> Generator[Simulator]:
    """A running simulator; `options` as for `Simulator`.

    Raises:
        ConfigError: it cannot listen.
    """
    begun: Future[Simulator] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        try:
            async with Simulator(**options) as simulator:
                begun.set_result(simulator)
                await stop.wait()
        except BaseException as e:
            if begun.done():
                raise
            begun.set_exception(e)

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work, name="duihua-simulator", daemon=True)
    thread.start()
    try:
        yield begun.result()
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
