"""The short form of the crash test; the long one is `make crash`."""

from __future__ import annotations

from tests.crash.__main__ import main


def test_processes_that_die_lose_nothing_and_do_nothing_twice() -> None:
    assert main(["--short"]) == 0
