"""Chats: who is in them, what was said, which topics they have."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from duihua.simulator.telegram.messages import DRAFT_LIFE, Draft, Message
from duihua.simulator.telegram.people import Person

Json = dict[str, Any]
Kind = Literal["private", "group", "supergroup", "channel"]
Status = Literal["creator", "administrator", "member", "left", "kicked"]

PRESENT = frozenset({"creator", "administrator", "member"})
GENERAL = 1
"""The topic of a forum that is always there; nobody names it when sending."""


@dataclass(slots=True)
class Topic:
    """A topic of a forum, or of a private chat."""

    id: int
    name: str
    closed: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Chat:
    """One chat.

    Attributes:
        messages: by id, oldest first; the oldest are forgotten.
        drafts: the draft that is shown now, by topic (0: none).
        past_drafts: those that have vanished, the last few.
        moved_to: the supergroup that it has become.
        blocked: the user has blocked the bot; private chats only.
        started: the user has written to the bot; private chats only.
        heard: whether the bot has been seen typing and the like: the last chat action and its time.
    """

    id: int
    kind: Kind
    title: str = ""
    person: Person | None = None
    username: str = ""
    forum: bool = False
    kept: int = 200
    members: dict[int, Status] = field(default_factory=dict[int, Status])
    people: dict[int, Person] = field(default_factory=dict[int, Person])
    topics: dict[int, Topic] = field(default_factory=dict[int, Topic])
    messages: dict[int, Message] = field(default_factory=dict[int, Message])
    drafts: dict[int, Draft] = field(default_factory=dict[int, Draft])
    past_drafts: deque[Draft] = field(default_factory=lambda: deque[Draft](maxlen=5))
    actions: deque[tuple[float, str]] = field(default_factory=lambda: deque[tuple[float, str]](maxlen=50))
    reactions: dict[tuple[int, int], list[Json]] = field(default_factory=dict[tuple[int, int], list[Json]])
    moved_to: int | None = None
    blocked: bool = False
    started: bool = False
    sent: int = 0
    _last: int = 0
    _json: Json | None = None

    @property
    def private(self) -> bool:
        """A chat with one user."""
        return self.kind == "private"

    @property
    def group(self) -> bool:
        """A group of either kind."""
        return self.kind in ("group", "supergroup")

    @property
    def name(self) -> str:
        """For people."""
        return self.person.name if self.person else self.title

    @property
    def shown(self) -> list[Message]:
        """What is on the user's screen: neither deleted nor forgotten."""
        return [m for m in self.messages.values() if not m.deleted]

    @property
    def answers(self) -> list[Message]:
        """What bots sent, and is still shown."""
        return [m for m in self.messages.values() if m.of_bot and not m.deleted and not m.service]

    @property
    def last(self) -> Message:
        """The newest message that is shown.

        Raises:
            LookupError: there is none.
        """
        for message in reversed(self.messages.values()):
            if not message.deleted:
                return message
        raise LookupError(f"nothing is shown in chat {self.id}")

    def next_id(self) -> int:
        """The next message's id."""
        self._last += 1
        return self._last

    def keep(self, message: Message) -> None:
        """Shows a message."""
        self.messages[message.id] = message
        self.sent += 1
        if len(self.messages) > self.kept:
            del self.messages[next(iter(self.messages))]

    def has_topic(self, thread: int) -> bool:
        """Whether it has that topic."""
        return thread in self.topics

    def draft(self, now: float, thread: int | None = None) -> Draft | None:
        """The draft that is shown now."""
        draft = self.drafts.get(thread or 0)
        if draft is not None and now >= draft.at + DRAFT_LIFE:
            self.end_draft(thread, "expired")
            return None
        return draft

    def end_draft(self, thread: int | None, why: str) -> None:
        """Lets a draft vanish."""
        if draft := self.drafts.pop(thread or 0, None):
            draft.ended = why
            self.past_drafts.append(draft)

    def changed(self) -> None:
        """Forgets the description made for `json`."""
        self._json = None

    def json(self) -> Json:
        """The Bot API's `Chat`; not to be changed."""
        if self._json is None:
            self._json = self._described()
        return self._json

    def _described(self) -> Json:
        body: Json = {"id": self.id, "type": self.kind}
        if self.person is None:
            body["title"] = self.title
            if self.username:
                body["username"] = self.username
            return {**body, "is_forum": True} if self.forum else body
        person = self.person.json()
        return body | {k: v for k, v in person.items() if k in ("first_name", "last_name", "username")}
