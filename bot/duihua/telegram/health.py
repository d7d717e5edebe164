"""How the bots do, for whoever looks after them: `/healthz` answers 200 or 503 and says why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

State = Literal["starting", "standby", "working", "lost", "deaf"]
SILENT = 90.0
"""Seconds without a successful poll after which a bot counts as deaf."""


class Pulse:
    """One bot's: what it does, and when it last heard from Telegram.

    `standby` is well: another process works for this bot. `stuck` says what does not move although the bot
    hears; empty: all does.

    Args:
        bot: its id.
        polls: whether silence means anything; Telegram calls a webhook only when there is something.
        clock: seconds, of any origin.
    """

    def __init__(self, bot: str, *, polls: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.bot, self._polls, self._clock = bot, polls, clock
        self.state: State = "starting"
        self.problem, self._ill, self.stuck = "", False, ""
        self._since = clock()

    def turn(self, state: State, problem: str = "") -> None:
        """It does something else from now on."""
        self.state, self.problem, self._ill, self._since = state, problem, False, self._clock()

    def succeeded(self) -> None:
        """It heard from Telegram."""
        self.turn("working")

    def failed(self, problem: str, *, ill: bool = False) -> None:
        """It did not; `ill`: somebody should look at once, and not only when that goes on."""
        self.problem, self._ill = problem, self._ill or ill

    @property
    def well(self) -> bool:
        """Whether somebody needs to look."""
        if self.state == "standby":
            return True
        quiet = self._clock() - self._since
        deaf = self._ill or (self._polls and quiet > SILENT)
        return self.state == "working" and not deaf and not self.stuck

    def facts(self) -> dict[str, Any]:
        """For `/healthz`."""
        quiet = round(self._clock() - self._since, 1)
        return {
            "bot": self.bot,
            "ok": self.well,
            "state": self.state,
            "quiet": quiet,
            "problem": self.problem or self.stuck,
        }


def report(pulses: Sequence[Pulse], failed: int = 0) -> tuple[int, dict[str, Any]]:
    """Status and body of `/healthz`; `failed`: messages that Telegram refused for good."""
    well = bool(pulses) and all(pulse.well for pulse in pulses)
    return (200 if well else 503), {"ok": well, "failed": failed, "bots": [pulse.facts() for pulse in pulses]}
