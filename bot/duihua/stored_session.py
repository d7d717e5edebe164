"""What a session's handle can see: turns, attachments, what waits, reminders, what it used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from duihua.handing_in import Ticket
from duihua.messages import EXPIRED, WITHDRAWN, Attachment, Call, Cost, Turn, Usage
from duihua.place import Handle
from duihua.ports import SessionInfo, Store, StoredCall
from duihua.reminders import Reminder

if TYPE_CHECKING:
    from duihua.preview import ContextView


class StoredSession(Handle):
    """The verbs of looking; only a reminder can be cancelled, too."""

    __slots__ = ()

    async def kept(self) -> tuple[Store, SessionInfo | None]:
        """The store that keeps the conversation, another one while it is private, and its row there."""
        engine, info = await self._place.look()
        return engine.store, info

    async def history(self, limit: int = 50) -> list[Turn]:
        """The newest turns of the current path, oldest first."""
        engine, info = await self._place.look()
        return list(await engine.store.path(info.id, info.head, limit=limit)) if info else []

    async def attachment(self, id_: str) -> Attachment | None:
        """An image or a file of this conversation with its bytes; None: it is not, or no more, here."""
        engine, info = await self._place.look()
        found = await engine.store.attachments([id_], session=info.id) if info else ()
        return found[0] if found else None

    async def context(self, content: str = "", *, count: bool = False) -> ContextView:
        """Exactly what the next request would hold if `content` were said now.

        Args:
            content: the question.
            count: also asks the platform for its own count of the tokens, if it has one.
        """
        engine = await self._place.engine()
        view = await engine.previews.of(
            self.address, content, self._place.name, external=self._place.external
        )
        if not count:
            return view
        counted = await engine.count_tokens(view.text, model=view.model)
        return replace(view, counted=counted.tokens if counted.exact else None)

    async def waiting(self) -> list[Ticket]:
        """The inputs without an answer yet, oldest first: from before a crash, or from another process."""
        engine, info = await self._place.look()
        if info is None:
            return []
        private = engine is not self._place.home
        return [Ticket(info.id, inbox, False, private) for inbox in await engine.store.waiting(info.id)]

    async def attended(self) -> bool:
        """Whether another living process of this machine works on the conversation now."""
        engine, info = await self._place.look()
        if info is None or not info.pending:
            return False
        leases = await engine.store.leases()
        return any(id_ == info.id and engine.lanes.fate(token) == "alive" for id_, token in leases)

    async def held(self) -> list[StoredCall]:
        """The calls that wait for `decide`, oldest first; none whose time is over."""
        engine, info = await self._place.look()
        now = engine.clock() * 1000
        waiting = await engine.store.held(info.id) if info else ()
        return [one for one in waiting if not one.expires or one.expires > now]

    async def lapsed(self, call: str) -> Call | None:
        """A call that waits for `decide` no more, undecided; its `result` is `EXPIRED` or `WITHDRAWN`.

        None: it waits, was decided, or is not of this conversation (any more).
        """
        engine, info = await self._place.look()
        stored = await engine.store.stored_call(call)
        if stored is None or info is None or stored.ref.session != info.id:
            return None
        if stored.call.state == "held" and stored.expires and stored.expires <= engine.clock() * 1000:
            return replace(stored.call, result=EXPIRED)
        return stored.call if stored.call.result in (EXPIRED, WITHDRAWN) else None

    async def reminders(self) -> list[Reminder]:
        """The conversation's reminders, the next one first."""
        engine, info = await self._place.look()
        return list(await engine.supplies.reminders(info.id, info.address, info.owner).all()) if info else []

    async def cancel_reminder(self, id_: int) -> bool:
        """Disarms a reminder of the conversation; False: there is none of this id.

        Raises:
            NotYours: several people share the conversation, someone else has set it, and the person whose
                handle this is is no administrator.
        """
        engine, info = await self._place.look()
        if info is None:
            return False
        return await engine.supplies.reminders(info.id, info.address, await self._place.speaker()).cancel(id_)

    async def usage(self) -> list[tuple[str, int, Usage, Cost | None]]:
        """(model, turns, usage, cost) of the session's owner, over all days; None: no price is known."""
        engine, info = await self._place.look()
        rows = await engine.store.usage(info.owner) if info else ()
        return [
            (model, turns, used, engine.prices.counted(model, micros)) for model, turns, used, micros in rows
        ]
