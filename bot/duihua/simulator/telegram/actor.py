"""The users' door: what people do in their Telegram apps, as methods."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.chats import PRESENT, Chat, Status, Topic
from duihua.simulator.telegram.clock import sleep
from duihua.simulator.telegram.detection import detected
from duihua.simulator.telegram.entities import units
from duihua.simulator.telegram.groups import Group
from duihua.simulator.telegram.members import changed, open_topic, sees
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.people import Person
from duihua.simulator.telegram.uploads import described

if TYPE_CHECKING:
    from duihua.simulator.telegram.fake import FakeTelegram
    from duihua.simulator.telegram.world import World

Json = dict[str, Any]

CLIENT_SPLIT = 4_096
"""Where an app cuts a long paste into messages, in UTF-16 units."""
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class User:
    """A person with a Telegram app. Everything happens in the chat with the first bot unless `to` says else.

    `to` is a `Group`, a `Bot`, or None.
    """

    def __init__(self, fake: FakeTelegram, person: Person) -> None:
        self._fake, self.person = fake, person

    @property
    def id(self) -> int:
        """The user's id, which is the private chat's, too."""
        return self.person.id

    @property
    def _world(self) -> World:
        return self._fake.world

    def chat(self, to: Group | Bot | None = None) -> Chat:
        """The chat that `to` means."""
        if isinstance(to, Group):
            return to.chat
        return self._world.private(to or self._fake.bot, self.person)

    # ------------------------------------------------------------ messages

    def say(
        self,
        text: str,
        to: Group | Bot | None = None,
        *,
        thread: int | None = None,
        reply_to: Message | int | None = None,
        quote: str | None = None,
        entities: list[Json] | None = None,
    ) -> Message:
        """Sends a text.

        Args:
            text: at most 4,096 UTF-16 units; see `paste` for more.
            to: where.
            thread: the topic.
            reply_to: the message it replies to.
            quote: the part of that message that is quoted.
            entities: formatting; commands, mentions and links are found in any case.
        """
        if units(text) > CLIENT_SPLIT:
            raise ValueError("an app would cut this into several messages: use paste()")
        found = sorted([*(entities or ()), *detected(text)], key=lambda e: e["offset"])
        return self._send(to, thread=thread, reply_to=reply_to, quote=quote, text=text, entities=found)

    async def paste(
        self, text: str, to: Group | Bot | None = None, *, thread: int | None = None, gap: float = 0.005
    ) -> list[Message]:
        """Sends a long text as an app does: in messages of 4,096, a few milliseconds apart.

        Args:
            text: any length.
            to: where.
            thread: the topic.
            gap: seconds between two messages, on the fake's clock.
        """
        sent: list[Message] = []
        while text:
            end = _cut(text)
            if sent and gap:
                await sleep(self._world.clock, gap)
            sent.append(self.say(text[:end], to, thread=thread))
            text = text[end:]
        return sent

    def photo(
        self, data: bytes = _PIXEL, caption: str = "", to: Group | Bot | None = None, **more: Any
    ) -> Message:
        """Sends a photo; `more` as for `say`, and `size`, which only claims a file of that size."""
        return self._file("photo", data, "photo.jpg", "image/jpeg", caption, to, **more)

    def document(
        self,
        data: bytes,
        name: str = "file.txt",
        mime: str = "text/plain",
        caption: str = "",
        to: Group | Bot | None = None,
        **more: Any,
    ) -> Message:
        """Sends a file; `more` as for `photo`."""
        return self._file("document", data, name, mime, caption, to, **more)

    def voice(
        self, data: bytes = b"OggS", caption: str = "", to: Group | Bot | None = None, **more: Any
    ) -> Message:
        """Sends a voice message; `more` as for `photo`."""
        return self._file("voice", data, "voice.ogg", "audio/ogg", caption, to, **more)

    def audio(
        self, data: bytes = b"ID3", caption: str = "", to: Group | Bot | None = None, **more: Any
    ) -> Message:
        """Sends a piece of music; `more` as for `photo`."""
        return self._file("audio", data, "song.mp3", "audio/mpeg", caption, to, **more)

    def album(
        self,
        photos: Sequence[bytes],
        caption: str = "",
        to: Group | Bot | None = None,
        *,
        thread: int | None = None,
        album: str | None = None,
    ) -> list[Message]:
        """Sends photos as one album; the first has the caption. `album` adds to one that was sent before."""
        group = album or secrets.token_hex(8)
        return [
            self._file(
                "photo",
                data,
                "photo.jpg",
                "image/jpeg",
                "" if i or album else caption,
                to,
                thread=thread,
                album=group,
            )
            for i, data in enumerate(photos)
        ]

    def edit(self, message: Message, text: str) -> Message:
        """Changes a message of one's own."""
        if message.sender.id != self.id:
            raise ValueError("only one's own messages can be edited")
        message.change(self._world.now(), self._world.kept_edits)
        message.text, message.entities = text, detected(text)
        self._world.happened("edited", message.chat, message)
        self._deliver(message, "edited_message")
        return message

    def _file(
        self,
        kind: str,
        data: bytes,
        name: str,
        mime: str,
        caption: str,
        to: Group | Bot | None,
        size: int | None = None,
        **more: Any,
    ) -> Message:
        media = described(self._world.files.add(kind, data, name, mime, size))
        return self._send(to, text=caption, entities=detected(caption), media=media, **more)

    def _send(
        self,
        to: Group | Bot | None,
        *,
        thread: int | None = None,
        reply_to: Message | int | None = None,
        quote: str | None = None,
        **content: Any,
    ) -> Message:
        chat = self.chat(to)
        self._present(chat)
        if thread is not None and thread not in chat.topics:
            raise LookupError(f"chat {chat.id} has no topic {thread}")
        if isinstance(reply_to, Message):
            reply_to = reply_to.id
        if quote is not None:
            if reply_to is None or quote not in chat.messages[reply_to].text:
                raise ValueError("one quotes a part of the message that one replies to")
            at = units(chat.messages[reply_to].text.partition(quote)[0])
            content["quote"] = {"text": quote, "position": at, "is_manual": True}
        if chat.private:
            chat.started, chat.blocked = True, False
        message = self._world.post(chat, self.person, thread=thread, reply_to=reply_to, **content)
        self._deliver(message, "message")
        return message

    def _present(self, chat: Chat) -> None:
        if chat.moved_to is not None:
            raise LookupError(f"chat {chat.id} has become {chat.moved_to}")
        if chat.members.get(self.id) not in PRESENT:
            raise LookupError(f"user {self.id} is not in chat {chat.id}")

    def _deliver(self, message: Message, kind: str) -> None:
        body: Json | None = None
        for bot in self._world.bots_in(message.chat):
            if bot.id != self.id and sees(bot, message):
                body = body or message.json()
                bot.push(kind, body)

    # ------------------------------------------------------------ the bot's messages

    def press(self, message: Message, label: str) -> str:
        """Presses an inline button with callback data; returns the query's id."""
        data = message.button(label).get("callback_data")
        if data is None:
            raise ValueError(f"button {label!r} sends nothing to the bot")
        bot = self._world.bot(message.sender.id)
        if bot is None or message.deleted:
            raise LookupError("the message is gone")
        query = str(secrets.randbits(62))
        bot.queries[query] = self._world.now()
        while len(bot.queries) > 10_000:
            del bot.queries[next(iter(bot.queries))]
        self._world.happened("pressed", message.chat, (self.person, message, label))
        payload: Json = {
            "id": query,
            "from": self.person.json(),
            "message": message.json(),
            "chat_instance": str(message.chat.id),
            "data": data,
        }
        bot.push("callback_query", payload)
        return query

    def stop(self, to: Bot | None = None, *, thread: int | None = None) -> None:
        """Presses Stop under the draft that is shown.

        Raises:
            LookupError: there is no draft with such a button.
        """
        chat = self.chat(to)
        draft = chat.draft(self._world.now(), thread)
        if draft is None or not draft.can_stop or draft.stopped:
            raise LookupError(f"chat {chat.id} shows no draft that can be stopped")
        bot = to or self._fake.bot
        draft.stopped = True
        bot.stopped_drafts[chat.id] = draft.id
        if not draft.keep_on_stop:
            chat.end_draft(thread, "stopped")
        payload: Json = {"chat": chat.json(), "draft_id": draft.id}
        if thread is not None:
            payload["message_thread_id"] = thread
        self._world.happened("stopped", chat, draft)
        bot.push("stopped_message_generation", payload)

    def react(self, message: Message, emoji: str = "") -> None:
        """Sets one's reaction to a message; empty takes it away."""
        chat = message.chat
        before = chat.reactions.get((message.id, self.id), [])
        after: list[Json] = [{"type": "emoji", "emoji": emoji}] if emoji else []
        chat.reactions[message.id, self.id] = after
        payload: Json = {
            "chat": chat.json(),
            "message_id": message.id,
            "user": self.person.json(),
            "date": int(self._world.now()),
            "old_reaction": before,
            "new_reaction": after,
        }
        self._world.publish(chat, "message_reaction", payload)
        self._world.touch()

    # ------------------------------------------------------------ chats

    def block(self, to: Bot | None = None) -> None:
        """Blocks the bot."""
        self._blocks(to, True)

    def unblock(self, to: Bot | None = None) -> None:
        """Takes it back."""
        self._blocks(to, False)

    def _blocks(self, to: Bot | None, blocked: bool) -> None:
        bot = to or self._fake.bot
        chat = self.chat(bot)
        if chat.blocked == blocked:
            return
        chat.blocked = blocked
        states: tuple[Status, Status] = ("member", "kicked") if blocked else ("kicked", "member")
        bot.push("my_chat_member", changed(self._world, chat, self.person, bot.person, *states))
        self._world.happened("blocked" if blocked else "unblocked", chat, self.person)

    def topic(self, name: str, to: Group | Bot | None = None) -> Topic:
        """Opens a topic, in a forum or in the chat with a bot that has topics."""
        chat = self.chat(to)
        self._present(chat)
        bot = to if isinstance(to, Bot) else self._fake.bot
        if not (chat.forum or (chat.private and bot.topics)):
            raise ValueError(f"chat {chat.id} has no topics")
        topic = open_topic(self._world, chat, self.person, name)
        self._deliver(chat.messages[topic.id], "message")
        return topic

    def join(self, group: Group) -> None:
        """Enters a group."""
        group.add(self)

    def leave(self, group: Group) -> None:
        """Leaves a group."""
        group.remove(self)


def _cut(text: str) -> int:
    """How many characters an app puts into one message; a surrogate pair is not cut."""
    if units(text) <= CLIENT_SPLIT:
        return len(text)
    end = min(len(text), CLIENT_SPLIT)
    while units(text[:end]) > CLIENT_SPLIT:
        end -= max(1, (units(text[:end]) - CLIENT_SPLIT) // 2)
    return end
