"""Methods about chats, their members and topics."""

from __future__ import annotations

from typing import Any

from duihua.simulator.telegram.ask import Ask
from duihua.simulator.telegram.chats import GENERAL, PRESENT, Chat, Topic
from duihua.simulator.telegram.members import member, open_topic
from duihua.simulator.telegram.methods import method
from duihua.simulator.telegram.refusals import bad

Json = dict[str, Any]

ICON_COLOUR = 7_322_096
MOST_NAME = 128


@method("getChat", "chat_id")
def get_chat(ask: Ask) -> Json:
    """All about a chat."""
    chat = ask.chat()
    gifts = dict.fromkeys(
        (
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        ),
        False,
    )
    return chat.json() | {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": gifts}


@method("getChatMember", "chat_id user_id")
def get_chat_member(ask: Ask) -> Json:
    """One member."""
    chat, number = ask.chat(), ask.number("user_id")
    if not number:
        raise bad("invalid user_id specified")
    person = chat.people.get(number) or ask.world.users.get(number)
    if person is None:
        raise bad("user not found")
    if chat.private and number not in chat.members:
        raise bad("member not found")
    return member(person, chat.members.get(number, "left"))


@method("getChatAdministrators", "chat_id")
def get_chat_administrators(ask: Ask) -> list[Json]:
    """The administrators who are no bots, and the bot itself if it is one."""
    chat = ask.chat()
    if chat.private:
        raise bad("there are no administrators in the private chat")
    return [
        member(chat.people[id_], status)
        for id_, status in chat.members.items()
        if status in ("creator", "administrator") and (id_ == ask.bot.id or not chat.people[id_].is_bot)
    ]


@method("getChatMemberCount", "chat_id")
def get_chat_member_count(ask: Ask) -> int:
    """How many are in it."""
    return sum(status in PRESENT for status in ask.chat().members.values())


@method("leaveChat", "chat_id")
def leave_chat(ask: Ask) -> bool:
    """The bot goes."""
    chat = ask.chat()
    if chat.private:
        raise bad("chat member status can't be changed in private chats")
    chat.members[ask.bot.id] = "left"
    ask.world.happened("left", chat, ask.bot.person)
    return True


# ---------------------------------------------------------------- topics


@method("createForumTopic", "chat_id name icon_color icon_custom_emoji_id")
def create_forum_topic(ask: Ask) -> Json:
    """A new topic."""
    chat = _with_topics(ask)
    topic = open_topic(ask.world, chat, ask.bot.person, _name(ask))
    ask.call.thread = topic.id
    return {"message_thread_id": topic.id, "name": topic.name, "icon_color": ICON_COLOUR}


@method("editForumTopic", "chat_id message_thread_id name icon_custom_emoji_id")
def edit_forum_topic(ask: Ask) -> bool:
    """Another name."""
    chat = _with_topics(ask)
    topic = _topic(ask, chat)
    if not ask.text("name"):
        return True
    name = _name(ask)
    if name == topic.name:
        raise bad("TOPIC_NOT_MODIFIED")
    topic.name = name
    _told(ask, chat, topic, {"forum_topic_edited": {"name": name}})
    return True


@method("closeForumTopic", "chat_id message_thread_id")
def close_forum_topic(ask: Ask) -> bool:
    """Nobody but administrators writes there any more."""
    return _open(ask, False)


@method("reopenForumTopic", "chat_id message_thread_id")
def reopen_forum_topic(ask: Ask) -> bool:
    """Opens it again."""
    return _open(ask, True)


@method("deleteForumTopic", "chat_id message_thread_id")
def delete_forum_topic(ask: Ask) -> bool:
    """Takes a topic away, with all its messages."""
    chat = _with_topics(ask)
    topic = _topic(ask, chat)
    topic.deleted = True
    for message in chat.messages.values():
        if message.thread == topic.id:
            message.deleted = ask.call.at
    return True


def _open(ask: Ask, wanted: bool) -> bool:
    chat = _with_topics(ask)
    if chat.private:
        raise bad("the chat is not a supergroup forum")
    topic = _topic(ask, chat)
    if topic.closed != wanted:
        raise bad("TOPIC_NOT_MODIFIED")
    topic.closed = not wanted
    _told(ask, chat, topic, {"forum_topic_reopened" if wanted else "forum_topic_closed": {}})
    return True


def _told(ask: Ask, chat: Chat, topic: Topic, service: Json) -> None:
    ask.world.post(chat, ask.bot.person, thread=topic.id, service=service)


def _with_topics(ask: Ask) -> Chat:
    chat = ask.chat()
    if not (chat.forum or (chat.private and ask.bot.topics)):
        raise bad("the chat is not a forum")
    if not chat.private and chat.members.get(ask.bot.id) not in ("creator", "administrator"):
        raise bad("not enough rights to create a topic")
    return chat


def _topic(ask: Ask, chat: Chat) -> Topic:
    number = ask.number("message_thread_id")
    ask.call.thread = number or None
    topic = chat.topics.get(number)
    if topic is None or topic.deleted or number == GENERAL:
        raise bad("TOPIC_ID_INVALID")
    return topic


def _name(ask: Ask) -> str:
    name = ask.text("name").strip()
    if not name:
        raise bad("topic name must be non-empty")
    return name[:MOST_NAME]
