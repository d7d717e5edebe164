"""The commands that Telegram's apps offer: by scope and language, set only when they have changed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from duihua.command import Command, CommandTable
from duihua.telegram.wire import Wire, WireError

if TYPE_CHECKING:
    from duihua.ports import Store
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

LANGUAGES = {"": "en", "zh": "zh"}
"""For apps of this language (empty: of any other) -> the words."""
PATIENCE = 10.0
"""Seconds for one call: a bot hears nothing before its menus are set."""

_Scope = Mapping[str, Any]


async def set_menus(
    wire: Wire,
    store: Store,
    table: CommandTable,
    words: Callable[[str], Catalogue],
    staff: Collection[int] = (),
) -> None:
    """Sets what has changed since it was set last, by whichever process. What fails is left for next time.

    Args:
        wire: of the bot.
        store: remembers what was set.
        table: the commands.
        words: for a language.
        staff: who administrates the bot: in their own chats the commands for administrators show.
    """
    name = f"telegram/menus/{wire.id}"
    there: dict[str, str] = orjson.loads(await store.get_state(name) or b"{}")
    now = dict(there)
    wanted = _wanted(table, words, staff)
    try:
        for key, fields in wanted.items():
            mark = hashlib.sha256(orjson.dumps(fields)).hexdigest()[:16]
            if now.get(key) != mark and await _done(wire, "setMyCommands", fields):
                now[key] = mark
        for key in there.keys() - wanted.keys():
            if await _done(wire, "deleteMyCommands", orjson.loads(key)):
                del now[key]
    except WireError as e:
        log.warning("bot %s: its menus are not all set: %s", wire.id, e)
    if now != there:
        await store.put_state(name, orjson.dumps(now))


async def _done(wire: Wire, method: str, fields: Mapping[str, Any]) -> bool:
    """False: Telegram refuses this one, such as the chat of somebody who never wrote to the bot.

    Raises:
        WireError: the next one would hardly fare better.
    """
    try:
        await wire.call(method, fields, timeout=PATIENCE)
    except WireError as e:
        if e.code not in (400, 403):
            raise
        log.info("bot %s: %s", wire.id, e)
        return False
    return True


def _wanted(
    table: CommandTable, words: Callable[[str], Catalogue], staff: Collection[int]
) -> dict[str, dict[str, Any]]:
    """Everything that is to be set: scope and language as JSON -> fields of the call.

    A narrower scope replaces a wider one, so each has all commands that are offered there. In groups what is
    for the owner of a conversation alone is offered to the administrators of the group.
    """
    own = [c for c in table.commands if c.role != "admin"]
    group = [c for c in own if c.name != "start"]
    scopes: list[tuple[_Scope, list[Command]]] = [
        ({"type": "all_private_chats"}, own),
        ({"type": "all_group_chats"}, [c for c in group if c.role == "user"]),
        ({"type": "all_chat_administrators"}, group),
        *(({"type": "chat", "chat_id": person}, list(table.commands)) for person in sorted(staff)),
    ]
    wanted: dict[str, dict[str, Any]] = {}
    for scope, commands in scopes:
        for code, lang in LANGUAGES.items():
            where = {"scope": scope, "language_code": code}
            offered = [{"command": c.name, "description": c.about(words(lang))} for c in commands]
            wanted[orjson.dumps(where).decode()] = {**where, "commands": offered}
    return wanted
