"""Standard output for the program's answers alone: what skills and their children print goes elsewhere."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import BinaryIO


@contextmanager
def own_stdout() -> Generator[BinaryIO]:
    """Takes standard output; meanwhile whatever else writes there, also a child process, gets standard error.

    Yields:
        standard output as bytes; nothing is shown if the shell has closed it.
    """
    stdout = sys.stdout
    if stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (closed by the shell)
        yield io.BytesIO()
        return
    stdout.flush()
    with redirect_stdout(sys.stderr):
        try:
            kept = os.dup(stdout.fileno())
        except (OSError, ValueError):  # a stream of the caller's, which has no descriptor
            yield stdout.buffer
            return
        try:
            _point(stdout.fileno())
            with os.fdopen(kept, "wb", closefd=False) as own:
                yield own
        finally:
            os.dup2(kept, stdout.fileno())
            os.close(kept)


def _point(descriptor: int) -> None:
    """Makes a descriptor another one for standard error, or for nothing if that is closed."""
    try:
        os.dup2(2, descriptor)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, descriptor)
        os.close(nothing)
