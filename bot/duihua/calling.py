"""The skills of a turn: calls are journaled before they run, and held calls are decided.

A `write` call is stored as running before its skill is entered. Found so by a later attempt it is `unknown`
for ever after; a stored result is never made again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from duihua.actions import is_chinese
from duihua.codec import sound
from duihua.errors import AskUser
from duihua.events import (
    ApprovalRequested,
    Notice,
    SkillFinished,
    SkillProgress,
    SkillStarted,
)
from duihua.fragments import sealed
from duihua.keeping import Keeping
from duihua.messages import (
    SETTLED,
    Attachment,
    Author,
    Call,
    Decision,
    Step,
    Text,
    TurnRef,
    call_id,
    text_of,
)
from duihua.ports import (
    Finish,
    Outcome,
    Skill,
)
from duihua.running import Said, whole
from duihua.skills.contract import Context
from duihua.skills.runner import needs_consent, run

CALLS = 16
"""Calls of one answer that are run; a model that asks for more is told so."""

TOO_MANY = f"Not run, nor any call after it: at most {CALLS} in one answer."

T = TypeVar("T")


class Calling(Keeping):
    """The part of a turn that has to do with skills."""

    async def _journal(self, number: int, said: Said, finish: Finish) -> None:
        brief = self._brief
        calls: list[Call] = []
        for index, (name, arguments) in enumerate(list(said.calls.values())[: CALLS + 1]):
            skill = self._skill(name)
            call = Call(
                id=call_id(self.turn.ref, number, index),
                name=name,
                arguments=sound(arguments),
                effect=skill.effect if skill else "read",
            )
            if index == CALLS:
                call = replace(call, state="failed", result=TOO_MANY)
            elif skill is not None and await self._asks(skill, call):
                call = replace(call, state="held")
            calls.append(call)
        step = Step(said.parts(), tuple(calls), brief.dialect.name)
        expires = self._expires() if any(c.state == "held" for c in calls) else 0

        async def write() -> None:
            await self.store.step(
                self.fence, number, step, usage=finish.usage, micros=said.micros, expires=expires
            )
            self.steps.append(step)
            self.said = Said()

        await whole(write())

    async def _asks(self, skill: Skill, call: Call) -> bool:
        """Whether a person is asked before a call: not about what is refused, nor about what is done."""
        if not needs_consent(skill, call) or await self._barred(skill):
            return False
        return await self._done_before(call) is None

    async def _calls(self) -> bool:
        """Runs the last step's calls that have no result yet; True if one of them waits for a person."""
        number = len(self.steps) - 1
        open_calls = [c for c in self.steps[number].calls if c.state not in SETTLED and c.state != "held"]
        if open_calls:
            await _together([self._call(call, number) for call in open_calls])
        return any(c.state == "held" for c in self.steps[number].calls)

    async def _call(self, call: Call, number: int | None, *, approved: bool = False) -> Call:
        """Runs one call; its result is stored before anything else happens with it."""
        skill = self._skill(call.name)
        files: list[Attachment] = []
        self._emit(SkillStarted, call=call.id, name=call.name, arguments=call.arguments)
        if skill is not None and call.state != "running" and (why := await self._refusal(skill)):
            return await self._set(replace(call, state="failed", result=why), number)
        if call.effect == "write":
            if call.state == "running":  # an earlier attempt was cut while it ran
                return await self._set(replace(call, state="unknown", result=""), number)
            if (earlier := await self._done_before(call)) is not None:
                await self._attached_before([earlier.id])
                return await self._set(replace(call, state="done", result=earlier.result), number)
            await self._set(replace(call, state="running"), number)
        began = time.monotonic()
        try:
            result = await run(
                call,
                skill,
                replace(self._context(call, skill, approved), attach=files.append),
                known=[tool.name for tool in self._brief.tools],
                limit=self._longest,
                room=self._room,
                keep=self._whole(call, files),
            )
        except AskUser as e:
            result = replace(call, state="failed" if approved else "held", result=str(e))
        took = round((time.monotonic() - began) * 1000)
        return await self._set(result, number, files, took=took)

    async def _barred(self, skill: Skill) -> str:
        gate = self._brief.gate
        return await gate.barred(skill, self.work.address, self.work.asker) if gate else ""

    async def _refusal(self, skill: Skill) -> str:
        """Why a call is not run, for the model; empty: it is."""
        gate = self._brief.gate
        return await self._barred(skill) or (gate.too_often(skill, self.work.asker) if gate else "")

    async def _done_before(self, call: Call) -> Call | None:
        """The same write, done by an earlier answer to the same input: a retry does not do it again."""
        if self.work.kind not in ("retry", "edit") or call.effect != "write":
            return None
        done = (c for t in await self.store.beside(self.turn) for s in t.steps for c in s.calls)
        same, skill = [c for c in done if c.state == "done" and c.name == call.name], self._skill(call.name)
        wanted = _meant(skill, call.arguments)
        return next((c for c in same if _meant(skill, c.arguments) == wanted), None)

    async def _set(
        self, call: Call, number: int | None, files: Sequence[Attachment] = (), *, took: int | None = None
    ) -> Call:
        """Stores a call's state and result, here as in the database.

        `number`: its step, if of this turn; `took`: how long it ran, in ms.
        """

        async def write() -> None:
            expires = self._expires() if call.state == "held" else 0
            await self.store.call(
                self.fence, call.id, call.state, call.result, expires=expires, files=files, took=took
            )
            if number is not None:
                step = self.steps[number]
                calls = tuple(call if c.id == call.id else c for c in step.calls)
                self.steps[number] = replace(step, calls=calls)

        await whole(write())
        self._attached(call, files)
        if call.state in SETTLED:
            self._emit(SkillFinished, call=call.id, name=call.name, state=call.state, result=call.result)
            if call.state == "unknown":
                self._emit(Notice, code="unknown_call", values={"name": call.name})
        return call

    def _context(self, call: Call, skill: Skill | None, approved: bool) -> Context:
        brief = self._brief

        def progress(text: str) -> None:
            self._emit(SkillProgress, call=call.id, name=call.name, text=text)

        user = self.turn.author or Author(self.work.owner)
        return Context(
            session=self.work.address.key,
            user=user,
            locale=_language(text_of(self.turn.input)) or brief.locale,
            timezone=brief.timezone,
            deadline=self._deadline,
            settings=brief.skill_settings.get(call.name, {}),
            approved=approved,
            http=brief.http(skill) if brief.http and skill else None,
            memory=self.recollection.own(self.holder, self.turn),
            progress=progress,
            clock=self.rules.clock,
            reminders=brief.reminds(self.work, user.id or self.work.owner) if brief.reminds else None,
            draw=brief.draw,
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
        if stored.asker and self.work.asker != stored.asker:
            return self._failed("not_asker")
        call, again = stored.call, self.fence.attempt > 1
        if call.state == "held" and not await self._stands(stored.ref):
            return self._failed("no_call")  # what led to it was taken back, or asked anew
        if call.state == "held" and not decision.approve:
            call = await self._set(replace(call, state="refused"), None)
        elif call.state == "held" and stored.expires and stored.expires <= self._came():
            call = await self._set(replace(call, state="refused", result="expired"), None)
            self._emit(Notice, code="expired", values={"name": call.name})
        elif call.state == "held" or (call.state == "running" and again):
            call = await self._call(call, None, approved=True)
        elif call.state not in SETTLED:
            return self._failed("no_call")  # nobody was asked about it
        self.history.drop(self.turn.ref)
        await self._read_past()
        last = next((t for t in reversed(self.past) if t.steps), None)
        if last is not None and last.ref == stored.ref:
            waits = any(c.state == "held" for c in last.steps[-1].calls)
            return self._end("done", "approval") if waits else None
        if all(t.ref != stored.ref for t in self.past):
            # It has left the window: the model reads the result as a message of its own.
            note = f"[{call.name} {call.arguments}] {call.state}: {sealed(call)}"
            self.turn = replace(self.turn, input=(*self.turn.input, Text(note)), memo={})
        return None

    async def _stands(self, ref: TurnRef) -> bool:
        """Whether a turn is still part of the conversation: not undone, edited, or answered anew."""
        limit = self.turn.ref.seq - ref.seq + 1
        path = await self.store.path(ref.session, self.turn.parent, since=ref.seq, limit=limit)
        return any(turn.ref == ref for turn in path)


def _meant(skill: Skill | None, arguments: str) -> Any:
    """Arguments as the skill reads them: spaces, order and defaults that are spelled out do not matter."""
    try:
        return skill.validate(arguments) if skill is not None else arguments
    except Exception:  # what does not fit comes back to the model; the skill's own types may raise anything
        return arguments


def _language(text: str) -> str:
    """The language to answer in, as far as the question tells."""
    if not any(c.isalpha() for c in text):
        return ""
    return "zh" if is_chinese(text) else "en"


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
