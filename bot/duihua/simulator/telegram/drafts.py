"""Methods that stream a message while it is made."""

from __future__ import annotations

from typing import Any

from duihua.simulator.telegram.ask import Ask
from duihua.simulator.telegram.chats import Chat
from duihua.simulator.telegram.messages import Draft
from duihua.simulator.telegram.methods import method
from duihua.simulator.telegram.refusals import NO_METHOD, bad
from duihua.simulator.telegram.rich import rich_message

Json = dict[str, Any]

FRAMES = 10
"""A draft remembers so many times more frames than a message remembers edits."""
_FIELDS = "chat_id draft_id message_thread_id can_stop keep_on_stop"


@method("sendMessageDraft", f"{_FIELDS} text parse_mode entities")
def send_message_draft(ask: Ask) -> bool:
    """One frame of a draft; an empty text shows the app's own "Thinking..."."""
    chat = _private(ask)
    text, entities = ask.formatted()
    return _show(ask, chat, text, entities, None)


@method("sendRichMessageDraft", f"{_FIELDS} rich_message")
def send_rich_message_draft(ask: Ask) -> bool:
    """One frame of a rich draft."""
    if not ask.world.rich:
        raise NO_METHOD
    chat = _private(ask)
    return _show(ask, chat, "", [], rich_message(ask, draft=True))


def _private(ask: Ask) -> Chat:
    chat = ask.chat()
    if not chat.private:
        raise bad("TEXTDRAFT_PEER_INVALID")
    if not ask.number("draft_id"):
        raise bad("draft identifier must be non-zero")
    return chat


def _show(ask: Ask, chat: Chat, text: str, entities: list[Json], rich: Json | None) -> bool:
    thread, number, now = ask.thread(chat), ask.number("draft_id"), ask.call.at
    ask.call.message = number
    if ask.world.limits.drafts:
        ask.spend(chat)
    if ask.bot.stopped_drafts.get(chat.id) == number:
        return True  # the user has stopped it and sees no more of it
    draft = chat.draft(now, thread)
    if draft is None or draft.id != number:
        chat.end_draft(thread, "replaced")
        draft = chat.drafts[thread or 0] = Draft(number, thread, now, text, entities)
    draft.can_stop, draft.keep_on_stop = ask.flag("can_stop"), ask.flag("keep_on_stop")
    draft.show(now, text, entities, rich, FRAMES * ask.world.kept_edits)
    ask.world.happened("draft", chat, draft)
    return True
