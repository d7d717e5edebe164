"""Runs a skill as the engine would, without a model or a key."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

import httpx
import orjson
from pydantic import BaseModel

from duihua.messages import Attachment, Author, Call, TurnRef, call_id
from duihua.ports import Skill
from duihua.skills.contract import AskUser, Context
from duihua.skills.runner import MAX_RESULT, needs_consent, run
from duihua.skills.settings import read


class SkillHarness:
    """Calls one skill through the real runner: `(await SkillHarness(weather).call(city="北京")).result`.

    Args:
        skill: what `@skill` made.
        settings: the skill's settings: an instance of its model, or the texts that
            DUIHUA_SKILL_<NAME>_<SETTING> would give (lower case).
        user: who asks.
        locale: `zh` or `en`.
        timezone: of the user, None for the machine's.
        http: the client that the skill is given; None: a new one for every call.
        approved: whether a person has consented. Without it a call that needs consent comes back `held`.
        limit: characters of a result, at most.

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
        approved: bool = False,
        limit: int = MAX_RESULT,
    ) -> None:
        self.skill, self.user = skill, user or Author(1, "tester")
        self.settings = settings if isinstance(settings, BaseModel) else read(skill, settings or {})
        self.locale, self.timezone, self.http = locale, timezone, http
        self.approved, self.limit = approved, limit
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
        if not self.approved and needs_consent(self.skill, call):
            return _held(call, "")
        try:
            if self.http is not None:
                return await self._run(call, self.http)
            async with httpx.AsyncClient(trust_env=False, verify=_certificates()) as http:
                return await self._run(call, http)
        except AskUser as e:
            return _held(call, str(e))

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
        )
        return await run(call, self.skill, context, limit=self.limit, on_error=self.errors.append)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes longer than most calls."""
    return httpx.create_ssl_context(trust_env=False)


def _held(call: Call, question: str) -> Call:
    return Call(call.id, call.name, call.arguments, "held", question, call.effect)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} has no JSON form")
