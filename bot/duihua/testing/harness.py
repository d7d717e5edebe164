"""Runs a skill as the engine would, or in the engine itself, without a key."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import tzinfo
from typing import Any

import httpx
import orjson
from pydantic import BaseModel

from duihua.errors import TurnError
from duihua.events import AnyEvent, SkillProgress, TurnFailed, TurnFinished
from duihua.following import Reply
from duihua.messages import Attachment, Author, Call, TurnRef, call_id
from duihua.ports import CallDelta, Skill
from duihua.skills.contract import AskUser, Context
from duihua.skills.guard import Guard
from duihua.skills.runner import MAX_RESULT, run
from duihua.skills.settings import read
from duihua.testing.engines import scripted_engine
from duihua.testing.scripted import Entry, ScriptedModel


class SkillHarness:
    """Tries one skill: by arguments, or by a whole turn of a real engine whose model follows a script.

        harness = SkillHarness(dice)
        call = await harness.call(count=2)
        reply = await harness.turn("Roll two.", harness.asks(count=2), "There you are.")
        assert reply.calls[0].result == call.result

    Args:
        skill: what `@skill` made.
        settings: the skill's settings: an instance of its model, or the texts that
            DUIHUA_SKILL_<NAME>_<SETTING> would give (lower case).
        user: who asks.
        locale: `zh` or `en`.
        timezone: of the user, None for the machine's.
        http: the client that the skill is given; None: one behind the guard, as in use: it reaches the hosts
            that the skill declares and the addresses that are written into its `settings`.
        networks: those that the guard counts as public, as DUIHUA_SKILLS_NETWORKS does: `127.0.0.0/8` for a
            server of the test's own.
        approved: whether a person has consented. Without it a call that needs consent comes back `held`.
        limit: characters of a result, at most; a turn keeps to the engine's own.
        clock: what the skill sees as the time; see `Clock`.

    Raises:
        ConfigError: the skill does not take these settings.

    Attributes:
        progress: what the skill has reported.
        files: the attachments that were shown.
        errors: exceptions of the skill that the model saw a generic line for.
    """

    def __init__(
        self,
        skill: Skill,
        *,
        settings: Mapping[str, str] | BaseModel | None = None,
        user: Author | None = None,
        locale: str = "zh",
        timezone: tzinfo | None = None,
        http: httpx.AsyncClient | None = None,
        networks: Sequence[str] = (),
        approved: bool = False,
        limit: int = MAX_RESULT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.skill, self.user = skill, user or Author(1, "tester")
        self.settings = settings if isinstance(settings, BaseModel) else read(skill, settings or {})
        self._written = _written(settings)
        self.locale, self.timezone, self.http, self.networks = locale, timezone, http, networks
        self.approved, self.limit, self.clock = approved, limit, clock
        self.progress: list[str] = []
        self.files: list[Attachment] = []
        self.errors: list[BaseException] = []
        self._calls = 0

    async def call(self, **arguments: Any) -> Call:
        """One call with these arguments, as JSON would carry them."""
        return await self.call_json(orjson.dumps(arguments, default=_plain).decode())

    async def call_json(self, arguments: str) -> Call:
        """One call with the text that a model wrote; `state` is done, failed or held."""
        self._calls += 1
        call = Call(
            id=call_id(TurnRef(1, self._calls), 0, 0),
            name=self.skill.name,
            arguments=arguments,
            effect=self.skill.effect,
        )
        try:
            async with self._client() as http:
                return await self._run(call, http)
        except AskUser as e:
            return _held(call, str(e))

    def asks(self, **arguments: Any) -> CallDelta:
        """The call as a model asks for it: an entry of a turn's script. More in one answer: a list."""
        self._calls += 1
        text = orjson.dumps(arguments, default=_plain).decode()
        return CallDelta(self._calls, f"call-{self._calls}", self.skill.name, text)

    async def turn(self, text: str, *script: Entry) -> Reply:
        """A turn from a person's words to the answer, in an engine with this skill alone.

        Where consent is needed, the turn ends with `finish` `approval`; if the harness is `approved`, the
        person consents and the reply is that of the turn that follows, with the calls of both.

        Args:
            text: what the person says.
            script: the model's answers in their order, one for each time it is asked: see `ScriptedModel`.

        Raises:
            ScriptError: the model was asked more often, or not as often.
            TurnError: there was no answer.
        """
        model = ScriptedModel(script)
        async with self._client() as http:
            skill = replace(self.skill, run=functools.partial(self._equipped, http), settings=None)
            return await self._turned(text, model, skill, len(script))

    async def _turned(self, text: str, model: ScriptedModel, skill: Skill, entries: int) -> Reply:
        async with scripted_engine(model, skills=[skill], clock=self.clock, lang=self.locale) as engine:
            session = engine.session("test", name=self.user.name)
            try:
                end = await self._heard(session.say(text))
                for held in await session.held() if self.approved else ():
                    end = await self._heard(session.events(await session.decide(held.call.id, True)))
            except TurnError:
                if len(model.requests) > entries:
                    model.check()  # this is why
                raise
            calls = tuple(c for t in await session.history() for s in t.steps for c in s.calls)
        return Reply(end.text, calls, end.usage, end.model, end.finish, end.turn)

    async def _heard(self, events: AsyncIterator[AnyEvent]) -> TurnFinished:
        async for event in events:
            match event:
                case SkillProgress():
                    self.progress.append(event.text)
                case TurnFailed():
                    raise TurnError(event.error, event.values)
                case TurnFinished():
                    return event
                case _:
                    pass
        raise TurnError("superseded")

    async def _equipped(self, http: httpx.AsyncClient, arguments: Mapping[str, Any], context: Any) -> Any:
        """The skill with what this harness was given in place of what the engine has."""
        zone = self.timezone or context.timezone
        return await self.skill.run(
            arguments, replace(context, settings=self.settings, timezone=zone, http=http)
        )

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[httpx.AsyncClient]:
        if self.http is not None:
            yield self.http
            return
        guard = Guard(networks=self.networks)
        try:
            async with guard.client(self.skill, self._written) as http:
                yield http
        finally:
            await guard.aclose()

    async def _run(self, call: Call, http: httpx.AsyncClient) -> Call:
        context = Context(
            session="test",
            user=self.user,
            locale=self.locale,
            timezone=self.timezone,
            settings=self.settings,
            http=http,
            progress=self.progress.append,
            attach=self.files.append,
            approved=self.approved,
            clock=self.clock,
        )
        return await run(call, self.skill, context, limit=self.limit, on_error=self.errors.append)


def _written(settings: Mapping[str, str] | BaseModel | None) -> Mapping[str, str]:
    """The texts of settings as an operator writes them."""
    if not isinstance(settings, BaseModel):
        return settings or {}
    return {name: str(value) for name, value in settings.model_dump(mode="json", exclude_unset=True).items()}


def _held(call: Call, question: str) -> Call:
    return Call(call.id, call.name, call.arguments, "held", question, call.effect)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} has no JSON form")
