"""Faults on demand: a `!` command in the last line of the last user message makes the platform fail.

Shared by all platforms. `!ratelimit`, `!overload`, `!expire`, `!cut` and `!timeout` fail the first N requests
that carry the message (default 1), then it is answered; `!down` and `!malformed` fail every time, or N times
if a number is given. `!flag`, `!flag-output` and `!poison` are the platform's moderation.

Only the last line counts, because a client may join an unanswered message to the next one: a fault must not
come back with a message that no longer means it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from duihua.simulator.ask import Ask

Kind = Literal[
    "",
    "flag",
    "flag-output",
    "history",
    "ratelimit",
    "overload",
    "expire",
    "cut",
    "timeout",
    "down",
    "slow",
    "long",
    "badargs",
    "twocalls",
    "malformed",
]
Name = Literal[
    "flag", "flag-output", "poison", "ratelimit", "overload", "expire", "cut", "timeout",
    "down", "slow", "long", "badargs", "twocalls", "malformed",
]  # fmt: skip

COUNTED = frozenset({"ratelimit", "overload", "expire", "cut", "timeout"})
ALWAYS = frozenset({"down", "malformed"})
LONGEST = 1_000_000
"""Most characters that `!long` gives."""

_COMMAND = re.compile(
    r"(?:^|(?<=[\s,，。.!！?？:：;；、]))!(flag-output|flag|poison|ratelimit|overload|expire|cut|timeout|down|slow|long"
    r"|badargs|twocalls|malformed)(?![\w-])(?:[ \t]+(\d{1,9})(?!\w))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request. `kind` is empty if nothing does.

    `number` is the argument of `!slow` (milliseconds) and `!long` (characters); for `history` it is the round
    whose text was poisoned, counted from 0.
    """

    kind: Kind = ""
    number: int = 0


NONE = Fault()


@dataclass(slots=True)
class Faults:
    """Counts how often each message was failed already."""

    served: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def take(self, ask: Ask, platform: str, user: str = "") -> Fault:
        """The fault of this request; a counted one is used up by it."""
        name, number = command(ask.question)
        if name == "flag":
            return Fault("flag")
        poisoned = _poisoned(ask)
        if name in COUNTED and self._fails(ask, platform, user, number or 1):
            return Fault(name)  # pyright: ignore[reportArgumentType] - COUNTED holds kinds only
        if name in ALWAYS and (number is None or self._fails(ask, platform, user, number)):
            return Fault(name)  # pyright: ignore[reportArgumentType] - ALWAYS holds kinds only
        if poisoned is not None:
            return Fault("history", poisoned)
        match name:
            case "slow":
                return Fault("slow", min(number or 0, 60_000))
            case "long":
                return Fault("long", min(number or 1_000, LONGEST))
            case "flag-output" | "badargs" | "twocalls":
                return Fault(name)
            case _:
                return NONE

    def clear(self) -> None:
        """Forgets what was counted."""
        self.served.clear()

    def _fails(self, ask: Ask, platform: str, user: str, times: int) -> bool:
        digest = blake2b(f"{platform}\0{user}".encode(), digest_size=16)
        for text in ask.said:
            digest.update(b"\0" + text.encode("utf-8", "replace"))
        key = digest.digest()
        done = self.served.get(key, 0)
        if done >= times:
            return False
        self.served[key] = done + 1
        return True


def command(text: str) -> tuple[Name | Literal[""], int | None]:
    """The command in the last line of a message, and its number if it has one."""
    found = _COMMAND.search(_last_line(text))
    if not found:
        return "", None
    name: Name = found.group(1)  # pyright: ignore[reportAssignmentType] - the pattern names them
    return name, int(found.group(2)) if found.group(2) else None


def without_command(text: str) -> str:
    """The message without its command; a message that is nothing else stays as it is."""
    head, newline, line = text.rstrip().rpartition("\n")
    rest = f"{head}{newline}{_COMMAND.sub('', line, count=1)}".strip()
    return rest or text.strip()


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _poisoned(ask: Ask) -> int | None:
    number = -1
    for message in ask.messages[: ask.last]:
        begins = message.role == "user" or (ask.paired and message.role == "function")
        number += begins
        if message.role == "user" and "!poison" in message.text and _is_poison(message.text):
            return number
    return None


def _is_poison(text: str) -> bool:
    found = (_COMMAND.search(line) for line in text.splitlines())
    return any(f is not None and f.group(1) == "poison" for f in found)
