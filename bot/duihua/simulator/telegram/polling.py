"""Methods that bring updates to a bot, and those about the bot itself."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, cast

from yarl import URL

from duihua.simulator.telegram.ask import Ask
from duihua.simulator.telegram.methods import method
from duihua.simulator.telegram.refusals import WEBHOOK_ACTIVE, bad
from duihua.simulator.telegram.webhook import Webhook

Json = dict[str, Any]

MOST_UPDATES = 100
LONGEST_WAIT = 50
_SECRET = re.compile(r"[A-Za-z0-9_-]*")


@method("getMe")
def get_me(ask: Ask) -> Json:
    """Who the bot is."""
    bot = ask.bot
    return bot.person.json() | {
        "can_join_groups": True,
        "can_read_all_group_messages": not bot.privacy,
        "supports_guest_queries": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": bot.topics,
        "allows_users_to_create_topics": bot.topics,
        "can_manage_bots": False,
        "supports_join_request_queries": False,
    }


@method("getUpdates", "offset limit timeout allowed_updates")
async def get_updates(ask: Ask) -> bytes:
    """Long polling."""
    bot = ask.bot
    if bot.webhook is not None:
        raise WEBHOOK_ACTIVE
    bot.polled = ask.call.at
    bot.take_over()
    _allow(ask)
    bot.expire()
    if offset := ask.number("offset"):
        bot.confirm(offset)
    wait = min(max(ask.number("timeout"), 0), LONGEST_WAIT)
    if not bot.updates and wait:
        waiting = bot.wait(wait)
        ask.world.touch()  # somebody may wait for the bot to listen
        await waiting
    limit = min(max(ask.number("limit", MOST_UPDATES), 1), MOST_UPDATES)
    found = [update.body for _, update in zip(range(limit), bot.updates, strict=False)]
    ask.call.text = str(len(found))
    return b"[" + b",".join(found) + b"]"


@method(
    "setWebhook",
    "url certificate ip_address max_connections allowed_updates drop_pending_updates secret_token",
)
def set_webhook(ask: Ask) -> bool:
    """Delivery by webhook; an empty address ends it."""
    address, secret = ask.text("url").strip(), ask.text("secret_token")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise bad("secret token contains unallowed characters")
    _checked(address)
    _allow(ask)
    if ask.flag("drop_pending_updates"):
        ask.bot.updates.clear()
    most = min(max(ask.number("max_connections", 40), 1), 100)
    ask.bot.set_webhook(Webhook(ask.bot, address, secret, most, ask.world.touch) if address else None)
    return True


@method("deleteWebhook", "drop_pending_updates")
def delete_webhook(ask: Ask) -> bool:
    """Back to polling."""
    if ask.flag("drop_pending_updates"):
        ask.bot.updates.clear()
    ask.bot.set_webhook(None)
    return True


@method("getWebhookInfo")
def get_webhook_info(ask: Ask) -> Json:
    """How delivery goes."""
    bot, hook = ask.bot, ask.bot.webhook
    info: Json = {"url": "", "has_custom_certificate": False, "pending_update_count": len(bot.updates)}
    if hook is not None:
        info |= {"url": hook.url, "max_connections": hook.most}
        if hook.error:
            info |= {"last_error_date": int(hook.failed), "last_error_message": hook.error}
    if bot.asked:
        info["allowed_updates"] = list(bot.asked)
    return info


@method("logOut")
def log_out(ask: Ask) -> bool:
    """Away from the cloud server: from here on only a local server would answer."""
    ask.bot.logged_out = True
    return True


@method("close")
def close(ask: Ask) -> bool:
    """The instance is closed before the bot moves; polling goes on with the next call."""
    ask.bot.take_over()
    return True


def _allow(ask: Ask) -> None:
    given = ask.json("allowed_updates")
    if given is None:
        return
    if not isinstance(given, list):
        raise bad("can't parse allowed updates JSON object")
    ask.bot.allow([str(kind) for kind in cast("list[Any]", given)])


def _checked(address: str) -> None:
    if not address:
        return
    try:
        url = URL(address)
        host = url.host or ""
    except ValueError:
        raise bad("bad webhook: invalid webhook URL specified") from None
    if url.scheme == "https" and host:
        return
    if url.scheme != "http" or not host:
        raise bad("bad webhook: HTTPS URL must be provided for webhook")
    if host != "localhost" and not _loopback(host):  # http to oneself is what a local server allows
        raise bad("bad webhook: HTTPS URL must be provided for webhook")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
