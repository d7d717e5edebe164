"""`duihua audit`: which skills were called, with what, for whom, who consented, and what came of it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from duihua.ability_commands import Command, show_json
from duihua.arguments import whole
from duihua.escapes import one_line
from duihua.memory_commands import TENANT, find
from duihua.messages import EXPIRED, WITHDRAWN
from duihua.program import load_settings, store_alone
from duihua.redact import HIDDEN, redact

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.ports import AuditedCall
    from duihua_prompts import Catalogue

_LONGEST = 300
"""Characters of arguments and of a result in a line; JSON has them whole."""


def add(command: Command, words: Catalogue) -> None:
    """Adds the command to the program."""
    audit = command("audit", _audit)
    audit.add_argument("--user", metavar="USER", help=words.t("cli.person.help"))
    audit.add_argument("--session", metavar="KEY", default="", help=words.t("cli.audit.session"))
    limit = whole(words, "cli.audit.limit_range", 1, 10_000)
    audit.add_argument("--limit", metavar="N", type=limit, default=50, help=words.t("cli.audit.limit"))
    audit.add_argument("--json", action="store_true", help=words.t("cli.able.json"))


def _audit(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()
    calls, names = asyncio.run(_look(settings, given, words))
    hide = Secrets(settings)
    if given.json:
        show_json([_as_json(call, names, hide) for call in calls])
    elif not calls:
        print(words.t("cli.audit.nothing"))
    for call in () if given.json else calls:
        print("\n".join(_lines(call, names, hide, words)))
    return 0


async def _look(
    settings: Settings, given: argparse.Namespace, words: Catalogue
) -> tuple[Sequence[AuditedCall], Mapping[int, str]]:
    async with store_alone(settings) as store:
        user = (await find(store, given.user, words)).user if given.user is not None else 0
        calls = await store.audit(TENANT, user=user, session=given.session, limit=given.limit)
        known = await store.identities(TENANT) if calls else ()
        return calls, {who.user: str(who) for who in reversed(known)}


class Secrets:
    """Takes out what is told by its form, and the secrets that stand in the settings."""

    def __init__(self, settings: Settings) -> None:
        from pydantic import SecretStr

        own = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
        words = ("key", "token", "secret", "password")
        of_skills = [v for k, v in settings.skill_settings.items() if any(word in k for word in words)]
        self._values = sorted((v for v in (*own, *of_skills) if len(v) >= 6), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return redact(text)


def _lines(call: AuditedCall, names: Mapping[int, str], hide: Secrets, words: Catalogue) -> list[str]:
    when = datetime.fromtimestamp(call.asked / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    took = f" {call.ended - call.started} ms" if call.started and call.ended else ""
    undecided = call.state == "refused" and call.result in (EXPIRED, WITHDRAWN)
    state = words.t(f"cli.audit.{call.result if undecided else call.state}")
    lines = [f"{when} {one_line(call.session, 100)} {one_line(call.name, 100)} · {state}{took} · {call.id}"]
    asked, agreed = (names.get(user, "") for user in (call.asker, call.approver))
    if asked:
        lines.append(f"  {words.t('cli.audit.asked', user=one_line(asked, 100))}")
    if agreed:
        lines.append(f"  {words.t('cli.audit.decided', user=one_line(agreed, 100))}")
    lines.append(f"  {words.t('cli.audit.arguments', text=one_line(hide(call.arguments), _LONGEST))}")
    if call.result and not undecided:
        lines.append(f"  {words.t('cli.audit.result', text=one_line(hide(call.result), _LONGEST))}")
    return lines


def _as_json(call: AuditedCall, names: Mapping[int, str], hide: Secrets) -> dict[str, Any]:
    took = call.ended - call.started if call.started and call.ended else None
    return {
        **asdict(call),
        "arguments": hide(call.arguments),
        "result": hide(call.result),
        "asker": names.get(call.asker),
        "approver": names.get(call.approver),
        "asked": _time(call.asked),
        "started": _time(call.started),
        "ended": _time(call.ended),
        "took_ms": took,
    }


def _time(at: int) -> str | None:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat() if at else None
