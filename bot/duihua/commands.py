"""Commands that every front end offers: name, words, role and what they do. They return values."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from duihua.comparison import blocks
from duihua.errors import DuihuaError
from duihua.escapes import clean, columns, one_line
from duihua.messages import Turn, Usage, text_of

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.events import AnyEvent
    from duihua.session import Session
    from duihua_prompts import Catalogue

Role = Literal["user", "owner"]

_HISTORY, _MOST = 10, 200  # turns shown by /history, and at most
_SHAPE = re.compile(r"[/\uff0f]([^\W\d]\w*)(?:\s+(.*))?\s*", re.DOTALL)


# ---------------------------------------------------------------- what a command answers


@dataclass(frozen=True, slots=True)
class Show:
    """A text for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Present:
    """A turn to be shown like any other."""

    events: AsyncIterator[AnyEvent]


@dataclass(frozen=True, slots=True)
class Confirm:
    """Nothing has happened yet: ask `question`; after a yes, `proceed` does it, else show `declined`."""

    question: str
    declined: str
    proceed: Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Quit:
    """The user wants to leave."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Several texts for the user, as they come."""

    texts: AsyncIterator[str]


Answer = Show | Present | Confirm | Tell | Quit


# ---------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class Scene:
    """What a handler works with: `args` is the text after the name."""

    session: Session
    engine: ChatEngine
    args: str
    words: Catalogue
    table: CommandTable


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Its words are `command.<name>.about` and, if it takes any, `command.<name>.argument`.

    `role` is who may use it where several people share a session: anyone in it, or its owner alone.
    """

    name: str
    run: Callable[[Scene], Awaitable[Answer]]
    aliases: tuple[str, ...] = ()
    takes: bool = False
    role: Role = "user"

    def about(self, words: Catalogue) -> str:
        """What it does, in a few words."""
        return words.t(f"command.{self.name}.about")

    def usage(self, words: Catalogue) -> str:
        """How it is written, for example `/persona [name]`."""
        return f"/{self.name} {words.t(f'command.{self.name}.argument')}" if self.takes else f"/{self.name}"


@dataclass(frozen=True, slots=True)
class Input:
    """Not a command: an input for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command with the text after its name."""

    command: Command
    args: str


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """Looks like a command, but there is none. `nearest` may be meant; empty: nothing is near."""

    name: str
    nearest: str = ""

    def line(self, words: Catalogue) -> str:
        """A friendly line."""
        if self.nearest:
            return words.t("command.nearest", name=self.name, nearest=self.nearest)
        return words.t("command.unknown", name=self.name)


class CommandTable:
    """The commands of one front end.

    Args:
        commands: in the order of /help.
    """

    def __init__(self, commands: Sequence[Command]) -> None:
        self.commands = tuple(commands)
        self._by_name = {name: c for c in self.commands for name in (c.name, *c.aliases)}

    def parse(self, text: str) -> Input | Invocation | UnknownCommand:
        """What a line means.

        A command is a slash and a word at the very beginning; `/usr/bin` and `1/2` are ordinary inputs. With
        two slashes, what would be a command is an input with one of them.
        """
        if text[:2] in ("//", "\uff0f\uff0f"):
            return Input(text[1:] if _SHAPE.fullmatch(text[1:]) else text)
        found = _SHAPE.fullmatch(text)
        if found is None:
            return Input(text)
        name, args = found[1].lower(), (found[2] or "").strip()
        if (command := self._by_name.get(name)) is not None:
            return Invocation(command, args)
        return UnknownCommand(one_line(found[1], 40), self._nearest(name))

    async def run(
        self, invocation: Invocation, session: Session, engine: ChatEngine, words: Catalogue
    ) -> Answer:
        """Carries a command out. Raises DuihuaError as the engine does."""
        return await invocation.command.run(Scene(session, engine, invocation.args, words, self))

    def _nearest(self, name: str) -> str:
        near = get_close_matches(name, self._by_name, n=1, cutoff=0.6)
        begun = [known for known in self._by_name if known.startswith(name)]
        found = (begun if len(begun) == 1 else near) or [""]
        return self._by_name[found[0]].name if found[0] else ""


# ---------------------------------------------------------------- handlers


async def _help(scene: Scene) -> Answer:
    words = scene.words
    rows = [(c.usage(words), c.about(words)) for c in scene.table.commands]
    width = max(columns(usage) for usage, _ in rows)
    lines = [f"  {usage}{' ' * (width - columns(usage))}  {about}" for usage, about in rows]
    return Show("\n".join([words.t("command.help.title"), *lines]))


async def _new(scene: Scene) -> Answer:
    await scene.session.new()
    return Show(scene.words.t("command.new.done"))


async def _retry(scene: Scene) -> Answer:
    if not await scene.session.history(limit=1):
        return Show(scene.words.t("command.retry.nothing"))
    return Present(scene.session.retry())


async def _undo(scene: Scene) -> Answer:
    done = await scene.session.undo()
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


async def _forget(scene: Scene) -> Answer:
    words, session = scene.words, scene.session

    async def proceed() -> Answer:
        return Show(words.t("command.forget.done", count=await session.forget()))

    return Confirm(words.t("command.forget.ask"), words.t("command.forget.kept"), proceed)


async def _usage(scene: Scene) -> Answer:
    words = scene.words

    def line(model: str, turns: int, usage: Usage) -> str:
        return words.t(
            "command.usage.line",
            model=one_line(model),
            turns=turns,
            input=f"{usage.input:,}",
            output=f"{usage.output:,}",
        )

    lines = [line(*row) for row in await scene.session.usage()]
    return Show("\n".join(lines) or words.t("command.usage.nothing"))


async def _yes(scene: Scene) -> Answer:
    return await _decide(scene, "yes", approve=True)


async def _no(scene: Scene) -> Answer:
    return await _decide(scene, "no", approve=False)


async def _decide(scene: Scene, name: str, *, approve: bool) -> Answer:
    words, held = scene.words, await scene.session.held()
    if not held:
        return Show(words.t("approval.none"))
    number = _number(scene.args, len(held)) if scene.args else 1
    if number is None:
        waiting = [
            f"  {i}. {one_line(h.call.name)} {one_line(h.call.arguments)}" for i, h in enumerate(held, 1)
        ]
        wrong = words.t("approval.which", number=one_line(scene.args, 20), count=len(held))
        return Show("\n".join([wrong, words.t("approval.list"), *waiting]))
    ticket = await scene.session.decide(held[number - 1].call.id, approve)
    return Present(scene.session.events(ticket))


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
    Command("history", _history, ("历史",), takes=True),
    Command("forget", _forget, ("忘记",), role="owner"),
    Command("usage", _usage, ("用量",)),
    Command("compare", _compare, ("比较",), takes=True),
    Command("yes", _yes, ("同意", "y"), takes=True),
    Command("no", _no, ("拒绝", "n"), takes=True),
)
"""The commands of every front end."""

QUIT = Command("quit", _quit, ("exit", "退出", "q"))
"""For front ends that one can leave."""
