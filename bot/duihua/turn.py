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
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

from duihua import moderation
from duihua.actions import ActionParser
from duihua.brief import Brief, Rules
from duihua.calibrations import Calibrations
from duihua.calling import Calling
from duihua.errors import DuihuaError, ProviderError, StorageError, Superseded
from duihua.events import (
    HistoryCleared,
    Notice,
    Retracted,
    ThinkingDelta,
    TurnRestarted,
    TurnStarted,
)
from duihua.history import History
from duihua.lanes import Lane
from duihua.messages import (
    Decision,
    Step,
    Usage,
)
from duihua.ports import (
    CallDelta,
    Finish,
    Flagged,
    Outcome,
    Request,
    Store,
    TextDelta,
    ToolSpec,
    Work,
)
from duihua.ports import ThinkingDelta as Thought
from duihua.providers.fallback import Circuits
from duihua.recollection import Recollection
from duihua.redact import where
from duihua.relay import Channel, Relay
from duihua.running import Said, whole

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Attempts at one turn before it is given up: what kills three processes is likely the turn itself."""
LESSONS = 4
"""How often in one turn a refusal may teach a client another dialect of its model."""

Resolve = Callable[[Work], Awaitable[Brief]]
"""Finds out what a turn is answered with."""


class Turns:
    """Works on claimed turns; one for all sessions of an engine."""

    def __init__(
        self,
        store: Store,
        relay: Relay,
        history: History,
        brief: Resolve,
        rules: Rules,
        circuits: Circuits,
        recollection: Recollection,
        calibrations: Calibrations,
        *,
        opened: Callable[[Channel, Work], None] = lambda channel, work: None,
        finished: Callable[[], None] = lambda: None,
        ended: Callable[[int], None] = lambda session: None,
    ) -> None:
        self.store, self.relay, self.history = store, relay, history
        self._brief, self.rules, self.circuits = brief, rules, circuits
        self.recollection, self.calibrations = recollection, calibrations
        self._opened, self._finished, self._ended = opened, finished, ended

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
        answer = _Answer(
            self.store,
            self.history,
            self.rules,
            self.circuits,
            self.recollection,
            self.calibrations,
            work,
            channel,
        )
        lane.stop = answer.stop
        try:
            outcome = await answer.run(self._brief)
            return await whole(self._finish(work, answer, outcome))  # what is stored is told
        finally:
            lane.stop = None
            channel.close()

    async def _finish(self, work: Work, answer: _Answer, outcome: Outcome) -> Work | None:
        following = await self.store.finish(work.fence, outcome, lease=int(self.rules.lease * 1000))
        self._ended(work.turn.ref.session)  # before anybody hears of it
        await answer.ended(outcome)
        if outcome.sends:
            self._finished()
        return following


class _Answer(Calling):
    """One turn on its way to an answer."""

    async def run(self, brief: Resolve) -> Outcome:
        """The turn's outcome, whatever happens; raises only Superseded, StorageError and cancellation."""
        begun = TurnStarted if self.fence.attempt == 1 else TurnRestarted
        self._emit(begun, replaces=self.work.replaces)
        try:
            if self.fence.attempt > ATTEMPTS:
                return self._failed("attempts")
            if self._stopping:
                return self._stopped()
            async with asyncio.timeout(self.rules.deadline) as self._scope:
                outcome = await self._answer(brief)
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
            self.history.drop(self.turn.ref)
            await self._scrub()
        else:
            self.history.append(self.fence, self.past[-self.reach :], done, since=self.start)
        for event in self.ending:
            self.channel.publish(event)

    # ------------------------------------------------------------ the road

    async def _answer(self, brief: Resolve) -> Outcome:
        self._take_up(await brief(self.work))
        await self._read_past()
        await self._take_up_files()
        await self._remember()
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

    async def _step(self, number: int) -> Outcome | None:
        """One answer of the model; an outcome if it ends the turn."""
        last = number == self.rules.max_steps - 1
        said = await self._ask(offer=not last)
        if said.flagged is not None:
            outcome = await self._flagged(said, offer=not last)
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

    async def _ask(self, *, offer: bool) -> Said:
        """Asks the model, or the next one if it cannot answer now and has not begun to.

        `offer`: it may call skills.
        """
        while True:
            try:
                return await self._asked(offer=offer)
            except ProviderError as e:
                if not self._fall_back(e):
                    raise

    async def _asked(self, *, offer: bool, budget: int | None = None, alone: bool = False) -> Said:
        """Asks one model once; too long a context is trimmed to half the budget and sent once more.

        `alone`: the input goes without anything that was said before.
        """
        self.said = Said()
        try:
            return await self._stream(self._tools() if offer else (), budget, alone=alone)
        except ProviderError as e:
            if not self.said.begun:
                self.circuits.failed(self._brief.provider.name, e)
            flag = _moderated(e, shown=bool(self.said.text))
            if flag is not None:
                self.said.flagged = flag
                return self.said
            if not self.said.text and self._relearned():
                return await self._asked(offer=offer, budget=budget, alone=alone)
            if e.category != "context_too_long" or budget is not None or self.said.text:
                raise
        self._emit(Notice, code="trimmed")
        soft = self._brief.dialect.soft
        packed = self.said.packed
        sent = int(packed.tokens / max(1.0, packed.scale)) if packed else None  # what was sent at least
        tokens = min(n for n in (soft.tokens, sent, 8_000) if n)
        return await self._asked(offer=offer, budget=tokens // 2, alone=alone)

    def _relearned(self) -> bool:
        """Whether a refusal taught the client another dialect of this model, which is spoken from now on."""
        known = self._brief.provider.dialect(self._brief.model)
        if known == self._brief.known or self.lessons >= LESSONS:
            return False
        self.lessons += 1
        self.brief = replace(self._brief, dialect=self._brief.fit(known), known=known)
        return True

    async def _stream(self, tools: tuple[ToolSpec, ...], budget: int | None, *, alone: bool) -> Said:
        brief, said = self._brief, self.said
        packed = said.packed = await self._composed(tools, budget, alone=alone)
        native = brief.dialect.functions == "native"
        by_text = brief.dialect.functions == "text" and bool(tools or self.steps)
        parser = ActionParser((*brief.skills, *(tool.name for tool in tools))) if by_text else None
        request = Request(
            model=brief.model,
            packed=packed,
            tools=tools if native else (),
            options=brief.options,
            deadline=self._deadline,
            user=f"u{self.work.owner}" if self.work.owner else "",
            session=self.turn.ref.session,
            hurried=bool(self.others),
        )
        stream: Any = brief.provider.stream(request)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                if not said.begun:
                    said.begun = True
                    self.circuits.answered(brief.provider.name)
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
            self._learn(delta.usage)
            if price := self._brief.price:
                cost = price.cost(delta.usage)
                said.micros = cost.micros
                self.costs.append(cost)

    def _learn(self, usage: Usage) -> None:
        """What the request's tokens were; those of images are another matter."""
        if self.said.packed and not self._pictures:
            self.calibrations.learn(self._brief.dialect.name, self.turn.ref.session, self.said.packed, usage)

    def _finished(self, said: Said, finish: Finish) -> Outcome:
        reason = finish.reason if finish.reason in ("stop", "length") else "stop"
        step = Step(said.parts(), (), self._brief.dialect.name)
        if not step.text.strip() and not self.attached:
            name = self._brief.dialect.name
            log.warning(
                "turn %d of session %s: %s gave no text", self.turn.ref.seq, self.work.address.key, name
            )
        return self._end("done", reason, step, usage=finish.usage, micros=said.micros)

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

    # ------------------------------------------------------------ moderation

    async def _flagged(self, said: Said, *, offer: bool) -> Outcome | None:
        """What follows from a flag. None: the model was asked once more and `self.said` is its answer."""
        flag, packed = said.flagged, said.packed
        assert flag is not None
        assert packed is not None
        verdict = self._judge(said, flag)
        await self._suspect(flag)
        self.said = Said()  # what stops the turn from here on must not keep what was flagged
        if verdict.drop_current:
            return await self._cleared(flag, verdict.erase)
        if verdict.retry:
            await self._forget(verdict.erase, flag)
        self.channel.next_step(0)
        self._emit(TurnRestarted, reason="flagged")
        self._show_steps()
        if verdict.probe:  # of this model alone: another's word says nothing of what this one flags
            again = await self._asked(offer=offer, alone=True)
        else:
            again = await self._ask(offer=offer)
        if again.flagged is not None:
            final = self._judge(again, again.flagged, extra=True)
            if verdict.probe:
                final = moderation.after_probe(packed, self.turn.ref, accepted=False)
            return await self._cleared(again.flagged, final.erase)
        if verdict.probe:
            accepted = moderation.after_probe(packed, self.turn.ref, accepted=True)
            await self._forget(accepted.erase, replace(flag, side="history"))
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
        self.history.drop(self.turn.ref)
        stored = await self.store.turn(self.turn.ref)
        if stored is None:
            raise Superseded("the turn was erased")
        self.turn = replace(self.turn, parent=stored.parent)
        self.start = 0 if self.start in seqs else self.start
        await self._read_past()
        await self._remember(recall=False)
        self.forgotten = {"policy": self.rules.policy, "side": flag.side, "turns": count}
        self._emit(HistoryCleared, **self.forgotten)

    async def _cleared(self, flag: Flagged, erase: Literal["session"] | tuple[int, ...]) -> Outcome:
        if erase == "session":  # the window may be shorter than what goes
            path = await self.store.path(self.turn.ref.session, self.turn.parent, limit=100_000)
            count = len(path) + 1
        else:
            count = len(erase)
        self._later(HistoryCleared, policy=self.rules.policy, side=flag.side, turns=count)
        self.steps.clear()
        self.said = Said()
        told = {"policy": self.rules.policy, "side": flag.side, "turns": count}
        return self._end("cleared", "flagged", erase=erase, values=told)


def _moderated(e: ProviderError, *, shown: bool) -> Flagged | None:
    """The flag that an error stands for; `shown`: some of the answer was."""
    if e.category not in ("moderation_input", "moderation_output"):
        return None
    side = e.flagged or ("output" if e.category == "moderation_output" else "input")
    return Flagged(side, -1 if e.flagged == "input" else None, retract=shown)
