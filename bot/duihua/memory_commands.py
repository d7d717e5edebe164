"""`duihua forget`, `export` and `memory`: what is stored about a person. No platform is asked."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from duihua.ability_commands import Command, show_json
from duihua.arguments import Parser, whole
from duihua.codec import sound
from duihua.errors import ConfigError
from duihua.escapes import aligned, one_line
from duihua.exporting import Extent, extent, markdown, to_json
from duihua.memory.recall import LexicalRecall
from duihua.program import complain, load_settings, store_alone

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.memories import Fact, Hit, Identity, Recall
    from duihua.messages import TurnRef
    from duihua.ports import Store
    from duihua_prompts import Catalogue

TENANT = "main"
NEAR = 5
"""Names at most that are told to whoever asked for another one."""
_YES = ("y", "yes", "是", "好", "同意")


def add(command: Command, words: Catalogue) -> None:
    """Adds the commands to the program."""
    forget = _of_person(command("forget", _forget), words)
    forget.add_argument("--yes", action="store_true", help=words.t("cli.forget.yes"))

    export = _of_person(command("export", _export), words)
    kind = _one_of(words, "cli.export.unknown_format", "json", "markdown")
    export.add_argument(
        "--format", metavar="FORMAT", type=kind, default="json", help=words.t("cli.export.format")
    )
    export.add_argument("--output", metavar="FILE", help=words.t("cli.export.output"))
    export.add_argument("--attachments", action="store_true", help=words.t("cli.export.attachments"))

    memory = command("memory", _help)
    memory.set_defaults(parser=memory)
    below = memory.add_subparsers(title=words.t("cli.commands"), metavar="COMMAND", parser_class=Parser)
    listing = command("list", _list, below, "cli.memory.list")
    listing.add_argument("--all", action="store_true", help=words.t("cli.memory.all"))
    search = command("search", _search, below, "cli.memory.search")
    search.add_argument("query", metavar="QUERY", help=words.t("cli.memory.query"))
    limit = whole(words, "cli.memory.limit_range", 1, 100)
    search.add_argument("--limit", metavar="N", type=limit, default=8, help=words.t("cli.memory.limit"))
    for parser in (listing, search):
        parser.add_argument("--user", metavar="USER", required=True, help=words.t("cli.person.help"))
        parser.add_argument("--json", action="store_true", help=words.t("cli.able.json"))


def _of_person(parser: argparse.ArgumentParser, words: Catalogue) -> argparse.ArgumentParser:
    parser.add_argument("user", metavar="USER", help=words.t("cli.person.help"))
    return parser


def _one_of(words: Catalogue, code: str, *names: str) -> Any:
    def name(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(words.t(code, text=text))
        return text

    return name


def _help(given: argparse.Namespace, words: Catalogue) -> int:
    given.parser.print_help()
    return 0


# ---------------------------------------------------------------- who is meant


async def find(store: Store, name: str, words: Catalogue) -> Identity:
    """The person of `FRONT/ID`, or of an ID that only one person has; else one line, and exit code 2."""
    front, slash, external = name.partition("/")
    if not name.strip() or (slash and not external.strip()):
        _refuse(words.t("cli.person.empty", user=one_line(name, 100)))
    named = await store.identities(TENANT, external) if slash else ()
    found = [who for who in named if who.front == front] or await store.identities(TENANT, name)
    if len({who.user for who in found}) == 1:
        return found[0]
    if found:
        _refuse(words.t("cli.person.several", user=name, names=_listed(found)))
    near = _nearest(name, await store.identities(TENANT))
    code = "cli.person.near" if near else "cli.person.unknown"
    return _refuse(words.t(code, user=name, names=_listed(near)))


def _nearest(name: str, known: Sequence[Identity]) -> list[Identity]:
    """Those whose full name, id, or own name is much like what was asked for."""
    called: dict[str, Identity] = {}
    for who in known:
        for form in (str(who), who.external, who.name):
            if form:
                called.setdefault(form[:100].lower(), who)
    close = get_close_matches(name[:100].lower(), called, n=NEAR)
    return list(dict.fromkeys(called[form] for form in close))


def _listed(people: Sequence[Identity]) -> str:
    return ", ".join(one_line(str(who), 100) for who in people[:NEAR])


def _refuse(line: str) -> NoReturn:
    complain(line)
    raise SystemExit(2)


# ---------------------------------------------------------------- forget


def _forget(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()
    who, much = asyncio.run(_look(settings, given.user, words))
    print(words.t("cli.forget.goes", user=one_line(str(who)), **asdict(much)), flush=True)
    if not given.yes and not _agreed(words):
        print(words.t("cli.forget.kept"))
        return 0
    asyncio.run(_erase(settings, who))
    print(words.t("cli.forget.done", user=one_line(str(who))))
    return 0


async def _look(settings: Settings, name: str, words: Catalogue) -> tuple[Identity, Extent]:
    async with store_alone(settings) as store:
        who = await find(store, name, words)
        return who, extent(await store.export(who.user))


async def _erase(settings: Settings, who: Identity) -> None:
    async with store_alone(settings) as store:
        await store.forget_user(who.user)
        await store.scrub()


def _agreed(words: Catalogue) -> bool:
    """Asks on the terminal; outside of any event loop, where Ctrl-C ends the program."""
    if sys.stdin is None or not sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        _refuse(words.t("cli.forget.unasked"))
    try:
        return input(words.t("chat.confirm")).strip().lower() in _YES
    except EOFError:
        return False


# ---------------------------------------------------------------- export


def _export(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()

    async def run() -> tuple[Identity, Any]:
        async with store_alone(settings) as store:
            who = await find(store, given.user, words)
            return who, await store.export(who.user, files=given.attachments)

    who, data = asyncio.run(run())
    text = to_json(data) if given.format == "json" else markdown(data, words, _zone(settings))
    if given.output is None:
        print(sound(text), end="")
    else:
        _write(given.output, text)
        print(words.t("cli.export.done", user=one_line(str(who)), path=one_line(given.output)))
    return 0


def _write(path: str, text: str) -> None:
    """Writes a file for its owner's eyes alone, whoever could read an older one there."""
    try:
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text.encode("utf-8", "replace"))
    except OSError as e:
        reason = str(e.strerror)
        raise ConfigError(f"cannot write {path}: {reason}", "config_file", path=path, reason=reason) from None


# ---------------------------------------------------------------- memory


def _list(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()

    async def run() -> None:
        async with store_alone(settings) as store:
            who = await find(store, given.user, words)
            facts = (await store.facts(who.user, superseded=given.all)).facts
        if given.json:
            for fact in facts:
                show_json(asdict(fact))
        elif facts:
            names = ("number", "date", "kind", "sure", "source", "text")
            heading = [words.t(f"cli.memory.{name}") for name in names]
            for line in aligned([heading, *(_fact(fact, words, _zone(settings)) for fact in facts)]):
                print(line)
        else:
            print(words.t("cli.memory.none", user=one_line(str(who))))

    asyncio.run(run())
    return 0


def _fact(fact: Fact, words: Catalogue, zone: tzinfo) -> list[str]:
    text = one_line(fact.text, 500)
    if fact.superseded_by:
        text += f" ({words.t('export.superseded', number=fact.superseded_by)})"
    return [
        str(fact.id),
        _date(fact.last_seen or fact.first_seen, zone),
        words.t(f"memory.kind.{fact.kind}"),
        f"{fact.confidence:.0%}",
        _places(fact.sources),
        text,
    ]


def _search(given: argparse.Namespace, words: Catalogue) -> int:
    settings = load_settings()
    zone = _zone(settings)

    async def run() -> None:
        async with store_alone(settings) as store:
            who = await find(store, given.user, words)
            recall: Recall = LexicalRecall(store, timezone=zone, locale=words.lang)
            hits = await recall.search(who.user, given.query, limit=given.limit)
        if given.json:
            for hit in hits:
                show_json(asdict(hit))
        elif hits:
            heading = [words.t(f"cli.memory.{name}") for name in ("score", "date", "source", "found")]
            for line in aligned([heading, *(_hit(hit, zone) for hit in hits)]):
                print(line)
        else:
            print(words.t("cli.memory.nothing"))

    asyncio.run(run())
    return 0


def _hit(hit: Hit, zone: tzinfo) -> list[str]:
    place = _places([hit.ref]) if hit.ref else f"#{hit.fact}"
    return [f"{hit.score:.2f}", _date(hit.at, zone), place, one_line(hit.text, 500)]


def _date(ms: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, zone):%Y-%m-%d}" if ms else "-"


def _zone(settings: Settings) -> tzinfo:
    """The zone of shown times: that of the settings, or the machine's."""
    from duihua.config import zone

    return zone(settings.timezone) or datetime.now().astimezone().tzinfo or UTC


def _places(refs: Sequence[TurnRef]) -> str:
    """Sources as `session.turn`, the first three of them."""
    shown = ", ".join(f"{ref.session}.{ref.seq}" for ref in refs[:3])
    return shown + ("…" if len(refs) > 3 else "") if refs else "-"
