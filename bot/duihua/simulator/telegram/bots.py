"""A bot's account: who it is, and the updates that wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from duihua.simulator.telegram.chats import Chat
from duihua.simulator.telegram.clock import Clock
from duihua.simulator.telegram.limits import Budget
from duihua.simulator.telegram.people import Person
from duihua.simulator.telegram.refusals import OTHER_POLLER, SET_WEBHOOK, Refusal

if TYPE_CHECKING:
    from duihua.simulator.telegram.webhook import Webhook

Json = dict[str, Any]

KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
    "stopped_message_generation",
)
UNASKED = frozenset(KINDS) - {
    "chat_member",
    "message_reaction",
    "message_reaction_count",
    "guest_message",
    "stopped_message_generation",
}
"""What comes without `allowed_updates`."""
LIFE = 24 * 3600.0
"""Seconds that an update waits."""
MOST_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Update:
    """An update that the bot has not confirmed."""

    id: int
    kind: str
    at: float
    body: bytes


@dataclass(slots=True)
class Bot:
    """One bot.

    Attributes:
        privacy: sees only what is meant for it in groups where it is no admin.
        topics: its private chats have topics.
        private: its chats with users, by the user's id.
        confirmed: the updates the bot has confirmed.
        polled: when `getUpdates` was last called.
    """

    token: str
    person: Person
    clock: Clock
    budget: Budget
    privacy: bool = True
    topics: bool = False
    next_update: int = 500_000_001
    allowed: frozenset[str] | None = None
    asked: tuple[str, ...] = ()
    updates: deque[Update] = field(default_factory=deque[Update])
    private: dict[int, Chat] = field(default_factory=dict[int, Chat])
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict[tuple[str, str], list[Json]])
    queries: dict[str, float] = field(default_factory=dict[str, float])
    answered: dict[str, Json] = field(default_factory=dict[str, Json])
    stopped_drafts: dict[int, int] = field(default_factory=dict[int, int])
    webhook: Webhook | None = None
    confirmed: int = 0
    dropped: int = 0
    polled: float = 0.0
    logged_out: bool = False
    _waiter: asyncio.Future[None] | None = None

    @property
    def id(self) -> int:
        """Its user id."""
        return self.person.id

    @property
    def waiting(self) -> bool:
        """Whether a `getUpdates` waits."""
        return self._waiter is not None

    def allow(self, kinds: Sequence[str]) -> None:
        """Sets which updates come; none named: the usual ones. Unknown names are ignored, as by Telegram."""
        known = frozenset(kinds) & frozenset(KINDS)
        self.allowed = known or None
        self.asked = tuple(sorted(known))

    def wants(self, kind: str) -> bool:
        """Whether it would get such an update."""
        return kind in (UNASKED if self.allowed is None else self.allowed)

    def push(self, kind: str, payload: Any) -> int | None:
        """Queues an update, unless the bot does not want its kind; returns its id."""
        return self.push_raw({kind: payload}) if self.wants(kind) else None

    def push_raw(self, update: Json) -> int:
        """Queues an update as it is, whatever it holds; `update_id` is added unless it is there."""
        number = update.get("update_id")
        if type(number) is not int:
            number = self.next_update
            update = {"update_id": number, **update}
        kind = next((name for name in update if name != "update_id"), "")
        return self._queue(number, kind, orjson.dumps(update))

    def push_bytes(self, kind: str, payload: bytes) -> int:
        """Queues an update whose payload is written as it is, even if no reader takes it."""
        number = self.next_update
        return self._queue(number, kind, b'{"update_id":%d,"%s":%s}' % (number, kind.encode(), payload))

    def _queue(self, number: int, kind: str, body: bytes) -> int:
        self.next_update = max(self.next_update, number + 1)
        if len(self.updates) >= MOST_WAITING:
            self.updates.popleft()
            self.dropped += 1
        late = bool(self.updates) and number < self.updates[-1].id
        self.updates.append(Update(number, kind, self.clock.now(), body))
        if late:
            self.updates = deque(sorted(self.updates, key=lambda update: update.id))
        self.wake()
        return number

    def wake(self) -> None:
        """Lets a waiting `getUpdates` or the webhook look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.webhook is not None:
            self.webhook.wake()

    def confirm(self, offset: int) -> None:
        """Forgets the updates before `offset`; a negative one keeps so many of the last."""
        if offset < 0:
            while len(self.updates) > -offset:
                self.updates.popleft()
                self.confirmed += 1
            return
        while self.updates and self.updates[0].id < offset:
            self.updates.popleft()
            self.confirmed += 1

    def expire(self) -> None:
        """Forgets what has waited for a day."""
        oldest = self.clock.now() - LIFE
        while self.updates and self.updates[0].at < oldest:
            self.updates.popleft()
            self.dropped += 1

    def end_poll(self, why: Refusal) -> None:
        """Ends a `getUpdates` that waits, with an error."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(why)

    async def wait(self, seconds: float) -> None:
        """Waits for an update, at most that long.

        Raises:
            Refusal: another request took over.
        """
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        timer = self.clock.later(seconds, lambda: waiter.done() or waiter.set_result(None))
        try:
            await waiter
        finally:
            timer.cancel()
            if self._waiter is waiter:
                self._waiter = None

    def take_over(self) -> None:
        """A new `getUpdates` ends the one that waits."""
        self.end_poll(OTHER_POLLER)

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Starts or ends delivery by webhook."""
        if self.webhook is not None:
            self.webhook.close()
        self.webhook = webhook
        if webhook is not None:
            self.end_poll(SET_WEBHOOK)
            webhook.wake()
