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
    TurnSnapshot,
    TurnStarted,
)
from duihua.redact import where
from duihua.shown import Shown
from duihua.telegram.api import Api
from duihua.telegram.ledger import Ledger
from duihua.telegram.methods import Button
from duihua.telegram.place import Place
from duihua.telegram.text import Formatted, Stream, joined, units
from duihua.telegram.thoughts import ENTITIES, THOUGHT, above, quote_of
from duihua.telegram.thoughts import LIMIT as BELOW

log = logging.getLogger(__name__)

Transport = Literal["draft", "edit", "final"]

EVERY = {"edit": 3.34, "draft": 1.12, "final": 5.0}
"""Seconds from frame to frame, at least. Eighteen edits a minute leave two of a group's twenty messages.

A draft might be shown every second: a tenth fewer frames cost a tenth less, and nobody sees the difference.
"""
KEEP_ALIVE = 25.0
"""Seconds after which a draft is shown again, for it lives thirty."""
LIMIT = 4_096
STATUS = 120
"""Characters of the line that tells what a skill does."""
GRACE = 0.3
"""Seconds in which a turn may end after something was taken back: its end then says more than we do."""
LOOK = 0.5
"""Seconds after which events are read between two frames: something may have been taken back."""
SOON = 0.02
"""Seconds that a frame may wait for its turn without looking again at what has come."""
CATCH_UP = 1.0
"""Seconds in which the events that are there are read to their end when the view ends."""


class Live:
    """The live view of one turn.

    Args:
        status: the line that tells what a skill does, of its name and arguments.
        stop: the word on the button that stops the answer.
        gone: what stands where something was taken back until there is more to say.
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
        gone: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._place, self.ledger, self._transport = api, place, ledger, transport
        self._describe, self._thoughts, self._clock = status, False, clock
        self._buttons = ((Button(stop, data=f"stop:{ledger.ref.seq}"),),)
        self._gone = Formatted(gone)
        self._shown, self._stream = Shown(), self._anew()
        self._fresh: list[str] = []  # what came since the last frame: the stream reads it at once
        self._status, self._thought = "", ""
        self._above = Formatted()  # the quote of what was thought
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._due = asyncio.Event()  # events are read while it is set, once for each frame
        self._idle = asyncio.Event()  # nobody reads events
        self._idle.set()
        self._hurried = False  # something cannot wait for its time
        self._awake = asyncio.Event()  # a pause ends, or is to be looked at
        self._voiding = False  # what was shown is to vanish
        self._calling = asyncio.Lock()
        self._last: Formatted | None = None  # of the draft
        self._visible = False  # whether there was anything to show
        self._begun = -math.inf  # when the last call was made

    def show_thoughts(self) -> None:
        """What the model thinks is shown, above what it says; to be called before `follow`."""
        self._thoughts = True
        self._stream = self._anew()

    async def follow(self, events: AsyncIterator[AnyEvent]) -> None:
        """Shows a turn's events to their end.

        They are read together when a frame is to be made of them: to wake up for each costs more than itself.
        """
        self._idle.clear()
        due = self._due
        frames = asyncio.create_task(self._frames(), name="duihua telegram frames")
        try:
            async for event in events:
                self._apply(event)
                if isinstance(event, END):
                    break
                if not due.is_set():
                    await due.wait()
        finally:
            self._idle.set()
            await self.finish()  # a call that is cut off may have been carried out
            frames.cancel()
            await asyncio.gather(frames, return_exceptions=True)

    async def finish(self) -> None:
        """No frame is sent from now on; events that are there are read, what is on its way is waited for."""
        self._ended.set()
        self._changed.set()
        self._hurry()
        self._due.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP):
                await self._idle.wait()
        async with self._calling:
            pass

    @property
    def drafted(self) -> bool:
        """Whether a draft may stand, which goes when a message comes."""
        return self._last is not None

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
            case TextDelta():  # by far the most
                if text := self._shown.append(event):
                    self._fresh.append(text)
            case SkillStarted():
                self._status = one_line(self._describe(event.name, event.arguments), STATUS)
            case SkillProgress():
                self._status = one_line(event.text, STATUS)
            case SkillFinished():
                self._status = ""
            case ThinkingDelta() if self._thoughts:
                self._thought = (self._thought + event.text)[-2 * THOUGHT :]
            case _:
                if isinstance(event, (TurnStarted, TurnRestarted)) and event.replaces:
                    self._replace(event.replaces)
                if isinstance(event, (Retracted, TurnRestarted)):
                    self._status = self._thought = ""
                change = self._shown.apply(event)
                # A snapshot stands for what a slow reader has missed, be it that something was taken back.
                if isinstance(event, Retracted) or (isinstance(event, TurnSnapshot) and change):
                    asyncio.get_running_loop().call_later(GRACE, self._void)
                if change is not None:
                    if change.replaces or isinstance(event, TurnRestarted):
                        self._stream, self._fresh, self._visible = self._anew(), [], False
                    self._fresh.append(change.text)
        self._changed.set()

    def _void(self) -> None:
        self._voiding = True
        self._changed.set()
        self._hurry()

    def _hurry(self) -> None:
        self._hurried = True
        self._awake.set()

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

    async def _look(self) -> None:
        """All events that are there are read."""
        self._due.set()
        await asyncio.sleep(0)  # whoever waits for that goes first
        if not self._ended.is_set():
            self._due.clear()

    async def _caught_up(self) -> None:
        """All that has changed is known."""
        await self._look()
        if not self._ended.is_set():
            self._changed.clear()

    async def _pause(self, seconds: float) -> None:
        """Until the next frame, or something that cannot wait for it."""
        loop, until = asyncio.get_running_loop(), self._clock() + seconds
        while (left := until - self._clock()) > 0 and not self._hurried:
            self._awake.clear()
            timer = loop.call_later(min(left, LOOK), self._awake.set)
            await self._awake.wait()
            timer.cancel()
            if left > LOOK:  # else all is read for the frame that comes now
                await self._look()

    async def _frames(self) -> None:
        """Sends what changed, one call at a time, until the end."""
        try:
            await self._call_by_call()
        finally:
            self._due.set()

    async def _call_by_call(self) -> None:
        pause = 0.0
        while not self._ended.is_set():
            await self._pause(pause)
            if self._ended.is_set():
                return
            self._hurried = False
            self._due.set()
            if not self._changed.is_set():
                timeout = KEEP_ALIVE if self._transport == "draft" and self._last else None
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._changed.wait()
            await self._caught_up()
            every = EVERY[self._transport]
            try:
                pause = self._rest(every) if await self._frame() else 0.0
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

    def _rest(self, every: float) -> float:
        """Seconds until the next frame: frames come evenly, whatever else is said in the chat."""
        ago = self._clock() - self._begun
        return max(every, self._api.pace(self._place, ago)) - ago

    async def _frame(self) -> bool:
        """Makes the one call that is needed most; False: none is, or what comes next waits for no pause."""
        if self._transport == "final":
            self._begun = self._clock()
            await self._api.typing(self._place)
            self._changed.set()
            return True
        if self._voiding:
            if self._surplus() != (False, []):
                await self._take_back()
                return True
            self._voiding = False  # the frame changes what there is to change
        self._visible = self._visible or self._wanted() != ([], None)
        if not self._visible:
            return False
        asked = self._clock()
        async with self._api.turn(self._place, "frame", self._wait), self._calling:
            if self._clock() - asked > SOON:
                await self._caught_up()
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
                    return False  # the rest of what was said is shown nowhere until then
            if growing is None:
                return False
            part = len(full)
            if self._transport == "draft" and part not in self.ledger.ids:
                if await self._draft(growing):
                    return True
                self._transport = "edit"  # there are no drafts here
            if self.ledger.says(part, growing, self._buttons):
                return False
            await self._turn_to_send()
            await self.ledger.put(self._api, self._place, part, growing, self._buttons)
        return True

    async def _wait(self, granted: asyncio.Future[None]) -> None:
        """Waits until a frame may be sent. Events are read meanwhile: in a group that may take a minute.

        Raises:
            NotSent: there is something that cannot wait for it.
        """
        while not (await asyncio.wait((granted,), timeout=LOOK))[0]:
            await self._look()
            if self._hurried:
                raise NotSent("something comes before it", 0.0)

    def _surplus(self) -> tuple[bool, list[int]]:
        """Whether the draft, and which messages, show what is not there any more."""
        full, growing = self._wanted()
        drafted = self._transport == "draft" and self._last not in (None, self._gone) and growing is None
        by_draft = self._last is not None
        stay = len(full) + int(growing is not None and not by_draft)
        parts = sorted(part for part in self.ledger.ids if part >= stay)
        alone = not (stay or by_draft) and self.ledger.says(0, self._gone)
        return drafted, parts[1:] if alone else parts

    async def _take_back(self) -> None:
        """Makes what was flagged vanish, before any frame: the draft first, by a call of its own."""
        async with self._api.turn(self._place), self._calling:
            if self._ended.is_set():
                return  # what the turn comes to takes its place now
            self._begun = self._clock()
            drafted, parts = self._surplus()
            if drafted:
                await self._draft(self._gone)
                self._void()  # there may be messages, too
                return
            if parts[:1] == [0] and self._last is None:
                await self.ledger.put(self._api, self._place, 0, self._gone)
                parts = [part for part in self.ledger.ids if part]
            await self.ledger.drop(self._api, self._place, parts)
            self._voiding = False
            self._changed.set()  # there may be more to say

    async def _draft(self, text: Formatted) -> bool:
        shown = await self._api.draft(self._place, self.ledger.ref.seq & 0x7FFFFFFF or 1, text)
        self._last = text if shown else None
        return shown

    async def _turn_to_send(self) -> None:
        """Raises NotSent while an earlier answer waits to be sent: messages stand in the order of turns."""
        if not await self.ledger.next():
            raise NotSent("an earlier answer comes first", 0.5)
        await self.ledger.take_over(self._api, self._place)
