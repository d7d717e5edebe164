"""The methods that the fake has, by name; the modules of methods fill the table when they are imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from duihua.simulator.telegram.ask import Ask

Handler = Callable[[Ask], Any | Awaitable[Any]]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SEND = _names(
    "business_connection_id chat_id message_thread_id direct_messages_topic_id disable_notification "
    "protect_content allow_paid_broadcast message_effect_id suggested_post_parameters reply_parameters "
    "reply_markup ephemeral_message_parameters allow_sending_without_reply reply_to_message_id "
    "receiver_user_id callback_query_id"
)
"""Fields that every method has that sends a message."""
EDIT = _names("business_connection_id chat_id message_id inline_message_id reply_markup")
"""Fields that every method has that edits one."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its proper name, what carries it out, and the fields it has."""

    name: str
    run: Handler
    fields: frozenset[str]


METHODS: dict[str, Method] = {}
"""By lower-case name: Telegram does not mind the case."""


def method(name: str, fields: str = "", also: frozenset[str] = frozenset()) -> Callable[[Handler], Handler]:
    """Adds a method.

    Args:
        name: as the Bot API spells it.
        fields: its fields, by spaces.
        also: more fields.
    """

    def add(run: Handler) -> Handler:
        METHODS[name.lower()] = Method(name, run, _names(fields) | also)
        return run

    return add
