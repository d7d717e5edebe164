"""What an update means to us: Telegram's types in, values of our own out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from aiogram.enums import ContentType
from aiogram.types import (
    CallbackQuery,
    Chat,
    ChatMemberRestricted,
    InaccessibleMessage,
    Message,
    ResultChatMemberUnion,
    Update,
    User,
)

from duihua.escapes import name_of
from duihua.messages import Address, Part, Quote, Text
from duihua.telegram.place import FRONT, Place, address_of
from duihua.telegram.text.formatted import KINDS, Entity, Formatted, Kind

_PRESENT = ("creator", "administrator", "member")
NOTHING = Formatted()
_QUOTED = 1_000  # characters of a message that is replied to
_NAME = 64
MEDIA = frozenset(
    {
        ContentType.PHOTO,
        ContentType.VIDEO,
        ContentType.ANIMATION,
        ContentType.AUDIO,
        ContentType.VOICE,
        ContentType.VIDEO_NOTE,
        ContentType.DOCUMENT,
        ContentType.STICKER,
        ContentType.LOCATION,
        ContentType.VENUE,
        ContentType.CONTACT,
        ContentType.POLL,
        ContentType.DICE,
        ContentType.STORY,
        ContentType.PAID_MEDIA,
        ContentType.CHECKLIST,
        ContentType.GAME,
        ContentType.LIVE_PHOTO,
        ContentType.RICH_MESSAGE,
    }
)
"""What people send beside text. Other kinds of messages are Telegram's own: somebody joined, and such."""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot itself.

    Attributes:
        reads: it is shown everything that is said in groups, not only what is meant for it.
        topics: its private chats have topics.
    """

    id: int
    username: str
    reads: bool = False
    topics: bool = False

    @property
    def source(self) -> str:
        """Of its arrivals and inputs."""
        return f"{FRONT}/{self.id}"


@dataclass(frozen=True, slots=True)
class Person:
    """Who speaks. `lang` is the language of their app, empty if it does not tell."""

    id: int
    name: str = ""
    lang: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A message for the bot.

    Attributes:
        text: what is said, a command too; the bot's name in front of it is taken away.
        quote: what it replies to or quotes.
        media: the kind of what comes with it.
        album: of the album that it belongs to.
        edited: it was said before, in other words.
        origin: the chat that it was sent to, if the conversation is in another one now.
        topics: there are topics in that chat.
        called: it is meant for this bot beyond doubt: in a group it says so, and is no command that any bot
            may know. What is not called may still be a piece of something that is.
        reply: the message that it replies to, 0 for none.
        chosen: who replies has chosen the part that `quote` is.
        sent: as Telegram tells it; of an album, or of a text that the app has cut, all messages.
        tail: how `text` ends, if it comes from several messages: the pieces behind the first.
        spoken: the messages that these pieces come from, with the first.
    """

    address: Address
    who: Person
    message: int
    text: str
    quote: Quote | None = None
    media: str = ""
    album: str = ""
    edited: bool = False
    called: bool = True
    reply: int = 0
    chosen: bool = False
    sent: tuple[Message, ...] = field(default=(), compare=False, repr=False)
    tail: tuple[str, ...] = ()
    spoken: tuple[int, ...] = ()
    origin: str = ""
    topics: bool = False

    def asks(self, text: str) -> tuple[Part, ...]:
        """For the model: `text`, which is what it says without a command."""
        return (*((self.quote,) if self.quote else ()), *map(Text, self.pieces(text)))

    def pieces(self, text: str) -> tuple[str, ...]:
        """`text`, which is what it says without a command, as it was cut."""
        head, end = text.strip(), "".join(self.tail)
        cut = bool(end) and head.endswith(end)
        if cut:
            head = head[: len(head) - len(end)]
        return (*((head,) if head else ()), *(self.tail if cut else ()))

    @property
    def key(self) -> str:
        """The id of its input: an edit or a reply finds it by that."""
        return f"{self.origin or self.address.chat}/{self.message}"

    @property
    def reply_to(self) -> int:
        """The message that an answer may reply to; 0: none."""
        return 0 if self.origin else self.message


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button under `message` was pressed; `query` must be answered, or the button goes on spinning.

    `says` is the message's text; empty if it has none, or Telegram does not tell.
    """

    address: Address | None
    who: Person
    query: str
    data: str
    message: int = 0
    says: Formatted = NOTHING


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody pressed the Stop of the app, under a draft; nobody tells who."""

    address: Address
    draft: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A group has become a supergroup: chat `old` is `new` from now on. Both are told of it."""

    address: Address
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Stands:
    """Somebody has added the bot to a chat, removed or blocked it, or changed what it may.

    Attributes:
        was: whether it could speak there before.
        now: whether it can.
        admin: whether it is an administrator there.
    """

    address: Address
    who: Person
    was: bool
    now: bool
    admin: bool = False


Noted = Moved | Stands
"""What Telegram itself tells of a chat."""
Event = Said | Pressed | Stopped | Noted


def read(update: Update, me: Me) -> Event | None:
    """What an update means; None: nothing that the bot is to do something about."""
    if (message := update.message or update.edited_message) is not None:
        return _moved(message, me) or _said(message, me, edited=update.message is None)
    if (pressed := update.callback_query) is not None:
        return _pressed(pressed, me)
    if (member := update.my_chat_member) is not None:
        after = member.new_chat_member
        return Stands(
            _address(member.chat, None, me),
            _person(member.from_user),
            _present(member.old_chat_member),
            _present(after),
            after.status == "administrator",
        )
    if (stopped := update.stopped_message_generation) is not None:
        if not Place(stopped.chat.id).private:
            return None  # nobody tells who it was, and only private chats have drafts
        return Stopped(_address(stopped.chat, stopped.message_thread_id, me), stopped.draft_id)
    return None


def _pressed(query: CallbackQuery, me: Me) -> Pressed:
    message = query.message
    address = None
    if isinstance(message, InaccessibleMessage):
        address = _address(message.chat, None, me)
    elif message is not None:
        address = _address(message.chat, _topic(message), me)
    under = message.message_id if message is not None else 0
    says = _says(message) if isinstance(message, Message) else NOTHING
    return Pressed(address, _person(query.from_user), query.id, query.data or "", under, says)


def _says(message: Message) -> Formatted:
    """A message of ours, with those looks that we give."""
    entities = (
        Entity(cast("Kind", it.type), it.offset, it.length, it.url or "", it.language or "")
        for it in message.entities or ()
        if it.type in KINDS
    )
    return Formatted(message.text or "", tuple(entities))


def _moved(message: Message, me: Me) -> Moved | None:
    old, new = message.chat.id, message.migrate_to_chat_id or 0
    if message.migrate_from_chat_id:
        old, new = message.migrate_from_chat_id, old
    groups = old < 0 and new < 0  # nobody's private chat ever moves
    return Moved(_address(message.chat, None, me), old, new) if groups else None


def _said(message: Message, me: Me, *, edited: bool) -> Said | None:
    who = message.from_user
    # Bots never start a turn, or two of them talk for ever; whom a channel or a group speaks for is nobody.
    if who is None or who.is_bot or message.sender_chat is not None or message.is_automatic_forward:
        return None
    media = message.content_type if message.content_type in MEDIA else ""
    text = message.text or message.caption or ""
    if not (text.strip() or media):
        return None
    address = _address(message.chat, _topic(message), me)
    named, text = _named(text, me)
    if _for_another(text, me):
        return None
    replied = message.reply_to_message
    answered = replied is not None and replied.from_user is not None and replied.from_user.id == me.id
    called = named or (answered and not _opens_topic(replied)) or _at_me(text, me)
    return Said(
        address,
        _person(who),
        message.message_id,
        _without_target(text, me),
        quote_of(message),
        str(media.value if isinstance(media, ContentType) else media),
        message.media_group_id or "",
        edited,
        called or not address.shared,
        replied.message_id if replied is not None and not _opens_topic(replied) else 0,
        message.quote is not None and bool(message.quote.is_manual),
        (message,),
        topics=bool(message.chat.is_forum) or (me.topics and not address.shared),
    )


def _present(member: ResultChatMemberUnion) -> bool:
    return member.status in _PRESENT or (isinstance(member, ChatMemberRestricted) and member.is_member)


def _address(chat: Chat, topic: int | None, me: Me) -> Address:
    return address_of(me.id, Place(chat.id, topic or 0))


def _topic(message: Message) -> int | None:
    """Replies in groups without topics have a thread, too, and nothing may be sent there."""
    return message.message_thread_id if message.is_topic_message else None


def _person(user: User) -> Person:
    return Person(user.id, _called(user), (user.language_code or "")[:16])


def _called(user: User) -> str:
    """What somebody is called; of a name in which nothing is seen, what Telegram calls them."""
    return name_of(user.full_name, _NAME) or user.username or str(user.id)


def _opens_topic(message: Message | None) -> bool:
    """Every message of a topic replies to the one that opened it, unless it replies to another."""
    return message is not None and message.forum_topic_created is not None


def quote_of(message: Message) -> Quote | None:
    """What is replied to: the part that was quoted, else all of it."""
    replied = message.reply_to_message
    if message.quote is not None:
        text = message.quote.text
    elif replied is not None and not _opens_topic(replied):
        text = replied.text or replied.caption or ""
    else:
        text = ""
    if not text.strip():
        return None
    author = _called(replied.from_user) if replied and replied.from_user else ""
    return Quote(text[:_QUOTED], author)


# ---------------------------------------------------------------- whom it is for


def _named(text: str, me: Me) -> tuple[bool, str]:
    """Whether `@bot` stands in it as a word, and the text without the one at its beginning or end."""
    name, low = f"@{me.username}".lower(), text.lower()
    found, at = False, low.find(name)
    while at >= 0 and not found:
        end = at + len(name)
        before, after = low[at - 1 : at], low[end : end + 1]
        found = not _in_name(before) and before != "/" and not _in_name(after) and not _in_command(low, at)
        at = low.find(name, end)
    if not found:
        return False, text
    bare = text.strip()
    if bare.lower().startswith(name) and not _in_name(bare[len(name) : len(name) + 1]):
        bare = bare[len(name) :].lstrip(" \t\n,，:：、")
    elif bare.lower().endswith(name):
        bare = bare[: -len(name)].rstrip()
    return True, bare or text


def _in_name(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _in_command(text: str, at: int) -> bool:
    return text[:1] in ("/", "／") and not any(c.isspace() for c in text[:at])


def _target(text: str) -> tuple[str, str, str]:
    """A command with the bot it is for: `/name`, `bot`, and the rest."""
    word, _, _ = text.partition(" ")
    word = word.split("\n", 1)[0]
    name, at, bot = word.partition("@")
    if text[:1] not in ("/", "／") or not at:
        return "", "", ""
    return name, bot, text[len(word) :]


def _for_another(text: str, me: Me) -> bool:
    name, bot, _ = _target(text)
    return bool(name) and bot.lower() != me.username.lower()


def _at_me(text: str, me: Me) -> bool:
    name, bot, _ = _target(text)
    return bool(name) and bot.lower() == me.username.lower()


def _without_target(text: str, me: Me) -> str:
    name, _, rest = _target(text)
    return name + rest if name else text
