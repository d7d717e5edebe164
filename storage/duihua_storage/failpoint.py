"""Points at which a process can be made to die, so that tests can prove that every one of them is survived.

`DUIHUA_FAILPOINT=<n>` ends the process at the n-th point, as abruptly as kill -9 does. A point is passed just
before and just after every write of a turn; what runs by the clock (renewals, deliveries) is not counted, so
that the numbers of a scenario are the same in every run. `DUIHUA_FAILPOINT_LOG=<file>` gets a line for each
point: its number, the write's label, and before or after.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

COUNTED = frozenset({"accept", "claim", "step", "call", "partial", "finish", "erase"})
STATUS = 57
"""The exit status of a process that died at a failpoint."""


def failpoint(environment: Mapping[str, str] = os.environ) -> Callable[[str, str], None] | None:
    """The function to call at each point with (label, place), or None if nobody asked for it."""
    fatal = int(environment.get("DUIHUA_FAILPOINT") or 0)
    log = environment.get("DUIHUA_FAILPOINT_LOG")
    if not fatal and not log:
        return None
    passed = 0

    def reach(label: str, place: str) -> None:
        nonlocal passed
        if label not in COUNTED:
            return
        passed += 1
        if log:
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{passed} {label} {place}\n")
        if passed == fatal:
            os._exit(STATUS)

    return reach
