"""One call of a skill, made as a turn makes it: journal, consent, context and limits are the real ones.

The model of the turn is a script that asks for this call; the conversation is kept in memory alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from duihua.errors import NotFound, TurnError
from duihua.events import SkillAttached, SkillFinished, SkillProgress, TurnFailed
from duihua.messages import Address, Attachment, Call
from duihua.ports import CallDelta, Limits, Request
from duihua.testing.scripted import STRICT, ScriptedModel

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.engine import ChatEngine
    from duihua.handing_in import Ticket
    from duihua.ports import Skill
    from duihua.session import Session

_ROOM = replace(STRICT, soft=Limits(1 << 24, 1 << 24), hard=Limits(1 << 24, 1 << 24))


class Trial:
    """A call of one skill, with what came of it.

    Args:
        skill: what is called.
        arguments: JSON text, as a model would write it.
        settings: as the program has them; the database is not touched.
        progress: is told what the skill reports.
    """

    def __init__(
        self, skill: Skill, arguments: str, settings: Settings, progress: Callable[[str], None]
    ) -> None:
        from duihua.engine import ChatEngine

        asked = CallDelta(0, "", skill.name, arguments)

        def script(request: Request) -> CallDelta | str:
            return "." if model.requests[1:] else asked

        model = ScriptedModel(script, _ROOM)
        alone = {"database_url": "sqlite+aiosqlite://", "memory_model": "none", "persona": "default"}
        alone["mcp_servers"] = ""
        self.engine: ChatEngine = ChatEngine(
            "scripted/any",
            skills=[skill],
            settings=settings.model_copy(update=alone),
            provider={"scripted": model},
        )
        self._progress = progress
        self._attached: list[str] = []
        self._session: Session = self.engine.session(Address("terminal", "skills"))

    async def begin(self) -> Call:
        """Asks for the call; it is done, failed, or held with the question that the skill has."""
        return await self._end(await self._session.submit("."))

    async def decide(self, call: Call, approve: bool) -> Call:
        """Answers a held call."""
        return await self._end(await self._session.decide(call.id, approve))

    async def files(self) -> list[Attachment]:
        """What the call brought beside its result."""
        found = [await self._session.attachment(id_) for id_ in self._attached]
        return [file for file in found if file is not None]

    async def _end(self, ticket: Ticket) -> Call:
        ended = ""
        async for event in self._session.events(ticket):
            match event:
                case SkillProgress():
                    self._progress(event.text)
                case SkillAttached():
                    self._attached.append(event.attachment)
                case SkillFinished():
                    ended = event.call
                case TurnFailed() if not ended:
                    raise TurnError(event.error, event.values)
                case _:
                    pass
        stored = await self.engine.store.stored_call(ended) if ended else (await self._session.held())[0]
        if stored is None:
            raise NotFound("call", ended)
        return stored.call
