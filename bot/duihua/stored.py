"""What passes the border to the store: inputs, claimed turns and how they end, rows as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from duihua.messages import (
    Address,
    Attachment,
    Author,
    Call,
    CallState,
    Effect,
    InputKind,
    Part,
    Step,
    Turn,
    TurnRef,
    TurnState,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write into a running turn: it holds while the stored attempt and state are these."""

    ref: TurnRef
    attempt: int
    token: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """What comes in. (source, source_id) is unique for ever: the same pair again is a duplicate.

    `reply_to`: the seq of the turn it continues from (message, continue), re-runs (retry, edit), or None: the
    head. `heard`: up to this id what was overheard is a part of it, and is erased as it is accepted.
    """

    source: str
    source_id: str
    address: Address
    author: Author | None = None  # id 0: resolve (tenant, front, external) to a user
    external: str = ""  # the author's id at the front end; empty: the session's own chat id
    kind: InputKind = "message"
    parts: tuple[Part, ...] = ()
    reply_to: int | None = None
    attachments: tuple[Attachment, ...] = ()
    heard: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed session with its running turn. `turn.steps` holds what an earlier attempt journaled."""

    fence: Fence
    turn: Turn
    address: Address
    inbox: tuple[int, ...]  # ids of the inputs that this turn answers
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the session's
    window_from: int = 0
    stop_requested: bool = False
    partial: str = ""
    kind: InputKind = "message"
    owner: int = 0  # users.id of the session's owner
    locale: str = ""
    memory: bool = True  # the owner's own switch of long-term memory
    version: int = 0  # of what is known about the owner: raised whenever their facts change
    replaces: int = 0  # the turn in whose place an edit puts this one

    @property
    def asker(self) -> int:
        """users.id of who asks: in a shared session not always its owner."""
        return (self.turn.author.id if self.turn.author else 0) or self.owner


@dataclass(frozen=True, slots=True)
class Accepted:
    """An input is durable. `new=False`: seen before. `work`: it was claimed in the same transaction."""

    session: int
    inbox: int
    new: bool
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that is still ours, with what other processes asked of it."""

    session: int
    token: str
    stop: bool = False


@dataclass(frozen=True, slots=True)
class SendBody:
    """One message that a front end owes its reader."""

    part: int
    kind: Literal["message", "edit", "delete", "notice"]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ends; written in one transaction with everything that follows from it."""

    state: TurnState
    finish: str = ""
    number: int = 0  # the number of `step`
    step: Step | None = None
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    persona: str = ""
    tokens: int = 0
    window_from: int = 0
    sends: tuple[SendBody, ...] = ()
    error: str = ""
    erase: Literal["session"] | tuple[int, ...] = ()  # turns to erase in the same transaction
    micros: int = 0  # what `usage` costs, in the currency of the model's price
    inputs: int = 1  # that the turn answers: those of `Work.inbox`


@dataclass(frozen=True, slots=True)
class Send:
    """A row of the outbox, taken for sending. `again`: an earlier try may have reached the reader."""

    id: int
    ref: TurnRef
    part: int
    kind: str
    body: bytes
    address: Address
    external_id: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an input stands, for readers in other processes."""

    state: Literal["pending", "taken", "done", "cancelled", "gone"]
    turn: Turn | None = None
    attempt: int = 1
    partial: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    error: str = ""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session's row, for handles and listings."""

    id: int
    key: str
    address: Address
    owner: int
    head: int
    pending: int
    generation: int
    title: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    window_from: int = 0
    touched: int = 0
    memory: bool = True  # the owner's own switch of long-term memory
    version: int = 0  # of what is known about the owner


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call's row, with what a decision needs."""

    ref: TurnRef
    step: int
    index: int
    call: Call
    asker: int = 0  # users.id, 0: nobody known
    expires: int = 0  # ms UTC, 0: never
    skill: str = ""  # which one a person was asked about: see `identity` of a skill


@dataclass(frozen=True, slots=True)
class AuditedCall:
    """What became of a call, for whoever looks after a bot. Times are ms UTC, 0 for not at all.

    A call that never ran was not `started`. `asker` and `approver` are users.id, 0 for nobody.
    """

    id: str
    session: str
    name: str
    effect: Effect
    state: CallState
    arguments: str
    result: str
    asker: int
    approver: int
    asked: int
    started: int
    ended: int


TaskKind = Literal["chat", "drawing"]
TaskState = Literal["starting", "running", "done", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A row of work that a platform does in the background.

    It is written before the platform is asked: `starting` without an `external_id` means that nobody knows
    whether the platform has accepted it, unless its process is still asking. `model` is what was asked for,
    `echoed` what the platform says it uses. Times are ms UTC, 0 for not yet.
    """

    id: int
    tenant: str
    owner: int  # users.id, 0: nobody's
    kind: TaskKind
    platform: str
    model: str
    echoed: str = ""
    external_id: str = ""
    state: TaskState = "starting"
    result: bytes | None = None
    error: bytes | None = None
    created: int = 0
    ended: int = 0
