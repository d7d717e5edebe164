"""Who is in a chat, as the Bot API tells it, and what a bot gets to see there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.chats import Chat, Status, Topic
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.people import Person

if TYPE_CHECKING:
    from duihua.simulator.telegram.world import World

Json = dict[str, Any]


def open_topic(world: World, chat: Chat, by: Person, name: str) -> Topic:
    """Adds a topic; its id is that of the service message that opens it."""
    message = world.post(chat, by, service={"forum_topic_created": {"name": name, "icon_color": 7322096}})
    topic = chat.topics[message.id] = Topic(message.id, name)
    message.thread = message.id
    return topic


def sees(bot: Bot, message: Message) -> bool:
    """Whether a bot gets a user's message: in groups, with privacy mode on, only what is meant for it."""
    chat = message.chat
    if not chat.group or not bot.privacy or chat.members.get(bot.id) in ("creator", "administrator"):
        return True
    if message.service:
        return True
    if message.reply_to is not None and (other := chat.messages.get(message.reply_to)):
        return other.sender.id == bot.id
    for entity in message.entities:
        if entity["type"] == "bot_command" and entity["offset"] == 0:
            _, at, name = message.text[: entity["length"]].partition("@")
            return not at or name.lower() == bot.person.username.lower()
    return False


def changed(world: World, chat: Chat, by: Person, who: Person, before: Status, after: Status) -> Json:
    """The Bot API's `ChatMemberUpdated`."""
    return {
        "chat": chat.json(),
        "from": by.json(),
        "date": int(world.now()),
        "old_chat_member": member(who, before),
        "new_chat_member": member(who, after),
    }


RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
    "can_pin_messages",
    "can_manage_topics",
)


def member(who: Person, status: Status) -> Json:
    """The Bot API's `ChatMember`."""
    body: Json = {"user": who.json(), "status": status}
    match status:
        case "creator":
            return {**body, "is_anonymous": False}
        case "administrator":
            return body | {"can_be_edited": False, "is_anonymous": False} | dict.fromkeys(RIGHTS, True)
        case "kicked":
            return {**body, "until_date": 0}
        case _:
            return body
