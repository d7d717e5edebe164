"""One call of a method while it is carried out: its fields, read as Telegram reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import orjson

from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.chats import GENERAL, PRESENT, Chat
from duihua.simulator.telegram.entities import formatted, units
from duihua.simulator.telegram.keyboards import inline_rows
from duihua.simulator.telegram.log import LONGEST_TEXT, Call
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.refusals import Refusal, bad, forbidden, migrated
from duihua.simulator.telegram.world import World

Json = dict[str, Any]

MOST_TEXT = 4_096
MOST_CAPTION = 1_024


class Upload(NamedTuple):
    """A file in a multipart body."""

    name: str
    mime: str
    data: bytes


class Place(NamedTuple):
    """Where in a chat a message goes."""

    thread: int | None
    reply_to: int | None
    quote: Json | None


class Ask:
    """One call.

    Args:
        world: what it works on.
        bot: who calls.
        fields: as sent: text from a form, values from JSON.
        files: uploads by their field's name.
        call: its line in the log, filled in as things become known.
    """

    __slots__ = ("bot", "call", "fields", "files", "world")

    def __init__(
        self, world: World, bot: Bot, fields: Mapping[str, Any], files: Mapping[str, Upload], call: Call
    ) -> None:
        self.world, self.bot, self.fields, self.files, self.call = world, bot, fields, files, call

    # ------------------------------------------------------------ plain fields

    def text(self, name: str) -> str:
        """A text; empty if it is absent."""
        value = self.fields.get(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    def number(self, name: str, otherwise: int = 0) -> int:
        """A whole number; what is none counts as 0, as by Telegram."""
        value = self.fields.get(name)
        if value is None or value == "":
            return otherwise
        try:
            return int(value)
        except (TypeError, ValueError):
            return 0

    def flag(self, name: str) -> bool:
        """A truth value."""
        value = self.fields.get(name)
        return value is True or str(value).lower() in ("true", "yes", "1", "t", "y")

    def json(self, name: str, what: str = "") -> Any:
        """A JSON value; None if it is absent."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value)
        except ValueError:
            raise bad(f"can't parse {what or name} JSON object") from None

    # ------------------------------------------------------------ where

    def chat(self) -> Chat:
        """The chat that is meant, which the bot may write to.

        Raises:
            Refusal: it may not.
        """
        value = self.text("chat_id").strip()
        if not value:
            raise bad("chat_id is empty")
        chat: Chat | None = None
        if value.startswith("@"):
            chat = self.world.find(self.bot, value)
        elif value.removeprefix("-").isdecimal():
            self.call.chat = int(value)
            chat = self.world.find(self.bot, int(value))
        if chat is None:
            if value.isdecimal() and int(value) in self.world.users:
                raise forbidden("bot can't initiate conversation with a user")
            raise bad("chat not found")
        self.call.chat = chat.id
        self._reachable(chat)
        return chat

    def _reachable(self, chat: Chat) -> None:
        if chat.moved_to is not None:
            raise migrated(chat.moved_to)
        if chat.private:
            if chat.blocked:
                raise forbidden("bot was blocked by the user")
            if not chat.started:
                raise forbidden("bot can't initiate conversation with a user")
            return
        status = chat.members.get(self.bot.id)
        if status in PRESENT:
            return
        kind = "group" if chat.kind == "group" else chat.kind
        if status == "kicked":
            raise forbidden(f"bot was kicked from the {kind} chat")
        raise forbidden(f"bot is not a member of the {kind} chat")

    def thread(self, chat: Chat) -> int | None:
        """The topic; None for none."""
        thread = self.number("message_thread_id")
        if not thread:
            return None
        self.call.thread = thread
        topic = chat.topics.get(thread)
        if topic is None or topic.deleted or thread == GENERAL:
            raise bad("message thread not found")
        if topic.closed and chat.members.get(self.bot.id) not in ("creator", "administrator"):
            raise bad("TOPIC_CLOSED")
        return thread

    def place(self, chat: Chat) -> Place:
        """Topic and reply."""
        thread = self.thread(chat)
        given = self.json("reply_parameters")
        if given is None and (old := self.number("reply_to_message_id")):
            given = {
                "message_id": old,
                "allow_sending_without_reply": self.flag("allow_sending_without_reply"),
            }
        if given is None:
            return Place(thread, None, None)
        if not isinstance(given, dict):
            raise bad("can't parse reply parameters JSON object")
        reply = cast(Json, given)
        number = reply.get("message_id")
        message = chat.messages.get(number) if type(number) is int else None
        if message is None or message.deleted:
            if reply.get("allow_sending_without_reply"):
                return Place(thread, None, None)
            raise bad("message to be replied not found")
        quote = reply.get("quote")
        if quote is None:
            return Place(thread, message.id, None)
        if not isinstance(quote, str) or not quote or quote not in message.text:
            raise bad("QUOTE_TEXT_INVALID")
        at = units(message.text[: message.text.index(quote)])
        return Place(thread, message.id, {"text": quote, "position": at, "is_manual": True})

    # ------------------------------------------------------------ what

    def formatted(
        self, name: str = "text", entities: str = "entities", most: int = MOST_TEXT
    ) -> tuple[str, list[Json]]:
        """A text with its entities, cleaned and checked; it may come out empty.

        Raises:
            Refusal: too long, or a wrong entity.
        """
        self.markup_language("parse_mode")
        text = self.text(name)
        self.call.text = text[:LONGEST_TEXT]
        made, found = formatted(text, self.json(entities, "entities"))
        if units(made) > most:
            raise bad("message is too long" if most == MOST_TEXT else "message caption is too long")
        return made, found

    def markup_language(self, name: str) -> None:
        """Notes and refuses `parse_mode`."""
        mode = self.text(name)
        if not mode:
            return
        self.call.parse_mode = mode
        if mode.lower() in ("html", "markdown", "markdownv2"):
            raise bad("can't parse entities: the fake Bot API takes entities, not parse_mode")
        raise bad("unsupported parse_mode")

    def buttons(self, chat: Chat) -> list[list[Json]] | None:
        """The inline keyboard; None if there is none, or another kind of markup."""
        markup = self.json("reply_markup", "reply markup")
        return None if markup is None else inline_rows(markup, private=chat.private)

    def message(self, chat: Chat, verb: str) -> Message:
        """The message that is meant, and is shown.

        Raises:
            Refusal: "message to edit not found" and the like.
        """
        number = self.number("message_id")
        if not number:
            raise bad("message identifier is not specified")
        self.call.message = number
        message = chat.messages.get(number)
        if message is None or message.deleted:
            raise bad(f"message to {verb} not found")
        return message

    def admin(self, chat: Chat) -> None:
        """Refuses a bot that is no administrator."""
        if not chat.private and chat.members.get(self.bot.id) not in ("creator", "administrator"):
            raise bad("not enough rights")

    # ------------------------------------------------------------ carrying out

    def spend(self, chat: Chat, count: int = 1) -> None:
        """Takes messages off the budget.

        Raises:
            Refusal: 429.
        """
        try:
            self.bot.budget.spend(chat.id, self.call.at, group=not chat.private, count=count)
        except Refusal as e:
            self.call.retry_after = e.parameters.get("retry_after", 0)
            raise

    def post(self, chat: Chat, place: Place, **content: Any) -> Message:
        """Shows the bot's new message."""
        message = self.world.post(
            chat,
            self.bot.person,
            thread=place.thread,
            reply_to=place.reply_to,
            quote=place.quote,
            **content,
        )
        self.call.message = message.id
        return message
