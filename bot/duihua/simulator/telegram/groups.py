"""Groups, and what their admins do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.chats import Chat, Status, Topic
from duihua.simulator.telegram.detection import detected
from duihua.simulator.telegram.members import changed, open_topic
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.people import Person

if TYPE_CHECKING:
    from duihua.simulator.telegram.actor import User
    from duihua.simulator.telegram.world import World

Json = dict[str, Any]


class Group:
    """A group."""

    def __init__(self, world: World, chat: Chat) -> None:
        self._world, self.chat = world, chat

    @property
    def id(self) -> int:
        """Its id; another after `migrate`."""
        return self.chat.id

    def add(self, who: User | Bot | Person, *, by: User | None = None) -> None:
        """Lets someone in."""
        person = who if isinstance(who, Person) else who.person
        self._member(person, "member", by)
        self._service({"new_chat_members": [person.json()]}, by.person if by else person)

    def remove(self, who: User | Bot, *, by: User | None = None) -> None:
        """Someone leaves, or is removed by somebody else."""
        self._service({"left_chat_member": who.person.json()}, by.person if by else who.person)
        self._member(who.person, "kicked" if by else "left", by)

    def promote(self, who: User | Bot) -> None:
        """Makes an administrator."""
        self._member(who.person, "administrator", None)

    def demote(self, who: User | Bot) -> None:
        """Makes an ordinary member again."""
        self._member(who.person, "member", None)

    def rename(self, title: str) -> None:
        """Gives it another title."""
        self.chat.title = title
        self.chat.changed()
        self._service({"new_chat_title": title}, self._owner())

    def topic(self, name: str) -> Topic:
        """Opens a topic in a forum."""
        if not self.chat.forum:
            raise ValueError(f"chat {self.chat.id} is no forum")
        topic = open_topic(self._world, self.chat, self._owner(), name)
        self._tell(self.chat.messages[topic.id])
        return topic

    def migrate(self, id_: int | None = None) -> int:
        """Makes a supergroup of a group, which this object then stands for; returns its id."""
        old = self.chat
        if old.kind != "group":
            raise ValueError(f"chat {old.id} is a supergroup already")
        new_id = id_ if id_ is not None else -1_000_000_000_000 + old.id
        new = self._world.add_group(new_id, old.title, supergroup=True, forum=False)
        new.members, new.people = dict(old.members), dict(old.people)
        owner = self._owner()
        first = self._world.post(old, owner, service={"migrate_to_chat_id": new_id})
        self._tell(first)
        old.moved_to = new_id
        self.chat = new
        self._service({"migrate_from_chat_id": old.id}, owner)
        return new_id

    def say_as_bot(self, text: str, name: str = "other", id_: int = 777_000_111) -> Message:
        """A message of some other bot, as bots see it where they are allowed to."""
        sender = Person(id_, name, username=f"{name}_bot", is_bot=True)
        message = self._world.post(self.chat, sender, text=text, entities=detected(text))
        self._tell(message)
        return message

    def _owner(self) -> Person:
        for id_, status in self.chat.members.items():
            if status == "creator":
                return self.chat.people[id_]
        return next(iter(self.chat.people.values()))

    def _member(self, person: Person, status: Status, by: User | None) -> None:
        chat = self.chat
        before = chat.members.get(person.id, "left")
        chat.members[person.id], chat.people[person.id] = status, person
        if before == status:
            return
        actor = by.person if by else self._owner()
        payload = changed(self._world, chat, actor, person, before, status)
        if bot := self._world.bot(person.id):
            bot.push("my_chat_member", payload)
        for bot in self._world.bots_in(chat):
            if bot.id != person.id and chat.members[bot.id] in ("creator", "administrator"):
                bot.push("chat_member", payload)
        self._world.touch()

    def _service(self, content: Json, actor: Person) -> None:
        self._tell(self._world.post(self.chat, actor, service=content))

    def _tell(self, message: Message) -> None:
        self._world.publish(self.chat, "message", message.json())
