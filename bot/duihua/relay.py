"""Events of running turns to the readers of this process. A reader that leaves or lags never holds up a turn.

Each running turn has one `Channel`. A reader that comes late gets one snapshot of the text so far, then what
follows; a reader that falls far behind gets a snapshot instead of what it missed. There is no log of events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager

from duihua.events import (
    END,
    AnyEvent,
    Retracted,
    TextDelta,
    TurnRestarted,
    TurnSnapshot,
)
from duihua.messages import TurnRef

BACKLOG = 1_000
"""Events that wait for one reader before they are replaced by a snapshot."""

SUBSCRIBER_BACKLOG = 10_000
"""Events that wait for one subscriber of the engine before the oldest are dropped."""


class Queue:
    """Events on their way to one reader."""

    __slots__ = ("closed", "dropped", "events", "waiter")

    def __init__(self) -> None:
        self.events: deque[AnyEvent] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.dropped = 0

    def put(self, event: AnyEvent) -> None:
        """Adds an event and wakes the reader."""
        self.events.append(event)
        self.wake()

    def close(self) -> None:
        """Nothing more will come."""
        self.closed = True
        self.wake()

    def wake(self) -> None:
        """Lets the reader look."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def __aiter__(self) -> AsyncIterator[AnyEvent]:
        while True:
            while self.events:
                yield self.events.popleft()
            if self.closed:
                return
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None


class Channel:
    """One running turn as its readers see it."""

    __slots__ = ("_begun", "_pieces", "_queues", "_relay", "attempt", "inbox", "key", "offset", "ref", "step")

    def __init__(self, relay: Relay, ref: TurnRef, key: str, inbox: Sequence[int], attempt: int) -> None:
        self._relay = relay
        self.ref, self.key, self.inbox, self.attempt = ref, key, tuple(inbox), attempt
        self.step = 0
        self.offset = 0  # characters of visible text in this step
        self._begun: AnyEvent | None = None  # its first event, with which every reader begins
        self._pieces: list[str] = []
        self._queues: list[Queue] = []

    @property
    def text(self) -> str:
        """All visible text so far."""
        return "".join(self._pieces)

    def publish(self, event: AnyEvent) -> None:
        """Hands an event to all readers and keeps the text for those who come late."""
        if self._begun is None:
            self._begun = event
        if isinstance(event, TextDelta):
            self._pieces.append(event.text)
        elif isinstance(event, (TurnRestarted, Retracted)):
            self._pieces.clear()
        for queue in self._queues:
            if len(queue.events) >= BACKLOG:
                queue.events.clear()
                queue.put(self._snapshot())
                if isinstance(event, TextDelta):
                    continue
            queue.put(event)
        if self._relay.subscribers:
            self._relay.broadcast(event)
        if isinstance(event, END):
            self.close()

    def text_delta(self, text: str) -> None:
        """Publishes visible text at its position; a newline parts it from the text of an earlier step."""
        offset = self.offset
        self.offset += len(text)
        if not offset and self._pieces:
            text = "\n" + text
        self.publish(
            TextDelta(
                session=self.key,
                turn=self.ref.seq,
                attempt=self.attempt,
                step=self.step,
                offset=offset,
                text=text,
            )
        )

    def next_step(self, number: int) -> None:
        """Positions begin anew with every answer of the model."""
        self.step, self.offset = number, 0

    def close(self) -> None:
        """Ends the view without an ending event if there was none: the turn goes on elsewhere or is gone."""
        for queue in self._queues:
            queue.close()
        self._relay.forget(self)

    @contextmanager
    def reader(self) -> Generator[Queue, None, None]:
        """A queue with what was shown so far and all that follows."""
        queue = Queue()
        if self._begun is not None:
            queue.put(self._begun)
        if self._pieces:
            queue.put(self._snapshot())
        if self._relay.knows(self):
            self._queues.append(queue)
        else:
            queue.close()
        try:
            yield queue
        finally:
            if queue in self._queues:
                self._queues.remove(queue)

    def _snapshot(self) -> TurnSnapshot:
        return TurnSnapshot(
            session=self.key,
            turn=self.ref.seq,
            attempt=self.attempt,
            step=self.step,
            offset=self.offset,
            text=self.text,
        )


class Relay:
    """The channels of all turns that run in this process, and the engine's subscribers."""

    def __init__(self) -> None:
        self._turns: dict[TurnRef, Channel] = {}
        self._inputs: dict[int, Channel] = {}
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self.subscribers: list[Queue] = []

    def open(self, ref: TurnRef, key: str, inbox: Sequence[int], attempt: int) -> Channel:
        """The channel of a turn that begins here; readers who wait for its inputs are woken."""
        channel = Channel(self, ref, key, inbox, attempt)
        self._turns[ref] = channel
        for number in inbox:
            self._inputs[number] = channel
            for waiter in self._waiting.pop(number, ()):
                if not waiter.done():
                    waiter.set_result(None)
        return channel

    def knows(self, channel: Channel) -> bool:
        """Whether the channel is still open."""
        return self._turns.get(channel.ref) is channel

    def forget(self, channel: Channel) -> None:
        """The turn has ended here."""
        if self._turns.get(channel.ref) is channel:
            del self._turns[channel.ref]
        for number in channel.inbox:
            if self._inputs.get(number) is channel:
                del self._inputs[number]

    def end(self, session: int) -> None:
        """Releases the readers of a session's turn that will not be answered."""
        for ref, channel in list(self._turns.items()):
            if ref.session == session:
                channel.close()

    def of_input(self, inbox: int) -> Channel | None:
        """The running turn that answers an input, if it runs here."""
        return self._inputs.get(inbox)

    def of_turn(self, ref: TurnRef) -> Channel | None:
        """The running turn, if it runs here."""
        return self._turns.get(ref)

    async def wait(self, inbox: int, timeout: float) -> None:
        """Until a turn for the input begins here, at most `timeout` seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(inbox, [])
        waiters.append(waiter)
        try:
            await asyncio.wait((waiter,), timeout=timeout)
        finally:
            waiter.cancel()
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters and self._waiting.get(inbox) is waiters:
                del self._waiting[inbox]

    def broadcast(self, event: AnyEvent) -> None:
        """Hands an event to the engine's subscribers; a slow one loses its oldest events."""
        for queue in self.subscribers:
            if len(queue.events) >= SUBSCRIBER_BACKLOG:
                queue.events.popleft()
                queue.dropped += 1
            queue.put(event)

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[AnyEvent], None]:
        """All events of this process from now on."""
        queue = Queue()
        self.subscribers.append(queue)
        try:
            yield aiter(queue)
        finally:
            self.subscribers.remove(queue)
            queue.close()

    def close(self) -> None:
        """The engine ends: every reader is released."""
        for channel in list(self._turns.values()):
            channel.close()
        for queue in self.subscribers:
            queue.close()
