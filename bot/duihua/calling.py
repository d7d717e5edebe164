"""The skills of a turn: calls are journaled before they run, and held calls are decided.

A `write` call is stored as running before its skill is entered. Found so by a later attempt it is `unknown`
for ever after; a stored result is never made again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from duihua.actions import is_chinese
from duihua.asking import TOO_LONG, shown
from duihua.codec import sound
from duihua.errors import AskUser
from duihua.events import (
    ApprovalRequested,
    Notice,
    SkillFinished,
    SkillProgress,
    SkillStarted,
)
from duihua.keeping import Keeping
from duihua.messages import (
    EXPIRED,
    SETTLED,
    WITHDRAWN,
    Attachment,
    Author,
    Call,
    Decision,
    Step,
    TurnRef,
    Usage,
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
from duihua.skills.lenient import plain
from duihua.skills.runner import read, run
from duihua.skills.schema import identity

CALLS = 16
"""Calls of one answer that are run; a model that asks for more is told so."""

TOO_MANY = f"Not run, nor any call after it: at most {CALLS} in one answer."

DONE = "Done already, for another answer to the same question, and not done again. What it returned then:\n"

ANOTHER = (
    "Not run: the user was asked about another skill that had this name. Call it again if that is "
    "still wanted; the user will be asked anew."
)

REFUSED = "The user did not consent: it was not done."

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
                arguments=plain(sound(arguments)),  # what is asked, stored and run is one text
                effect=skill.effect if skill else "read",
            )
            if index == CALLS:
                call = replace(call, state="failed", result=TOO_MANY)
            calls.append(call)
        step = Step(said.parts(), tuple(calls), brief.dialect.name)

        async def write() -> None:
            await self.store.step(self.fence, number, step, usage=finish.usage, micros=said.micros)
            self.steps.append(step)
            self.said = Said()

        await whole(write())

    async def _calls(self) -> bool:
        """Runs the last step's calls that have no result yet; True if one of them waits for a person."""
        number = len(self.steps) - 1
        open_calls = [c for c in self.steps[number].calls if c.state not in SETTLED and c.state != "held"]
        if open_calls:
            await _together([self._call(call, number) for call in open_calls])
        return any(c.state == "held" for c in self.steps[number].calls)

    async def _call(self, call: Call, number: int | None, *, approved: bool = False) -> Call:
        """Runs one call, or holds it; its result is stored before anything else happens with it.

        Whether a person must consent, and what the call may do, is decided here: who journaled it may have
        known another skill of that name, or none.
        """
        skill = self._skill(call.name)
        files: list[Attachment] = []
        if call.state == "running":  # an earlier attempt was cut while it ran
            self._started(call)
            return await self._set(replace(call, state="unknown", result=""), number)
        if skill is not None:
            call = replace(call, effect=skill.effect)
            if why := await self._refusal(skill, approved):
                self._started(call)
                return await self._set(replace(call, state="failed", result=why), number)
        began = 0.0

        async def begin(arguments: Mapping[str, Any], asks: bool) -> Call | None:
            nonlocal began
            if (earlier := await self._done_before(call, arguments)) is not None:
                await self._attached_before([earlier.id])
                self._started(call)
                said = earlier.result.removeprefix(DONE)
                return replace(call, state="done", result=DONE + said if approved else said)
            if asks:
                return None
            self._started(call)
            if call.effect == "write":
                await self._set(replace(call, state="running"), number)
            began = time.monotonic()
            return None

        try:
            result = await run(
                call,
                skill,
                replace(self._context(call, skill, approved), attach=files.append),
                known=[tool.name for tool in self._brief.tools],
                limit=self._longest,
                room=self._room,
                keep=self._whole(call, files),
                begin=begin,
            )
        except AskUser as e:
            result = replace(call, state="failed" if approved else "held", result=str(e))
            if result.state == "held" and shown(call.arguments) is None:
                result = replace(call, state="failed", result=TOO_LONG)
        if not began and result.state == "failed":
            self._started(call)
        took = round((time.monotonic() - began) * 1000) if began else None
        return await self._set(result, number, files, took=took)

    def _started(self, call: Call) -> None:
        self._emit(SkillStarted, call=call.id, name=call.name, arguments=call.arguments)

    async def _barred(self, skill: Skill) -> str:
        gate = self._brief.gate
        return await gate.barred(skill, self.work.address, self.work.asker) if gate else ""

    async def _refusal(self, skill: Skill, approved: bool) -> str:
        """Why a call is not run, for the model; empty: it is.

        A call counts when it is asked for: nobody consents to what then comes too often.
        """
        gate = self._brief.gate
        why = await self._barred(skill)
        return why or (gate.too_often(skill, self.work.asker) if gate and not approved else "")

    async def _done_before(self, call: Call, arguments: Mapping[str, Any]) -> Call | None:
        """The same write, done for another answer to the same input: a retry, or a yes, does it no more.

        `arguments` are as the skill reads them: spaces, order and defaults do not matter.
        """
        skill = self._skill(call.name)
        if self.work.kind not in ("retry", "edit", "decision") or call.effect != "write" or skill is None:
            return None
        for one in await self.store.written(call.id, call.name):
            if await read(skill, one.arguments) == arguments:
                return one
        return None

    async def _set(
        self, call: Call, number: int | None, files: Sequence[Attachment] = (), *, took: int | None = None
    ) -> Call:
        """Stores a call's state and result, here as in the database.

        `number`: its step, if of this turn; `took`: how long it ran, in ms.
        """

        async def write() -> None:
            expires = self._expires() if call.state == "held" else 0
            await self.store.call(
                self.fence,
                call.id,
                call.state,
                call.result,
                expires=expires,
                files=files,
                took=took,
                effect=call.effect,
                skill=self._identity(call.name) if call.state == "held" else "",
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
                self._later(
                    ApprovalRequested,
                    call=call.id,
                    name=call.name,
                    arguments=call.arguments,
                    question=call.result,
                )
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
            why = REFUSED if call.result else ""  # in the place of the skill's question
            call = await self._set(replace(call, state="refused", result=why), None)
        elif call.state == "held" and stored.expires and stored.expires <= self._came():
            call = await self._set(replace(call, state="refused", result=EXPIRED), None)
            self._emit(Notice, code="expired", values={"name": call.name})
        elif call.state == "held" and stored.skill and self._identity(call.name) not in ("", stored.skill):
            call = await self._set(replace(call, state="failed", result=ANOTHER), None)
            self._emit(Notice, code="another_skill", values={"name": call.name})
        elif call.state == "held" or (call.state == "running" and again):
            call = await self._call(call, None, approved=True)
        elif call.state not in SETTLED or (call.state == "refused" and call.result == WITHDRAWN):
            return self._failed("no_call")  # nobody was asked about it
        self.history.drop(self.turn.ref)
        await self._read_past()
        last = next((t for t in reversed(self.past) if t.steps), None)
        if last is not None and last.ref == stored.ref:
            waits = any(c.state == "held" for c in last.steps[-1].calls)
            return self._end("done", "approval") if waits else None
        await self._tell(call)
        return None

    async def _tell(self, call: Call) -> None:
        """Tells the model of a call that is not where the talk goes on: again, as a call with its result.

        As words of the user the result would give orders. It is journaled: later turns read the same.
        """
        step = Step((), (replace(call, id=call_id(self.turn.ref, 0, 0)),), self._brief.dialect.name)

        async def write() -> None:
            await self.store.step(self.fence, 0, step, usage=Usage())
            self.steps.append(step)

        await whole(write())

    def _identity(self, name: str) -> str:
        skill = self._skill(name)
        return identity(skill) if skill else ""

    async def _stands(self, ref: TurnRef) -> bool:
        """Whether a turn is still part of the conversation: not undone, edited, or answered anew."""
        limit = self.turn.ref.seq - ref.seq + 1
        path = await self.store.path(ref.session, self.turn.parent, since=ref.seq, limit=limit)
        return any(turn.ref == ref for turn in path)


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
