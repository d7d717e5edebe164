"""Methods that send and change text."""

from __future__ import annotations

from typing import Any, cast

from duihua.simulator.telegram.ask import MOST_CAPTION, Ask
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.methods import EDIT, SEND, method
from duihua.simulator.telegram.refusals import NOT_MODIFIED, bad
from duihua.simulator.telegram.rich import rich_message

Json = dict[str, Any]

DELETE_AGE = 48 * 3600
"""Seconds after which a bot may not delete a message any more."""
MOST_DELETED = 100
ACTIONS = (
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
    "record_audio",
    "upload_audio",
)


@method(
    "sendMessage",
    "text parse_mode entities link_preview_options disable_web_page_preview",
    SEND,
)
def send_message(ask: Ask) -> Any:
    """A text."""
    if not ask.text("text"):
        raise bad("message text is empty")
    chat = ask.chat()
    text, entities = ask.formatted()
    if not text:
        raise bad("text must be non-empty")
    buttons, place = ask.buttons(chat), ask.place(chat)
    ask.spend(chat)
    return ask.post(chat, place, text=text, entities=entities, buttons=buttons).json()


@method(
    "editMessageText",
    "text parse_mode entities link_preview_options rich_message disable_web_page_preview",
    EDIT,
)
def edit_message_text(ask: Ask) -> Any:
    """Another text for a message of the bot's own."""
    if ask.world.rich and ask.json("rich_message", "rich message") is not None:
        return _edit_rich(ask)
    if not ask.text("text"):
        raise bad("message text is empty")
    chat = ask.chat()
    text, entities = ask.formatted()
    if not text:
        raise bad("text must be non-empty")
    message = own(ask, ask.message(chat, "edit"))
    if message.media and "rich_message" not in message.media:
        raise bad("there is no text in the message to edit")
    buttons = ask.buttons(chat)
    if not message.media and message.shows(text, entities, buttons):
        raise NOT_MODIFIED
    ask.spend(chat)
    return edited(ask, message, text, entities, buttons, media=None)


@method("editMessageCaption", "caption parse_mode caption_entities show_caption_above_media", EDIT)
def edit_message_caption(ask: Ask) -> Any:
    """Another caption."""
    chat = ask.chat()
    text, entities = ask.formatted("caption", "caption_entities", MOST_CAPTION)
    message = own(ask, ask.message(chat, "edit"))
    if not message.media or "rich_message" in message.media:
        raise bad("there is no caption in the message to edit")
    buttons = ask.buttons(chat)
    if message.shows(text, entities, buttons):
        raise NOT_MODIFIED
    ask.spend(chat)
    return edited(ask, message, text, entities, buttons, media=message.media)


@method("editMessageReplyMarkup", "", EDIT)
def edit_message_reply_markup(ask: Ask) -> Any:
    """Other buttons, or none."""
    chat = ask.chat()
    message = own(ask, ask.message(chat, "edit"))
    buttons = ask.buttons(chat)
    if message.shows(message.text, message.entities, buttons):
        raise NOT_MODIFIED
    ask.spend(chat)
    return edited(ask, message, message.text, message.entities, buttons, media=message.media)


@method("deleteMessage", "chat_id message_id")
def delete_message(ask: Ask) -> bool:
    """Takes a message away."""
    chat = ask.chat()
    _delete(ask, ask.message(chat, "delete"))
    return True


@method("deleteMessages", "chat_id message_ids")
def delete_messages(ask: Ask) -> bool:
    """Takes messages away; those that are not there are passed over."""
    chat = ask.chat()
    given = ask.json("message_ids")
    if not isinstance(given, list) or not given:
        raise bad("message identifiers are not specified")
    numbers = cast("list[Any]", given)
    if len(numbers) > MOST_DELETED:
        raise bad("too many message identifiers specified")
    for number in numbers:
        message = chat.messages.get(number) if type(number) is int else None
        if message is not None and not message.deleted:
            _delete(ask, message)
    return True


@method("sendChatAction", "business_connection_id chat_id message_thread_id action")
def send_chat_action(ask: Ask) -> bool:
    """That the bot is typing, and the like."""
    chat = ask.chat()
    ask.thread(chat)
    action = ask.text("action")
    if action not in ACTIONS:
        raise bad("wrong parameter action in request")
    chat.actions.append((ask.call.at, action))
    ask.call.text = action
    return True


def _edit_rich(ask: Ask) -> Any:
    chat = ask.chat()
    rich = rich_message(ask)
    message = own(ask, ask.message(chat, "edit"))
    if message.media and not message.rich:
        raise bad("there is no text in the message to edit")
    buttons = ask.buttons(chat)
    if message.rich == rich and message.shows("", [], buttons):
        raise NOT_MODIFIED
    ask.spend(chat)
    return edited(ask, message, "", [], buttons, media={"rich_message": rich})


def own(ask: Ask, message: Message) -> Message:
    """A message that the bot sent itself, and so may edit."""
    if message.sender.id != ask.bot.id or message.service:
        raise bad("message can't be edited")
    return message


def edited(
    ask: Ask,
    message: Message,
    text: str,
    entities: list[Json],
    buttons: list[list[Json]] | None,
    media: Json | None,
) -> Json:
    """Changes a message."""
    message.change(ask.call.at, ask.world.kept_edits)
    message.text, message.entities, message.buttons, message.media = text, entities, buttons, media
    ask.world.happened("edited", message.chat, message)
    return message.json()


def _delete(ask: Ask, message: Message) -> None:
    chat = message.chat
    mine = message.sender.id == ask.bot.id
    if not (mine or chat.private or chat.members.get(ask.bot.id) in ("creator", "administrator")):
        raise bad("message can't be deleted")
    if ask.call.at - message.date > DELETE_AGE:
        raise bad("message can't be deleted for everyone")
    message.deleted = ask.call.at
    ask.world.happened("deleted", chat, message)
