"""Commands that every front end offers. Handlers return values and know nothing of how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from duihua import memory_handlers, setting_handlers, skill_handlers
from duihua.access_handlers import ACCESS
from duihua.command import (
    Answer,
    Command,
    CommandTable,
    Confirm,
    Decided,
    Document,
    Input,
    Invocation,
    Listing,
    Present,
    Quit,
    Role,
    Scene,
    Show,
    Tell,
    UnknownCommand,
)
from duihua.comparison import blocks
from duihua.errors import DuihuaError
from duihua.escapes import clean, one_line
from duihua.messages import Cost, Turn, Usage, text_of
from duihua.prices import sums
from duihua.reminder_handlers import REMINDERS
from duihua.shown import arguments_of

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.ports import StoredCall
    from duihua.session import Session
    from duihua_prompts import Catalogue

__all__ = [
    "COMMON",
    "QUIT",
    "Answer",
    "Command",
    "CommandTable",
    "Confirm",
    "Decided",
    "Document",
    "Input",
    "Invocation",
    "Listing",
    "Present",
    "Quit",
    "Role",
    "Scene",
    "Show",
    "Tell",
    "UnknownCommand",
    "persona_of",
]

_HISTORY, _MOST = 10, 200  # turns shown by /history, and at most


# ---------------------------------------------------------------- handlers


async def _help(scene: Scene) -> Answer:
    words = scene.words
    rows = [(command.usage(words), command.about(words)) for command in scene.table.commands]
    return Listing(words.t("command.help.title"), rows)


async def _new(scene: Scene) -> Answer:
    await scene.session.new()
    return Show(scene.words.t("command.new.done"))


async def _retry(scene: Scene) -> Answer:
    if not await scene.session.history(limit=1):
        return Show(scene.words.t("command.retry.nothing"))
    return Present(scene.session.events(await scene.session.again(key=scene.key)))


async def _undo(scene: Scene) -> Answer:
    done = await scene.session.undo(key=scene.key)
    return Show(scene.words.t("command.undo.done" if done else "command.undo.nothing"))


async def _stop(scene: Scene) -> Answer:
    done = await scene.session.stop()
    return Show(scene.words.t("command.stop.done" if done else "command.stop.nothing"))


async def persona_of(session: Session, engine: ChatEngine) -> str:
    """The name of the session's persona."""
    return str((await session.settings()).get("persona") or engine.settings.persona)


async def _persona(scene: Scene) -> Answer:
    words, library = scene.words, scene.engine.personas
    if not scene.args:
        current = await persona_of(scene.session, scene.engine)
        lines = [words.t("command.persona.title")]
        for name in library.names():
            try:
                persona = library.get(name)
                about = f"{persona.title(words.lang)} · {persona.description(words.lang)}"
            except DuihuaError as e:  # one broken file must not hide the others
                about = str(e)
            lines.append(f"{'*' if name == current else ' '} {name}: {one_line(about)}")
        return Show("\n".join(lines))
    persona = library.get(scene.args)
    await scene.session.configure(persona=persona.name)
    lines = [words.t("command.persona.done", title=persona.title(words.lang)), persona.greeting(words.lang)]
    if samples := persona.samples(words.lang):
        lines += [words.t("command.persona.samples"), *(f"  {sample}" for sample in samples)]
    return Show("\n".join(line for line in lines if line))


async def _history(scene: Scene) -> Answer:
    words = scene.words
    limit = _number(scene.args, _MOST) if scene.args else _HISTORY
    if limit is None:
        return Show(words.t("command.number", most=_MOST, name="history", example=5))
    turns = await scene.session.history(limit=limit)
    return Show("\n".join(_told(turn, words) for turn in turns) or words.t("command.history.nothing"))


def _told(turn: Turn, words: Catalogue) -> str:
    lines: list[str] = []
    if asked := clean(text_of(turn.input)).strip():
        lines.append(f"{words.t('command.history.asked')}: {asked}")
    answer = clean(turn.text).strip()
    mark = "" if turn.state == "done" else words.t(f"command.history.{turn.state}")
    if told := " ".join(part for part in (answer, mark) if part):
        lines.append(f"{words.t('command.history.answered')}: {told}")
    return "\n".join(lines)


async def _usage(scene: Scene) -> Answer:
    words = scene.words

    def line(model: str, turns: int, usage: Usage, cost: Cost | None) -> str:
        told = words.t(
            "command.usage.line",
            model=one_line(model),
            turns=turns,
            input=f"{usage.input:,}",
            output=f"{usage.output:,}",
        )
        return words.t("command.usage.priced", line=told, cost=cost) if cost else told

    rows = await scene.session.usage()
    lines = [line(*row) for row in rows]
    total = sums(cost for *_, cost in rows)
    if len(rows) > 1 and total:
        lines.append(words.t("command.usage.total", cost=" + ".join(map(str, total))))
    return Show("\n".join(lines) or words.t("command.usage.nothing"))


async def _yes(scene: Scene) -> Answer:
    return await _decide(scene, "yes", approve=True)


async def _no(scene: Scene) -> Answer:
    return await _decide(scene, "no", approve=False)


async def _decide(scene: Scene, name: str, *, approve: bool) -> Answer:
    words, held = scene.words, await scene.session.held()
    if not held:
        return Show(words.t("approval.none"))
    numbered = _numbered(held)
    if scene.args:
        meant = numbered.get(_number(scene.args, max(numbered)) or 0)
    else:  # nobody consents to what they did not mean
        meant = held[0] if len(held) == 1 else None
    if meant is None:
        waiting = [
            f"{number}. {one_line(h.call.name)}\n{arguments_of(h.call.arguments, words)}"
            for number, h in numbered.items()
        ]
        code = "approval.which" if scene.args else "approval.several"
        given, example = one_line(scene.args, 20), next(iter(numbered))
        wrong = words.t(code, number=given, count=len(held), name=name, example=example)
        return Show("\n".join([wrong, words.t("approval.list"), *waiting]))
    ticket = await scene.session.decide(meant.call.id, approve)
    return Decided(scene.session.events(ticket), meant, approve)


def _numbered(held: Sequence[StoredCall]) -> dict[int, StoredCall]:
    """Those of one answer keep their numbers while others are decided, so that none is taken for another."""
    if len({one.ref for one in held}) == 1:
        return {one.index + 1: one for one in held}
    return dict(enumerate(held, 1))


async def _compare(scene: Scene) -> Answer:
    names, _, question = scene.args.partition(" ")
    if not question.strip():
        return Show(scene.words.t("command.compare.usage"))
    wanted = [name for name in names.replace("，", ",").split(",") if name]
    return Tell(blocks(scene.engine.compare(question.strip(), wanted), scene.words))


async def _quit(scene: Scene) -> Answer:
    return Quit()


def _number(text: str, most: int) -> int | None:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return value if 1 <= value <= most else None


COMMON: tuple[Command, ...] = (
    Command("help", _help, ("帮助", "h")),
    Command("new", _new, ("新对话",)),
    Command("retry", _retry, ("重试",)),
    Command("undo", _undo, ("撤回",)),
    Command("stop", _stop, ("停止",)),
    Command("persona", _persona, ("人设",), takes=True),
    *setting_handlers.COMMANDS,
    Command("history", _history, ("历史",), takes=True),
    *memory_handlers.COMMANDS,
    *skill_handlers.COMMANDS,
    REMINDERS,
    ACCESS,
    Command("usage", _usage, ("用量",)),
    Command("compare", _compare, ("比较",), takes=True),
    Command("yes", _yes, ("同意", "y"), takes=True),
    Command("no", _no, ("拒绝", "n"), takes=True),
)
"""The commands of every front end."""

QUIT = Command("quit", _quit, ("exit", "退出", "q"))
"""For front ends that one can leave."""
