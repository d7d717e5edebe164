"""Follows a turn to its end, live or as it is stored, and makes the whole reply of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from duihua.errors import TurnError
from duihua.events import END, AnyEvent, TurnFailed, TurnFinished, TurnSnapshot, TurnStarted
from duihua.handing_in import Ticket
from duihua.messages import Call, Cost, Media, TurnRef, Usage, breaks_off, media_of
from duihua.place import Place
from duihua.ports import Progress
from duihua.prices import Prices, sums

if TYPE_CHECKING:
    from duihua.engine import ChatEngine

POLL = 0.25
"""Seconds between two looks at a turn that runs in another process."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished turn. `finish`: stop, length, stopped, approval, flagged.

    `model` gave the last answer. `cost` has one sum per currency, as far as prices are known. `alternatives`
    are the other last answers, where `n` asked for several. `attachments` are what skills brought:
    `session.attachment(reply.attachments[0].attachment)` has the bytes.
    """

    text: str
    calls: tuple[Call, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    finish: str = "stop"
    turn: int = 0
    cost: tuple[Cost, ...] = ()
    alternatives: tuple[str, ...] = ()
    attachments: tuple[Media, ...] = ()


async def follow(home: ChatEngine, key: str, ticket: Ticket) -> AsyncGenerator[AnyEvent, None]:
    """The events of the turn that answers an input, running, waiting or done, in whatever process."""
    engine = await home.aside() if ticket.private else home
    relay, store = engine.relay, engine.store
    begun = False
    shown = ""
    while True:
        channel = relay.of_input(ticket.inbox)
        if channel is not None:
            with channel.reader() as queue:
                async for event in queue:
                    if begun and isinstance(event, TurnStarted):
                        continue
                    begun = True
                    yield event
                    if isinstance(event, END):
                        return
        progress = await store.progress(ticket.inbox)
        cost = _cost(home.prices, progress)
        for event in _told(key, progress, cost, begun=begun, shown=shown):
            begun = True
            shown = event.text if isinstance(event, TurnSnapshot) else shown
            yield event
            if isinstance(event, END):
                return
        if relay.of_input(ticket.inbox) is None:
            engine.check_open()
            await relay.wait(ticket.inbox, POLL)


async def reply(place: Place, events: AsyncIterator[AnyEvent]) -> Reply:
    """The whole reply; raises TurnError if there is none."""
    async for event in events:
        if isinstance(event, TurnFailed):
            raise TurnError(event.error, event.values)
        if isinstance(event, TurnFinished):
            calls = await _calls(place, event.turn) if event.step or event.finish == "approval" else ()
            return Reply(
                event.text,
                calls,
                event.usage,
                event.model,
                event.finish,
                event.turn,
                event.cost,
                event.alternatives,
                event.attachments,
            )
    raise TurnError("superseded")


async def _calls(place: Place, seq: int) -> tuple[Call, ...]:
    engine, info = await place.found("session", place.address.key)
    turn = await engine.store.turn(TurnRef(info.id, seq))
    return tuple(c for s in turn.steps for c in s.calls) if turn else ()


def _cost(prices: Prices, progress: Progress) -> tuple[Cost, ...]:
    """What a stored turn cost; nothing if several models took part, whose shares are not known."""
    models = {step.model for step in progress.turn.steps} if progress.turn else set[str]()
    one = progress.model if models <= {progress.model} else ""
    return sums([prices.cost(one, progress.usage)])


def _told(key: str, progress: Progress, cost: tuple[Cost, ...], *, begun: bool, shown: str) -> list[AnyEvent]:
    """What a stored turn tells a reader who does not hear it live."""
    turn = progress.turn
    where: dict[str, Any] = {
        "session": key,
        "turn": turn.ref.seq if turn else 0,
        "attempt": progress.attempt,
    }
    out: list[AnyEvent] = []
    if progress.state == "pending":
        return out
    if turn is None:
        if progress.state == "taken":
            return out
        return [TurnFailed(**where, error="forgotten")]
    if not begun:
        out.append(TurnStarted(**where))
    if turn.state == "running":
        text = progress.partial
        if text and text != shown:
            out.append(TurnSnapshot(**where, text=text))
        return out
    where["step"] = max(0, len(turn.steps) - 1)
    if turn.text and turn.text != shown:
        out.append(TurnSnapshot(**where, text=turn.text))
    if turn.state == "failed":
        out.append(TurnFailed(**where, error=progress.error or "internal"))
    else:
        out.append(
            TurnFinished(
                **where,
                text=turn.text,
                finish=turn.finish,
                model=progress.model,
                usage=progress.usage,
                cost=cost,
                attachments=media_of(turn),
                breaks_off=turn.finish == "stop" and breaks_off(turn.steps),
            )
        )
    return out
