"""What a turn is answered with, all resolved, and the limits it keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Literal

from duihua.messages import Attachment
from duihua.ports import Dialect, Provider, Skill, ToolSpec, Work
from duihua.prices import Price
from duihua.reminders import Reminds

if TYPE_CHECKING:
    import httpx


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
    skills: Mapping[str, Skill]
    tools: tuple[ToolSpec, ...]
    locale: str
    timezone: tzinfo | None = None
    skill_settings: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]], repr=False
    )
    http: httpx.AsyncClient | None = None
    reminds: Callable[[Work, int], Reminds | None] | None = None  # the work and who asks: what they may arm
    draw: Callable[[str, str], Awaitable[Sequence[Attachment]]] | None = None  # as `Context.draw`
    price: Price | None = None
    others: tuple[Brief, ...] = ()  # the models that answer when this one cannot, in their order


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a turn. Times in seconds."""

    deadline: float = 300.0
    max_steps: int = 8
    policy: Literal["clear", "drop_turn"] = "clear"
    approval: float = 259_200.0
    lease: float = 15.0


def window_limit(dialect: Dialect) -> int:
    """Turns that a window holds at most: more never fit, or nobody says how many would."""
    return max(64, (dialect.soft.tokens or dialect.soft.characters or 8_000) // 8)
