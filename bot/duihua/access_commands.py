"""`duihua access`: who may talk to the bot. It works beside a bot that runs, over the same database."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from duihua.ability_commands import Command, show_json
from duihua.access_handlers import decided
from duihua.arguments import Parser, whole
from duihua.escapes import aligned, one_line
from duihua.memory_commands import TENANT, find
from duihua.program import complain, load_settings, store_alone

if TYPE_CHECKING:
    from duihua.access import Access
    from duihua.admission import Role
    from duihua.ports import Store
    from duihua_prompts import Catalogue


def add(command: Command, words: Catalogue) -> None:
    """Adds the commands to the program."""
    access = command("access", _help)
    access.set_defaults(parser=access)
    below = access.add_subparsers(title=words.t("cli.commands"), metavar="COMMAND", parser_class=Parser)

    waiting = command("pending", _pending, below, "cli.access.pending")
    approve = command("approve", _approve, below, "cli.access.approve")
    approve.add_argument("code", metavar="CODE", help=words.t("cli.access.approve_code"))
    listing = command("list", _list, below, "cli.access.list")
    block = command("block", _block, below, "cli.access.block")
    unblock = command("unblock", _unblock, below, "cli.access.unblock")
    role = command("role", _role, below, "cli.access.role")
    for parser in (block, unblock, role):
        parser.add_argument("user", metavar="USER", help=words.t("cli.person.help"))
    for parser in (block, role):
        parser.add_argument("--yes", action="store_true", help=words.t("cli.access.yes"))
    kind = _role_of(words, "owner", "admin", "user", "stranger")
    role.add_argument("role", metavar="ROLE", type=kind, help=words.t("cli.access.role_role"))
    pair = command("pair", _pair, below, "cli.access.pair")
    kind = _role_of(words, "owner", "admin", "user")
    pair.add_argument(
        "--role", metavar="ROLE", type=kind, default="owner", help=words.t("cli.access.pair_role")
    )
    log = command("log", _log, below, "cli.access.log")
    limit = whole(words, "cli.audit.limit_range", 1, 10_000)
    log.add_argument("--limit", metavar="N", type=limit, default=50, help=words.t("cli.access.limit"))
    for parser in (waiting, listing, log):
        parser.add_argument("--json", action="store_true", help=words.t("cli.able.json"))


def _role_of(words: Catalogue, *roles: str) -> Any:
    def role(text: str) -> str:
        if text not in roles:
            raise argparse.ArgumentTypeError(words.t("cli.access.unknown_role", text=text))
        return text

    return role


def _help(given: argparse.Namespace, words: Catalogue) -> int:
    given.parser.print_help()
    return 0


@asynccontextmanager
async def _opened() -> AsyncGenerator[tuple[Access, Store]]:
    from duihua.access import Access

    settings = load_settings()
    async with store_alone(settings) as store:
        yield Access(store, settings), store


async def _named(store: Store, name: str, words: Catalogue) -> tuple[str, str]:
    """The front end and the id of a person: known, or named in full and not known yet."""
    front, slash, external = name.partition("/")
    if slash and front.strip() and external.strip():
        return front.strip(), external.strip()
    who = await find(store, name, words)
    return who.front, who.external


# ---------------------------------------------------------------- looking


def _pending(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> None:
        async with _opened() as (access, _):
            waiting = await access.pending()
        if given.json:
            for one in waiting:
                show_json({"id": one.id, "user": str(one), "name": one.name, "expires": one.expires})
        elif waiting:
            rows = [[str(one), one.name or "-", _time(one.expires)] for one in waiting]
            _table(words, ("user", "name", "until"), rows)
        else:
            print(words.t("command.access.nothing"))

    asyncio.run(run())
    return 0


def _list(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> None:
        async with _opened() as (access, _):
            members = await access.members()
        if given.json:
            for one in members:
                show_json({"users": one.names, "name": one.called, "role": one.role})
        elif members:
            rows = [
                [", ".join(one.names), one.called or "-", words.t(f"cli.access.of.{one.role}")]
                for one in members
            ]
            _table(words, ("user", "name", "is"), rows)
        else:
            print(words.t("cli.access.nobody"))

    asyncio.run(run())
    return 0


def _log(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> None:
        async with _opened() as (_, store):
            changes = await store.access_log(TENANT, limit=given.limit)
            known = {who.user: str(who) for who in reversed(await store.identities(TENANT))}
        if given.json:
            for one in changes:
                user, by = known.get(one.user), known.get(one.by)
                show_json({**asdict(one), "user": user, "by": by})
        elif changes:
            rows = [
                [
                    _time(one.at),
                    _who(one.user, known, words.t("cli.access.stranger_declined")),
                    words.t(f"cli.access.of.{one.was}"),
                    words.t(f"cli.access.of.{one.role}"),
                    _who(one.by, known, words.t("cli.access.operator")),
                ]
                for one in changes
            ]
            _table(words, ("when", "user", "was", "is", "by"), rows)
        else:
            print(words.t("cli.access.no_changes"))

    asyncio.run(run())
    return 0


def _who(user: int, known: Mapping[int, str], nobody: str) -> str:
    return known.get(user, f"#{user}") if user else nobody


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000).astimezone():%Y-%m-%d %H:%M}"


def _table(words: Catalogue, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    heading = [words.t(f"cli.access.{name}") for name in columns]
    for line in aligned([heading, *([one_line(cell, 100) for cell in row] for row in rows)]):
        print(line)


# ---------------------------------------------------------------- deciding


def _approve(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> int:
        async with _opened() as (access, _):
            done = await access.approve(given.code)
        if done is None:
            complain(words.t("command.access.unknown", which=one_line(given.code, 40)))
            return 1
        print(decided(done, yes=True, words=words))
        return 0

    return asyncio.run(run())


def _block(given: argparse.Namespace, words: Catalogue) -> int:
    return _give(given, words, "blocked")


def _role(given: argparse.Namespace, words: Catalogue) -> int:
    return _give(given, words, given.role)


def _give(given: argparse.Namespace, words: Catalogue, role: str) -> int:
    async def run() -> int:
        async with _opened() as (access, store):
            front, external = await _named(store, given.user, words)
            user = one_line(f"{front}/{external}", 100)
            if role != "owner" and not given.yes and await _alone(access, f"{front}/{external}"):
                complain(words.t("cli.access.last_owner", user=user))
                return 1
            await access.give(front, external, cast("Role", role))
        print(words.t("cli.access.given", user=user, role=words.t(f"cli.access.of.{role}")))
        return 0

    return asyncio.run(run())


async def _alone(access: Access, name: str) -> bool:
    """Whether nobody else is an owner."""
    owners = [one.names for one in await access.members() if one.role == "owner"]
    return len(owners) == 1 and name in owners[0]


def _unblock(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> bool:
        async with _opened() as (access, store):
            front, external = await _named(store, given.user, words)
            done = await access.unblock(front, external)
        code = "command.access.unblocked" if done else "command.access.not_blocked"
        print(words.t(code, user=one_line(f"{front}/{external}", 100)))
        return done

    return 0 if asyncio.run(run()) else 1


def _pair(given: argparse.Namespace, words: Catalogue) -> int:
    async def run() -> None:
        from duihua.access import HOUR

        async with _opened() as (access, _):
            code = await access.invite(given.role)
        role = words.t(f"cli.access.of.{given.role}")
        print(words.t("cli.access.paired", code=code, minutes=HOUR // 60, role=role))

    asyncio.run(run())
    return 0
