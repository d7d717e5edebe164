"""What a turn is answered with, all resolved, and the limits it keeps."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Literal

from duihua.config import Settings
from duihua.messages import Attachment, Turn
from duihua.ports import Dialect, Provider, Skill, ToolSpec, Work
from duihua.prices import Price
from duihua.reminders import Reminds
from duihua.skills.choosing import Choice, chosen

if TYPE_CHECKING:
    import httpx

    from duihua.skills.gate import Gate


@dataclass(frozen=True, slots=True)
class Brief:
    """What a turn is answered with: model, system text, options and skills, all resolved."""

    provider: Provider
    model: str
    dialect: Dialect
    known: Dialect  # as the client gave it when this was made: it may come to know its model better
    fit: Callable[[Dialect], Dialect]  # a dialect of the client's with the measured context length
    system: str
    persona: str
    options: Mapping[str, Any]
    skills: Mapping[str, Skill]  # whose calls are known, be it to refuse them
    tools: tuple[ToolSpec, ...]  # that may be offered to who asks: see `offered`
    locale: str
    timezone: tzinfo | None = None
    skill_settings: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    http: Callable[[Skill], httpx.AsyncClient] | None = None  # a client for one call of a skill
    gate: Gate | None = field(default=None, repr=False)
    reminds: Callable[[Work, int], Reminds | None] | None = None  # the work and who asks: what they may arm
    draw: Callable[[str, str], Awaitable[Sequence[Attachment]]] | None = None  # as `Context.draw`
    price: Price | None = None
    choice: Choice | None = None  # how skills are chosen where there are too many; None: all are offered
    others: tuple[Brief, ...] = ()  # the models that answer when this one cannot, in their order

    def offered(self, past: Sequence[Turn], turn: Turn) -> tuple[ToolSpec, ...]:
        """The skills that the requests of a turn offer; `past` is its path, oldest first."""
        return chosen(self.choice, past, turn) if self.choice is not None else self.tools


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a turn, and its clock. Times in seconds."""

    deadline: float = 300.0
    max_steps: int = 8
    policy: Literal["clear", "drop_turn"] = "clear"
    approval: float = 259_200.0
    lease: float = 15.0
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float]) -> Rules:
        """Those of an installation."""
        return cls(
            deadline=settings.turn_timeout,
            max_steps=settings.max_steps,
            policy=settings.moderation,
            approval=settings.approval_timeout,
            lease=settings.lease,
            clock=clock,
        )


@dataclass(frozen=True, slots=True)
class Usual:
    """What holds for conversations that chose nothing else."""

    model: str  # or several, parted by commas
    locale: str
    timezone: tzinfo | None = None  # None: the machine's


def window_limit(dialect: Dialect) -> int:
    """Turns that a window holds at most: more never fit, or nobody says how many would."""
    return max(64, (dialect.soft.tokens or dialect.soft.characters or 8_000) // 8)
