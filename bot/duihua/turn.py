"""One turn, from the claimed input to the stored answer.

The road: open the channel, take up what an earlier attempt journaled, then ask the model, journal its calls,
run them, ask again, until it answers; then one transaction ends the turn. Every write is fenced: if another
claim has taken the turn over, or it was erased, `Superseded` ends the work here and nothing is shown or sent.

Stopping, the deadline and shutting down all arrive as a cancellation at an await. A write that was begun is
always waited for, so that what is stored is known when the turn is ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from duihua import moderation
from duihua.actions import ActionParser, is_chinese
from duihua.codec import sound
from duihua.errors import AskUser, DuihuaError, ProviderError, StorageError, Superseded
from duihua.events import (
    AnyEvent,
    ApprovalRequested,
    HistoryCleared,
    Notice,
    Retracted,
    SkillFinished,
    SkillProgress,
    SkillStarted,
    ThinkingDelta,
    TurnFailed,
    TurnFinished,
    TurnRestarted,
    TurnStarted,
)
from duihua.fragments import to_json
from duihua.history import History
from duihua.lanes import Lane
from duihua.messages import (
    SETTLED,
    Author,
    Call,
    Decision,
    Part,
    Step,
    Text,
    Thinking,
    Turn,
    Usage,
    call_id,
    text_of,
)
from duihua.ports import (
    CallDelta,
    Dialect,
    Finish,
    Flagged,
    Outcome,
    Packed,
    Provider,
    Request,
    SendBody,
    Skill,
    Store,
    TextDelta,
    ToolSpec,
    Work,
)
from duihua.ports import ThinkingDelta as Thought
from duihua.redact import where
from duihua.relay import Channel, Relay
from duihua.skills.contract import Context
from duihua.skills.runner import needs_consent, run
from duihua.tokens import estimate

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Attempts at one turn before it is given up: what kills three processes is likely the turn itself."""

CALLS = 16
"""Calls of one answer that are run; a model that asks for more is told so."""

TOO_MANY = f"Not run, nor any call after it: at most {CALLS} in one answer."

PARTIAL = 1.0
"""Seconds between two writes of the text so far."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Brief:
    """What a turn is answered with: model, system text, options and skills, all resolved."""

    provider: Provider
    model: str
    dialect: Dialect
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


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a turn. Times in seconds."""

    deadline: float = 300.0
    max_steps: int = 8
    policy: Literal["clear", "drop_turn"] = "clear"
    approval: float = 259_200.0
    lease: float = 15.0


@dataclass(slots=True)
class Said:
    """One answer of the model, as far as it came."""

    text: list[str] = field(default_factory=list[str])
    thinking: list[str] = field(default_factory=list[str])
    calls: dict[int, list[str]] = field(default_factory=dict[int, list[str]])  # index: name, arguments
    finish: Finish | None = None
    flagged: Flagged | None = None
    packed: Packed | None = None

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


class Turns:
    """Works on claimed turns; one for all sessions of an engine."""

    def __init__(
        self,
        store: Store,
        relay: Relay,
        history: History,
        brief: Callable[[Work], Awaitable[Brief]],
        rules: Rules,
        *,
        opened: Callable[[Channel, Work], None] = lambda channel, work: None,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        self.store, self.relay, self.history = store, relay, history
        self.brief, self.rules = brief, rules
        self._opened, self._finished = opened, finished

    def open(self, work: Work) -> Channel:
        """The channel of a claimed turn; opened before it runs, its first reader misses nothing."""
        channel = self.relay.of_turn(work.turn.ref)
        if channel is None or channel.attempt != work.fence.attempt:
            channel = self.relay.open(work.turn.ref, work.address.key, work.inbox, work.fence.attempt)
            self._opened(channel, work)
        return channel

    async def run(self, work: Work, lane: Lane) -> Work | None:
        """Answers one turn and ends it; returns the session's next one, claimed with the same lease."""
        channel = self.open(work)
        answer = _Answer(self, work, channel)
        lane.stop = answer.stop
        try:
            outcome = await answer.run()
            return await _whole(self._end(work, answer, outcome))  # what is stored is told
        finally:
            lane.stop = None
            channel.close()

    async def _end(self, work: Work, answer: _Answer, outcome: Outcome) -> Work | None:
        following = await self.store.finish(work.fence, outcome, lease=int(self.rules.lease * 1000))
        await answer.ended(outcome)
        if outcome.sends:
            self._finished()
        return following


class _Answer:
    """The state of one turn at work."""

    def __init__(self, turns: Turns, work: Work, channel: Channel) -> None:
        self.turns, self.work, self.channel = turns, work, channel
        self.store, self.rules = turns.store, turns.rules
        self.fence, self.turn = work.fence, work.turn
        self.steps: list[Step] = list(work.turn.steps)
        self.past: tuple[Turn, ...] = ()
        self.start = work.window_from
        self.usage = Usage()
        self.said = Said()
        self.brief: Brief | None = None
        self.ending: list[AnyEvent] = []  # told once the end is stored
        self._scope: asyncio.Timeout | None = None
        self._stopping = work.stop_requested
        self._partial: asyncio.Task[None] | None = None
        self._partial_due = 0.0

    # ------------------------------------------------------------ the frame

    def stop(self) -> None:
        """Ends the turn at its next await with what was said."""
        self._stopping = True
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> Outcome:
        """The turn's outcome, whatever happens; raises only Superseded, StorageError and cancellation."""
        self._emit(TurnStarted if self.fence.attempt == 1 else TurnRestarted)
        try:
            if self.fence.attempt > ATTEMPTS:
                return self._failed("attempts")
            if self._stopping:
                return self._stopped()
            async with asyncio.timeout(self.rules.deadline) as self._scope:
                outcome = await self._answer()
        except TimeoutError:
            outcome = self._stopped() if self._stopping else self._failed("timeout")
        except ProviderError as e:
            outcome = self._provider_failed(e)
        except (Superseded, StorageError):
            raise
        except Exception as e:
            log.error("turn %d of session %s: %s", self.turn.ref.seq, self.work.address.key, where(e))
            message = str(e) if isinstance(e, DuihuaError) else type(e).__name__
            outcome = self._failed("internal", {"message": message})
        finally:
            self._scope = None
            await self._partial_written()
        return outcome

    async def ended(self, outcome: Outcome) -> None:
        """After the end is stored: the cache, the files, and what readers are told."""
        steps = (*self.steps, outcome.step) if outcome.step else tuple(self.steps)
        done = replace(self.turn, steps=steps, state=outcome.state, finish=outcome.finish, memo={})
        if outcome.erase:
            self.turns.history.drop(self.turn.ref)
            await self._scrub()
        else:
            past = self.past[-window_limit(self.brief.dialect) :] if self.brief else ()
            self.turns.history.append(self.fence, past, done, since=self.start)
        for event in self.ending:
            self.channel.publish(event)

    # ------------------------------------------------------------ the road

    async def _answer(self) -> Outcome:
        self.brief = await self.turns.brief(self.work)
        await self._read_past()
        self._show_steps()
        decision = next((p for p in self.turn.input if isinstance(p, Decision)), None)
        if decision is not None and not self.steps:
            outcome = await self._decided(decision)
            if outcome is not None:
                return outcome
        while True:
            if self.steps and await self._calls():
                return self._held()
            number = len(self.steps)
            if number >= self.rules.max_steps:
                return self._failed("no_steps")
            self.channel.next_step(number)
            outcome = await self._step(number)
            if outcome is not None:
                return outcome

    def _show_steps(self) -> None:
        """Shows what stays said after a restart: the answers that are journaled."""
        for number, step in enumerate(self.steps):
            self.channel.next_step(number)
            if step.text:
                self.channel.text_delta(step.text)
        self.channel.next_step(len(self.steps))

    async def _read_past(self) -> None:
        limit = window_limit(self._brief.dialect)
        self.past = await self.turns.history.before(
            self.fence, self.turn.parent, since=self.start, limit=limit
        )

    async def _step(self, number: int) -> Outcome | None:
        """One answer of the model; an outcome if it ends the turn."""
        last = number == self.rules.max_steps - 1
        tools = () if last else self._brief.tools
        said = await self._ask(tools)
        if said.flagged is not None:
            outcome = await self._flagged(said, tools)
            if outcome is not None:
                return outcome
            said = self.said
        finish = said.finish or Finish("stop")
        if last and said.calls and not said.text:
            return self._failed("no_steps")
        if last or not said.calls:
            return self._finished(said, finish)
        await self._journal(number, said, finish)
        return None

    async def _ask(
        self, tools: tuple[ToolSpec, ...], *, past: Sequence[Turn] | None = None, budget: int | None = None
    ) -> Said:
        """Asks the model once; too long a context is trimmed to half the budget and sent once more."""
        self.said = Said()
        try:
            return await self._stream(tools, self.past if past is None else past, budget)
        except ProviderError as e:
            side = _moderated(e)
            if side is not None:
                self.said.flagged = Flagged(side, retract=side == "output" and bool(self.said.text))
                return self.said
            if e.category != "context_too_long" or budget is not None or self.said.text:
                raise
        self._emit(Notice, code="trimmed")
        soft = self._brief.dialect.soft
        packed = self.said.packed
        tokens = min(n for n in (soft.tokens, packed.tokens if packed else None, 8_000) if n)
        return await self._ask(tools, past=past, budget=tokens // 2)

    async def _stream(self, tools: tuple[ToolSpec, ...], past: Sequence[Turn], budget: int | None) -> Said:
        brief, said = self._brief, self.said
        current = replace(self.turn, steps=tuple(self.steps), memo={}) if self.steps else self.turn
        packed = brief.dialect.pack(brief.system, (*past, current), tools, start=self.start, budget=budget)
        said.packed = packed
        if past is self.past:
            self.start = packed.start
        native = brief.dialect.functions == "native"
        parser = ActionParser(tuple(t.name for t in tools)) if tools and not native else None
        request = Request(
            model=brief.model,
            packed=packed,
            tools=tools if native else (),
            options=brief.options,
            deadline=self._deadline,
            user=f"u{self.work.owner}" if self.work.owner else "",
        )
        stream: Any = brief.provider.stream(request)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                for d in parser.feed(delta.text) if parser and isinstance(delta, TextDelta) else (delta,):
                    self._hear(d)
                if said.flagged is not None:
                    return said
                if parser is not None and isinstance(delta, Finish):
                    for d in parser.close():
                        self._hear(d)
        return said

    def _hear(self, delta: Any) -> None:
        said = self.said
        if isinstance(delta, TextDelta):
            if delta.text:
                said.text.append(delta.text)
                self.channel.text_delta(delta.text)
                self._keep_partial()
        elif isinstance(delta, CallDelta):
            call = said.calls.setdefault(delta.index, ["", ""])
            call[0] = call[0] or delta.name
            call[1] += delta.arguments
        elif isinstance(delta, Thought):
            said.thinking.append(delta.text)
            self._emit(ThinkingDelta, text=delta.text)
        elif isinstance(delta, Flagged):
            if delta.stop:
                said.flagged = delta
        elif isinstance(delta, Finish):
            said.finish = delta
            self.usage += delta.usage

    # ------------------------------------------------------------ skills

    async def _journal(self, number: int, said: Said, finish: Finish) -> None:
        brief = self._brief
        calls: list[Call] = []
        for index, (name, arguments) in enumerate(list(said.calls.values())[: CALLS + 1]):
            skill = brief.skills.get(name)
            call = Call(
                id=call_id(self.turn.ref, number, index),
                name=name,
                arguments=sound(arguments),
                effect=skill.effect if skill else "read",
            )
            if index == CALLS:
                call = replace(call, state="failed", result=TOO_MANY)
            elif skill is not None and needs_consent(skill, call):
                call = replace(call, state="held")
            calls.append(call)
        step = Step(said.parts(), tuple(calls), brief.dialect.name)
        expires = self._expires() if any(c.state == "held" for c in calls) else 0

        async def write() -> None:
            await self.store.step(self.fence, number, step, usage=finish.usage, expires=expires)
            self.steps.append(step)
            self.said = Said()

        await _whole(write())

    async def _calls(self) -> bool:
        """Runs the last step's calls that have no result yet; True if one of them waits for a person."""
        number = len(self.steps) - 1
        open_calls = [c for c in self.steps[number].calls if c.state not in SETTLED and c.state != "held"]
        if open_calls:
            await _together([self._call(call, number) for call in open_calls])
        return any(c.state == "held" for c in self.steps[number].calls)

    async def _call(self, call: Call, number: int | None, *, approved: bool = False) -> Call:
        """Runs one call; its result is stored before anything else happens with it."""
        skill = self._brief.skills.get(call.name)
        self._emit(SkillStarted, call=call.id, name=call.name, arguments=call.arguments)
        if call.effect == "write":
            if call.state == "running":  # an earlier attempt was cut while it ran
                return await self._set(replace(call, state="unknown", result=""), number)
            await self._set(replace(call, state="running"), number)
        try:
            context = self._context(call, approved)
            result = await run(call, skill, context, known=self._brief.skills)
        except AskUser as e:
            result = replace(call, state="failed" if approved else "held", result=str(e))
        return await self._set(result, number)

    async def _set(self, call: Call, number: int | None) -> Call:
        """Stores a call's state and result, here as in the database. `number`: its step, if of this turn."""

        async def write() -> None:
            expires = self._expires() if call.state == "held" else 0
            await self.store.call(self.fence, call.id, call.state, call.result, expires=expires)
            if number is not None:
                step = self.steps[number]
                calls = tuple(call if c.id == call.id else c for c in step.calls)
                self.steps[number] = replace(step, calls=calls)

        await _whole(write())
        if call.state in SETTLED:
            self._emit(SkillFinished, call=call.id, name=call.name, state=call.state, result=call.result)
            if call.state == "unknown":
                self._emit(Notice, code="unknown_call", values={"name": call.name})
        return call

    def _context(self, call: Call, approved: bool) -> Context:
        brief = self._brief

        def progress(text: str) -> None:
            self._emit(SkillProgress, call=call.id, name=call.name, text=text)

        return Context(
            session=self.work.address.key,
            user=self.turn.author or Author(self.work.owner),
            locale=_language(text_of(self.turn.input)) or brief.locale,
            timezone=brief.timezone,
            deadline=self._deadline,
            settings=brief.skill_settings.get(call.name, {}),
            approved=approved,
            http=brief.http,
            progress=progress,
        )

    def _held(self) -> Outcome:
        for call in self.steps[-1].calls:
            if call.state == "held":
                self._later(ApprovalRequested, call=call.id, name=call.name, arguments=call.arguments)
        return self._end("done", "approval")

    async def _decided(self, decision: Decision) -> Outcome | None:
        """Carries out a person's decision about a held call; None when the model is to go on."""
        stored = await self.store.stored_call(decision.call)
        if stored is None or stored.ref.session != self.turn.ref.session:
            return self._failed("no_call")
        author = self.turn.author
        if stored.asker and author and author.id and author.id != stored.asker:
            return self._failed("not_asker")
        call, again = stored.call, self.fence.attempt > 1
        if call.state == "held" and not decision.approve:
            call = await self._set(replace(call, state="refused"), None)
        elif call.state == "held" and stored.expires and stored.expires <= self.turn.at:
            call = await self._set(replace(call, state="refused", result="expired"), None)
            self._emit(Notice, code="expired", values={"name": call.name})
        elif call.state == "held" or (call.state == "running" and again):
            call = await self._call(call, None, approved=True)
        elif call.state not in SETTLED:
            return self._failed("no_call")  # nobody was asked about it
        self.turns.history.drop(self.turn.ref)
        await self._read_past()
        last = next((t for t in reversed(self.past) if t.steps), None)
        if last is not None and last.ref == stored.ref:
            waits = any(c.state == "held" for c in last.steps[-1].calls)
            return self._end("done", "approval") if waits else None
        if all(t.ref != stored.ref for t in self.past):
            # It has left the window: the model reads the result as a message of its own.
            note = f"[{call.name} {call.arguments}] {call.state}: {call.result}"
            self.turn = replace(self.turn, input=(*self.turn.input, Text(note)), memo={})
        return None

    # ------------------------------------------------------------ moderation

    async def _flagged(self, said: Said, tools: tuple[ToolSpec, ...]) -> Outcome | None:
        """What follows from a flag. None: the model was asked once more and `self.said` is its answer."""
        flag, packed = said.flagged, said.packed
        assert flag is not None
        assert packed is not None
        verdict = self._judge(said, flag)
        if verdict.drop_current:
            return self._cleared(flag, verdict.erase)
        if verdict.retry:
            await self._forget(verdict.erase, flag)
        self.channel.next_step(0)
        self._emit(TurnRestarted, reason="flagged")
        self._show_steps()
        again = await self._ask(tools, past=() if verdict.probe else None)
        if again.flagged is not None:
            final = self._judge(again, again.flagged, extra=True)
            if verdict.probe:
                final = moderation.after_probe(packed, self.turn.ref, accepted=False)
            return self._cleared(again.flagged, final.erase)
        if verdict.probe:
            accepted = moderation.after_probe(packed, self.turn.ref, accepted=True)
            await self._forget(accepted.erase, flag)
        return None

    def _judge(self, said: Said, flag: Flagged, *, extra: bool = False) -> moderation.Verdict:
        verdict = moderation.judge(flag, said.packed, self.turn.ref, self.rules.policy, already_retried=extra)
        self._retract(said, verdict.retract)
        return verdict

    def _retract(self, said: Said, asked: bool) -> None:
        if asked and said.text:
            self._emit(Retracted)

    async def _forget(self, turns: Literal["session"] | tuple[int, ...], flag: Flagged) -> None:
        """Erases turns before this one and goes on."""
        seqs = tuple(t.ref.seq for t in self.past) if turns == "session" else turns
        session = self.turn.ref.session
        count = await self.store.erase(session, seqs, fence=self.fence)
        await self._scrub()
        self.turns.history.drop(self.turn.ref)
        stored = await self.store.turn(self.turn.ref)
        if stored is None:
            raise Superseded("the turn was erased")
        self.turn = replace(self.turn, parent=stored.parent)
        self.start = 0 if self.start in seqs else self.start
        await self._read_past()
        self._emit(HistoryCleared, policy=self.rules.policy, side=flag.side, turns=count)

    def _cleared(self, flag: Flagged, erase: Literal["session"] | tuple[int, ...]) -> Outcome:
        count = len(self.past) + 1 if erase == "session" else len(erase)
        self._later(HistoryCleared, policy=self.rules.policy, side=flag.side, turns=count)
        self.steps.clear()
        self.said = Said()
        return self._end("cleared", "flagged", erase=erase)

    async def _scrub(self) -> None:
        try:
            await self.store.scrub()
        except StorageError as e:
            log.warning("erased text may stay in the database's log for a while: %s", e)

    # ------------------------------------------------------------ ends

    def _finished(self, said: Said, finish: Finish) -> Outcome:
        reason = finish.reason if finish.reason in ("stop", "length") else "stop"
        step = Step(said.parts(), (), self._brief.dialect.name)
        return self._end("done", reason, step, usage=finish.usage)

    def _stopped(self) -> Outcome:
        return self._end("stopped", "stopped", self._cut_step())

    def _failed(self, code: str, values: Mapping[str, Any] | None = None) -> Outcome:
        return self._end("failed", "failed", self._cut_step(), error=code, values=values or {})

    def _provider_failed(self, e: ProviderError) -> Outcome:
        log.warning("turn %d of session %s: %s", self.turn.ref.seq, self.work.address.key, e)
        values = {
            "provider": e.provider,
            "category": e.category,
            "vendor_code": e.vendor_code,
            "http_status": e.http_status,
            "request_id": e.request_id,
            "message": e.message,
            "reported": e.reported,
            "model": self._brief.dialect.name,
            "retry_after": e.retry_after,
        }
        return self._failed(f"provider.{e.category}", values)

    def _cut_step(self) -> Step | None:
        """What the model had said when it was cut short; its calls were never journaled and never ran."""
        parts = tuple(p for p in self.said.parts() if isinstance(p, Text))
        return Step(parts) if parts else None

    def _end(
        self,
        state: Literal["done", "stopped", "failed", "cleared"],
        finish: str,
        step: Step | None = None,
        *,
        usage: Usage | None = None,
        erase: Literal["session"] | tuple[int, ...] = (),
        error: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> Outcome:
        texts = [s.text for s in (*self.steps, *((step,) if step else ()))]
        text = "\n".join(t for t in texts if t)
        model = self.brief.dialect.name if self.brief else ""
        if error:
            self._later(TurnFailed, error=error, values=values or {})
        else:
            self._later(TurnFinished, text=text, finish=finish, model=model, usage=self.usage)
        body = {"text": text, "finish": finish, "error": error, "values": dict(values or {})}
        sends = () if self.work.address.front == "embed" else (SendBody(0, "message", to_json(body)),)
        return Outcome(
            state=state,
            finish=finish,
            number=len(self.steps),
            step=step,
            usage=usage or Usage(),
            model=model,
            persona=self.brief.persona if self.brief else "",
            tokens=int(estimate(text_of(self.turn.input)) + estimate(text)),
            window_from=self.start,
            sends=sends,
            error=error,
            erase=erase,
        )

    # ------------------------------------------------------------ small things

    @property
    def _brief(self) -> Brief:
        assert self.brief is not None
        return self.brief

    @property
    def _deadline(self) -> float:
        when = self._scope.when() if self._scope else None
        return when if when is not None else asyncio.get_running_loop().time()

    def _expires(self) -> int:
        return int((time.time() + self.rules.approval) * 1000)

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

    def _emit(self, kind: Callable[..., AnyEvent], **values: Any) -> None:
        self.channel.publish(self._event(kind, **values))

    def _later(self, kind: Callable[..., AnyEvent], **values: Any) -> None:
        self.ending.append(self._event(kind, **values))

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


def window_limit(dialect: Dialect) -> int:
    """Turns that a window holds at most: more never fit, or nobody says how many would."""
    return max(64, (dialect.soft.tokens or dialect.soft.characters or 8_000) // 8)


def _language(text: str) -> str:
    """The language to answer in, as far as the question tells."""
    if not any(c.isalpha() for c in text):
        return ""
    return "zh" if is_chinese(text) else "en"


def _moderated(e: ProviderError) -> Literal["input", "output"] | None:
    if e.category == "moderation_input":
        return "input"
    return "output" if e.category == "moderation_output" else None


async def _whole(write: Coroutine[Any, Any, T]) -> T:
    """Carries a write out to its end even when cancelled, so that what is stored is known."""
    task = asyncio.ensure_future(write)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> None:
    """Runs all side by side; the first failure cancels the others and is raised as it is."""
    tasks = [asyncio.ensure_future(w) for w in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
