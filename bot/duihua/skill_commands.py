"""`duihua skills`: what skills there are, one of them in full, a new one, its tests, one call."""

from __future__ import annotations

import argparse
import asyncio
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from duihua.ability_commands import Command, show, show_json
from duihua.arguments import Parser
from duihua.errors import ConfigError, DuihuaError, NotFound
from duihua.escapes import aligned, one_line
from duihua.program import complain, load_settings
from duihua.saving import FOLDER, save
from duihua.skill_handlers import fault_line
from duihua.skills.files import told

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.messages import Attachment, Call
    from duihua.ports import Skill
    from duihua.skills.discovery import Candidate
    from duihua_prompts import Catalogue

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASS|CREDENTIAL")  # by their names, where they are plain text
_YES = ("y", "yes", "是", "好", "同意")


def add(command: Command, words: Catalogue) -> None:
    """Adds the commands to the program."""
    skills = command("skills", _help)
    skills.set_defaults(parser=skills)
    below = skills.add_subparsers(title=words.t("cli.commands"), metavar="COMMAND", parser_class=Parser)

    listing = command("list", _list, below, "cli.skills.list")
    listing.add_argument("--json", action="store_true", help=words.t("cli.able.json"))

    one = command("show", _show, below, "cli.skills.show")
    one.add_argument("name", metavar="NAME", help=words.t("cli.skills.name"))
    one.add_argument("--json", action="store_true", help=words.t("cli.able.json"))

    new = command("new", _new, below, "cli.skills.new")
    new.add_argument("name", metavar="NAME", help=words.t("cli.skills.new_name"))

    test = command("test", _test, below, "cli.skills.test")
    test.add_argument("path", metavar="PATH", help=words.t("cli.skills.path"))

    run = command("run", _run, below, "cli.skills.run")
    run.add_argument("name", metavar="NAME", help=words.t("cli.skills.name"))
    help = words.t("cli.skills.json", example='{"city": "Paris"}')
    run.add_argument("arguments", metavar="JSON", nargs="?", default="{}", help=help)
    run.add_argument("--out", metavar="DIR", default=FOLDER, help=words.t("cli.skills.out", folder=FOLDER))


def _help(given: argparse.Namespace, words: Catalogue) -> int:
    given.parser.print_help()
    return 0


# ---------------------------------------------------------------- list


def _list(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.ports import Skill
    from duihua.skills.discovery import BUNDLED, candidates, chosen
    from duihua.skills.loading import load_one

    settings = load_settings()
    there = candidates(settings.skills_dir)
    wanted, missing = chosen(settings.skills, there)
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    for one in there:
        # What nobody named is not imported, so nothing but its name is known; bundled ones are ours.
        got = load_one(one) if one in wanted or one.source == BUNDLED else None
        effect = got.effect if isinstance(got, Skill) else ""
        lacks = _lacks(got, settings, words) if isinstance(got, Skill) and one in wanted else ""
        state = ("unset" if lacks else "loaded" if effect else "broken") if one in wanted else "idle"
        if lacks:
            faults.append(lacks)
        rows.append(
            {"name": one.name, "effect": effect, "state": state, "source": one.source, "origin": one.origin}
        )
        if got is not None and not isinstance(got, Skill):
            faults.append(fault_line(got, words))
    rows += [{"name": n, "effect": "", "state": "missing", "source": "", "origin": ""} for n in missing]
    if given.json:
        for row in rows:
            show_json(row)
    else:
        _print_table(rows, words)
    for line in faults:
        complain(line)
    return 0


def _lacks(skill: Skill, settings: Settings, words: Catalogue) -> str:
    """Why a skill cannot be used though it loads: its settings; empty: it can."""
    from duihua.skills.settings import read
    from duihua_prompts import error_line

    try:
        read(skill, settings.of_skill(skill.name))
    except ConfigError as e:
        return error_line(words, e)
    return ""


def _print_table(rows: Sequence[Mapping[str, str]], words: Catalogue) -> None:
    table = [[words.t(f"cli.skills.{head}") for head in ("of_name", "effect", "state", "origin")]]
    for row in rows:
        effect = words.t(f"skills.effect.{row['effect']}") if row["effect"] else "-"
        state, origin = words.t(f"cli.skills.{row['state']}"), one_line(row["origin"], 200) or "-"
        table.append([one_line(row["name"], 64), effect, state, origin])
    for line in aligned(table):
        print(line)


# ---------------------------------------------------------------- show


def find(name: str, settings: Settings, words: Catalogue) -> tuple[Candidate, Skill]:
    """The skill of this name, loaded whether or not DUIHUA_SKILLS names it: who asks for it names it.

    Raises:
        NotFound: there is none. ConfigError: there are several. DuihuaError: it cannot be loaded.
    """
    from duihua.ports import Skill
    from duihua.skills.discovery import candidates, chosen
    from duihua.skills.loading import load_one

    there = candidates(settings.skills_dir)
    [*found], _ = chosen([name], there)
    if len(found) != 1 or name == "none":
        raise NotFound("skill", name, tuple(dict.fromkeys(one.name for one in there)))
    got = load_one(found[0])
    if isinstance(got, Skill):
        return found[0], got
    raise _NotLoaded(fault_line(got, words))


class _NotLoaded(DuihuaError):
    """The line says why, in the user's language."""


def _show(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.skills.discovery import candidates, chosen
    from duihua.skills.schema import origin

    settings = load_settings()
    try:
        one, skill = find(given.name, settings, words)
    except _NotLoaded as e:
        complain(str(e))
        return 1
    lacks = _lacks(skill, settings, words)
    loaded = not lacks and one in chosen(settings.skills, candidates(settings.skills_dir))[0]
    facts: dict[str, Any] = {
        "name": skill.name,
        "description": skill.spec.description,
        "origin": origin(skill),
        "source": one.source,
        "loaded": loaded,
        "effect": skill.effect,
        "confirm": _confirm(skill),
        "admin_only": skill.admin_only,
        "hosts": list(skill.hosts),
        "timeout": skill.timeout,
        "rate": {"calls": skill.rate.calls, "seconds": skill.rate.seconds} if skill.rate else None,
        "settings": _settings(skill, settings),
        "schema": skill.spec.schema,
    }
    if given.json:
        show_json(facts)
    else:
        _print_facts(facts, words)
    if lacks:
        complain(lacks)
    return 0


def _print_facts(facts: Mapping[str, Any], words: Catalogue) -> None:
    def yes(value: bool) -> str:
        return words.t("cli.skills.yes" if value else "cli.skills.no")

    rate = facts["rate"]
    shown = {
        "of_name": facts["name"],
        "description": one_line(facts["description"], 2_000),
        "origin": facts["origin"],
        "loaded": yes(facts["loaded"]),
        "effect": words.t(f"skills.effect.{facts['effect']}"),
        "confirm": words.t(f"cli.skills.confirm_{facts['confirm']}"),
        "admin_only": yes(facts["admin_only"]),
        "hosts": ", ".join(facts["hosts"]) or "-",
        "timeout": words.t("cli.skills.seconds", seconds=f"{facts['timeout']:g}"),
        "rate": words.t("cli.skills.of_rate", calls=rate["calls"], seconds=f"{rate['seconds']:g}")
        if rate
        else "-",
        "settings": "" if facts["settings"] else "-",
    }
    for line in aligned(
        [[words.t(f"cli.skills.{code}"), one_line(text, 2_000)] for code, text in shown.items()]
    ):
        print(line)
    for setting in facts["settings"]:
        value = words.t("cli.skills.hidden") if setting["hidden"] else setting["value"]
        told = [f"{setting['name']}={value}", setting["type"], setting["description"]]
        told.append(words.t("cli.skills.required") if setting["required"] and not setting["set"] else "")
        print("  " + one_line("  ".join(part for part in told if part), 500))
    print(f"{words.t('cli.skills.schema')}:")
    show(orjson.dumps(facts["schema"], option=orjson.OPT_INDENT_2).decode())


def _confirm(skill: Skill) -> str:
    """`never`, `always`, or `some`: by the arguments."""
    from duihua.ports import always, never

    return "always" if skill.confirm is always else "never" if skill.confirm is never else "some"


def _settings(skill: Skill, settings: Settings) -> list[dict[str, Any]]:
    """What can be set, and what is; `hidden`: it is set, and may be a secret."""
    from duihua.skills.settings import described, variable

    given = settings.of_skill(skill.name)
    texts = {variable(skill.name, name): text for name, text in given.items()}
    if skill.settings is None:  # nobody says which of them are secret
        return [_setting(name, "", hidden=True, set_=True) for name in texts]
    rows: list[dict[str, Any]] = []
    for one in described(skill):
        told = one.name in texts
        value = texts.get(one.name, one.default)
        secret = one.secret or bool(_SECRET.search(one.name.removeprefix(variable(skill.name, ""))))
        rows.append(
            _setting(
                one.name,
                "" if secret else value,
                hidden=secret and told,
                set_=told,
                type=one.type,
                required=one.required,
                description=one.description,
            )
        )
    return rows


def _setting(name: str, value: str, *, hidden: bool, set_: bool, **more: Any) -> dict[str, Any]:
    usual = {"type": "", "required": False, "description": ""}
    return {"name": name, "value": value, "set": set_, "hidden": hidden, **usual, **more}


# ---------------------------------------------------------------- new


def _new(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua_prompts import package_files

    name = given.name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        complain(words.t("cli.skills.wrong_name", name=one_line(given.name, 64)))
        return 2
    root = Path(f"{name}_skill".replace("_", "-"))
    try:
        root.mkdir()
        for place, text in package_files(name).items():
            path = root / place
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        complain(words.t("cli.skills.exists", path=str(root)))
        return 2
    except OSError as e:
        reason = str(e.strerror)
        raise ConfigError(f"{root}: {reason}", "config_file", path=str(root), reason=reason) from None
    print(words.t("cli.skills.made", path=str(root), name=name, module=f"{name}_skill.py"))
    return 0


# ---------------------------------------------------------------- test


def _test(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.ports import Skill
    from duihua.skill_check import at, run_tests, undescribed
    from duihua.skills.loading import load_one

    load_settings()
    found = at(Path(given.path))
    broken = False
    for one in found.skills:
        got = load_one(one)
        if not isinstance(got, Skill):
            broken = True
            complain(fault_line(got, words))
            continue
        print(words.t("cli.skills.loads", name=got.name), flush=True)
        if silent := undescribed(got):
            print(words.t("cli.skills.undescribed", names=", ".join(silent)), flush=True)
    if broken:
        return 1
    if not found.tests:
        print(words.t("cli.skills.no_tests"))
        return 0
    code = run_tests(found)
    if code is None:
        complain(words.t("cli.skills.no_pytest"))
    return 0 if code == 0 else 1


# ---------------------------------------------------------------- run


def _run(given: argparse.Namespace, words: Catalogue) -> int:
    from duihua.skill_run import Trial

    settings = load_settings()
    try:
        _, skill = find(given.name, settings, words)
    except _NotLoaded as e:
        complain(str(e))
        return 1
    if lacks := _lacks(skill, settings, words):
        complain(lacks)
        return 2
    trial = Trial(skill, given.arguments, settings, lambda text: complain(f"… {text}"))
    # The question is asked outside of the event loop, where Ctrl-C ends the program.
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            runner.run(stack.enter_async_context(trial.engine))
            call = runner.run(trial.begin())
            while call.state == "held":
                if not _can_ask():
                    complain(words.t("cli.skills.unasked", name=skill.name))
                call = runner.run(trial.decide(call, _can_ask() and _agreed(call, words)))
            files = runner.run(trial.files())
        finally:
            runner.run(stack.aclose())
    if call.state == "done":
        show(call.result)
        kept = [_keep(file, Path(given.out), words) for file in files]
        return 0 if all(kept) else 1
    complain(words.t(f"cli.skills.is_{call.state}", name=skill.name, why=one_line(call.result, 1_500)))
    return 1


def _keep(file: Attachment, folder: Path, words: Catalogue) -> bool:
    """Saves what a skill brought and says where; False: it could not be saved. The result alone is output."""
    try:
        path = save(folder / file.name, file.data)
    except OSError as e:
        complain(words.t("chat.not_saved", path=folder / file.name, reason=e.strerror))
        return False
    about = words.t("chat.file", name=file.name, mime=file.mime, size=told(len(file.data)))
    complain(words.t("chat.saved", text=about, path=path))
    return True


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _agreed(call: Call, words: Catalogue) -> bool:
    from duihua.shown import arguments_of

    question = one_line(call.result, 500)
    arguments = arguments_of(call.arguments, words)
    complain(words.t("cli.skills.asks", name=call.name, arguments=arguments, question=question))
    try:
        return input(words.t("chat.confirm")).strip().lower() in _YES
    except EOFError:
        return False
