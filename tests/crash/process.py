"""A process of a crash test, with its own id, its own end and all that it printed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection

from tests.crash.child import run

# Forked from a process that has imported everything and done nothing: the imports take a second of CPU.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["tests.crash.process", "aiohttp", "psycopg", "duihua_storage", "duihua.memory.facts"]
)


class Child:
    """One that has been started.

    Args:
        arguments: of `tests.crash.child.run`.
        environment: all of it.
    """

    def __init__(self, arguments: tuple[str, str, str], environment: Mapping[str, str]) -> None:
        reading, writing = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_main, args=(arguments, dict(environment), writing))
        self._process.start()
        writing.close()
        self._said = os.fdopen(os.dup(reading.fileno()), encoding="utf-8", errors="replace")
        reading.close()

    @property
    def pid(self) -> int:
        """Its id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def until(self, line: str) -> None:
        """Reads on to what begins with `line`, or to the end."""
        for printed in self._said:
            if printed.startswith(line):
                break

    def ended(self, seconds: float) -> str:
        """Waits for its end, and kills it then; what it printed meanwhile, errors among it."""
        late = threading.Timer(seconds, self._process.kill)
        late.start()
        with self._said:
            said = self._said.read()
        self._process.join()
        late.cancel()
        return said


def _main(arguments: tuple[str, str, str], environment: Mapping[str, str], writing: Connection) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(writing.fileno(), stream.fileno())
    asyncio.run(run(*arguments))
