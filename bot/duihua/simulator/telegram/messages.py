"""Messages and drafts as a user sees them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duihua.simulator.telegram.chats import Chat
    from duihua.simulator.telegram.people import Person

Json = dict[str, Any]

DRAFT_LIFE = 30.0
"""Seconds that a draft lives after its last frame."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a message, or a draft, showed from a time on."""

    at: float
    text: str
    entities: list[Json]
    buttons: list[list[Json]] | None = None


@dataclass(slots=True)
class Message:
    """One message.

    Attributes:
        text: the text, or the caption where `media` is set.
        media: what else it holds, by the names of the Bot API: `{"photo": [...]}`, `{"rich_message": {...}}`.
        service: a service message's field, such as `{"new_chat_members": [...]}`.
        buttons: rows of inline buttons; None without a keyboard.
        versions: earlier contents, oldest first; only the last few dozen.
        edits: how often it was edited.
        deleted: when it was deleted, 0 if it was not.
    """

    id: int
    chat: Chat
    sender: Person
    date: float
    text: str = ""
    entities: list[Json] = field(default_factory=list[Json])
    media: Json | None = None
    service: Json | None = None
    buttons: list[list[Json]] | None = None
    thread: int | None = None
    reply_to: int | None = None
    quote: Json | None = None
    album: str | None = None
    extra: Json | None = None
    versions: deque[Version] = field(default_factory=deque[Version])
    edits: int = 0
    edited: float = 0.0
    deleted: float = 0.0

    @property
    def of_bot(self) -> bool:
        """Whether a bot sent it."""
        return self.sender.is_bot

    @property
    def rich(self) -> Json | None:
        """The rich content."""
        return (self.media or {}).get("rich_message")

    def shows(self, text: str, entities: list[Json], buttons: list[list[Json]] | None) -> bool:
        """Whether it shows exactly that."""
        return self.text == text and self.entities == entities and (self.buttons or None) == (buttons or None)

    def change(self, now: float, kept: int) -> None:
        """Keeps the present content before it is replaced."""
        self.versions.append(Version(self.edited or self.date, self.text, self.entities, self.buttons))
        while len(self.versions) > kept:
            self.versions.popleft()
        self.edits += 1
        self.edited = now

    def json(self, *, reply: bool = True) -> Json:
        """The Bot API's `Message`."""
        body: Json = {
            "message_id": self.id,
            "from": self.sender.json(),
            "chat": self.chat.json(),
            "date": int(self.date),
        }
        if self.edited:
            body["edit_date"] = int(self.edited)
        if self.thread is not None:
            body["message_thread_id"] = self.thread
            if self.chat.has_topic(self.thread):
                body["is_topic_message"] = True
        if self.media:
            body |= self.media
        if self.text:
            body["caption" if self.media and "rich_message" not in self.media else "text"] = self.text
        if self.entities:
            body["caption_entities" if self.media else "entities"] = self.entities
        if self.service:
            body |= self.service
        if self.album:
            body["media_group_id"] = self.album
        if self.buttons:
            body["reply_markup"] = {"inline_keyboard": self.buttons}
        if self.quote:
            body["quote"] = self.quote
        if self.extra:
            body |= self.extra
        if reply and self.reply_to is not None and (other := self.chat.messages.get(self.reply_to)):
            body["reply_to_message"] = other.json(reply=False)
        return body

    def button(self, label: str) -> Json:
        """The button with that text, or with that callback data.

        Raises:
            LookupError: there is none.
        """
        for row in self.buttons or []:
            for button in row:
                if label in (button["text"], button.get("callback_data")):
                    return button
        raise LookupError(f"message {self.id} has no button {label!r}")


@dataclass(slots=True)
class Draft:
    """A message that is being streamed; it vanishes 30 seconds after its last frame.

    Attributes:
        frames: what it showed, oldest first; only the last few hundred.
        ended: "", or why it vanished: expired, replaced, message, stopped.
    """

    id: int
    thread: int | None
    at: float
    text: str
    entities: list[Json]
    rich: Json | None = None
    can_stop: bool = False
    keep_on_stop: bool = False
    stopped: bool = False
    count: int = 0
    ended: str = ""
    frames: deque[Version] = field(default_factory=deque[Version])

    def show(self, now: float, text: str, entities: list[Json], rich: Json | None, kept: int) -> None:
        """One frame; `kept` are remembered."""
        self.at, self.text, self.entities, self.rich = now, text, entities, rich
        self.count += 1
        self.frames.append(Version(now, text, entities))
        while len(self.frames) > kept:
            self.frames.popleft()
