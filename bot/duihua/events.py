"""What a turn tells its readers: one union of frozen values. They carry codes and data, never prose.

A turn's stream ends with exactly one `TurnFinished` or `TurnFailed`. A late reader gets one `TurnSnapshot`,
then what follows. A re-run (after a crash or a resend) emits `TurnRestarted`: its text replaces what was
shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from duihua.messages import Cost, Media, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Common to all: the session's key, the turn's number, which attempt, and the place in its text.

    `step` is the model's answer within the turn (from 0), `offset` the characters of visible text before
    this event in that step.
    """

    kind: ClassVar[str] = "event"
    session: str
    turn: int
    attempt: int = 1
    step: int = 0
    offset: int = 0

    @property
    def position(self) -> str:
        """`attempt.step.offset`, the same wherever the event is read."""
        return f"{self.attempt}.{self.step}.{self.offset}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON lines, metrics and audit."""
        return {"kind": self.kind, "position": self.position, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(Event):
    """The turn is durable and at work.

    `replaces` is the turn in whose place its answer is shown, 0 for none: see `Session.edit`.
    """

    kind: ClassVar[str] = "turn_started"
    replaces: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRestarted(Event):
    """What was shown is void, the answer is made anew. `reason`: crash, retry, trimmed, flagged.

    `replaces`: as of `TurnStarted`, whose place it takes after a crash.
    """

    kind: ClassVar[str] = "turn_restarted"
    reason: str = "crash"
    replaces: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSnapshot(Event):
    """For a late reader: the visible text so far. It replaces everything shown of this turn."""

    kind: ClassVar[str] = "turn_snapshot"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingDelta(Event):
    """A piece of the model's reasoning."""

    kind: ClassVar[str] = "thinking_delta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(Event):
    """A piece of the visible answer."""

    kind: ClassVar[str] = "text_delta"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillStarted(Event):
    """A skill begins. `arguments` is the JSON text that the model wrote."""

    kind: ClassVar[str] = "skill_started"
    call: str
    name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillProgress(Event):
    """A running skill reports."""

    kind: ClassVar[str] = "skill_progress"
    call: str
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillFinished(Event):
    """A skill ended. `state` is done, failed, unknown or refused; `result` the text the model will read."""

    kind: ClassVar[str] = "skill_finished"
    call: str
    name: str
    state: str
    result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillAttached(Event):
    """A skill brought an image or a file for the user: `session.attachment(event.attachment)` has its bytes.

    `file` is a clean name without a folder, `size` is in bytes.
    """

    kind: ClassVar[str] = "skill_attached"
    call: str
    name: str
    attachment: str
    media: str
    mime: str
    file: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Event):
    """A call waits for `session.decide(call, ...)`; the turn ends with finish `approval`.

    `arguments` are all of them, see `asking.shown`; `question` is the skill's own, empty if it has none.
    """

    kind: ClassVar[str] = "approval_requested"
    call: str
    name: str
    arguments: str
    question: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retracted(Event):
    """Take back what was shown of this turn: the platform asked for it."""

    kind: ClassVar[str] = "retracted"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCleared(Event):
    """Flagged content: `turns` stored turns are gone. `policy`: clear or drop_turn; `side`: what."""

    kind: ClassVar[str] = "history_cleared"
    policy: str
    side: str
    turns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something worth a sentence, by `code` of the catalogue, with its `values`."""

    kind: ClassVar[str] = "notice"
    code: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderDue(Event):
    """A reminder, between turns. `due` is ISO 8601; `late`: it could not be told in time."""

    kind: ClassVar[str] = "reminder_due"
    reminder: int
    text: str
    due: str
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished(Event):
    """The end. `finish`: stop, length, stopped, approval, flagged. `text` is the whole visible answer.

    `model` gave the last answer. `cost` has one sum per currency, as far as prices are known. `alternatives`
    are the other last answers, where `n` asked for several: told once, never stored. `attachments` are what
    skills brought for the user. `breaks_off`: there were words before a call, and none after it.
    """

    kind: ClassVar[str] = "turn_finished"
    text: str
    finish: str = "stop"
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: tuple[Cost, ...] = ()
    alternatives: tuple[str, ...] = ()
    attachments: tuple[Media, ...] = ()
    breaks_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFailed(Event):
    """The end, without an answer. `error` is a code of the catalogue, `values` fills its sentence.

    For a platform's error, `values` holds provider, category, vendor_code, http_status, request_id, message.
    """

    kind: ClassVar[str] = "turn_failed"
    error: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


AnyEvent = (
    TurnStarted
    | TurnRestarted
    | TurnSnapshot
    | ThinkingDelta
    | TextDelta
    | SkillStarted
    | SkillProgress
    | SkillFinished
    | SkillAttached
    | ApprovalRequested
    | Retracted
    | HistoryCleared
    | Notice
    | ReminderDue
    | TurnFinished
    | TurnFailed
)
END = (TurnFinished, TurnFailed)
