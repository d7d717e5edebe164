"""What one bot asks of the Bot API: messages, drafts, files, topics; errors are those of `calls`.

A message that was to be edited and is no more is no error: `edit` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError
from aiogram.methods import (
    CreateForumTopic,
    DeleteMessages,
    EditForumTopic,
    GetChatMember,
    SendAudio,
    SendChatAction,
    SendDocument,
    SendPhoto,
    TelegramMethod,
)
from aiogram.types import BufferedInputFile

from duihua.errors import DeliveryError, NotSent, SendUnknown
from duihua.messages import Attachment
from duihua.redact import redact
from duihua.telegram.calls import LATER, TIMEOUT, Calls, Moved, NotRich, Refused, Unsupported
from duihua.telegram.governor import Governor
from duihua.telegram.methods import (
    DRAFT,
    EDIT,
    SEND,
    Buttons,
    Content,
    Edit,
    Send,
    SendRich,
    blocks,
    entities,
    keyboard,
    reply,
)
from duihua.telegram.place import Place
from duihua.telegram.text import Formatted, Rich

log = logging.getLogger(__name__)
T = TypeVar("T")

_SAME = "not modified"
_LOST = ("message to edit not found", "can't be edited")
"""What Telegram says of a message that is no more, or not ours."""
_NO_BLOCKS = ("text is empty", "rich message must be non-empty")
"""What older servers answer to blocks, which they do not know."""
_PHOTO = 10 << 20  # bytes; a larger one goes as a document
_CAPTION = 1_024
_TOPIC = 128  # characters of a topic's name


class Api(Calls):
    """What one bot asks of the Bot API; see `Calls` for when it may."""

    def __init__(
        self, bot: Bot, governor: Governor, moved: Callable[[int, int], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(bot, governor, moved)
        self._off: set[str] = set()  # methods that this server does not know

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
            content = blocks(what)
            sent = await self._enriched(
                place,
                lambda at: SendRich(
                    chat_id=at.chat,
                    message_thread_id=at.topic or None,
                    rich_message=content,
                    reply_markup=keyboard(buttons),
                    reply_parameters=reply(reply_to),
                ),
            )
            return sent.message_id

        def method(text: Formatted, at: Place) -> Send:
            return SEND.model_copy(
                update={
                    "chat_id": at.chat,
                    "message_thread_id": at.topic or None,
                    "text": text.text,
                    "entities": entities(text.entities),
                    "reply_markup": keyboard(buttons),
                    "reply_parameters": reply(reply_to),
                }
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

        def method(text: Formatted, at: Place) -> Edit:
            return EDIT.model_copy(
                update={
                    "chat_id": at.chat,
                    "message_id": message,
                    "text": text.text,
                    "entities": entities(text.entities),
                    "reply_markup": keyboard(buttons),
                }
            )

        try:
            if isinstance(what, Rich):
                content = blocks(what)
                await self._enriched(
                    place,
                    lambda at: Edit(
                        chat_id=at.chat,
                        message_id=message,
                        rich_message=content,
                        reply_markup=keyboard(buttons),
                        parse_mode=None,
                        disable_web_page_preview=None,
                    ),
                    follows=False,
                )
            else:
                await self._sent(place, what, method, follows=False)
        except SendUnknown as e:
            raise NotSent(str(e), LATER) from None
        except Moved:
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
            except Moved:
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
                lambda at: DRAFT.model_copy(
                    update={
                        "chat_id": at.chat,
                        "message_thread_id": at.topic or None,
                        "draft_id": draft,
                        "text": what.text or None,
                        "entities": entities(what.entities),
                    }
                ),
            )
        except Unsupported:
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
        common: dict[str, Any] = {"caption": text, "parse_mode": None, "reply_parameters": reply(reply_to)}

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
            if isinstance(e, Unsupported) or any(words in e.reason for words in _NO_BLOCKS):
                self._off.add("rich")
            log.warning("a rich message goes as text: %s", e.reason)
            raise NotRich(str(e)) from None
