"""What the calls of a turn leave behind beside their results: files for the user, and long results whole.

Both are stored in one transaction with the call's result, as attachments of the call's turn, and are erased
with it. The files are named in the turn's last answer and told by its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from duihua.composition import room_of
from duihua.errors import SkillError
from duihua.events import SkillAttached
from duihua.messages import Attachment, Call, Decision
from duihua.ports import Skill, ToolSpec
from duihua.running import Running
from duihua.skills.files import Room, ids
from duihua.skills.more import GONE, clipped_in, kept, kept_id, page, read_more
from duihua.skills.runner import MAX_RESULT

SHORTEST = 1_000
"""Characters of a result that are shown, however small the window."""


class Keeping(Running):
    """The part of a turn that keeps what its calls leave behind."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._room = Room()

    @property
    def _longest(self) -> int:
        """Characters of one result that the model is shown: half its window, if that is small."""
        return int(max(SHORTEST, min(MAX_RESULT, room_of(self._brief.dialect) // 2)))

    def _skill(self, name: str) -> Skill | None:
        """The skill of a call: `read_more`, or one of the brief's."""
        if name == read_more.name:
            return replace(read_more, run=self._read_more)
        return self._brief.skills.get(name)

    def _tools(self) -> tuple[ToolSpec, ...]:
        """The skills that are offered; `read_more` where there is something to read on."""
        tools = super()._tools()
        if not tools:
            return tools
        current = replace(self.turn, steps=tuple(self.steps))
        return (*tools, read_more.spec) if clipped_in((*self.past, current)) else tools

    async def _read_more(self, arguments: Mapping[str, Any], context: Any) -> str:
        session = self.turn.ref.session
        id_ = kept_id(f"{session}.{arguments['call']}")
        found = await self.store.attachments([id_], session=session)
        if not found:
            raise SkillError(GONE)
        return page(found[0].data, arguments["offset"], self._longest)

    def _whole(self, call: Call, files: list[Attachment]) -> Callable[[bytes], None]:
        """Keeps the whole of a long result of `call` among `files`."""

        def keep(data: bytes) -> None:
            files.append(kept(call.id, data))

        return keep

    def _attached(self, call: Call, files: Sequence[Attachment]) -> None:
        """Tells of the files of a call, which are stored."""
        for file in files:
            if file.id == kept_id(call.id):
                continue
            self.attached[file.id] = file.part
            self._emit(
                SkillAttached,
                call=call.id,
                name=call.name,
                attachment=file.id,
                media=file.media,
                mime=file.mime,
                file=file.name,
                size=len(file.data),
            )

    async def _attached_before(self, calls: Sequence[str]) -> None:
        """Takes up the files of calls that are done: by an earlier attempt, or for an earlier answer."""
        wanted = [id_ for call in calls for id_ in ids(call)]
        found = {file.id: file.part for file in await self.store.attachments(wanted)}
        self.attached |= {id_: found[id_] for id_ in wanted if id_ in found}

    async def _take_up_files(self) -> None:
        """After a crash: what the turn's calls had brought."""
        if self.fence.attempt == 1:
            return
        done = [c.id for step in self.steps for c in step.calls if c.state == "done"]
        done += [part.call for part in self.turn.input if isinstance(part, Decision)]
        await self._attached_before(done)
