"""The borders of duihua: what a provider, a store, a skill, a front end must offer. Types only.

All of them can be imported from here; those of platforms stand in `providing`, of the database in `storing`
(the methods) and `stored` (the values).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from duihua.events import AnyEvent
from duihua.messages import Address, Effect, TurnRef
from duihua.providing import (
    CallDelta,
    Delta,
    Dialect,
    Finish,
    Flagged,
    Limiter,
    Limits,
    Packed,
    Provider,
    Quota,
    Request,
    TextDelta,
    ThinkingDelta,
    ToolSpec,
)
from duihua.showing import ShownStore
from duihua.stored import (
    Accepted,
    AuditedCall,
    Fence,
    Held,
    Input,
    Outcome,
    Progress,
    Send,
    SendBody,
    SessionInfo,
    StoredCall,
    StoredTask,
    TaskKind,
    TaskState,
    Work,
)
from duihua.storing import Store

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "Accepted",
    "AuditedCall",
    "CallDelta",
    "Delta",
    "Dialect",
    "Entitling",
    "Fence",
    "Finish",
    "Flagged",
    "Frontend",
    "Held",
    "Input",
    "Limiter",
    "Limits",
    "Outcome",
    "Packed",
    "Progress",
    "Provider",
    "Quota",
    "Rate",
    "Request",
    "Send",
    "SendBody",
    "SessionInfo",
    "Skill",
    "Store",
    "StoredCall",
    "StoredTask",
    "TaskKind",
    "TaskState",
    "TextDelta",
    "ThinkingDelta",
    "ToolSpec",
    "Work",
    "always",
    "never",
]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many calls of one person in so many seconds."""

    calls: int
    seconds: float = 60.0


def never(arguments: Mapping[str, Any]) -> bool:
    """No call needs consent."""
    return False


def always(arguments: Mapping[str, Any]) -> bool:
    """Every call needs consent."""
    return True


@dataclass(frozen=True, slots=True)
class Skill:
    """A function that models may call: a value, not a class to inherit from.

    `run(arguments, context)` gets what `validate(json_text)` returned (which raises BadArguments). `validate`
    and `confirm` are called in a thread, save where they are known to run nobody's code but ours.

    Attributes:
        spec: what models are shown.
        run: does it.
        validate: reads the arguments.
        effect: `write` changes something outside and is never run twice.
        confirm: whether a person must consent to a call with these arguments first; `always`, `never`.
        timeout: seconds after which a call is given up.
        hosts: those it may reach (`api.example.com`, `*.example.com`); its http client refuses others.
        admin_only: only administrators may have it called.
        rate: of each person; None: any.
        settings: a pydantic model that `DUIHUA_SKILL_<NAME>_*` are read into; None: they stay text.
        origin: where it comes from, for people: `module.function`, `mcp server NAME`, a path.
        plain: `validate` runs no code of the skill's own and is soon done.
        titles: what people see while it is at work, by language (`zh`, `en`); ``: in any other.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, Any], Any], Awaitable[Any]] = field(hash=False)
    validate: Callable[[str], Mapping[str, Any]] = field(hash=False)
    effect: Effect = "write"
    confirm: Callable[[Mapping[str, Any]], bool] = field(default=never, hash=False)
    timeout: float = 30.0
    hosts: tuple[str, ...] = ()
    admin_only: bool = False
    rate: Rate | None = None
    settings: type[BaseModel] | None = None
    origin: str = ""
    plain: bool = False
    titles: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    @property
    def name(self) -> str:
        """The name models call it by."""
        return self.spec.name

    def title(self, lang: str) -> str:
        """What people see in a language; the name if nobody has given it a title."""
        return self.titles.get(lang) or self.titles.get("") or self.name


class Frontend(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """The `front` of its addresses."""
        ...

    async def present(
        self, ref: TurnRef, address: Address, events: AsyncIterator[AnyEvent], ledger: ShownStore
    ) -> None:
        """Shows a turn live: best effort, may be cut off at any moment. `ledger` keeps what shows it."""
        ...

    async def send(self, send: Send, ledger: ShownStore) -> str:
        """Delivers one message for good; returns its external id. Raises NotSent, SendUnknown, Gone."""
        ...


@runtime_checkable
class Entitling(Protocol):
    """A front end whose conversations can have titles."""

    async def entitle(self, address: Address, title: str) -> None:
        """A conversation there has got its title."""
        ...
