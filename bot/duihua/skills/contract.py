"""What a skill is given and what it may raise: the whole contract, in one file.

A skill is a typed function, sync or async, decorated with `@skill`. Its docstring's summary tells the model
when to use it, `Args:` describes the parameters. A parameter annotated `Context` is filled in and hidden from
the model. It returns text or any JSON value, raises `SkillError("why")` to tell the model, or
`AskUser("question")` to ask a person first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING

from duihua.errors import AskUser, BadArguments, SkillError
from duihua.memories import Remembers
from duihua.messages import Author

if TYPE_CHECKING:
    import httpx

__all__ = ["AskUser", "BadArguments", "Context", "SkillError"]


def _quiet(text: str) -> None:
    """Progress nobody listens to."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a skill may know and use during one call."""

    session: str = ""  # key of the conversation
    user: Author = field(default_factory=Author)  # who asked
    locale: str = "zh"  # "zh" or "en": the language to answer in
    timezone: tzinfo | None = None  # of the user; None: the machine's
    idempotency_key: str = ""  # the same for every run of the same call
    deadline: float = 0.0  # event loop time at which the call is given up
    settings: Mapping[str, str] = field(  # DUIHUA_SKILL_<NAME>_*, lower case; there are keys among them
        default_factory=dict[str, str], repr=False
    )
    http: httpx.AsyncClient | None = None  # shared; a skill never closes it
    progress: Callable[[str], None] = _quiet  # tells the user, at once, what is going on
    memory: Remembers | None = None  # of whoever is talking; None: it is turned off
    approved: bool = False  # a person has consented to this very call: do not raise AskUser again
