"""What a conversation is made of: turns, steps, calls and their parts. Values only, no I/O.

A *turn* is one input and all that answers it; a *step* is one answer of the model within the turn; a *call*
is one use of a skill, which carries its own result, so that a result without its call cannot be written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

Effect = Literal["read", "idempotent", "write"]
CallState = Literal["planned", "held", "running", "done", "failed", "unknown", "refused"]
TurnState = Literal["running", "done", "stopped", "failed", "cleared"]
FinishReason = Literal["stop", "length", "calls", "flagged", "stopped", "approval", "failed"]
InputKind = Literal["message", "edit", "retry", "continue", "decision", "reminder"]

SETTLED: frozenset[CallState] = frozenset({"done", "failed", "unknown", "refused"})
"""Call states whose result is final: such a call is never run again."""

WITHDRAWN, EXPIRED = "withdrawn", "expired"
"""Results of calls that nobody decided about: what led to them was taken back, or their time was over."""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, as the user or the model wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning of the model: shown when wanted; sent back only between the calls of one turn, if at all."""

    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """A stored attachment, named by its id in the attachments table."""

    media: Literal["image", "audio", "video", "file"]
    attachment: str
    mime: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes that come with an input or from a skill. They are kept once; a `Media` part names them by `id`.

    A skill gives `data` and a `name`, `Attachment(data=png, name="chart.png")`; the rest is told from these.
    """

    id: str = ""
    media: Literal["image", "audio", "video", "file"] = "file"
    mime: str = ""
    data: bytes = field(default=b"", repr=False)
    name: str = ""

    @property
    def part(self) -> Media:
        """The part that stands for it."""
        return Media(self.media, self.id, self.mime, self.name)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a reply points at."""

    text: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says what follows, where several people share a conversation."""

    name: str


@dataclass(frozen=True, slots=True)
class FileText:
    """What a file says that came with an input: data, which nobody said. `cut`: there is more in it."""

    text: str
    name: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to a held call: `call` is the call's id."""

    call: str
    approve: bool


@dataclass(frozen=True, slots=True)
class Options:
    """Model options of this input alone, as `ModelOptions.parse` reads them; never sent as text."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A provider's own data: goes back to that provider only, else dropped."""

    provider: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A stored part whose tag this version does not know: kept as it is, never sent."""

    data: Mapping[str, Any]


Part = Text | Thinking | Media | Quote | Speaker | FileText | Decision | Options | Opaque | Unknown


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a skill. `id` is ours (session.turn.step.index) and is the idempotency key."""

    id: str
    name: str
    arguments: str
    state: CallState = "planned"
    result: str = ""
    effect: Effect = "write"


@dataclass(frozen=True, slots=True)
class Step:
    """One answer of the model: what it said and the calls it asked for."""

    parts: tuple[Part, ...]
    calls: tuple[Call, ...] = ()
    model: str = ""

    @property
    def text(self) -> str:
        """The visible text of the step."""
        return text_of(self.parts)


@dataclass(frozen=True, slots=True)
class Author:
    """A person: `id` is the row in `users` (0: not known yet), `name` what others call them."""

    id: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True, order=True)
class TurnRef:
    """Names one turn: the session's row id and the turn's number in it (from 1; 0 means "no turn")."""

    session: int
    seq: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One input and all that answers it, as stored. `parent` is the seq of the turn before it, 0 for none.

    `memo` keeps renderings of this very value (per dialect); it is a cache and no part of the value.
    """

    ref: TurnRef
    parent: int = 0
    author: Author | None = None
    input: tuple[Part, ...] = ()
    steps: tuple[Step, ...] = ()
    state: TurnState = "done"
    finish: str = ""
    at: int = 0  # ms UTC, when it began
    off_record: bool = False  # long-term memory must not know of it
    memo: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)

    @property
    def text(self) -> str:
        """The visible text of all steps, joined by newlines."""
        return "\n".join(t for t in (s.text for s in self.steps) if t)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a session lives: the front end and its own address (bot, chat, topic).

    `user` is for one person's own conversation in a group. `shared`: several people talk there; it is no part
    of the key.
    """

    front: str
    chat: str = ""
    bot: str = ""
    topic: str = ""
    user: str = ""
    tenant: str = "main"
    shared: bool = False

    @property
    def public(self) -> bool:
        """Whether others can read what is said there, also where one person alone talks with the model."""
        return self.shared or bool(self.user)

    @property
    def key(self) -> str:
        """The session's key within its tenant, for example `terminal/default` or `telegram/42/-100/7`."""
        fields = (self.front, self.bot, self.chat, self.topic, self.user)
        if not (self.bot or self.topic or self.user):
            fields = (self.front, self.chat)
        return "/".join(quote(f, safe="@:+=, ") for f in fields)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the platform counted them: `cached` are part of `input`, `reasoning` part of `output`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money, in millionths of the currency's unit."""

    micros: int
    currency: str

    def __str__(self) -> str:
        """For example `0.0042 CNY`; what is less than a millionth rounds to it."""
        whole = f"{self.micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
        return f"{whole} {self.currency}"


def media_of(turn: Turn) -> tuple[Media, ...]:
    """What the answer brought beside text: images and files of its skills."""
    return tuple(part for step in turn.steps for part in step.parts if isinstance(part, Media))


def breaks_off(steps: Sequence[Step]) -> bool:
    """Whether a turn that has ended had words before a call, and neither words nor files after it."""
    told = [bool(step.text.strip()) for step in steps]
    if not any(told) or not any(step.calls for step in steps):
        return False
    last = steps[-1]
    return bool(last.calls) or not (told[-1] or any(isinstance(part, Media) for part in last.parts))


def text_of(parts: tuple[Part, ...]) -> str:
    """The visible text of `parts`."""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return "".join(p.text for p in parts if isinstance(p, Text))


def call_id(ref: TurnRef, step: int, index: int) -> str:
    """The id of a call: `session.turn.step.index`."""
    return f"{ref.session}.{ref.seq}.{step}.{index}"
