"""A running turn as it is shown in a chat: frames, each a call, as often as the governor lets them through.

By *edit* the answer's own messages grow; by *draft* what is unfinished is a draft, and only full messages are
sent; *final* shows that the bot is at work, no more. A view never finishes anything: when it ends, `send` of
the front end makes the messages what they are to be.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from duihua.errors import DeliveryError, Gone, NotSent, SendUnknown, StorageError
from duihua.escapes import one_line
from duihua.events import (
    END,
    AnyEvent,
    Retracted,
    SkillFinished,
    SkillProgress,
    SkillStarted,
    TextDelta,
    ThinkingDelta,
    TurnRestarted,
    TurnStarted,
)
from duihua.messages import TurnRef
from duihua.redact import where
from duihua.showing import ShownStore
from duihua.shown import Shown
from duihua.telegram.api import Api, Button, Buttons
from duihua.telegram.place import Place
from duihua.telegram.text import Formatted, Stream, joined, units
from duihua.telegram.thoughts import ENTITIES, THOUGHT, above, quote_of
from duihua.telegram.thoughts import LIMIT as BELOW

log = logging.getLogger(__name__)

Transport = Literal["draft", "edit", "final"]

EVERY = {"edit": 3.2, "draft": 1.0, "final": 5.0}
"""Seconds from frame to frame, at least. A group's twenty a minute leave room for an edit every 3.16."""
KEEP_ALIVE = 25.0
"""Seconds after which a draft is shown again, for it lives thirty."""
LIMIT = 4_096
FILES = 1_000
"""Parts from this number on are files."""
STATUS = 120
"""Characters of the line that tells what a skill does."""


@dataclass(slots=True)
class Ledger:
    """The messages of one turn: what the store knows, and what each was last made to say.

    `replaces`: the turn whose messages it takes over before it shows anything, 0 for none.
    """

    store: ShownStore
    ref: TurnRef
    ids: dict[int, int] = field(default_factory=dict[int, int])
    said: dict[int, tuple[Formatted, Buttons]] = field(default_factory=dict[int, tuple[Formatted, Buttons]])
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
        """Makes the messages of the turn that this one replaces its own; the files of that one go.

        Nothing that comes before this turn may still be sent then. It may be cut off anywhere and done again.
        """
        if not self.replaces:
            return
        old = TurnRef(self.ref.session, self.replaces)
        files = [it for it in await self.store.shown(old) if it.part >= FILES]
        if files:
            await api.delete(place, [int(it.external) for it in files if it.external])
            await self.store.unshow(old, [it.part for it in files])
        await self.store.reshow(old, self.ref)
        await self.load()
        self.replaces = 0

    async def put(self, api: Api, place: Place, part: int, text: Formatted, buttons: Buttons = ()) -> None:
        """Makes a part's message say this: it is changed or sent, whichever it takes, in one call.

        Raises:
            NotSent, SendUnknown, Gone: as `Api` says.
        """
        if (message := self.ids.get(part)) is not None:
            if await api.edit(place, message, text, buttons=buttons):
                self.said[part] = text, buttons
                return
            del self.ids[part]
        await self.store.show(self.ref, part)
        try:
            message = await api.send(place, text, buttons=buttons)
        except (NotSent, Gone):
            await self.store.unshow(self.ref, [part])
            raise
        await self.store.show(self.ref, part, str(message))
        self.ids[part] = message
        self.said[part] = text, buttons

    def says(self, part: int, text: Formatted, buttons: Buttons = ()) -> bool:
        """Whether a part's message is known to say this."""
        return part in self.ids and self.said.get(part) == (text, tuple(buttons))


class Live:
    """The live view of one turn.

    Args:
        status: the line that tells what a skill does, of its name and arguments.
        stop: the word on the button that stops the answer.
        clock: seconds.
    """

    def __init__(
        self,
        api: Api,
        place: Place,
        ledger: Ledger,
        transport: Transport,
        *,
        status: Callable[[str, str], str],
        stop: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._place, self.ledger, self._transport = api, place, ledger, transport
        self._describe, self._thoughts, self._clock = status, False, clock
        self._buttons = ((Button(stop, data=f"stop:{ledger.ref.seq}"),),)
        self._shown, self._stream = Shown(), self._anew()
        self._fresh: list[str] = []  # what came since the last frame: the stream reads it at once
        self._status, self._thought = "", ""
        self._above = Formatted()  # the quote of what was thought
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._calling = asyncio.Lock()
        self._last: Formatted | None = None  # of the draft
        self._visible = False  # whether there was anything to show
        self._begun = -math.inf  # when the last call was made

    def show_thoughts(self) -> None:
        """What the model thinks is shown, above what it says; to be called before `follow`."""
        self._thoughts = True
        self._stream = self._anew()

    async def follow(self, events: AsyncIterator[AnyEvent]) -> None:
        """Shows a turn's events to their end, or until `finish`."""
        frames = asyncio.create_task(self._frames(), name="duihua telegram frames")
        try:
            async for event in events:
                if self._ended.is_set():
                    break
                if isinstance(event, (TurnStarted, TurnRestarted)) and event.replaces:
                    self._replace(event.replaces)
                self._apply(event)
                if isinstance(event, (*END, Retracted)):
                    break
        finally:
            await self.finish()  # a call that is cut off may have been carried out
            frames.cancel()
            await asyncio.gather(frames, return_exceptions=True)

    async def finish(self) -> None:
        """No frame is sent from now on; what is on its way is waited for."""
        self._ended.set()
        self._changed.set()
        async with self._calling:
            pass

    def _anew(self) -> Stream:
        return Stream(BELOW, ENTITIES) if self._thoughts else Stream()

    def whole(self, text: str) -> tuple[Formatted, ...] | None:
        """The messages of the finished answer, if it is what was followed to its end; None: render it."""
        if self._shown.text != text:
            return None
        self._read()
        return self._stream.finish()

    def _replace(self, turn: int) -> None:
        """The answer stands where another one is; a draft would stand below, and leave that one as it is."""
        self.ledger.replaces = turn
        if self._transport == "draft":
            self._transport = "edit"

    # ------------------------------------------------------------ what there is to show

    def _apply(self, event: AnyEvent) -> None:
        match event:
            case TextDelta() if (change := self._shown.apply(event)) is not None:  # by far the most
                self._fresh.append(change.text)
            case SkillStarted():
                self._status = one_line(self._describe(event.name, event.arguments), STATUS)
            case SkillProgress():
                self._status = one_line(event.text, STATUS)
            case SkillFinished():
                self._status = ""
            case ThinkingDelta() if self._thoughts:
                self._thought = (self._thought + event.text)[-2 * THOUGHT :]
            case _:
                if isinstance(event, TurnRestarted):
                    self._thought = ""
                if (change := self._shown.apply(event)) is not None:
                    if change.replaces or isinstance(event, TurnRestarted):
                        self._stream, self._fresh, self._visible = self._anew(), [], False
                    self._fresh.append(change.text)
        self._changed.set()

    def _read(self) -> None:
        self._stream.feed("".join(self._fresh))
        self._fresh.clear()

    def _wanted(self) -> tuple[list[Formatted], Formatted | None]:
        """The messages that are full, and the one that grows."""
        self._read()
        frame = self._stream.frame()
        full, growing = [*frame.sealed, *frame.open[:-1]], [*frame.open[-1:]]
        if not full:  # a full message is not changed for every thought
            self._above = quote_of(self._thought)
        if self._above.text:
            full, growing = above(self._above, full), growing if full else [joined([self._above, *growing])]
        if self._status:
            line = Formatted(self._status)
            if not growing or growing[0].units + units(self._status) + 2 <= LIMIT:
                growing = [joined([*growing, line])]
        return full, growing[0] if growing else None

    # ------------------------------------------------------------ frames

    async def _frames(self) -> None:
        """Sends what changed, one call at a time, until the end."""
        pause = 0.0
        while not self._ended.is_set():
            if pause > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._ended.wait()
                        return
            timeout = KEEP_ALIVE if self._transport == "draft" and self._last else None
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            self._changed.clear()
            every = EVERY[self._transport]
            try:
                pause = self._begun + every - self._clock() if await self._frame() else 0.0
            except NotSent as e:
                pause = max(every, e.retry_after)
                self._changed.set()
            except (SendUnknown, Gone) as e:
                log.info("the live view of a turn ends: %s", e)
                return
            except (DeliveryError, StorageError) as e:
                log.warning("the live view of a turn ends: %s", e)
                return
            except Exception as e:
                log.error("the live view of a turn ends: %s", where(e))
                return

    async def _frame(self) -> bool:
        """Makes the one call that is needed most; False: none is."""
        if self._transport == "final":
            self._begun = self._clock()
            await self._api.typing(self._place)
            self._changed.set()
            return True
        self._visible = self._visible or self._wanted() != ([], None)
        if not self._visible:
            return False
        async with self._api.turn(self._place, "frame"), self._calling:
            if self._ended.is_set():
                return False
            self._begun = self._clock()
            full, growing = self._wanted()
            for part, text in enumerate(full):
                if not self.ledger.says(part, text):
                    await self._turn_to_send()
                    await self.ledger.put(self._api, self._place, part, text)
                    self._last = None  # a message takes the draft's place
                    self._changed.set()
                    return True
            if growing is None:
                return False
            if self._transport == "draft":
                if await self._api.draft(self._place, self.ledger.ref.seq & 0x7FFFFFFF or 1, growing):
                    self._last = growing
                    return True
                self._transport = "edit"  # there are no drafts here
            part = len(full)
            if self.ledger.says(part, growing, self._buttons):
                return False
            await self._turn_to_send()
            await self.ledger.put(self._api, self._place, part, growing, self._buttons)
        return True

    async def _turn_to_send(self) -> None:
        """Raises NotSent while an earlier answer waits to be sent: messages stand in the order of turns."""
        if not await self.ledger.next():
            raise NotSent("an earlier answer comes first", 0.5)
        await self.ledger.take_over(self._api, self._place)
