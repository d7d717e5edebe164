"""What is asked of the Bot API most: the methods as they are sent, made of our own values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiogram.methods import EditMessageText, SendMessage, SendMessageDraft, SendRichMessage
from aiogram.types import (
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichMessage,
    LinkPreviewOptions,
    MessageId,
    ReplyParameters,
)

from duihua.telegram.text import Entity, Formatted, Rich


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message: it sends `data` to the bot, or copies `copy`."""

    text: str
    data: str = ""
    copy: str = ""


Buttons = Sequence[Sequence[Button]]
Content = Formatted | Rich
"""What a message says."""


class SendRich(SendRichMessage):
    """Of what comes back the number alone is read: new kinds of blocks must not make a message seem lost."""

    __returning__ = MessageId


class Send(SendMessage):
    """As `SendRich`."""

    __returning__ = MessageId


class Edit(EditMessageText):
    """As `SendRich`."""

    __returning__ = MessageId


# What is sent most is made of these: to fill in and check each field anew costs more than to send it.
_PLAINLY: dict[str, Any] = {"parse_mode": None, "link_preview_options": LinkPreviewOptions(is_disabled=True)}
SEND = Send.model_construct(**_PLAINLY)
EDIT = Edit.model_construct(**_PLAINLY)
DRAFT = SendMessageDraft.model_construct(can_stop=True, parse_mode=None)


def blocks(what: Rich) -> InputRichMessage:
    """A rich message."""
    return InputRichMessage.model_construct(blocks=list(what.blocks))


def entities(found: Sequence[Entity]) -> list[dict[str, Any]] | None:
    """As the Bot API takes them: to have each checked and taken apart again costs more than to send them."""
    return [_entity(it) for it in found] or None


def _entity(it: Entity) -> dict[str, Any]:
    made: dict[str, Any] = {"type": it.type, "offset": it.offset, "length": it.length}
    if it.url:
        made["url"] = it.url
    if it.language:
        made["language"] = it.language
    return made


def keyboard(buttons: Buttons) -> InlineKeyboardMarkup | None:
    """Buttons under a message."""
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


def reply(message: int) -> ReplyParameters | None:
    """What a message answers, 0: nothing; it is sent even if that is no more."""
    return ReplyParameters(message_id=message, allow_sending_without_reply=True) if message else None
