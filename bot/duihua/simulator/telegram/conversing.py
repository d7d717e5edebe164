"""Methods about buttons, reactions and the bot's commands."""

from __future__ import annotations

import re
from typing import Any, cast

from duihua.simulator.telegram.ask import Ask
from duihua.simulator.telegram.methods import method
from duihua.simulator.telegram.refusals import OLD_QUERY, bad

Json = dict[str, Any]

QUERY_LIFE = 30.0
"""Seconds in which a pressed button may be answered; Telegram names no number, bots report 15 to 60."""
LONGEST_ANSWER = 200
MOST_COMMANDS = 100

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE = re.compile(r"(?:[a-z]{2})?")
_SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


@method("answerCallbackQuery", "callback_query_id text show_alert url cache_time")
def answer_callback_query(ask: Ask) -> bool:
    """Ends the button's waiting."""
    query, text = ask.text("callback_query_id"), ask.text("text")
    ask.call.text = text
    pressed = ask.bot.queries.get(query)
    if pressed is None or ask.call.at - pressed > QUERY_LIFE:
        raise OLD_QUERY
    if len(text) > LONGEST_ANSWER:
        raise bad("MESSAGE_TOO_LONG")
    ask.bot.answered[query] = {"text": text, "show_alert": ask.flag("show_alert")}
    while len(ask.bot.answered) > 1_000:
        del ask.bot.answered[next(iter(ask.bot.answered))]
    return True


@method("setMessageReaction", "chat_id message_id reaction is_big")
def set_message_reaction(ask: Ask) -> bool:
    """The bot's reaction to a message."""
    chat = ask.chat()
    message = ask.message(chat, "react")
    given = ask.json("reaction")
    reactions = cast("list[Any]", given) if isinstance(given, list) else []
    if len(reactions) > 1:
        raise bad("REACTIONS_TOO_MANY")
    for reaction in reactions:
        kind = cast(Json, reaction).get("type") if isinstance(reaction, dict) else None
        if kind not in ("emoji", "custom_emoji"):
            raise bad("REACTION_INVALID")
    chat.reactions[message.id, ask.bot.id] = reactions
    ask.world.happened("reacted", chat, (ask.bot.person, message, reactions))
    return True


@method("setMyCommands", "commands scope language_code")
def set_my_commands(ask: Ask) -> bool:
    """The commands' menu, by scope and language."""
    given = ask.json("commands")
    if not isinstance(given, list):
        raise bad("can't parse commands: expected an Array of BotCommand")
    commands = [_command(item) for item in cast("list[Any]", given)]
    if len(commands) > MOST_COMMANDS:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    key = _scope(ask)
    if commands:
        ask.bot.commands[key] = commands
    else:
        ask.bot.commands.pop(key, None)
    return True


@method("getMyCommands", "scope language_code")
def get_my_commands(ask: Ask) -> list[Json]:
    """The commands of exactly that scope and language."""
    return ask.bot.commands.get(_scope(ask), [])


@method("deleteMyCommands", "scope language_code")
def delete_my_commands(ask: Ask) -> bool:
    """Takes them away."""
    ask.bot.commands.pop(_scope(ask), None)
    return True


def _command(given: Any) -> Json:
    item = cast(Json, given) if isinstance(given, dict) else {}
    name, about = item.get("command"), item.get("description")
    if not isinstance(name, str) or not _COMMAND.fullmatch(name.removeprefix("/")):
        raise bad("BOT_COMMAND_INVALID")
    if not isinstance(about, str) or not 0 < len(about.strip()) <= 256:
        raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name.removeprefix("/"), "description": about.strip()}


def _scope(ask: Ask) -> tuple[str, str]:
    """The key of a scope and language, such as `("chat:42", "zh")`."""
    language = ask.text("language_code")
    if not _LANGUAGE.fullmatch(language):
        raise bad("invalid language code specified")
    given = ask.json("scope", "BotCommandScope")
    if given is None:
        return "default", language
    scope = cast(Json, given) if isinstance(given, dict) else {}
    kind = scope.get("type")
    if kind not in _SCOPES:
        raise bad("can't parse BotCommandScope: Unsupported type specified")
    parts = [str(kind)]
    for name in _SCOPES[kind]:
        value = scope.get(name)
        if value is None:
            raise bad(f"can't parse BotCommandScope: Can't find field \"{name}\"")
        parts.append(str(value))
    if len(parts) > 1 and ask.world.find(ask.bot, _id(parts[1])) is None:
        raise bad("chat not found")
    return ":".join(parts), language


def _id(text: str) -> int | str:
    return int(text) if text.removeprefix("-").isdecimal() else text
