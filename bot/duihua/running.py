"""A turn at work: what was said and done so far, what its readers are told, how it ends.

The skills (`calling`) and the road to the answer (`turn`) build on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar

from duihua.brief import Brief, Rules, window_limit
from duihua.calibrations import Calibrations
from duihua.codec import sound
from duihua.composition import NOTHING, Remembered
from duihua.errors import DuihuaError, ProviderError, StorageError, Superseded
from duihua.events import (
    AnyEvent,
    Notice,
    TurnFailed,
    TurnFinished,
)
from duihua.fragments import to_json
from duihua.history import History
from duihua.memories import Hit
from duihua.messages import (
    Attachment,
    Cost,
    Media,
    Part,
    Step,
    Text,
    Thinking,
    Turn,
    Usage,
    breaks_off,
    text_of,
)
from duihua.pictures import wanted
from duihua.ports import (
    Finish,
    Flagged,
    Outcome,
    Packed,
    SendBody,
    Store,
    ToolSpec,
    Work,
)
from duihua.prices import sums
from duihua.providers.fallback import Circuits, passes
from duihua.recollection import Recollection
from duihua.relay import Channel
from duihua.tokens import estimate

log = logging.getLogger(__name__)

THOUGHTS = 2_000
"""Characters of the latest thoughts that a front end is owed where it is to show them."""

PARTIAL = 1.0
"""Seconds between two writes of the text so far."""

T = TypeVar("T")


@dataclass(slots=True)
class Said:
    """One answer of the model, as far as it came."""

    text: list[str] = field(default_factory=list[str])
    thinking: list[str] = field(default_factory=list[str])
    calls: dict[int, list[str]] = field(default_factory=dict[int, list[str]])  # index: name, arguments
    finish: Finish | None = None
    flagged: Flagged | None = None
    packed: Packed | None = None
    micros: int = 0  # what its tokens cost, in the currency of the model's price
    begun: bool = False  # the model has begun to answer, whether or not that can be seen yet

    def parts(self) -> tuple[Part, ...]:
        """What is stored of it."""
        out: list[Part] = []
        if self.thinking:
            out.append(Thinking(sound("".join(self.thinking))))
        if text := sound("".join(self.text)):
            out.append(Text(text))
        if self.finish and self.finish.opaque:
            out.append(self.finish.opaque)
        return tuple(out)


class Running:
    """The state of one turn at work; the skills and the road to the answer build on it."""

    def __init__(
        self,
        store: Store,
        history: History,
        rules: Rules,
        circuits: Circuits,
        recollection: Recollection,
        calibrations: Calibrations,
        work: Work,
        channel: Channel,
    ) -> None:
        self.store, self.history, self.rules, self.circuits = store, history, rules, circuits
        self.recollection, self.holder = recollection, recollection.holder(work)
        self.calibrations = calibrations
        self.work, self.channel = work, channel
        self.fence, self.turn = work.fence, work.turn
        self.steps: list[Step] = list(work.turn.steps)
        self.past: tuple[Turn, ...] = ()
        self.start = work.window_from
        self.usage = Usage()
        self.costs: list[Cost] = []
        self.said = Said()
        self.brief: Brief | None = None
        self.others: tuple[Brief, ...] = ()  # models that are still behind the one of `brief`
        self.replaced = False  # `brief` is not the one that the turn began with
        self.lessons = 0  # what clients learnt of their models in this turn
        self.reach = 0  # turns that the first model's window holds at most
        self.offered: dict[str, tuple[ToolSpec, ...]] = {}  # by model: the same in every step
        self.remembered: Remembered = NOTHING
        self.shown: tuple[Hit, ...] = ()  # what was recalled for the model
        self.ending: list[AnyEvent] = []  # told once the end is stored
        self.forgotten: dict[str, Any] = {}  # what was cleared before the turn could go on
        self.attached: dict[str, Media] = {}  # what skills brought for the user, by id
        self._pictures: dict[str, Attachment] = {}
        self._scope: asyncio.Timeout | None = None
        self._stopping = work.stop_requested
        self._partial: asyncio.Task[None] | None = None
        self._partial_due = 0.0

    @property
    def _brief(self) -> Brief:
        assert self.brief is not None
        return self.brief

    @property
    def _deadline(self) -> float:
        when = self._scope.when() if self._scope else None
        return when if when is not None else asyncio.get_running_loop().time()

    def _expires(self) -> int:
        return int((self.rules.clock() + self.rules.approval) * 1000)

    def _came(self) -> int:
        """When the input came (ms UTC): the database has told it, and a test may have moved the clock."""
        return self.turn.at + int((self.rules.clock() - time.time()) * 1000)

    async def _read_past(self) -> None:
        self.past = await self.history.before(
            self.fence, self.turn.parent, since=self.start, limit=self.reach
        )

    async def _remember(self, *, recall: bool = True) -> None:
        """What memory knows for this turn, after its past is read."""
        self.remembered = await self.recollection.of(
            self.holder, self.turn, self.past, locale=self._brief.locale, recall=recall
        )

    def _tools(self) -> tuple[ToolSpec, ...]:
        """The skills that this turn's requests to its model offer."""
        name = self._brief.dialect.name
        if name not in self.offered:
            self.offered[name] = self._brief.offered(self.past, self.turn)
        return self.offered[name]

    async def _composed(self, tools: Sequence[ToolSpec], budget: int | None, *, alone: bool) -> Packed:
        """The next request. `alone`: nothing but the input, to see whether it is what was flagged."""
        brief = self._brief
        past: tuple[Turn, ...] = () if alone else self.past
        # Where the platform found it too long already, memory is what can be done without.
        remembered: Remembered = self.remembered if not alone and budget is None else NOTHING
        current = replace(self.turn, steps=tuple(self.steps), memo={}) if self.steps else self.turn
        turns = (*past, current)
        composed, known = await self.recollection.compose(
            self.holder,
            brief,
            turns,
            tools,
            remembered=remembered,
            start=self.start,
            budget=budget,
            images=await self._images(turns) if brief.dialect.sees else None,
        )
        if not alone and not self.replaced:  # a smaller window elsewhere shortens this one for nobody
            self.start = composed.packed.start
            self.remembered = known if budget is None else self.remembered
            if composed.pending:
                self.recollection.add(self.holder, composed.pending)
        self.shown = composed.shown
        return composed.packed

    async def _suspect(self, flag: Flagged) -> None:
        """What was recalled stood in a request that was flagged: see `Recollection.suspect`."""
        if flag.side != "output" and self.shown:
            try:
                await self.recollection.suspect(self.holder, self.shown)
            except StorageError as e:
                log.warning("what was recalled stays in memory: %s", e)
        self.recollection.drop(self.turn.ref.session)
        self.remembered, self.shown = NOTHING, ()

    async def _images(self, turns: Sequence[Turn]) -> Mapping[str, Attachment]:
        """The newest images of the conversation; each is read once in a turn."""
        ids = wanted(turns)
        missing = [id_ for id_ in ids if id_ not in self._pictures]
        if missing:
            self._pictures |= {file.id: file for file in await self.store.attachments(missing)}
        return {id_: self._pictures[id_] for id_ in ids if id_ in self._pictures}

    async def _scrub(self) -> None:
        try:
            await self.store.scrub()
        except StorageError as e:
            log.warning("erased text may stay in the database's log for a while: %s", e)

    def stop(self) -> None:
        """Ends the turn at its next await with what was said."""
        self._stopping = True
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    # ------------------------------------------------------------ which model answers

    def _take_up(self, brief: Brief) -> None:
        self.brief, self.reach = brief, window_limit(brief.dialect)
        self.others = tuple(other for other in brief.others if self._takes_input(other))
        self._pass_over()

    def _takes_input(self, brief: Brief) -> bool:
        try:
            brief.dialect.admit(brief.system, self.turn.input)
        except DuihuaError:
            return False
        return True

    def _fall_back(self, error: ProviderError) -> bool:
        """Turns to the next model; False: there is none, the answer has begun, or it is no reason to."""
        if self.said.begun or not self.others or not passes(error):
            return False
        log.warning("turn %d of session %s: %s", self.turn.ref.seq, self.work.address.key, error)
        self._next("fallback", reason=error.category)
        self._pass_over()
        return True

    def _pass_over(self) -> None:
        """Leaves out models whose platform fails all the time, as long as another one is behind."""
        while self.others and not self.circuits.admits(provider := self._brief.provider.name):
            self._next("circuit_open", provider=provider)

    def _next(self, code: str, **values: str) -> None:
        before, self.brief, self.others = self._brief, self.others[0], self.others[1:]
        self.replaced = True
        change = {"from": before.dialect.name, "to": self._brief.dialect.name}
        self._emit(Notice, code=code, values={**change, **values})

    # ------------------------------------------------------------ what readers are told

    def _emit(self, kind: Callable[..., AnyEvent], **values: Any) -> None:
        self.channel.publish(self._event(kind, **values))

    def _later(self, kind: Callable[..., AnyEvent], **values: Any) -> None:
        self.ending.append(self._event(kind, **values))

    def _event(self, kind: Callable[..., AnyEvent], **values: Any) -> AnyEvent:
        channel = self.channel
        return kind(
            session=channel.key,
            turn=channel.ref.seq,
            attempt=channel.attempt,
            step=channel.step,
            offset=channel.offset,
            **values,
        )

    # ------------------------------------------------------------ the text so far

    def _keep_partial(self) -> None:
        """Writes the text so far about once a second, without holding up the stream."""
        now = asyncio.get_running_loop().time()
        if not self._partial_due:
            self._partial_due = now + PARTIAL
        if now < self._partial_due or (self._partial and not self._partial.done()):
            return
        self._partial_due = now + PARTIAL
        self._partial = asyncio.create_task(self._write_partial(sound(self.channel.text)))

    async def _write_partial(self, text: str) -> None:
        try:
            await self.store.partial(self.fence, text)
        except Superseded:
            self.stop()  # what follows finds the fence broken too
        except StorageError as e:
            log.warning("the text so far was not kept: %s", e)

    async def _partial_written(self) -> None:
        if self._partial is not None:
            await asyncio.wait((self._partial,))

    # ------------------------------------------------------------ ends

    def _stopped(self) -> Outcome:
        return self._end("stopped", "stopped", self._cut_step())

    def _failed(self, code: str, values: Mapping[str, Any] | None = None) -> Outcome:
        return self._end("failed", "failed", self._cut_step(), error=code, values=values or {})

    def _cut_step(self) -> Step | None:
        """What the model had said when it was cut short; its calls were never journaled and never ran."""
        parts = tuple(p for p in self.said.parts() if isinstance(p, Text))
        return Step(parts) if parts else None

    def _thoughts(self, last: Step | None) -> str:
        """What the model thought; of a step that was cut short only its words are stored."""
        steps = (*self.steps, *((last,) if last else ()))
        told = [part.text for step in steps for part in step.parts if isinstance(part, Thinking)]
        cut = sound("".join(self.said.thinking))
        return "\n".join(told if cut in told else [*told, cut])[-THOUGHTS:]

    def _end(
        self,
        state: Literal["done", "stopped", "failed", "cleared"],
        finish: str,
        step: Step | None = None,
        *,
        usage: Usage | None = None,
        micros: int = 0,
        erase: Literal["session"] | tuple[int, ...] = (),
        error: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> Outcome:
        files = tuple(self.attached.values()) if state != "cleared" else ()
        if files and (step or state != "done"):  # a turn that waits for a person ends without an answer
            step = replace(step or Step(()), parts=(*(step.parts if step else ()), *files))
        texts = [s.text for s in (*self.steps, *((step,) if step else ()))]
        text = "\n".join(t for t in texts if t)
        model = self.brief.dialect.name if self.brief else ""
        silent = finish == "stop" and breaks_off((*self.steps, *((step,) if step else ())))
        if error:
            self._later(TurnFailed, error=error, values=values or {})
        else:
            others = self.said.finish.alternatives if self.said.finish else ()
            self._later(
                TurnFinished,
                text=text,
                finish=finish,
                model=model,
                usage=self.usage,
                cost=sums(self.costs),
                alternatives=tuple(map(sound, others)),
                attachments=files,
                breaks_off=silent,
            )
        body: dict[str, Any] = {
            "text": text,
            "finish": finish,
            "error": error,
            "values": dict(values or {}),
        }
        if self.forgotten and state != "cleared":
            body["cleared"] = self.forgotten
        if self.work.settings.get("thoughts") and state != "cleared":
            body["thoughts"] = self._thoughts(step)
        if self.work.replaces:
            body["replaces"] = self.work.replaces
        if silent:
            body["breaks_off"] = True
        if files:
            body["attachments"] = [asdict(file) for file in files]
        sends = () if self.work.address.front == "embed" else (SendBody(0, "message", to_json(body)),)
        return Outcome(
            state=state,
            finish=finish,
            number=len(self.steps),
            step=step,
            usage=usage or Usage(),
            micros=micros,
            model=model,
            persona=self.brief.persona if self.brief else "",
            tokens=int(estimate(text_of(self.turn.input)) + estimate(text)),
            window_from=self.start,
            sends=sends,
            error=error,
            erase=erase,
            inputs=max(1, len(self.work.inbox)),
        )


async def whole(write: Coroutine[Any, Any, T]) -> T:
    """Carries a write out to its end even when cancelled, so that what is stored is known."""
    task = asyncio.ensure_future(write)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise
