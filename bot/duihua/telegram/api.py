"""One bot's calls of the Bot API: what goes wrong there becomes one of a few errors, or nothing.

Errors that leave as `DeliveryError`s say what may have happened: `NotSent` (surely not there: again later),
`SendUnknown` (the answer was lost: it may be there), `Gone` (it will never arrive). A message that was to be
edited and is no more is no error: `edit` says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import (
    CreateForumTopic,
    DeleteMessages,
    EditForumTopic,
    EditMessageText,
    GetChatMember,
    SendAudio,
    SendChatAction,
    SendDocument,
    SendMessage,
    SendMessageDraft,
    SendPhoto,
    SendRichMessage,
    TelegramMethod,
)
from aiogram.types import (
    BufferedInputFile,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichMessage,
    LinkPreviewOptions,
    MessageId,
    ReplyParameters,
)

from duihua.errors import DeliveryError, Gone, NotSent, SendUnknown
from duihua.messages import Attachment
from duihua.redact import redact
from duihua.telegram.governor import Governor, Kind
from duihua.telegram.place import Place
from duihua.telegram.text import Entity, Formatted, Rich

log = logging.getLogger(__name__)
T = TypeVar("T")

TIMEOUT = 20
"""Seconds for one call."""
PATIENCE = 5.0
"""Seconds that what must arrive waits for its turn before it is put back."""
LATER = 2.0
"""Seconds until what was put back is tried again."""
KEPT = 1_000
"""Chats that have moved, and messages in them, which are known for those who hold the former address."""
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_SAME = "not modified"
_LOST = ("message to edit not found", "can't be edited")
"""What Telegram says of a message that is no more, or not ours."""
_LARGE = ("too large", "too big")
_NO_BLOCKS = ("text is empty", "rich message must be non-empty")
"""What older servers answer to blocks, which they do not know."""
_PHOTO = 10 << 20  # bytes; a larger one goes as a document
_CAPTION = 1_024
_TOPIC = 128  # characters of a topic's name


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message: it sends `data` to the bot, or copies `copy`."""

    text: str
    data: str = ""
    copy: str = ""


Buttons = Sequence[Sequence[Button]]
Content = Formatted | Rich
"""What a message says."""


class Api:
    """The calls of one bot.

    Attributes:
        moved: told when a call finds that a group has become a supergroup: (old chat, new chat).
    """

    def __init__(
        self, bot: Bot, governor: Governor, moved: Callable[[int, int], Awaitable[None]] | None = None
    ) -> None:
        self.bot, self.governor = bot, governor
        self.moved = moved
        self._new: OrderedDict[int, int] = OrderedDict()  # chats that have moved
        self._there: OrderedDict[tuple[int, int], None] = OrderedDict()  # (old chat, message) sent to the new
        self._off: set[str] = set()  # methods that this server does not know

    @asynccontextmanager
    async def turn(self, place: Place, kind: Kind = "final") -> AsyncGenerator[None]:
        """Waits until something may be sent there; one call is made within.

        Raises:
            NotSent: it would take too long for what must arrive; frames wait as long as it takes.
        """
        chat = self._chat(place)
        if kind == "frame":
            async with self.governor.slot(chat, kind):
                yield
            return
        if (seconds := self.governor.shut(chat)) > PATIENCE:
            raise NotSent("Telegram asks to wait", seconds)
        slot = self.governor.slot(chat, kind)
        try:
            async with asyncio.timeout(PATIENCE):
                await slot.__aenter__()
        except TimeoutError:
            raise NotSent("the chat has had as many messages as it may", LATER) from None
        try:
            yield
        finally:
            await slot.__aexit__(None, None, None)

    # ------------------------------------------------------------ messages

    @property
    def rich(self) -> bool:
        """Whether this server may know rich messages."""
        return "rich" not in self._off

    async def send(self, place: Place, what: Content, *, reply_to: int = 0, buttons: Buttons = ()) -> int:
        """Sends a message; returns its id.

        Raises:
            NotRich: it is to go as text. NotSent, SendUnknown, Gone: as the module says.
        """
        if isinstance(what, Rich):
            content = _content(what)
            sent = await self._enriched(
                place,
                lambda at: _SendRich(
                    chat_id=at.chat,
                    message_thread_id=at.topic or None,
                    rich_message=content,
                    reply_markup=_keyboard(buttons),
                    reply_parameters=_reply(reply_to),
                ),
            )
            return sent.message_id

        def method(text: Formatted, at: Place) -> SendMessage:
            return SendMessage.model_construct(
                chat_id=at.chat,
                message_thread_id=at.topic or None,
                text=text.text,
                entities=_entities(text.entities),
                link_preview_options=_NO_PREVIEW,
                reply_markup=_keyboard(buttons),
                reply_parameters=_reply(reply_to),
                parse_mode=None,
            )

        return self._noted(place, (await self._sent(place, what, method)).message_id)

    async def edit(self, place: Place, message: int, what: Content, *, buttons: Buttons = ()) -> bool:
        """Makes a message say something else; False: it is no more, or cannot be changed.

        Raises:
            NotRich: it is to become a text. NotSent, Gone: as the module says. As the same edit twice is one
                edit, nothing is unknown.
        """
        if not self._exists(place, message):
            return False

        def method(text: Formatted, at: Place) -> EditMessageText:
            return EditMessageText.model_construct(
                chat_id=at.chat,
                message_id=message,
                text=text.text,
                entities=_entities(text.entities),
                link_preview_options=_NO_PREVIEW,
                reply_markup=_keyboard(buttons),
                parse_mode=None,
            )

        try:
            if isinstance(what, Rich):
                content = _content(what)
                await self._enriched(
                    place,
                    lambda at: _EditRich(
                        chat_id=at.chat,
                        message_id=message,
                        rich_message=content,
                        reply_markup=_keyboard(buttons),
                        parse_mode=None,
                        disable_web_page_preview=None,
                    ),
                    follows=False,
                )
            else:
                await self._sent(place, what, method, follows=False)
        except SendUnknown as e:
            raise NotSent(str(e), LATER) from None
        except _Moved:
            return False
        except Refused as e:
            if _SAME in e.reason:
                return True
            if any(words in e.reason for words in _LOST):
                return False
            raise
        return True

    async def delete(self, place: Place, messages: Sequence[int]) -> bool:
        """Deletes messages; False: some are too old for it, or not to be deleted for another reason."""
        messages = [message for message in messages if self._exists(place, message)]
        done = True
        for start in range(0, len(messages), 100):
            some = messages[start : start + 100]
            try:
                await self._call(
                    place,
                    lambda at, some=some: DeleteMessages(chat_id=at.chat, message_ids=some),
                    follows=False,
                )
            except _Moved:
                return True
            except SendUnknown as e:
                raise NotSent(str(e), LATER) from None
            except Refused as e:
                log.info("messages could not be deleted: %s", e.reason)
                done = False
        return done

    async def draft(self, place: Place, draft: int, what: Formatted) -> bool:
        """Shows a draft, with the button that stops it; False: this place or this server has none."""
        if "draft" in self._off or not place.private:
            return False
        try:
            await self._call(
                place,
                lambda at: SendMessageDraft.model_construct(
                    chat_id=at.chat,
                    message_thread_id=at.topic or None,
                    draft_id=draft,
                    text=what.text or None,
                    entities=_entities(what.entities),
                    can_stop=True,
                    parse_mode=None,
                ),
            )
        except _Unsupported:
            self._off.add("draft")
            return False
        except SendUnknown as e:
            raise NotSent(str(e), LATER) from None
        return True

    async def file(self, place: Place, file: Attachment, caption: str = "", *, reply_to: int = 0) -> int:
        """Sends an image or a file as bytes; returns the message's id.

        Raises:
            Refused: Telegram does not take this file. NotSent, SendUnknown, Gone: as the module says.
        """
        data = BufferedInputFile(file.data, file.name or "file")
        text = caption[:_CAPTION] or None
        common: dict[str, Any] = {"caption": text, "parse_mode": None, "reply_parameters": _reply(reply_to)}

        def method(at: Place) -> TelegramMethod[Any]:
            where = {"chat_id": at.chat, "message_thread_id": at.topic or None}
            if file.media == "image" and len(file.data) <= _PHOTO and file.mime != "image/svg+xml":
                return SendPhoto(**where, photo=data, **common)
            if file.media == "audio":
                return SendAudio(**where, audio=data, **common)
            return SendDocument(**where, document=data, **common)

        try:
            return self._noted(place, (await self._call(place, method)).message_id)
        except Refused as e:
            if file.media != "image" or not any(word in e.reason for word in ("photo", "image")):
                raise
            plain = Attachment(file.id, "file", file.mime, file.data, file.name)
            return await self.file(place, plain, caption, reply_to=reply_to)

    async def typing(self, place: Place) -> None:
        """Shows that the bot is at work, for five seconds; nothing if that fails."""
        try:
            await self._call(
                place,
                lambda at: SendChatAction(
                    chat_id=at.chat, message_thread_id=at.topic or None, action="typing"
                ),
            )
        except DeliveryError as e:
            log.debug("no sign of work: %s", e)

    async def status(self, place: Place, user: int) -> str:
        """What somebody is in a chat: creator, administrator, member, left and so on; empty: nobody knows."""
        try:
            found = await self._call(place, lambda at: GetChatMember(chat_id=at.chat, user_id=user))
        except DeliveryError as e:
            log.info("who is who in chat %d is not known: %s", place.chat, e)
            return ""
        return str(found.status)

    async def open_topic(self, place: Place, name: str) -> int:
        """Opens a topic in a chat; returns its id.

        Raises:
            DeliveryError: there are none there, or the bot may not.
        """
        where = Place(place.chat)
        topic = await self._call(where, lambda at: CreateForumTopic(chat_id=at.chat, name=name[:_TOPIC]))
        return topic.message_thread_id

    async def name_topic(self, place: Place, name: str) -> None:
        """Gives a topic another name, if that can be done."""
        try:
            await self._call(
                Place(place.chat),
                lambda at: EditForumTopic(chat_id=at.chat, message_thread_id=place.topic, name=name[:_TOPIC]),
            )
        except DeliveryError as e:
            log.info("a topic keeps its name: %s", e)

    async def quietly(self, method: TelegramMethod[Any]) -> bool:
        """Makes a call that may fail, such as the answer to a pressed button; False: it did."""
        try:
            await self.bot(method, request_timeout=TIMEOUT)
        except (TelegramAPIError, ClientDecodeError) as e:
            log.info("%s: %s", type(method).__name__, redact(str(e)))
            return False
        return True

    # ------------------------------------------------------------ calls

    async def _sent(
        self,
        place: Place,
        what: Formatted,
        method: Callable[[Formatted, Place], TelegramMethod[Any]],
        *,
        follows: bool = True,
    ) -> Any:
        """A text; once more without its entities, should Telegram not take them."""
        try:
            return await self._call(place, lambda at: method(what, at), follows=follows)
        except Refused as e:
            if not what.entities or "entit" not in e.reason:
                raise
            log.warning("a text was sent plain: %s", e.reason)
            return await self._call(place, lambda at: method(Formatted(what.text), at), follows=follows)

    async def _enriched(
        self, place: Place, method: Callable[[Place], TelegramMethod[T]], *, follows: bool = True
    ) -> T:
        """A rich message, which may not be wanted: as such, or as it is."""
        try:
            return await self._call(place, method, follows=follows)
        except Refused as e:
            if any(words in e.reason for words in (_SAME, *_LOST)):
                raise
            if isinstance(e, _Unsupported) or any(words in e.reason for words in _NO_BLOCKS):
                self._off.add("rich")
            log.warning("a rich message goes as text: %s", e.reason)
            raise NotRich(str(e)) from None

    async def _call(
        self, place: Place, method: Callable[[Place], TelegramMethod[T]], *, follows: bool = True
    ) -> T:
        """A call; once more where a topic is gone, or, if it `follows`, where the group has moved to."""
        at = Place(self._chat(place), place.topic)
        try:
            return await self._once(method(at), at.chat)
        except Refused as e:
            if not at.topic or "thread not found" not in e.reason:
                raise
            return await self._once(method(Place(at.chat)), at.chat)
        except _Moved as e:
            self.note_move(place.chat, e.chat)
            if self.moved is not None:
                await self.moved(place.chat, e.chat)
            if not follows:
                raise
            return await self._once(method(Place(e.chat)), e.chat)

    async def _once(self, method: TelegramMethod[T], chat: int) -> T:
        try:
            return await self.bot(method, request_timeout=TIMEOUT)
        except TelegramRetryAfter as e:
            self.governor.learn(chat, e.retry_after)
            raise NotSent("Telegram asks to wait", float(e.retry_after)) from None
        except TelegramMigrateToChat as e:
            raise _Moved(e.migrate_to_chat_id) from None
        except TelegramForbiddenError as e:
            raise Gone(_reason(e)) from None
        except TelegramNotFound as e:
            raise _Unsupported(_reason(e)) from None
        except TelegramBadRequest as e:
            if "chat not found" in e.message.lower():
                raise Gone(_reason(e)) from None
            raise Refused(_reason(e)) from None
        except TelegramEntityTooLarge as e:
            raise Refused(_reason(e)) from None
        except TelegramNetworkError as e:
            cause = e.__cause__ or e.__context__
            if isinstance(cause, aiohttp.ClientConnectorError):
                raise NotSent("Telegram cannot be reached", LATER) from None
            raise SendUnknown("the connection broke") from None
        except (TelegramServerError, ClientDecodeError) as e:
            raise SendUnknown(f"Telegram's answer was none: {type(e).__name__}") from None
        except TelegramAPIError as e:  # 401: the token is not good any more; the poller tells
            raise NotSent(_reason(e), 30.0) from None

    def _chat(self, place: Place) -> int:
        return self._new.get(place.chat, place.chat)

    def note_move(self, old: int, new: int) -> None:
        """A group is another chat from now on. What was sent to the former one cannot be changed any more."""
        self._new[old] = new
        while len(self._new) > KEPT:  # the next call finds it out anew
            self._new.popitem(last=False)

    def _noted(self, place: Place, message: int) -> int:
        if place.chat in self._new:
            self._there[place.chat, message] = None
            while len(self._there) > KEPT:
                self._there.popitem(last=False)
        return message

    def _exists(self, place: Place, message: int) -> bool:
        """Whether a message is where calls go now: the same id in another chat is another message."""
        return place.chat not in self._new or (place.chat, message) in self._there


class NotRich(NotSent):
    """A rich message was certainly not sent, and will not be: it is to go as text."""


class Refused(DeliveryError):
    """Telegram does not want it as it is (400, 413): surely not there, and the same again would not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Telegram refused it: {reason}")
        self.reason = reason.lower()

    @property
    def large(self) -> bool:
        """Whether it is too large."""
        return any(words in self.reason for words in _LARGE)


class _Unsupported(Refused):
    """The server does not know the method (404)."""


class _Moved(DeliveryError):
    """The group is a supergroup now."""

    def __init__(self, chat: int) -> None:
        super().__init__("the group has moved")
        self.chat = chat


class _SendRich(SendRichMessage):
    """Of what comes back the number alone is read: new kinds of blocks must not make a message seem lost."""

    __returning__ = MessageId


class _EditRich(EditMessageText):
    """As `_SendRich`."""

    __returning__ = MessageId


def _content(what: Rich) -> InputRichMessage:
    return InputRichMessage.model_construct(blocks=list(what.blocks))


def _reason(error: TelegramAPIError) -> str:
    return redact(error.message)[:200]


def _entities(entities: Sequence[Entity]) -> list[dict[str, Any]] | None:
    """As the Bot API takes them: to have each checked and taken apart again costs more than to send them."""
    return [_entity(it) for it in entities] or None


def _entity(it: Entity) -> dict[str, Any]:
    made: dict[str, Any] = {"type": it.type, "offset": it.offset, "length": it.length}
    if it.url:
        made["url"] = it.url
    if it.language:
        made["language"] = it.language
    return made


def _keyboard(buttons: Buttons) -> InlineKeyboardMarkup | None:
    rows = [
        [
            InlineKeyboardButton(text=b.text, copy_text=CopyTextButton(text=b.copy))
            if b.copy
            else InlineKeyboardButton(text=b.text, callback_data=b.data)
            for b in row
        ]
        for row in buttons
    ]
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


def _reply(message: int) -> ReplyParameters | None:
    return ReplyParameters(message_id=message, allow_sending_without_reply=True) if message else None
