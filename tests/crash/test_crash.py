"""The short form of the crash test; the long one is `make crash`."""

from __future__ import annotations

import pytest

from tests.crash.__main__ import main


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_processes_that_die_lose_nothing_and_do_nothing_twice(database: str) -> None:
    assert main(["--short", "--database", database]) == 0
