"""What a skill is given and what it may raise: the whole contract, in one file.

A skill is a typed function, sync or async, or an async generator, decorated with `@skill`. Its docstring's
summary tells the model when to use it, `Args:` describes the parameters. A parameter annotated `Context` is
filled in and hidden from the model. It returns text, any JSON value, a pydantic model, an `Attachment` or a
list of these; a generator yields progress (text, shown once it goes on, or an `Attachment`) and, last, its
result. It raises `SkillError("why")` to tell the model, or `AskUser("question")` to ask a person first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from duihua.errors import AskUser, BadArguments, SkillError
from duihua.memories import Remembers
from duihua.messages import Attachment, Author
from duihua.reminders import Reminds

if TYPE_CHECKING:
    import httpx

__all__ = ["AskUser", "Attachment", "BadArguments", "Context", "SkillError"]


def _quiet(*told: Any) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a skill may know and use during one call."""

    session: str = ""  # key of the conversation
    user: Author = field(default_factory=Author)  # who asked
    locale: str = "zh"  # "zh" or "en": the language to answer in
    timezone: tzinfo | None = None  # of the user; None: the machine's
    idempotency_key: str = ""  # the same for every run of the same call
    deadline: float = 0.0  # event loop time at which the call is given up
    settings: Any = field(  # of the skill: an instance of its model, else DUIHUA_SKILL_<NAME>_* as a mapping
        default_factory=dict[str, str], repr=False
    )
    http: httpx.AsyncClient | None = None  # of this skill, reaches its `hosts` alone; a skill never closes it
    progress: Callable[[str], None] = _quiet  # tells the user, at once, what is going on
    attach: Callable[[Attachment], None] = _quiet  # an image or a file for the user, once the call is done
    memory: Remembers | None = None  # of whoever is talking; None: it is turned off
    reminders: Reminds | None = None  # of this conversation; None: nobody could deliver them
    draw: Callable[[str, str], Awaitable[Sequence[Attachment]]] | None = None  # prompt, size: any image model
    clock: Callable[[], float] | None = None  # seconds since the epoch; None: the machine's
    approved: bool = False  # a person has consented to this very call: do not raise AskUser again
