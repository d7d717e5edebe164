"""What a reader has seen of a running turn, and what each event changes about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from duihua.asking import shown
from duihua.escapes import one_line
from duihua.events import (
    AnyEvent,
    ApprovalRequested,
    HistoryCleared,
    Notice,
    ReminderDue,
    Retracted,
    TextDelta,
    TurnFailed,
    TurnFinished,
    TurnRestarted,
    TurnSnapshot,
)
from duihua.messages import Media
from duihua.ports import Send

if TYPE_CHECKING:
    from duihua_prompts import Catalogue

_LONGEST = 2000  # characters of a text of a skill or a reminder


@dataclass(frozen=True, slots=True)
class Change:
    """`text` follows what was shown or, with `replaces`, takes its place."""

    text: str
    replaces: bool = False


class Shown:
    """The visible text of one turn as its reader has it; steps stand on lines of their own."""

    __slots__ = ("_pieces", "_step")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._step = 0

    @property
    def text(self) -> str:
        """All that is shown."""
        return "".join(self._pieces)

    def apply(self, event: AnyEvent) -> Change | None:
        """What `event` changes; None: nothing."""
        match event:
            case TextDelta():
                return Change(text) if (text := self.append(event)) else None
            case TurnRestarted() | Retracted():
                return self._become("", event.step)
            case TurnSnapshot():
                return self._become(event.text, event.step)
            case TurnFinished() if event.text and not self.text.endswith(event.text):
                return self._become(event.text, event.step)
            case _:
                return None

    def append(self, event: TextDelta) -> str:
        """What a piece of text adds; for those who read thousands of them."""
        text = event.text
        if not text:
            return ""
        if event.step != self._step:
            text = f"\n{text}" if self._pieces else text
            self._step = event.step
        self._pieces.append(text)
        return text

    def _become(self, text: str, step: int) -> Change | None:
        before, self._pieces, self._step = self.text, [text] if text else [], step
        if text.startswith(before):
            return Change(text[len(before) :]) if text != before else None
        return Change(text, replaces=True)


def sentence(event: AnyEvent, words: Catalogue) -> str:
    """What to tell the user about an event beside the answer itself; empty: nothing."""
    match event:
        case HistoryCleared():
            return words.t(f"cleared.{event.policy}.{event.side}", turns=event.turns)
        case Notice(code="fallback"):
            return words.t("notice.fallback", **{**event.values, "reason": _reason(event, words)})
        case Notice():
            return words.t(f"notice.{event.code}", **event.values)
        case ReminderDue():
            code = "reminder.late" if event.late else "reminder.due"
            return words.t(code, text=one_line(event.text, _LONGEST), due=event.due[:16].replace("T", " "))
        case TurnFinished(finish="stopped"):
            return words.t("notice.stopped")
        case TurnFinished(finish="length"):
            return words.t("notice.cut")
        case TurnFinished(finish="stop") if not (event.text.strip() or event.attachments):
            return words.t("notice.empty")
        case TurnFinished(breaks_off=True):
            return words.t("notice.breaks_off")
        case ApprovalRequested():
            name = one_line(event.name)
            asked = words.t("approval.ask", name=name, arguments=arguments_of(event.arguments, words))
            if not event.question:
                return asked
            question = one_line(event.question, _LONGEST)
            return f"{words.t('approval.question', name=name, question=question)}\n{asked}"
        case _:
            return ""


def arguments_of(arguments: str, words: Catalogue) -> str:
    """A call's arguments for whoever is to consent to it: see `asking.shown`."""
    told = shown(arguments)
    if told is None:  # whoever makes calls sees to it that there are none of these
        return words.t("approval.too_many")
    return told or words.t("approval.bare")


def end_of(send: Send) -> TurnFinished | TurnFailed:
    """The end of the turn that an outbox row tells of."""
    body: dict[str, Any] = orjson.loads(send.body)
    key, turn = send.address.key, send.ref.seq
    values: dict[str, Any] = body.get("values") or {}
    if error := body.get("error"):
        return TurnFailed(session=key, turn=turn, error=str(error), values=values)
    return TurnFinished(
        session=key,
        turn=turn,
        text=str(body.get("text", "")),
        finish=str(body.get("finish", "stop")),
        attachments=tuple(Media(**file) for file in body.get("attachments", ())),
        breaks_off=bool(body.get("breaks_off")),
    )


def cleared(send: Send) -> HistoryCleared | None:
    """What was cleared because of flagged content, in place of an answer or before it; None: nothing."""
    body: dict[str, Any] = orjson.loads(send.body)
    flagged = body.get("finish") == "flagged"
    values: dict[str, Any] = body.get("values" if flagged else "cleared") or {}
    if not values:
        return None
    return HistoryCleared(session=send.address.key, turn=send.ref.seq, **values)


def replaced(send: Send) -> int:
    """The turn in whose place the answer of an outbox row is shown; 0: none."""
    body: dict[str, Any] = orjson.loads(send.body)
    return int(body.get("replaces") or 0)


def thoughts_of(send: Send) -> str:
    """What the model thought last, where the session shows that; see `Session.configure`."""
    body: dict[str, Any] = orjson.loads(send.body)
    return str(body.get("thoughts") or "")


def alternatives(event: AnyEvent, words: Catalogue) -> list[str]:
    """The other answers that an end tells of, numbered from 2."""
    texts = event.alternatives if isinstance(event, TurnFinished) else ()
    return [words.t("turn.alternative", number=number, text=text) for number, text in enumerate(texts, 2)]


def _reason(event: Notice, words: Catalogue) -> str:
    return words.t(f"reason.{event.values.get('reason', 'server')}")
