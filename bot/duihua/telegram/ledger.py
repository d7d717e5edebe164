"""The messages that show one turn: what the store knows of each, and what it was last made to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from duihua.errors import DeliveryError, SendUnknown
from duihua.messages import Attachment, TurnRef
from duihua.showing import ShownStore
from duihua.telegram.api import Api
from duihua.telegram.methods import Buttons, Content
from duihua.telegram.place import Place
from duihua.telegram.text import Formatted

QUESTIONS, FILES = 500, 1_000
"""Parts from these numbers on are questions, by the place of their call in the answer, and files."""
EMPTY = Formatted("…")
"""What a message says that is not to be and cannot be deleted."""


@dataclass(slots=True)
class Ledger:
    """The messages of one turn: what the store knows, and what each was last made to say.

    `replaces`: the turn whose messages it takes over before it shows anything, 0 for none.
    """

    store: ShownStore
    ref: TurnRef
    ids: dict[int, int] = field(default_factory=dict[int, int])
    said: dict[int, tuple[Content, Buttons]] = field(default_factory=dict[int, tuple[Content, Buttons]])
    replaces: int = 0
    _first: bool = False

    async def load(self) -> None:
        """Reads what was shown before, by this process or an earlier one."""
        for shown in await self.store.shown(self.ref):
            if shown.external:
                self.ids.setdefault(shown.part, int(shown.external))

    async def next(self) -> bool:
        """Whether all that comes before this turn in the chat has been sent."""
        self._first = self._first or not await self.store.owed_before(self.ref)
        return self._first

    async def take_over(self, api: Api, place: Place) -> None:
        """Makes the messages of the turn that this one replaces its own; its questions and files go.

        Nothing that comes before this turn may still be sent then. It may be cut off anywhere and done again.
        """
        if not self.replaces:
            return
        old = TurnRef(self.ref.session, self.replaces)
        beside = [it for it in await self.store.shown(old) if it.part >= QUESTIONS]
        if beside:
            await api.delete(place, [int(it.external) for it in beside if it.external])
            await self.store.unshow(old, [it.part for it in beside])
        await self.store.reshow(old, self.ref)
        await self.load()
        self.replaces = 0

    async def put(self, api: Api, place: Place, part: int, text: Content, buttons: Buttons = ()) -> None:
        """Makes a part's message say this: it is changed or sent, whichever it takes, in one call.

        Raises:
            NotSent, SendUnknown, Gone: as `Api` says.
        """
        if (message := self.ids.get(part)) is not None:
            if await api.edit(place, message, text, buttons=buttons):
                self.said[part] = text, buttons
                return
            del self.ids[part]
        await self._new(part, lambda: api.send(place, text, buttons=buttons))
        self.said[part] = text, buttons

    async def attach(self, api: Api, place: Place, part: int, file: Attachment) -> None:
        """Sends a file as a part.

        Raises:
            Refused: Telegram does not take this one. NotSent, SendUnknown, Gone: as `Api` says.
        """
        await self._new(part, lambda: api.file(place, file))

    async def drop(self, api: Api, place: Place, parts: Sequence[int]) -> None:
        """Deletes the messages of parts that are not to be, or empties them if they are too old for that.

        Raises:
            NotSent, Gone: as `Api` says.
        """
        if not parts:
            return
        messages = [self.ids[part] for part in parts]
        if not await api.delete(place, messages):
            for message in messages:
                await api.edit(place, message, EMPTY)
        await self.store.unshow(self.ref, parts)
        for part in parts:
            del self.ids[part]

    async def _new(self, part: int, send: Callable[[], Awaitable[int]]) -> None:
        """Sends a part that is not there; the store knows at any moment whether it may be."""
        await self.store.show(self.ref, part)
        try:
            message = await send()
        except DeliveryError as e:
            if not isinstance(e, SendUnknown):
                await self.store.unshow(self.ref, [part])
            raise
        await self.store.show(self.ref, part, str(message))
        self.ids[part] = message

    def says(self, part: int, text: Content, buttons: Buttons = ()) -> bool:
        """Whether a part's message is known to say this."""
        return part in self.ids and self.said.get(part) == (text, tuple(buttons))
